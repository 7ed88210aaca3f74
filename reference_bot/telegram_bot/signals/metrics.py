"""What is counted of auto-signals; there only when they are switched on."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from reference_bot.telegram_bot.signals.model import Kind

_KINDS: tuple[Kind, ...] = ("signal", "weak", "no_trade", "refused")


class SignalMetrics:
    """The metrics, in ``registry``."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.last = Gauge(
            "bot_signal_last_timestamp_seconds",
            "When the last signal was judged (before the first: when auto-signals began).",
            registry=registry,
        )
        self.round = Gauge(
            "bot_signal_last_round_timestamp_seconds",
            "The last slot in which every pair was judged.",
            registry=registry,
        )
        self.judged = Counter(
            "bot_signals_evaluated",
            "Pairs judged, by verdict; a weak signal is below the threshold.",
            ["verdict"],
            registry=registry,
        )
        self.unanswered = Counter(
            "bot_signals_unanswered",
            "Tries to judge a pair that market-data gave no figures for.",
            registry=registry,
        )
        self.sent = Counter(
            "bot_signals_sent", "Signals that Telegram accepted, one a chat.", registry=registry
        )
        self.failed = Counter(
            "bot_signals_failed", "Signals that Telegram refused for good.", registry=registry
        )
        self.dropped = Counter(
            "bot_signals_dropped",
            "Signals not sent: their slot was over (late), nobody wants them now (unasked), "
            "or their group became a supergroup, to which they go (moved).",
            ["why"],
            registry=registry,
        )
        self.subscribers = Gauge(
            "bot_signal_subscribers", "Chats that get auto-signals.", registry=registry
        )
        for kind in _KINDS:
            self.judged.labels(kind)
        for why in ("late", "unasked", "moved"):
            self.dropped.labels(why)
