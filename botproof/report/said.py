"""What was asked and answered where the record holds no chat of it, as a page shows it.

Strangers, bad days of exchanges and what comes by itself are played in stacks of their own, of
which the record keeps questions and answers alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from botproof.calls import shown_text
from botproof.checks.security import operators
from botproof.history import (
    AskedTogether,
    CalledTooOften,
    Degraded,
    DoorAsked,
    Event,
    History,
    KeySent,
    PortsSeen,
    SecretSeen,
    SecurityAsked,
    SignalSeen,
    SignalsWatched,
)

_MOST = 24
_APART = (
    AskedTogether,
    CalledTooOften,
    Degraded,
    KeySent,
    PortsSeen,
    SecretSeen,
    SecurityAsked,
    SignalsWatched,
)


class Said(NamedTuple):
    """One thing that was said: by a user or the bot, or a note or line of evidence about it."""

    by: Literal["user", "bot", "note", "line"]
    text: str


def apart(event: Event) -> bool:
    """Tell whether what an event tells of stands in no chat of the record."""
    return isinstance(event, _APART)


def said_of(event: Event, history: History) -> tuple[Said, ...]:
    """Return what was asked and answered, and what it is to be read against; nothing of an event
    that the record shows by itself."""
    return tuple(_said(event, history))[:_MOST]


def _said(event: Event, history: History) -> Iterator[Said]:
    if isinstance(event, SecurityAsked):
        yield Said("note", f"{event.who} asks by {event.path}")
        yield from _asked(event.text, event.answers)
        for own in operators(history.of(SecurityAsked, stack=event.stack)).get(event.text, ())[:1]:
            yield Said("note", "the operator is told, to the same question")
            yield from map(_bot, own.answers)
    elif isinstance(event, Degraded):
        since = f", {event.since_s:.0f} s after the last right answer of an exchange"
        yield Said("note", event.fault + (since if event.stage in ("gone", "part") else ""))
        yield from _asked(event.text, event.answers)
        if event.clean:
            yield Said("note", "what the same is answered when nothing is wrong")
            yield from map(_bot, event.clean)
    elif isinstance(event, AskedTogether):
        others = [one.text for one in history.of(AskedTogether, stack=event.stack)]
        beside = [text for text in dict.fromkeys(others) if text != event.text]
        yield Said("note", f"asked at the same moment as {', '.join(beside)}")
        yield from _asked(event.text, event.answers)
        yield Said("note", "asked alone")
        yield from _asked(event.text, event.alone)
    elif isinstance(event, DoorAsked):
        yield Said("note", event.sent)
        yield from map(_bot, event.answers)
        if event.status is not None:
            yield Said("note", f"HTTP {event.status}")
        if event.error:
            yield Said("note", event.error)
    elif isinstance(event, SignalsWatched):
        yield from _signals(event, history.of(SignalSeen, stack=event.stack))


def _asked(text: str, answers: Iterable[str]) -> Iterator[Said]:
    yield Said("user", text)
    said = [_bot(answer) for answer in answers]
    yield from said or [Said("note", "no answer")]


def _bot(text: str) -> Said:
    """Return an answer as its user sees it: its markup is read as HTML where it can be."""
    return Said("bot", shown_text({"text": text, "parse_mode": "HTML"}, "text").text)


def _signals(watched: SignalsWatched, seen: Iterable[SignalSeen]) -> Iterator[Said]:
    chats = ", ".join(map(str, watched.chats))
    yield Said("note", f"subscribed: {chats or 'nobody'}")
    every = list(seen)
    for number, slot in enumerate(watched.slots, start=1):
        again = (
            ", in which the bot was killed and started again" if slot in watched.restarted else ""
        )
        own = [each for each in every if each.slot == slot]
        yield Said("note", f"slot {number} of {watched.interval_s:g} s{again}")
        if not own:
            yield Said("note", "nothing came")
        for each in own:
            yield Said("note", f"to chat {each.chat_id}, {each.after_s:.1f} s after it began")
            yield _bot(each.text)
