"""What only the bot knew of when its end came, and what was answered again without one.

An update that was confirmed to Telegram comes no more: until it is answered, nobody but the bot
knows of it. A kill or a clean stop that met none of these says nothing about what a bot keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import inf

from botproof.calls import chat_of, is_sending, text_of, words_of
from botproof.checks.tally import Entry, Tally
from botproof.history import (
    BotApiCall,
    Fault,
    History,
    ProcessReady,
    ProcessStarted,
)
from botproof.starvation import Starvation

_IN_HAND_S = 0.3
"""An update that was confirmed so long before its answer was the bot's alone meanwhile."""
_ON_ITS_WAY_S = 1.0
"""A message that was sent before a kill may arrive so long after it, and later by what the machine
withheld meanwhile: a run holds some for 0.8 s."""
_STARVED_S = 1.0
"""A machine that withheld so much between two answers may have had the bot take one for lost."""


class Hands:
    """What only the bot knew of at a time: updates confirmed to Telegram and not answered yet."""

    def __init__(self, history: History, stack: str, tally: Tally) -> None:
        confirmed = history.confirmed(stack)
        self._spans = [
            (confirmed[entry.case.update_id], min(entry.answers, default=inf))
            for entry in tally.entries
            if entry.case.update_id in confirmed
        ]

    @property
    def takes_first(self) -> bool:
        """Whether the bot confirms updates before it answers them, as far as this run shows."""
        return any(begin + _IN_HAND_S <= end < inf for begin, end in self._spans)

    def at(self, t: float) -> int:
        """Return how many there were at a time."""
        return sum(begin < t < end for begin, end in self._spans)


def given_up(history: History, stack: str, tally: Tally) -> float:
    """Return how many seconds were withheld from the answers of all lost updates, if each was on
    its way to Telegram and given up by the bot while the machine withheld a second of it; else 0.

    A run has Telegram take its time with messages. Where the machine takes as much again, a bot
    that waits for three seconds gives up a message that then takes no effect.
    """
    starvation = Starvation.of(history, stack)
    calls = [
        call
        for call in history.of(BotApiCall, stack=stack)
        if call.status is None and is_sending(call.method)
    ]
    withheld = [
        max(
            (
                starvation.between(call.t - call.duration_s, call.t)
                for call in calls
                if chat_of(call) == case.chat_id
                and case.case.casefold() in words_of(text_of(call.params))
            ),
            default=0.0,
        )
        for case in tally.lost
    ]
    starved = bool(withheld) and not tally.lost_unnamed and min(withheld) >= _STARVED_S
    return sum(withheld) if starved else 0.0


def unexcused(
    history: History, stack: str, tally: Tally, kills: Sequence[float]
) -> Iterator[Entry]:
    """Yield updates that were answered again though no kill came in between: the one thing that
    excuses it, beside a trouble of the run's or a machine that stood still.

    A kill is in between, too, when the first answer was on its way: it came before the bot was
    ready again.
    """
    starvation = Starvation.of(history, stack)
    troubles = [event.t for event in history.of(Fault, stack=stack)]
    bots = {each.process for each in history.of(ProcessStarted, stack=stack) if each.role == "bot"}
    ready = [each.t for each in history.of(ProcessReady, stack=stack) if each.process in bots]
    ends = [(kill, min((t for t in ready if t > kill), default=inf)) for kill in kills]
    for entry in tally.repeated:
        first, last = entry.answers[entry.case.replies - 1], max(entry.answers)
        excused = troubles or any(
            first - _ON_ITS_WAY_S - starvation.between(kill, first) <= kill <= last
            and first < again
            for kill, again in ends
        )
        if not excused and starvation.between(first, last) < _STARVED_S:
            yield entry
