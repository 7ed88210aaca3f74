"""What a defect does to the record of a good run.

Each alteration takes a record and gives the one that a target with the defect would have left, or
None where the record holds nothing that the defect could show in: a bot that sends no buttons
cannot lose them. None of them touches what the harness recorded of its doubles and its clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from botproof.calls import chat_of
from botproof.chats import Chats, Message, Turn, read_chats
from botproof.checks.figures import is_zero, labelled
from botproof.checks.judging import Judging
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
    History,
    MemorySample,
    PlayedAgain,
    PortsSeen,
    ProcessExited,
    ProcessNotReady,
    ProcessReady,
    Request,
    SecretSeen,
    SecurityAsked,
    SignalSeen,
    SignalsWatched,
    UpdateConfirmed,
)

__all__ = ["ALTERATIONS", "Altered", "Record"]

SIGKILL = -9
_ELSEWHERE = 987_654_321
"""A chat in which nobody asks anything."""
_LATE_S = 2.5
_STALLED_S = 6.0
_STALLED = 5


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


def _changed(
    record: Record, change: Callable[[Event], Event | None], **chosen: str
) -> Altered | None:
    """Return the record with ``change`` applied to every event; None where it changed nothing."""
    events = [change(event) for event in record.history]
    if all(new is old for new, old in zip(events, record.history, strict=True)):
        return None
    return _with([event for event in events if event is not None], record, chosen)


def _with(events: Iterable[Event], record: Record, chosen: Mapping[str, str]) -> Altered:
    mode = record.history.mode_of(record.stacks[-1]) if record.stacks else ""
    return Altered(History(events), {"mode": mode, **chosen})


def _replaced(event: Event, **fields: Any) -> Event:
    return msgspec.structs.replace(event, **fields)


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

    return _changed(record, change)


def _ends(record: Record, **fields: Any) -> Altered | None:
    def change(event: Event) -> Event | None:
        if event.stack in record.stacks and isinstance(event, ProcessExited) and event.role == BOT:
            return _replaced(event, **fields)
        return event

    return _changed(record, change)


def crash(record: Record) -> Altered | None:
    """Have the bot killed, and not by the harness."""
    return _ends(record, expected=False, code=SIGKILL)


def sigterm_ignored(record: Record) -> Altered | None:
    """Have the bot not end on SIGTERM."""
    return _ends(record, killed=True, code=SIGKILL)


def exit_code(record: Record) -> Altered | None:
    """Have the bot end with code 1 on SIGTERM."""
    return _ends(record, code=1)


# --- What the bot says ----------------------------------------------------------------------------


def _victim(record: Record, fits: Callable[[Message], bool] = lambda _: True) -> Turn | None:
    """Return a case whose approved answer is one text message, in a chat of its own, in every
    stack: the one with the longest answer that ``fits``."""
    first, *others = record.chats.values()
    asked: dict[int, int] = {}
    for turn in first.turns.values():
        asked[turn.case.chat_id] = asked.get(turn.case.chat_id, 0) + 1
    found: list[Turn] = []
    for name, turn in first.turns.items():
        also = [chats.turns.get(name) for chats in others]
        turns = [turn, *(each for each in also if each is not None)]
        if (
            len(turns) == len(record.chats)
            and asked[turn.case.chat_id] == 1
            and all(_plain_answer(each) and fits(each.answers[0]) for each in turns)
        ):
            found.append(turn)
    return max(found, key=lambda turn: len(turn.answers[0].text), default=None)


def _plain_answer(turn: Turn) -> bool:
    case = turn.case
    return (
        case.expect == "reply"
        and case.golden
        and case.replies == 1
        and len(turn.answers) == 1
        and turn.answers[0].is_message
        and turn.answers[0].text.strip() != ""
    )


def _calls(record: Record, name: str) -> Callable[[Event], bool]:
    """Tell whether an event is a call of the bot into the chat of a case, in a stack of
    the defect."""
    chat = {stack: record.chats[stack].turns[name].case.chat_id for stack in record.stacks}

    def is_one(event: Event) -> bool:
        return (
            isinstance(event, BotApiCall)
            and event.stack in chat
            and chat_of(event) == chat[event.stack]
        )

    return is_one


def _says(
    record: Record,
    change: Callable[[BotApiCall], Event | None],
    fits: Callable[[Message], bool] = lambda _: True,
) -> Altered | None:
    """Change every call by which the chosen case is answered."""
    victim = _victim(record, fits) if record.chats else None
    if victim is None:
        return None
    name = victim.case.case
    is_one = _calls(record, name)

    def each(event: Event) -> Event | None:
        return change(event) if isinstance(event, BotApiCall) and is_one(event) else event

    return _changed(record, each, case=name)


def _with_text(call: BotApiCall, change: Callable[[str], str]) -> Event:
    text = call.params.get("text")
    if not isinstance(text, str):
        return call
    return _replaced(call, params={**call.params, "text": change(text)})


def line_lost(record: Record) -> Altered | None:
    """Leave out the last line of a reply of several."""

    def change(call: BotApiCall) -> Event:
        return _with_text(call, lambda text: text.rstrip().rpartition("\n")[0] or text)

    return _says(record, change, lambda message: "\n" in message.text.strip())


def figure(record: Record) -> Altered | None:
    """Make each 1 in a reply a 2."""

    def change(call: BotApiCall) -> Event:
        return _with_text(call, lambda text: text.replace("1", "2"))

    rules = record.judging.rules

    def fits(message: Message) -> bool:
        text = message.text
        return rules.normalise(text) != rules.normalise(text.replace("1", "2"))

    return _says(record, change, fits)


def reply_lost(record: Record) -> Altered | None:
    """Have a reply never come."""
    return _says(record, lambda _: None)


def parse_mode_lost(record: Record) -> Altered | None:
    """Send a reply as plain text."""

    def change(call: BotApiCall) -> Event:
        return _replaced(call, params={k: v for k, v in call.params.items() if k != "parse_mode"})

    return _says(record, change, lambda message: message.parse_mode != "")


def buttons_lost(record: Record) -> Altered | None:
    """Send a reply without its keyboard."""

    def change(call: BotApiCall) -> Event:
        return _replaced(call, params={k: v for k, v in call.params.items() if k != "reply_markup"})

    return _says(record, change, lambda message: bool(message.buttons))


def wrong_chat(record: Record) -> Altered | None:
    """Send a reply to a chat in which nobody asked."""

    def change(call: BotApiCall) -> Event:
        return _replaced(call, params={**call.params, "chat_id": _ELSEWHERE})

    return _says(record, change)


def reply_late(record: Record) -> Altered | None:
    """Have a reply come two and a half seconds later."""
    return _says(record, lambda call: _replaced(call, t=call.t + _LATE_S))


def reply_twice(record: Record) -> Altered | None:
    """Send a reply twice."""
    victim = _victim(record) if record.chats else None
    if victim is None:
        return None
    is_one = _calls(record, victim.case.case)

    def again(event: Event) -> Iterator[Event]:
        yield event
        if isinstance(event, BotApiCall) and is_one(event) and event.method.startswith("send"):
            result = {**event.result, "message_id": 10**9} if isinstance(event.result, dict) else {}
            yield _replaced(event, t=event.t + 0.01, result=result)

    events = [each for event in record.history for each in again(event)]
    return _with(events, record, {"case": victim.case.case})


def mute(record: Record) -> Altered | None:
    """Have the bot send nothing at all."""

    def change(event: Event) -> Event | None:
        said = isinstance(event, BotApiCall) and event.stack in record.stacks and chat_of(event)
        return None if said else event

    return _changed(record, change)


def silence_broken(record: Record) -> Altered | None:
    """Have the bot answer where it has to keep silent."""
    for stack in record.stacks:
        for name, turn in record.chats[stack].turns.items():
            if turn.case.expect == "silence" and turn.case.chat_id and not turn.messages:
                call = BotApiCall(
                    t=turn.case.t + 0.01,
                    stack=stack,
                    mode=turn.case.mode,
                    method="sendMessage",
                    params={"chat_id": turn.case.chat_id, "text": "Welcome"},
                    status=200,
                    result={"message_id": 10**9},
                )
                return _with([*record.history, call], record, {"case": name})
    return None


def unconfirmed(record: Record) -> Altered | None:
    """Have the bot never tell Telegram that it has the updates."""

    def change(event: Event) -> Event | None:
        gone = isinstance(event, UpdateConfirmed) and event.stack in record.stacks
        return None if gone else event

    return _changed(record, change)


# --- The load -------------------------------------------------------------------------------------


def _load(record: Record, chosen: Callable[[int], bool], **fields: Any) -> Altered | None:
    """Change the requests of the load that are chosen by their number."""
    number = -1

    def change(event: Event) -> Event | None:
        nonlocal number
        if not isinstance(event, Request):
            return event
        number += 1
        return _replaced(event, **fields) if chosen(number) else event

    return _changed(record, change)


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
        return _replaced(event, latency_s=_STALLED_S) if id(event) in slow else event

    return _changed(record, change)


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
        return _replaced(event, pss=event.pss + more, working_set=working_set)

    return _changed(record, change, service=process)


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
        return _replaced(event, differences=(finding,))

    return _changed(record, change)


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
    return _with(events, record, {"mode": victim.stack})


def first_differs(record: Record) -> Altered | None:
    """Have an apology follow the answer to the first update after the start."""

    def change(event: DoorAsked) -> Event:
        return _replaced(event, answers=(*event.answers, "An error occurred"))

    return _asked(record, "first", change)


def answered_twice(record: Record) -> Altered | None:
    """Answer an update that came twice two times."""
    return _asked(record, "twice", lambda event: _replaced(event, answers=event.answers * 2))


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

    return _changed(record, change, stack=victim.stack)


def secret_shown(record: Record) -> Altered | None:
    """Show the token in a log."""
    seen = record.history.of(PortsSeen)
    if not seen:
        return None
    where: dict[str, Any] = {"t": seen[-1].t, "stack": seen[-1].stack, "mode": seen[-1].mode}
    event = SecretSeen(secret="bot token", place="the log of bot", **where)  # noqa: S106 - a name
    return _with([*record.history, event], record, {"mode": seen[-1].mode})


def stranger_told(record: Record) -> Altered | None:
    """Tell a stranger what the operator is told."""
    asked = record.history.of(SecurityAsked)
    answered = next((each for each in asked if each.operator and each.figures), None)
    if answered is None:
        return None
    event = _replaced(answered, who="a stranger", path="a message", operator=False)
    return _with([*record.history, event], record, {})


def zero_invented(record: Record) -> Altered | None:
    """Show a figure that no exchange has given as a zero."""
    for victim in record.history.of(Degraded):
        lines = (line for _, line, found in labelled(victim.clean) if not is_zero(found[0]))
        said = next(lines, "")
        if said and victim.stage not in ("back", "ended", "held") and not victim.neighbour:
            zero = _replaced(victim, answers=(re.sub(r"\d[\d,]*(?:\.\d+)?", "0.00", said),))
            events = [zero if event is victim else event for event in record.history]
            return _with(events, record, {})
    return None


def signal_twice(record: Record) -> Altered | None:
    """Return what came by itself comes again in the same slot, of a watch that can tell
    it for sure."""
    watched = record.history.of(SignalsWatched)
    sure = {one.stack for one in watched if not kept_from_going_on(one)}
    seen = [each for each in record.history.of(SignalSeen) if each.stack in sure]
    return _with([*record.history, seen[-1]], record, {}) if seen else None


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
