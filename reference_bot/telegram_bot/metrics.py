"""What the bot counts, for Prometheus."""

from functools import partial

from prometheus_client import Counter, Gauge, Histogram

from reference_bot.instruments import Instruments

_SECONDS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)


class Metrics(Instruments):
    """The bot's metrics."""

    def __init__(self) -> None:
        super().__init__()
        counter = partial(Counter, registry=self.registry)
        gauge = partial(Gauge, registry=self.registry)
        self.received = counter("bot_updates_received", "Updates that came in, by door.", ["door"])
        self.duplicates = counter(
            "bot_updates_duplicate", "Updates that were known already.", ["door"]
        )
        self.handled = counter("bot_updates_handled", "Updates done, by outcome.", ["outcome"])
        self.failed = counter("bot_updates_failed", "Updates whose handler failed.")
        self.refused = counter(
            "bot_updates_refused",
            "What a door was given and the inbox can never keep, by door.",
            ["door"],
        )
        self.dropped = counter(
            "bot_updates_dropped", "Updates not answered because too many of the same chat waited."
        )
        self.dead_letters = gauge(
            "bot_dead_letters",
            "Updates that could not be handled and are kept: --dead-letters lists them.",
        )
        self.conflicts = counter(
            "bot_conflicts", "Times that another program was found to use the bot's token."
        )
        self.secrets_refused = counter(
            "bot_webhook_secrets_refused", "Calls of the webhook without the right secret."
        )
        self.webhook_errors = counter(
            "bot_webhook_errors", "Times that Telegram told of a new error in bringing updates."
        )
        self.pending = gauge(
            "bot_webhook_pending_updates",
            "Updates that wait at Telegram; in webhook mode, as it tells.",
        )
        self.strangers = counter("bot_strangers", "Updates from people who are not on the list.")
        self.refusals = counter(
            "bot_refusals", "Strangers who were told that the bot is private; once a day each."
        )
        self.waiting = gauge("bot_inbox_updates", "Updates in the inbox that are not done.")
        self.oldest = gauge("bot_inbox_oldest_seconds", "Age of the oldest update not done.")
        self.replies = Histogram(
            "bot_reply_seconds",
            "From an update's arrival to Telegram's acceptance of its answer.",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.telegram_errors = counter(
            "bot_telegram_errors",
            "Bot API calls that failed, by error code (unsent, unknown: no code came).",
            ["code"],
        )
        self.ready = gauge("bot_ready", "1 when /ready is green.")
