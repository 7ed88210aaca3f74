"""Coming and going: members of chats, topics, and what becomes of the bot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botproof.chat_ids import SUPERGROUPS_BELOW
from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.methods import threads
from botproof.doubles.telegram.methods.invites import is_usable
from botproof.doubles.telegram.methods.members import change_member, member_of
from botproof.doubles.telegram.methods.topics import create as create_topic
from botproof.doubles.telegram.people.messages import make_message, push
from botproof.doubles.telegram.people.who import ensure_chat, here, person
from botproof.doubles.telegram.world import Chat, Json


def membership(status: str) -> Callable[[Turn, Json], Json]:
    """Return the action after which the person has this status."""

    def change(turn: Turn, action: Json) -> Json:
        user, chat = here(turn, action)
        if chat.kind == "private":
            raise ControlError(f"chat {chat.id} is no group")
        before = member_of(turn, chat, user["id"])
        used = _link(turn, chat, action) if status == "member" else None
        if status == "member" and before["status"] == "kicked":
            raise ControlError(f"user {user['id']} is banned from chat {chat.id}")
        if used is not None and used["creates_join_request"]:
            return join_request(turn, action)
        if status == "member":
            chat.members.pop(user["id"], None)
        rights = action.get("rights") or {}
        member = {"user": user, "status": rights.get("status", status), **rights}
        more = {} if used is None else {"invite_link": used}
        if used is not None:
            chat.came_by[user["id"]] = used["invite_link"]
            if "subscription_period" in used:
                member["until_date"] = turn.date + used["subscription_period"]
        change_member(turn, chat, member, user, **more)
        key = "new_chat_members" if status == "member" else "left_chat_member"
        value: Any = [user] if status == "member" else user
        return make_message(turn, chat, user, {}, {key: value})

    return change


def _link(turn: Turn, chat: Chat, action: Json) -> Json | None:
    """Return the invite link by which somebody comes, if the action names one that still works."""
    url = action.get("invite_link")
    if url is None:
        return None
    link = chat.invite_links.get(url)
    if link is None or not is_usable(chat, link, turn.now):
        raise ControlError(f"nobody can join chat {chat.id} by {url!r}: it is over, or never was")
    return link


def make_topic(turn: Turn, action: Json) -> Json:
    """Let the person open a topic of a forum. Raises ControlError for a chat that is no forum."""
    user, chat = here(turn, action)
    if not chat.info.get("is_forum"):
        raise ControlError(f"chat {chat.id} is no forum: make it one with is_forum")
    described = {"name": action["topic"], "icon_color": threads.ICON_COLOR}
    before = turn.bot.queue.next_id
    number = create_topic(turn, chat, described, user)
    update_id = before if turn.bot.queue.next_id > before else None
    return {"update_id": update_id, "message_id": number, "message_thread_id": number}


def join_request(turn: Turn, action: Json) -> Json:
    """Let the person ask to be let in."""
    user = person(turn, action)
    chat = ensure_chat(turn, {"id": action["chat_id"]})
    used = _link(turn, chat, action)
    if user["id"] not in chat.join_requests:
        chat.join_requests.append(user["id"])
    request = {"chat": chat.info, "from": user, "user_chat_id": user["id"], "date": turn.date}
    if used is not None:
        request["invite_link"] = used
    return push(turn, "chat_join_request", request)


def upgrade(turn: Turn, action: Json) -> Json:
    """Both chats get a message that names the other one; the group takes no more messages.

    Raises ControlError for a chat that is no group.
    """
    user, chat = here(turn, action)
    if chat.kind != "group" or chat.migrated_to is not None:
        raise ControlError(f"chat {chat.id} is no group that could become a supergroup")
    number = SUPERGROUPS_BELOW - abs(chat.id)
    info = {**chat.info, "id": number, "type": "supergroup"}
    supergroup = ensure_chat(turn, info)
    supergroup.members |= chat.members
    made = make_message(turn, chat, user, {}, {"migrate_to_chat_id": number})
    chat.migrated_to = number
    make_message(turn, supergroup, user, {}, {"migrate_from_chat_id": chat.id})
    return {**made, "migrate_to_chat_id": number}


def bot_becomes(status: str) -> Callable[[Turn, Json], Json]:
    """Return the action after which the bot has this status."""

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
