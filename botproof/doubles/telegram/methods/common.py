"""What most methods share: finding a chat and a message, texts with entities, sending.

Source of the texts: `check_chat_access`, `check_message`, `check_reply_parameters` and
`fail_query_with_error` in Client.cpp of the open-source Bot API server; MessageContent.cpp and
MessageEntity.cpp of td for the limits of texts and captions.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from typing import Any, cast

from botproof.doubles.telegram import doors
from botproof.doubles.telegram.context import Params, Turn
from botproof.doubles.telegram.entities import EntityError, parse, utf16_len
from botproof.doubles.telegram.heads import head, in_reply
from botproof.doubles.telegram.keeps import keep
from botproof.doubles.telegram.methods import threads
from botproof.doubles.telegram.replies import Refusal, bad_request, forbidden, too_many_requests
from botproof.doubles.telegram.world import Chat, Json

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_CALLBACK_DATA = 64  # bytes
EMPTY_TEXT = "text must be non-empty"  # nothing is left of it once it is parsed and trimmed


class Access(enum.IntEnum):
    """How much of a chat a call needs."""

    READ = 0
    EDIT = 1
    WRITE = 2


# -- chats and messages ------------------------------------------------------------------------


def find_chat(turn: Turn, chat_id: object, access: Access = Access.READ) -> Chat:
    """Return the chat with this id or @username, if the bot may do that in it."""
    if chat_id is None or chat_id == "":
        raise bad_request("chat_id is empty")
    bot = turn.bot
    number = bot.usernames.get(chat_id[1:].lower()) if isinstance(chat_id, str) else chat_id
    chat = bot.chats.get(cast("int", number))
    if chat is None:
        raise _no_chat(turn, number, access)
    _check_access(turn, chat, access)
    return chat


def _no_chat(turn: Turn, number: object, access: Access) -> Refusal:
    user = turn.bot.users.get(cast("int", number))
    if user is None or access is not Access.WRITE:
        return bad_request("chat not found")
    if user.get("is_bot"):
        return forbidden("bot can't send messages to bots")
    return forbidden("bot can't initiate conversation with a user")


def _check_access(turn: Turn, chat: Chat, access: Access) -> None:
    if chat.kind == "private":
        if chat.blocked and access is Access.WRITE:
            raise forbidden("bot was blocked by the user")
        return
    if chat.migrated_to is not None and access is Access.WRITE:
        raise Refusal(
            400,
            "Bad Request: group chat was upgraded to a supergroup chat",
            {"migrate_to_chat_id": chat.migrated_to},
        )
    needed = Access.EDIT if chat.kind == "group" or "username" in chat.info else Access.READ
    status = chat.members.get(turn.bot.id, {}).get("status", "left")
    if status == "kicked" and (chat.has_own_ids or access >= needed):
        raise forbidden(f"bot was kicked from the {chat.kind} chat")
    if status == "left" and access >= needed:
        raise forbidden(f"bot is not a member of the {chat.kind} chat")


def find_message(
    turn: Turn, params: Params, what: str, access: Access, key: str = "message_id"
) -> tuple[Chat, Json]:
    """Return the message that a call names; `what` is how the refusal calls it
    (`message to edit`)."""
    chat = find_chat(turn, params.get("chat_id"), access)
    message = chat.messages.get(params.get(key, 0))
    if message is None:
        raise bad_request(f"{what} not found")
    return chat, message


# -- texts -------------------------------------------------------------------------------------


def formatted(
    turn: Turn, text: str, parse_mode: str | None, entities: Sequence[object] | None
) -> tuple[str, list[Json]]:
    """Return a text as it will be shown, and its entities; refused where it does not parse.

    Raises Refusal (400).
    """
    try:
        parsed = parse(text, parse_mode, entities)
    except EntityError as error:
        raise Refusal(400, error.description) from None
    return parsed.text, [e for e in map(_known(turn), parsed.entities) if e is not None]


def _known(turn: Turn) -> Callable[[Json], Json | None]:
    """Show mentions by id as they come: they show the person; those of people that the
    bot does not know are dropped."""

    def complete(entity: Json) -> Json | None:
        if entity["type"] != "text_mention":
            return entity
        user = turn.bot.users.get(entity["user"]["id"])
        return None if user is None else {**entity, "user": user}

    return complete


def message_text(turn: Turn, params: Params, too_long: str = "message is too long") -> Json:
    """`text` and `entities` of a message from a call's parameters."""
    given = params.get("entities")
    asked = params.get("text", "")
    if not asked:
        raise bad_request("message text is empty")
    text, entities = formatted(turn, asked, params.get("parse_mode"), given)
    if not text:
        raise bad_request(EMPTY_TEXT)
    if len(text) * 2 > MAX_TEXT and utf16_len(text) > MAX_TEXT:
        raise bad_request(too_long)
    content: Json = {"text": text}
    if entities:
        content["entities"] = entities
    return content


