"""The proxy that the environment names for what lies outside, as curl and httpx read it.

A program of this machine or of its private networks is never asked by one: the fleet's containers
are among them, and a proxy outside does not reach them.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote, urlsplit


class ProxyError(Exception):
    """The proxy that is named cannot be used here. The message names the variable."""


class Proxy(NamedTuple):
    """Where it listens, what it has to be told, and which variable named it."""

    host: str
    port: int
    headers: Mapping[str, str]
    variable: str


def proxy_of(url: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """Return the proxy for a URL; None where it is asked directly. Raises ProxyError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if _near(host) or _left_out(host, environment):
        return None
    for wanted in (f"{parts.scheme}_proxy", "all_proxy"):
        for variable in (wanted, wanted.upper()):
            if value := environment.get(variable, "").strip():
                return _read(value, variable)
    return None


def _near(host: str) -> bool:
    """Tell whether it is an address of this machine or its networks, or a name without a dot."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return address.is_private or address.is_loopback or address.is_link_local


def _left_out(host: str, environment: Mapping[str, str]) -> bool:
    text = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    names = [name.strip().lstrip(".").lower() for name in text.split(",")]
    return any(
        name == "*" or (name and (host == name or host.endswith(f".{name}"))) for name in names
    )


def _read(value: str, variable: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ProxyError(f"{variable} holds no URL of a proxy") from None
    if not host:
        raise ProxyError(f"{variable} holds no URL of a proxy")
    if parts.scheme != "http":
        raise ProxyError(f"{variable} names a proxy by {parts.scheme}, and only http:// is known")
    headers = {}
    if parts.username is not None:
        known = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {base64.b64encode(known.encode()).decode()}"
    return Proxy(host, port or 80, headers, variable)
