"""Chats: what is known of them, their titles, descriptions, pictures, permissions.

Source of the texts: `process_*_chat_*_query` in Client.cpp of the open-source Bot API server and
`set_dialog_*` in DialogManager.cpp of td; what stands in capitals comes from Telegram itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import Access, announce, find_chat
from botproof.doubles.telegram.methods.files import file_of, shown
from botproof.doubles.telegram.methods.members import PERMISSIONS, RESTRICT, permissions_of
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Chat, Json

_GIFTS = (
    "unlimited_gifts",
    "limited_gifts",
    "unique_gifts",
    "premium_subscription",
    "gifts_from_channels",
)


def get_chat(turn: Turn, params: Params) -> object:
    """Return a chat with everything about it."""
    chat = find_chat(turn, params.get("chat_id"))
    full: Json = {
        **chat.info,
        "accent_color_id": abs(chat.id) % 7,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(_GIFTS, True),
        **chat.extra,
    }
    if chat.kind in {"group", "supergroup"}:
        full.setdefault("permissions", dict.fromkeys(PERMISSIONS, True))
    if chat.pinned:
        full["pinned_message"] = chat.messages[chat.pinned[-1]]
    if "username" in chat.info:
        full.setdefault("active_usernames", [chat.info["username"]])
    photos = turn.bot.photos.get(chat.id)
    if photos:
        full["photo"] = chat_photo(photos[0])
    return full


def chat_photo(sizes: list[Json]) -> Json:
    """Return the ChatPhoto of a picture in its sizes."""
    small, big = sizes[0], sizes[-1]
    return {
        "small_file_id": small["file_id"],
        "small_file_unique_id": small["file_unique_id"],
        "big_file_id": big["file_id"],
        "big_file_unique_id": big["file_unique_id"],
    }


# -- settings ------------------------------------------------------------------------------------


def may_manage(turn: Turn, chat: Chat, right: str) -> bool:
    """Tell whether the bot has a right in a chat, as its owner or as an administrator."""
    own = chat.members.get(turn.bot.id, {})
    return own.get("status") == "creator" or bool(own.get(right))


def _settable(turn: Turn, params: Params, right: str, what: str) -> Chat:
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if chat.kind == "private":
        raise bad_request(f"can't change private chat {what}")
    own = chat.members.get(turn.bot.id, {})
    open_to_all = right == "can_change_info" and chat.kind != "channel"
    allowed = open_to_all and own.get("status") == "member" and _all_may(chat, right)
    if not allowed and not may_manage(turn, chat, right):
        raise bad_request(f"not enough rights to change chat {what}")
    return chat


def _all_may(chat: Chat, permission: str) -> bool:
    """Tell whether all may: a group whose permissions were set may let all members do it."""
    return bool(chat.extra.get("permissions", {}).get(permission))


def set_chat_title(turn: Turn, params: Params) -> object:
    """Set another title, with a service message that says so."""
    chat = _settable(turn, params, "can_change_info", "title")
    title = params.get("title", "").strip()[:128]
    if not title:
        raise bad_request("title must be non-empty")
    if title == chat.info.get("title"):
        return True
    chat.info = {**chat.info, "title": title}
    announce(turn, chat, {"new_chat_title": title})
    return True


def set_chat_description(turn: Turn, params: Params) -> object:
    """Set another description."""
    chat = _settable(turn, params, "can_change_info", "description")
    description = params.get("description", "").strip()[:255]
    if description == chat.extra.get("description", ""):
        raise bad_request("chat description is not modified")
    chat.extra["description"] = description
    if not description:
        del chat.extra["description"]
    return True


def set_chat_permissions(turn: Turn, params: Params) -> object:
    """Set what every member may do."""
    chat = _settable(turn, params, RESTRICT, "permissions")
    if chat.kind == "channel":
        raise bad_request("can't change channel chat permissions")
    chat.extra["permissions"] = permissions_of(params)
    return True


# -- pictures ------------------------------------------------------------------------------------


def set_chat_photo(turn: Turn, params: Params) -> object:
    """Set a picture for the chat, with a service message that says so."""
    chat = _settable(turn, params, "can_change_info", "photo")
    sizes = shown(turn, file_of(turn, "profile_photo", params["photo"], {}), "profile_photo")
    assert isinstance(sizes, list)  # noqa: S101 - photos are shown in sizes
    turn.bot.photos.setdefault(chat.id, []).insert(0, sizes)
    announce(turn, chat, {"new_chat_photo": sizes})
    return True


def delete_chat_photo(turn: Turn, params: Params) -> object:
    """Leave no picture any more."""
    chat = _settable(turn, params, "can_change_info", "photo")
    if not turn.bot.photos.pop(chat.id, None):
        raise bad_request("CHAT_NOT_MODIFIED")
    announce(turn, chat, {"delete_chat_photo": True})
    return True


METHODS: Mapping[str, Method] = {
    "getchat": get_chat,
    "setchattitle": set_chat_title,
    "setchatdescription": set_chat_description,
    "setchatpermissions": set_chat_permissions,
    "setchatphoto": set_chat_photo,
    "deletechatphoto": delete_chat_photo,
}
