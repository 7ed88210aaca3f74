"""Who does it, and where: people and chats as an action names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from botproof.chat_ids import chat_kind
from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.schema import complete_member
from botproof.doubles.telegram.world import Chat, Json


def person(turn: Turn, action: Json) -> Json:
    """Return the user of an action, remembered. Raises ControlError where nobody is named."""
    chat_id = action.get("chat_id", 0)
    number = action.get("user_id") or (max(0, chat_id))
    if not isinstance(number, int) or number <= 0:
        raise ControlError('"user_id" says who acts; it is missing, and "chat_id" is no person')
    names = ("first_name", "last_name", "username", "language_code", "is_premium")
    given = {name: action[name] for name in names if action.get(name) is not None}
    known = turn.bot.users.get(number)
    if known is not None and not given:
        return known
    default: Json = {"id": number, "is_bot": False, "first_name": f"User {number}"}
    user = {**default, **(known or {"language_code": "en"}), **given}
    turn.bot.users[number] = user
    return user


def _chat(turn: Turn, action: Json, user: Json) -> Chat:
    chat_id = action.get("chat_id") or user["id"]
    if not isinstance(chat_id, int):
        raise ControlError(f'"chat_id" must be a number; it is {chat_id!r}')
    info: Json = {"id": chat_id}
    if chat_kind(chat_id) == "private":
        person = user if user["id"] == chat_id else turn.bot.users.get(chat_id, {})
        info.update({k: person[k] for k in ("first_name", "last_name", "username") if k in person})
    else:
        given = {"title": "title", "username": "chat_username", "is_forum": "is_forum"}
        info.update({name: action[key] for name, key in given.items() if key in action})
    info["type"] = action.get("chat_type", chat_kind(chat_id))
    chat = ensure_chat(turn, info)
    if chat.kind in {"group", "supergroup"}:
        chat.members.setdefault(user["id"], {"user": user, "status": "member"})
    return chat


def ensure_chat(turn: Turn, info: Json) -> Chat:
    """Return the chat that `info` describes, made or renewed; the bot is a member of a
    new group."""
    bot, chat_id = turn.bot, info["id"]
    chat = bot.chats.get(chat_id)
    if chat is None:
        full = {"id": chat_id, "type": info.get("type", chat_kind(chat_id)), **info}
        if full["type"] != "private":
            full.setdefault("title", f"Chat {chat_id}")
        chat = bot.chats[chat_id] = Chat(full)
        if chat.kind != "private":
            chat.members[bot.id] = complete_member({"user": bot.sender, **_AS_NEW[chat.kind]})
    elif any(chat.info.get(key) != value for key, value in info.items()):
        chat.info = {**chat.info, **info}
    if "username" in chat.info:
        bot.usernames[chat.info["username"].lower()] = chat_id
    return chat


_AS_NEW: Mapping[str, Json] = {
    "channel": {
        "status": "administrator",
        "can_manage_chat": True,
        "can_post_messages": True,
        "can_edit_messages": True,
        "can_delete_messages": True,
    },
    "group": {"status": "member"},
    "supergroup": {"status": "member"},
}


def describe_chat(turn: Turn, described: Mapping[str, object]) -> Json:
    """Make or change a chat: `id`, `type`, `title` …, `members`, what the `bot` may do in it.

    Raises ControlError without an id.
    """
    given = cast("Json", dict(described))
    members, rights = given.pop("members", []), given.pop("bot", None)
    if not isinstance(given.get("id"), int) or given["id"] == 0:
        raise ControlError('"id" must be a number other than 0')
    chat = ensure_chat(turn, given)
    for member in members:
        user: Json = {"is_bot": False, "first_name": f"User {member['user']['id']}"}
        user |= member["user"]
        turn.bot.users[user["id"]] = user
        chat.members[user["id"]] = complete_member({"status": "member", **member, "user": user})
    if rights is not None:
        own = {"status": "member", **rights, "user": turn.bot.sender}
        chat.members[turn.bot.id] = complete_member(own)
    return {"chat": chat.info, "members": list(chat.members.values())}


def here(turn: Turn, action: Json) -> tuple[Json, Chat]:
    """Return the user and the chat of an action."""
    user = person(turn, action)
    return user, _chat(turn, action, user)
