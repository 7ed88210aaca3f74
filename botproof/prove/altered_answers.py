"""What a defect does to what the bot says, and to whom it says it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from botproof.calls import chat_of
from botproof.chats import Message, Turn
from botproof.checks.boot import handed_over_last
from botproof.history import (
    BotApiCall,
    Event,
    UpdateConfirmed,
    UpdateInjected,
)
from botproof.prove.altering import Altered, Record, changed, replaced, with_events

_ELSEWHERE = 987_654_321
"""A chat in which nobody asks anything."""
_LATE_S = 2.5


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

    return changed(record, each, case=name)


def _with_text(call: BotApiCall, change: Callable[[str], str]) -> Event:
    text = call.params.get("text")
    if not isinstance(text, str):
        return call
    return replaced(call, params={**call.params, "text": change(text)})


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
        return replaced(call, params={k: v for k, v in call.params.items() if k != "parse_mode"})

    return _says(record, change, lambda message: message.parse_mode != "")


def buttons_lost(record: Record) -> Altered | None:
    """Send a reply without its keyboard."""

    def change(call: BotApiCall) -> Event:
        return replaced(call, params={k: v for k, v in call.params.items() if k != "reply_markup"})

    return _says(record, change, lambda message: bool(message.buttons))


def wrong_chat(record: Record) -> Altered | None:
    """Send a reply to a chat in which nobody asked."""

    def change(call: BotApiCall) -> Event:
        return replaced(call, params={**call.params, "chat_id": _ELSEWHERE})

    return _says(record, change)


def reply_late(record: Record) -> Altered | None:
    """Have a reply come two and a half seconds later."""
    return _says(record, lambda call: replaced(call, t=call.t + _LATE_S))


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
            yield replaced(event, t=event.t + 0.01, result=result)

    events = [each for event in record.history for each in again(event)]
    return with_events(events, record, {"case": victim.case.case})


def mute(record: Record) -> Altered | None:
    """Have the bot send nothing at all."""

    def change(event: Event) -> Event | None:
        said = isinstance(event, BotApiCall) and event.stack in record.stacks and chat_of(event)
        return None if said else event

    return changed(record, change)


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
                return with_events([*record.history, call], record, {"case": name})
    return None


def unconfirmed(record: Record) -> Altered | None:
    """Have the bot never tell Telegram that it has the updates, where it was given one in time."""
    if not any(
        {each.update_id for each in record.history.of(UpdateInjected, stack=stack)}
        - handed_over_last(record.history, stack)
        for stack in record.stacks
    ):
        return None

    def change(event: Event) -> Event | None:
        gone = isinstance(event, UpdateConfirmed) and event.stack in record.stacks
        return None if gone else event

    return changed(record, change)
