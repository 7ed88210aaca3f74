"""Who may ask, and what is no question: looked at before anything else reads a request."""

from __future__ import annotations

import hmac
import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from starlette.types import Scope

from reference_bot.edge import refused_host
from reference_bot.market_data.routes import ROUTES

DEEPEST: Final = 32
"""Levels of nesting; the deepest question has one."""
_ACCOUNT: Final = frozenset(route.path for route in ROUTES if route.tag == "account")
_STRINGS: Final = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_BRACKETS: Final = re.compile(rb"[\[{\]}]")


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Whose requests are answered.

    ``hosts``: names that a Host header may have. ``token``: what opens the account's routes.

    Without a token they are open where only this machine can ask (``loopback``), else closed.
    """

    hosts: frozenset[str] = frozenset()
    token: str = ""
    loopback: bool = True

    def refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """Return status, code and message to refuse a request with, or None."""
        host = refused_host(scope, self.hosts)
        if host is not None:
            advice = "put it into MARKET_DATA_ALLOWED_HOSTS if it is this service's"
            return 421, "wrong_host", f"the Host {host!r} is not this service's; {advice}"
        if scope["path"] not in _ACCOUNT or self._opens(scope):
            return None
        if not self.token:
            return 403, "forbidden", "the account is closed: set MARKET_DATA_TOKEN, here and there"
        return (
            403,
            "forbidden",
            "the header Authorization: Bearer MARKET_DATA_TOKEN is missing or wrong",
        )

    def _opens(self, scope: Scope) -> bool:
        if not self.token:
            return self.loopback
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        wanted = f"Bearer {self.token}".encode()
        return len(given) == 1 and hmac.compare_digest(given[0], wanted)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def nesting(body: bytes | bytearray) -> int:
    """Return how deep a JSON text is nested, counted without parsing it."""
    level = deepest = 0
    for bracket in _BRACKETS.findall(_STRINGS.sub(b"", body)):
        level += 1 if bracket in b"[{" else -1
        deepest = max(deepest, level)
    return deepest
