"""The ways in which a question reaches a bot that is not the asker's to ask: each as an update.

Each comes from a user and a chat of its own, so that what comes back is known to be theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from botproof.targets.values import LISTED_GROUPS
from botproof.workloads.updates import NAME, message_update, person, private_chat
from botproof.workloads.vocabulary import split_command

OPERATOR = 1_700_000_001
_STRANGERS_FROM = 1_710_000_001
_SHORTER, _LONGER = OPERATOR // 10, OPERATOR * 10 + 7
"""Ids like the operator's: a list that is compared as text would let them in."""
_GROUPS_FROM = -1_001_710_000_001
_ANONYMOUS_ADMIN = 1_087_968_824
_AS_CHANNEL = 136_817_688
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Approach:
    """One way to ask: the update, and the chats and queries by which an answer would come.
    `before` is what comes there before all questions, and is no question."""

    who: str
    path: str
    text: str
    update: Mapping[str, Any]
    chats: tuple[int, ...]
    query: str = ""
    private: bool = False
    before: Mapping[str, Any] = field(default_factory=dict)


def _stranger(number: int) -> int:
    return _STRANGERS_FROM + number


class Ways:
    """The ways of strangers, or of `guests`, who are let in without being the operator."""

    def __init__(self, guests: str) -> None:
        self._guests = guests

    def _message(self, number: int, text: str, _: str, __: Any) -> Json:
        user = _stranger(number)
        return _way(self._who, "a message", message_update(user, text), (user,))

    def _shorter(self, _: int, text: str, __: str, ___: Any) -> Json:
        return self._alike(_SHORTER, text, "a stranger whose id is the beginning of the operator's")

    def _longer(self, _: int, text: str, __: str, ___: Any) -> Json:
        return self._alike(_LONGER, text, "a stranger whose id begins with the operator's")

    def _alike(self, user: int, text: str, who: str) -> Json:
        """Ask by the plainest path there is: what another one hides would hide the defect."""
        return _way(who, "a message", message_update(user, text), (user,))

    def _start(self, number: int, text: str, _: str, __: Any) -> Json:
        user = _stranger(number)
        said = f"/start {text.lstrip('/')}"
        return _way(self._who, f"a deep link ({said})", message_update(user, said), (user,))

    def _edited(self, number: int, text: str, _: str, __: Any) -> Json:
        user = _stranger(number)
        body = {**message_update(user, text)["message"], "edit_date": 1}
        return _way(self._who, "an edited message", {"edited_message": body}, (user,))

    def _forwarded(self, number: int, text: str, _: str, __: Any) -> Json:
        user = _stranger(number)
        body = message_update(user, text)["message"]
        body["forward_origin"] = {"type": "user", "date": 1, "sender_user": person(OPERATOR)}
        return _way(self._who, "a forwarded command of the operator", {"message": body}, (user,))

    def _caption(self, number: int, text: str, _: str, __: Any) -> Json:
        user = _stranger(number)
        body = message_update(user, text)["message"]
        body["caption"], entities = body.pop("text"), body.pop("entities", None)
        if entities:
            body["caption_entities"] = entities
        file = {"file_id": f"f{number}", "file_unique_id": f"u{number}"}
        body["photo"] = [{**file, "width": 90, "height": 67, "file_size": 1105}]
        return _way(self._who, "the caption of a photo", {"message": body}, (user,))

    def _in_group(self, number: int, text: str, _: str, __: Any) -> Json:
        user, group = _stranger(number), self._group(number)
        update = message_update(user, text, _supergroup(group))
        return _way(self._who, f"a message in {self._room}", update, (group, user))

    def _addressed(self, number: int, text: str, _: str, bot: Mapping[str, Any]) -> Json:
        user, group = _stranger(number), self._group(number)
        command, argument = split_command(text)
        said = f"{command}@{bot.get('username')} {argument}".strip()
        update = message_update(user, said, _supergroup(group))
        return _way(
            self._who, f"a command with the bot's name in {self._room}", update, (group, user)
        )

    def _edited_in_group(self, number: int, text: str, _: str, __: Any) -> Json:
        user, group = _stranger(number), self._group(number)
        body = {**message_update(user, text, _supergroup(group))["message"], "edit_date": 1}
        way = f"an edited message in {self._room}"
        return _way(self._who, way, {"edited_message": body}, (group, user))

    def _replying(self, number: int, text: str, _: str, __: Any) -> Json:
        user, group = _stranger(number), self._group(number)
        update = message_update(user, text, _supergroup(group))
        said = message_update(OPERATOR, "hello", _supergroup(group))["message"]
        update["message"]["reply_to_message"] = {"message_id": 1, **said}
        way = f"a reply to the operator's message in {self._room}"
        return _way(self._who, way, update, (group, user))

    def _after_the_operator(self, number: int, text: str, _: str, __: Any) -> Json:
        user, room = _stranger(number), _supergroup(self._group(number))
        way = f"a message in {self._room} in which the operator has written"
        made = _way(self._who, way, message_update(user, text, room), (room["id"], user))
        return {**made, "before": message_update(OPERATOR, "hello", room)}

    def _after_a_contact(self, number: int, text: str, _: str, __: Any) -> Json:
        user = _stranger(number)
        shared = message_update(user, "")
        contact = {"phone_number": "+15550100", "first_name": NAME, "user_id": OPERATOR}
        shared["message"] = {**shared["message"], "contact": contact}
        del shared["message"]["text"]
        way = "a message after the operator's contact was shared"
        made = _way(self._who, way, message_update(user, text), (user,))
        return {**made, "before": shared}

    def _after_start(self, number: int, text: str, _: str, __: Any) -> Json:
        user = _stranger(number)
        made = _way(self._who, "a message after /start", message_update(user, text), (user,))
        return {**made, "before": message_update(user, "/start")}

    def _after_adding(self, number: int, text: str, _: str, bot: Mapping[str, Any]) -> Json:
        user, room = _stranger(number), _supergroup(self._group(number))
        way = f"a message in {self._room} to which the stranger has added the bot"
        made = _way(self._who, way, message_update(user, text, room), (room["id"], user))
        return {**made, "before": _added(user, room, bot)}

    def _anonymous(self, number: int, text: str, _: str, __: Any) -> Json:
        group = self._group(number)
        body = message_update(_ANONYMOUS_ADMIN, text, _supergroup(group))["message"]
        body["from"] = {**person(_ANONYMOUS_ADMIN, "Group"), "is_bot": True}
        body["from"]["username"] = "GroupAnonymousBot"
        body["sender_chat"] = _supergroup(group)
        return _way("an anonymous admin", f"a message in {self._room}", {"message": body}, (group,))

    def _as_channel(self, number: int, text: str, _: str, __: Any) -> Json:
        group = self._group(number)
        body = message_update(_AS_CHANNEL, text, _supergroup(group))["message"]
        body["from"] = {**person(_AS_CHANNEL, "Channel"), "is_bot": True}
        body["from"]["username"] = "Channel_Bot"
        body["sender_chat"] = _channel(number)
        way = f"a message in {self._room}"
        return _way("somebody who writes as a channel", way, {"message": body}, (group,))

    def _post(self, number: int, text: str, _: str, __: Any) -> Json:
        channel = _channel(number)
        body = message_update(0, text, channel)["message"]
        body.pop("from")
        body["sender_chat"] = channel
        return _way("a channel", "a channel post", {"channel_post": body}, (channel["id"],))

    def _edited_post(self, number: int, text: str, _: str, __: Any) -> Json:
        made = self._post(number, text, "", None)
        body = {**made["update"]["channel_post"], "edit_date": 1}
        return {**made, "path": "an edited channel post", "update": {"edited_channel_post": body}}

    def _inline(self, number: int, text: str, _: str, __: Any) -> Json:
        user = _stranger(number)
        query = str(8_100_000_000 + number)
        body = {"id": query, "from": person(user), "query": text.lstrip("/"), "offset": ""}
        way = _way(self._who, "an inline query", {"inline_query": body}, (user,))
        return {**way, "query": query}

    def _old_tap(self, number: int, _: str, data: str, __: Any) -> Json:
        user = _stranger(number)
        return self._tapped(number, data, user, private_chat(user), "a tap on an old button")

    def _forwarded_tap(self, number: int, _: str, data: str, __: Any) -> Json:
        user = _stranger(number)
        origin = {"type": "user", "date": 1, "sender_user": person(OPERATOR)}
        made = self._tapped(number, data, user, private_chat(user), "a tap on a forwarded button")
        made["update"]["callback_query"]["message"]["forward_origin"] = origin
        return made

    def _tap_in_group(self, number: int, _: str, data: str, __: Any) -> Json:
        user, group = _stranger(number), self._group(number)
        return self._tapped(number, data, user, _supergroup(group), f"a tap in {self._room}")

    def _tapped(self, number: int, data: str, user: int, chat: Json, way: str) -> Json:
        query = str(8_200_000_000 + number)
        message = {"message_id": 1, "date": 1, "chat": chat, "text": "buttons"}
        body = {"id": query, "from": person(user), "message": message, "data": data}
        body["chat_instance"] = str(chat["id"])
        made = _way(self._who, way, {"callback_query": body}, (chat["id"], user))
        return {**made, "query": query}

    def _operator_in_group(self, number: int, text: str, _: str, __: Any) -> Json:
        group = self._group(number)
        update = message_update(OPERATOR, text, _supergroup(group))
        who = "the operator, for all in a group to read,"
        return _way(who, f"a message in {self._room}", update, (group,))

    def _operator_unreached(self, number: int, text: str, _: str, __: Any) -> Json:
        group = _GROUPS_FROM - number
        update = message_update(OPERATOR, text, _supergroup(group))
        who = "a group, whose operator cannot be written to in private,"
        return _way(who, "a message of the operator's", update, (group,))

    @property
    def _who(self) -> str:
        return f"a guest ({self._guests})" if self._guests else "a stranger"

    @property
    def _room(self) -> str:
        return "a listed group" if self._guests else "a group"

    def _group(self, number: int) -> int:
        return LISTED_GROUPS[number] if self._guests else _GROUPS_FROM - number

    of_strangers = (
        *(_message, _start, _edited, _forwarded, _caption, _in_group, _addressed),
        *(_edited_in_group, _anonymous, _as_channel, _post, _edited_post, _inline),
        *(_old_tap, _forwarded_tap, _tap_in_group, _replying),
        *(_after_the_operator, _after_a_contact, _after_start, _after_adding),
    )
    asked_once = (_shorter, _longer)
    of_guests = (
        *(_message, _edited, _forwarded, _in_group, _addressed, _edited_in_group, _anonymous),
        *(_inline, _old_tap, _forwarded_tap, _tap_in_group, _operator_in_group),
    )
    of_unreached = (_operator_unreached,)
    """Asked while Telegram refuses whatever is sent to the operator in private (403)."""


def _way(who: str, path: str, update: Json, chats: tuple[int, ...]) -> Json:
    return {"who": who, "path": path, "update": update, "chats": chats}


def _added(user: int, room: Json, bot: Mapping[str, Any]) -> Json:
    """Return the update by which Telegram tells a bot that somebody has added it to a group."""
    itself = {
        **person(int(bot.get("id") or 0), str(bot.get("first_name") or "Bot")),
        "is_bot": True,
    }
    members = {
        which: {"user": itself, "status": status}
        for which, status in (("old_chat_member", "left"), ("new_chat_member", "member"))
    }
    return {"my_chat_member": {"chat": room, "from": person(user), "date": 1, **members}}


def _supergroup(group: int) -> Json:
    return {"id": group, "type": "supergroup", "title": "Room"}


def _channel(number: int) -> Json:
    return {"id": -1_001_720_000_001 - number, "type": "channel", "title": "Channel"}
