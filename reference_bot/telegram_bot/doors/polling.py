"""The polling door: getUpdates, and the offset moves on only after the inbox has what came.

Telegram takes an ``offset`` as the confirmation of everything below it. So a batch is confirmed by
the call that follows its durable write; a kill between the two makes Telegram deliver it again, and
the inbox knows it.
"""

import asyncio
import logging
import random
import time
from typing import Any, Final

from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError

from reference_bot.telegram_bot.backoff import Backoff
from reference_bot.telegram_bot.doors.intake import Intake
from reference_bot.telegram_bot.doors.rivals import RIVAL_PAUSE, RivalError, Rivals
from reference_bot.telegram_bot.health import Readiness
from reference_bot.telegram_bot.inbox import InboxUnavailableError, Update
from reference_bot.telegram_bot.metrics import Metrics
from reference_bot.telegram_bot.telegram_api import ALLOWED_UPDATES, DirectBot, seconds_to_wait
from reference_bot.telegram_bot.update import LARGEST, NotAnUpdateError, read_update

PART: Final = "polling"
_POLL_SECONDS: Final = 4  # a call that hangs is noticed soon after, and /ready says so
# For the answer, beyond the time that Telegram holds the call: it delays a second conflict
# by three seconds (tdlib/telegram-bot-api, Client::fail_query_conflict).
_ANSWER_SECONDS: Final = 4.0
# After a conflict. Telegram holds even a call without a time for up to three seconds, where another
# began less than three seconds before (Client::process_get_updates_query). Who comes back sooner
# ends the other's call each time, and one of two replicas never has an answer.
_CONFLICT_SECONDS: Final = 3.0
_OLD_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


class PollingDoor:
    """Runs until cancelled; never ends by itself."""

    def __init__(
        self, bot: DirectBot, intake: Intake, readiness: Readiness, metrics: Metrics
    ) -> None:
        self._bot = bot
        self._intake = intake
        self._readiness = readiness
        self._metrics = metrics
        self._rivals = Rivals()
        self._left_alone = False
        self._well_since: float | None = None
        self._offset: int | None = None
        self._backoff = Backoff()
        readiness.expect(PART)

    async def run(self) -> None:
        """Clear a webhook that is set, then poll. What is pending at Telegram is kept."""
        webhook_gone = False
        hold = 0  # the first call returns at once: it shows that polling works
        while True:
            try:
                if not webhook_gone:
                    if not self._left_alone:
                        await self._bot.delete_webhook(drop_pending_updates=False)
                    webhook_gone = True
                await self._poll(hold)
                hold = _POLL_SECONDS
            except Exception as error:  # whatever Telegram answers: no crash loop
                if isinstance(error, Conflict) and "webhook is active" in error.message:
                    webhook_gone = False
                    error = self._strange_webhook(error)
                hold = 0  # and so does the first one after trouble
                await self._trouble(error)
            else:
                self._readiness.set(PART, None)
                self._backoff.reset()
                if self._well_since is None:
                    self._well_since = time.monotonic()

    def _strange_webhook(self, error: Exception) -> Exception:
        """Return what is raised where somebody has set a webhook: it is removed next,
        unless that was done too often."""
        self._metrics.conflicts.inc()
        try:
            self._rivals.check("a webhook is set again and again for this bot's token")
        except RivalError as rival:
            self._left_alone = True
            return rival
        self._left_alone = False
        self._rivals.note()
        return error

    async def _poll(self, hold: int) -> None:
        updates: list[Any] = await self._bot.call(
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
        good = [update for update in map(self._read, updates) if update is not None]
        if good:
            await self._intake.take(good)
        ids = [number for update in updates if (number := _id_of(update)) is not None]
        if not ids:
            raise TypeError("none of the updates has an id")
        self._offset = max(ids) + 1

    def _read(self, update: Any) -> Update | None:
        """Return what Telegram itself sends should be an update; what is not, nobody can handle."""
        try:
            return read_update(update)
        except NotAnUpdateError as error:
            self._intake.refuse()
            _log.error(
                "Telegram sent what is no update: %s", error, extra={"update": str(update)[:500]}
            )
            return None

    async def _trouble(self, error: Exception) -> None:
        reason, wait = self._meaning(error)
        self._readiness.set(PART, reason)
        _log.warning("polling is in trouble: %s; next try in %.2f s", reason, wait)
        await asyncio.sleep(wait)

    def _meaning(self, error: Exception) -> tuple[str, float]:
        match error:
            case RivalError():
                return str(error), RIVAL_PAUSE
            case Conflict():
                return self._conflict(error)
            case RetryAfter():
                wait = max(1.0, self._backoff.next(seconds_to_wait(error)))
                return "Telegram said 429 to getUpdates", wait
        return _reason(error), self._backoff.next()

    def _conflict(self, error: Conflict) -> tuple[str, float]:
        """Return the conflict: another program polls with this token. Telegram ends whoever began
        to poll earlier.

        Of two instances of this bot the one that has polled well for long is the old one, whose
        successor has come: it leaves the other most of the time, and does not die, for it may be
        a stranger that goes away.
        """
        self._metrics.conflicts.inc()
        reason = (
            f"Telegram said 409: {error.message}. Another program polls with this bot's token: "
            "stop it, or give one of them another token"
        )
        well, self._well_since = self._well_since, None
        if well is not None and time.monotonic() - well > _OLD_SECONDS:
            return f"{reason}; it came later, so this one holds back", RIVAL_PAUSE
        spread = random.uniform(0.0, 2.0)  # noqa: S311 - no secret
        return reason, max(_CONFLICT_SECONDS, self._backoff.next()) + spread


def _reason(error: Exception) -> str:
    match error:
        case InvalidToken():
            return "Telegram refuses the bot token (401)"
        case InboxUnavailableError():
            return f"updates cannot be taken in: {error}"
        case TelegramError():
            return f"getUpdates failed: {error}"
    _log.error("Telegram gave an answer that cannot be read", exc_info=error)
    return "Telegram gave an answer that cannot be read"


def _id_of(update: Any) -> int | None:
    """Return the id that an offset can confirm; one that no update has would confirm
    all others too."""
    number = update.get("update_id") if isinstance(update, dict) else None
    return number if type(number) is int and 0 <= number <= LARGEST else None
