"""The harness's side of the doubles: their control interface, and their transcript as events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

import httpx

from botproof import history
from botproof.history import Event
from botproof.targets.failures import Failure
from botproof.targets.launch import BrokenHarnessError
from botproof.targets.recorder import Recorder

_POLL_S = 10.0
INTERNAL_ERROR = "internal_error"


class DoubleControl:
    """Speaks to one double under `/_double`. Raises BrokenHarnessError when it does not answer."""

    def __init__(self, name: str, url: str, client: httpx.AsyncClient) -> None:
        self.name = name
        self.url = url
        self._client = client

    async def inject(self, token: str, payload: Mapping[str, Any]) -> int:
        """Queue an update for the bot; its update_id, 0 when the bot takes none of its kind."""
        result = await self._ask("POST", f"/bots/{token}/updates", json=payload)
        return int(result["update_id"] or 0)

    async def act(self, token: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what a person does, and tell what Telegram made of it: `update_id` (None when the bot
        takes no such updates), `message_id`, ids of queries."""
        made: Mapping[str, Any] = await self._ask("POST", f"/bots/{token}/updates", json=payload)
        return made

    async def bot(self, token: str) -> Mapping[str, Any]:
        """Return who the bot with this token is: the User object of `getMe`.

        Raises BrokenHarnessError where the double knows none.
        """
        await self._ask("GET", f"/bots/{token}/chats")  # from here on it is known there
        for known in await self._ask("GET", "/bots"):
            if known["token"] == token:
                user: Mapping[str, Any] = known["user"]
                return user
        text = f"{self.name}: knows no bot with the token of botproof.toml"
        raise BrokenHarnessError(text, Failure.DOUBLE_REFUSED)

    async def move_clock(self, seconds: float) -> None:
        """Let the double's time pass, so that what it wants to do later is due."""
        await self._ask("POST", "/clock", json={"advance": seconds})

    async def make_chat(self, token: str, chat: Mapping[str, Any]) -> None:
        """Let a chat be there, so that the bot may write to it before anybody has."""
        await self._ask("POST", f"/bots/{token}/chats", json=chat)

    async def messages(self, token: str, chat_id: int) -> Sequence[Mapping[str, Any]]:
        """Return the messages of a chat as its people see them, the oldest first; none
        of one that is not there yet."""
        if chat_id not in [each["id"] for each in await self._ask("GET", f"/bots/{token}/chats")]:
            return []
        chat = await self._ask("GET", f"/bots/{token}/chats/{chat_id}/messages")
        found: Sequence[Mapping[str, Any]] = chat["messages"]
        return found

    async def set_webhook(self, token: str, url: str, secret: str) -> None:
        """Register a webhook at Telegram, as an operator does by hand.

        Raises BrokenHarnessError when it is refused.
        """
        fields = {"url": url, **({"secret_token": secret} if secret else {})}
        response = await self._client.post(f"{self.url}/bot{token}/setWebhook", json=fields)
        if response.status_code != httpx.codes.OK:
            text = f"setWebhook {url}: {response.text[:300]}"
            raise BrokenHarnessError(text, Failure.DOUBLE_REFUSED)

    async def add_fault(self, fault: Mapping[str, Any]) -> Any:
        """Program a fault; what the double says of it (its id)."""
        return await self._ask("POST", "/faults", json=fault)

    async def remove_fault(self, number: int) -> None:
        """Take back one fault, by its id."""
        await self._ask("DELETE", f"/faults/{number}")

    async def clear_faults(self) -> None:
        """Take back every fault."""
        await self._ask("DELETE", "/faults")

    @contextlib.asynccontextmanager
    async def with_faults(self, faults: Iterable[Mapping[str, Any]]) -> AsyncIterator[None]:
        """Program `faults`, and take every fault back when the block is left."""
        programmed = False
        try:
            for fault in faults:
                programmed = True
                await self.add_fault(fault)
            yield
        finally:
            if programmed:
                await self.clear_faults()

    async def transcript(self, after: int, wait_s: float) -> Mapping[str, Any]:
        """Return events after sequence number `after`; waits up to `wait_s` for the first one."""
        page: Mapping[str, Any] = await self._ask(
            "GET",
            "/transcript",
            params={"after": after, "timeout": wait_s},
            timeout=wait_s + 10,
        )
        return page

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        url = f"{self.url}/_double{path}"
        try:
            response = await self._client.request(method, url, **options)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            text = f"{self.name}: {method} {path}: {reason}"
            raise BrokenHarnessError(text, Failure.DOUBLE_SILENT) from error
        if response.status_code != httpx.codes.OK:
            raise BrokenHarnessError(
                f"{self.name}: {method} {path}: HTTP {response.status_code} {response.text[:300]}",
                Failure.DOUBLE_REFUSED,
            )
        return response.json()["result"]


class FailedInsideError(BrokenHarnessError):
    """A double could be read well enough to say that something in it does not work."""


