"""What a user saw: puts the bot's API calls together into one answer for each case played.

An acknowledgement that is edited into the answer counts as that answer: whether it was sent
depends on timing, and in the end the chat holds one message either way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from botproof.config import Normaliser, Replies
from botproof.history import BotApiCall, CasePlayed, Event, History

_RULE = "---"


@dataclass(frozen=True, slots=True)
class ReplyRules:
    """How replies are read, with the patterns compiled."""

    acknowledgement: re.Pattern[str] | None = None
    ignore_methods: frozenset[str] = frozenset()
    normalisers: tuple[tuple[re.Pattern[str], str], ...] = ()

    @classmethod
    def of(cls, replies: Replies) -> ReplyRules:
        """The rules that `[replies]` of a botproof.toml describes."""
        return cls(
            acknowledgement=re.compile(replies.acknowledgement)
            if replies.acknowledgement
            else None,
            ignore_methods=frozenset(replies.ignore_methods),
            normalisers=tuple(_compile(normaliser) for normaliser in replies.normalise),
        )

    def is_acknowledgement(self, text: str) -> bool:
        """Whether a message only says that an answer is on its way."""
        return self.acknowledgement is not None and self.acknowledgement.search(text) is not None

    def normalise(self, text: str) -> str:
        """The text with everything replaced that legitimately differs between runs."""
        for pattern, replacement in self.normalisers:
            text = pattern.sub(replacement, text)
        return text


def _compile(normaliser: Normaliser) -> tuple[re.Pattern[str], str]:
    return re.compile(normaliser.pattern, re.MULTILINE), normaliser.replace


@dataclass(slots=True)
class Message:
    """One message as it stands in the chat, or one answer to a pressed button.

    `answered_at` is when it first said more than an acknowledgement, None while it has not.
    """

    kind: str
    text: str
    parse_mode: str
    buttons: tuple[tuple[str, ...], ...]
    sent_at: float
    answered_at: float | None
    edits: int = 0


@dataclass(slots=True)
class Answer:
    """Everything that the bot sent for one case, in the order of sending."""

    case: CasePlayed
    messages: list[Message] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether as many messages as expected hold more than an acknowledgement."""
        return len(self._answered()) >= self.case.replies

    @property
    def reply_time_s(self) -> float | None:
        """Seconds from the user's "send" to the whole answer; None while it is not there."""
        answered = self._answered()
        if len(answered) < self.case.replies:
            return None
        return sorted(answered)[self.case.replies - 1] - self.case.t

    def _answered(self) -> list[float]:
        return [each.answered_at for each in self.messages if each.answered_at is not None]


class ReplyReader:
    """Reads the events of one stack, in order, and keeps the answer of each case up to date."""

    def __init__(self, rules: ReplyRules) -> None:
        self._rules = rules
        self.answers: dict[str, Answer] = {}
        self._open: dict[int, Answer] = {}
        self._by_update: dict[int, Answer] = {}
        self._messages: dict[tuple[int, int], tuple[Answer, Message]] = {}
        self._callbacks: dict[str, Answer] = {}

    def feed(self, event: Event) -> None:
        """Take in the next event; all but cases played and calls of the bot are ignored."""
        if isinstance(event, CasePlayed):
            self._played(event)
        elif isinstance(event, BotApiCall) and event.error_code is None:
            self._called(event)

    def _played(self, case: CasePlayed) -> None:
        answer = Answer(case)
        self.answers[case.case] = self._open[case.chat_id] = answer
        callback = _callback_id(case.sent)
        if callback:
            self._callbacks[callback] = answer

    def _called(self, call: BotApiCall) -> None:
        if call.method in self._rules.ignore_methods:
            return
        if call.method == "answerCallbackQuery":
            self._callback_answered(call)
        elif call.method == "deleteMessage":
            self._deleted(call)
        elif call.method.startswith("editMessage"):
            self._edited(call)
        elif call.method.startswith(("send", "copy", "forward")):
            self._sent(call)

    def _sent(self, call: BotApiCall) -> None:
        chat_id = integer(call.params.get("chat_id"))
        answer = None if chat_id is None else self._open.get(chat_id)
        if answer is None or chat_id is None:
            return
        message = self._message(call)
        answer.messages.append(message)
        message_id = _message_id(call.result)
        if message_id is not None:
            self._messages[chat_id, message_id] = (answer, message)

    def _edited(self, call: BotApiCall) -> None:
        found = self._messages.get(_key(call.params))
        if found is None:
            return
        message = found[1]
        message.edits += 1
        if "text" in call.params or "caption" in call.params:
            message.text = _text(call.params)
            message.parse_mode = str(call.params.get("parse_mode") or "")
        message.buttons = _buttons(call.params.get("reply_markup"))
        if message.answered_at is None and not self._rules.is_acknowledgement(message.text):
            message.answered_at = effect_time(call)

    def _deleted(self, call: BotApiCall) -> None:
        found = self._messages.pop(_key(call.params), None)
        if found is not None:
            answer, message = found
            answer.messages.remove(message)

    def _callback_answered(self, call: BotApiCall) -> None:
        answer = self._callbacks.get(str(call.params.get("callback_query_id")))
        if answer is not None:
            message = self._message(call)
            message.answered_at = None  # it stops the button's spinner; the answer is a message
            answer.messages.append(message)

    def _message(self, call: BotApiCall) -> Message:
        text = _text(call.params)
        at = effect_time(call)
        return Message(
            kind="message" if call.method == "sendMessage" else call.method,
            text=text,
            parse_mode=str(call.params.get("parse_mode") or ""),
            buttons=_buttons(call.params.get("reply_markup")),
            sent_at=at,
            answered_at=None if self._rules.is_acknowledgement(text) else at,
        )


