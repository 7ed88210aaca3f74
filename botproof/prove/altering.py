"""A record that is to be altered, and how an alteration is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from botproof.chats import Chats, read_chats
from botproof.checks.judging import Judging
from botproof.history import (
    Event,
    History,
    PlayedAgain,
)


@dataclass(frozen=True, slots=True)
class Record:
    """A good run, and what is needed to alter it. `stacks` are those in which the defect shows."""

    history: History
    judging: Judging
    stacks: tuple[str, ...]
    chats: Mapping[str, Chats] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History, judging: Judging, *, every_mode: bool) -> Record:
        """Return where the defect shows: in the last stack in which the bot was spoken to, or in
        all.

        Not in one that only played again what was in doubt, nor in a case that was played again:
        its first playing is not what is judged.
        """
        every = read_chats(history, judging.rules)
        for event in history.of(PlayedAgain):
            every.pop(event.stack, None)
            for name in event.cases if event.of in every else ():
                every[event.of].turns.pop(name, None)
        chats = {stack: own for stack, own in every.items() if own.turns}
        stacks = tuple(chats) if every_mode else tuple(chats)[-1:]
        return cls(history, judging, stacks, chats)


@dataclass(frozen=True, slots=True)
class Altered:
    """The record with the defect in it, and what the words of the defect may speak of."""

    history: History
    chosen: Mapping[str, str]


Alteration = Callable[[Record], Altered | None]


def changed(
    record: Record, change: Callable[[Event], Event | None], **chosen: str
) -> Altered | None:
    """Return the record with ``change`` applied to every event; None where it changed nothing."""
    events = [change(event) for event in record.history]
    if all(new is old for new, old in zip(events, record.history, strict=True)):
        return None
    return with_events([event for event in events if event is not None], record, chosen)


def with_events(events: Iterable[Event], record: Record, chosen: Mapping[str, str]) -> Altered:
    """Return the record with these events in the place of its own."""
    mode = record.history.mode_of(record.stacks[-1]) if record.stacks else ""
    return Altered(History(events), {"mode": mode, **chosen})


def replaced(event: Event, **fields: Any) -> Event:
    """Return the event with other values in these fields."""
    return msgspec.structs.replace(event, **fields)