def preview_of(content: Json, params: Params) -> Json:
    """Return the `link_preview_options` of a text with a preview: of the link asked for, or the
    first.

    Source: `get_message_content_object` of td's MessageContent.cpp. Every link has a preview here.
    """
    asked: Json = params.get("link_preview_options") or {}
    link = _first_link(content)
    if asked.get("is_disabled", params.get("disable_web_page_preview", False)):
        return {"link_preview_options": {"is_disabled": True}} if link else {}
    url = asked.get("url") or link
    shown: Json = {"url": url} if url else {}
    if url:
        shown |= {name: True for name in _SIZES if asked.get(name)}
    if asked.get("show_above_text"):
        shown["show_above_text"] = True
    return {"link_preview_options": shown} if shown else {}


_SIZES = ("prefer_small_media", "prefer_large_media")


def _first_link(content: Json) -> str:
    for entity in content.get("entities", ()):
        if entity["type"] == "text_link":
            url: str = entity["url"]
        elif entity["type"] == "url":
            data = content["text"].encode("utf-16-le")
            start = entity["offset"] * 2
            url = data[start : start + entity["length"] * 2].decode("utf-16-le")
        else:
            continue
        if url.startswith(("http://", "https://")):
            return url
    return ""


def caption_of(turn: Turn, params: Params, too_long: str = "message caption is too long") -> Json:
    """`caption` and `caption_entities` of a message; nothing when there is no caption."""
    given = params.get("caption_entities")
    text, entities = formatted(turn, params.get("caption", ""), params.get("parse_mode"), given)
    if utf16_len(text) > MAX_CAPTION:
        raise bad_request(too_long)
    if not text:
        return {}
    content: Json = {"caption": text}
    if entities:
        content["caption_entities"] = entities
    if params.get("show_caption_above_media"):
        content["show_caption_above_media"] = True
    return content


# -- sending -----------------------------------------------------------------------------------


def own_markup(markup: Json | None) -> Json:
    """Return what of a reply markup the message itself carries: an inline keyboard, checked."""
    if markup and markup.get("inline_keyboard"):
        for row in markup["inline_keyboard"]:
            for button in row:
                _check_button(button)
        return {"reply_markup": {"inline_keyboard": markup["inline_keyboard"]}}
    return {}


def _check_button(button: Json) -> None:
    if not button["text"].strip():
        raise bad_request("inline keyboard button text must be non-empty")
    data = button.get("callback_data")
    if data is not None and len(data.encode()) > MAX_CALLBACK_DATA:
        raise bad_request("BUTTON_DATA_INVALID")
    url = button.get("url")
    if url and not _is_link(url):
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")


def _is_link(url: str) -> bool:
    """Tell whether it is a link that Telegram lets a button open: a web address with a
    dot in its host, or tg://."""
    scheme, separator, rest = url.partition("://")
    if separator and scheme.lower() in {"tg", "ton", "tonsite"}:
        return True
    host = re.split(r"[/?#:]", rest if separator else url, maxsplit=1)[0]
    return (not separator or scheme.lower() in {"http", "https"}) and "." in host.strip(".")


def reply_to(turn: Turn, chat: Chat, params: Params) -> Json:
    """Return the fields of a message that answers another one."""
    asked: Params = params.get("reply_parameters") or {
        "message_id": params.get("reply_to_message_id", 0),
        "allow_sending_without_reply": params.get("allow_sending_without_reply", False),
    }
    if asked.get("message_id", 0) <= 0:
        return {}
    other = asked.get("chat_id")
    source = chat if other in {None, "", chat.id} else find_chat(turn, other)
    replied = source.messages.get(asked["message_id"])
    if replied is None:
        if asked.get("allow_sending_without_reply"):
            return {}
        raise bad_request("message to be replied not found")
    if source is not chat:
        origin = {"type": "user", "sender_user": replied.get("from"), "date": replied["date"]}
        external: Json = {"origin": origin, "message_id": replied["message_id"]}
        external["chat"] = source.info
        return {"external_reply": external}
    fields: Json = {"reply_to_message": in_reply(replied)}
    if asked.get("quote"):
        fields["quote"] = {"text": asked["quote"], "position": asked.get("quote_position", 0)}
    return fields


def take_flood(turn: Turn, chat: Chat, count: int = 1) -> None:
    """Refuse with 429 what comes too fast."""
    if turn.core.settings.flood is not None:
        wait = turn.bot.flood.take(chat.id, count, turn.now)
        if wait:
            raise too_many_requests(wait)


