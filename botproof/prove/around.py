"""What a defect does to the record of what is around a conversation: taps, pages, piles, the door,
and the trials.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botproof.calls import chat_of, query_of
from botproof.chats import Turn
from botproof.checks.figures import is_zero, labelled
from botproof.checks.growth import LEAST_SAMPLES, LEAST_SERVED, works
from botproof.checks.signals import kept_from_going_on
from botproof.history import (
    BotApiCall,
    CasePlayed,
    Degraded,
    DoorAsked,
    Event,
    Holdings,
    PortsSeen,
    ProcessReady,
    SecretSeen,
    SecurityAsked,
    SignalSeen,
    SignalsWatched,
    StopRequested,
    UpdateDelivered,
    UpdateInjected,
)
from botproof.prove.altering import Alteration, Altered, Record, changed, replaced, with_events

_LATER_S = 60.0
"""Above every limit, and above what a machine withholds meanwhile."""
_AGAIN_S = 0.005
_WRONG_SECRET = "what the webhook answers to a wrong secret"  # noqa: S105 - a place

# --- Taps and pages -------------------------------------------------------------------------------


def _tap(record: Record, fits: Callable[[Turn], bool]) -> Turn | None:
    """Return a tap that fits, of a stack in which the defect shows."""
    for stack in record.stacks:
        for turn in record.chats[stack].turns.values():
            if "callback_query" in (turn.case.sent or {}) and fits(turn):
                return turn
    return None


def tap_late(record: Record) -> Altered | None:
    """Have a tap acknowledged long after its answer."""

    def acknowledged(turn: Turn) -> bool:
        methods = {act.method for act in turn.acts}
        return turn.case.expect == "reply" and turn.answered and "answerCallbackQuery" in methods

    turn = _tap(record, acknowledged)
    if turn is None:
        return None
    query = str(turn.case.sent["callback_query"]["id"])

    def change(event: Event) -> Event:
        ours = (
            isinstance(event, BotApiCall)
            and event.stack == turn.case.stack
            and event.method == "answerCallbackQuery"
            and query_of(event) == query
        )
        return replaced(event, t=event.t + _LATER_S) if ours else event

    return changed(record, change, case=turn.case.case)


def not_modified_told(record: Record) -> Altered | None:
    """Answer a second tap on the same button by a new message, as Telegram refuses the edit."""

    def refused(turn: Turn) -> bool:
        words = [call.description or "" for call in turn.refused]
        return turn.case.expect == "silence" and any("not modified" in each for each in words)

    turn = _tap(record, refused)
    if turn is None:
        return None
    call = BotApiCall(
        t=turn.refused[-1].t + 0.001,
        stack=turn.case.stack,
        mode=turn.case.mode,
        method="sendMessage",
        params={"chat_id": turn.case.chat_id, "text": "Something went wrong"},
        status=200,
        result={"message_id": 10**9},
    )
    return with_events([*record.history, call], record, {"case": turn.case.case})


def ready_early(record: Record) -> Altered | None:
    """Have the first update wait, though the bot had said that it was ready."""
    for stack in record.stacks:
        ready = [each.t for each in record.history.of(ProcessReady, stack=stack)]
        sent = [
            each
            for each in record.history.of(UpdateInjected, stack=stack)
            if ready and each.t >= max(ready)
        ]
        given = {each.update_id for each in record.history.of(UpdateDelivered, stack=stack)}
        if not sent or sent[0].update_id not in given:
            continue
        first = sent[0].update_id

        def change(event: Event, stack: str = stack, first: int = first) -> Event:
            ours = isinstance(event, UpdateDelivered) and event.update_id == first
            return replaced(event, t=event.t + _LATER_S) if ours and event.stack == stack else event

        return changed(record, change)
    return None


def _looked(record: Record, **fields: Any) -> Altered | None:
    """Change what the last look at the target saw."""
    seen = record.history.of(PortsSeen)
    if not seen:
        return None
    events = [replaced(e, **fields) if e is seen[-1] else e for e in record.history]
    return with_events(events, record, {"mode": seen[-1].stack})


def page_fails(record: Record) -> Altered | None:
    """Have the page for Prometheus answer 500."""
    return _looked(record, failing=("GET /metrics of bot",))


def users_named(record: Record) -> Altered | None:
    """Show users by their ids in the page for Prometheus."""
    return _looked(record, naming=("GET /metrics of bot names 9 users by their ids",))


# --- Piles ----------------------------------------------------------------------------------------


def _grows(record: Record, field: str, each: int) -> Altered | None:
    """Have the bot hold more of something with each sample of the conversation."""
    for work in works(record.history):
        samples = [
            sample
            for sample in record.history.of(Holdings, stack=work.stack)
            if sample.role == work.role == "bot"
            and work.settled
            and work.settled[0] <= sample.t <= work.settled[-1]
        ]
        if len(work.settled) < LEAST_SERVED or len(samples) < LEAST_SAMPLES:
            continue
        more = {id(sample): number * each for number, sample in enumerate(samples)}

        def change(event: Event, more: Mapping[int, int] = more) -> Event:
            if id(event) not in more:
                return event
            return replaced(event, **{field: getattr(event, field) + more[id(event)]})

        return changed(record, change, service=samples[0].process)
    return None


def files_kept(record: Record) -> Altered | None:
    """Have files opened and never closed."""
    return _grows(record, "files", 4)


def files_left(record: Record) -> Altered | None:
    """Have files left behind in the directory that the bot was started in."""
    return _grows(record, "left", 4)


def log_floods(record: Record) -> Altered | None:
    """Have a hundred megabytes logged with each look."""
    return _grows(record, "logged", 100_000_000)


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


def same_question_ignored(record: Record) -> Altered | None:
    """Give no answer to a question that was asked before; none where a conversation began by it."""
    if any(event.what == "midst" for event in record.history.of(DoorAsked)):
        return None
    return _asked(record, "repeated", lambda event: replaced(event, answers=()))


def long_text_refused(record: Record) -> Altered | None:
    """Refuse a long text at the webhook."""
    return _asked(record, "long", lambda event: replaced(event, status=413))


def service_waited_for(record: Record) -> Altered | None:
    """Give no answer while a service hangs."""

    def change(event: DoorAsked) -> Event:
        return replaced(event, answers=(), error="no answer in 12 s")

    return _asked(record, "hung", change)


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


def sent_again(record: Record) -> Altered | None:
    """Send an answer of the short delivery run again at once, with no kill in between."""
    asked = [case for case in record.history.of(CasePlayed) if case.expect == "reply"]
    kills = [e.t for e in record.history.of(StopRequested) if e.signal == "SIGKILL"]
    for case in reversed(asked):
        said = [
            call
            for call in record.history.of(BotApiCall, stack=case.stack)
            if call.method.startswith("send")
            and call.error_code is None
            and chat_of(call) == case.chat_id
            and _repeats_marker(call, case, asked)
            and not record.judging.rules.is_acknowledgement(str(call.params.get("text", "")))
            and not any(call.t <= kill <= call.t + _AGAIN_S for kill in kills)
        ]
        if said:
            result = {"message_id": 10**9}
            again = replaced(said[0], t=said[0].t + _AGAIN_S, result=result)
            return with_events([*record.history, again], record, {"stack": case.stack})
    return None


def _repeats_marker(call: BotApiCall, case: CasePlayed, asked: Sequence[CasePlayed]) -> bool:
    """Tell whether it is known that a message answers a case."""
    alone = sum((one.stack, one.chat_id) == (case.stack, case.chat_id) for one in asked) == 1
    return alone or case.case.lower() in str(call.params.get("text", "")).lower()


def error_page_tells(record: Record) -> Altered | None:
    """Show the webhook's secret to whoever brings a wrong one."""
    seen = [each for each in record.history.of(PortsSeen) if _WRONG_SECRET in each.searched]
    if not seen:
        return None
    where: dict[str, Any] = {"t": seen[-1].t, "stack": seen[-1].stack, "mode": seen[-1].mode}
    event = SecretSeen(secret="secret of the webhook", place=_WRONG_SECRET, **where)  # noqa: S106
    return with_events([*record.history, event], record, {"mode": seen[-1].mode})


