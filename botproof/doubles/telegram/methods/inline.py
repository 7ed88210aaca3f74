"""What an inline result becomes when it is sent: the content of a message.

Source: `get_inline_query_result` in Client.cpp of the open-source Bot API server,
InlineQueriesManager.cpp of td.
"""

from __future__ import annotations

from botproof.doubles.telegram.context import Turn
from botproof.doubles.telegram.methods.common import message_text, own_markup
from botproof.doubles.telegram.methods.files import SHAPES
from botproof.doubles.telegram.methods.media import media_content
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Json

_FILE_KEYS = {"mpeg4_gif": "mpeg4", "gif": "gif"}
_KINDS = {"mpeg4_gif": "animation", "gif": "animation"}


def inline_content(turn: Turn, result: Json) -> Json:
    """Return the content of the message that a result stands for; refused where it is
    no message."""
    if not 1 <= len(result["id"].encode()) <= 64:
        raise bad_request("RESULT_ID_INVALID")
    given = result.get("input_message_content")
    if given:
        return _given(turn, given)
    kind = result["type"]
    if kind == "article":
        raise bad_request("article must have input_message_content")
    if kind == "game":
        name = result["game_short_name"]
        return {"game": {"title": name, "description": name, "photo": []}}
    if kind == "location":
        return {"location": {key: result[key] for key in ("latitude", "longitude")}}
    if kind == "venue":
        return {"venue": _venue(result), "location": _venue(result)["location"]}
    if kind == "contact":
        names = ("phone_number", "first_name", "last_name", "vcard")
        return {"contact": {name: result[name] for name in names if name in result}}
    return _file(turn, kind, result)


def _file(turn: Turn, kind: str, result: Json) -> Json:
    shape = _KINDS.get(kind, kind)
    key = _FILE_KEYS.get(kind, kind)
    cached = result.get(f"{kind}_file_id") or result.get(f"{key}_file_id")
    value = cached or result.get(f"{key}_url") or ""
    if shape not in SHAPES:
        raise bad_request(f'type "{kind}" is unsupported for the inline query result')
    described = {name: value for name, value in result.items() if name != "thumbnail"}
    return media_content(turn, shape, described, value)


def _given(turn: Turn, given: Json) -> Json:
    if "message_text" in given:
        return message_text(turn, {**given, "text": given["message_text"]})
    if "phone_number" in given:
        return {"contact": given}
    if "title" in given and "address" in given:
        return {"venue": _venue(given), "location": _venue(given)["location"]}
    if "latitude" in given:
        return {"location": given}
    if "prices" in given:
        total = sum(price["amount"] for price in given["prices"])
        names = ("title", "description", "currency")
        shown = {name: given[name] for name in names}
        return {"invoice": {**shown, "start_parameter": "", "total_amount": total}}
    return dict(given)


def _venue(given: Json) -> Json:
    place = {key: given[key] for key in ("latitude", "longitude")}
    names = ("title", "address", "foursquare_id", "foursquare_type", "google_place_id")
    kept = {name: given[name] for name in (*names, "google_place_type") if name in given}
    return {"location": place, **kept}


def inline_message(turn: Turn, result: Json, content: Json, query: Json) -> str:
    """Keep the message that was sent for a query; its inline_message_id."""
    number = f"AgAAAA{turn.core.number():018d}"
    shown = {**content, "date": turn.date, **own_markup(result.get("reply_markup"))}
    shown["via_bot"] = turn.bot.sender
    sender = (query.get("query") or {}).get("from")
    if sender:
        shown["from"] = sender
    turn.bot.store_inline(number, shown)
    return number
