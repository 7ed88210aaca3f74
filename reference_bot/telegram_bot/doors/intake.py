"""What all doors do: check an update, put it into the inbox, count it, let it be confirmed."""

import logging
from collections.abc import Sequence

from reference_bot.telegram_bot.health import Readiness
from reference_bot.telegram_bot.inbox import (
    Inbox,
    InboxUnavailableError,
    Put,
    Update,
    UpdateRefusedError,
)
from reference_bot.telegram_bot.metrics import Metrics

_log = logging.getLogger(__name__)


class Intake:
    """The way into the inbox. ``door`` names the one used, for the metrics."""

    def __init__(self, door: str, inbox: Inbox, metrics: Metrics, readiness: Readiness) -> None:
        self._inbox = inbox
        self._readiness = readiness
        self._received = metrics.received.labels(door)
        self._duplicates = metrics.duplicates.labels(door)
        self._refused = metrics.refused.labels(door)
        self._dropped = metrics.dropped

    def refuse(self) -> None:
        """Count what came and is no update."""
        self._refused.inc()

    async def take(self, updates: Sequence[Update]) -> Put:
        """Durable on return. Raises InboxUnavailableError, and then nothing may be confirmed.

        What the inbox can never keep is left out and counted; alone, it is UpdateRefusedError.
        """
        try:
            put = await self._put(updates)
        except InboxUnavailableError as error:
            self._readiness.set("inbox", f"the inbox cannot be written: {error}")
            raise
        self._received.inc(put.new + put.known)
        self._dropped.inc(put.dropped)
        if put.known:
            self._duplicates.inc(put.known)
            _log.info("known updates came again", extra={"known": put.known, "new": put.new})
        return put

    async def _put(self, updates: Sequence[Update]) -> Put:
        try:
            return await self._inbox.put(updates)
        except UpdateRefusedError as error:
            if len(updates) == 1:
                self._refused.inc()
                _log.error(
                    "an update that cannot be kept: %s",
                    error,
                    extra={"update_id": updates[0].update_id},
                )
                raise
        total = Put(0, 0)
        for update in updates:  # so that one does not keep the others out
            try:
                total += await self._put([update])
            except UpdateRefusedError:
                continue
        return total
