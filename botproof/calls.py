"""What a call of the Bot API is about, and what its parameters mean: forms send all as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from botproof.doubles.telegram.entities import EntityError, Parsed, parse
from botproof.history import BotApiCall

Json = Mapping[str, Any]
QUERY_KEYS = ("callback_query_id", "inline_query_id", "shipping_query_id", "pre_checkout_query_id")
TEXT_KEYS = ("text", "caption")
_WORD = re.compile(r"[0-9a-z]+")
_SENDING = ("send", "copy", "forward")
NO_MESSAGES = frozenset({"sendChatAction", "sendMessageDraft"})
_TAGS = re.compile(r"<(b|i|u|s|a|code|pre|strong|em)\b[^<>]*>.*?</\1>", re.DOTALL)
# An edit of the text replaces how the text is read, too: what it does not repeat is gone.
_OF_THE_TEXT = ("parse_mode", "entities", "caption_entities", "link_preview_options")


def after_edit(params: Json, changes: Json) -> dict[str, Any]:
    """Return the parameters of a message after an edit of it."""
    lost = {"reply_markup"}
    if any(key in changes for key in TEXT_KEYS):
        lost |= {*_OF_THE_TEXT}
    return {**{key: value for key, value in params.items() if key not in lost}, **changes}


# what calls and updates say


def chat_of(call: BotApiCall) -> int | None:
    """Return the id of the chat that a call is about."""
    return integer(call.params.get("chat_id"))


def query_of(call: BotApiCall) -> str:
    """Return the id of the query that a call answers; "" for other calls."""
    return next((str(call.params[key]) for key in QUERY_KEYS if key in call.params), "")


def message_under_tap(update: Json) -> int | None:
    """Return the id of the message whose button was tapped; None for any other update."""
    query = update.get("callback_query")
    message = query.get("message") if isinstance(query, Mapping) else None
    return integer(message.get("message_id")) if isinstance(message, Mapping) else None


def query_of_update(update: Json) -> str:
    """Return the id of the query that an update is; "" for other updates."""
    for kind, body in update.items():
        if kind.endswith("_query") and isinstance(body, Mapping):
            return str(body.get("id", ""))
    return ""


def is_sending(method: str) -> bool:
    """Tell whether a method of the Bot API puts a message into a chat."""
    return method.startswith(_SENDING) and method not in NO_MESSAGES


def message_ids(result: Any) -> Iterator[int]:
    """Yield the ids of the messages that a call made: several for an album."""
    for each in result if isinstance(result, list) else [result]:
        number = integer(each.get("message_id")) if isinstance(each, Mapping) else None
        if number is not None:
            yield number


def words_of(text: str) -> frozenset[str]:
    """Return the words of a text as markers are compared."""
    return frozenset(_WORD.findall(text.casefold()))


def topic_of(message: Any) -> int | None:
    """Return the topic of a forum that a message (the first one of several) stands in;
    None for none."""
    message = message[0] if isinstance(message, list) and message else message
    if not isinstance(message, Mapping) or not message.get("is_topic_message"):
        return None
    return integer(message.get("message_thread_id"))


def text_of(params: Json) -> str:
    """Return the text or caption of a call; "" for neither."""
    return next((str(params[key]) for key in TEXT_KEYS if params.get(key)), "")


def shown_text(params: Json, key: str) -> Parsed:
    """Return the text or caption of a call as Telegram shows it, without the marks of its parse
    mode; as it was sent where Telegram would refuse these."""
    text = str(params.get(key) or "")
    given = plain(params.get("entities" if key == "text" else "caption_entities"))
    try:
        mode = str(params.get("parse_mode") or "")
        return parse(text, mode, given if isinstance(given, list) else None)
    except EntityError:
        return Parsed(text)


def shows_tags(params: Json) -> bool:
    """Tell whether a message is sent as plain text and holds markup of HTML, so that
    people read the tags."""
    if params.get("parse_mode") or params.get("entities") or params.get("caption_entities"):
        return False
    return _TAGS.search(text_of(params)) is not None


def plain(value: Any) -> Any:
    """Return a parameter as it is meant: form posts carry objects as JSON text."""
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def button_rows(markup: Any) -> list[list[Any]]:
    """Return the rows of a keyboard of either kind, each button as it was sent."""
    markup = plain(markup)
    if not isinstance(markup, Mapping):
        return []
    rows = markup.get("inline_keyboard") or markup.get("keyboard") or []
    return [row for row in rows if isinstance(row, list)]


def key_of(markup: Any) -> str:
    """Return what the first key of a keyboard in the place of the user's own says; "" where
    there is none."""
    found = plain(markup)
    if not isinstance(found, Mapping) or "keyboard" not in found:
        return ""
    keys = [key for row in button_rows(found) for key in row]
    return str(keys[0].get("text", "") if isinstance(keys[0], Mapping) else keys[0]) if keys else ""


def button_label(button: Any) -> str:
    """Return a button of either keyboard in a line: its text, and what a tap sends or opens."""
    if not isinstance(button, Mapping):
        return str(button)
    target = button.get("callback_data") or button.get("url") or ""
    return f"{button.get('text', '')} → {target}" if target else str(button.get("text", ""))


def is_true(value: Any) -> bool:
    """Tell whether it is a Boolean parameter of the Bot API: forms send text."""
    return str(value).casefold() in ("true", "1")


def integer(value: Any) -> int | None:
    """Return a parameter of the Bot API as a number; None when it is none: forms send text."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def replied_to(params: Json) -> int | None:
    """Return the id of the message that a call answers; None for none."""
    parameters = plain(params.get("reply_parameters"))
    if isinstance(parameters, Mapping):
        return integer(parameters.get("message_id"))
    return integer(params.get("reply_to_message_id"))


def is_reply(params: Json) -> bool:
    """Tell whether a message is shown as the answer to another one."""
    return replied_to(params) is not None


def hides_links(params: Json) -> bool:
    """Tell whether a message is sent without a preview of its links, in either spelling of that."""
    options = plain(params.get("link_preview_options"))
    if isinstance(options, Mapping):
        return is_true(options.get("is_disabled"))
    return is_true(params.get("disable_web_page_preview"))
