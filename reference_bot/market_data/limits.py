"""How often a venue may be asked: what it tells of its limits, what it documents, whom it has
banned.

Pure state: the clock is passed in (seconds, monotonic).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, TypeAlias

__all__ = [
    "BUSY",
    "LONGEST_BAN",
    "Host",
    "Pace",
    "PaceRule",
    "TellsLimit",
    "background",
    "no_limit_told",
]

BUSY: Final = 0.8
"""The share of a limit from which on background work waits: what is left is for users."""
LONGEST_BAN: Final = 3 * 86_400.0
"""Binance's longest ban; what is told beyond that is not believed."""

background: ContextVar[bool] = ContextVar("background", default=False)
"""Whether what runs here is work that nobody waits for."""

TellsLimit: TypeAlias = Callable[[Mapping[str, str], int | None], tuple[float, float] | None]
"""Reads an answer's headers (and the venue's clock in ms): the share of the limit that is used, and
for how many seconds that holds. None when they tell nothing.
"""


def no_limit_told(_headers: Mapping[str, str], _as_of: int | None) -> tuple[float, float] | None:
    """Tell nothing: for a venue that does not say how much of its limits is used."""
    return None


@dataclass(frozen=True, slots=True)
class PaceRule:
    """Paths that begin with ``prefix`` together take ``calls`` in any ``seconds``."""

    prefix: str
    calls: int
    seconds: float


@dataclass(slots=True)
class Pace:
    """Keeps calls to the rates that a venue documents for its endpoints."""

    rules: Sequence[PaceRule] = ()
    _sent: dict[str, deque[float]] = field(default_factory=dict)

    def wait(self, path: str, now: float, patience: float) -> tuple[float, PaceRule | None]:
        """Return for how many seconds a call must wait, and the rule that makes it wait.

        Its turn is taken unless that is longer than ``patience``.
        """
        for rule in self.rules:
            if path.startswith(rule.prefix):
                sent = self._sent.setdefault(rule.prefix, deque(maxlen=rule.calls))
                wait = 0.0
                if len(sent) == rule.calls:
                    wait = max(0.0, sent[0] + rule.seconds - now)
                if wait <= patience:
                    sent.append(now + wait)
                return wait, rule
        return 0.0, None


@dataclass(slots=True)
class Host:
    """What all clients of one host know of it."""

    pace: Pace = field(default_factory=Pace)
    banned_until: float = 0.0
    _bans: int = 0
    _used: float = 0.0
    _used_until: float = 0.0

    def report(self, used: float, holds: float, now: float) -> None:
        """Note the share of the limit that is used, and for how many seconds that holds."""
        self._used, self._used_until = used, now + holds

    def used(self, now: float) -> float:
        """Return the share of the limit that is used, as last told; 0 when that is past."""
        return self._used if now < self._used_until else 0.0

    def ban(self, named: float | None, least: float, now: float) -> float:
        """Leave the host alone for as long as it told; where it tells nothing for ``least``
        seconds, and twice as long each time again, up to an hour. Returns the seconds.
        """
        if now < self.banned_until and named is None:
            return self.banned_until - now
        rest = named or min(3600.0, least * 2.0**self._bans)
        self._bans += 1
        self.banned_until = max(self.banned_until, now + min(rest, LONGEST_BAN))
        return self.banned_until - now

    def answered(self, now: float) -> None:
        """Note an answer: a ban that was is over."""
        if now >= self.banned_until:
            self._bans = 0