def _in_bad_times(
    record: Record, fits: Callable[[Degraded], bool], **fields: Any
) -> Altered | None:
    victim = next((each for each in record.history.of(Degraded) if fits(each)), None)
    if victim is None:
        return None
    events = [replaced(e, **fields) if e is victim else e for e in record.history]
    return with_events(events, record, {})


def retry_after_ignored(record: Record) -> Altered | None:
    """Call on while Telegram has a chat wait."""
    return _in_bad_times(record, lambda one: one.stage == "held", calls=7)


def venue_hammered(record: Record) -> Altered | None:
    """Call an exchange that fails again and again."""
    return _in_bad_times(
        record,
        lambda one: bool(one.usual_calls) and one.stage in ("gone", "venue") and not one.neighbour,
        calls=100_000,
    )


def age_too_low(record: Record) -> Altered | None:
    """Say of figures of long ago that they are a second old."""
    for one in record.history.of(Degraded):
        lines = [line for _, line, _ in labelled(one.clean)]
        if one.stage == "gone" and lines and not one.neighbour:
            said = f"{lines[0]}\nFrom 1 s ago"
            old = max(one.since_s, 2 * record.judging.degradation.fresh_of(one.text), 30.0)
            wrong = replaced(one, answers=(said,), since_s=old)
            events = [wrong if event is one else event for event in record.history]
            return with_events(events, record, {})
    return None


