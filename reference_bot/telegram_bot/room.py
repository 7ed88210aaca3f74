"""The room behind the doors: inbox, dispatcher, handlers, and how they are started and stopped."""

import asyncio
import logging
from functools import partial
from typing import Final

from telegram.error import InvalidToken, TelegramError

from reference_bot.telegram_bot.access import Access
from reference_bot.telegram_bot.auto_signals import AutoSignals
from reference_bot.telegram_bot.backoff import Backoff
from reference_bot.telegram_bot.commands.table import COMMANDS
from reference_bot.telegram_bot.dispatch import Dispatcher
from reference_bot.telegram_bot.handlers import TOO_MANY, announce_commands, build_application
from reference_bot.telegram_bot.health import Readiness
from reference_bot.telegram_bot.inbox import Inbox, InboxInUseError, InboxUnavailableError, Rules
from reference_bot.telegram_bot.market_data import MarketData
from reference_bot.telegram_bot.messenger import TelegramMessenger
from reference_bot.telegram_bot.metrics import Metrics
from reference_bot.telegram_bot.outgoing.flood import FloodControl
from reference_bot.telegram_bot.outgoing.replier import ReplyContext
from reference_bot.telegram_bot.outgoing.slots import SendSlots
from reference_bot.telegram_bot.settings import Settings
from reference_bot.telegram_bot.supervisor import Supervisor
from reference_bot.telegram_bot.telegram_api import build_bot, seconds_to_wait

_PROBE_SECONDS: Final = 4.0
_PROBE_SECONDS_RED: Final = 0.5
_PROBE_LIMIT: Final = 4.0
_DRAIN_SECONDS: Final = 5.0
_SETTLE_SECONDS: Final = 0.5
_TAKE_OVER_SECONDS: Final = 0.1
"""How often a bot that stands by looks whether the inbox is free: users wait meanwhile."""

_DISPATCHER: Final = "dispatcher"

_log = logging.getLogger(__name__)


def build_inbox(settings: Settings) -> Inbox:
    """Return Redis when there is a REDIS_URL, else the SQLite file."""
    url = settings.redis_url.get_secret_value()
    rules = Rules(settings.allowed.ids, notice=TOO_MANY)
    if url:
        from reference_bot.telegram_bot.inbox.redis import RedisInbox  # noqa: PLC0415 - 27 MB, only if used

        return RedisInbox(url, settings.bot_id, rules)
    from reference_bot.telegram_bot.inbox.sqlite import SqliteInbox  # noqa: PLC0415 - as above

    return SqliteInbox(settings.inbox_path, settings.bot_id, rules)


