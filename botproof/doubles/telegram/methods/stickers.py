"""Sticker sets and custom emoji: made, filled, ordered, named, deleted.

A bot owns the sets that it made, whose names end in `_by_<its username>`; those of other people can
be put into the world by the control interface, and a few well-known ones are always there.

Source of the texts: `get_input_sticker` and its neighbours in Client.cpp of the open-source Bot API
server, `get_input_sticker` of td's StickersManager.cpp; what stands in capitals is Telegram's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.images import image_size
from botproof.doubles.telegram.keeps import keep
from botproof.doubles.telegram.methods.chats import may_manage
from botproof.doubles.telegram.methods.common import Access, find_chat
from botproof.doubles.telegram.methods.files import file_object, file_of, picture, shown
from botproof.doubles.telegram.methods.stand_ins import made_up
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.spec import Upload
from botproof.doubles.telegram.world import Chat, Json

MAX_AT_ONCE = 50
LIMITS: Mapping[str, int] = {"regular": 120, "mask": 120, "custom_emoji": 200}
TYPES = frozenset(LIMITS)
FORMATS = frozenset({"static", "animated", "video"})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_POINTS = frozenset({"forehead", "eyes", "mouth", "chin"})
MAX_TITLE = 64
MAX_EMOJI = 20
MAX_KEYWORDS = 20

# Sets that everybody knows; their stickers here are stand-ins with the right emoji.
_WELL_KNOWN: Mapping[str, tuple[str, str]] = {
    "pusheen": ("Pusheen", "😊😢😡😴🍕🎉❤👋"),
    "animals": ("Just zoo it!", "🐶🐱🐭🐰🦊🐻🐼🐨"),
    "hotcherry": ("Hot Cherry", "🍒😍😂😭🔥👍😡😴"),
    "utyaduck": ("Utya", "🦆😄😢😡👍👎❤🎉"),
}
TOPIC_ICONS = "📰💡⚡🎙🔝🗣🆒❗📝📆📁🔎📣🔥❤❓📈📉💎💰💸🪙💱🎮💻📱🚗🏠💘🎉🏆🏁🎬🎵📚👑⚽🏀📺👀"


# -- sets ------------------------------------------------------------------------------------------


def known_set(turn: Turn, name: str) -> Json | None:
    """Return a sticker set by its name, in any case."""
    kept = turn.bot.keeps.sticker_sets
    lower = name.strip().lower()
    if lower not in kept and lower in _WELL_KNOWN:
        made_up(turn, "set")
        title, emoji = _WELL_KNOWN[lower]
        put_set(turn, {"name": lower, "title": title, "emoji": list(emoji)})
    return kept.get(lower)


def put_set(turn: Turn, described: Mapping[str, object]) -> Json:
    """Keep a set that is there already: `name`, `title`, `sticker_type`, `emoji` (one a
    sticker)."""
    name, kind = str(described["name"]), str(described.get("sticker_type", "regular"))
    made: Json = {"name": name, "title": described.get("title", name), "sticker_type": kind}
    made["stickers"] = []
    emoji = described.get("emoji", ["😀"])
    assert isinstance(emoji, list)  # noqa: S101 - checked by the control interface
    for number, one in enumerate(emoji):
        upload = Upload("sticker.webp", "image/webp", f"{name}/{number}".encode())
        file = file_of(turn, "sticker", upload, {})
        sticker = _as_in_set(turn, file.id, {"emoji_list": [one], "format": "static"}, made)
        made["stickers"].append(sticker)
    keep(turn.bot.keeps.sticker_sets, name.lower(), made)
    return made


def _own(turn: Turn, name: str) -> Json:
    found = known_set(turn, name)
    if found is None or not name.lower().endswith(_suffix(turn)):
        raise bad_request("STICKERSET_INVALID")
    return found


def _suffix(turn: Turn) -> str:
    return f"_by_{turn.bot.user['username']}".lower()


def get_sticker_set(turn: Turn, params: Params) -> object:
    """Return a set with its stickers."""
    found = known_set(turn, params.get("name", ""))
    if found is None:
        raise bad_request("STICKERSET_INVALID")
    return found


def _checked_user(turn: Turn, params: Params) -> None:
    """Refuse a stranger: sets belong to people whom the bot knows."""
    number = params["user_id"]
    if number not in turn.bot.users:
        raise bad_request("user not found")


def create_set(turn: Turn, params: Params) -> object:
    """Make a set of stickers, for a person."""
    _checked_user(turn, params)
    name, title = params.get("name", "").strip(), params.get("title", "").strip()
    kind = params.get("sticker_type") or "regular"
    if kind not in TYPES:
        raise bad_request("unsupported sticker type specified")
    items = params["stickers"]
    if len(items) > MAX_AT_ONCE:
        raise bad_request("too many stickers specified")
    if not items:
        raise bad_request("STICKERS_EMPTY")
    if not title or len(title) > MAX_TITLE:
        raise bad_request("PACK_TITLE_INVALID")
    if _NAME.fullmatch(name) is None or "__" in name or not name.lower().endswith(_suffix(turn)):
        raise bad_request("invalid sticker set name is specified")
    if known_set(turn, name) is not None:
        raise bad_request("sticker set name is already occupied")
    made: Json = {"name": name, "title": title, "sticker_type": kind, "stickers": []}
    default = params.get("sticker_format", "")
    made["stickers"] = [_sticker(turn, item, made, default) for item in items]
    if kind == "custom_emoji" and params.get("needs_repainting"):
        made["stickers"] = [{**s, "needs_repainting": True} for s in made["stickers"]]
    keep(turn.bot.keeps.sticker_sets, name.lower(), made)
    return True


def delete_set(turn: Turn, params: Params) -> object:
    """Delete the set, with its stickers."""
    found = _own(turn, params.get("name", ""))
    for sticker in found["stickers"]:
        turn.bot.keeps.stickers.pop(sticker["file_id"], None)
    del turn.bot.keeps.sticker_sets[found["name"].lower()]
    return True


def set_title(turn: Turn, params: Params) -> object:
    """Set another title."""
    found, title = _own(turn, params.get("name", "")), params.get("title", "").strip()
    if not title or len(title) > MAX_TITLE:
        raise bad_request("PACK_TITLE_INVALID")
    found["title"] = title
    return True


def set_thumbnail(turn: Turn, params: Params) -> object:
    """Set a picture for the set; none takes it away."""
    _checked_user(turn, params)
    if (params.get("format") or "auto") not in FORMATS | {"auto"}:
        raise bad_request("invalid sticker format specified")
    found, thumbnail = _own(turn, params.get("name", "")), params.get("thumbnail")
    found.pop("thumbnail", None)
    if thumbnail:
        found["thumbnail"] = _set_picture(turn, thumbnail)
    return True


def _set_picture(turn: Turn, thumbnail: object) -> Json:
    made = picture(turn, thumbnail) if isinstance(thumbnail, Upload) else None
    if made is not None:
        return made
    file = file_of(turn, "sticker", thumbnail, {})
    named: Json = {"file_id": file.id, "file_unique_id": file.unique_id}
    return {**named, "file_size": len(file.data), "width": 100, "height": 100}


def set_emoji_thumbnail(turn: Turn, params: Params) -> object:
    """Set a custom emoji of the set as its picture; none takes it away."""
    found = _own(turn, params.get("name", ""))
    if found["sticker_type"] != "custom_emoji":
        raise bad_request("STICKERSET_INVALID")
    wanted = params.get("custom_emoji_id", "")
    own = {sticker.get("custom_emoji_id") for sticker in found["stickers"]}
    if wanted and wanted not in own:
        raise bad_request("STICKER_INVALID")
    return True


# -- stickers of a set -----------------------------------------------------------------------------


def _sticker(turn: Turn, item: Json, of: Json, default_format: str = "") -> Json:
    kind = item.get("format") or default_format
    if kind not in FORMATS:
        raise bad_request("can't parse InputSticker: Invalid sticker format specified")
    file = item["sticker"]
    if isinstance(file, Upload):
        _check_file(file, kind)
    elif "." in file and kind != "static":
        what = "animated" if kind == "animated" else "video"
        raise bad_request(f"{what} stickers can't be uploaded by URL")
    _check_words(item)
    return _as_in_set(turn, file_of(turn, "sticker", file, {}).id, item, of)


def _check_file(file: Upload, kind: str) -> None:
    if not file.data:
        raise bad_request("file must be non-empty")
    if kind == "static":
        size = image_size(file.data)
        if size is None:
            raise bad_request("STICKER_PNG_NOPNG")
        if max(size) != 512 and size != (100, 100):
            raise bad_request("STICKER_PNG_DIMENSIONS")
    elif kind == "animated" and not file.data.startswith(b"\x1f\x8b"):
        raise bad_request("STICKER_TGS_NOTGS")
    elif kind == "video" and not file.data.startswith(b"\x1a\x45\xdf\xa3"):
        raise bad_request("STICKER_VIDEO_NOWEBM")


def _check_words(item: Json) -> None:
    emoji, keywords = item.get("emoji_list", []), item.get("keywords", [])
    if not 1 <= len(emoji) <= MAX_EMOJI or any(one[:1].isalpha() or not one for one in emoji):
        raise bad_request("invalid sticker emojis")
    if len(keywords) > MAX_KEYWORDS or sum(map(len, keywords)) > 64:
        raise bad_request("STICKER_KEYWORDS_INVALID")
    point = item.get("mask_position", {}).get("point", "eyes").strip().lower()
    if point not in _POINTS:
        raise bad_request("can't parse InputSticker: Wrong point specified in MaskPosition")


def _as_in_set(turn: Turn, file_id: str, item: Json, of: Json) -> Json:
    file = turn.bot.files.get(file_id)
    assert file is not None  # noqa: S101 - it was kept a moment ago
    sticker: Json = {**_dict(shown(turn, file, "sticker")), "type": of["sticker_type"]}
    sticker |= {"emoji": item["emoji_list"][0], "set_name": of["name"]}
    sticker |= {"is_animated": item["format"] == "animated", "is_video": item["format"] == "video"}
    if of["sticker_type"] == "mask" and item.get("mask_position"):
        sticker["mask_position"] = item["mask_position"]
    if of["sticker_type"] == "custom_emoji":
        sticker["custom_emoji_id"] = str(5_300_000_000_000_000_000 + turn.core.number())
    keep(turn.bot.keeps.stickers, file_id, of["name"].lower())
    return sticker


def _dict(value: object) -> Json:
    assert isinstance(value, dict)  # noqa: S101 - only photos are shown as a list
    return value


def upload_file(turn: Turn, params: Params) -> object:
    """Keep a file for a later sticker."""
    kind = params.get("sticker_format") or "static"
    if kind not in FORMATS:
        raise bad_request("invalid sticker format specified")
    _checked_user(turn, params)
    file = params["sticker"]
    _check_file(file, kind)
    return file_object(file_of(turn, "sticker", file, {}))


def add_sticker(turn: Turn, params: Params) -> object:
    """Add a sticker more."""
    _checked_user(turn, params)
    found = _own(turn, params.get("name", ""))
    if len(found["stickers"]) >= LIMITS[found["sticker_type"]]:
        raise bad_request("STICKERS_TOO_MUCH")
    found["stickers"].append(_sticker(turn, params["sticker"], found))
    return True


def replace_sticker(turn: Turn, params: Params) -> object:
    """Put another sticker in the place of one."""
    found, at = _place(turn, params.get("old_sticker", ""))
    if found["name"].lower() != params.get("name", "").lower():
        raise bad_request("STICKERSET_INVALID")
    found["stickers"][at] = _sticker(turn, params["sticker"], found)
    return True


def _place(turn: Turn, file_id: str) -> tuple[Json, int]:
    """Return the set of this bot that a sticker is in, and where; refused for any other."""
    file_id = file_id.strip()
    if not file_id:
        raise bad_request("sticker is not specified")
    file = file_of(turn, "sticker", file_id, {})
    name = turn.bot.keeps.stickers.get(file.id, "")
    found = turn.bot.keeps.sticker_sets.get(name)
    if found is None:
        raise bad_request("STICKER_INVALID")
    if not name.endswith(_suffix(turn)):
        raise bad_request("STICKERSET_INVALID")
    return found, [s["file_id"] for s in found["stickers"]].index(file.id)


def delete_sticker(turn: Turn, params: Params) -> object:
    """Take one sticker away; a set without any is gone."""
    found, at = _place(turn, params.get("sticker", ""))
    gone = found["stickers"].pop(at)
    turn.bot.keeps.stickers.pop(gone["file_id"], None)
    if not found["stickers"]:
        del turn.bot.keeps.sticker_sets[found["name"].lower()]
    return True


def set_position(turn: Turn, params: Params) -> object:
    """Set another place in the set."""
    found, at = _place(turn, params.get("sticker", ""))
    position = params["position"]
    if position < 0:
        raise bad_request("STICKER_INVALID")
    found["stickers"].insert(position, found["stickers"].pop(at))
    return True


def set_emoji_list(turn: Turn, params: Params) -> object:
    """Set other emoji; a sticker shows the first."""
    found, at = _place(turn, params.get("sticker", ""))
    _check_words({"emoji_list": params["emoji_list"]})
    found["stickers"][at] = {**found["stickers"][at], "emoji": params["emoji_list"][0]}
    return True


def set_keywords(turn: Turn, params: Params) -> object:
    """Set words to search it by, which no method tells again."""
    _place(turn, params.get("sticker", ""))
    _check_words({"emoji_list": ["😀"], "keywords": params.get("keywords", [])})
    return True


def set_mask_position(turn: Turn, params: Params) -> object:
    """Set where a mask sits; without a position it sits nowhere."""
    found, at = _place(turn, params.get("sticker", ""))
    if found["sticker_type"] != "mask":
        raise bad_request("STICKER_INVALID")
    kept = {key: value for key, value in found["stickers"][at].items() if key != "mask_position"}
    if params.get("mask_position"):
        kept["mask_position"] = params["mask_position"]
    found["stickers"][at] = kept
    return True


# -- custom emoji, groups --------------------------------------------------------------------------


def get_custom_emoji(turn: Turn, params: Params) -> object:
    """Return the stickers of custom emoji; every number is one, as texts may hold any."""
    identifiers = params["custom_emoji_ids"]
    if len(identifiers) > 200:
        raise bad_request("too many custom emoji identifiers specified")
    return [_custom_emoji(turn, identifier) for identifier in identifiers]


def _custom_emoji(turn: Turn, identifier: str) -> Json:
    if not identifier.removeprefix("-").isdecimal():
        raise bad_request("invalid custom emoji identifier specified")
    for kept in turn.bot.keeps.sticker_sets.values():
        for sticker in kept["stickers"]:
            if sticker.get("custom_emoji_id") == identifier:
                return dict(sticker)
    made_up(turn, "emoji")
    return _stand_in(turn, identifier, "⭐", "RestrictedEmoji")


def _stand_in(turn: Turn, identifier: str, emoji: str, set_name: str) -> Json:
    known = turn.bot.keeps.prepared.get(f"emoji:{identifier}")
    if known is not None:
        return known
    upload = Upload("emoji.tgs", "application/x-tgsticker", b"\x1f\x8b" + identifier.encode())
    of: Json = {"name": set_name, "sticker_type": "custom_emoji"}
    file = file_of(turn, "sticker", upload, {})
    sticker = _as_in_set(turn, file.id, {"emoji_list": [emoji], "format": "animated"}, of)
    sticker["custom_emoji_id"] = identifier
    keep(turn.bot.keeps.prepared, f"emoji:{identifier}", sticker)
    return sticker


def get_topic_icons(turn: Turn, _params: Params) -> object:
    """Return the custom emoji that topics of forums can have as icons."""
    made_up(turn, "icons")
    first = 5_310_000_000_000_000_000
    return [_stand_in(turn, str(first + n), e, "Topics") for n, e in enumerate(TOPIC_ICONS)]


def _supergroup(turn: Turn, params: Params) -> Chat:
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if chat.kind != "supergroup":
        raise bad_request("method is available only for supergroups")
    if not may_manage(turn, chat, "can_change_info"):
        raise bad_request("not enough rights to change supergroup sticker set")
    return chat


def set_chat_set(turn: Turn, params: Params) -> object:
    """Set the set of a supergroup."""
    chat = _supergroup(turn, params)
    found = known_set(turn, params.get("sticker_set_name", ""))
    if found is None or found["sticker_type"] != "regular":
        raise bad_request("STICKERSET_INVALID")
    chat.extra["sticker_set_name"] = found["name"]
    chat.extra["can_set_sticker_set"] = True
    return True


def delete_chat_set(turn: Turn, params: Params) -> object:
    """Leave no set of its own."""
    _supergroup(turn, params).extra.pop("sticker_set_name", None)
    return True


METHODS: Mapping[str, Method] = {
    "getstickerset": get_sticker_set,
    "createnewstickerset": create_set,
    "deletestickerset": delete_set,
    "setstickersettitle": set_title,
    "setstickersetthumbnail": set_thumbnail,
    "setcustomemojistickersetthumbnail": set_emoji_thumbnail,
    "uploadstickerfile": upload_file,
    "addstickertoset": add_sticker,
    "replacestickerinset": replace_sticker,
    "deletestickerfromset": delete_sticker,
    "setstickerpositioninset": set_position,
    "setstickeremojilist": set_emoji_list,
    "setstickerkeywords": set_keywords,
    "setstickermaskposition": set_mask_position,
    "getcustomemojistickers": get_custom_emoji,
    "getforumtopiciconstickers": get_topic_icons,
    "setchatstickerset": set_chat_set,
    "deletechatstickerset": delete_chat_set,
}
