"""Polls: sending, closing, by themselves too, and counting votes.

Source of the texts: `get_input_message_content` for polls in td's MessageContent.cpp, and
`process_stop_poll_query` in Client.cpp of the open-source Bot API server. Since Bot API 10.0 one
option is enough.
"""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.kit.errors import ControlError
from botproof.doubles.telegram import agenda, doors
from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.entities import utf16_len
from botproof.doubles.telegram.methods.common import (
    EMPTY_TEXT,
    Access,
    find_chat,
    find_message,
    formatted,
    own_markup,
    post,
)
from botproof.doubles.telegram.methods.locations import venue_of
from botproof.doubles.telegram.methods.media import bare_media
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.schema import complete
from botproof.doubles.telegram.world import Chat, Json

MAX_OPTIONS = 12
MAX_QUESTION = 300
MAX_OPTION = 100
LONGEST = 2_628_000  # seconds that a poll can be open


def send_poll(turn: Turn, params: Params) -> object:
    """Send a poll or a quiz."""
    question, entities = _question(turn, params)
    options = [_option(turn, option, n) for n, option in enumerate(params["options"])]
    _check_options(options)
    kind = params.get("type") or "regular"
    if kind not in {"regular", "quiz"}:
        raise bad_request("unsupported poll type specified")
    described = {**_description(turn, params), **_quiz(turn, params, kind, len(options))}
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    _check_who(chat, params)
    given: Json = {
        "id": _new_id(turn),
        "question": question,
        "options": options,
        "total_voter_count": 0,
        "is_closed": bool(params.get("is_closed", False)),
        "is_anonymous": bool(params.get("is_anonymous", True)),
        "type": kind,
        "allows_multiple_answers": bool(params.get("allows_multiple_answers", False)),
        "allows_revoting": bool(params.get("allows_revoting", kind != "quiz")),
        "members_only": bool(params.get("members_only", False)),
    }
    poll = complete("Poll", given)
    if entities:
        poll["question_entities"] = entities
    poll |= {**_timing(turn, params), **described}
    sent = post(turn, chat, params, {"poll": poll})
    if "close_date" in poll and not poll["is_closed"]:
        agenda.plan(turn.core, turn.bot, poll["close_date"], "poll", poll["id"])
    return sent


def _check_who(chat: Chat, params: Params) -> None:
    countries = params.get("country_codes") or []
    if any(len(code) != 2 or not code.isascii() or not code.isupper() for code in countries):
        raise bad_request("invalid country code specified")
    if chat.kind != "channel" and (params.get("members_only") or countries):
        raise bad_request("poll voters can be restricted only in channel chats")
    anonymous = params.get("is_anonymous", True)
    if chat.kind == "channel" and not anonymous:
        raise bad_request("non-anonymous polls can't be sent to channel chats")
    if anonymous and params.get("allow_adding_options"):
        raise bad_request("ANONYMOUS_OPEN_INVALID")


def _description(turn: Turn, params: Params) -> Json:
    """Return what stands below the question: a text, a picture, a place."""
    shown: Json = {}
    mode, given = params.get("description_parse_mode"), params.get("description_entities")
    text, entities = formatted(turn, params.get("description", ""), mode, given)
    if text:
        shown["description"] = text
    if entities:
        shown["description_entities"] = entities
    if params.get("media"):
        shown["media"] = _media(turn, params["media"])
    if params.get("country_codes"):
        shown["country_codes"] = params["country_codes"]
    return shown


def _media(turn: Turn, asked: Json) -> Json:
    """Return a PollMedia from an InputPollMedia."""
    kind = asked["type"]
    if kind == "location":
        return {"location": {name: asked[name] for name in ("latitude", "longitude")}}
    if kind == "venue":
        return {"venue": venue_of(asked)}
    if kind == "link":
        return {"link": {"url": asked["url"]}}
    media = bare_media(turn, kind, asked, asked["media"])
    return {kind: media[kind]} if kind in media else media


def copy_of(turn: Turn, poll: Json) -> Json:
    """Return a new poll with the same question and options. Refusal for one that cannot
    be asked again."""
    if poll["type"] == "quiz" and "correct_option_id" not in poll:
        raise bad_request("message can't be copied")
    options = [{**option, "voter_count": 0} for option in poll["options"]]
    fresh = {"id": _new_id(turn), "options": options, "total_voter_count": 0, "is_closed": False}
    return {**poll, **fresh}


def _new_id(turn: Turn) -> str:
    return str(5_000_000_000_000_000 + turn.core.number())


def _question(turn: Turn, params: Params) -> tuple[str, list[Json]]:
    given = params.get("question_entities")
    mode = params.get("question_parse_mode")
    question, entities = formatted(turn, params.get("question", ""), mode, given)
    if not question:
        raise bad_request(EMPTY_TEXT)
    if utf16_len(question) > MAX_QUESTION:
        raise bad_request(f"poll question length must not exceed {MAX_QUESTION}")
    return question, _emoji_only(entities)


def _emoji_only(entities: list[Json]) -> list[Json]:
    """Questions and options of polls keep no other marks (core.telegram.org/bots/api#sendpoll)."""
    return [entity for entity in entities if entity["type"] == "custom_emoji"]


def _option(turn: Turn, option: object, number: int) -> Json:
    asked = {"text": option} if isinstance(option, str) else option
    assert isinstance(asked, dict)  # noqa: S101 - the specification lets only these through
    text, entities = formatted(
        turn, asked["text"], asked.get("text_parse_mode"), asked.get("text_entities")
    )
    shown: Json = {"persistent_id": str(number), "text": text, "voter_count": 0}
    if asked.get("media"):
        shown["media"] = _media(turn, asked["media"])
    if kept := _emoji_only(entities):
        shown["text_entities"] = kept
    return shown


