"""Files: what an upload becomes, how messages show it, thumbnails, getFile.

A file comes as an upload, as the id of a file that Telegram has, or as a URL. A URL is fetched by
the server around the machine before a call gets here, and arrives as an upload; where it does not
fetch, the file is a stand-in whose content is the URL itself.

Source of the texts: `from_persistent_id` and `check_local_location` in td's FileManager.cpp,
`do_get_file` in Client.cpp of the open-source Bot API server.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from botproof.doubles.telegram.context import Params, Turn
from botproof.doubles.telegram.images import image_size
from botproof.doubles.telegram.methods.stand_ins import made_up
from botproof.doubles.telegram.replies import Refusal, bad_request
from botproof.doubles.telegram.sounds import measures
from botproof.doubles.telegram.spec import Upload
from botproof.doubles.telegram.world import File, Json

MAX_UPLOAD = 50 * 1024 * 1024
MAX_PHOTO = 10 * 1024 * 1024
MAX_DOWNLOAD = 20 * 1024 * 1024
MAX_THUMBNAIL = 320  # pixels
_TYPE_NAMES = {
    "photo": "Photo",
    "document": "Document",
    "video": "Video",
    "audio": "Audio",
    "voice": "VoiceNote",
    "animation": "Animation",
    "sticker": "Sticker",
    "video_note": "VideoNote",
    "thumbnail": "Thumbnail",
    "profile_photo": "ProfilePhoto",
    "live_photo": "LivePhoto",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of media: which parameters describe it, and what it is when they do not."""

    fields: Mapping[str, object]
    mime: str
    shows_name: bool = False
    has_caption: bool = True


_SOUND: Mapping[str, object] = {"duration": 0, "performer": None, "title": None}
_FILM: Mapping[str, object] = {"width": 0, "height": 0, "duration": 0}
SHAPES: Mapping[str, Shape] = {
    "photo": Shape({}, "image/jpeg"),
    "document": Shape({}, "application/octet-stream", shows_name=True),
    "video": Shape({**_FILM, "start_timestamp": None}, "video/mp4", shows_name=True),
    "animation": Shape(_FILM, "video/mp4", shows_name=True),
    "audio": Shape(_SOUND, "audio/mpeg", shows_name=True),
    "voice": Shape({"duration": 0}, "audio/ogg"),
    "video_note": Shape({"length": 0, "duration": 0}, "video/mp4", has_caption=False),
    "sticker": Shape({"emoji": None}, "image/webp", has_caption=False),
    "live_photo": Shape(_FILM, "video/mp4"),
}
_NOTE_LENGTH = 240


# -- from what a call names ------------------------------------------------------------------------


def file_of(turn: Turn, kind: str, value: object, params: Params) -> File:
    """Return the file of this kind that a parameter names: an upload, an id or a URL."""
    if isinstance(value, Upload):
        return _uploaded(turn, kind, value, params)
    identifier = str(value)
    known = turn.bot.files.get(identifier)
    if known is not None:
        return _usable_as(known, kind)
    if "." not in identifier:
        raise bad_request(f"wrong remote file identifier specified: {_what_is_wrong(identifier)}")
    parts = _address(identifier)
    made_up(turn, "url")
    name = parts.path.rpartition("/")[2] or "file"
    mime = mimetypes.guess_type(name)[0] or SHAPES[kind].mime
    fields = _described(turn, kind, params, b"")
    return turn.bot.files.add(kind, identifier.encode(), name, mime, fields)


def _address(identifier: str) -> SplitResult:
    try:
        parts = urlsplit(identifier if "://" in identifier else f"http://{identifier}")
    except ValueError:
        raise bad_request("wrong HTTP URL specified") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise bad_request("wrong HTTP URL specified")
    return parts


def _what_is_wrong(identifier: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_=-]*", identifier) is None:
        return "Wrong character in the string"
    if len(identifier.rstrip("=")) % 4 == 1:
        return "Wrong string length"
    return "can't unserialize it. Wrong last symbol"


_PICTURES = frozenset({"photo", "profile_photo", "thumbnail"})


def _usable_as(file: File, kind: str) -> File:
    """To Telegram all files but pictures are documents: it shows them as what they are."""
    if file.kind == kind or (kind not in _PICTURES and file.kind not in _PICTURES):
        return file
    if {file.kind, kind} == {"photo", "profile_photo"}:
        return file
    wanted = _TYPE_NAMES[kind]
    raise bad_request(f"can't use file of type {_TYPE_NAMES[file.kind]} as {wanted}")


def _uploaded(turn: Turn, kind: str, upload: Upload, params: Params) -> File:
    _check_size(upload)
    kind = _really(kind, upload, params)
    if kind in {"photo", "profile_photo"}:
        fields = _photo_size(upload.data)
    else:
        fields = _described(turn, kind, params, upload.data)
    shape = SHAPES.get(kind, SHAPES["photo"])
    mime = mimetypes.guess_type(upload.filename)[0] or upload.content_type or shape.mime
    return turn.bot.files.add(kind, upload.data, upload.filename or "file", mime, fields)


