"""The webhook door: Telegram posts an update, and gets 200 only after the inbox has it durably."""

import asyncio
import hmac
import logging
from collections.abc import Iterable
from typing import Final

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from telegram import WebhookInfo
from telegram.error import EndPointNotFound, InvalidToken, TelegramError
from telegram.ext import ExtBot

from reference_bot.telegram_bot.backoff import Backoff
from reference_bot.telegram_bot.doors.intake import Intake
from reference_bot.telegram_bot.doors.registration import Registration
from reference_bot.telegram_bot.doors.rivals import RIVAL_PAUSE, RivalError, Rivals
from reference_bot.telegram_bot.health import Readiness
from reference_bot.telegram_bot.inbox import InboxUnavailableError, Update, UpdateRefusedError
from reference_bot.telegram_bot.metrics import Metrics
from reference_bot.telegram_bot.telegram_api import ALLOWED_UPDATES, seconds_to_wait
from reference_bot.telegram_bot.update import NotAnUpdateError, read_body

PART: Final = "webhook"
DELIVERIES: Final = "deliveries"
SECRET_HEADER: Final = "x-telegram-bot-api-secret-token"  # noqa: S105 - only a name
MAX_BODY: Final = 1024 * 1024
_CHECK_SECONDS: Final = 5.0
_HOLD_SECONDS: Final = 25.0
"""How long an update waits here for this instance's turn. The one before it ends within 20 s, and
Telegram's server waits 60 s for an answer (`create_connection` of its WebhookActor.cpp)."""

_log = logging.getLogger(__name__)


