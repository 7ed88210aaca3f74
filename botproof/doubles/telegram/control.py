"""The control interface of the Telegram double: what a test says to it, as JSON over HTTP.

What every double has (see `kit.control`), and

- `POST /bots/{token}/updates`         what a person does (see `people`)
- `GET  /bots`, `GET /bots/{token}/chats`
- `POST /bots/{token}/chats`           a chat with its members: `id`, `type`, `title`, `username`,
                                       `members` [{"user", "status", rights …}], `bot` {rights …}
- `POST /bots/{token}/world`           what only a test can put there: Stars, pictures of people,
                                       sticker sets of others … (see `world_given`)
- `GET  /bots/{token}/chats/{id}/messages`   the chat as its people see it; `?last=100`
- `GET  /bots/{token}/queries/{id}`    a callback or inline query, with the bot's answer
- `POST /settings` {"strict_unknowns": true}, `GET /settings`   what would be made up is a 501
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from botproof.doubles.kit import control
from botproof.doubles.kit.control import Route, json_body, number
from botproof.doubles.kit.errors import ControlError, UnknownError
from botproof.doubles.messages import Request, Response, error_response
from botproof.doubles.telegram.replies import Refusal
from botproof.doubles.telegram.world import Bot, Chat, Json

if TYPE_CHECKING:
    from botproof.doubles.telegram.double import Double

Steps: TypeAlias = list[str]


def answer(double: Double, request: Request) -> Response | Awaitable[Response]:
    """Answer a request to the control interface."""
    try:
        return control.answer(_ROUTES, double, request)
    except Refusal as refusal:
        return error_response(refusal.code, refusal.description)


# -- routes --------------------------------------------------------------------------------------


def _act(double: Double, request: Request, steps: Steps) -> object:
    made = double.machine.person(steps[1], json_body(request.body), double.clock.now())
    double.carry_out()
    return made


def _bots(double: Double, _request: Request, _steps: Steps) -> object:
    return [
        {
            "token": bot.token,
            "user": bot.user,
            "pending_update_count": len(bot.queue),
            "webhook": bot.webhook.target.url if bot.webhook is not None else "",
            "is_polling": bot.poll is not None,
        }
        for bot in double.machine.bots.values()
    ]


def _bot(double: Double, steps: Steps) -> Bot:
    return double.machine.bot(steps[1], double.clock.now())


def _chat(double: Double, steps: Steps) -> Chat:
    bot = _bot(double, steps)
    asked = steps[3]
    chat = bot.chats.get(int(asked)) if asked.lstrip("-").isdigit() else None
    if chat is None:
        raise UnknownError(f"bot {bot.id} has no chat {asked}; it has {sorted(bot.chats)}")
    return chat


def _chats(double: Double, _request: Request, steps: Steps) -> object:
    return [chat.info for chat in _bot(double, steps).chats.values()]


def _make_chat(double: Double, request: Request, steps: Steps) -> object:
    return double.machine.chat(steps[1], json_body(request.body), double.clock.now())


def _give(double: Double, request: Request, steps: Steps) -> object:
    return double.machine.give(steps[1], json_body(request.body), double.clock.now())


def _messages(double: Double, request: Request, steps: Steps) -> object:
    chat = _chat(double, steps)
    now = double.clock.now()
    shows = chat.action is not None and now - chat.action["date"] < SHOWN_FOR
    last = int(number(request, "last", 0))
    messages = list(chat.messages.values())
    return {
        "chat": chat.info,
        "messages": messages[-last:] if last > 0 else messages,
        "keyboard": chat.keyboard,
        "draft": _bot(double, steps).keeps.drafts.get(chat.id),
        "pinned_message_ids": chat.pinned,
        "topics": {
            number: {"name": topic.described["name"], "is_closed": topic.is_closed}
            for number, topic in chat.topics.items()
        },
        "action": chat.action["action"] if chat.action is not None and shows else None,
    }


SHOWN_FOR = 5.0  # seconds that a chat action is seen


def _query(double: Double, _request: Request, steps: Steps) -> object:
    query = _bot(double, steps).queries.get(steps[3])
    if query is None:
        raise UnknownError(f"there is no query {steps[3]}")
    return query


def _settings(double: Double) -> Json:
    return {"strict_unknowns": double.settings.strict_unknowns}


def _set(double: Double, request: Request, _steps: Steps) -> object:
    asked = json_body(request.body)
    value = asked.get("strict_unknowns")
    if set(asked) != {"strict_unknowns"} or not isinstance(value, bool):
        raise ControlError('settings are {"strict_unknowns": true or false}')
    double.set_strict(strict_unknowns=value)
    return _settings(double)


_ROUTES: Mapping[tuple[str, str], Route[Double]] = {
    **control.WORLD,
    ("GET", "bots"): _bots,
    ("POST", "bots/*/updates"): _act,
    ("GET", "bots/*/chats"): _chats,
    ("POST", "bots/*/chats"): _make_chat,
    ("POST", "bots/*/world"): _give,
    ("GET", "bots/*/chats/*/messages"): _messages,
    ("GET", "bots/*/queries/*"): _query,
    ("GET", "settings"): lambda double, _request, _steps: _settings(double),
    ("POST", "settings"): _set,
}
