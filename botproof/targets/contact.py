"""How the harness learns that a bot has begun to take updates."""

from __future__ import annotations

from botproof.history import BotApiCall, DoubleEvent, Event
from botproof.targets.recorder import Predicate


def contact_since(started: float) -> Predicate:
    """Return what tells of an event whether a bot, started then, shows by it that it takes
    updates."""

    def wanted(event: Event) -> bool:
        if isinstance(event, DoubleEvent):
            return event.kind in ("webhook_set", "poll") and event.t >= started
        return (
            isinstance(event, BotApiCall)
            and event.method in ("getUpdates", "setWebhook")
            and event.t - event.duration_s >= started
        )

    return wanted
