"""What the bot counts, for Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

from reference_bot.instruments import Instruments

_SECONDS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class Metrics(Instruments):
    """The bot's metrics."""

    def __init__(self) -> None:
        super().__init__()
        registry = self.registry
        self.received = Counter(
            "bot_updates_received", "Updates that came in, by door.", ["door"], registry=registry
        )
        self.duplicates = Counter(
            "bot_updates_duplicate", "Updates that were known already.", ["door"], registry=registry
        )
        self.handled = Counter(
            "bot_updates_handled", "Updates done, by outcome.", ["outcome"], registry=registry
        )
        self.failed = Counter(
            "bot_updates_failed", "Updates whose handler failed.", registry=registry
        )
        self.refused = Counter(
            "bot_updates_refused",
            "What a door was given and the inbox can never keep, by door.",
            ["door"],
            registry=registry,
        )
        self.dropped = Counter(
            "bot_updates_dropped",
            "Updates not answered because too many of the same chat waited.",
            registry=registry,
        )
        self.dead_letters = Gauge(
            "bot_dead_letters",
            "Updates that could not be handled and are kept: --dead-letters lists them.",
            registry=registry,
        )
        self.conflicts = Counter(
            "bot_conflicts",
            "Times that another program was found to use the bot's token.",
            registry=registry,
        )
        self.secrets_refused = Counter(
            "bot_webhook_secrets_refused",
            "Calls of the webhook without the right secret.",
            registry=registry,
        )
        self.webhook_errors = Counter(
            "bot_webhook_errors",
            "Times that Telegram told of a new error in bringing updates.",
            registry=registry,
        )
        self.pending = Gauge(
            "bot_webhook_pending_updates",
            "Updates that wait at Telegram; in webhook mode, as it tells.",
            registry=registry,
        )
        self.strangers = Counter(
            "bot_strangers", "Updates from people who are not on the list.", registry=registry
        )
        self.refusals = Counter(
            "bot_refusals",
            "Strangers who were told that the bot is private; once a day each.",
            registry=registry,
        )
        self.waiting = Gauge(
            "bot_inbox_updates", "Updates in the inbox that are not done.", registry=registry
        )
        self.oldest = Gauge(
            "bot_inbox_oldest_seconds", "Age of the oldest update not done.", registry=registry
        )
        self.replies = Histogram(
            "bot_reply_seconds",
            "From an update's arrival to Telegram's acceptance of its answer.",
            registry=registry,
            buckets=_SECONDS,
        )
        self.telegram_errors = Counter(
            "bot_telegram_errors",
            "Bot API calls that failed, by error code (unsent, unknown: no code came).",
            ["code"],
            registry=registry,
        )
        self.ready = Gauge("bot_ready", "1 when /ready is green.", registry=registry)
