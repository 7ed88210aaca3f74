"""Crashes that something below the target hides: a process that came back, an update sent twice.

A supervisor starts again what has crashed, and Telegram sends again what was not taken. To the user
it looks as if nothing had happened, until it happens too often.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

from botproof.checks.found import Found
from botproof.history import (
    TARGETS,
    DoubleEvent,
    History,
    ProcessExited,
    StopRequested,
    UpdateDelivered,
    Vanished,
    describe_exit,
)
from botproof.starvation import Starvation

_BUGS = frozenset(
    -each
    for each in (
        signal.SIGSEGV,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGILL,
        signal.SIGFPE,
        signal.SIGSYS,
    )
)
"""What nobody sends to a process that works."""
_STARVED_S = 1.0


def comebacks(history: History, stack: str) -> Iterator[Found]:
    """Yield what crashed and came back in one stack, one line each."""
    yield from _vanished(history, stack)
    for event in history.of(ProcessExited, stack=stack):
        if event.role in TARGETS and event.restarts:
            text = f"{event.process}: its container was started again {event.restarts} times"
            yield Found(event, text)
    yield from _delivered_again(history, stack)


def _vanished(history: History, stack: str) -> Iterator[Found]:
    for event in history.of(Vanished, stack=stack):
        what = f"{event.process}: its process {event.pid} ({event.command})"
        after = f"after {event.lived_s:.1f} s"
        if event.replaced:
            text = f"{what} put a program in its own place {after}: it started anew, unasked"
            yield Found(event, text)
        elif _crashed(event):
            how = "" if event.code is None else f" with {describe_exit(event.code)}"
            back = " and came back" if event.came_back else ""
            yield Found(event, f"{what} ended{how} {after}{back}")


def _crashed(event: Vanished) -> bool:
    """Tell whether it crashed: a helper may come and go, and a worker may be replaced in order
    (exit code 0).

    Where the kernel does not tell the code, only what comes back is known to be missed.
    """
    if event.code is None:
        return event.established and event.came_back
    return event.code in _BUGS or (event.established and event.code != 0)


def _delivered_again(history: History, stack: str) -> Iterator[Found]:
    """Yield updates that the bot was given again though nothing of ours had gone wrong."""
    stops = [e.t for e in history.of(StopRequested, stack=stack) if e.role == "bot"]
    ended = min(stops, default=float("inf"))
    faults = [e.t for e in history.of(DoubleEvent, stack=stack) if e.kind == "fault"]
    confirmed = history.confirmed(stack)
    starvation = Starvation.of(history, stack)
    last: dict[int, UpdateDelivered] = {}
    again: dict[str, list[UpdateDelivered]] = {}
    for event in history.of(UpdateDelivered, stack=stack):
        before = last.get(event.update_id)
        last[event.update_id] = event
        if before is None or before.t >= ended or confirmed.get(event.update_id, ended) < event.t:
            continue
        ours = event.door != "webhook" and (
            any(before.t - before.duration_s <= t <= event.t for t in faults)
            or starvation.between(before.t, event.t) > _STARVED_S
        )
        if not ours:
            again.setdefault(_why(before), []).append(event)
    for why, events in again.items():
        yield Found(events[0], f"{_which([event.update_id for event in events])}: {why}")


def _which(updates: list[int]) -> str:
    """Return which updates were delivered again; each is listed as often as it was."""
    different = len(set(updates))
    often = f", {len(updates)} times in all" if len(updates) > different else ""
    if different == 1:
        return f"update {updates[0]} was delivered again{often}"
    return f"{different} updates, the first of them {updates[0]}, were delivered again{often}"


def _why(first: UpdateDelivered) -> str:
    if first.door != "webhook":
        return "the bot asked for it once more instead of confirming it"
    if first.error:
        return f"at first the webhook said: {first.error}"
    return f"at first the webhook answered HTTP {first.status}"
