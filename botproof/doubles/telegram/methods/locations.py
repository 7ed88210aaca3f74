"""Places: points, live locations that end by themselves, venues, contacts.

Source of the texts: `process_input_message_location` in td's Location.cpp; `JsonLocation` in
Client.cpp of the open-source Bot API server shows what is left of a live location that has ended.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram import agenda
from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import Access, find_chat, post
from botproof.doubles.telegram.methods.edits import edit, target
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Json

FOREVER = 0x7FFFFFFF
SHORTEST, LONGEST = 60, 86_400  # seconds
MAX_RADIUS = 100_000  # meters
_LIVE = ("live_period", "heading", "proximity_alert_radius")


def _point(params: Params) -> Json:
    point: Json = {"latitude": params["latitude"], "longitude": params["longitude"]}
    if abs(point["latitude"]) > 90 or abs(point["longitude"]) > 180:
        raise bad_request("wrong latitude or longitude")
    accuracy = params.get("horizontal_accuracy", 0)
    if accuracy > 0:
        point["horizontal_accuracy"] = min(accuracy, 1500)
    return point


def _live(params: Params, *, for_edit: bool) -> Json:
    period, heading = params.get("live_period", 0), params.get("heading", 0)
    radius = params.get("proximity_alert_radius", 0)
    if period and period != FOREVER and not SHORTEST <= period <= LONGEST and not for_edit:
        raise bad_request("wrong live location period specified")
    if not 0 <= heading <= 360:
        raise bad_request("wrong live location heading specified")
    if not 0 <= radius <= MAX_RADIUS:
        raise bad_request("wrong live location proximity alert radius specified")
    given = {"live_period": period, "heading": heading, "proximity_alert_radius": radius}
    return {name: value for name, value in given.items() if value}


def send_location(turn: Turn, params: Params) -> object:
    """Send a point on the map; with `live_period` one that can be moved until it ends."""
    location = _point(params)
    if params.get("live_period"):
        location |= _live(params, for_edit=False)
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    sent = post(turn, chat, params, {"location": location})
    _plan_end(turn, chat.id, sent)
    return sent


def _plan_end(turn: Turn, chat_id: int, message: Json) -> None:
    period = message["location"].get("live_period", FOREVER)
    if period != FOREVER:
        until = message["date"] + period
        agenda.plan(turn.core, turn.bot, until, "location", chat_id, message["message_id"])


def _is_over(turn: Turn, chat_id: object, number: object) -> None:
    """Let a live location stay where it was last; nobody is told (agenda: `location`)."""
    chat = turn.bot.chats.get(chat_id)  # type: ignore[call-overload]  # the agenda keeps any numbers
    message = None if chat is None else chat.messages.get(number)
    location: Json = (message or {}).get("location", {})
    if chat is None or message is None or "live_period" not in location:
        return
    if message["date"] + location["live_period"] > turn.now:
        return  # it was made to last longer
    ended = {name: value for name, value in location.items() if name not in _LIVE}
    turn.bot.store(chat, {**message, "location": ended})


agenda.HANDLERS["location"] = _is_over


def _located(turn: Turn, params: Params) -> Json:
    _, message = target(turn, params)
    location: Json = message.get("location", {})
    if "live_period" not in location:
        raise bad_request("there is no live location in the message to edit")
    return message


def edit_location(turn: Turn, params: Params) -> object:
    """Move a live location; heading and radius are set anew, the period only when it is given."""
    message = _located(turn, params)
    old = message["location"]
    moved = {**_point(params), "live_period": old["live_period"], **_live(params, for_edit=True)}
    edited = edit(turn, params, ("location",), {"location": moved})
    if isinstance(edited, dict) and params.get("live_period"):
        _plan_end(turn, edited["chat"]["id"], edited)
    return edited


def stop_location(turn: Turn, params: Params) -> object:
    """End a live location where it is."""
    location = _located(turn, params)["location"]
    stopped = {name: value for name, value in location.items() if name not in _LIVE}
    return edit(turn, params, ("location",), {"location": stopped})


_VENUE = ("foursquare_id", "foursquare_type", "google_place_id", "google_place_type")


def send_venue(turn: Turn, params: Params) -> object:
    """Send a place with a name."""
    venue = venue_of(params)
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    return post(turn, chat, params, {"venue": venue, "location": venue["location"]})


def venue_of(params: Params) -> Json:
    """Return the Venue that parameters describe."""
    return {
        "location": _point({name: params[name] for name in ("latitude", "longitude")}),
        "title": params.get("title", ""),
        "address": params.get("address", ""),
        **{name: params[name] for name in _VENUE if params.get(name)},
    }


def send_contact(turn: Turn, params: Params) -> object:
    """Send a phone number with a name."""
    names = ("phone_number", "first_name", "last_name", "vcard")
    contact = {name: params[name] for name in names if params.get(name)}
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    return post(turn, chat, params, {"contact": contact})


METHODS: Mapping[str, Method] = {
    "sendlocation": send_location,
    "editmessagelivelocation": edit_location,
    "stopmessagelivelocation": stop_location,
    "sendvenue": send_venue,
    "sendcontact": send_contact,
}
