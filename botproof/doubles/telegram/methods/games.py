"""Games and their scores.

A bot's games are registered with BotFather, which is not here: every name that is well-formed is a
game. Source of the texts: `process_*_game_*_query` in Client.cpp of the open-source Bot API server;
what stands in capitals comes from Telegram itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from botproof.doubles.telegram.context import Method, Params, Turn
from botproof.doubles.telegram.methods.common import (
    Access,
    find_chat,
    find_message,
    own_markup,
    post,
)
from botproof.doubles.telegram.methods.stand_ins import made_up
from botproof.doubles.telegram.replies import bad_request
from botproof.doubles.telegram.world import Chat, Json

_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
AROUND = 3  # high scores beside those of the person who is asked for
BEST = 3


def send_game(turn: Turn, params: Params) -> object:
    """Send a game by its short name; without a keyboard of its own it has a button to play."""
    name = params["game_short_name"]
    if _NAME.fullmatch(name) is None:
        raise bad_request("wrong game short name specified")
    made_up(turn, "game")
    chat = find_chat(turn, params.get("chat_id"), Access.WRITE)
    if chat.kind == "channel":
        raise bad_request("games can't be sent to channel chats")
    markup = own_markup(params.get("reply_markup"))
    if not markup:
        button = {"text": f"Play {name}", "callback_game": {}}
        markup = {"reply_markup": {"inline_keyboard": [[button]]}}
    elif "callback_game" not in markup["reply_markup"]["inline_keyboard"][0][0]:
        raise bad_request("REPLY_MARKUP_GAME_EMPTY")
    game = {"title": name, "description": name, "photo": []}
    given = {key: value for key, value in params.items() if key != "reply_markup"}
    return post(turn, chat, given, {"game": game, **markup})


def _target(turn: Turn, params: Params, what: str, access: Access) -> tuple[Chat | None, Json, str]:
    """Return the game message, and what its scores are kept under."""
    if not params.get("chat_id") and not params.get("message_id"):
        inline = params["inline_message_id"]
        message = turn.bot.inline_messages.get(inline)
        if message is None or "game" not in message:
            raise bad_request("MESSAGE_ID_INVALID")
        return None, message, inline
    chat, message = find_message(turn, params, what, access)
    if "game" not in message:
        raise bad_request("MESSAGE_ID_INVALID")
    return chat, message, ""


def _scores(turn: Turn, chat: Chat | None, message: Json, inline: str) -> dict[int, int]:
    """Scores belong to a game in a chat, however often it was sent there."""
    where: object = inline if chat is None else chat.id
    return turn.bot.keeps.scores.setdefault((where, message["game"]["title"]), {})


def set_score(turn: Turn, params: Params) -> object:
    """Set a person's score; a lower one only by force."""
    chat, message, inline = _target(turn, params, "message to set game score", Access.EDIT)
    user = turn.bot.users.get(params["user_id"])
    if user is None:
        raise bad_request("USER_ID_INVALID")
    if params["score"] < 0:
        raise bad_request("SCORE_INVALID")
    scores = _scores(turn, chat, message, inline)
    old, force = scores.get(params["user_id"]), params.get("force", False)
    if old == params["score"] or (not force and old is not None and params["score"] < old):
        raise bad_request("BOT_SCORE_NOT_MODIFIED")
    scores[params["user_id"]] = params["score"]
    if chat is None:
        return True
    if params.get("disable_edit_message"):
        return message
    shown = _with_table(turn, message, scores)
    turn.bot.store(chat, shown)
    return shown


def _with_table(turn: Turn, message: Json, scores: Mapping[int, int]) -> Json:
    """Have the message show the best scores below the game."""
    best = sorted(scores.items(), key=lambda item: -item[1])[:BEST]
    lines = [f"{turn.bot.users[user]['first_name']} – {score}" for user, score in best]
    game = {**message["game"], "text": "\n".join(lines)}
    return {**message, "game": game, "edit_date": turn.date}


def get_high_scores(turn: Turn, params: Params) -> object:
    """Return the person's score with those around it, and the best ones."""
    target = _target(turn, params, "message to get game high scores", Access.READ)
    if params["user_id"] not in turn.bot.users:
        raise bad_request("USER_ID_INVALID")
    scores = _scores(turn, *target)
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    places = [n for n, (user, _) in enumerate(ranked) if user == params["user_id"]]
    at = places[0] if places else 0
    wanted = {*range(BEST), *range(max(0, at - AROUND), at + AROUND + 1)}
    return [
        {"position": n + 1, "user": turn.bot.users[user], "score": score}
        for n, (user, score) in enumerate(ranked)
        if n in wanted
    ]


METHODS: Mapping[str, Method] = {
    "sendgame": send_game,
    "setgamescore": set_score,
    "getgamehighscores": get_high_scores,
}
