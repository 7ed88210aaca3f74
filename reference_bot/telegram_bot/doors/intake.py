"""What all doors do: put an update into the inbox, count it, and only then let it be confirmed."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from reference_bot.telegram_bot.health import Readiness
from reference_bot.telegram_bot.inbox import Inbox, InboxUnavailableError, Put, Update
from reference_bot.telegram_bot.metrics import Metrics
from reference_bot.telegram_bot.update import lane_of

_log = logging.getLogger(__name__)


class Intake:
    """The way into the inbox. ``door`` names the one used, for the metrics."""

    def __init__(self, door: str, inbox: Inbox, metrics: Metrics, readiness: Readiness) -> None:
        self._door = door
        self._inbox = inbox
        self._readiness = readiness
        self._received = metrics.received.labels(door)
        self._duplicates = metrics.duplicates.labels(door)
        self._closed = False

    def close(self) -> None:
        """From now on nothing is taken in."""
        self._closed = True

    async def take(self, updates: Sequence[Mapping[str, Any]]) -> Put:
        """Durable on return. Raises InboxUnavailableError, and then nothing may be confirmed."""
        if self._closed:
            raise InboxUnavailableError("the bot is stopping")
        try:
            put = await self._inbox.put([_to_inbox(update) for update in updates])
        except InboxUnavailableError as error:
            self._readiness.set("inbox", f"the inbox cannot be written: {error}")
            raise
        self._received.inc(len(updates))
        if put.known:
            self._duplicates.inc(put.known)
            _log.info("known updates came again", extra={"known": put.known, "new": put.new})
        return put


def _to_inbox(update: Mapping[str, Any]) -> Update:
    payload = json.dumps(update, ensure_ascii=False, separators=(",", ":")).encode(
        "utf-8", "surrogatepass"
    )
    return Update(update["update_id"], lane_of(update), payload)