class Follower:
    """Reads a double's transcript while the run goes on and records it, nothing left out."""

    def __init__(
        self, control: DoubleControl, recorder: Recorder, labels: Mapping[str, str]
    ) -> None:
        self._control = control
        self._recorder = recorder
        self._labels = dict(labels)
        self._after = 0
        self._task: asyncio.Task[None] | None = None

    def start(self, on_failure: Callable[[Exception], None]) -> None:
        """Begin to read. `on_failure` is told when the double cannot be read any more, or says that
        it failed inside: its answers are worth nothing then, and neither is a verdict."""

        async def follow() -> None:
            try:
                while True:
                    await self._read(_POLL_S)
            except BrokenHarnessError as error:
                on_failure(error)

        self._task = asyncio.create_task(follow())

    async def finish(self) -> None:
        """Read what is left, then stop. Raises BrokenHarnessError for what went wrong with it."""
        await self.cancel()
        broken: BrokenHarnessError | None = None
        while True:
            try:
                if not await self._read(0):
                    break
            except FailedInsideError as error:
                broken = broken or error  # what comes after it is recorded all the same
        if broken is not None:
            raise broken

    async def cancel(self) -> None:
        """Stop reading at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _read(self, wait_s: float) -> int:
        page = await self._control.transcript(self._after, wait_s)
        events = page["events"]
        expected = self._after
        self._after = page["next"]
        for raw in events:
            expected += 1
            if raw.get("seq", expected) != expected and not page.get("dropped"):
                raise BrokenHarnessError(
                    f"{self._control.name}: event {expected} of its record never came, "
                    f"but event {raw['seq']} did",
                    Failure.RECORD_LOST,
                )
            self._recorder.record(to_event(raw, self._control.name, self._labels))
        if page.get("dropped"):
            raise BrokenHarnessError(
                f"{self._control.name}: {page['dropped']} events of its record were lost; "
                "the harness reads too slowly",
                Failure.RECORD_LOST,
            )
        self._raise_internal([raw for raw in events if raw.get("type") == INTERNAL_ERROR])
        return len(events)

    def _raise_internal(self, failures: Sequence[Mapping[str, Any]]) -> None:
        if failures:
            first = failures[0]
            more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
            raise FailedInsideError(
                f"{self._control.name} failed inside on {first.get('where')}: "
                f"{first.get('error')} at {first.get('at')}{more}; its log has the traceback",
                Failure.DOUBLE_FAILED,
            )


def to_event(raw: Mapping[str, Any], double: str, labels: Mapping[str, str]) -> Event:
    """Return one entry of a double's transcript as an event of the history."""
    make = _EVENTS.get(str(raw.get("type")), _other)
    return make(raw, double, {"t": float(raw["t"]), **labels})


def _inject(raw: Mapping[str, Any], _: str, common: Mapping[str, Any]) -> Event:
    return history.UpdateInjected(update_id=raw["update_id"], update=raw["update"], **common)


def _call(raw: Mapping[str, Any], _: str, common: Mapping[str, Any]) -> Event:
    keys = ("params", "status", "result", "error_code", "description", "duration_s")
    given = {key: raw[key] for key in keys if raw.get(key) is not None}
    return history.BotApiCall(method=raw["method"], **given, **common)


def _deliver(raw: Mapping[str, Any], _: str, common: Mapping[str, Any]) -> Event:
    return history.UpdateDelivered(
        update_id=raw["update_id"],
        door=raw.get("door", ""),
        attempt=raw.get("attempt", 1),
        status=raw.get("status"),
        error=raw.get("error"),
        duration_s=raw.get("duration_s") or 0.0,
        **common,
    )


def _confirm(raw: Mapping[str, Any], _: str, common: Mapping[str, Any]) -> Event:
    ids = raw.get("update_ids", raw.get("update_id", []))
    numbers = tuple(ids) if isinstance(ids, list) else (ids,)
    return history.UpdateConfirmed(update_ids=numbers, door=raw.get("door", ""), **common)


def _venue_call(raw: Mapping[str, Any], _: str, common: Mapping[str, Any]) -> Event:
    return history.VenueCall(
        venue=raw.get("venue", ""),
        path=raw.get("path", ""),
        query=raw.get("query"),
        status=raw.get("status"),
        duration_s=raw.get("duration_s") or 0.0,
        own_s=raw.get("own_s") or 0.0,
        unserved=raw.get("unserved") or "",
        carried=raw.get("carried") or {},
        **common,
    )


def _other(raw: Mapping[str, Any], double: str, common: Mapping[str, Any]) -> Event:
    detail = {key: value for key, value in raw.items() if key not in ("t", "seq", "type")}
    return history.DoubleEvent(double=double, kind=str(raw.get("type")), detail=detail, **common)


_EVENTS: Mapping[str, Callable[[Mapping[str, Any], str, Mapping[str, Any]], Event]] = {
    "inject": _inject,
    "call": _call,
    "deliver": _deliver,
    "confirm": _confirm,
    "venue_call": _venue_call,
}
