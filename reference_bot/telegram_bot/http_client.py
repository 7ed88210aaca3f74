"""Requests to one server, with one more fact than other clients' errors give.

When a request fails, *could the server have acted on it?* `NotSentError` says it could not: no
connection was had. `NoAnswerError` says it could. What may be sent again depends on it.

Why neither httpx, which python-telegram-bot brings, nor aiohttp: a request costs them 14 and 3
times the processor time, and aiohttp 8 MB (docs/benchmarks.md). Two known servers need little of
HTTP: asyncio connects and does TLS, httptools (llhttp) reads the answers, connections are kept. No
redirects, no cookies, and no compression is asked for.
"""

import asyncio
import os
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import urlsplit

import httptools

_IDLE_SECONDS: Final = 15.0  # shorter than usual servers' patience: a reused connection should live
_OLDEST_SECONDS: Final = 30.0
"""api.telegram.org closes each connection 39 seconds after it was opened, also in the middle of a
request. Measured in https://github.com/NousResearch/hermes-agent/pull/84495"""
_NEXT_ADDRESS_SECONDS: Final = 0.25
"""After that the name's next address is tried beside the first (RFC 8305)."""
_LARGEST: Final = 32 * 1024 * 1024
"""Bytes of an answer. A hundred updates have some hundred thousand."""
_HEADERS: Final = {
    "User-Agent": "botproof-reference-bot",
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # answers are small: unpacking would cost more than it saves
}


class HttpError(Exception):
    """The request failed before a whole answer came."""


class NotSentError(HttpError):
    """Nothing was written: the server cannot have acted."""


class NoAnswerError(HttpError):
    """The request may have been written and its answer did not come whole."""


class LateAnswerError(NoAnswerError):
    """No answer came within the time that the request had."""


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Status, whole body, and the header ``Retry-After`` if there was one."""

    status: int
    body: bytes
    retry_after: str = ""


class _Connection(asyncio.Protocol):
    """One connection, with one request at a time under way.

    ``among``: where it is while it is open; ``home``: where it waits for the next request.
    """

    def __init__(self, among: "set[_Connection]", home: "deque[_Connection]") -> None:
        self._among = among
        self.home = home
        self._parser = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[HttpResponse] | None = None
        self._transport: asyncio.Transport | None = None
        self._size = 0
        self._body: list[bytes] = []
        self._retry_after = ""
        self._framed = self._reading_body = False
        self.reused = False
        self.opened = self.idle_since = 0.0

    def is_open(self) -> bool:
        """Tell whether a request can be written to it."""
        return self._transport is not None and not self._transport.is_closing()

    def abort(self) -> None:
        """Close it at once; a request that is under way fails with NoAnswerError."""
        if self._transport is not None:
            self._transport.abort()

    async def exchange(self, request: bytes) -> HttpResponse:
        """Write ``request`` and return its answer. Raises NoAnswerError."""
        if self._transport is None:
            raise NoAnswerError("connection lost: it was closed")
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._waiting
        except BaseException:  # it still owes an answer, which the next request must not get
            self.abort()
            raise

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._among.add(self)
        self.opened = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > _LARGEST:
            self._fail(f"an answer of over {_LARGEST} bytes")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(f"not HTTP: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._among.discard(self)
        if exc is None and self._reading_body and not self._framed:
            self._complete()  # such a body ends with its connection
        self._fail(f"connection lost: {exc or 'it was closed'}")
        self._transport = None

    # what httptools calls

    def on_message_begin(self) -> None:
        if self._waiting is None:  # nobody has asked: the next answer would be the wrong one
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"content-length" | b"transfer-encoding":
                self._framed = True
            case b"retry-after":
                self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._reading_body = True

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:  # else the answer itself follows
            self._complete()
        self._framed = self._reading_body = False

    def _complete(self) -> None:
        status = self._parser.get_status_code()
        waiting, self._waiting = self._waiting, None
        answer = HttpResponse(status, b"".join(self._body), self._retry_after)
        self._size, self._body, self._retry_after = 0, [], ""
        if not self._parser.should_keep_alive():
            self.abort()
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _fail(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(NoAnswerError(reason))
        self.abort()


class HttpClient:
    """Requests to one server, over at most ``max_connections`` kept-alive connections.

    Made anywhere, used in one event loop. Where a connection that had stood idle gives no answer,
    the others that did are not used again: what cut one off, a router that forgot it or a way that
    went, has cut off all, and each would lose a request.
    """

    def __init__(
        self,
        base_url: str,
        *,
        max_connections: int = 256,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(base_url)
        self._tls = _tls_context() if parts.scheme == "https" else None
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._prefix = parts.path.rstrip("/")
        named = {"Host": parts.netloc, **_HEADERS, **(headers or {})}
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        self._places = asyncio.Semaphore(max_connections)
        self._open: set[_Connection] = set()
        self._idle: deque[_Connection] = deque()
        """The one that was used last at the end."""

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        timeout: float,  # noqa: ASYNC109 - it decides which error this raises
    ) -> HttpResponse:
        """Return the answer, whatever its status.

        ``path`` comes after the base URL's; ``timeout`` is in seconds, over everything.
        Raises NotSentError or NoAnswerError.
        """
        head = (
            f"{method} {self._prefix}{path} HTTP/1.1\r\n{self._headers}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(timeout), self._places:
                connection = self._from_idle() or await self._connect()
                answer = await connection.exchange(head.encode() + body)
                self._keep(connection)
                return answer
        except TimeoutError:
            if connection is None:
                raise NotSentError(f"not connected in {timeout:g} s") from None
            self._doubt(connection)
            raise LateAnswerError(f"no answer within {timeout:g} s") from None
        except NoAnswerError:
            if connection is not None:
                self._doubt(connection)
            raise
        except OSError as error:
            raise NotSentError(f"cannot connect: {error}") from error

    def _from_idle(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle and self._idle[0].idle_since < now - _IDLE_SECONDS:
            self._idle.popleft().abort()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open() and connection.opened > now - _OLDEST_SECONDS:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> _Connection:
        try:
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: _Connection(self._open, self._idle),
                self._host,
                self._port,
                ssl=self._tls,
                happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
            )
        except ssl.SSLCertVerificationError:
            self._tls = _tls_context()  # whom the host trusts may have been renewed meanwhile
            raise
        return connection

    def _keep(self, connection: _Connection) -> None:
        if connection.home is not self._idle:
            connection.abort()
        elif connection.is_open():
            connection.reused = True
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)

    def _doubt(self, connection: _Connection) -> None:
        """Use none of the others again where one that had stood idle gave no answer."""
        if connection.reused and connection.home is self._idle:
            self.doubt()

    def doubt(self) -> None:
        """Use no connection again that stands idle or is under way."""
        for other in self._idle:
            other.abort()
        self._idle = deque()

    async def close(self) -> None:
        """Close every connection; requests that run fail with NoAnswerError."""
        for connection in tuple(self._open):
            connection.abort()
        await asyncio.sleep(0)  # lets the transports run their closing callbacks


def _tls_context() -> ssl.SSLContext:
    if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return ssl.create_default_context()  # OpenSSL reads both variables by itself
    import certifi  # noqa: PLC0415 - httpx brings it; only needed for TLS

    return ssl.create_default_context(cafile=certifi.where())
