"""The stage of a conversation: which ids its cast has, and the update that Telegram sends a step.

Pure. An update is given as the Telegram double takes it: without `update_id`, and without
`message_id`, `date` and entities, which the double fills in as Telegram does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botproof.conversations import (
    KNOWN,
    AnyStep,
    Ask,
    Edit,
    Happen,
    Invent,
    Meet,
    Press,
    Say,
    Send,
    Step,
    Who,
    addressed,
    room_of,
)

Json = dict[str, Any]

PLACES = 1000
"""Playings before known users come back; groups, channels and strangers are new every time."""

_FIRST_KNOWN = 2_100_000_001
_FIRST_STRANGER = 3_100_000_001
_GROUPS_FROM = -4_100_000_001
_SUPERGROUPS_FROM = -1_004_100_000_001
_CHANNELS_FROM = -1_007_100_000_001
_PRESSED = "buttons from long ago"
_OLD_MESSAGE = 1
_NAMES: Mapping[Who, Json] = {
    "alice": {"first_name": "Alice", "username": "alice", "language_code": "en"},
    "bob": {"first_name": "بوب", "last_name": "Ω", "language_code": "ar"},
    "mallory": {"first_name": "<b>Mallory</b> & Co", "last_name": "{0} %s"},
}


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """Who the bot under test is, as `getMe` tells."""

    id: int
    username: str
    first_name: str = "Bot"


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button that the bot has sent: the message below which it is, and its data."""

    message: Mapping[str, Any]
    data: str


@dataclass(frozen=True, slots=True)
class Cast:
    """The ids of one playing. `number` counts playings; each has chats of its own."""

    number: int
    bot: BotIdentity

    def user_id(self, who: Who) -> int:
        """Return the id of a person. Known ones come from the ids that the bot was started with."""
        if who in KNOWN:
            return _FIRST_KNOWN + self.number % PLACES * len(KNOWN) + KNOWN.index(who)
        return _FIRST_STRANGER + self.number

    def chat_id(self, step: Step) -> int:
        """Return the id of the chat that a step happens in."""
        return {
            "private": self.user_id(step.who),
            "group": _GROUPS_FROM - self.number,
            "supergroup": _SUPERGROUPS_FROM - self.number,
            "channel": _CHANNELS_FROM - self.number,
        }[step.where]

    def user(self, who: Who) -> Json:
        """Return a person as Telegram describes one."""
        return {"id": self.user_id(who), "is_bot": False, **_NAMES[who]}

    def chat(self, step: Step) -> Json:
        """Return the chat of a step as Telegram describes it."""
        chat: Json = {"id": self.chat_id(step), "type": step.where}
        if step.where != "private":
            return {**chat, "title": f"The <i>{step.where}</i> & co"}
        shown = {k: v for k, v in _NAMES[step.who].items() if k != "language_code"}
        return {**chat, **shown}

    def rooms(self) -> Mapping[int, str]:
        """Return every chat of this playing by its id, with the name that `room_of` gives it."""
        private = {self.user_id(who): str(who) for who in _NAMES}
        shared = (Step(where="group"), Step(where="supergroup"), Step(where="channel"))
        return {**private, **{self.chat_id(step): room_of(step) for step in shared}}


def known_users() -> tuple[int, ...]:
    """Return the ids of the people whom the bot under test must let in: what `{users}`
    stands for."""
    return tuple(range(_FIRST_KNOWN, _FIRST_KNOWN + PLACES * len(KNOWN)))


@dataclass(slots=True)
class Memory:
    """What has happened in a playing that later steps refer to."""

    last_said: dict[tuple[Who, str], int] = field(default_factory=dict)

    def said(self, step: Step, message_id: int | None) -> None:
        """Note that the message of a step got this id."""
        if message_id is not None and isinstance(step, Say | Send):
            self.last_said[step.who, room_of(step)] = message_id

    def to_edit(self, step: Edit) -> int:
        """Return the id of the message that an edit changes."""
        return self.last_said.get((step.who, room_of(step)), _OLD_MESSAGE)