def _really(kind: str, upload: Upload, params: Params) -> str:
    """Return what Telegram makes of an upload: it looks into the file, not only at the method."""
    if kind == "video_note":
        found = measures(upload.data)
        return kind if found.get("width") == found.get("height") else "video"
    keeps_kind = params.get("disable_content_type_detection") or params.get("type") == "document"
    is_gif = upload.data.startswith((b"GIF87a", b"GIF89a"))
    return "animation" if kind == "document" and is_gif and not keeps_kind else kind


def _check_size(upload: Upload) -> None:
    if not upload.data:
        raise bad_request("file must be non-empty")
    if len(upload.data) > MAX_UPLOAD:
        raise Refusal(413, "Request Entity Too Large")


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


def _described(turn: Turn, kind: str, params: Params, data: bytes) -> Json:
    """Return what a message tells of a file: what the call says of it, else what the
    file says itself."""
    found: Mapping[str, int] = measures(data) if kind not in {"document", "sticker"} else {}
    pixels = image_size(data) if kind in {"sticker", "animation"} else None
    if pixels is not None:
        found = {**found, "width": pixels[0], "height": pixels[1]}
    fields: Json = {}
    for name, default in SHAPES[kind].fields.items():
        value = params.get(name) or found.get(name, default)
        if value is not None:
            fields[name] = value
    if kind == "video_note" and not fields["length"]:
        fields["length"] = found.get("width", _NOTE_LENGTH)
    if kind == "sticker":
        fields |= _sticker_fields(data, pixels)
    thumbnail, cover = params.get("thumbnail"), params.get("cover")
    if isinstance(thumbnail, Upload) and kind not in {"voice", "sticker"}:
        made = picture(turn, thumbnail)
        if made is not None:
            fields["thumbnail"] = made
    if cover and kind == "video":
        fields["cover"] = shown(turn, file_of(turn, "photo", cover, {}), "photo")
    return fields


def _sticker_fields(data: bytes, pixels: tuple[int, int] | None) -> Json:
    """Stickers are pictures, packed vector animations (gzip) or WebM videos."""
    width, height = pixels or (512, 512)
    moves, films = data.startswith(b"\x1f\x8b"), data.startswith(b"\x1a\x45\xdf\xa3")
    kind = {"type": "regular", "is_animated": moves, "is_video": films}
    return {**kind, "width": width, "height": height}


def picture(turn: Turn, upload: Upload) -> Json | None:
    """Return a thumbnail as messages show it; None when the upload is no picture, which
    is passed over."""
    pixels = image_size(upload.data)
    if pixels is None:
        return None
    scale = min(1.0, MAX_THUMBNAIL / max(pixels))
    size = {"width": max(1, round(pixels[0] * scale)), "height": max(1, round(pixels[1] * scale))}
    file = turn.bot.files.add("thumbnail", upload.data, upload.filename, "image/jpeg", size)
    named = {"file_id": file.id, "file_unique_id": file.unique_id, "file_size": len(file.data)}
    return {**named, **size}


# -- as messages show it ---------------------------------------------------------------------------


def shown(turn: Turn, file: File, kind: str) -> object:
    """Return the object of a message that stands for a file."""
    named: Json = {"file_id": file.id, "file_unique_id": file.unique_id}
    if kind in {"photo", "profile_photo"}:
        return _sizes(turn, named, file)
    shape = SHAPES[kind]
    named.update(file.fields)
    if shape.shows_name:
        named["file_name"] = file.name
    if kind not in {"sticker", "video_note"}:
        named["mime_type"] = file.mime
    if kind == "sticker":  # Telegram makes a smaller picture of each; here it has the same bytes
        small = {name: named[name] for name in ("file_id", "file_unique_id")}
        named["thumbnail"] = {**small, "width": 128, "height": 128, "file_size": len(file.data)}
    named["file_size"] = len(file.data)
    return named


_BOXES = (90, 320, 800, 1280)


def _sizes(turn: Turn, named: Json, file: File) -> list[Json]:
    """Telegram keeps a photo in several sizes, the largest last; here all have the same bytes."""
    width, height = file.fields.get("width", 320), file.fields.get("height", 320)
    assert isinstance(width, int)  # noqa: S101 - set by _photo_size
    assert isinstance(height, int)  # noqa: S101 - set by _photo_size
    sizes: list[Json] = []
    for box in _BOXES:
        scale = min(1.0, box / max(width, height))
        size = {"width": max(1, round(width * scale)), "height": max(1, round(height * scale))}
        sizes.append({**named, **size, "file_size": len(file.data)})
        if scale == 1.0:
            break
    for box, smaller in zip(_BOXES, sizes[:-1], strict=False):
        smaller["file_id"], smaller["file_unique_id"] = turn.bot.files.size(file, box)
    return sizes


def get_file(turn: Turn, params: Params) -> object:
    """Return where a file can be downloaded, under `/file/bot<token>/<file_path>`."""
    asked = params["file_id"]
    file = turn.bot.files.get(asked)
    if file is None:
        raise bad_request("invalid file_id")
    if len(file.data) > MAX_DOWNLOAD:
        raise bad_request("file is too big")
    unique = turn.bot.files.size_of(asked)
    named = {} if unique is None else {"file_id": asked, "file_unique_id": unique}
    return file_object(file) | named


def file_object(file: File) -> Json:
    """Return a File object."""
    return {
        "file_id": file.id,
        "file_unique_id": file.unique_id,
        "file_size": len(file.data),
        "file_path": file.path,
    }
