"""One Telegram double: the machine of the Bot API with its time, its transcript and its faults."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from random import SystemRandom
from typing import TYPE_CHECKING

from msgspec import Raw

from botproof.doubles.kit.clock import Clock, Timer
from botproof.doubles.kit.control import json_body
from botproof.doubles.kit.transcript import TRANSCRIPT_BYTES, Transcript
from botproof.doubles.messages import Request, Response, Transport
from botproof.doubles.telegram import fetch
from botproof.doubles.telegram.context import Abort, Effect, LateReply, Note, Post, Settings
from botproof.doubles.telegram.faults import CALL_KINDS, FaultKind, Faults, TelegramFault
from botproof.doubles.telegram.machine import Machine
from botproof.doubles.telegram.params import BadBodyError, read_params, shown
from botproof.doubles.telegram.replies import Later, Reply

if TYPE_CHECKING:
    from botproof.doubles.telegram.delivery import Delivered, Deliverer
    from botproof.doubles.telegram.wire import Wires

log = logging.getLogger(__name__)

_RESTART = Reply(500, description="Internal Server Error: restart")


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a bot while it is answered."""

    token: str
    method: str
    params: Mapping[str, object]
    started: float


class Double:
    """One double without its routes: machine, time, transcript, deliveries and faults."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        transcript_bytes: int = TRANSCRIPT_BYTES,
        webhook_tls: ssl.SSLContext | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.machine = _machine(self.settings)
        self.clock = Clock()
        self.transcript = Transcript(transcript_bytes)
        self._webhook_tls = webhook_tls
        self._made_deliverer: Deliverer | None = None
        self.wires: Wires | None = None
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._timer: Timer | None = None

    async def close(self) -> None:
        """End deliveries and timers."""
        self.clock.close()
        if self._made_deliverer is not None:
            await self._made_deliverer.close()

    @property
    def faults(self) -> Faults:
        """What is to go wrong."""
        return self.machine.faults

    def program(self, body: bytes) -> tuple[int, TelegramFault]:
        """Program a fault; return its number, and it. Raises ControlError."""
        return self.faults.add(json_body(body))

    def health(self) -> Mapping[str, object]:
        """Return that it listens."""
        return {"status": "listening"}

    async def reset(self) -> None:
        """Be as just started: no bots, no faults, no record, the clock at real time."""
        for waiting in self._waiting.values():
            if not waiting.done():  # its client may have gone a moment ago
                waiting.set_result(_RESTART)
        self._waiting.clear()
        self._drop_posts()
        self.machine = _machine(self.settings)
        self.clock.close()
        self.clock = Clock()
        self._timer = None
        self.transcript.clear()

    def set_strict(self, *, strict_unknowns: bool) -> None:
        """Set whether what would be made up fails with 501; also after a reset."""
        self.settings = replace(self.settings, strict_unknowns=strict_unknowns)
        self.machine.set_strict(strict_unknowns=strict_unknowns)

    def _drop_posts(self) -> None:
        for bot in self.machine.bots.values():
            for number in bot.webhook.under_way if bot.webhook is not None else ():
                self._deliverer().abort(number)

    def _deliverer(self) -> Deliverer:
        """Made when a webhook is set: its HTTP client takes 13 MB that polling bots never need."""
        if self._made_deliverer is None:
            from botproof.doubles.telegram.delivery import Deliverer  # noqa: PLC0415 - see above

            self._made_deliverer = Deliverer(self._delivered, self._webhook_tls, self.wires)
        return self._made_deliverer

    def has_webhook(self, token: str) -> bool:
        """Tell whether a bot's updates go to a webhook."""
        bot = self.machine.bots.get(token)
        return bot is not None and bot.webhook is not None

    def note(self, kind: str, token: str, fields: Mapping[str, object]) -> None:
        """Write an event of one bot into the transcript."""
        self.transcript.add(kind, {"token": token, **fields})

    # -- requests --------------------------------------------------------------------------------

    def download(self, path: str) -> Response:
        """Answer `/file/bot<token>/<path>`."""
        token, _, name = path.removeprefix("/file/bot").partition("/")
        file = self.machine.file(self.machine.token_of(token), name)
        if file is None:
            return not_found()
        return Response(body=file.data, content_type="application/octet-stream")

    def api(self, request: Request, path: str) -> Response | Awaitable[Response]:
        """Answer a call of the Bot API; those that need no waiting are answered without a task."""
        given, _, method = path[4:].partition("/")
        token = self.machine.token_of(given)
        started = time.monotonic()
        try:
            params = read_params(request)
        except BadBodyError as error:
            call = _Call(token, method, {}, started)
            return self._answered(call, Reply(error.status, description=str(error)))
        call = _Call(token, method or str(params.get("method", "")), params, started)
        if fetch.needed(call.method, params):
            return self._fetched(call)
        return self._called(call)

    async def _fetched(self, call: _Call) -> Response:
        """Answer a call with files by URL: they are fetched first, as the real server does."""
        try:
            params = await fetch.files(call.params)
        except BadBodyError as error:
            return self._answered(call, Reply(error.status, description=str(error)))
        answer = self._called(replace(call, params=params))
        return answer if isinstance(answer, Response) else await answer

    def _called(self, call: _Call) -> Response | Awaitable[Response]:
        struck = self._fault(call)
        if struck is not None:
            return self._faulty(call, *struck)
        reply = self._run(call)
        if isinstance(reply, Later):
            return self._wait(call, reply)
        return self._answered(call, reply)

    def _run(self, call: _Call) -> Reply | Later:
        reply = self.machine.call(call.token, call.method, call.params, self.clock.now())
        if isinstance(reply, Later):
            # At once: an update that comes in before the task of this call starts answers it.
            self._waiting[reply.ticket] = asyncio.get_running_loop().create_future()
        self.carry_out()
        return reply

    async def _wait(self, call: _Call, later: Later) -> Response:
        return self._answered(call, await self._later(call, later))

    async def _later(self, call: _Call, later: Later) -> Reply:
        waiting = self._waiting.get(later.ticket)
        if waiting is None:
            return _RESTART
        try:
            return await waiting
        except asyncio.CancelledError:
            self.machine.hang_up(call.token, later.ticket)
            self.carry_out()
            raise
        finally:
            self._waiting.pop(later.ticket, None)

    def _answered(self, call: _Call, reply: Reply) -> Response:
        encoded = reply.encoded()
        said = {"result": Raw(encoded)} if reply.is_ok else _refusal(reply)
        self._note_call(call, reply.status, said)
        return _respond(reply, encoded)

    def _note_call(self, call: _Call, status: int | None, said: Mapping[str, object]) -> None:
        """Write a call into the transcript."""
        fields = {"method": call.method, "params": shown(call.params), "status": status, **said}
        fields["duration_s"] = time.monotonic() - call.started
        self.note("call", call.token, fields)

    # -- faults ----------------------------------------------------------------------------------

    def _fault(self, call: _Call) -> tuple[int, TelegramFault] | None:
        if not self.faults:
            return None
        chat_id = call.params.get("chat_id")
        if isinstance(chat_id, str) and chat_id.lstrip("-").isdigit():
            chat_id = int(chat_id)
        number = chat_id if isinstance(chat_id, int) else None
        return self.faults.hit(CALL_KINDS, call.method.lower(), number)

    async def _faulty(self, call: _Call, number: int, fault: TelegramFault) -> Response:
        fields = {"fault": number, "kind": fault.kind.value, "method": call.method}
        self.note("fault", call.token, fields)
        if fault.kind is FaultKind.ERROR:
            return self._answered(call, _programmed(fault))
        if fault.kind in {FaultKind.RESET, FaultKind.SILENT}:
            self._note_call(call, None, {})
            return Response(transport=Transport(fault.kind.value))
        if fault.kind is FaultKind.LATE:
            await self._hold(call, fault.seconds)
        reply = self._run(call)
        if fault.kind is FaultKind.DELAY:
            await self._delay(call, reply, fault.seconds)
        if isinstance(reply, Later):
            reply = await self._later(call, reply)
        response = self._answered(call, reply)
        return replace(response, transport=_TRANSPORTS[fault.kind])

    async def _hold(self, call: _Call, seconds: float) -> None:
        """Hold a call back before it takes effect; of one whose caller goes away that is in the
        record."""
        try:
            await self.clock.sleep(seconds)
        except asyncio.CancelledError:
            self._note_call(call, None, {})
            raise

    async def _delay(self, call: _Call, reply: Reply | Later, seconds: float) -> None:
        """Hold an answer back; the record keeps what took effect though its caller goes away."""
        try:
            await self.clock.sleep(seconds)
        except asyncio.CancelledError:
            if isinstance(reply, Reply):
                self._answered(call, reply)
            raise

    # -- effects and time ------------------------------------------------------------------------

    def carry_out(self) -> None:
        """Do what the machine wants done."""
        for effect in self.machine.take_effects():
            self._do(effect)
        if self.machine.timers_moved():
            self._set_timer()

    def _do(self, effect: Effect) -> None:
        match effect:
            case Note(token, kind, fields):
                self.note(kind, token, fields)
                if kind == "webhook_set":
                    self._deliverer()  # now, so that the first delivery has not to wait for it
            case Post():
                self._deliverer().start(effect)
            case LateReply(ticket, reply):
                waiting = self._waiting.get(ticket)
                if waiting is not None and not waiting.done():
                    waiting.set_result(reply)
            case Abort(number):
                self._deliverer().abort(number)

    def _set_timer(self) -> None:
        """Be woken when something is due. Too early does no harm, so a timer is kept if it can."""
        due = self.machine.next_wakeup()
        if due is None or (self._timer is not None and self._timer.due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.clock.at(due, self._wake)

    def _wake(self) -> None:
        self._timer = None
        try:
            self.machine.wake(self.clock.now())
            self._set_timer()
            self.carry_out()
        except Exception as error:  # whatever it is, the record must tell it
            self._failed_inside(error)

    def _delivered(self, delivered: Delivered) -> None:
        try:
            self._settle(delivered)
        except Exception as error:  # as in _wake
            self._failed_inside(error)

    def _failed_inside(self, error: Exception) -> None:
        log.error("the double failed outside of any request", exc_info=error)
        self.transcript.note_failure(None, error)

    def _settle(self, delivered: Delivered) -> None:
        post, outcome = delivered.post, delivered.outcome
        fields: dict[str, object] = {
            "update_id": post.update_id,
            "attempt": post.attempt,
            "door": "webhook",
            "status": outcome.status,
            "duration_s": delivered.duration_s,
        }
        if outcome.error:
            fields["error"] = outcome.error
        started = time.monotonic()
        self.note("deliver", post.token, fields)
        called = self.machine.settle(
            post.token, post.number, outcome, delivered.answer, self.clock.now()
        )
        if called is not None:
            self._note_answer_call(post.token, called, delivered.answer, started)
        self.carry_out()

    def _note_answer_call(
        self,
        token: str,
        called: tuple[str, Reply | Later],
        answer: Mapping[str, object],
        started: float,
    ) -> None:
        """Note a method that the webhook called in its answer: nobody sees the reply
        but the record."""
        method, reply = called
        if isinstance(reply, Reply):
            said = {"result": reply.result} if reply.is_ok else _refusal(reply)
            params = {name: value for name, value in answer.items() if name != "method"}
            said = {**said, "via": "webhook answer"}
            call = _Call(token, method, params, started)
            self._note_call(call, reply.status, said)


def _machine(settings: Settings) -> Machine:
    """Return a machine; without a seed one that no bot has met: it may have kept the
    ids of updates."""
    if settings.seed is not None:
        return Machine(settings)
    return Machine(replace(settings, seed=SystemRandom().getrandbits(32)))


_TRANSPORTS = {
    FaultKind.DELAY: Transport.NORMAL,
    FaultKind.LATE: Transport.NORMAL,
    FaultKind.HALF_BODY: Transport.HALF_BODY,
    FaultKind.LOST_ANSWER: Transport.RESET,
}


def _refusal(reply: Reply) -> dict[str, object]:
    return {"error_code": reply.status, "description": reply.description}


def _programmed(fault: TelegramFault) -> Reply:
    parameters = None if fault.retry_after is None else {"retry_after": fault.retry_after}
    said = fault.description or _DESCRIPTIONS.get(fault.error_code, "Internal Server Error")
    if fault.description is None and fault.retry_after is not None:
        said = f"{said}: retry after {fault.retry_after}"
    return Reply(fault.error_code, description=said, parameters=parameters)


_DESCRIPTIONS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def not_found() -> Response:
    """Return the Bot API's answer to an address that is nothing's."""
    return _respond(Reply(404, description="Not Found"))


def _respond(reply: Reply, encoded: bytes = b"null") -> Response:
    body = reply.body(encoded)
    if reply.parameters and "retry_after" in reply.parameters:
        headers = {"Retry-After": str(reply.parameters["retry_after"])}
        return Response(reply.status, body, headers=headers)
    return Response(reply.status, body)
