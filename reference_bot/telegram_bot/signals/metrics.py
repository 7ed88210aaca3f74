"""What is counted of auto-signals; there only when they are switched on."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from reference_bot.telegram_bot.signals.model import Kind

_KINDS: tuple[Kind, ...] = ("signal", "weak", "no_trade", "refused")


class SignalMetrics:
    """The metrics, in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        self.last = gauge(
            "bot_signal_last_timestamp_seconds",
            "When the last signal was judged (before the first: when auto-signals began).",
        )
        self.round = gauge(
            "bot_signal_last_round_timestamp_seconds",
            "The last slot in which every pair was judged.",
        )
        self.judged = counter(
            "bot_signals_evaluated",
            "Pairs judged, by verdict; a weak signal is below the threshold.",
            ["verdict"],
        )
        self.unanswered = counter(
            "bot_signals_unanswered", "Tries to judge a pair that market-data gave no figures for."
        )
        self.sent = counter("bot_signals_sent", "Signals that Telegram accepted, one a chat.")
        self.failed = counter("bot_signals_failed", "Signals that Telegram refused for good.")
        self.dropped = counter(
            "bot_signals_dropped",
            "Signals not sent: their slot was over (late), nobody wants them now (unasked), "
            "or their group became a supergroup, to which they go (moved).",
            ["why"],
        )
        self.subscribers = gauge("bot_signal_subscribers", "Chats that get auto-signals.")
        for kind in _KINDS:
            self.judged.labels(kind)
        for why in ("late", "unasked", "moved"):
            self.dropped.labels(why)
