"""What goes wrong between a bot and Telegram: `botproof double telegram --wire FILE`.

A bot that says the wrong thing, too late, twice or to the wrong chat looks from outside as one
whose traffic is altered on its way. So a wire stands before the double, at the double's own address
(which a bot with a fixed host name reaches as well), and alters calls of the bot and updates to it.
The double records what reaches it: what Telegram would have seen of a bot with that defect.
"""

from __future__ import annotations

import asyncio
import html
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from botproof.doubles.messages import AnyResponse, Handler, Request, Response, json_response
from botproof.doubles.telegram.context import Post
from botproof.doubles.telegram.doors import Outcome
from botproof.doubles.telegram.params import BadBodyError, read_params
from botproof.doubles.telegram.spec import Form

_FORGED_IDS_BELOW = 50_000_000
_ACCEPTED = 200


class WireError(ValueError):
    """A file of wires that cannot be used."""


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing that goes wrong.

    `side` is what it meets: "calls" of the bot, or "updates" to it. Of calls those whose method
    fits `method` (a regular expression; by default all that write a message), whose text holds
    `text` (another), that come while the bot's door is `door`, and of these each `every`-th after
    the first `after`. `kind` is what happens:

    - both sides: "drop", "delay" (`seconds`), "repeat", "alter" (`find`, `put` in the text, or in
      the JSON of an update), "refuse" (takes effect, and its sender is told 502 all the same)
    - calls: "misdirect" (into the chat that was written to before), "unescape" (HTML), "truncate"
      (the last `lines` lines are missing), "strip" (`fields`), "set" (`values`)
    - updates: "as_first" (everybody looks like the first who wrote)
    """

    kind: Literal[
        "drop",
        "delay",
        "repeat",
        "alter",
        "refuse",
        "misdirect",
        "unescape",
        "truncate",
        "strip",
        "set",
        "as_first",
    ]
    side: Literal["calls", "updates"] = "calls"
    method: str = r"(?i)(?!sendchataction)(send|editmessagetext|copymessage).*"
    text: str = ""
    door: Literal["", "polling", "webhook"] = ""
    every: int = 1
    after: int = 0
    seconds: float = 0.0
    find: str = ""
    put: str = ""
    lines: int = 1
    fields: tuple[str, ...] = ()
    values: dict[str, Any] = {}


_NEEDS: Mapping[str, str] = {
    "delay": "seconds",
    "alter": "find",
    "strip": "fields",
    "set": "values",
}
_OF_CALLS = frozenset({"misdirect", "unescape", "truncate", "strip", "set"})
_OF_PARAMS = _OF_CALLS | {"alter"}
"""What is done to the parameters of a call."""


def read_wires(path: Path) -> tuple[Wire, ...]:
    """Return the wires of a JSON file: a list of objects. WireError says what is wrong with it."""
    try:
        wires = msgspec.json.decode(path.read_bytes(), type=tuple[Wire, ...])
    except OSError as error:
        raise WireError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise WireError(f"{path}: {error}") from error
    try:
        check_wires(wires)
    except WireError as error:
        raise WireError(f"{path}: {error}") from error
    return wires


def check_wires(wires: Sequence[Wire]) -> None:
    """WireError for the first that cannot be what it says."""
    for wire in wires:
        problem = _problem(wire)
        if problem:
            raise WireError(f"{wire.kind}: {problem}")


def _problem(wire: Wire) -> str:
    needed = _NEEDS.get(wire.kind, "")
    if needed and not getattr(wire, needed):
        return f"needs `{needed}`"
    if wire.kind in _OF_CALLS and wire.side != "calls":
        return 'is for side = "calls"'
    if wire.kind == "as_first" and wire.side != "updates":
        return 'is for side = "updates"'
    if wire.every < 1:
        return f"`every` is {wire.every}; it must be at least 1"
    for pattern in (wire.method, wire.text, wire.find):
        try:
            re.compile(pattern)
        except re.error as error:
            return f"{pattern!r} is no regular expression: {error}"
    return ""


@dataclass(slots=True)
class _Passing:
    """What a wire remembers: how many it has met, who is first, which chat was written to."""

    wire: Wire
    met: int = 0
    altered: bool = False

    def meets(self) -> bool:
        """Count one more that fits; whether it is one of those that something happens to."""
        self.met += 1
        number = self.met - 1 - self.wire.after
        return number >= 0 and number % self.wire.every == 0


class Wires:
    """All wires before one double. `is_webhook` tells whether a bot's updates go to a webhook,
    `note` is told once of each wire that it has altered something."""

    def __init__(
        self,
        wires: Sequence[Wire],
        handle: Handler,
        is_webhook: Callable[[str], bool],
        note: Callable[[str, Mapping[str, object]], None],
    ) -> None:
        self._calls = [_Passing(wire) for wire in wires if wire.side == "calls"]
        self._updates = [_Passing(wire) for wire in wires if wire.side == "updates"]
        self._handle = handle
        self._is_webhook = is_webhook
        self._note = note
        self._first: object = None
        self._chats: list[object] = []
        self._invented = 900_000_000

    def _tell(self, passing: _Passing) -> None:
        if not passing.altered:
            passing.altered = True
            self._note("altered", {"what": passing.wire.kind, "side": passing.wire.side})

    # -- calls of the bot ------------------------------------------------------------------------

    def handle(self, request: Request) -> AnyResponse | Awaitable[AnyResponse]:
        """In place of the double's own handler."""
        if request.path.startswith("/bot") and (self._calls or self._updates):
            return self._call(request)
        return self._handle(request)

    async def _call(self, request: Request) -> AnyResponse:
        token, _, method = request.path[4:].partition("/")
        try:
            params = dict(read_params(request))
        except BadBodyError:
            return await self._through(request)
        method = method or str(params.get("method", ""))
        chat = params.get("chat_id")
        if chat is not None and chat not in self._chats[-1:]:
            self._chats = [*self._chats[-1:], chat]
        for passing in self._calls:
            if self._fits(passing.wire, token, method, params) and passing.meets():
                return await self._wrong(passing, request, token, method, params)
        answer = await self._through(request)
        if method.lower() == "getupdates" and self._updates:
            return await self._given(token, answer)
        return answer

    def _fits(self, wire: Wire, token: str, method: str, params: Mapping[str, object]) -> bool:
        said = str(params.get("text", params.get("caption", "")))
        return (
            re.fullmatch(wire.method, method) is not None
            and re.search(wire.text, said) is not None
            and self._is_door(wire, token)
        )

    def _is_door(self, wire: Wire, token: str) -> bool:
        return not wire.door or (wire.door == "webhook") == self._is_webhook(token)

    async def _wrong(
        self,
        passing: _Passing,
        request: Request,
        token: str,
        method: str,
        params: dict[str, object],
    ) -> AnyResponse:
        wire = passing.wire
        if wire.kind in _OF_PARAMS:
            altered = self._altered(wire, params)
            if altered != params and (other := _with(request, token, method, params, altered)):
                self._tell(passing)
                request = other
            return await self._through(request)
        self._tell(passing)
        match wire.kind:
            case "drop":
                return self._invent(params)
            case "delay":
                await asyncio.sleep(wire.seconds)
            case "repeat":
                await self._through(request)
            case "refuse":
                await self._through(request)
                refused = {"ok": False, "error_code": 502, "description": "Bad Gateway"}
                return json_response(refused, 502)
        return await self._through(request)

    def _altered(self, wire: Wire, params: dict[str, object]) -> dict[str, object]:
        if wire.kind == "strip":
            return {key: value for key, value in params.items() if key not in wire.fields}
        if wire.kind == "set":
            return {**params, **wire.values}
        if wire.kind == "misdirect":
            return {**params, "chat_id": self._chats[0] if self._chats else params.get("chat_id")}
        name = "text" if "text" in params else "caption"
        said = str(params.get(name, ""))
        if wire.kind == "unescape":
            said = html.unescape(said)
        elif wire.kind == "truncate":
            said = "\n".join(said.rstrip().split("\n")[: -wire.lines]) or said[: len(said) // 2]
        else:
            said = re.sub(wire.find, wire.put, said)
        return {**params, name: said}

    def _invent(self, params: Mapping[str, object]) -> Response:
        """Return what Telegram would have answered to a message that it never got."""
        self._invented += 1
        message = {
            "message_id": self._invented,
            "date": int(time.time()),
            "chat": {"id": params.get("chat_id"), "type": "private"},
            "text": params.get("text", ""),
        }
        return json_response({"ok": True, "result": message})

    async def _through(self, request: Request) -> AnyResponse:
        answer = self._handle(request)
        return answer if isinstance(answer, AnyResponse) else await answer

    # -- updates to the bot ----------------------------------------------------------------------

    async def _given(self, token: str, answer: AnyResponse) -> AnyResponse:
        """Return the answer of getUpdates with what goes wrong with updates in it."""
        if not isinstance(answer, Response) or answer.status != _ACCEPTED:
            return answer
        given = msgspec.json.decode(answer.body)
        updates: list[Any] = []
        for update in given["result"]:
            updates += await self._update(token, update)
        return replace(answer, body=msgspec.json.encode({**given, "result": updates}))

    async def post(self, post: Post) -> tuple[Post, ...]:
        """Return the posts to a webhook that become of one; none where it is lost on its way."""
        updates = await self._update(post.token, msgspec.json.decode(post.body))
        return tuple(replace(post, body=msgspec.json.encode(update)) for update in updates)

    def outcome(self, post: Post, outcome: Outcome) -> Outcome:
        """Return what Telegram takes the webhook's answer for."""
        for passing in self._updates:
            wire = passing.wire
            if wire.kind == "refuse" and self._is_door(wire, post.token) and passing.meets():
                self._tell(passing)
                return Outcome(status=502, reason="Bad Gateway")
        return outcome

    async def _update(self, token: str, update: dict[str, Any]) -> list[dict[str, Any]]:
        for passing in self._updates:
            wire = passing.wire
            if wire.kind == "refuse" or not self._is_door(wire, token):
                continue
            encoded = msgspec.json.encode(update).decode()
            if re.search(wire.text, encoded) is None or not passing.meets():
                continue
            match wire.kind:
                case "drop":
                    self._tell(passing)
                    return []
                case "delay":
                    self._tell(passing)
                    await asyncio.sleep(wire.seconds)
                case "repeat":
                    self._tell(passing)
                    # Under an id below its own: a bot that asks for what follows misses nothing.
                    twin = {**update, "update_id": update["update_id"] - _FORGED_IDS_BELOW}
                    return [twin, update]
                case _:
                    altered = (
                        msgspec.json.decode(re.sub(wire.find, wire.put, encoded))
                        if wire.kind == "alter"
                        else self._as_first(update)
                    )
                    if altered != update:
                        self._tell(passing)
                    update = altered
        return [update]

    def _as_first(self, update: dict[str, Any]) -> dict[str, Any]:
        for name, event in update.items():
            if isinstance(event, dict) and isinstance(event.get("from"), dict):
                sender = event["from"]
                self._first = self._first or sender.get("id")
                return {**update, name: {**event, "from": {**sender, "id": self._first}}}
        return update


def _with(
    request: Request,
    token: str,
    method: str,
    before: Mapping[str, object],
    params: Mapping[str, object],
) -> Request | None:
    """Return the same call with other parameters; None for one that brings files."""
    if isinstance(before, Form) or any(not _is_plain(value) for value in params.values()):
        return None
    return replace(
        request,
        path=f"/bot{token}/{method}",
        query={},
        raw_query="",
        headers={"content-type": "application/json"},
        body=msgspec.json.encode(params),
    )


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, (str, int, float, bool, list, dict))
