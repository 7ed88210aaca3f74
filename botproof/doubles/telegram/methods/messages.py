"""Sending texts and dice; forwarding, copying, deleting; chat actions, reactions, pins.

Source of the texts: `process_*_query` in Client.cpp of the open-source Bot API server, and td's
MessagesManager.cpp for what may be deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import (
    Access,
    announce,
    caption_of,
    find_chat,
    find_message,
    message_text,
    need_pin_right,
    post,
    preview_of,
    take_flood,
)
from botproof.doubles.telegram.methods.polls import copy_of
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Chat, Json

ACTIONS = frozenset(
    {
        "cancel",
        "typing",
        "record_video",
        "upload_video",
        "record_audio",
        "record_voice",
        "upload_audio",
        "upload_voice",
        "upload_photo",
        "upload_document",
        "choose_sticker",
        "pick_up_location",
        "find_location",
        "record_video_note",
        "upload_video_note",
    }
)
FORTY_EIGHT_HOURS = 48 * 3600
DICE = {"🎲": 6, "🎯": 6, "🎳": 6, "🏀": 5, "⚽": 5, "🎰": 64}


def send_message(turn: Turn, params: Params) -> object:
    """Send a text."""
    content = message_text(turn, params)
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    content.update(preview_of(content, params))
    return post(turn, chat, params, content)


def send_dice(turn: Turn, params: Params) -> object:
    """Send a die; the value comes from the seed."""
    emoji = params.get("emoji") or "🎲"
    if emoji not in DICE:
        raise bad_request("DICE_EMOJI_INVALID")
    return _send(turn, params, {"dice": _rolled(turn, emoji)})


def _rolled(turn: Turn, emoji: str) -> Json:
    return {"emoji": emoji, "value": turn.core.rng.randint(1, DICE[emoji])}


def _send(turn: Turn, params: Params, content: Json) -> Json:
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    return post(turn, chat, params, content)


# -- forwarding and copying ----------------------------------------------------------------------

_OF_THE_ENVELOPE = frozenset(
    {
        "message_id",
        "from",
        "sender_chat",
        "chat",
        "date",
        "edit_date",
        "reply_to_message",
        "external_reply",
        "quote",
        "reply_markup",
        "forward_origin",
        "media_group_id",
        "message_thread_id",
        "is_topic_message",
        "direct_messages_topic",
        "has_protected_content",
    }
)


def _content(message: Json) -> Json:
    return {key: value for key, value in message.items() if key not in _OF_THE_ENVELOPE}


def _source(turn: Turn, params: Params, what: str) -> Json:
    _, message = find_message(
        turn,
        {"chat_id": params.get("from_chat_id"), "message_id": params.get("message_id", 0)},
        what,
        Access.READ,
    )
    return message


def forward_message(turn: Turn, params: Params) -> object:
    """Pass a message on, with its origin."""
    source = _source(turn, params, "message to forward")
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if source.get("has_protected_content"):
        raise bad_request("message can't be forwarded")
    return post(turn, chat, params, _forwarded(source))


def _forwarded(source: Json) -> Json:
    origin = source.get("forward_origin")
    if origin is None and "from" in source:
        origin = {"type": "user", "sender_user": source["from"], "date": source["date"]}
    elif origin is None:
        sender: Json = source["sender_chat"]
        number = source["message_id"]
        origin = {"type": "channel", "chat": sender, "message_id": number, "date": source["date"]}
    return {"forward_origin": origin, **_content(source)}


def copy_message(turn: Turn, params: Params) -> object:
    """Send the same content as a message of the bot."""
    source = _source(turn, params, "message to copy")
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    content = _copied(turn, source, params)
    return {"message_id": post(turn, chat, params, content)["message_id"]}


def _copied(turn: Turn, source: Json, params: Params) -> Json:
    if source.get("has_protected_content"):
        raise bad_request("message can't be copied")
    content = _content(source)
    if "poll" in content:
        content["poll"] = copy_of(turn, content["poll"])
    if "dice" in content:
        content["dice"] = _rolled(turn, content["dice"]["emoji"])
    if params.get("remove_caption"):
        params = {"caption": ""}
    if "caption" in params and "text" not in content:
        for key in ("caption", "caption_entities", "show_caption_above_media"):
            content.pop(key, None)
        content.update(caption_of(turn, params))
    return content


def _several(turn: Turn, params: Params, verb: str) -> object:
    """Forward or copy several messages; those that are not there are skipped."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    source = find_chat(turn, params.get("from_chat_id"))
    found = [source.messages[n] for n in params["message_ids"] if n in source.messages]
    if not found:
        raise bad_request("there are no messages to forward")
    take_flood(turn, chat, len(found))
    about = {"remove_caption": params.get("remove_caption", False)}
    contents = [_forwarded(m) if verb == "forward" else _copied(turn, m, about) for m in found]
    sent = [post(turn, chat, params, content, checked=True) for content in contents]
    return [{"message_id": message["message_id"]} for message in sent]


