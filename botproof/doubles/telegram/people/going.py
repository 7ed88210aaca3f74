"""Coming and going: members of chats, topics, and what becomes of the bot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.methods import threads
from botproof.doubles.telegram.methods.members import change_member, member_of
from botproof.doubles.telegram.methods.topics import create as create_topic
from botproof.doubles.telegram.people.messages import make_message, push
from botproof.doubles.telegram.people.who import ensure_chat, here, person
from botproof.doubles.telegram.replies import ControlError
from botproof.doubles.telegram.world import SUPERGROUPS_BELOW, Json


def membership(status: str) -> Callable[[Turn, Json], Json]:
    """The action after which the person has this status."""

    def change(turn: Turn, action: Json) -> Json:
        user, chat = here(turn, action)
        if chat.kind == "private":
            raise ControlError(f"chat {chat.id} is no group")
        if status == "member":
            chat.members.pop(user["id"], None)
        rights = action.get("rights") or {}
        member = {"user": user, "status": rights.get("status", status), **rights}
        change_member(turn, chat, member, user)
        key = "new_chat_members" if status == "member" else "left_chat_member"
        value: Any = [user] if status == "member" else user
        return make_message(turn, chat, user, {}, {key: value})

    return change


def make_topic(turn: Turn, action: Json) -> Json:
    """The person opens a topic of a forum."""
    user, chat = here(turn, action)
    if not chat.info.get("is_forum"):
        raise ControlError(f"chat {chat.id} is no forum: make it one with is_forum")
    described = {"name": action["topic"], "icon_color": threads.ICON_COLOR}
    before = turn.bot.queue.next_id
    number = create_topic(turn, chat, described, user)
    told = before if turn.bot.queue.next_id > before else None
    return {"update_id": told, "message_id": number, "message_thread_id": number}


def join_request(turn: Turn, action: Json) -> Json:
    """The person asks to be let in."""
    user = person(turn, action)
    chat = ensure_chat(turn, {"id": action["chat_id"]})
    chat.join_requests.append(user["id"])
    request = {"chat": chat.info, "from": user, "user_chat_id": user["id"], "date": turn.date}
    return push(turn, "chat_join_request", request)


def upgrade(turn: Turn, action: Json) -> Json:
    """Both chats get a message that names the other one; the group takes no more messages."""
    user, chat = here(turn, action)
    if chat.kind != "group" or chat.migrated_to is not None:
        raise ControlError(f"chat {chat.id} is no group that could become a supergroup")
    number = SUPERGROUPS_BELOW - abs(chat.id)
    info = {**chat.info, "id": number, "type": "supergroup"}
    supergroup = ensure_chat(turn, info)
    supergroup.members |= chat.members
    told = make_message(turn, chat, user, {}, {"migrate_to_chat_id": number})
    chat.migrated_to = number
    make_message(turn, supergroup, user, {}, {"migrate_from_chat_id": chat.id})
    return {**told, "migrate_to_chat_id": number}


def bot_becomes(status: str) -> Callable[[Turn, Json], Json]:
    """The action after which the bot has this status."""

    def change(turn: Turn, action: Json) -> Json:
        user, chat = here(turn, action)
        before = turn.bot.queue.next_id
        if chat.kind == "private":
            chat.blocked = status == "kicked"
        rights = action.get("rights") or {}
        member = {"user": turn.bot.sender, "status": rights.get("status", status), **rights}
        if member_of(turn, chat, turn.bot.id) == member:
            chat.members.pop(turn.bot.id, None)
        change_member(turn, chat, member, user)
        after = turn.bot.queue.next_id
        return {"update_id": before if after > before else None}

    return change
