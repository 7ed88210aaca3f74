"""Rich messages and drafts: texts in blocks, and messages that are still being written.

Blocks that a call gives are kept as they are. HTML and Markdown become one paragraph for each part
between empty lines, with the marks that ordinary texts know; headings, lists and tables that are
written in them stay text here. Not in the published server; source: core.telegram.org/bots/api.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.keeps import keep
from botproof.doubles.telegram.methods.common import Access, find_chat, formatted, post
from botproof.doubles.telegram.methods.media import bare_media
from botproof.doubles.telegram.methods.stand_ins import made_up
from botproof.doubles.telegram.replies import Refusal, bad_request
from botproof.doubles.telegram.world import Json

MAX_DRAFT = 4096
_PARTS = re.compile(r"\n\s*\n|<br\s*/?>|</?p>")
_MEDIA = {
    "animation": "animation",
    "audio": "audio",
    "document": "document",
    "photo": "photo",
    "video": "video",
    "voice_note": "voice",
}


def rich_content(turn: Turn, asked: Json) -> Json:
    """Return the RichMessage that an InputRichMessage describes."""
    given = [name for name in ("html", "markdown", "blocks") if asked.get(name)]
    if len(given) != 1:
        raise bad_request("exactly one of html, markdown and blocks must be specified")
    if given[0] == "blocks":
        blocks = [_block(turn, block) for block in asked["blocks"]]
    else:
        made_up(turn, "html")
        mode = "HTML" if given[0] == "html" else "Markdown"
        parts = [part for part in _PARTS.split(asked[given[0]]) if part.strip()]
        blocks = [_paragraph(turn, part, mode) for part in parts]
    if not blocks:
        raise bad_request("message text is empty")
    return {"blocks": blocks} | ({"is_rtl": True} if asked.get("is_rtl") else {})


def _block(turn: Turn, block: Json) -> Json:
    """Return a block as messages show it: files in the place of what names them."""
    kind = block["type"]
    shown = {name: _inner(turn, value) for name, value in block.items()}
    if kind in _MEDIA and isinstance(block.get(kind), dict):
        media = block[kind]
        shown[kind] = bare_media(turn, _MEDIA[kind], media, media["media"])[_MEDIA[kind]]
    return shown


def _inner(turn: Turn, value: Any) -> Any:
    if isinstance(value, dict) and "type" in value and "media" not in value:
        return _block(turn, value)
    if isinstance(value, list):
        return [_inner(turn, item) for item in value]
    return value


_NAMES = {"text_link": "url", "text_mention": "text_mention"}


_BOLD, _ITALIC = re.compile(r"\*\*(.+?)\*\*"), re.compile(r"(?<!\*)\*([^*\x00]+)\*(?!\*)")
_TAG = re.compile(r"</?[a-zA-Z][^>]*>")


def _marked(turn: Turn, part: str, mode: str) -> tuple[str, list[Json]]:
    """Return a paragraph and its marks; one with marks that ordinary texts do not know
    is kept plain."""
    if mode == "Markdown":  # of rich messages: ** is bold and * is italic
        part = _BOLD.sub("\0\\1\0", part)
        part = _ITALIC.sub(r"_\1_", part).replace("\0", "*")
    try:
        return formatted(turn, part, mode, None)
    except Refusal:
        return _TAG.sub("", part) if mode == "HTML" else part, []


def _paragraph(turn: Turn, part: str, mode: str) -> Json:
    text, entities = _marked(turn, part.strip(), mode)
    data = text.encode("utf-16-le")
    runs: list[object] = []
    at = 0
    for entity in sorted(entities, key=lambda one: one["offset"]):
        if entity["offset"] < at:
            continue  # inside of the one before it: kept as that one alone
        runs.append(_cut(data, at, entity["offset"]))
        at = entity["offset"] + entity["length"]
        about = {k: v for k, v in entity.items() if k not in {"offset", "length", "type"}}
        kind = _NAMES.get(entity["type"], entity["type"])
        runs.append({"type": kind, "text": _cut(data, entity["offset"], at), **about})
    runs.append(_cut(data, at, len(data) // 2))
    kept = [run for run in runs if run]
    return {"type": "paragraph", "text": kept[0] if len(kept) == 1 else kept}


def _cut(data: bytes, start: int, end: int) -> str:
    return data[start * 2 : end * 2].decode("utf-16-le")


def send_rich(turn: Turn, params: Params) -> object:
    """Send a text in blocks."""
    content = {"rich_message": rich_content(turn, params["rich_message"])}
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    return post(turn, chat, params, content)


# -- drafts ----------------------------------------------------------------------------------------


def _draft(turn: Turn, params: Params, content: Json) -> bool:
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if chat.kind != "private":
        raise bad_request("TEXTDRAFT_PEER_INVALID")
    if not params["draft_id"]:
        raise bad_request("RANDOM_ID_INVALID")
    keep(turn.bot.keeps.drafts, chat.id, {"draft_id": params["draft_id"], **content})
    return True


def send_draft(turn: Turn, params: Params) -> object:
    """Send a text that grows while the bot writes it; seen until the message itself comes."""
    mode, given = params.get("parse_mode"), params.get("entities")
    text, entities = formatted(turn, params.get("text", ""), mode, given)
    if len(text) > MAX_DRAFT:
        raise bad_request("message is too long")
    return _draft(turn, params, {"text": text, "entities": entities})


def send_rich_draft(turn: Turn, params: Params) -> object:
    """Send the same, in blocks."""
    content = rich_content(turn, params["rich_message"])
    return _draft(turn, params, {"rich_message": content})


METHODS: Mapping[str, Method] = {
    "sendrichmessage": send_rich,
    "sendmessagedraft": send_draft,
    "sendrichmessagedraft": send_rich_draft,
}
