"""The Lambda door: ``handler(event, context)`` for API Gateway v2 and function URL events.

The same inbox, handlers and answers as the other doors. What differs is that Lambda freezes the
process between two events, so nothing may be left running: the door returns 200 only when the
update is in the inbox *and* handled. An update that was taken in but is not done in time gets a
503, and Telegram brings it again; the inbox knows it, and the door waits for it to be done.

Durability: with ``REDIS_URL`` as everywhere, and instances share the work. Without it the inbox is
a SQLite file under /tmp, which lives as long as this instance of the function; the 200 after
handling is what keeps an update from being lost; a repeat to another instance is not known.

The settings are those of webhook mode; ``INBOX_PATH`` is /tmp/inbox.sqlite3 unless it is set.
"""

import asyncio
import base64
import binascii
import contextlib
import json
import logging
import os
import time
from collections.abc import Mapping
from typing import Any, Final

from reference_bot.telegram_bot import log, slim  # noqa: F401 - slim comes before any telegram
from reference_bot.telegram_bot.doors.intake import Intake
from reference_bot.telegram_bot.doors.webhook import (
    MAX_BODY,
    SECRET_HEADER,
    BodyRefusedError,
    parse_body,
    refuse_secret,
)
from reference_bot.telegram_bot.inbox import (
    InboxUnavailableError,
    Update,
    UpdateRefusedError,
)
from reference_bot.telegram_bot.room import Room
from reference_bot.telegram_bot.settings import LambdaSettings, Settings, load

_SAFETY_SECONDS: Final = 1.0  # kept for the pause and the answer, of the time that Lambda gives
_PAUSE_SECONDS: Final = 0.5
_LONGEST_SECONDS: Final = 20.0
_LOOK_SECONDS: Final = 0.02

_log = logging.getLogger(__name__)


class LambdaBot:
    """One instance of the function: its loop, its room, across events."""

    def __init__(self, settings: Settings) -> None:
        self._loop = asyncio.new_event_loop()
        self._secret = settings.webhook_secret.get_secret_value()
        self._room, self._intake = self._loop.run_until_complete(_build(settings))
        self._opening: asyncio.Task[None] | None = None

    def handle(self, event: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """Return the answer to ``event``, within ``seconds``."""
        refused = refuse_secret(self._secret, _header(event, SECRET_HEADER))
        if refused is not None:
            return _response(*refused)
        try:
            update = parse_body(_body(event), self._intake)
        except BodyRefusedError as error:
            return _response(error.status, str(error))
        return self._loop.run_until_complete(self._take(update, seconds))

    async def _take(self, update: Update, seconds: float) -> dict[str, Any]:
        deadline = self._loop.time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._open()
                await self._intake.take([update])
                await self._done(update.update_id)
        except InboxUnavailableError as error:
            return _response(503, f"the update could not be kept: {error}")
        except UpdateRefusedError as error:
            return _response(400, f"the update cannot be kept: {error}")
        except TimeoutError:
            return _response(503, "the update is not handled yet: send it again")
        finally:
            await self._pause(deadline)
        return {"statusCode": 200, "headers": _JSON, "body": '{"ok":true}'}

    async def _pause(self, deadline: float) -> None:
        """Have nothing in hand that Lambda would freeze.

        This instance may have taken another's update out of Redis: whoever is frozen between the
        answer and the note that it is sent loses the lease, and another one answers again.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline + _PAUSE_SECONDS):
                await self._room.pause()

    async def _open(self) -> None:
        if self._opening is None or (self._opening.done() and self._opening.exception()):
            self._opening = asyncio.ensure_future(self._room.open())
        # Shielded: an event that runs out of time must not undo half an opening.
        await asyncio.shield(self._opening)
        self._room.resume()

    async def _done(self, update_id: int) -> None:
        while not await self._room.inbox.is_done(update_id):  # noqa: ASYNC110 - perhaps elsewhere
            await asyncio.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """End the instance; Lambda itself never asks, tests do."""
        self._loop.run_until_complete(self._room.rest())
        self._loop.run_until_complete(self._room.close())
        self._loop.close()


async def _build(settings: Settings) -> tuple[Room, Intake]:
    room = Room(settings)
    return room, Intake("lambda", room.inbox, room.metrics, room.readiness)


def build() -> LambdaBot:
    """Return the instance from the environment. Raises SettingsError."""
    os.environ.setdefault("INBOX_PATH", "/tmp/inbox.sqlite3")  # noqa: S108 - all of its disk
    settings = load(LambdaSettings, bot_mode="webhook")
    log.configure(settings.log_level, settings.secrets)
    return LambdaBot(settings)


_instance: LambdaBot | None = None


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """Return what Lambda calls: an API Gateway v2 or function URL event in, its response out."""
    global _instance  # noqa: PLW0603 - Lambda keeps the module between events; this is the instance
    if _instance is None:
        _instance = build()
        _log.info("cold start", extra={"cpu_seconds": round(time.process_time(), 3)})
    left = context.get_remaining_time_in_millis() / 1000 if context is not None else 30.0
    return _instance.handle(event, min(_LONGEST_SECONDS, max(0.1, left - _SAFETY_SECONDS)))


_JSON: Final = {"content-type": "application/json"}


def _header(event: Mapping[str, Any], name: str) -> str | None:
    for key, value in (event.get("headers") or {}).items():
        if key.lower() == name:
            return str(value)
    return None


def _body(event: Mapping[str, Any]) -> bytes:
    text = event.get("body") or ""
    try:
        raw = (
            base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text.encode()
        )
    except (binascii.Error, ValueError) as error:
        raise BodyRefusedError(400, "the body is no update: it is not base64") from error
    if len(raw) > MAX_BODY:
        raise BodyRefusedError(413, f"the body is over {MAX_BODY} bytes: no update is")
    return raw


def _response(status: int, reason: str) -> dict[str, Any]:
    body = json.dumps({"ok": False, "error": reason})
    return {"statusCode": status, "headers": _JSON, "body": body}
