"""Which addresses `setWebhook` takes, and the words by which the real server refuses the others.

Source: `parse_url` in HttpUrl.cpp and `IPAddress::is_reserved` of TDLib's tdutils; `start_up` and
`check_ip_address` in WebhookActor.cpp of the Bot API server.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from botproof.doubles.telegram.replies import Refusal, bad_request

_PORTS = frozenset({80, 88, 443, 8443})
_IN_HOST = re.compile(r"(?:[\w.!$,~*'();&+=-]|[^\x00-\x7f]|%[0-9A-Fa-f]{2})+", re.ASCII)
_UNSET = frozenset({"undefined", "null", "none", "nan", "false", "true"})
"""What a setting without a value reads as in an address: no name of any network."""
_RESERVED = tuple(
    ipaddress.IPv4Network(block)
    for block in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
    )
)
_LOCAL = (".local", ".internal", ".test", ".localhost")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a webhook stands: `scheme`, `host` in small letters and without brackets, `port`.
    `named` tells whether its address named a scheme."""

    scheme: str
    host: str
    port: int
    named: bool


def place_of(url: str) -> Place:
    """Return where `url` leads; without a scheme it is https.

    Raises Refusal (400) for what the server does not take for an address.
    """
    scheme, found, rest = url.partition("://")
    named = bool(found) and not re.search(r"[:/?#@\[\]]", scheme)
    scheme, rest = (scheme.lower(), rest) if named else ("https", url)
    host, port = _host_and_port(re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2])
    if scheme not in {"http", "https"} or not 0 <= port <= 65535:
        raise _invalid()
    return Place(scheme, host, port or (80 if scheme == "http" else 443), named)


def _host_and_port(text: str) -> tuple[str, int]:
    host, colon, figures = text.rpartition(":")
    if not colon or not host or figures.endswith("]"):
        host, figures = text, ""
    elif not (figures.isascii() and figures.isdigit() and int(figures)):
        raise _invalid()
    if host.startswith("["):
        try:
            host = str(ipaddress.IPv6Address(host[1:-1] if host.endswith("]") else host))
        except ValueError:
            raise _invalid() from None
    elif host == "." or _IN_HOST.fullmatch(host) is None:
        raise _invalid()
    return host.lower(), int(figures or 0)


def _invalid() -> Refusal:
    return bad_request("invalid webhook URL specified")


def check_address(place: Place, ip_address: str, *, strict: bool) -> None:
    """Refuse a place that Telegram would not reach. `ip_address` is what the call names beside it.

    No name is looked up: what is public is believed. Unless `strict`, what only this machine and
    its networks know is taken, so that a bot under test can be reached.

    Raises Refusal (400).
    """
    host = place.host
    if host in _UNSET or (not place.named and _is_one_word(host)):
        raise _no_such_host()
    if not strict and _is_local(host):
        return
    if place.scheme != "https":
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if place.port not in _PORTS:
        raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
    if ip_address or host == "localhost":
        _check_figures(ip_address or "127.0.0.1")
    elif _in_figures(host):
        _check_figures(host)
    elif _is_local(host):
        raise _no_such_host()


def _no_such_host() -> Refusal:
    return bad_request("bad webhook: Failed to resolve host: Name or service not known")


def _check_figures(text: str) -> None:
    address = _in_figures(text)
    if address is None:
        raise bad_request("bad webhook: Invalid IP address specified")
    if not isinstance(address, ipaddress.IPv4Address):
        raise bad_request("bad webhook: IPv6-only addresses are not allowed")
    if any(address in each for each in _RESERVED):
        raise bad_request(f"bad webhook: IP address {address} is reserved")


def _in_figures(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_one_word(host: str) -> bool:
    return "." not in host and host != "localhost" and _in_figures(host) is None


def _is_local(host: str) -> bool:
    """Tell whether only this machine or its networks know it: what a test reaches its bot by."""
    address = _in_figures(host)
    if address is None:
        return "." not in host or host.endswith(_LOCAL)
    return not address.is_global
