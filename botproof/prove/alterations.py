"""What a defect does to the record of a good run.

Each alteration takes a record and gives the one that a target with the defect would have left, or
None where the record holds nothing that the defect could show in: a bot that sends no buttons
cannot lose them. None of them touches what the harness recorded of its doubles and its clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from botproof.calls import chat_of
from botproof.checks.figures import is_zero, labelled
from botproof.checks.memory import loaded
from botproof.checks.signals import kept_from_going_on
from botproof.config import BOT
from botproof.history import (
    BotApiCall,
    CasePlayed,
    ConversationsCompared,
    Degraded,
    DoorAsked,
    Event,
    MemorySample,
    PortsSeen,
    ProcessExited,
    ProcessNotReady,
    ProcessReady,
    Request,
    SecretSeen,
    SecurityAsked,
    SignalSeen,
    SignalsWatched,
)
from botproof.prove.altered_answers import (
    buttons_lost,
    figure,
    line_lost,
    mute,
    parse_mode_lost,
    reply_late,
    reply_lost,
    reply_twice,
    silence_broken,
    unconfirmed,
    wrong_chat,
)
from botproof.prove.altering import Alteration, Altered, Record, changed, replaced, with_events

__all__ = ["ALTERATIONS"]

SIGKILL = -9
_LATE_S = 2.5
_STALLED_S = 6.0
_STALLED = 5


# --- The processes --------------------------------------------------------------------------------


def never_ready(record: Record) -> Altered | None:
    """Have the bot end before it is ready."""

    def change(event: Event) -> Event | None:
        if event.stack in record.stacks and isinstance(event, ProcessReady) and event.role == BOT:
            return ProcessNotReady(
                t=event.t,
                stack=event.stack,
                mode=event.mode,
                process=event.process,
                role=event.role,
                after_s=event.after_s,
                reason="ended before it was ready, with exit code 1",
            )
        return event

    return changed(record, change)


def _ends(record: Record, **fields: Any) -> Altered | None:
    def change(event: Event) -> Event | None:
        if event.stack in record.stacks and isinstance(event, ProcessExited) and event.role == BOT:
            return replaced(event, **fields)
        return event

    return changed(record, change)


def crash(record: Record) -> Altered | None:
    """Have the bot killed, and not by the harness."""
    return _ends(record, expected=False, code=SIGKILL)


def sigterm_ignored(record: Record) -> Altered | None:
    """Have the bot not end on SIGTERM."""
    return _ends(record, killed=True, code=SIGKILL)


def exit_code(record: Record) -> Altered | None:
    """Have the bot end with code 1 on SIGTERM."""
    return _ends(record, code=1)


# --- The load -------------------------------------------------------------------------------------


def _load(record: Record, chosen: Callable[[int], bool], **fields: Any) -> Altered | None:
    """Change the requests of the load that are chosen by their number."""
    number = -1

    def change(event: Event) -> Event | None:
        nonlocal number
        if not isinstance(event, Request):
            return event
        number += 1
        return replaced(event, **fields) if chosen(number) else event

    return changed(record, change)


def load_late(record: Record) -> Altered | None:
    """Have two in a hundred requests take two and a half seconds."""
    return _load(record, lambda number: number % 50 == 7, latency_s=_LATE_S)


def load_fails(record: Record) -> Altered | None:
    """Have one in two hundred requests fail."""
    failed = {"ok": False, "status": 500, "error": "HTTP 500"}
    return _load(record, lambda number: number % 200 == 7, **failed)


def load_stalls(record: Record) -> Altered | None:
    """Have some requests in a row take six seconds."""
    requests = sorted(record.history.of(Request), key=lambda r: (r.stack, r.intended))
    begin = len(requests) // 2
    slow = {id(request) for request in requests[begin : begin + _STALLED]}
    if len({request.stack for request in requests[begin : begin + _STALLED]}) != 1:
        slow = {id(request) for request in requests[:_STALLED]}

    def change(event: Event) -> Event | None:
        return replaced(event, latency_s=_STALLED_S) if id(event) in slow else event

    return changed(record, change)


# --- Memory ---------------------------------------------------------------------------------------


def _grown(record: Record, process: str, to_mb: float) -> Altered | None:
    """Make every sample of a process under load ``to_mb`` larger than it was."""
    under_load = {id(s) for stack in record.history.stacks for s in loaded(record.history, stack)}
    more = int(to_mb * 1_000_000)

    def change(event: Event) -> Event | None:
        if not isinstance(event, MemorySample) or id(event) not in under_load:
            return event
        if event.process != process:
            return event
        working_set = None if event.working_set is None else event.working_set + more
        return replaced(event, pss=event.pss + more, working_set=working_set)

    return changed(record, change, service=process)


def service_memory(record: Record) -> Altered | None:
    """Have a process with a budget of its own take that much more."""
    for sample in record.history.of(MemorySample):
        budget = record.judging.budgets.get(f"{sample.process}_memory_mb")
        if budget is not None:
            return _grown(record, sample.process, budget.limit)
    return None


def fleet_memory(record: Record) -> Altered | None:
    """Have the bot take as much more as the whole fleet may."""
    return _grown(record, BOT, record.judging.budgets["fleet_memory_mb"].limit)


# --- Conversations --------------------------------------------------------------------------------


def conversation_differs(record: Record) -> Altered | None:
    """Have one generated conversation answered by the first door only."""

    def change(event: Event) -> Event | None:
        if not isinstance(event, ConversationsCompared) or len(event.doors) < 2:
            return event
        first, *others = event.doors
        rooms = {"private of alice": "--- message\nWelcome"}
        sides = [{"door": first, "rooms": rooms}, *({"door": d, "rooms": {}} for d in others)]
        finding = {
            "conversation": {"steps": [{"do": "say", "text": "/start"}]},
            "sides": sides,
            "saved": "",
        }
        return replaced(event, differences=(finding,))

    return changed(record, change)


# --- The door -------------------------------------------------------------------------------------


def _asked(record: Record, what: str, change: Callable[[DoorAsked], Event]) -> Altered | None:
    """Return what came of one question at the door, in the last mode in which it was asked."""
    asked = [
        event
        for event in record.history.of(DoorAsked)
        if event.what == what and event.stack in record.stacks
    ]
    if not asked:
        return None
    victim = asked[-1]
    events = [change(victim) if event is victim else event for event in record.history]
    return with_events(events, record, {"mode": victim.stack})


def first_differs(record: Record) -> Altered | None:
    """Have an apology follow the answer to the first update after the start."""

    def change(event: DoorAsked) -> Event:
        return replaced(event, answers=(*event.answers, "An error occurred"))

    return _asked(record, "first", change)


def answered_twice(record: Record) -> Altered | None:
    """Answer an update that came twice two times."""
    return _asked(record, "twice", lambda event: replaced(event, answers=event.answers * 2))


# --- The trials -----------------------------------------------------------------------------------


def update_lost(record: Record) -> Altered | None:
    """Leave an update of the short delivery run unanswered."""
    asked = [case for case in record.history.of(CasePlayed) if case.expect == "reply"]
    if not asked:
        return None
    victim = asked[-1]

    def change(event: Event) -> Event | None:
        if not isinstance(event, BotApiCall) or event.stack != victim.stack:
            return event
        return None if chat_of(event) == victim.chat_id else event

    return changed(record, change, stack=victim.stack)


def secret_shown(record: Record) -> Altered | None:
    """Show the token in a log."""
    seen = record.history.of(PortsSeen)
    if not seen:
        return None
    where: dict[str, Any] = {"t": seen[-1].t, "stack": seen[-1].stack, "mode": seen[-1].mode}
    event = SecretSeen(secret="bot token", place="the log of bot", **where)  # noqa: S106 - a name
    return with_events([*record.history, event], record, {"mode": seen[-1].mode})


def stranger_told(record: Record) -> Altered | None:
    """Tell a stranger what the operator is told."""
    asked = record.history.of(SecurityAsked)
    answered = next((each for each in asked if each.operator and each.figures), None)
    if answered is None:
        return None
    event = replaced(answered, who="a stranger", path="a message", operator=False)
    return with_events([*record.history, event], record, {})


def zero_invented(record: Record) -> Altered | None:
    """Show a figure that no exchange has given as a zero."""
    for victim in record.history.of(Degraded):
        lines = (line for _, line, found in labelled(victim.clean) if not is_zero(found[0]))
        said = next(lines, "")
        if said and victim.stage not in ("back", "ended", "held") and not victim.neighbour:
            zero = replaced(victim, answers=(re.sub(r"\d[\d,]*(?:\.\d+)?", "0.00", said),))
            events = [zero if event is victim else event for event in record.history]
            return with_events(events, record, {})
    return None


def signal_twice(record: Record) -> Altered | None:
    """Send what came by itself again in the same slot, in a watch that can tell it for sure."""
    watched = record.history.of(SignalsWatched)
    sure = {one.stack for one in watched if not kept_from_going_on(one)}
    seen = [each for each in record.history.of(SignalSeen) if each.stack in sure]
    return with_events([*record.history, seen[-1]], record, {}) if seen else None


ALTERATIONS: Mapping[str, Alteration] = {
    "first-differs": first_differs,
    "answered-twice": answered_twice,
    "never-ready": never_ready,
    "crash": crash,
    "sigterm-ignored": sigterm_ignored,
    "exit-code": exit_code,
    "mute": mute,
    "unconfirmed": unconfirmed,
    "figure": figure,
    "line-lost": line_lost,
    "reply-lost": reply_lost,
    "reply-twice": reply_twice,
    "silence-broken": silence_broken,
    "parse-mode-lost": parse_mode_lost,
    "buttons-lost": buttons_lost,
    "wrong-chat": wrong_chat,
    "reply-late": reply_late,
    "load-late": load_late,
    "load-fails": load_fails,
    "load-stalls": load_stalls,
    "service-memory": service_memory,
    "fleet-memory": fleet_memory,
    "conversation-differs": conversation_differs,
    "update-lost": update_lost,
    "secret-shown": secret_shown,
    "stranger-told": stranger_told,
    "zero-invented": zero_invented,
    "signal-twice": signal_twice,
}
