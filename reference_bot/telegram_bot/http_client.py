"""Requests to one server, over aiohttp, with one more fact than its errors give.

When a request fails, *could the server have acted on it?* `NotSentError` says it could not: no
connection was had. `NoAnswerError` says it could. What may be sent again depends on it.

Why aiohttp and not httpx, which python-telegram-bot brings: with two hundred requests at once httpx
takes so much CPU that answers miss their two seconds (docs/bot.md has the figures).
"""

import asyncio
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

_IDLE_SECONDS: Final = 15.0  # shorter than usual servers' patience: a reused connection should live
_NAME_SECONDS: Final = 0  # a container's name leads to another one from one moment to the next
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


@dataclass(slots=True)
class _Trip:
    """One request on its way."""

    connected: bool = False
    reused: bool = False


@dataclass(slots=True)
class _Pool:
    """Connections, and how many requests are on their way over them."""

    session: aiohttp.ClientSession
    running: int = 0


class HttpClient:
    """Requests to one server, over at most ``max_connections`` kept-alive connections.

    No redirects, no cookies. Made anywhere, used in one event loop. Where a connection that had
    stood idle gives no answer, the others that did are not used again: what cut one off, a router
    that forgot it or a way that went, has cut off all, and each would lose a request.
    """

    def __init__(
        self,
        base_url: str,
        *,
        max_connections: int = 256,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._max_connections = max_connections
        self._headers = {**_HEADERS, **(headers or {})}
        self._pool: _Pool | None = None
        self._left: list[_Pool] = []
        """Pools over which requests are still on their way, and that get no more."""

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        content_type: str = "application/json",
        timeout: float,  # noqa: ASYNC109 - it decides which error this raises
    ) -> HttpResponse:
        """Return the answer, whatever its status.

        ``path`` comes after the base URL's; ``timeout`` is in seconds, over everything.
        Raises NotSentError or NoAnswerError.
        """
        if self._pool is None:  # not before: a session needs the loop that it will run in
            self._pool = _Pool(self._open())
        pool = self._pool
        trip = _Trip()
        pool.running += 1
        try:
            async with (
                asyncio.timeout(timeout),
                pool.session.request(
                    method,
                    URL(self._base + path, encoded=True),
                    data=body,
                    headers={"Content-Type": content_type},
                    allow_redirects=False,
                    trace_request_ctx=trip,
                ) as response,
            ):
                return HttpResponse(
                    response.status,
                    await response.read(),
                    "" if response.ok else response.headers.get("Retry-After", ""),
                )
        except TimeoutError:
            if trip.connected:
                self._doubt(pool, trip)
                raise LateAnswerError(f"no answer within {timeout:g} s") from None
            raise NotSentError(f"not connected in {timeout:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            if trip.connected:
                self._doubt(pool, trip)
                raise NoAnswerError(_reason(error)) from error
            raise NotSentError(f"cannot connect: {error}") from error
        finally:
            pool.running -= 1
            if pool in self._left and not pool.running:
                self._left.remove(pool)
                await pool.session.close()

    def _doubt(self, pool: _Pool, trip: _Trip) -> None:
        """Begin a new pool where a connection that had stood idle gave no answer."""
        if trip.reused and pool is self._pool:
            self._pool = None
            self._left.append(pool)

    def _open(self) -> aiohttp.ClientSession:
        tls: ssl.SSLContext | bool = (
            _tls_context() if urlsplit(self._base).scheme == "https" else True
        )
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(_connected)
        trace.on_connection_reuseconn.append(_reused)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._max_connections,
                keepalive_timeout=_IDLE_SECONDS,
                ssl=tls,
                ttl_dns_cache=_NAME_SECONDS,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=None),  # `request` keeps the time
            trace_configs=[trace],
        )

    async def close(self) -> None:
        """Close every connection; requests that run fail with NoAnswerError."""
        for pool in [*self._left, *([self._pool] if self._pool else [])]:
            await pool.session.close()
        await asyncio.sleep(0)  # lets the transports run their closing callbacks


def _reason(error: Exception) -> str:
    """Never ``str`` of a response error: that holds the URL, and the URL of a call its token."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"not HTTP: {error.message}"
    return f"connection lost: {str(error) or type(error).__name__}"


async def _connected(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
    context.trace_request_ctx.connected = True


async def _reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: Any) -> None:
    context.trace_request_ctx.connected = context.trace_request_ctx.reused = True


def _tls_context() -> ssl.SSLContext:
    if "SSL_CERT_FILE" in os.environ or "SSL_CERT_DIR" in os.environ:
        return ssl.create_default_context()  # OpenSSL reads both variables by itself
    import certifi  # noqa: PLC0415 - httpx brings it; only needed for TLS

    return ssl.create_default_context(cafile=certifi.where())