class Room:
    """Everything but the door. `open` once, then `rest` and `close` once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.readiness = Readiness()
        self.inbox = build_inbox(settings)
        self._access = Access(settings.allowed, self.inbox)
        self.bot = build_bot(
            settings.telegram_bot_token.get_secret_value(), settings.telegram_api_base_url
        )
        self.market_data = MarketData(
            settings.market_data_url,
            settings.market_data_token.get_secret_value(),
            settings.market_data_timeout_seconds,
        )
        running = settings.enable_auto_signals
        auto = AutoSignals(settings, self._access, self.metrics) if running else None
        self._auto = auto
        self._application = build_application(
            self.bot,
            table=COMMANDS,
            market_data=self.market_data,
            access=self._access,
            moved=self._moved,
            inbox=self.inbox,
            metrics=self.metrics,
            subscriptions=auto.subscriptions if auto else None,
        )
        self._slots = SendSlots(settings.telegram_send_slots)
        self._context = ReplyContext(
            inbox=self.inbox,
            messenger=TelegramMessenger(self.bot),
            slots=self._slots,
            flood=FloodControl(),
            metrics=self.metrics,
            bot_failed=partial(self.readiness.set, "telegram"),
            moved=self._moved,
            first=settings.allowed.ids,
        )
        sender = auto.sender(self._context) if auto else None
        self._dispatcher = Dispatcher(self._application, self._context, sender)
        self.supervisor = Supervisor(self.readiness)
        self._initialized = False
        self.metrics.waiting.set_function(lambda: self.inbox.backlog()[0])
        self.metrics.dead_letters.set_function(self.inbox.dead)
        self.metrics.oldest.set_function(lambda: self.inbox.backlog()[1])
        self.readiness.expect("inbox")
        self.readiness.expect("telegram")

    async def open(self) -> None:
        """Open the inbox and greet Telegram, for as long as that takes, then start handling.

        Both at once: while another instance still has the inbox this one stands by, with nothing
        left to do but to take it over.
        """
        async with asyncio.TaskGroup() as both:
            both.create_task(self._open_inbox())
            both.create_task(self._greet_telegram())
        self.readiness.probe(_DISPATCHER, self._dispatcher.stalled)
        self.readiness.probe("sending", self._dispatcher.unsent)
        self.resume()
        self.supervisor.start("command menu", self._announce, ends=True)
        if self._auto is not None:
            scheduler = self._auto.scheduler(self._context, self.market_data, self.readiness)
            self.supervisor.start("auto-signals", scheduler.run)

    async def _open_inbox(self) -> None:
        backoff = Backoff(2.0)
        standing_by = False
        while True:
            try:
                await self.inbox.open()
                await self._access.open()
            except InboxInUseError as error:
                if not standing_by:
                    _log.info("standing by: %s", error)
                standing_by = True
                self.readiness.set("inbox", str(error))
                self.readiness.stand_by(frozenset({"inbox", self.settings.bot_mode}))
                await asyncio.sleep(_TAKE_OVER_SECONDS)
            except InboxUnavailableError as error:
                standing_by = False
                self.readiness.stand_by(frozenset())
                self.readiness.set("inbox", f"the inbox cannot be opened: {error}")
                _log.warning("the inbox cannot be opened: %s", error)
                await asyncio.sleep(backoff.next())
            else:
                self.readiness.set("inbox", None)
                self.readiness.stand_by(frozenset())
                self.supervisor.start("inbox watch", self._watch_inbox)
                return

    async def _moved(self, old: int, new: int) -> None:
        """Have what is kept under a group's id follow it; the rest is nobody's business to keep."""
        subscriptions = self._auto.subscriptions if self._auto is not None else None
        subscribed = subscriptions is not None and await subscriptions.has(old)
        if subscribed or self._access.lists(old):
            await self._access.learn(old, new)
        if subscriptions is not None:
            await subscriptions.follow(old, new)

    async def _greet_telegram(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._application.initialize()
            except Exception as error:  # whatever Telegram answers: no crash loop
                refused = isinstance(error, InvalidToken)
                reason = (
                    "Telegram refuses the bot token (401)" if refused else f"getMe failed: {error}"
                )
                self.readiness.set("telegram", reason)
                wait = backoff.next(seconds_to_wait(error))
                _log.warning("%s; next try in %.2f s", reason, wait)
                await asyncio.sleep(wait)
            else:
                self._initialized = True
                self.readiness.set("telegram", None)
                return

    async def _announce(self) -> None:
        """Announce the commands; the menu is a comfort: without it the bot answers all the same."""
        backoff = Backoff(60.0)
        while True:
            try:
                await announce_commands(self.bot, COMMANDS)
            except TelegramError as error:
                _log.warning("the command menu could not be set: %s", error)
                await asyncio.sleep(backoff.next())
            else:
                return

    async def _watch_inbox(self) -> None:
        while True:
            red = self.readiness.known("inbox") is not None
            await asyncio.sleep(_PROBE_SECONDS_RED if red else _PROBE_SECONDS)
            try:
                async with asyncio.timeout(_PROBE_LIMIT):
                    await self.inbox.probe()
            except TimeoutError:
                self.readiness.set("inbox", f"the inbox did not answer in {_PROBE_LIMIT:g} s")
            except Exception as error:  # whatever it is, the inbox is not well
                self.readiness.set("inbox", f"the inbox cannot be written: {error}")
            else:
                self.readiness.set("inbox", None)

    def resume(self) -> None:
        """Take updates out of the inbox; after `pause`, too."""
        if not self.supervisor.runs(_DISPATCHER):
            self.supervisor.start(_DISPATCHER, self._dispatcher.run)

    async def pause(self) -> None:
        """Take nothing more out of the inbox; return when nothing is being handled any more."""
        await self.supervisor.stop(_DISPATCHER)
        await self._dispatcher.handled()

    async def rest(self) -> None:
        """Finish what is running and begin nothing more; the inbox still takes updates in."""
        await self.supervisor.stop()
        await self._dispatcher.drain(_DRAIN_SECONDS)
        await self._slots.settled(_SETTLE_SECONDS)

    async def close(self) -> None:
        """Close everything, after `rest`; what is not handled stays in the inbox."""
        if self._initialized:
            await self._application.shutdown()
        else:
            await self.bot.close_requests()
        await self.market_data.close()
        if self._auto is not None:
            await self._auto.close()
        await self.inbox.close()
