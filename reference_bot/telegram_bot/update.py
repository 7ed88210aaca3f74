"""An update as it comes: JSON, checked as far as the inbox and the handlers lean on it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

_MESSAGES: Final = ("message", "edited_message", "channel_post", "edited_channel_post")
_MEMBERSHIP: Final = ("my_chat_member", "chat_member", "chat_join_request", "message_reaction")

# What each kind must have for python-telegram-bot to build it: paths from the update down.
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(_MESSAGES, ("message_id", "date", "chat.id", "chat.type")),
    "callback_query": ("id", "from.id", "chat_instance"),
    "inline_query": ("id", "from.id", "query", "offset"),
}


class NotAnUpdateError(ValueError):
    """The JSON is no update; the message names the field."""


def check_update(value: object) -> dict[str, Any]:
    """``value`` itself when it is an update. Raises NotAnUpdateError naming the wrong field."""
    if not isinstance(value, dict):
        raise NotAnUpdateError(
            "the body is no update: it should be a JSON object with the field update_id"
        )
    if "update_id" not in value:
        raise NotAnUpdateError("the body is no update: the field update_id is missing")
    update_id = value["update_id"]
    if type(update_id) is not int or update_id < 0:
        raise NotAnUpdateError("the body is no update: update_id should be a whole number")
    for kind, paths in _NEEDED.items():
        if kind in value:
            for path in paths:
                _need(value, f"{kind}.{path}")
    return value


def _need(update: Mapping[str, Any], path: str) -> None:
    here: Any = update
    for name in path.split("."):
        if not isinstance(here, dict) or name not in here:
            raise NotAnUpdateError(f"the body is no update: the field {path} is missing")
        here = here[name]
    if path.endswith((".id", ".message_id", ".date")) and not isinstance(here, int | str):
        raise NotAnUpdateError(f"the body is no update: the field {path} should be a number")


def lane_of(update: Mapping[str, Any]) -> int:
    """The chat whose order the update belongs to; else the user; else the update alone."""
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
