"""Topics of forums: made, renamed, closed, opened again, deleted; the General topic.

Source of the texts: `process_*_forum_topic_query` in Client.cpp of the open-source Bot API server
and `ForumTopicManager.cpp` of td; TOPIC_ID_INVALID and TOPIC_NOT_MODIFIED come from Telegram itself
(seen in bots' logs).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import Access, announce, find_chat, need_pin_right
from botproof.doubles.telegram.methods.threads import ICON_COLOR, may_manage_topics, of_topic
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Chat, Json, Topic

MAX_NAME = 128


def _forum(turn: Turn, params: Params) -> Chat:
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if not chat.info.get("is_forum"):
        raise bad_request("the chat is not a forum")
    return chat


def _topic(turn: Turn, params: Params) -> tuple[Chat, int, Topic]:
    chat, number = _forum(turn, params), params.get("message_thread_id", 0)
    if number <= 0:
        raise bad_request("invalid message thread identifier specified")
    topic = chat.topics.get(number)
    if topic is None:
        raise bad_request("TOPIC_ID_INVALID")
    return chat, number, topic


def _editable(turn: Turn, params: Params) -> tuple[Chat, int, Topic]:
    chat, number, topic = _topic(turn, params)
    if topic.creator != turn.bot.id and not may_manage_topics(turn, chat):
        raise bad_request("not enough rights to edit the topic")
    return chat, number, topic


def _name(params: Params) -> str:
    name: str = params.get("name", "").strip()[:MAX_NAME]
    if not name:
        raise bad_request("title must be non-empty")
    return name


# -- topics --------------------------------------------------------------------------------------


def create_forum_topic(turn: Turn, params: Params) -> object:
    """Make a new topic; its first message tells of it."""
    chat = _forum(turn, params)
    if not may_manage_topics(turn, chat):
        raise bad_request("not enough rights to create a topic")
    color = params.get("icon_color", 0)
    if not 0 <= color <= 0xFFFFFF:
        raise bad_request("invalid icon color specified")
    described: Json = {"name": _name(params), "icon_color": color or ICON_COLOR}
    if params.get("icon_custom_emoji_id"):
        described["icon_custom_emoji_id"] = params["icon_custom_emoji_id"]
    number = create(turn, chat, described, turn.bot.sender)
    return {"message_thread_id": number, **described}


def create(turn: Turn, chat: Chat, described: Json, by: Json) -> int:
    """Make a topic (`name`, `icon_color`); its number is that of the message that tells of it."""
    service: Json = {"forum_topic_created": described, "is_topic_message": True}
    number: int = announce(turn, chat, service, by=by)["message_id"]
    chat.topics[number] = Topic(described, by["id"])
    return number


def edit_forum_topic(turn: Turn, params: Params) -> object:
    """Put another name or icon; an empty `icon_custom_emoji_id` takes the icon away."""
    chat, number, topic = _editable(turn, params)
    changed: Json = {}
    if params.get("name"):
        changed["name"] = _name(params)
    if "icon_custom_emoji_id" in params:
        changed["icon_custom_emoji_id"] = params["icon_custom_emoji_id"]
    if not changed:
        return True
    if all(topic.described.get(key, "") == value for key, value in changed.items()):
        raise bad_request("TOPIC_NOT_MODIFIED")
    described = {**topic.described, **changed}
    topic.described = {key: value for key, value in described.items() if value}
    announce(turn, chat, {"forum_topic_edited": changed, **of_topic(chat, number)})
    return True


def _closing(kind: str, *, closed: bool) -> Method:
    def toggle(turn: Turn, params: Params) -> object:
        chat, number, topic = _editable(turn, params)
        if topic.is_closed is closed:
            raise bad_request("TOPIC_NOT_MODIFIED")
        topic.is_closed = closed
        announce(turn, chat, {kind: {}, **of_topic(chat, number)})
        return True

    return toggle


def delete_forum_topic(turn: Turn, params: Params) -> object:
    """Delete the topic, with all of its messages."""
    chat, number, topic = _topic(turn, params)
    own = chat.members.get(turn.bot.id, {})
    may = own.get("status") == "creator" or own.get("can_delete_messages")
    if not may and topic.creator != turn.bot.id:
        raise bad_request("not enough rights to delete the topic")
    _forget(chat, number)
    return True


def _forget(chat: Chat, number: int) -> None:
    del chat.topics[number]
    inside = [n for n, m in chat.messages.items() if m.get("message_thread_id") == number]
    for message_id in inside:
        chat.forget(message_id)


def unpin_all_forum_topic_messages(turn: Turn, params: Params) -> object:
    """Unpin what is pinned in one topic."""
    chat, number, _ = _topic(turn, params)
    return _unpin(turn, chat, lambda thread: thread == number)


def _unpin(turn: Turn, chat: Chat, is_meant: Callable[[int | None], bool]) -> bool:
    need_pin_right(turn, chat)
    threads = {n: chat.messages[n].get("message_thread_id") for n in chat.pinned}
    chat.pinned = [number for number in chat.pinned if not is_meant(threads[number])]
    return True


# -- the General topic ---------------------------------------------------------------------------


def _general(turn: Turn, params: Params) -> Chat:
    chat = _forum(turn, params)
    if not may_manage_topics(turn, chat):
        raise bad_request("not enough rights to edit the topic")
    return chat


def edit_general_forum_topic(turn: Turn, params: Params) -> object:
    """Put another name for the General topic."""
    chat = _general(turn, params)
    if params.get("name"):
        announce(turn, chat, {"forum_topic_edited": {"name": _name(params)}})
    return True


def _general_closing(kind: str, *, closed: bool) -> Method:
    def toggle(turn: Turn, params: Params) -> object:
        chat = _general(turn, params)
        if chat.is_general_closed is closed:
            raise bad_request("TOPIC_NOT_MODIFIED")
        chat.is_general_closed = closed
        announce(turn, chat, {kind: {}})
        return True

    return toggle


def _general_hiding(kind: str, *, hidden: bool) -> Method:
    def toggle(turn: Turn, params: Params) -> object:
        chat = _general(turn, params)
        if chat.is_general_hidden is hidden:
            raise bad_request("TOPIC_NOT_MODIFIED")
        chat.is_general_hidden = hidden
        chat.is_general_closed = chat.is_general_closed or hidden
        announce(turn, chat, {kind: {}})
        return True

    return toggle


def unpin_all_general_messages(turn: Turn, params: Params) -> object:
    """Unpin what is pinned outside of all other topics."""
    return _unpin(turn, _forum(turn, params), lambda thread: thread is None)


METHODS: Mapping[str, Method] = {
    "createforumtopic": create_forum_topic,
    "editforumtopic": edit_forum_topic,
    "closeforumtopic": _closing("forum_topic_closed", closed=True),
    "reopenforumtopic": _closing("forum_topic_reopened", closed=False),
    "deleteforumtopic": delete_forum_topic,
    "unpinallforumtopicmessages": unpin_all_forum_topic_messages,
    "editgeneralforumtopic": edit_general_forum_topic,
    "closegeneralforumtopic": _general_closing("forum_topic_closed", closed=True),
    "reopengeneralforumtopic": _general_closing("forum_topic_reopened", closed=False),
    "hidegeneralforumtopic": _general_hiding("general_forum_topic_hidden", hidden=True),
    "unhidegeneralforumtopic": _general_hiding("general_forum_topic_unhidden", hidden=False),
    "unpinallgeneralforumtopicmessages": unpin_all_general_messages,
}
