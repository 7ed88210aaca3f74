"""One client connection of a double's server: parses requests, keeps their order, writes answers.

Source of the protocol rules: RFC 9112 (HTTP/1.1). Requests on one connection are answered in order
(section 9.3.2), `HEAD` gets headers only, `Expect: 100-continue` is honoured (RFC 9110, 10.1.1).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import cast
from urllib.parse import parse_qsl, unquote

import httptools

from botproof.doubles.messages import (
    AnyResponse,
    Handler,
    OnFailure,
    Request,
    Response,
    Stream,
    Transport,
    error_response,
)

log = logging.getLogger(__name__)

EMPTY: Mapping[str, str] = MappingProxyType({})
MAX_HEAD_BYTES = 64 * 1024
MAX_PIPELINED = 64
LINGER_SECONDS = 1.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER, zero seconds: close() sends RST, not FIN
_REASONS = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True, slots=True)
class _Turn:
    """A request whose turn to be answered comes; `answer` is set when it is known already."""

    request: Request
    keep_alive: bool
    answer: Response | None = None


class _Refused(Exception):  # noqa: N818 - a refusal with its status, not an error of this program
    def __init__(self, status: int, what: str) -> None:
        super().__init__(what)
        self.status = status


class Connection(asyncio.Protocol):
    """A connection that a server has accepted; it is in `connections` while it is open."""

    def __init__(
        self,
        handler: Handler,
        connections: set[Connection],
        max_body: int,
        loop: asyncio.AbstractEventLoop,
        on_failure: OnFailure | None,
    ) -> None:
        self._handler = handler
        self._on_failure = on_failure
        self._connections = connections
        self._max_body = max_body
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._turns: deque[_Turn] = deque()
        self._busy = False
        self._deaf = False  # after malformed input nothing more is understood
        self._refusal: _Refused | None = None
        self._may_write: asyncio.Event | None = None
        self._linger: asyncio.TimerHandle | None = None
        self.on_message_begin()

    # -- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._connections.discard(self)
        self._transport = None
        self._turns.clear()
        if self._task is not None:
            self._task.cancel()
        if self._linger is not None:
            self._linger.cancel()
        if self._may_write is not None:
            self._may_write.set()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True  # answered as HTTP/1.1; what follows would be another protocol
        except httptools.HttpParserError as error:
            refusal = self._refusal or _Refused(400, f"malformed HTTP: {error}")
            self._refuse(refusal)

    def pause_writing(self) -> None:
        self._may_write = asyncio.Event()

    def resume_writing(self) -> None:
        if self._may_write is not None:
            self._may_write.set()
            self._may_write = None

    # -- httptools callbacks ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers: dict[str, str] = {}
        self._chunks: list[bytes] = []
        self._size = 0
        self._head_size = 0

    def on_url(self, url: bytes) -> None:
        self._count_head(len(url))
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))
        self._headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        headers = self._headers
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self._max_body:
            self._stop(413, f"the body has {length} bytes; at most {self._max_body} are taken")
        if "expect" in headers and headers["expect"].lower() == "100-continue" and not self._busy:
            self._write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > self._max_body:
            self._stop(413, f"the body is over {self._max_body} bytes")
        self._chunks.append(body)

    def on_message_complete(self) -> None:
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        method = self._parser.get_method().decode("latin-1")
        request = _request(method, self._url, self._headers, body)
        self._turns.append(_Turn(request, self._parser.should_keep_alive()))
        if self._busy:
            if len(self._turns) == MAX_PIPELINED and self._transport is not None:
                self._transport.pause_reading()
            return
        self._work()

    def _count_head(self, size: int) -> None:
        self._head_size += size
        if self._head_size > MAX_HEAD_BYTES:
            self._stop(431, f"request line and headers are over {MAX_HEAD_BYTES} bytes")

    def _stop(self, status: int, what: str) -> None:
        # httptools replaces what a callback raises by its own error: keep the refusal beside it.
        self._refusal = _Refused(status, what)
        raise self._refusal

    # -- turns --------------------------------------------------------------------------------

    def _refuse(self, refusal: _Refused) -> None:
        self._deaf = True
        answer = error_response(refusal.status, str(refusal))
        self._turns.append(_Turn(Request("", ""), keep_alive=False, answer=answer))
        if not self._busy:
            self._work()

    def _work(self) -> None:
        """Answer waiting requests until one needs time."""
        while self._turns and not self._busy and self._transport is not None:
            turn = self._turns.popleft()
            self._busy = True
            self._begin(turn)

    def _begin(self, turn: _Turn) -> None:
        if turn.answer is not None:
            self._send(turn, turn.answer)
            return
        try:
            answer = self._handler(turn.request)
        except Exception as error:  # whatever a handler raises becomes a 500
            self._send(turn, self._failed(turn.request, error))
            return
        if isinstance(answer, Response):
            self._send(turn, answer)
        else:
            self._task = self._loop.create_task(self._finish(turn, answer))

    async def _finish(self, turn: _Turn, pending: Stream | Awaitable[AnyResponse]) -> None:
        try:
            answer = pending if isinstance(pending, Stream) else await pending
        except Exception as error:  # whatever a handler raises becomes a 500
            answer = self._failed(turn.request, error)
        if isinstance(answer, Stream):
            await self._pump(answer)
        else:
            self._send(turn, answer)
        self._task = None
        self._work()

    async def _pump(self, stream: Stream) -> None:
        head = _head(200, stream.content_type, None, stream.headers, keep_alive=False)
        self._write(head)
        try:
            async for chunk in stream.chunks:
                if self._may_write is not None:
                    await self._may_write.wait()
                self._write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b"")
            self._write(b"0\r\n\r\n")
        finally:
            close = getattr(stream.chunks, "aclose", None)
            if close is not None:
                await close()
            self._hang_up()

    def _failed(self, request: Request, error: Exception) -> Response:
        if self._on_failure is not None:
            self._on_failure(request, error)
        return _internal_error(request, error)

    def _send(self, turn: _Turn, response: Response) -> None:
        if response.transport is Transport.SILENT:
            return  # still busy: later requests of this connection get no answer either
        if response.transport is Transport.RESET:
            self._reset()
            return
        halved = response.transport is Transport.HALF_BODY
        keep_alive = turn.keep_alive and not halved
        body = response.body
        head = _head(
            response.status, response.content_type, len(body), response.headers, keep_alive
        )
        if turn.request.method == "HEAD":
            body = b""
        self._write(head + (body[: len(body) // 2] if halved else body))
        self._busy = False
        if turn.answer is not None:
            self._close_softly()
        elif not keep_alive:
            self._hang_up()
        elif len(self._turns) == MAX_PIPELINED - 1 and self._transport is not None:
            self._transport.resume_reading()

    # -- the wire -----------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        if self._transport is not None and data:
            self._transport.write(data)

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _close_softly(self) -> None:
        """Close once the client could read: closing over unread input would send RST instead."""
        if self._transport is not None:
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._linger = self._loop.call_later(LINGER_SECONDS, self._hang_up)

    def _reset(self) -> None:
        if self._transport is None:
            return
        sock = self._transport.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def abort(self) -> asyncio.Task[None] | None:
        """Drop the connection; the handler that still runs, if any."""
        if self._transport is not None:
            self._transport.abort()
        return self._task


def _request(method: str, url: bytes, headers: dict[str, str], body: bytes) -> Request:
    target = url.decode("latin-1")
    if target.startswith("http"):  # absolute form, as sent through a proxy (RFC 9112, 3.2.2)
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, raw_query = target.partition("?")
    if "%" in path:
        path = unquote(path)
    query = EMPTY if not raw_query else _query(raw_query)
    return Request(method, path, query, headers, body, raw_query)


def _query(raw: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for key, value in parse_qsl(raw, keep_blank_values=True):
        query.setdefault(key, value)
    return query


def _internal_error(request: Request, error: Exception) -> Response:
    log.error("handler failed: %s %s", request.method, request.path, exc_info=error)
    text = f"the double failed on {request.method} {request.path}: {type(error).__name__}: {error}"
    return error_response(500, text)


def _head(
    status: int,
    content_type: str,
    length: int | None,
    headers: Mapping[str, str],
    keep_alive: bool,
) -> bytes:
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    reason = _REASONS.get(status, "Unknown")
    extra = "".join([f"{name}: {value}\r\n" for name, value in headers.items()]) if headers else ""
    closing = "" if keep_alive else "Connection: close\r\n"
    first = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\n"
    return f"{first}{size}\r\n{extra}{closing}\r\n".encode("latin-1")
