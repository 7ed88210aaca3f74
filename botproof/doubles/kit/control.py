"""The control interface of a double, below `/_double`: what a test says to it, as JSON over HTTP.

Answers are `{"ok": true, "result": …}`; what cannot be done is a 400 (or 404) with a description
that says what would be right: `{"ok": false, "error_code": …, "description": …}`. Every double has

- `GET  /health`
- `GET  /transcript?after=&timeout=`   events after a sequence number; waits for one
- `POST /reset`

and those with faults and a clock of their own

- `POST /faults`, `GET /faults`, `DELETE /faults`, `DELETE /faults/{id}`
- `POST /clock` {"advance": seconds}, `GET /clock`
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

from botproof.doubles.kit.clock import Clock
from botproof.doubles.kit.errors import ControlError, UnknownError
from botproof.doubles.kit.faults import FaultBook
from botproof.doubles.kit.pages import refuse_strange_page
from botproof.doubles.kit.transcript import Transcript
from botproof.doubles.messages import Request, Response, error_response, json_response

Steps: TypeAlias = list[str]
_LONGEST_POLL = 60.0


class Recording(Protocol):
    """A double with a record."""

    @property
    def transcript(self) -> Transcript:
        """Everything that happened."""

    def health(self) -> Mapping[str, object]:
        """Return what a double that lives says of itself."""

    async def reset(self) -> None:
        """Be as just started; sequence numbers of the record go on."""


class World(Recording, Protocol):
    """A double with a record, a clock, and faults that can be programmed."""

    @property
    def clock(self) -> Clock:
        """The time in it."""

    @property
    def faults(self) -> FaultBook[Any]:
        """What is to go wrong."""

    def program(self, body: bytes) -> tuple[int, object]:
        """Program a fault; return its number, and it. Raises ControlError."""


Double = TypeVar("Double")
Route: TypeAlias = Callable[[Double, Request, Steps], Any]
"""Gives the result, or what it can be awaited from; `Steps` is the path below `/_double`."""


def answer(
    routes: Mapping[tuple[str, str], Route[Double]], double: Double, request: Request
) -> Response | Awaitable[Response]:
    """Answer a request to the control interface.

    The routes are by method and path; `*` stands for the second and the fourth step of a path.
    """
    refused = refuse_strange_page(request)
    if refused is not None:
        return refused
    steps = [step for step in request.path.split("/") if step][1:]
    shape = "/".join("*" if place in {1, 3} else step for place, step in enumerate(steps))
    route = routes.get((request.method, shape))
    if route is None:
        return error_response(404, _unknown(routes, request, shape))
    try:
        result = route(double, request, steps)
    except (ControlError, UnknownError) as error:
        return _wrong(error)
    return _awaited(result) if isinstance(result, Awaitable) else _fine(result)


async def _awaited(result: Awaitable[object]) -> Response:
    try:
        return _fine(await result)
    except (ControlError, UnknownError) as error:
        return _wrong(error)


def _fine(result: object) -> Response:
    return json_response({"ok": True, "result": result})


def _wrong(error: Exception) -> Response:
    return error_response(404 if isinstance(error, UnknownError) else 400, str(error))


def _unknown(routes: Mapping[tuple[str, str], object], request: Request, shape: str) -> str:
    verbs = [verb for verb, known in routes if known == shape]
    if verbs:
        return f"{request.path} takes {' and '.join(verbs)}, not {request.method}"
    known = ", ".join(dict.fromkeys(known for _, known in routes))
    return f"there is no {request.path}; below /_double there are {known}"


def json_body(body: bytes) -> dict[str, Any]:
    """Return the object in a request's body. Raises ControlError for what is none."""
    try:
        value = msgspec.json.decode(body or b"{}")
    except msgspec.DecodeError as error:
        raise ControlError(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ControlError("the body must be a JSON object")
    return value


def number(request: Request, name: str, default: float) -> float:
    """Return a number of the query. Raises ControlError for what is none."""
    text = request.query.get(name, "")
    try:
        return float(text) if text else default
    except ValueError:
        raise ControlError(f'"{name}" must be a number; it is {text!r}') from None


def _transcript(double: Recording, request: Request, _steps: Steps) -> object:
    after = int(number(request, "after", 0))
    timeout = min(number(request, "timeout", 0), _LONGEST_POLL)
    if timeout <= 0:
        return double.transcript.after(after)
    return double.transcript.wait_after(after, timeout)


async def _reset(double: Recording) -> object:
    await double.reset()
    return True


def _add_fault(double: World, request: Request, _steps: Steps) -> object:
    fault_id, fault = double.program(request.body)
    double.transcript.add("fault", {"fault": fault_id, "programmed": fault})
    return {"id": fault_id}


def _remove_faults(double: World, _request: Request, steps: Steps) -> object:
    text = steps[1] if len(steps) > 1 else None
    if text is not None and not text.isdecimal():
        raise ControlError(f"id: {text!r} is not a whole number")
    double.faults.remove(None if text is None else int(text))
    return True


def _move_clock(double: World, request: Request, _steps: Steps) -> object:
    asked = json_body(request.body) or {"advance": None}
    if asked.keys() - {"advance", "set"}:
        raise ControlError(f'"advance" moves the clock, "set" stops it; here: {sorted(asked)}')
    for name, value in asked.items():
        if not isinstance(value, int | float) or isinstance(value, bool):
            what = "a number of seconds" if name == "advance" else "a moment"
            raise ControlError(f'"{name}" must be {what}; it is {value!r}')
    if "set" in asked:
        double.clock.stop_at(asked["set"])
    if "advance" in asked:
        double.clock.advance(float(asked["advance"]))
    double.transcript.add("clock", {**asked, "now": double.clock.now()})
    return {"now": double.clock.now()}


def _tell_clock(double: World, _request: Request, _steps: Steps) -> object:
    return {"now": double.clock.now(), "moved": double.clock.moved}


RECORD: Mapping[tuple[str, str], Route[Any]] = {
    ("GET", "health"): lambda double, _request, _steps: double.health(),
    ("GET", "transcript"): _transcript,
    ("POST", "reset"): lambda double, _request, _steps: _reset(double),
}
"""Routes of every double (`Recording`)."""

WORLD: Mapping[tuple[str, str], Route[Any]] = {
    **RECORD,
    ("POST", "faults"): _add_fault,
    ("GET", "faults"): lambda double, _request, _steps: double.faults.listed(),
    ("DELETE", "faults"): _remove_faults,
    ("DELETE", "faults/*"): _remove_faults,
    ("POST", "clock"): _move_clock,
    ("GET", "clock"): _tell_clock,
}
"""Routes of doubles with a clock and faults (`World`)."""
