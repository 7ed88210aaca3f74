"""Messages that show a file: photos, documents, videos, sounds, stickers, live photos; albums.

Source of the texts: `get_input_message_contents` in Client.cpp of the open-source Bot API server.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import (
    Access,
    caption_of,
    find_chat,
    post,
    take_flood,
)
from botproof.doubles.telegram.methods.files import SHAPES, file_of, get_file, shown
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Json

MAX_ALBUM = 10
MAX_STARS = 25_000  # core.telegram.org/bots/api#sendpaidmedia
_IN_ALBUMS = frozenset({"photo", "live_photo", "video", "audio", "document"})


def media_content(turn: Turn, kind: str, params: Params, value: object) -> Json:
    """Return the content of a message that shows a file: the media, its caption, a spoiler."""
    caption = caption_of(turn, params) if SHAPES[kind].has_caption else {}
    content = {**bare_media(turn, kind, params, value), **caption}
    if params.get("has_spoiler"):
        content["has_media_spoiler"] = True
    return content


def bare_media(turn: Turn, kind: str, params: Params, value: object) -> Json:
    """Return the media alone, under the name that a message has for it."""
    file = file_of(turn, kind, value, params)
    kept = kind if kind in {"photo", "live_photo"} else file.kind
    media: Json = {kept: shown(turn, file, kept)}
    if kept == "animation":
        names = ("file_id", "file_unique_id", "file_name", "mime_type", "file_size", "thumbnail")
        media["document"] = {n: media[kept][n] for n in names if n in media[kept]}
    if kept == "live_photo":
        still = shown(turn, file_of(turn, "photo", params.get("photo"), {}), "photo")
        media[kept] = {**media[kept], "photo": still}
        media["photo"] = still
    return media


def _sender(kind: str) -> Method:
    def send(turn: Turn, params: Params) -> object:
        chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
        content = media_content(turn, kind, params, params[kind])
        return post(turn, chat, params, content)

    return send


def send_media_group(turn: Turn, params: Params) -> object:
    """Send an album: all of it or nothing."""
    items = params["media"]
    if not items:
        raise bad_request("there are no messages to send")
    if len(items) > MAX_ALBUM:
        raise bad_request("too many messages to send as an album")
    if any(item["type"] not in _IN_ALBUMS for item in items) or _is_mixed(items):
        raise bad_request("can't use the media of the specified type in the album")
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    contents = [media_content(turn, item["type"], item, item["media"]) for item in items]
    take_flood(turn, chat, len(items))
    group = {"media_group_id": str(13_000_000_000_000_000 + turn.core.number())}
    return [post(turn, chat, params, {**group, **c}, checked=True) for c in contents]


def _is_mixed(items: list[Json]) -> bool:
    """Documents and audio go only with their own kind."""
    kinds = {item["type"] for item in items}
    return len(kinds) > 1 and bool(kinds & {"audio", "document"})


def send_paid_media(turn: Turn, params: Params) -> object:
    """Send photos and videos that cost Stars; the bot itself sees them unlocked."""
    stars = params["star_count"]
    if not 1 <= stars <= MAX_STARS:
        raise bad_request("STARS_AMOUNT_INVALID")
    items = params["media"]
    if not items:
        raise bad_request("there are no media to send")
    if len(items) > MAX_ALBUM:
        raise bad_request("too many media specified")
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if len(params.get("payload", "").encode()) > 128:
        raise bad_request("PAYLOAD_INVALID")
    paid = [_paid(turn, item) for item in items]
    content: Json = {"paid_media": {"star_count": stars, "paid_media": paid}}
    sent = post(turn, chat, params, {**content, **caption_of(turn, params)})
    if params.get("payload"):
        turn.bot.keeps.paid_payloads[chat.id, sent["message_id"]] = params["payload"]
    return sent


def _paid(turn: Turn, item: Json) -> Json:
    kind = item["type"]
    return {"type": kind, kind: bare_media(turn, kind, item, item["media"])[kind]}


METHODS: Mapping[str, Method] = {
    **{f"send{kind.replace('_', '')}": _sender(kind) for kind in SHAPES},
    "sendmediagroup": send_media_group,
    "sendpaidmedia": send_paid_media,
    "getfile": get_file,
}
