"""Changing what was sent: text, caption, media, reply markup.

Source of the texts: `process_edit_message_*_query` in Client.cpp of the open-source Bot API server,
`can_edit_message` and `edit_message_*` in td's MessagesManager.cpp, MESSAGE_NOT_MODIFIED in
`fail_query_with_error`. A text or caption that is too long is refused by Telegram itself here, in
its own words (teloxide issue 430), while td refuses it in a send.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import (
    Access,
    caption_of,
    find_message,
    message_text,
    own_markup,
    preview_of,
)
from botproof.doubles.telegram.methods.media import media_content
from botproof.doubles.telegram.methods.rich import rich_content
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Chat, Json

NOT_MODIFIED = (
    "message is not modified: specified new message content and reply markup are exactly the same "
    "as a current content and reply markup of the message"
)
MEDIA = ("photo", "live_photo", "video", "animation", "audio", "document")
CAPTIONED = (*MEDIA, "voice", "paid_media")
TEXT = ("text", "entities", "link_preview_options", "rich_message")
CAPTION = ("caption", "caption_entities", "show_caption_above_media")


def target(turn: Turn, params: Params) -> tuple[Chat | None, Json]:
    """Return the message to edit, and its chat; None for an inline message."""
    inline = params.get("inline_message_id")
    if inline and not params.get("chat_id"):
        message = turn.bot.inline_messages.get(inline)
        if message is None:
            raise bad_request("MESSAGE_ID_INVALID")
        return None, message
    chat, message = find_message(turn, params, "message to edit", Access.EDIT)
    sender = message.get("from", {}).get("id")
    if chat.kind != "channel" and sender != turn.bot.id:
        raise bad_request("message can't be edited")
    return chat, message


def edit(turn: Turn, params: Params, remove: tuple[str, ...], content: Json) -> object:
    """Replace `remove` by `content` and the reply markup by the one given, or by none."""
    chat, message = target(turn, params)
    kept = {k: v for k, v in message.items() if k not in {*remove, "reply_markup", "edit_date"}}
    changed = {**kept, **content, **own_markup(params.get("reply_markup"))}
    if {k: v for k, v in message.items() if k != "edit_date"} == changed:
        raise bad_request(NOT_MODIFIED)
    changed["edit_date"] = turn.date
    if chat is None:
        turn.bot.inline_messages[params["inline_message_id"]] = changed
        return True
    turn.bot.store(chat, changed)
    return changed


def edit_message_text(turn: Turn, params: Params) -> object:
    """Put another text, plain or rich."""
    if params.get("rich_message"):
        return edit(
            turn, params, TEXT, {"rich_message": rich_content(turn, params["rich_message"])}
        )
    content = message_text(turn, params, too_long="MESSAGE_TOO_LONG")
    content.update(preview_of(content, params))
    _, message = target(turn, params)
    if "text" not in message and "rich_message" not in message:
        raise bad_request("there is no text in the message to edit")
    return edit(turn, params, TEXT, content)


def edit_message_caption(turn: Turn, params: Params) -> object:
    """Put another caption, or none."""
    content = caption_of(turn, params, too_long="MEDIA_CAPTION_TOO_LONG")
    _, message = target(turn, params)
    if not any(kind in message for kind in CAPTIONED):
        raise bad_request("there is no caption in the message to edit")
    return edit(turn, params, CAPTION, content)


def edit_message_media(turn: Turn, params: Params) -> object:
    """Put another file, with its caption."""
    _, message = target(turn, params)
    if not any(kind in message for kind in (*MEDIA, "text")):
        raise bad_request("there is no media in the message to edit")
    item = params["media"]
    if item["type"] not in MEDIA:
        raise bad_request("unsupported input message content type")
    content = media_content(turn, item["type"], item, item["media"])
    removed = (*MEDIA, *CAPTION, *TEXT, "has_media_spoiler")
    return edit(turn, params, removed, content)


def edit_message_reply_markup(turn: Turn, params: Params) -> object:
    """Put another inline keyboard, or none."""
    return edit(turn, params, (), {})


METHODS: Mapping[str, Method] = {
    "editmessagetext": edit_message_text,
    "editmessagecaption": edit_message_caption,
    "editmessagemedia": edit_message_media,
    "editmessagereplymarkup": edit_message_reply_markup,
}
