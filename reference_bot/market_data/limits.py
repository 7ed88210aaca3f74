"""How often a venue may be asked: what it tells of its limits, what it documents, whom it has
banned.

Pure state: the clock is passed in (seconds, monotonic).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, TypeAlias

BUSY: Final = 0.8
"""The share of a limit that scans and background work may use: what is left is for questions."""
LONGEST_BAN: Final = 3 * 86_400.0
"""Binance's longest ban; what is told beyond that is not believed."""

_UNEVEN: Final = 0.1
"""Seconds by which calls that go out together may arrive apart: a venue's window must hold no part
of the calls before, of which the last came late.
"""
_SLACK: Final = 1e-6
"""Seconds by which sums of floats may be off."""


@dataclass(frozen=True, slots=True)
class Haste:
    """How much of a limit a call may use, and for how many seconds it may wait for its turn."""

    share: float
    patience: float


QUESTION: Final = Haste(1.0, 1.0)
"""A question about one symbol: somebody waits for it."""
REFRESH: Final = Haste(BUSY, 0.0)
"""Work that nobody waits for."""
haste: ContextVar[Haste] = ContextVar("haste", default=QUESTION)
"""Of the calls that are made here."""

TellsLimit: TypeAlias = Callable[[Mapping[str, str], int | None], tuple[float, float] | None]
"""Reads an answer's headers (and the venue's clock in ms): the share of the limit that is used, and
for how many seconds that holds. None when they tell nothing.
"""


def no_limit_told(_headers: Mapping[str, str], _as_of: int | None) -> tuple[float, float] | None:
    """Tell nothing: for a venue that does not say how much of its limits is used."""
    return None


@dataclass(frozen=True, slots=True)
class PaceRule:
    """Paths that begin with ``prefix`` together take ``calls`` in any ``seconds``.

    ``of``: the parameter of which each value has a limit of its own, such as the instrument.
    """

    prefix: str
    calls: int
    seconds: float
    of: str = ""


@dataclass(slots=True, eq=False)
class Turn:
    """One call's place in a rate: due ``at``, which is when it went out once it is ``sent``."""

    rule: PaceRule
    at: float
    hurry: Haste
    of: str = ""
    """The instrument whose limit it counts against, where each has its own."""
    sent: bool = False

    def go(self, now: float) -> None:
        """Note that the call has gone out: a venue counts no sooner, and connections take their
        time.
        """
        if not self.sent:
            self.at, self.sent = max(self.at, now), True


@dataclass(slots=True)
class Pace:
    """Keeps calls to the rates that a venue documents for its endpoints."""

    rules: Sequence[PaceRule] = ()
    _turns: dict[str, list[Turn]] = field(default_factory=dict)
    """By prefix the turns that count, those to come among them."""

    def take(
        self,
        path: str,
        now: float,
        hurry: Haste = QUESTION,
        params: Mapping[str, str | int] | None = None,
    ) -> Turn | None:
        """Return when a call may go out; None where no rate is documented.

        The turn is taken unless that is later than its patience allows. Turns that scans have taken
        ahead stand back for questions, and are looked at again when they come.
        """
        for rule in self.rules:
            if path.startswith(rule.prefix):
                turns = [turn for turn in self._turns.get(rule.prefix, ()) if _counts(turn, now)]
                self._turns[rule.prefix] = turns
                of = str((params or {}).get(rule.of, ""))
                same = [turn for turn in turns if turn.of == of]
                turn = Turn(rule, _due(same, now, rule, hurry), hurry, of)
                if turn.at - now <= hurry.patience:
                    turns.append(turn)
                return turn
        return None

    def give_back(self, turn: Turn) -> None:
        """Let others have a turn that was taken."""
        self._turns[turn.rule.prefix].remove(turn)


def _counts(turn: Turn, now: float) -> bool:
    return not turn.sent or turn.at > now - turn.rule.seconds - _UNEVEN


def _due(turns: Sequence[Turn], now: float, rule: PaceRule, hurry: Haste) -> float:
    most = max(1, int(rule.calls * hurry.share))
    if len(turns) < most:
        return now
    taken = sorted(
        turn.at if turn.sent else max(turn.at, now)
        for turn in turns
        if turn.sent or turn.at <= now or turn.hurry.share >= hurry.share
    )
    apart = rule.seconds if hurry.share >= 1 else rule.seconds + _UNEVEN
    return _first_free(taken, now, apart, most)


def _first_free(taken: Sequence[float], now: float, seconds: float, most: int) -> float:
    """Return the first moment from now on at which one more turn can be taken.

    ``most`` is how many turns any ``seconds`` may hold.
    """
    past = bisect_right(taken, now)
    later = (turn + seconds for turn in taken[max(0, past - most) :])
    return next(at for at in (now, *later) if _fits(taken, at, seconds, most))


def _fits(taken: Sequence[float], at: float, seconds: float, most: int) -> bool:
    """Tell whether no window that holds ``at`` has too many turns with one more at that moment."""
    beside = taken[
        bisect_right(taken, at - seconds + _SLACK) : bisect_left(taken, at + seconds - _SLACK)
    ]
    turns = sorted((*beside, at))
    return all(
        last - first >= seconds - _SLACK for first, last in zip(turns, turns[most:], strict=False)
    )


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

    def used(self, now: float) -> tuple[float, float]:
        """Return the share of the limit that is used, as last told, and for how many seconds that
        holds; zeros when it is past.
        """
        rest = self._used_until - now
        return (self._used, rest) if rest > 0 else (0.0, 0.0)

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
