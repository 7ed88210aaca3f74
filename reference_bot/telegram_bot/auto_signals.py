"""Auto-signals put together from the settings: one object for the room."""

from reference_bot.telegram_bot.access import Access
from reference_bot.telegram_bot.commands.buttons import markup
from reference_bot.telegram_bot.commands.signal import evaluate, switch_button
from reference_bot.telegram_bot.health import Readiness
from reference_bot.telegram_bot.market_data import MarketData, MarketDataError
from reference_bot.telegram_bot.metrics import Metrics
from reference_bot.telegram_bot.outgoing.replier import ReplyContext
from reference_bot.telegram_bot.render.auto_signals import render_auto_signal
from reference_bot.telegram_bot.settings import Settings
from reference_bot.telegram_bot.signals.metrics import SignalMetrics
from reference_bot.telegram_bot.signals.model import Kind, SignalBook, Verdict
from reference_bot.telegram_bot.signals.scheduler import Judge, Scheduler, SchedulerContext
from reference_bot.telegram_bot.signals.sender import SignalSender
from reference_bot.telegram_bot.signals.subscriptions import Subscriptions
from reference_bot.telegram_bot.trading import NoTrade, Terms

_PART = "signals"


class AutoSignals:
    """The book, and everything that works with it."""

    def __init__(self, settings: Settings, access: Access, metrics: Metrics) -> None:
        terms = Terms(
            settings.pairs, settings.auto_signal_interval, settings.min_confidence_threshold
        )
        self._metrics = SignalMetrics(metrics.registry)
        self._book = _build_book(settings)
        self.subscriptions = Subscriptions(terms, self._book, access, self._metrics)
        self._access = access

    def sender(self, context: ReplyContext) -> SignalSender:
        """Return who sends the signals that wait in the inbox."""
        return SignalSender(self.subscriptions, self._book, self._access, context, self._metrics)

    def scheduler(
        self, context: ReplyContext, market_data: MarketData, readiness: Readiness
    ) -> Scheduler:
        """Return who judges the pairs; its work is to be started once."""
        readiness.expect(_PART)
        scheduler_context = SchedulerContext(
            judge=_judge(market_data, self.subscriptions.terms, context),
            markup=lambda pair: markup([[switch_button(pair, on=False)]]),
            report=lambda reason: readiness.set(_PART, reason),
            clock=context.wall,
        )
        return Scheduler(
            self.subscriptions, self._book, context.inbox, self._metrics, scheduler_context
        )

    async def close(self) -> None:
        """Let go of the book."""
        await self._book.close()


def _build_book(settings: Settings) -> SignalBook:
    """Build it in Redis when there is a REDIS_URL, else in the SQLite file: as the inbox is."""
    url = settings.redis_url.get_secret_value()
    if url:
        from reference_bot.telegram_bot.signals.redis import RedisBook  # noqa: PLC0415 - 27 MB, only if used

        return RedisBook(url, settings.bot_id)
    from reference_bot.telegram_bot.signals.sqlite import SqliteBook  # noqa: PLC0415 - as above

    return SqliteBook(settings.signals_file, settings.bot_id)


def _judge(market_data: MarketData, terms: Terms, context: ReplyContext) -> Judge:
    async def judge(pair: str, slot: int) -> Verdict:
        judged = await evaluate(market_data, pair)
        if judged.stale:  # good enough for who asks and sees it; not to be sent round
            raise MarketDataError("the figures are from memory")
        found = judged.found
        now = int(context.wall() * 1000)
        if isinstance(found, NoTrade):
            return Verdict(pair, slot, "no_trade", now, reason=found.reason)
        html = render_auto_signal(judged.data, found, terms)
        kind: Kind = "signal" if found.confidence >= terms.threshold else "weak"
        return Verdict(pair, slot, kind, now, confidence=found.confidence, html=html)

    return judge
