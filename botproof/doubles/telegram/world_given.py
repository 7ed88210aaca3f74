"""What a test puts into a bot's world, because no bot can make it and no person does it in a chat.

One JSON object, each key of it optional:

- `stars` 500                         what the bot has, for gifts
- `sticker_sets` [{"name", "title", "sticker_type", "emoji": ["😀", …]}]     of other people
- `profile_photos` [{"user_id" | "chat_id", "data" (base64)}]
- `profile_audios` [{"user_id", "title", "performer", "data" (base64)}]
- `personal_posts` [{"user_id", "chat": {…}, "text"}]     posts of channels on people's profiles
- `boosts` [{"chat_id", "user_id"}]
- `emoji_status_allowed` [user_id, …]  who lets the bot set their emoji status
- `can_verify` true                   as for an organization that Telegram chose
- `managed_bots` [{"id", "username"}]
- `user` {…}                          fields of the bot itself, as getMe tells them
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.methods.files import file_of, shown
from botproof.doubles.telegram.methods.stickers import put_set
from botproof.doubles.telegram.replies import Refusal
from botproof.doubles.telegram.spec import Upload
from botproof.doubles.telegram.world import Json

_MONTH = 2_592_000


def give(turn: Turn, given: Mapping[str, object]) -> Json:
    """Put it there; how many of each. ControlError says what is wrong."""
    unknown = sorted(set(given) - set(_GIVERS))
    if unknown:
        raise ControlError(f"there is no {', '.join(unknown)}; there are {', '.join(_GIVERS)}")
    made: Json = {}
    for name, value in given.items():
        try:
            made[name] = _GIVERS[name](turn, value)
        except (KeyError, TypeError, AttributeError) as error:
            raise ControlError(f"cannot read {name!r}: {error!r}") from None
        except Refusal as refusal:
            raise ControlError(refusal.description) from None
    return made


def _data(item: Json) -> bytes:
    try:
        return base64.b64decode(item["data"], validate=True)
    except binascii.Error as error:
        raise ControlError(f'"data" is not base64: {error}') from None


def _user(turn: Turn, number: int) -> Json:
    user: Json = {"id": number, "is_bot": False, "first_name": f"User {number}"}
    return turn.bot.users.setdefault(number, user)


def _stars(turn: Turn, amount: int) -> int:
    if amount < 0:
        raise ControlError(f'"stars" must be a number of 0 or more; it is {amount!r}')
    turn.bot.keeps.stars = amount
    return amount


def _sets(turn: Turn, sets: list[Json]) -> int:
    for described in sets:
        if not isinstance(described.get("emoji", []), list):
            raise ControlError('"emoji" of a sticker set must be a list, one for each sticker')
        put_set(turn, described)
    return len(sets)


def _photos(turn: Turn, photos: list[Json]) -> int:
    for photo in photos:
        number = photo.get("chat_id") or _user(turn, photo["user_id"])["id"]
        file = file_of(turn, "profile_photo", Upload("me.jpg", "image/jpeg", _data(photo)), {})
        sizes: Any = shown(turn, file, "profile_photo")
        turn.bot.photos.setdefault(number, []).insert(0, sizes)
    return len(photos)


def _audios(turn: Turn, audios: list[Json]) -> int:
    for audio in audios:
        number = _user(turn, audio["user_id"])["id"]
        file = file_of(turn, "audio", Upload("song.mp3", "audio/mpeg", _data(audio)), audio)
        shown_as: Any = shown(turn, file, "audio")
        turn.bot.keeps.audios.setdefault(number, []).insert(0, shown_as)
    return len(audios)


def _posts(turn: Turn, posts: list[Json]) -> int:
    for item in posts:
        kept = turn.bot.keeps.personal.setdefault(_user(turn, item["user_id"])["id"], [])
        chat = {"type": "channel", "title": "Channel", **item["chat"]}
        message = {"message_id": len(kept) + 1, "sender_chat": chat, "chat": chat}
        kept.insert(0, {**message, "date": turn.date, "text": item["text"]})
    return len(posts)


def _boosts(turn: Turn, boosts: list[Json]) -> int:
    for item in boosts:
        user = _user(turn, item["user_id"])
        kept = turn.bot.keeps.boosts.setdefault((item["chat_id"], user["id"]), [])
        source = {"source": "premium", "user": user}
        dates = {"add_date": turn.date, "expiration_date": turn.date + _MONTH}
        kept.append({"boost_id": f"boost{len(kept) + 1}", **dates, "source": source})
    return len(boosts)


def _allow_emoji(turn: Turn, numbers: list[int]) -> int:
    for number in numbers:
        _user(turn, number)
        turn.bot.keeps.emoji_status.setdefault(number, {})
    return len(numbers)


def _verifies(turn: Turn, can: object) -> bool:
    turn.bot.profile["can_verify"] = bool(can)
    return bool(can)


def _managed(turn: Turn, bots: list[Json]) -> int:
    for described in bots:
        user: Json = {"is_bot": True, "first_name": described.get("username", "Bot"), **described}
        turn.bot.users[user["id"]] = user
        token = f"{user['id']}:{turn.core.rng.getrandbits(140):035x}"[: len(str(user["id"])) + 36]
        access = {"is_access_restricted": False, "added_users": []}
        turn.bot.keeps.managed[user["id"]] = {"token": token, "access": access}
    return len(bots)


def _about_itself(turn: Turn, fields: Json) -> Json:
    turn.bot.user = {**turn.bot.user, **fields, "id": turn.bot.id}
    seen = ("first_name", "last_name", "username")
    own = {name: fields[name] for name in seen if name in fields}
    turn.bot.sender = {**turn.bot.sender, **own}
    turn.bot.users[turn.bot.id] = turn.bot.sender
    return turn.bot.user


_GIVERS: Mapping[str, Callable[[Turn, Any], object]] = {
    "stars": _stars,
    "sticker_sets": _sets,
    "profile_photos": _photos,
    "profile_audios": _audios,
    "personal_posts": _posts,
    "boosts": _boosts,
    "emoji_status_allowed": _allow_emoji,
    "can_verify": _verifies,
    "managed_bots": _managed,
    "user": _about_itself,
}
