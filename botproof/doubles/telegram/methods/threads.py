"""Which topic of a forum a message belongs to.

Source of the texts: `check_reply_parameters` and `TdOnCheckMessageThreadCallback` in Client.cpp of
the open-source Bot API server; TOPIC_CLOSED comes from Telegram itself (seen in bots' logs);
`MessageTopic::get_send_message_topic` in td's MessageTopic.cpp for the direct messages of channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Chat, Json, Topic

ICON_COLOR = 0x6FB9F0


def may_manage_topics(turn: Turn, chat: Chat) -> bool:
    """Tell whether the bot is an administrator with that right."""
    own = chat.members.get(turn.bot.id, {})
    is_admin = own.get("status") == "administrator" and own.get("can_manage_topics")
    return bool(is_admin) or own.get("status") == "creator"


def of_call(turn: Turn, chat: Chat, params: Mapping[str, Any]) -> Json:
    """Return what a message that the bot sends carries of its topic; nothing outside of one."""
    number = params.get("message_thread_id", 0)
    topic = chat.topics.get(number)
    if number > 0 and topic is None:
        raise bad_request("message thread not found")
    closed = chat.is_general_closed if topic is None else topic.is_closed
    own = topic is not None and topic.creator == turn.bot.id
    if closed and not own and not may_manage_topics(turn, chat):
        raise bad_request("TOPIC_CLOSED")
    return {} if topic is None else of_topic(chat, number)


def of_direct_messages(chat: Chat, params: Mapping[str, Any]) -> Json:
    """Return what a message of the bot in the direct messages of a channel carries: whose they are.

    Nothing in other chats.
    """
    if not chat.info.get("is_direct_messages"):
        return {}
    number = params.get("direct_messages_topic_id", 0)
    if not number:
        raise bad_request("channel direct messages topic must be specified")
    return {"direct_messages_topic": {"topic_id": number}}


def of_reply(answers: Json | None) -> Json:
    """Return which topic a message is meant for that names none: that of the message
    which it answers."""
    replied = (answers or {}).get("reply_to_message") or {}
    in_topic = replied.get("is_topic_message")
    return {"message_thread_id": replied["message_thread_id"]} if in_topic else {}


def of_topic(chat: Chat, number: int) -> Json:
    """Return the fields of a message in a topic: by itself it replies to the topic's
    first message."""
    fields: Json = {"message_thread_id": number, "is_topic_message": True}
    root = chat.messages.get(number)
    return fields if root is None else {"reply_to_message": root, **fields}


def remember(chat: Chat, message: Json) -> None:
    """Learn of a topic from a message that somebody wrote out."""
    number = message.get("message_thread_id")
    if not message.get("is_topic_message") or not isinstance(number, int) or number in chat.topics:
        return
    root = message if "forum_topic_created" in message else message.get("reply_to_message") or {}
    created = {"name": f"Topic {number}", "icon_color": ICON_COLOR}
    created |= root.get("forum_topic_created") or {}
    creator = (root.get("from") or {}).get("id", 0)
    chat.topics[number] = Topic(created, creator)
