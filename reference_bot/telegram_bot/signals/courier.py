"""Takes a parcel out of the inbox to its chat, by the rules that answers go by."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from reference_bot.telegram_bot.access import Access
from reference_bot.telegram_bot.inbox import Job
from reference_bot.telegram_bot.outgoing.failures import Failure, Refused, Unknown
from reference_bot.telegram_bot.outgoing.replier import Desk, Place, Replier
from reference_bot.telegram_bot.signals.metrics import SignalMetrics
from reference_bot.telegram_bot.signals.model import Parcel, SignalBook
from reference_bot.telegram_bot.signals.slots import slot_at
from reference_bot.telegram_bot.signals.subscriptions import Subscriptions

_SECONDS: Final = 10.0
"""How long a parcel may wait for its turn before it goes back to the inbox."""
_GONE: Final = ("chat not found", "group chat was deleted")

_decode = msgspec.json.Decoder(Parcel).decode
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Courier:
    """Delivers parcels; what it has in hand at a kill, the next process finds in the inbox."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        book: SignalBook,
        access: Access,
        desk: Desk,
        metrics: SignalMetrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._subscriptions = subscriptions
        self._book = book
        self._access = access
        self._desk = desk
        self._metrics = metrics
        self._clock = clock

    async def deliver(self, job: Job) -> float:
        """Sends the parcel; how many seconds its lane has to wait before it can go on.

        Raises InboxUnavailableError and LeaseLostError.
        """
        parcel = _decode(job.payload)
        post = _Post(self._desk, job, parcel, self._book, self._metrics)
        try:
            async with asyncio.timeout(_SECONDS):
                obstacle = await self._obstacle(parcel)
                if obstacle is not None:
                    await post.finish(obstacle)
                elif (chat := await self._moved_to(parcel)) is not None:
                    await post.go_on_in(chat)
                elif job.progress.parts:
                    await post.resume()
                else:
                    await post.say([parcel.html], parcel.markup)
        except TimeoutError:
            _log.info("a signal waits for its turn", extra={"chat": parcel.chat})
        return post.delay or 0.0

    async def _obstacle(self, parcel: Parcel) -> str | None:
        """Why the parcel is not wanted any more, or None."""
        if slot_at(self._clock(), self._subscriptions.terms.interval) != parcel.slot:
            return "late"
        wanted = await self._subscriptions.wants(parcel.chat)
        return None if wanted or await self._moved_to(parcel) is not None else "unasked"

    async def _moved_to(self, parcel: Parcel) -> int | None:
        """The supergroup that its group has become since it was packed, where that one subscribes.

        The group may move at any moment: its subscription has the new id before it loses the old
        one, so the old one is asked first.
        """
        if await self._subscriptions.wants(parcel.chat):
            return None
        chat = await self._access.successor(parcel.chat)
        return chat if chat is not None and await self._subscriptions.wants(chat) else None


class _Post(Replier):
    """A replier whose message waits for people's answers, and that knows who has left."""

    def __init__(
        self, desk: Desk, job: Job, parcel: Parcel, book: SignalBook, metrics: SignalMetrics
    ) -> None:
        super().__init__(desk, job, Place(parcel.chat))
        self._parcel = parcel
        self._book = book
        self._metrics = metrics

    async def _follow(self, chat: int, failure: Refused) -> Failure:  # noqa: ARG002 - the base's
        return failure  # `_give_up` packs it anew: parcels of one chat have one lane

    async def _in_turn(self, section: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        return await self._desk.slots.run_last(section)

    async def _give_up(self, failure: Unknown | Refused) -> None:
        if isinstance(failure, Refused) and failure.moved_to is not None:
            await self._desk.moved(self._chat, failure.moved_to)
            await self.go_on_in(failure.moved_to)
            return
        if isinstance(failure, Refused) and _has_left(failure):
            await self._book.unsubscribe(self._chat)
            _log.warning(
                "no auto-signals any more for a chat that cannot be written to: %s",
                failure.reason,
                extra={"chat": self._chat},
            )
        await super()._give_up(failure)

    async def go_on_in(self, chat: int) -> None:
        """Packs it anew, for the supergroup that its group has become.

        A kill after this and before the end loses nothing: the inbox takes the new parcel once.
        """
        await self._desk.inbox.put([replace(self._parcel, chat=chat).to_inbox()])
        await self._end("moved")

    def _count(self, outcome: str) -> None:
        if outcome == "answered":
            self._metrics.sent.inc()
        elif outcome == "refused":
            self._metrics.failed.inc()
        else:
            self._metrics.dropped.labels(outcome).inc()


def _has_left(failure: Refused) -> bool:
    """403: blocked, kicked, deleted; or the chat is there no more."""
    return failure.code == "403" or any(text in failure.reason.lower() for text in _GONE)