# -- deleting ------------------------------------------------------------------------------------


def delete_message(turn: Turn, params: Params) -> object:
    """Take a message out of its chat."""
    chat, message = find_message(turn, params, "message to delete", Access.WRITE)
    if not _may_delete(turn, chat, message):
        raise bad_request(_cannot_delete(turn, chat, message))
    chat.forget(message["message_id"])
    return True


def delete_messages(turn: Turn, params: Params) -> object:
    """Take several messages out; those that are not there, or may not go, are skipped."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    for number in params["message_ids"]:
        message = chat.messages.get(number)
        if message is not None and _may_delete(turn, chat, message):
            chat.forget(number)
    return True


def _may_delete(turn: Turn, chat: Chat, message: Json) -> bool:
    rights = chat.members.get(turn.bot.id, {})
    if rights.get("status") == "creator" or rights.get("can_delete_messages"):
        return True
    if turn.now - message["date"] > FORTY_EIGHT_HOURS:
        return False
    own = message.get("from", {}).get("id") == turn.bot.id
    return own or chat.kind in {"private", "channel"}


def _cannot_delete(turn: Turn, chat: Chat, message: Json) -> str:
    own = message.get("from", {}).get("id") == turn.bot.id
    if own or chat.kind == "private":
        return "message can't be deleted for everyone"
    return "message can't be deleted"


# -- the rest ------------------------------------------------------------------------------------


def send_chat_action(turn: Turn, params: Params) -> object:
    """Tell that the bot is busy; shown for five seconds."""
    action = params.get("action", "").lower()
    if action not in ACTIONS:
        raise bad_request("wrong parameter action in request")
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    chat.action = {"action": action, "date": turn.date}
    return True


def set_message_reaction(turn: Turn, params: Params) -> object:
    """React to a message, or take the reaction back."""
    chat, message = find_message(turn, params, "message to react", Access.READ)
    chat.reactions[message["message_id"]] = params.get("reaction") or []
    return True


def pin_chat_message(turn: Turn, params: Params) -> object:
    """Pin a message, with a service message that says so in groups."""
    chat, message = find_message(turn, params, "message to pin", Access.WRITE)
    need_pin_right(turn, chat)
    number = message["message_id"]
    if number in chat.pinned:
        chat.pinned.remove(number)
    chat.pinned.append(number)
    if chat.kind != "private":
        announce(turn, chat, {"pinned_message": message})
    return True


def unpin_chat_message(turn: Turn, params: Params) -> object:
    """Unpin one message; without a message_id the one that was pinned last."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    need_pin_right(turn, chat)
    number = params.get("message_id") or (chat.pinned[-1] if chat.pinned else 0)
    if number not in chat.messages:
        raise bad_request("message to unpin not found")
    if number in chat.pinned:
        chat.pinned.remove(number)
    return True


def unpin_all_chat_messages(turn: Turn, params: Params) -> object:
    """Unpin everything."""
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    need_pin_right(turn, chat)
    chat.pinned.clear()
    return True


METHODS: Mapping[str, Method] = {
    "sendmessage": send_message,
    "senddice": send_dice,
    "forwardmessage": forward_message,
    "forwardmessages": partial(_several, verb="forward"),
    "copymessage": copy_message,
    "copymessages": partial(_several, verb="copy"),
    "deletemessage": delete_message,
    "deletemessages": delete_messages,
    "sendchataction": send_chat_action,
    "setmessagereaction": set_message_reaction,
    "pinchatmessage": pin_chat_message,
    "unpinchatmessage": unpin_chat_message,
    "unpinallchatmessages": unpin_all_chat_messages,
}
