"""Ephemeral messages: seen by one person of a group only, and known by a number of their own.

A message is ephemeral when the call that sends it names its receiver; its `message_id` is 0. Not in
the published server; source: core.telegram.org/bots/api, and the integration tests of
node-telegram-bot-api 1.2, which were run against Telegram (any part of such a message can be
edited, whatever it showed before).
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import (
    Access,
    caption_of,
    find_chat,
    message_text,
    own_markup,
    preview_of,
)
from botproof.doubles.telegram.methods.edits import CAPTION, MEDIA, TEXT
from botproof.doubles.telegram.methods.media import media_content
from botproof.doubles.telegram.methods.rich import rich_content
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Chat, Json


def _find(turn: Turn, params: Params) -> tuple[Chat, Json]:
    chat = find_chat(turn, params.get("chat_id"), Access.EDIT)
    message = chat.ephemeral.get(params["ephemeral_message_id"])
    if message is None or message["receiver_user"]["id"] != params["receiver_user_id"]:
        raise bad_request("MESSAGE_ID_INVALID")
    return chat, message


def _change(turn: Turn, params: Params, removed: tuple[str, ...], content: Json) -> bool:
    chat, message = _find(turn, params)
    gone = {*removed, "reply_markup"}
    kept = {name: value for name, value in message.items() if name not in gone}
    changed = {**kept, **content, **own_markup(params.get("reply_markup")), "edit_date": turn.date}
    chat.ephemeral[message["ephemeral_message_id"]] = changed
    return True


def edit_text(turn: Turn, params: Params) -> object:
    """Put another text, plain or rich."""
    if params.get("rich_message"):
        content: Json = {"rich_message": rich_content(turn, params["rich_message"])}
    else:
        content = message_text(turn, params, too_long="MESSAGE_TOO_LONG")
        content.update(preview_of(content, params))
    return _change(turn, params, TEXT, content)


def edit_caption(turn: Turn, params: Params) -> object:
    """Put another caption, or none."""
    return _change(turn, params, CAPTION, caption_of(turn, params, "MEDIA_CAPTION_TOO_LONG"))


def edit_media(turn: Turn, params: Params) -> object:
    """Put another file."""
    item = params["media"]
    content = media_content(turn, item["type"], item, item["media"])
    return _change(turn, params, (*MEDIA, *CAPTION, *TEXT), content)


def edit_markup(turn: Turn, params: Params) -> object:
    """Put another inline keyboard, or none."""
    return _change(turn, params, (), {})


def delete(turn: Turn, params: Params) -> object:
    """Take it away."""
    chat, message = _find(turn, params)
    del chat.ephemeral[message["ephemeral_message_id"]]
    return True


METHODS: Mapping[str, Method] = {
    "editephemeralmessagetext": edit_text,
    "editephemeralmessagecaption": edit_caption,
    "editephemeralmessagemedia": edit_media,
    "editephemeralmessagereplymarkup": edit_markup,
    "deleteephemeralmessage": delete,
}
