"""What only the bot knew of when its end came, and what was answered again without one.

An update that was confirmed to Telegram comes no more: until it is answered, nobody but the bot
knows of it. A kill or a clean stop that met none of these says nothing about what a bot keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from botproof.checks.tally import Entry, Tally
from botproof.history import Fault, History, UpdateConfirmed
from botproof.starvation import Starvation

_IN_HAND_S = 0.3
"""An update that was confirmed so long before its answer was the bot's alone meanwhile."""
_STARVED_S = 1.0
"""A machine that withheld so much between two answers may have had the bot take one for lost."""


class Hands:
    """What only the bot knew of at a time: updates confirmed to Telegram and not answered yet."""

    def __init__(self, history: History, stack: str, tally: Tally) -> None:
        confirmed = {
            update_id: event.t
            for event in history.of(UpdateConfirmed, stack=stack)
            for update_id in event.update_ids
        }
        self._spans = [
            (confirmed[entry.case.update_id], min(entry.answers, default=float("inf")))
            for entry in tally.entries
            if entry.case.update_id in confirmed
        ]

    @property
    def takes_first(self) -> bool:
        """Whether the bot confirms updates before it answers them, as far as this run shows."""
        return any(begin + _IN_HAND_S <= end < float("inf") for begin, end in self._spans)

    def at(self, t: float) -> int:
        """Return how many there were at a time."""
        return sum(begin < t < end for begin, end in self._spans)


def unexcused(
    history: History, stack: str, tally: Tally, kills: Sequence[float]
) -> Iterator[Entry]:
    """Yield updates that were answered again though no kill came in between: the one thing that
    excuses it, beside a trouble of the run's or a machine that stood still."""
    starvation = Starvation.of(history, stack)
    troubles = [event.t for event in history.of(Fault, stack=stack)]
    for entry in tally.repeated:
        first, last = entry.answers[entry.case.replies - 1], max(entry.answers)
        excused = any(first <= kill <= last for kill in kills) or troubles
        if not excused and starvation.between(first, last) < _STARVED_S:
            yield entry
