"""Is there anything at all at the host that the load is sent to, and is it the right thing?

A host that was mistyped must not look like a target that fails. So before the first request of a
load one connection is made: to a name that nobody knows, a port where nobody listens, or a service
of another kind no load is sent. What does answer, however badly, is the target and is judged.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from urllib.parse import SplitResult, urlsplit

_TIMEOUT_S = 5.0
_NOT_THERE = frozenset({404, 405, 501})


def normal_host(host: str) -> str:
    """Return a host as it is meant: without spaces around it and without slashes at its end."""
    return host.strip().rstrip("/")


def host_problem(host: str | None) -> str:
    """Return what is wrong with how a host is written, and what would be right; empty
    when nothing is."""
    example = "it must be like http://127.0.0.1:8001"
    try:
        parts = urlsplit(normal_host(host or ""))
        port = parts.port
    except ValueError as error:
        return f"--host is {host!r}: {error}; {example}"
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        return f"--host is {host!r}; {example}"
    if parts.query or parts.fragment or " " in parts.netloc:
        return f"--host is {host!r}; it must end before any '?' or '#': {example}"
    return ""


def unreachable(host: str) -> str:
    """Say why nothing can be sent to a host; empty when a connection comes about."""
    parts = urlsplit(normal_host(host))
    try:
        with _connect(parts) as connection:
            if parts.scheme == "https":
                _wrap(connection, parts).close()
    except socket.gaierror:
        return f"{host}: no machine of the name {parts.hostname!r} is known; is it spelt right?"
    except ssl.SSLError as error:
        return f"{host}: does not speak https ({error.reason}); is it http:// ?"
    except ConnectionRefusedError:
        return f"{host}: nobody listens there; is the port right, and is it started?"
    except OSError as error:
        return f"{host}: no connection: {error}"
    return ""


def not_market_data(host: str, symbol: str) -> str:
    """Say why what answers at a host is not a market-data service; empty when it may be one.

    A market-data service has `/health`, and one that has lost it still knows a price: only where
    neither exists is it something else.
    """
    problem = unreachable(host)
    if problem:
        return problem
    health = _status(host, "GET", "/health", None)
    if health is None or health == 400:
        return _speaks_https(host)
    if health not in _NOT_THERE:
        return ""
    if _status(host, "POST", "/combined_price", {"symbol": symbol}) not in _NOT_THERE:
        return ""
    return (
        f"{host}: answers, but knows neither /health nor /combined_price: it is no market-data "
        "service; is the port right, and is there a path too much?"
    )


def _status(host: str, method: str, path: str, body: object) -> int | None:
    """Return the HTTP status of one request; None without one."""
    parts = urlsplit(normal_host(host))
    name = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        # Locust's clients do not verify certificates either: staging often has its own.
        connection = http.client.HTTPSConnection(
            name, parts.port, timeout=_TIMEOUT_S, context=_unverified()
        )
    else:
        connection = http.client.HTTPConnection(name, parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request(
            method,
            parts.path + path,
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/json"},
        )
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _speaks_https(host: str) -> str:
    parts = urlsplit(normal_host(host))
    if parts.scheme == "https":
        return ""
    try:
        with _connect(parts) as connection:
            _wrap(connection, parts).close()
    except OSError:
        return ""
    return f"{host}: speaks https, not http; write https://"


def _connect(parts: SplitResult) -> socket.socket:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return socket.create_connection((parts.hostname or "", port), timeout=_TIMEOUT_S)


def _wrap(connection: socket.socket, parts: SplitResult) -> ssl.SSLSocket:
    return _unverified().wrap_socket(connection, server_hostname=parts.hostname)


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
