"""What a bot did in one playing of a conversation: chat by chat, normalised, as text to compare.

A view of the chats (`botproof/chats.py`), in which ids become names ("«alice»", "its message 2")
and the normalisers of botproof.toml are applied. What remains is what people saw, and how it was
asked for: text, parse mode, buttons, and every other parameter of the call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botproof.calls import QUERY_KEYS, TEXT_KEYS, button_label, integer, message_ids, plain
from botproof.chats import Chats, Message, ReplyRules
from botproof.checks.playing import Rooms
from botproof.checks.why import refusals
from botproof.history import BotApiCall
from botproof.workloads.stage import Pressed

_SHOWN_APART = frozenset(
    {"chat_id", "message_id", "parse_mode", "reply_markup", *TEXT_KEYS, *QUERY_KEYS}
)
_ID_KEYS = frozenset({"message_id", "reply_to_message_id"})


@dataclass(slots=True)
class KnownIds:
    """What ids mean in one playing in one mode: chats, queries, and messages of a chat."""

    rooms: Mapping[int, str] = field(default_factory=dict)
    queries: dict[str, str] = field(default_factory=dict)
    messages: dict[tuple[int, int], str] = field(default_factory=dict)

    def say_name(self, text: str) -> str:
        """Return text with the id of every chat and person replaced by a name."""
        return _LONG_NUMBER.sub(self._named, text)

    def _named(self, found: re.Match[str]) -> str:
        name = self.rooms.get(int(found.group()))
        return f"«{name}»" if name else found.group()


_LONG_NUMBER = re.compile(r"(?<![\w.])-?\d{10,15}(?![\w.])")


class TranscriptReader:
    """Reads the calls of one playing in one mode, in order, into `rooms`."""

    def __init__(self, ids: KnownIds, rules: ReplyRules) -> None:
        self._ids = ids
        self._rules = rules
        self._chats = Chats(rules)
        self._named = 0

    def feed(self, call: BotApiCall) -> None:
        """Take in the next call of this playing; a refused one says nothing to anybody."""
        self._chats.feed(call)
        for act in self._chats.acts[self._named :]:
            for number in message_ids(act.result):
                self._name(act.chat_id, number)
        self._named = len(self._chats.acts)

    def _name(self, chat_id: int, number: int) -> None:
        """Name the messages of a chat in their order there: ids depend on the other chats."""
        names = self._ids.messages
        own = sum(chat == chat_id and name.startswith("its") for (chat, _), name in names.items())
        names.setdefault((chat_id, number), f"its message {own + 1}")

    def _rooms(self) -> Mapping[str, list[Message]]:
        """Return what stands in each room. An acknowledgement that is meant to stay does not count
        once something follows it: whether it was sent depends on timing."""
        rooms: dict[str, list[Message]] = {}
        for act in self._chats.acts:
            room = self._ids.queries.get(act.query_id) or self._ids.rooms.get(act.chat_id)
            if room is not None and act.standing:
                found = rooms.setdefault(room, [])
                if self._rules.acknowledgement_stays and found and found[-1].acknowledgement:
                    found.pop()
                found.append(act)
        return rooms

    @property
    def refused(self) -> tuple[str, ...]:
        """What Telegram refused in this playing, in its words: people saw nothing of it."""
        return tuple(self._ids.say_name(text) for text in refusals(self._chats.refused))

    @property
    def waiting(self) -> bool:
        """Whether an acknowledgement still has to be followed by its answer."""
        return any(each.acknowledgement for found in self._rooms().values() for each in found)

    def texts(self, room: str) -> list[str]:
        """Return the texts of all messages in a room, normalised."""
        return [self._normal(each.text) for each in self._rooms().get(room, ())]

    def buttons(self, room: str) -> list[Pressed]:
        """Return the buttons with data that the bot has sent to a room and that are still there."""
        return [
            Pressed(
                message=each.result if isinstance(each.result, Mapping) else {},
                data=str(button["callback_data"]),
            )
            for each in self._rooms().get(room, ())
            for row in each.buttons
            for button in row
            if isinstance(button, Mapping) and "callback_data" in button
        ]

    def rooms(self, *, ordered: bool = True) -> Rooms:
        """Return everything as text, room by room; not `ordered`: the messages of a room sorted."""
        rooms = {}
        for room, messages in self._rooms().items():
            blocks = ["\n".join(self._lines(message)) for message in messages]
            rooms[room] = "\n".join(blocks if ordered else sorted(blocks))
        return rooms

    def _lines(self, message: Message) -> Iterator[str]:
        mode = message.parse_mode
        yield f"--- {message.method}{f' ({mode})' if mode else ''}"
        for line in self._normal(message.text).splitlines():
            yield line.rstrip()
        for row in message.buttons:
            yield "  ".join(f"[{self._normal(button_label(button))}]" for button in row)
        for key in sorted(message.params.keys() - _SHOWN_APART):
            yield f"  {key}: {self._value(message, key, message.params[key])}"

    def _normal(self, text: str) -> str:
        return self._rules.normalise(self._ids.say_name(text))

    def _value(self, message: Message, key: str, value: Any) -> str:
        named = self._with_names(plain(value), key, message.chat_id)
        return self._normal(json.dumps(named, ensure_ascii=False, sort_keys=True))

    def _with_names(self, value: Any, key: str, chat_id: int) -> Any:
        """Return a value of a call with the ids of messages in it replaced by names."""
        if isinstance(value, Mapping):
            return {name: self._with_names(inner, name, chat_id) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._with_names(inner, key, chat_id) for inner in value]
        if key in _ID_KEYS:
            return self._ids.messages.get((chat_id, integer(value) or 0), value)
        return value
