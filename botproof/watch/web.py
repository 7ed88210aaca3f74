"""HTTP questions with a deadline, over TCP, TLS or a Unix socket; the standard library does it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from botproof.watch.proxies import Proxy, ProxyError, proxy_of

_MOST = 1_000_000
"""Bytes of an answer that are looked at."""
_DAY_S = 86400.0


class Unanswered(Exception):  # noqa: N818 - what happened, said as it is
    """No answer came. The message says why, without the URL: that may hold a token."""


class Response(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: bytes

    def json(self) -> Any:
        """Return the body. Raises Unanswered when it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unanswered(f"HTTP {self.status} with a body that is no JSON") from None


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


_contexts: list[ssl.SSLContext] = []


def _context() -> ssl.SSLContext:
    """Return one for the process: each new one reads all authorities of the machine."""
    if not _contexts:
        _contexts.append(ssl.create_default_context())
    return _contexts[0]


def ask(
    url: str,
    timeout: float,
    *,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """GET, or POST with a body (JSON unless a header says otherwise). Raises Unanswered.

    By the proxy that the environment names, where the URL leads outside.
    """
    parts = urlsplit(url)
    proxy = _proxy(url)
    place = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "https":
        safe = _safe(parts.hostname or "", parts.port or 443, timeout, proxy)
        return _exchange(safe, place, body, headers, proxy)
    if proxy is None:
        plain = http.client.HTTPConnection(parts.netloc, timeout=timeout)
        return _exchange(plain, place, body, headers)
    plain = http.client.HTTPConnection(proxy.host, proxy.port, timeout=timeout)
    told = {**(headers or {}), **proxy.headers}
    return _exchange(plain, f"http://{parts.netloc}{place}", body, told, proxy)


def _proxy(url: str) -> Proxy | None:
    try:
        return proxy_of(url)
    except ProxyError as error:
        raise Unanswered(str(error)) from None


def _safe(host: str, port: int, timeout: float, proxy: Proxy | None) -> http.client.HTTPSConnection:
    """Return a connection over TLS, through the proxy where there is one."""
    if proxy is None:
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=_context())
    made = http.client.HTTPSConnection(proxy.host, proxy.port, timeout=timeout, context=_context())
    made.set_tunnel(host, port, dict(proxy.headers))
    return made


def unix(path: str, place: str, timeout: float) -> Response:
    """Ask by GET over a Unix socket. Raises Unanswered."""
    return _exchange(_Unix(path, timeout), place, None, None)


def _exchange(
    connection: http.client.HTTPConnection,
    place: str,
    body: str | None,
    headers: Mapping[str, str] | None,
    proxy: Proxy | None = None,
) -> Response:
    by = "" if proxy is None else f" (by the proxy of {proxy.variable})"
    named = {"User-Agent": "botproof-watch", "Connection": "close", **(headers or {})}
    if body is not None:
        named.setdefault("Content-Type", "application/json")
    data = None if body is None else body.encode()
    # The socket's own timeout is for each read: an answer that drips would never come to its end.
    late = threading.Event()
    timer = threading.Timer(connection.timeout or 1.0, _cut, (connection, late))
    timer.daemon = True
    try:
        connection.connect()
        timer.start()
        connection.request("GET" if body is None else "POST", place, data, named)
        response = connection.getresponse()
        answer = Response(response.status, response.read(_MOST))
    except (OSError, http.client.HTTPException, ValueError) as error:
        if late.is_set() or isinstance(error, TimeoutError):
            raise Unanswered(f"no answer within {connection.timeout:g} s{by}") from None
        raise Unanswered(f"{_reason(error)}{by}") from None
    finally:
        timer.cancel()
        connection.close()
    if late.is_set():  # what had come by then may be half an answer
        raise Unanswered(f"no answer within {connection.timeout:g} s{by}")
    return answer


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError, AttributeError):  # it is closed already
        connection.sock.shutdown(socket.SHUT_RDWR)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if type(error) is OSError:  # what http.client says of a proxy that does not let it through
        return str(error)
    return type(error).__name__


def days_left(host: str, timeout: float, now: float) -> tuple[float, str]:
    """Return the days until the certificate of `host[:port]` ends, and its end in words; -1: not
    valid.

    Raises Unanswered when no connection comes about.
    """
    name, _, port = host.partition(":")
    connection = _safe(name, int(port or 443), timeout, _proxy(f"https://{host}"))
    try:
        connection.connect()
        found = connection.sock
        assert isinstance(found, ssl.SSLSocket)  # noqa: S101 - for mypy; it has just been made
        end = str((found.getpeercert() or {}).get("notAfter", ""))
    except ssl.SSLCertVerificationError as error:
        return -1.0, error.verify_message
    except TimeoutError:
        raise Unanswered(f"no answer within {timeout:g} s") from None
    except OSError as error:
        raise Unanswered(_reason(error)) from None
    finally:
        connection.close()
    return (ssl.cert_time_to_seconds(end) - now) / _DAY_S, f"it ends {end}"