def update_of(  # noqa: PLR0911 - one return a kind of step
    step: AnyStep, cast: Cast, memory: Memory, pressed: Pressed | None
) -> Json:
    """Return the update of one step; `pressed` is the button of a `Press`, None when
    the bot sent none."""
    match step:
        case Say():
            return _said(step, cast)
        case Edit():
            return _edited(step, cast, memory)
        case Send():
            caption = {"caption": step.caption} if step.caption else {}
            return {_kind(step): {**_from(step, cast), **_MEDIA[step.what], **caption}}
        case Happen():
            return {_kind(step): {**_from(step, cast), **_SERVICES[step.what](step, cast)}}
        case Press():
            return _press(step, cast, pressed)
        case Ask():
            query = {"from": cast.user(step.who), "query": step.query, "offset": ""}
            return {"inline_query": {**query, "chat_type": "sender"}}
        case Meet():
            return {step.kind: _OTHERS[step.kind](step, cast)}
        case Invent():
            return {step.kind: {**_from(step, cast), **step.fields}}


def _kind(step: Step, edited: str = "") -> str:
    return f"{edited}channel_post" if step.where == "channel" else f"{edited}message"


def _from(step: Step, cast: Cast) -> Json:
    """Return chat and sender, as every message carries them."""
    if step.where == "channel":
        return {"chat": cast.chat(step), "sender_chat": cast.chat(step)}
    return {"chat": cast.chat(step), "from": cast.user(step.who)}


def _said(step: Say, cast: Cast) -> Json:
    text = addressed(step, cast.bot.username, f"not_{cast.bot.username}"[:32])
    novel: Json = {"quantum": {"state": [1, None, "½"]}, "is_holographic": True}
    return {_kind(step): {**_from(step, cast), "text": text, **(novel if step.novel else {})}}


def _edited(step: Edit, cast: Cast, memory: Memory) -> Json:
    body = {**_from(step, cast), "message_id": memory.to_edit(step), "edit_date": _SOME_DATE}
    return {_kind(step, "edited_"): {**body, "text": step.text}}


def _press(step: Press, cast: Cast, pressed: Pressed | None) -> Json:
    bot = {"id": cast.bot.id, "is_bot": True, "first_name": cast.bot.first_name}
    old = {"message_id": _OLD_MESSAGE, "from": {**bot, "username": cast.bot.username}}
    old |= {"chat": cast.chat(step), "date": _SOME_DATE, "text": _PRESSED}
    return {
        "callback_query": {
            "from": cast.user(step.who),
            "message": old if pressed is None else dict(pressed.message),
            "chat_instance": str(cast.chat_id(step)),
            "data": step.data if pressed is None else pressed.data,
        }
    }


_SOME_DATE = 1_750_000_000
_FILE: Json = {"file_id": "AgACAgIAAxkBAAIB", "file_unique_id": "AQADyL8xG1234567"}
_POLL: Json = {
    "id": "5312345678901234567",
    "question": "Up or down?",
    "options": [
        {"persistent_id": "0", "text": "Up", "voter_count": 1},
        {"persistent_id": "1", "text": "Down", "voter_count": 0},
    ],
    "total_voter_count": 1,
    "is_closed": False,
    "is_anonymous": False,
    "type": "regular",
    "allows_multiple_answers": False,
    "allows_revoting": True,
    "members_only": False,
}
_MEDIA: Mapping[str, Json] = {
    "photo": {"photo": [{**_FILE, "width": 90, "height": 67, "file_size": 1105}]},
    "sticker": {
        "sticker": {
            **_FILE,
            "type": "regular",
            "width": 512,
            "height": 512,
            "is_animated": False,
            "is_video": False,
            "emoji": "📈",
        }
    },
    "voice": {"voice": {**_FILE, "duration": 3, "mime_type": "audio/ogg"}},
    "document": {"document": {**_FILE, "file_name": "\u202etxt.exe", "mime_type": "text/plain"}},
    "location": {"location": {"latitude": 1.2903, "longitude": 103.8519}},
    "contact": {"contact": {"phone_number": "+6500000000", "first_name": "Carol"}},
    "dice": {"dice": {"emoji": "🎲", "value": 6}},
    "poll": {"poll": _POLL},
    "video_note": {"video_note": {**_FILE, "length": 240, "duration": 5}},
}