def _check_options(options: list[Json]) -> None:
    if not options:
        raise bad_request("poll must have at least one answer option")
    if len(options) > MAX_OPTIONS:
        raise bad_request(f"poll can't have more than {MAX_OPTIONS} options")
    for option in options:
        if not option["text"]:
            raise bad_request(EMPTY_TEXT)
        if utf16_len(option["text"]) > MAX_OPTION:
            raise bad_request(f"poll options length must not exceed {MAX_OPTION}")


def _timing(turn: Turn, params: Params) -> Json:
    period = min(max(params.get("open_period", 0), 0), LONGEST)
    if not period and params.get("close_date", 0) > 0:
        period = params["close_date"] - turn.date
    return {"open_period": period, "close_date": turn.date + period} if period else {}


def _quiz(turn: Turn, params: Params, kind: str, options: int) -> Json:
    if kind != "quiz":
        return {}
    correct = params.get("correct_option_ids") or []
    if not correct and "correct_option_id" in params:
        correct = [params["correct_option_id"]]
    if not correct:
        raise bad_request("correct quiz option list must be non-empty")
    if correct != sorted(set(correct)):
        raise bad_request("correct quiz option list must be increasing")
    if any(not 0 <= option < options for option in correct):
        raise bad_request("wrong quiz correct_option_id")
    quiz: Json = {"correct_option_ids": correct}
    if len(correct) == 1:
        quiz["correct_option_id"] = correct[0]
    if params.get("explanation_media"):
        quiz["explanation_media"] = _media(turn, params["explanation_media"])
    if params.get("explanation"):
        text, entities = formatted(
            turn,
            params["explanation"],
            params.get("explanation_parse_mode"),
            params.get("explanation_entities"),
        )
        quiz["explanation"] = text
        quiz["explanation_entities"] = entities
    return quiz


def stop_poll(turn: Turn, params: Params) -> object:
    """Close a poll of the bot; its final state."""
    chat, message = find_message(turn, params, "message with poll to stop", Access.EDIT)
    if "poll" not in message:
        raise bad_request("message with poll to stop not found")
    if message.get("from", {}).get("id") != turn.bot.id and chat.kind != "channel":
        raise bad_request("poll can't be stopped")
    if message["poll"]["is_closed"]:
        raise bad_request("poll has already been closed")
    poll = {**message["poll"], "is_closed": True}
    _replace(turn, chat, message, poll, own_markup(params.get("reply_markup")))
    return poll


def _replace(turn: Turn, chat: Chat, message: Json, poll: Json, markup: Json) -> None:
    kept = {key: value for key, value in message.items() if key != "reply_markup"}
    turn.bot.store(chat, {**kept, "poll": poll, **markup})
    doors.push(turn.core, turn.bot, "poll", poll, turn.now)


def _closes(turn: Turn, poll_id: object) -> None:
    """End a poll whose time is over: the bot is told of its final state (agenda: `poll`)."""
    where = turn.bot.polls.get(str(poll_id))
    chat = turn.bot.chats.get(where[0]) if where is not None else None
    message = chat.messages.get(where[1]) if chat is not None and where is not None else None
    if chat is None or message is None or message["poll"]["is_closed"]:
        return
    markup = {key: value for key, value in message.items() if key == "reply_markup"}
    _replace(turn, chat, message, {**message["poll"], "is_closed": True}, markup)


agenda.HANDLERS["poll"] = _closes


def vote(turn: Turn, poll_id: str, user: Json, options: list[int]) -> None:
    """Let a person vote, or take the vote back with no options. ControlError says what is wrong."""
    where = turn.bot.polls.get(poll_id)
    message = turn.bot.chats[where[0]].messages.get(where[1]) if where is not None else None
    if where is None or message is None:
        raise ControlError(f"there is no poll {poll_id!r}")
    poll: Json = message["poll"]
    if poll["is_closed"]:
        raise ControlError(f"poll {poll_id} is closed")
    if any(not 0 <= option < len(poll["options"]) for option in options):
        raise ControlError(f"poll {poll_id} has the options 0 to {len(poll['options']) - 1}")
    chat = turn.bot.chats[where[0]]
    votes = chat.votes.setdefault(poll_id, {})
    if votes.get(user["id"]) and not poll["allows_revoting"]:
        raise ControlError(f"poll {poll_id} takes no second vote of anybody")
    if len(options) > 1 and not poll["allows_multiple_answers"]:
        raise ControlError(f"poll {poll_id} takes one answer of each person")
    votes[user["id"]] = options
    counts = [sum(n in chosen for chosen in votes.values()) for n in range(len(poll["options"]))]
    shown = [
        {**option, "voter_count": count}
        for option, count in zip(poll["options"], counts, strict=True)
    ]
    voters = sum(bool(chosen) for chosen in votes.values())
    changed = {**poll, "options": shown, "total_voter_count": voters}
    markup = {k: v for k, v in message.items() if k == "reply_markup"}
    _replace(turn, chat, message, changed, markup)
    if not poll["is_anonymous"]:
        answer = {"poll_id": poll_id, "user": user, "option_ids": options}
        answer["option_persistent_ids"] = [shown[n]["persistent_id"] for n in options]
        doors.push(turn.core, turn.bot, "poll_answer", answer, turn.now)


METHODS: Mapping[str, Method] = {"sendpoll": send_poll, "stoppoll": stop_poll}