def post(turn: Turn, chat: Chat, params: Params, content: Json, *, checked: bool = False) -> Json:
    """Put a message of the bot into a chat; `checked` when flood control was asked before."""
    replies = "reply_parameters" in params or "reply_to_message_id" in params
    answers = reply_to(turn, chat, params) if replies else None
    wanted = params if "message_thread_id" in params else threads.of_reply(answers)
    in_thread = chat.is_general_closed or wanted
    thread = threads.of_call(turn, chat, wanted) if in_thread else None
    thread = thread or threads.of_direct_messages(chat, params)
    if chat.kind != "private" and not checked:
        _check_rights(turn, chat, content)
    if not checked:
        take_flood(turn, chat)
    bot = turn.bot
    message = head(turn, chat, bot.sender)
    if thread:
        message.update(thread)
    if answers:
        message.update(answers)
    if bot.business:
        message.update(bot.business)
    message.update(content)
    markup: Any = params.get("reply_markup")
    if markup:
        message.update(own_markup(markup))
        if "reply_markup" not in message:
            chat.keyboard = None if markup.get("remove_keyboard") else markup
    _add_flags(message, params)
    if receiver := _receiver(params):
        return _only_for(turn, chat, message, receiver)
    bot.store(chat, message)
    return message


def _receiver(params: Params) -> int:
    """Return who alone is to see a message; 0 when everybody is."""
    if "receiver_user_id" not in params and "ephemeral_message_parameters" not in params:
        return 0
    named: Json = params.get("ephemeral_message_parameters") or {}
    receiver: int = params.get("receiver_user_id") or named.get("receiver_user_id", 0)
    return receiver


def _only_for(turn: Turn, chat: Chat, message: Json, receiver: int) -> Json:
    """Return a message that one person of the chat sees: it has no number among the others."""
    member = chat.members.get(receiver, {}).get("user")
    if member is None:
        raise bad_request("USER_NOT_PARTICIPANT")
    number = turn.core.number()
    shown = {**message, "message_id": 0, "ephemeral_message_id": number, "receiver_user": member}
    keep(chat.ephemeral, number, shown)
    return shown


# What a group may forbid, by the content of the message: the permission, and how td names it.
_RIGHTS = {
    "text": ("can_send_messages", "text messages"),
    "photo": ("can_send_photos", "photos"),
    "video": ("can_send_videos", "videos"),
    "audio": ("can_send_audios", "music"),
    "document": ("can_send_documents", "documents"),
    "voice": ("can_send_voice_notes", "voice notes"),
    "video_note": ("can_send_video_notes", "video notes"),
    "poll": ("can_send_polls", "polls"),
    "sticker": ("can_send_other_messages", "stickers"),
    "animation": ("can_send_other_messages", "animations"),
    "dice": ("can_send_other_messages", "dice"),
    "game": ("can_send_other_messages", "games"),
}


def _check_rights(turn: Turn, chat: Chat, content: Json) -> None:
    """Source of the texts: `can_send_message_content` in td's MessageContent.cpp."""
    own = chat.members.get(turn.bot.id, {})
    if chat.kind == "channel":
        if own.get("status") not in {"creator", "administrator"}:
            raise bad_request("need administrator rights in the channel chat")
        return
    permissions = own if own.get("status") == "restricted" else chat.extra.get("permissions")
    if permissions is None or own.get("status") in {"creator", "administrator"}:
        return
    for kind, (right, what) in _RIGHTS.items():
        if kind in content and not permissions.get(right, False):
            raise bad_request(f"not enough rights to send {what} to the chat")


def announce(turn: Turn, chat: Chat, content: Json, by: Json | None = None) -> Json:
    """Send a service message, which the bot is told of although it caused it itself."""
    message = head(turn, chat, turn.bot.sender if by is None else by) | content
    if "forum_topic_created" in content:
        message["message_thread_id"] = message["message_id"]
    turn.bot.store(chat, message)
    kind = "channel_post" if chat.kind == "channel" else "message"
    doors.push(turn.core, turn.bot, kind, message, turn.now)
    return message


def need_pin_right(turn: Turn, chat: Chat) -> None:
    """Refuse a bot that may not pin."""
    if chat.kind == "private":
        return
    member = chat.members.get(turn.bot.id, {})
    right = "can_edit_messages" if chat.kind == "channel" else "can_pin_messages"
    by_default = chat.extra.get("permissions", {}).get("can_pin_messages", False)
    if member.get("status") != "creator" and not member.get(right) and not by_default:
        raise bad_request("not enough rights to manage pinned messages in the chat")


def _add_flags(message: Json, params: Params) -> None:
    if params.get("protect_content"):
        message["has_protected_content"] = True
    if params.get("message_effect_id"):
        message["effect_id"] = params["message_effect_id"]