_Make = Callable[[Step, Cast], Json]
_SERVICES: Mapping[str, _Make] = {
    "joined": lambda step, cast: {"new_chat_members": [cast.user(step.who)]},
    "left": lambda step, cast: {"left_chat_member": cast.user(step.who)},
    "pinned": lambda step, cast: {
        "pinned_message": {"message_id": _OLD_MESSAGE, "chat": cast.chat(step), "date": 0}
    },
    "renamed": lambda _, __: {"new_chat_title": "To the moon"},
    "topic": lambda _, __: {
        "forum_topic_created": {"name": "Signals", "icon_color": 7322096},
        "message_thread_id": 2,
        "is_topic_message": True,
    },
    "timer": lambda _, __: {"message_auto_delete_timer_changed": {"message_auto_delete_time": 60}},
    "upgraded": lambda step, cast: {
        "migrate_to_chat_id": cast.chat_id(Step(who=step.who, where="supergroup"))
    },
}


def _member(step: Step, cast: Cast) -> Json:
    person = cast.user(step.who)
    return {
        "chat": cast.chat(step),
        "from": person,
        "date": _SOME_DATE,
        "old_chat_member": {"user": person, "status": "left"},
        "new_chat_member": {"user": person, "status": "member"},
    }


def _my_member(step: Step, cast: Cast) -> Json:
    bot = {"id": cast.bot.id, "is_bot": True, "first_name": cast.bot.first_name}
    member = {"user": {**bot, "username": cast.bot.username}}
    return {
        **_member(step, cast),
        "old_chat_member": {**member, "status": "left"},
        "new_chat_member": {**member, "status": "member"},
    }


def _reaction(step: Step, cast: Cast) -> Json:
    return {
        "chat": cast.chat(step),
        "message_id": _OLD_MESSAGE,
        "user": cast.user(step.who),
        "date": _SOME_DATE,
        "old_reaction": [],
        "new_reaction": [{"type": "emoji", "emoji": "🔥"}],
    }


def _boost(step: Step, cast: Cast) -> Json:
    source = {"source": "premium", "user": cast.user(step.who)}
    boost = {"boost_id": "b1", "add_date": _SOME_DATE, "expiration_date": 2 * _SOME_DATE}
    return {"chat": cast.chat(step), "boost": {**boost, "source": source}}


def _checkout(step: Step, cast: Cast) -> Json:
    price = {"currency": "XTR", "total_amount": 1, "invoice_payload": "month"}
    return {"from": cast.user(step.who), **price}


def _shipping(step: Step, cast: Cast) -> Json:
    address = dict.fromkeys(("state", "city", "street_line1", "street_line2", "post_code"), "")
    address["country_code"] = "SG"
    return {
        "from": cast.user(step.who),
        "invoice_payload": "month",
        "shipping_address": address,
    }


_OTHERS: Mapping[str, _Make] = {
    "my_chat_member": _my_member,
    "chat_member": _member,
    "chat_join_request": lambda step, cast: {
        "chat": cast.chat(step),
        "from": cast.user(step.who),
        "user_chat_id": cast.user_id(step.who),
        "date": _SOME_DATE,
    },
    "message_reaction": _reaction,
    "poll": lambda _, __: _POLL,
    "poll_answer": lambda step, cast: {
        "poll_id": _POLL["id"],
        "user": cast.user(step.who),
        "option_ids": [0],
        "option_persistent_ids": ["0"],
    },
    "chosen_inline_result": lambda step, cast: {
        "result_id": "1",
        "from": cast.user(step.who),
        "query": "btc",
    },
    "shipping_query": _shipping,
    "pre_checkout_query": _checkout,
    "chat_boost": _boost,
    "business_message": lambda step, cast: {
        **_from(step, cast),
        "business_connection_id": "bc1",
        "text": "hello",
    },
}
