"""The polling door: getUpdates, and the offset moves on only after the inbox has what came.

Telegram takes an ``offset`` as the confirmation of everything below it. So a batch is confirmed by
the call that follows its durable write; a kill between the two makes Telegram deliver it again, and
the inbox knows it.
"""

import asyncio
import logging
from typing import Any, Final

from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError
from telegram.ext import ExtBot

from reference_bot.telegram_bot.doors.backoff import Backoff
from reference_bot.telegram_bot.doors.intake import Intake
from reference_bot.telegram_bot.health import Readiness
from reference_bot.telegram_bot.inbox import InboxUnavailableError
from reference_bot.telegram_bot.telegram_api import ALLOWED_UPDATES, call
from reference_bot.telegram_bot.update import NotAnUpdateError, check_update

PART: Final = "polling"
_POLL_SECONDS: Final = 25
_ANSWER_SECONDS: Final = 10.0  # for the answer, beyond the time that Telegram holds the call

_log = logging.getLogger(__name__)


class PollingDoor:
    """Runs until cancelled; never ends by itself."""

    def __init__(self, bot: ExtBot[None], intake: Intake, readiness: Readiness) -> None:
        self._bot = bot
        self._intake = intake
        self._readiness = readiness
        self._offset: int | None = None
        self._backoff = Backoff()
        readiness.set(PART, "getUpdates has not succeeded yet")

    async def run(self) -> None:
        """Clears a webhook that is set, then polls. What is pending at Telegram is kept."""
        webhook_gone = False
        hold = 0  # the first call returns at once: it shows that polling works
        while True:
            try:
                if not webhook_gone:
                    await self._bot.delete_webhook(drop_pending_updates=False)
                    webhook_gone = True
                await self._poll(hold)
                hold = _POLL_SECONDS
            except Exception as error:  # whatever Telegram answers: no crash loop
                if isinstance(error, Conflict) and "webhook is active" in error.message:
                    webhook_gone = False
                hold = 0  # and so does the first one after trouble
                await self._trouble(error)
            else:
                self._readiness.set(PART, None)
                self._backoff.reset()

    async def _poll(self, hold: int) -> None:
        updates: list[Any] = await call(
            self._bot,
            "getUpdates",
            {
                "offset": self._offset,
                "limit": 100,
                "timeout": hold,
                "allowed_updates": list(ALLOWED_UPDATES),
            },
            seconds=hold + _ANSWER_SECONDS,
        )
        if not updates:
            return
        good = [update for update in updates if _usable(update)]
        if good:
            await self._intake.take(good)
        self._offset = max(update["update_id"] for update in updates) + 1

    async def _trouble(self, error: Exception) -> None:
        reason, wait = self._meaning(error)
        self._readiness.set(PART, reason)
        _log.warning("polling is in trouble: %s; next try in %.2f s", reason, wait)
        await asyncio.sleep(wait)

    def _meaning(self, error: Exception) -> tuple[str, float]:
        match error:
            case RetryAfter():
                return "Telegram said 429 to getUpdates", max(1.0, self._backoff.next())
            case InvalidToken():
                return "Telegram refuses the bot token (401)", self._backoff.next()
            case Conflict():
                return f"Telegram said 409: {error.message}", self._backoff.next()
            case InboxUnavailableError():
                return f"updates cannot be taken in: {error}", self._backoff.next()
            case TelegramError():
                return f"getUpdates failed: {error}", self._backoff.next()
        _log.error("Telegram gave an answer that cannot be read", exc_info=error)
        return "Telegram gave an answer that cannot be read", self._backoff.next()


def _usable(update: Any) -> bool:
    """What Telegram itself sends should be an update; what is not cannot be handled by anybody."""
    try:
        check_update(update)
    except NotAnUpdateError as error:
        _log.error(
            "Telegram sent what is no update: %s", error, extra={"update": str(update)[:500]}
        )
        return False
    return True
