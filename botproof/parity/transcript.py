"""What a bot did in one playing of a conversation: chat by chat, normalised, as text to compare.

Ids become names ("«alice»", "its message 2"), an acknowledgement that is edited into the answer
counts as that answer, and the normalisers of botproof.toml are applied. What remains is what people
saw, and how it was asked for: text, parse mode, buttons, and every other parameter of the call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botproof.checks.replies import ReplyRules, button_label, integer
from botproof.history import BotApiCall
from botproof.workloads.stage import Pressed

Rooms = Mapping[str, str]
"""Name of a chat, or of a query, → what was sent there, as text."""

_QUERY_KEYS = ("callback_query_id", "inline_query_id", "shipping_query_id", "pre_checkout_query_id")
_TEXT_KEYS = ("text", "caption")
_SHOWN_APART = frozenset({"chat_id", "message_id", "parse_mode", "reply_markup", *_TEXT_KEYS})
_ID_KEYS = frozenset({"message_id", "reply_to_message_id"})


def chat_of(call: BotApiCall) -> int | None:
    """The id of the chat that a call is about."""
    return integer(call.params.get("chat_id"))


def query_of(call: BotApiCall) -> str:
    """The id of the query that a call answers; "" for other calls."""
    return next((str(call.params[key]) for key in _QUERY_KEYS if key in call.params), "")


@dataclass(slots=True)
class Scene:
    """What ids mean in one playing at one door: chats, queries, and messages of a chat."""

    rooms: Mapping[int, str] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)
    messages: dict[tuple[int, int], str] = field(default_factory=dict)

    def say_name(self, text: str) -> str:
        """Text with the id of every chat and person replaced by a name."""
        return _LONG_NUMBER.sub(self._named, text)

    def _named(self, found: re.Match[str]) -> str:
        name = self.rooms.get(int(found.group()))
        return f"«{name}»" if name else found.group()


_LONG_NUMBER = re.compile(r"(?<![\w.])-?\d{10,15}(?![\w.])")


@dataclass(slots=True)
class _Message:
    """One message as it stands in a chat, or any other thing that the bot did there."""

    method: str
    params: dict[str, Any]
    result: Mapping[str, Any] = field(default_factory=dict)
    waiting: bool = False


class TranscriptReader:
    """Reads the calls of one playing at one door, in order, into `rooms`."""

    def __init__(self, scene: Scene, rules: ReplyRules) -> None:
        self._scene = scene
        self._rules = rules
        self._rooms: dict[str, list[_Message]] = {}
        self._by_id: dict[tuple[int, int], _Message] = {}

    def feed(self, call: BotApiCall) -> None:
        """Take in the next call of this playing; a refused one says nothing to anybody."""
        if call.error_code is not None or call.method in self._rules.ignore_methods:
            return
        chat_id = chat_of(call)
        room = self._scene.queries.get(query_of(call)) or self._scene.rooms.get(chat_id or 0)
        if room is not None:
            self._take(room, chat_id or 0, call)

    def _take(self, room: str, chat_id: int, call: BotApiCall) -> None:
        key = (chat_id, integer(call.params.get("message_id")) or 0)
        message = self._by_id.get(key)
        if message is not None and call.method == "deleteMessage":
            self._rooms[room].remove(self._by_id.pop(key))
        elif message is not None and call.method.startswith("editMessage"):
            self._edit(message, call)
        else:
            self._add(room, chat_id, call)

    def _add(self, room: str, chat_id: int, call: BotApiCall) -> None:
        text = _text(call.params)
        waiting = bool(text) and self._rules.is_acknowledgement(text)
        message = _Message(call.method, dict(call.params), waiting=waiting)
        self._rooms.setdefault(room, []).append(message)
        for result in call.result if isinstance(call.result, list) else [call.result]:
            number = integer(result.get("message_id")) if isinstance(result, Mapping) else None
            if number is not None:
                message.result = result
                self._by_id[chat_id, number] = message
                self._name(chat_id, number)

    def _name(self, chat_id: int, number: int) -> None:
        """Messages of a chat are named in their order there: ids depend on the other chats."""
        names = self._scene.messages
        own = sum(chat == chat_id and name.startswith("its") for (chat, _), name in names.items())
        names.setdefault((chat_id, number), f"its message {own + 1}")

    def _edit(self, message: _Message, call: BotApiCall) -> None:
        message.params.pop("reply_markup", None)
        message.params.update(call.params)
        message.waiting = self._rules.is_acknowledgement(_text(message.params))
        if isinstance(call.result, Mapping):
            message.result = call.result

    @property
    def waiting(self) -> bool:
        """Whether an acknowledgement still has to be edited into its answer."""
        return any(each.waiting for messages in self._rooms.values() for each in messages)

    def texts(self, room: str) -> list[str]:
        """The texts of all messages in a room, normalised."""
        return [self._words(each.params) for each in self._rooms.get(room, ())]

    def buttons(self, room: str) -> list[Pressed]:
        """The buttons with data that the bot has sent to a room and that are still there."""
        return [
            Pressed(message=each.result, data=str(button["callback_data"]))
            for each in self._rooms.get(room, ())
            for row in _rows(each.params.get("reply_markup"))
            for button in row
            if isinstance(button, Mapping) and "callback_data" in button
        ]

    def rooms(self, *, ordered: bool = True) -> Rooms:
        """Everything as text, room by room; not `ordered`: the messages of a room sorted."""
        rooms = {}
        for room, messages in self._rooms.items():
            blocks = ["\n".join(self._lines(message)) for message in messages]
            if blocks:
                rooms[room] = "\n".join(blocks if ordered else sorted(blocks))
        return rooms

    def _lines(self, message: _Message) -> Iterator[str]:
        mode = message.params.get("parse_mode")
        yield f"--- {message.method}{f' ({mode})' if mode else ''}"
        for line in self._words(message.params).splitlines():
            yield line.rstrip()
        for row in _rows(message.params.get("reply_markup")):
            yield "  ".join(f"[{self._normal(button_label(button))}]" for button in row)
        for key in sorted(message.params.keys() - _SHOWN_APART - frozenset(_QUERY_KEYS)):
            yield f"  {key}: {self._value(message, key, message.params[key])}"

    def _words(self, params: Mapping[str, Any]) -> str:
        return self._normal(_text(params))

    def _normal(self, text: str) -> str:
        return self._rules.normalise(self._scene.say_name(text))

    def _value(self, message: _Message, key: str, value: Any) -> str:
        chat_id = integer(message.params.get("chat_id")) or 0
        plain = _plain(value)
        return self._normal(
            json.dumps(self._named(plain, key, chat_id), ensure_ascii=False, sort_keys=True)
        )

    def _named(self, value: Any, key: str, chat_id: int) -> Any:
        """A value of a call with the ids of messages in it replaced by names."""
        if isinstance(value, Mapping):
            return {name: self._named(inner, name, chat_id) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._named(inner, key, chat_id) for inner in value]
        if key in _ID_KEYS:
            return self._scene.messages.get((chat_id, integer(value) or 0), value)
        return value


def _text(params: Mapping[str, Any]) -> str:
    return next((str(params[key]) for key in _TEXT_KEYS if params.get(key)), "")


def _plain(value: Any) -> Any:
    """A value as it is meant: form posts carry objects as JSON text."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _rows(markup: Any) -> list[list[Any]]:
    plain = _plain(markup)
    if not isinstance(plain, Mapping):
        return []
    rows = plain.get("inline_keyboard") or plain.get("keyboard") or []
    return [row for row in rows if isinstance(row, list)]