def read_answers(history: History, rules: ReplyRules) -> dict[str, dict[str, Answer]]:
    """The answers of a whole history: stack → name of the case → answer."""
    readers = {stack: ReplyReader(rules) for stack in history.stacks}
    for event in history:
        if event.stack in readers:
            readers[event.stack].feed(event)
    return {stack: reader.answers for stack, reader in readers.items()}


def effect_time(call: BotApiCall) -> float:
    """When a call took effect: the double notes its end."""
    return call.t


def render(answer: Answer, rules: ReplyRules) -> str:
    """An answer as text, normalised: what golden files hold and parity compares."""
    lines = [f"you: {answer.case.title}"]
    for message in answer.messages:
        about = [message.kind]
        if message.parse_mode:
            about.append(f"({message.parse_mode})")
        lines.append(" ".join([_RULE, *about]))
        lines += rules.normalise(message.text).splitlines()
        lines += ["  ".join(f"[{button}]" for button in row) for row in message.buttons]
    if not answer.messages:
        lines.append(f"{_RULE} nothing")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def title_of(payload: Mapping[str, Any]) -> str:
    """What a user did, in a few words: the text sent, or the kind of update."""
    for kind, body in payload.items():
        if isinstance(body, Mapping):
            text = body.get("text") or body.get("data") or ""
            said = f" {text}" if text else ""
            return said.strip() if kind == "message" and text else f"({kind}){said}"
    return "(empty update)"


def _text(params: Mapping[str, Any]) -> str:
    return str(params.get("text") or params.get("caption") or "")


def _buttons(markup: Any) -> tuple[tuple[str, ...], ...]:
    if isinstance(markup, str):
        try:
            markup = json.loads(markup)
        except ValueError:
            return ((markup,),)
    if not isinstance(markup, Mapping):
        return ()
    rows: Sequence[Any] = markup.get("inline_keyboard") or markup.get("keyboard") or ()
    return tuple(tuple(button_label(button) for button in row) for row in rows)


def button_label(button: Any) -> str:
    """A button of either keyboard in a line: its text, and what a tap sends or opens."""
    if not isinstance(button, Mapping):
        return str(button)
    target = button.get("callback_data") or button.get("url") or ""
    return f"{button.get('text', '')} → {target}" if target else str(button.get("text", ""))


def integer(value: Any) -> int | None:
    """A parameter of the Bot API as a number; None when it is none: forms send text."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _message_id(result: Any) -> int | None:
    return integer(result.get("message_id")) if isinstance(result, Mapping) else None


def _key(params: Mapping[str, Any]) -> tuple[int, int]:
    chat_id, message_id = integer(params.get("chat_id")), integer(params.get("message_id"))
    return (chat_id or 0, message_id or 0)


def _callback_id(sent: Mapping[str, Any]) -> str:
    query = sent.get("callback_query")
    return str(query.get("id", "")) if isinstance(query, Mapping) else ""


def lines_of(items: Iterable[str], most: int) -> tuple[str, ...]:
    """At most `most` items, and a last line that says how many more there are."""
    listed = list(items)
    if len(listed) <= most:
        return tuple(listed)
    return (*listed[:most], f"… and {len(listed) - most} more")
