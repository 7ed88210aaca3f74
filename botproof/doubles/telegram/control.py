"""The control interface under `/_double`: what a test says to the double, as JSON over HTTP.

- `GET  /health`
- `POST /bots/{token}/updates`         what a person does (see `people`)
- `GET  /bots`, `GET /bots/{token}/chats`
- `POST /bots/{token}/chats`           a chat with its members: `id`, `type`, `title`, `username`,
                                       `members` [{"user", "status", rights …}], `bot` {rights …}
- `POST /bots/{token}/world`           what only a test can put there: Stars, pictures of people,
                                       sticker sets of others … (see `world_given`)
- `GET  /bots/{token}/chats/{id}/messages`   the chat as its people see it; `?last=100`
- `GET  /bots/{token}/queries/{id}`    a callback or inline query, with the bot's answer
- `GET  /transcript?after=&timeout=`   events after a sequence number; waits for one
- `POST /faults`, `GET /faults`, `DELETE /faults`
- `POST /clock` {"advance": seconds}, `GET /clock`
- `POST /settings` {"strict_unknowns": true}, `GET /settings`   what would be made up is a 501
- `POST /reset`

Answers are `{"ok": true, "result": …}`; what cannot be done is a 400 (or 404) with a description
that says what would be right.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from botproof.doubles.server import Request, Response, json_response
from botproof.doubles.telegram.replies import ControlError, Refusal
from botproof.doubles.telegram.world import Bot, Chat, Json

if TYPE_CHECKING:
    from botproof.doubles.telegram.double import Double

__all__ = ["answer"]

Steps: TypeAlias = list[str]
MAX_WAIT = 60.0


def answer(double: Double, request: Request) -> Response | Awaitable[Response]:
    """Answer a request to the control interface."""
    steps = [step for step in request.path.split("/") if step][1:]
    route = _ROUTES.get((request.method, _shape(steps)))
    if route is None:
        return _wrong(_unknown(request, _shape(steps)))
    try:
        result = route(double, request, steps)
    except (ControlError, _NotFoundError) as error:
        return _wrong(error)
    except Refusal as refusal:
        return json_response({"ok": False, "description": refusal.description}, refusal.code)
    if isinstance(result, Awaitable):
        return _awaited(result)
    return _fine(result)


async def _awaited(result: Awaitable[object]) -> Response:
    try:
        return _fine(await result)
    except (ControlError, _NotFoundError) as error:
        return _wrong(error)


class _NotFoundError(LookupError):
    """Something that a request names and that is not there."""


def _unknown(request: Request, shape: str) -> _NotFoundError:
    verbs = [verb for verb, known in _ROUTES if known == shape]
    if verbs:
        return _NotFoundError(f"{request.path} takes {' and '.join(verbs)}, not {request.method}")
    known = ", ".join(dict.fromkeys(known for _, known in _ROUTES))
    return _NotFoundError(f"there is no {request.path}; below /_double there are {known}")


def _fine(result: object) -> Response:
    return json_response({"ok": True, "result": result})


def _wrong(error: Exception) -> Response:
    status = 404 if isinstance(error, _NotFoundError) else 400
    return json_response({"ok": False, "error_code": status, "description": str(error)}, status)


def _shape(steps: Steps) -> str:
    """The path with what varies left out: `bots/*/chats/*/messages`."""
    return "/".join("*" if place in {1, 3} else step for place, step in enumerate(steps))


def _body(request: Request) -> Json:
    try:
        value = msgspec.json.decode(request.body or b"{}")
    except msgspec.DecodeError as error:
        raise ControlError(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ControlError("the body must be a JSON object")
    return value


def _number(request: Request, name: str, default: float) -> float:
    text = request.query.get(name, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise ControlError(f'"{name}" must be a number; it is {text!r}') from None


# -- routes --------------------------------------------------------------------------------------


def _health(_double: Double, _request: Request, _steps: Steps) -> object:
    return {"status": "listening"}


def _act(double: Double, request: Request, steps: Steps) -> object:
    made = double.machine.person(steps[1], _body(request), double.clock.now())
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
    number = steps[3]
    chat = bot.chats.get(int(number)) if number.lstrip("-").isdigit() else None
    if chat is None:
        raise _NotFoundError(f"bot {bot.id} has no chat {number}; it has {sorted(bot.chats)}")
    return chat


def _chats(double: Double, _request: Request, steps: Steps) -> object:
    return [chat.info for chat in _bot(double, steps).chats.values()]


def _make_chat(double: Double, request: Request, steps: Steps) -> object:
    return double.machine.chat(steps[1], _body(request), double.clock.now())


def _give(double: Double, request: Request, steps: Steps) -> object:
    return double.machine.give(steps[1], _body(request), double.clock.now())


def _messages(double: Double, request: Request, steps: Steps) -> object:
    chat = _chat(double, steps)
    now = double.clock.now()
    shows = chat.action is not None and now - chat.action["date"] < SHOWN_FOR
    last = int(_number(request, "last", 0))
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
        raise _NotFoundError(f"there is no query {steps[3]}")
    return query


def _transcript(double: Double, request: Request, _steps: Steps) -> object:
    after = int(_number(request, "after", 0))
    timeout = min(_number(request, "timeout", 0), MAX_WAIT)
    if timeout <= 0:
        return double.transcript.after(after)
    return double.transcript.wait_after(after, timeout)


def _add_fault(double: Double, request: Request, _steps: Steps) -> object:
    fault = double.machine.faults.add(_body(request))
    fields = {"fault": fault.id, "programmed": fault}
    double.transcript.add(time.monotonic(), "fault", None, fields)
    return {"id": fault.id}


def _list_faults(double: Double, _request: Request, _steps: Steps) -> object:
    return list(double.machine.faults)


def _clear_faults(double: Double, _request: Request, _steps: Steps) -> object:
    double.machine.faults.clear()
    return True


def _move_clock(double: Double, request: Request, _steps: Steps) -> object:
    seconds = _body(request).get("advance")
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise ControlError(f'"advance" must be a number of seconds; it is {seconds!r}')
    double.clock.advance(float(seconds))
    fields = {"advance": seconds, "now": double.clock.now()}
    double.transcript.add(time.monotonic(), "clock", None, fields)
    return {"now": double.clock.now()}


def _tell_clock(double: Double, _request: Request, _steps: Steps) -> object:
    return {"now": double.clock.now(), "moved": double.clock.moved}


def _settings(double: Double) -> Json:
    return {"strict_unknowns": double.settings.strict_unknowns}


def _set(double: Double, request: Request, _steps: Steps) -> object:
    asked = _body(request)
    value = asked.get("strict_unknowns")
    if set(asked) != {"strict_unknowns"} or not isinstance(value, bool):
        raise ControlError('settings are {"strict_unknowns": true or false}')
    double.set_strict(strict_unknowns=value)
    return _settings(double)


async def _reset(double: Double) -> object:
    await double.reset()
    return True


Route: TypeAlias = Callable[["Double", Request, Steps], Any]

_ROUTES: Mapping[tuple[str, str], Route] = {
    ("GET", "health"): _health,
    ("GET", "bots"): _bots,
    ("POST", "bots/*/updates"): _act,
    ("GET", "bots/*/chats"): _chats,
    ("POST", "bots/*/chats"): _make_chat,
    ("POST", "bots/*/world"): _give,
    ("GET", "bots/*/chats/*/messages"): _messages,
    ("GET", "bots/*/queries/*"): _query,
    ("GET", "transcript"): _transcript,
    ("POST", "faults"): _add_fault,
    ("GET", "faults"): _list_faults,
    ("DELETE", "faults"): _clear_faults,
    ("POST", "clock"): _move_clock,
    ("GET", "clock"): _tell_clock,
    ("GET", "settings"): lambda double, _request, _steps: _settings(double),
    ("POST", "settings"): _set,
    ("POST", "reset"): lambda double, _request, _steps: _reset(double),
}