def secret_matches(expected: str, given: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogatepass"))


def refuse_secret(expected: str, given: str | None) -> tuple[int, str] | None:
    """Return the status and reason to refuse with, or None when ``given`` is right."""
    if given is None:
        return 401, "the header X-Telegram-Bot-Api-Secret-Token is missing"
    if not secret_matches(expected, given):
        return 403, "the header X-Telegram-Bot-Api-Secret-Token is wrong"
    return None


class BodyRefusedError(Exception):
    """The body cannot be taken in; ``status`` is what to answer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def parse_body(body: bytes, intake: Intake) -> Update:
    """Return the update in a request's body. Raises BodyRefusedError (400)."""
    try:
        return read_body(body)
    except NotAnUpdateError as error:
        intake.refuse()
        raise BodyRefusedError(400, str(error)) from error
    except (ValueError, RecursionError) as error:
        raise BodyRefusedError(400, "the body is no update: it is not JSON") from error


_TAKEN: Final = Response()
"""The same for every update that was taken: made once, and empty, so that it leaves in one packet.
Telegram looks at the status; a body would be a call of the Bot API."""


class WebhookDoor:
    """The endpoint, and the registration at Telegram that leads there."""

    def __init__(
        self,
        bot: ExtBot[None],
        intake: Intake,
        readiness: Readiness,
        metrics: Metrics,
        *,
        url: str,
        secret: str,
        max_connections: int,
    ) -> None:
        self._bot = bot
        self._intake = intake
        self._readiness = readiness
        self._metrics = metrics
        self._rivals = Rivals()
        self._left_alone = False
        self._set = False
        self._registration = Registration(url, max_connections)
        self._url = url
        self._secret = secret
        self._max_connections = max_connections
        readiness.expect(PART)

    async def endpoint(self, scope: Scope, receive: Receive, send: Send) -> None:
        """``POST /webhook`` as an ASGI application: a framework would cost more than all of it."""
        if scope["method"] != "POST":
            answer = _no(405, "Telegram calls this with POST", {"Allow": "POST"})
        else:
            answer = await self._answer(_secret_in(scope), receive)
        await answer(scope, receive, send)

    async def _answer(self, secret: str | None, receive: Receive) -> Response:
        refused = refuse_secret(self._secret, secret)
        self._registration.called(refused=refused is not None)
        if refused is not None:
            self._metrics.secrets_refused.inc()
            _log.warning("a call of the webhook was refused: %s", refused[1])
            return _no(*refused)
        try:
            update = parse_body(await _read(receive), self._intake)
            await self._readiness.turn(_HOLD_SECONDS)
            await self._intake.take([update])
        except BodyRefusedError as error:
            return _no(error.status, str(error))
        except UpdateRefusedError as error:
            return _no(400, f"the update cannot be kept: {error}")
        except InboxUnavailableError:
            return _no(503, "the update could not be kept: send it again", {"Retry-After": "1"})
        return _TAKEN

    async def run(self) -> None:
        """Set the webhook, and again whenever Telegram has lost it; what is pending is kept."""
        backoff = Backoff()
        while True:
            try:
                await self._keep_set()
            except RivalError as error:
                self._left_alone = True
                self._readiness.set(PART, str(error))
                _log.error("%s", error)
                await asyncio.sleep(RIVAL_PAUSE)
            except Exception as error:  # whatever Telegram answers: no crash loop
                reason = _reason(error)
                self._readiness.set(PART, reason)
                wait = backoff.next(seconds_to_wait(error))
                _log.warning("%s; next try in %.2f s", reason, wait)
                await asyncio.sleep(wait)
            else:
                self._readiness.set(PART, None)
                backoff.reset()
                await asyncio.sleep(_CHECK_SECONDS)

    async def _keep_set(self) -> None:
        if self._set:
            info = await self._look()
            wrong = self._registration.wrong(info)
            if wrong is not None:
                self._contend(wrong)
            elif self._registration.moved(info):
                self._rivals.check(f"the webhook is bound to the address {info.ip_address}")
                _log.info(
                    "Telegram calls another address: set again", extra={"to": info.ip_address}
                )
            else:
                return
            self._left_alone = False
        await self._bot.set_webhook(
            self._url,
            secret_token=self._secret,
            max_connections=self._max_connections,
            allowed_updates=list(ALLOWED_UPDATES),
            drop_pending_updates=False,
        )
        self._set = True
        self._registration.was_set()
        await self._look()  # at once: what is told now is what this bot has set

    def _contend(self, wrong: str) -> None:
        """Note that somebody else has set it: raise RivalError when that was put right
        too often."""
        self._metrics.conflicts.inc()
        if self._readiness.known(PART) is None:
            _log.warning("the webhook was changed by somebody else: %s", wrong)
            self._rivals.check(wrong)
            self._rivals.note()
        elif self._left_alone:
            self._rivals.check(wrong)

    async def _look(self) -> WebhookInfo:
        """Return what Telegram tells of the webhook, noted in log, metrics and readiness."""
        info = await self._bot.get_webhook_info()
        known = self._registration
        self._metrics.pending.set(info.pending_update_count)
        for said in known.news(info):
            self._metrics.webhook_errors.inc()
            _log.warning("%s", said, extra={"pending": info.pending_update_count})
        self._readiness.set(DELIVERIES, known.trouble(info))
        bound = known.strange_address(info)
        if bound is not None:
            self._metrics.conflicts.inc()
            self._rivals.note()
            _log.warning("somebody else had bound the webhook to the address %s", bound)
        return info


async def _read(receive: Receive) -> bytes:
    """Return the body, and never more than MAX_BODY of it in memory."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyRefusedError(400, "the body ended early")
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise BodyRefusedError(413, f"the body is over {MAX_BODY} bytes: no update is")
        if not message.get("more_body", False):
            return bytes(body)


def _secret_in(scope: Scope) -> str | None:
    wanted = SECRET_HEADER.encode()
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for name, value in headers if name == wanted), None)


def _no(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"ok": False, "error": reason}, status_code=status, headers=headers)


def _reason(error: Exception) -> str:
    if not isinstance(error, TelegramError):
        _log.error("Telegram gave an answer that cannot be read", exc_info=error)
        return "the webhook is not set: Telegram gave an answer that cannot be read"
    if isinstance(error, InvalidToken | EndPointNotFound):
        return "Telegram refuses the bot token (401)"
    return f"the webhook is not set: {error}"
