"""An update as it comes: JSON, checked once, in one place, before the inbox sees it.

Whatever passes here can be kept by every inbox and taken apart by the dispatcher: ids are whole
numbers that Telegram can have given out, texts are Unicode, nothing is nested beyond reason.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from reference_bot.telegram_bot.inbox.model import Update

LARGEST: Final = 1 << 53
"""The Bot API's documentation: its numbers have at most 52 significant bits."""
_DEEPEST: Final = 64
"""Levels of nesting; Telegram's own updates have about ten."""

_MESSAGES: Final = ("message", "edited_message", "channel_post", "edited_channel_post")
_MEMBERSHIP: Final = ("my_chat_member", "chat_member", "chat_join_request", "message_reaction")

# What each kind must have for python-telegram-bot to build it: paths from the update down.
_NEEDED: Final[Mapping[str, Mapping[str, type]]] = {
    **{
        kind: {"message_id": int, "date": int, "chat.id": int, "chat.type": str}
        for kind in _MESSAGES
    },
    "callback_query": {"id": str, "from.id": int, "chat_instance": str},
    "inline_query": {"id": str, "from.id": int, "query": str, "offset": str},
}
# Wherever they stand in an update, these hold a chat or a person, and these are numbers.
_WITH_ID: Final = frozenset({"chat", "from", "user", "sender_chat", "via_bot", "forward_from"})
_NUMBERS: Final = frozenset(
    {"message_id", "message_thread_id", "user_id", "migrate_to_chat_id", "migrate_from_chat_id"}
)
_NAMES: Final = {int: "a whole number", str: "a text"}


class NotAnUpdateError(ValueError):
    """The JSON is no update; the message names the field."""


_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


def decode_json(body: bytes) -> Any:
    """Return the JSON in ``body``. Raises ValueError or RecursionError when there is none.

    What msgspec, which is quicker, does not take, Python's own reader has the last word on: half of
    a surrogate pair, a number without end.
    """
    try:
        return _decode(body)
    except (msgspec.DecodeError, ValueError):
        return json.loads(body)


def read_body(body: bytes) -> Update:
    """Return the update in a request's body, as the inbox takes it.

    Raises NotAnUpdateError, and ValueError or RecursionError when the body is no JSON.
    """
    return read_update(decode_json(body))


def read_update(value: object) -> Update:
    """Return ``value``, parsed JSON, as the inbox takes it.

    Raises NotAnUpdateError naming the wrong field.
    """
    update = check_update(value)
    try:
        payload = _encode(update)
    except UnicodeEncodeError:
        raise NotAnUpdateError(
            "the body is no update: it holds half of a surrogate pair, which is no text"
        ) from None
    return Update(update["update_id"], lane_of(update), payload, update)


def check_update(value: object) -> dict[str, Any]:
    """Return ``value`` itself when it is an update. Raises NotAnUpdateError naming the wrong
    field."""
    if not isinstance(value, dict):
        raise NotAnUpdateError(
            "the body is no update: it should be a JSON object with the field update_id"
        )
    if "update_id" not in value:
        raise NotAnUpdateError("the body is no update: the field update_id is missing")
    update_id = value["update_id"]
    if type(update_id) is not int or not 0 <= update_id <= LARGEST:
        raise NotAnUpdateError(
            "the body is no update: update_id should be a whole number from 0 to 2^53"
        )
    _check_values(value)
    for kind, needed in _NEEDED.items():
        if kind in value:
            for path, wanted in needed.items():
                _need(value, f"{kind}.{path}", wanted)
    return value


def _check_values(update: dict[str, Any]) -> None:
    """Check every value in it, however deep. A loop: recursion would end where somebody
    nests enough."""
    left: list[tuple[str, object, int]] = [("", update, 0)]
    while left:
        name, value, depth = left.pop()
        if isinstance(value, dict):
            inner = list(value.items())
            if name in _WITH_ID and "id" in value:
                _check_number(f"{name}.id", value["id"])
        elif isinstance(value, list):
            inner = [(name, one) for one in value]
        else:
            if name in _NUMBERS:
                _check_number(name, value)
            elif isinstance(value, int):
                _check_size(name, value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise NotAnUpdateError(f"the body is no update: {_short(name)} is no number")
            continue
        if depth >= _DEEPEST:
            raise NotAnUpdateError(
                f"the body is no update: it is nested over {_DEEPEST} levels deep"
            )
        left += [(key, one, depth + 1) for key, one in inner]


def _check_number(name: str, value: object) -> None:
    if type(value) is not int:
        raise NotAnUpdateError(f"the body is no update: {name} should be a whole number")
    _check_size(name, value)


def _check_size(name: str, value: int) -> None:
    if not -LARGEST <= value <= LARGEST:
        raise NotAnUpdateError(f"the body is no update: {_short(name)} is beyond 2^53")


def _short(name: str) -> str:
    return name[:40].encode("ascii", "replace").decode()


def _need(update: Mapping[str, Any], path: str, wanted: type) -> None:
    here: Any = update
    for name in path.split("."):
        if not isinstance(here, dict) or name not in here:
            raise NotAnUpdateError(f"the body is no update: the field {path} is missing")
        here = here[name]
    if type(here) is not wanted:
        raise NotAnUpdateError(
            f"the body is no update: the field {path} should be {_NAMES[wanted]}"
        )


def is_private(chat_id: int) -> bool:
    """Tell whether the chat is one with a person: ids of groups and channels are negative.

    Source: https://core.telegram.org/api/bots/ids
    """
    return chat_id > 0


def lane_of(update: Mapping[str, Any]) -> int:
    """Return the chat whose order the update belongs to; else the user; else the update alone."""
    for part in _parts(update):
        chat = part.get("chat")
        if isinstance(chat, dict) and isinstance(chat.get("id"), int):
            return int(chat["id"])
    for part in _parts(update):
        user = part.get("from") or part.get("user")
        if isinstance(user, dict) and isinstance(user.get("id"), int):
            return int(user["id"])
    return int(update["update_id"])


def _parts(update: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for kind in (*_MESSAGES, *_MEMBERSHIP):
        if isinstance(part := update.get(kind), dict):
            yield part
    if isinstance(callback := update.get("callback_query"), dict):
        if isinstance(message := callback.get("message"), dict):
            yield message
        yield callback
    for kind in ("inline_query", "chosen_inline_result", "shipping_query", "pre_checkout_query"):
        if isinstance(part := update.get(kind), dict):
            yield part
