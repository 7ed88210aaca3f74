"""Photos, documents, videos, sounds, stickers; albums; getFile.

A file comes as an upload, as the id of a file that Telegram has, or as a URL. A URL is fetched by
the server around the machine before a call gets here, and arrives as an upload; where it does not
fetch, the file is a stand-in whose content is the URL itself.

Source of the texts: `from_persistent_id` and `check_local_location` in td's FileManager.cpp,
`get_input_message_contents` and `do_get_file` in Client.cpp of the open-source Bot API server.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.images import image_size
from botproof.doubles.telegram.methods.common import (
    Access,
    caption_of,
    find_chat,
    post,
    take_flood,
)
from botproof.doubles.telegram.replies import Refusal, bad_request
from botproof.doubles.telegram.spec import Upload
from botproof.doubles.telegram.world import File, Json

__all__ = ["METHODS", "media_content"]

MAX_UPLOAD = 50 * 1024 * 1024
MAX_PHOTO = 10 * 1024 * 1024
MAX_DOWNLOAD = 20 * 1024 * 1024
MAX_ALBUM = 10
_IN_ALBUMS = frozenset({"photo", "video", "audio", "document"})
_TYPE_NAMES = {
    "photo": "Photo",
    "document": "Document",
    "video": "Video",
    "audio": "Audio",
    "voice": "VoiceNote",
    "animation": "Animation",
    "sticker": "Sticker",
    "video_note": "VideoNote",
}


@dataclass(frozen=True, slots=True)
class _Shape:
    """A kind of media: which parameters describe it, and what it is when they do not."""

    fields: Mapping[str, object]
    mime: str
    shows_name: bool = False
    has_caption: bool = True


_SHAPES: Mapping[str, _Shape] = {
    "photo": _Shape({}, "image/jpeg"),
    "document": _Shape({}, "application/octet-stream", shows_name=True),
    "video": _Shape({"width": 0, "height": 0, "duration": 0}, "video/mp4", shows_name=True),
    "animation": _Shape({"width": 0, "height": 0, "duration": 0}, "video/mp4", shows_name=True),
    "audio": _Shape(
        {"duration": 0, "performer": None, "title": None}, "audio/mpeg", shows_name=True
    ),
    "voice": _Shape({"duration": 0}, "audio/ogg"),
    "video_note": _Shape({"length": 240, "duration": 0}, "video/mp4", has_caption=False),
    "sticker": _Shape({"emoji": None}, "image/webp", has_caption=False),
}


# -- files ---------------------------------------------------------------------------------------


def _file(turn: Turn, kind: str, value: object, params: Params) -> File:
    if isinstance(value, Upload):
        return _uploaded(turn, kind, value, params)
    identifier = str(value)
    known = turn.bot.files.get(identifier)
    if known is not None:
        return _usable_as(known, kind)
    if "." not in identifier:
        raise bad_request(f"wrong remote file identifier specified: {_what_is_wrong(identifier)}")
    parts = urlsplit(identifier if "://" in identifier else f"http://{identifier}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise bad_request("wrong HTTP URL specified")
    name = parts.path.rpartition("/")[2] or "file"
    mime = mimetypes.guess_type(name)[0] or _SHAPES[kind].mime
    return turn.bot.files.add(kind, identifier.encode(), name, mime, _described(kind, params))


def _what_is_wrong(identifier: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_=-]*", identifier) is None:
        return "Wrong character in the string"
    if len(identifier.rstrip("=")) % 4 == 1:
        return "Wrong string length"
    return "can't unserialize it. Wrong last symbol"


def _usable_as(file: File, kind: str) -> File:
    if file.kind == kind or (kind == "document" and file.kind != "photo"):
        return file
    raise bad_request(f"can't use file of type {_TYPE_NAMES[file.kind]} as {_TYPE_NAMES[kind]}")


def _uploaded(turn: Turn, kind: str, upload: Upload, params: Params) -> File:
    size = len(upload.data)
    if not size:
        raise bad_request("file must be non-empty")
    if size > MAX_UPLOAD:
        raise Refusal(413, "Request Entity Too Large")
    fields = _described(kind, params)
    if kind == "photo":
        fields = _photo_size(upload.data)
    elif kind in {"sticker", "animation"} and (found := image_size(upload.data)) is not None:
        fields = {**fields, "width": found[0], "height": found[1]}
    mime = mimetypes.guess_type(upload.filename)[0] or upload.content_type or _SHAPES[kind].mime
    return turn.bot.files.add(kind, upload.data, upload.filename or "file", mime, fields)


def _photo_size(data: bytes) -> Mapping[str, object]:
    if len(data) > MAX_PHOTO:
        limit = f"the maximum size is {MAX_PHOTO} bytes"
        raise bad_request(f"file of size {len(data)} bytes is too big for a photo; {limit}")
    found = image_size(data)
    if found is None:
        raise bad_request("IMAGE_PROCESS_FAILED")
    width, height = found
    if min(found) < 1 or width + height > 10_000 or max(found) > 20 * min(found):
        raise bad_request("PHOTO_INVALID_DIMENSIONS")
    return {"width": width, "height": height}


def _described(kind: str, params: Params) -> Mapping[str, object]:
    shape = _SHAPES[kind].fields
    return {k: params.get(k, d) for k, d in shape.items() if params.get(k, d) is not None}


def _shown(file: File, kind: str) -> object:
    """The object of a message that stands for a file."""
    shown: Json = {"file_id": file.id, "file_unique_id": file.unique_id}
    if kind == "photo":
        return _sizes(shown, file)
    shape = _SHAPES[kind]
    shown.update(file.fields)
    if kind == "sticker":
        for name, value in _STICKER.items():
            shown.setdefault(name, value)
    if shape.shows_name:
        shown["file_name"] = file.name
    if kind not in {"sticker", "video_note"}:
        shown["mime_type"] = file.mime
    shown["file_size"] = len(file.data)
    return shown


_STICKER: Mapping[str, object] = {
    "type": "regular",
    "width": 512,
    "height": 512,
    "is_animated": False,
    "is_video": False,
}
_BOXES = (90, 320, 800, 1280)


def _sizes(shown: Json, file: File) -> list[Json]:
    """Telegram keeps a photo in several sizes, the largest last; here all have the same bytes."""
    width, height = file.fields.get("width", 320), file.fields.get("height", 320)
    assert isinstance(width, int)  # noqa: S101 - set by _photo_size
    assert isinstance(height, int)  # noqa: S101 - set by _photo_size
    sizes: list[Json] = []
    for box in _BOXES:
        scale = min(1.0, box / max(width, height))
        size = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
        sizes.append({**shown, **size, "file_size": len(file.data)})
        if scale == 1.0:
            break
    return sizes


# -- messages ------------------------------------------------------------------------------------


def media_content(turn: Turn, kind: str, params: Params, value: object) -> Json:
    """The content of a message that shows a file: the media, its caption, a spoiler."""
    caption = caption_of(turn, params) if _SHAPES[kind].has_caption else {}
    file = _file(turn, kind, value, params)
    kept = file.kind if kind == "document" else kind
    content: Json = {kept: _shown(file, kept)}
    if kept == "animation":
        names = ("file_id", "file_unique_id", "file_name", "mime_type", "file_size")
        content["document"] = {name: content[kept][name] for name in names}
    content.update(caption)
    if params.get("has_spoiler"):
        content["has_media_spoiler"] = True
    return content


def _sender(kind: str) -> Method:
    def send(turn: Turn, params: Params) -> object:
        chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
        content = media_content(turn, kind, params, params[kind])
        return post(turn, chat, params, content)

    return send


def send_media_group(turn: Turn, params: Params) -> object:
    """An album: all of it or nothing."""
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


def get_file(turn: Turn, params: Params) -> object:
    """Where a file can be downloaded, under `/file/bot<token>/<file_path>`."""
    file = turn.bot.files.get(params["file_id"])
    if file is None:
        raise bad_request("invalid file_id")
    if len(file.data) > MAX_DOWNLOAD:
        raise bad_request("file is too big")
    return {
        "file_id": file.id,
        "file_unique_id": file.unique_id,
        "file_size": len(file.data),
        "file_path": file.path,
    }


METHODS: Mapping[str, Method] = {
    **{f"send{kind.replace('_', '')}": _sender(kind) for kind in _SHAPES},
    "sendmediagroup": send_media_group,
    "getfile": get_file,
}
