"""When the bot had ended by itself: what was asked of it then, nobody could answer.

One that a supervisor starts again is there again, and of several replicas the others still are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from botproof.config import BOT
from botproof.history import (
    DoorAsked,
    History,
    ProcessExited,
    ProcessStarted,
    describe_exit,
)

_SOON_S = 3.0


class Gone(NamedTuple):
    """Its end, and until when no process of the bot ran."""

    end: ProcessExited
    until: float

    @property
    def how(self) -> str:
        """How it ended: "exit code 1"."""
        return describe_exit(self.end.code)

    def covers(self, t: float) -> bool:
        """Tell whether no process of the bot ran at a time."""
        return self.end.t <= t < self.until


def gone(history: History, stack: str) -> list[Gone]:
    """Return the times at which no process of a stack's bot ran, though nobody had ended it."""
    lives: list[ProcessStarted | ProcessExited] = [
        *history.of(ProcessStarted, stack=stack),
        *history.of(ProcessExited, stack=stack),
    ]
    running: set[str] = set()
    found: list[Gone] = []
    for event in sorted((e for e in lives if e.role == BOT), key=lambda each: each.t):
        if isinstance(event, ProcessStarted):
            running.add(event.process)
            if found and found[-1].until == math.inf:
                found[-1] = Gone(found[-1].end, event.t)
            continue
        running.discard(event.process)
        if not running and not event.expected:
            found.append(Gone(event, math.inf))
    return found


def asked_at(end: Gone, asked: Sequence[DoorAsked]) -> DoorAsked | None:
    """Return the question at the door after which the bot ended; None where the last had long been
    answered."""
    at = end.end.t
    before = [(one.asked, one) for one in asked if one.asked is not None and one.asked <= at]
    if not before:
        return None
    latest, last = max(before, key=lambda each: each[0])
    return None if at > last.t and at - latest > _SOON_S else last
