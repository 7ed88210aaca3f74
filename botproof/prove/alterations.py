"""What a defect does to the record of a good run.

Each alteration takes a record and gives the one that a target with the defect would have left, or
None where the record holds nothing that the defect could show in: a bot that sends no buttons
cannot lose them. None of them touches what the harness recorded of its doubles and its clock.
`around` has those of what is around a conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from botproof.checks.generator import HeldTimes
from botproof.checks.memory import loaded
from botproof.config import BOT
from botproof.history import (
    ConversationsCompared,
    Event,
    MemorySample,
    ProcessExited,
    ProcessNotReady,
    ProcessReady,
    Request,
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
from botproof.prove.altering import Alteration, Altered, Record, changed, replaced
from botproof.prove.around import AROUND

SIGKILL = -9
_LATE_S = 2.5
_STALLED_S = 6.0
_STALLED = 5
_ONE_IN = 50


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


def _undisturbed(record: Record) -> Iterator[list[Request]]:
    """Yield rows of requests that were due one after the other in a stack, and that cannot be late
    because the load generator was held up, neither now nor with a defect."""
    held = HeldTimes.of(record.history, record.judging.budgets["reply_time_s"].limit)
    counted = [
        (held.within(each.intended, each.intended + _STALLED_S) > 0, each)
        for each in sorted(record.history.of(Request), key=lambda r: (r.stack, r.intended))
        if not held.is_spoilt(each.intended)
    ]
    for (_, disturbed), row in groupby(counted, key=lambda one: (one[1].stack, one[0])):
        if not disturbed:
            yield [request for _, request in row]


def _slow(record: Record, chosen: Iterable[Request], latency_s: float) -> Altered | None:
    ids = set(map(id, chosen))

    def change(event: Event) -> Event | None:
        return replaced(event, latency_s=latency_s) if id(event) in ids else event

    return changed(record, change) if ids else None


def load_late(record: Record) -> Altered | None:
    """Have two in a hundred requests take two and a half seconds, where that many can be late."""
    found = [request for row in _undisturbed(record) for request in row]
    wanted = max(1, len(record.history.of(Request)) // _ONE_IN)
    if len(found) < wanted:
        return None
    return _slow(record, found[:: max(1, len(found) // wanted)], _LATE_S)


def load_fails(record: Record) -> Altered | None:
    """Have one in two hundred requests fail."""
    failed = {"ok": False, "status": 500, "error": "HTTP 500"}
    return _load(record, lambda number: number % 200 == 7, **failed)


def load_stalls(record: Record) -> Altered | None:
    """Have some requests in a row take six seconds."""
    longest = max(_undisturbed(record), key=len, default=[])
    begin = (len(longest) - _STALLED) // 2
    return _slow(record, longest[begin : begin + _STALLED] if begin >= 0 else (), _STALLED_S)


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


ALTERATIONS: Mapping[str, Alteration] = {
    **AROUND,
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
}
