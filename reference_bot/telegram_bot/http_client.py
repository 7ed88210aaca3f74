"""A small HTTP/1.1 client for two known servers: the Bot API and market-data.

Why not httpx for these: a request costs it about a millisecond of CPU, and two requests an update
are most of what the bot does (docs/bot.md has the figures). And one thing matters here that general
clients blur: when a request fails, *could the server have acted on it?* `NotSentError` says it
could not; `NoAnswerError` says it could. What may be sent again depends on it.

Keep-alive, TLS, no redirects, no cookies, no compression asked for. Parsing is llhttp's
(httptools).
"""

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

_MAX_BODY: Final = 32 * 1024 * 1024
_IDLE_SECONDS: Final = 15.0  # shorter than usual servers' patience: a reused connection should live


class HttpError(Exception):
    """The request failed before a whole answer came."""


class NotSentError(HttpError):
    """Nothing was written: the server cannot have acted."""


class NoAnswerError(HttpError):
    """The request was written and its answer did not come whole: the server may have acted."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``headers`` has lower-case names; of repeated headers the last one stays."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Connection(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self.idle_since = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._size = 0

    @property
    def usable(self) -> bool:
        transport = self._transport
        return transport is not None and not transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._fail(f"connection lost: {exc}" if exc else "connection closed before the answer")

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # an answer nobody asked for: this connection is out of step
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not HTTP: {error}")
            self.close()

    # httptools calls these

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > _MAX_BODY:
            self._fail(f"an answer of over {_MAX_BODY} bytes")
            self.close()
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        waiting, status = self._answer, self._parser.get_status_code()
        headers, body = self._headers, b"".join(self._body)
        keep = self._parser.should_keep_alive()
        self._headers, self._body, self._size = {}, [], 0
        if status < 200 or waiting is None:  # 1xx: the real answer follows
            return
        self._answer = None
        if not waiting.done():
            waiting.set_result(Answer(status, headers, body))
        if not keep:
            self.close()

    def _fail(self, reason: str) -> None:
        waiting, self._answer = self._answer, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(NoAnswerError(reason))

    async def exchange(self, request: bytes) -> Answer:
        transport = self._transport
        if transport is None or transport.is_closing():
            raise NotSentError("connection closed")
        answer: asyncio.Future[Answer] = self._loop.create_future()
        self._answer = answer
        transport.write(request)
        return await answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class HttpClient:
    """Requests to one server, over at most ``max_connections`` kept-alive connections."""

    def __init__(self, base_url: str, *, max_connections: int = 256) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._tls = _tls_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._host_header = parts.netloc.rpartition("@")[2]
        self._prefix = parts.path.rstrip("/")
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()
        self._free = asyncio.Semaphore(max_connections)

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
        timeout: float,  # noqa: ASYNC109 - it decides which error this raises
    ) -> Answer:
        """The answer, whatever its status.

        ``path`` is relative to the base URL's; ``timeout`` is in seconds, over everything.
        Raises NotSentError or NoAnswerError.
        """
        head = (
            f"{method} {self._prefix}{path} HTTP/1.1\r\nHost: {self._host_header}\r\n"
            f"User-Agent: botproof-reference-bot\r\nAccept: application/json\r\n"
            f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        sent = False
        try:
            async with asyncio.timeout(timeout), self._free:
                connection = await self._connection()
                sent = True
                return await self._exchange(connection, head.encode("latin-1") + body)
        except TimeoutError:
            reason = (
                f"no answer within {timeout:g} s" if sent else f"not connected in {timeout:g} s"
            )
            raise (NoAnswerError if sent else NotSentError)(reason) from None

    async def _exchange(self, connection: _Connection, request: bytes) -> Answer:
        whole = False
        try:
            answer = await connection.exchange(request)
            whole = True
            return answer
        finally:
            # Cut off half-way, a connection still owes an answer: the next request must not get it.
            if whole and connection.usable:
                connection.idle_since = asyncio.get_running_loop().time()
                self._idle.append(connection)
            else:
                connection.close()
                self._all.discard(connection)

    async def _connection(self) -> _Connection:
        loop = asyncio.get_running_loop()
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and loop.time() - connection.idle_since < _IDLE_SECONDS:
                return connection
            connection.close()
            self._all.discard(connection)
        try:
            _, made = await loop.create_connection(
                lambda: _Connection(loop), self._host, self._port, ssl=self._tls
            )
        except OSError as error:
            raise NotSentError(f"cannot connect: {error.strerror or error}") from error
        self._all.add(made)
        return made

    async def close(self) -> None:
        """Closes every connection; requests that run fail with NoAnswerError."""
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._idle.clear()
        await asyncio.sleep(0)  # lets the transports run their closing callbacks


def _tls_context() -> ssl.SSLContext:
    if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return ssl.create_default_context()  # OpenSSL reads both variables by itself
    import certifi  # noqa: PLC0415 - httpx brings it; only needed for TLS

    return ssl.create_default_context(cafile=certifi.where())