def _sure_signals(record: Record) -> tuple[list[SignalsWatched], list[SignalSeen]]:
    watched = record.history.of(SignalsWatched)
    sure = [one for one in watched if not kept_from_going_on(one)]
    stacks = {one.stack for one in sure}
    return sure, [each for each in record.history.of(SignalSeen) if each.stack in stacks]


def subscriber_left_out(record: Record) -> Altered | None:
    """Send what comes by itself to one subscriber fewer."""
    _, seen = _sure_signals(record)
    texts = [(each.slot, each.text) for each in seen]
    victim = next((e for e in seen if texts.count((e.slot, e.text)) > 1), None)
    if victim is None:
        return None
    return with_events([e for e in record.history if e is not victim], record, {})


def told_unasked(record: Record) -> Altered | None:
    """Send what comes by itself to somebody who has not asked for it."""
    sure, seen = _sure_signals(record)
    others = [chat for one in sure for chat in one.others]
    if not others or not seen:
        return None
    stranger = replaced(seen[-1], chat_id=others[0])
    return with_events([*record.history, stranger], record, {})


AROUND: Mapping[str, Alteration] = {
    "tap-late": tap_late,
    "not-modified-told": not_modified_told,
    "ready-early": ready_early,
    "page-fails": page_fails,
    "users-named": users_named,
    "files-kept": files_kept,
    "files-left": files_left,
    "log-floods": log_floods,
    "first-differs": first_differs,
    "answered-twice": answered_twice,
    "same-question-ignored": same_question_ignored,
    "long-text-refused": long_text_refused,
    "service-waited-for": service_waited_for,
    "update-lost": update_lost,
    "sent-again": sent_again,
    "secret-shown": secret_shown,
    "error-page-tells": error_page_tells,
    "stranger-told": stranger_told,
    "zero-invented": zero_invented,
    "retry-after-ignored": retry_after_ignored,
    "venue-hammered": venue_hammered,
    "age-too-low": age_too_low,
    "signal-twice": signal_twice,
    "subscriber-left-out": subscriber_left_out,
    "told-unasked": told_unasked,
}
