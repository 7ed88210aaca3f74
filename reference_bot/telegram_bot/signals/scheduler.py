"""Once a slot: judges the pairs, keeps every verdict, and puts the signals into the inbox.

The order is what makes a kill harmless. A verdict is in the book before anything is sent of it; a
message a chat goes into the inbox, which knows each by its id and repeats none; then the book says
that they are handed out. Whoever starts next in the same slot goes on where the book ends. What is
left of an earlier slot is left alone: after a long stop nobody wants the signals of last night.

Without figures there is no verdict: the pair is asked for again until the slot is over.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from reference_bot.telegram_bot.inbox import Inbox, InboxUnavailableError
from reference_bot.telegram_bot.market_data import MarketDataError
from reference_bot.telegram_bot.signals.metrics import SignalMetrics
from reference_bot.telegram_bot.signals.model import SignalBook, SignalMessage, Verdict
from reference_bot.telegram_bot.signals.slots import slot_at, until_next
from reference_bot.telegram_bot.signals.subscriptions import Subscriptions

_BESIDE: Final = 4
"""Pairs that market-data is asked for at once: people's questions go on beside them."""
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0

Judge = Callable[[str, int], Awaitable[Verdict]]
"""Asks market-data about a pair, for a slot. Raises MarketDataError."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SchedulerContext:
    """What the scheduler has from outside."""

    judge: Judge
    markup: Callable[[str], str]
    """The buttons under the signal of a pair, as the Bot API's JSON."""
    report: Callable[[str | None], None]
    """Told why no signal can be kept, or (None) that all is well."""
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Scheduler:
    """`run` it, and cancel it to stop."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        book: SignalBook,
        inbox: Inbox,
        metrics: SignalMetrics,
        context: SchedulerContext,
    ) -> None:
        self._subscriptions = subscriptions
        self._terms = subscriptions.terms
        self._book = book
        self._inbox = inbox
        self._metrics = metrics
        self._context = context
        self._free = asyncio.Semaphore(_BESIDE)

    async def run(self) -> None:
        """Run slot after slot, forever."""
        await self._open()
        pause, last = _FIRST_PAUSE, None
        while True:
            slot = slot_at(self._context.clock(), self._terms.interval)
            if slot != last:
                pause, last = _FIRST_PAUSE, slot
            done = await self._try(slot)
            # Never one long sleep: the clock may be set meanwhile, or the machine suspended.
            wait = min(_LONGEST_PAUSE, until_next(self._context.clock(), self._terms.interval))
            if not done:
                wait, pause = min(wait, pause), min(_LONGEST_PAUSE, pause * 2)
            await self._context.sleep(wait)

    async def _open(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._book.open()
                await self._refresh()
            except InboxUnavailableError as error:
                self._report(error)
                await self._context.sleep(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            else:
                self._context.report(None)
                return

    async def _try(self, slot: int) -> bool:
        """Have one go at ``slot``; whether there is nothing left to do in it."""
        try:
            done = await self._go(slot)
        except InboxUnavailableError as error:
            self._report(error)
            return False
        except Exception:  # a fault of ours in one round must not end all the later ones
            _log.exception("auto-signals failed", extra={"slot": slot})
            return False
        self._context.report(None)
        return done

    async def _go(self, slot: int) -> bool:
        judged = await self._book.judged(slot)
        left = [pair for pair in self._terms.pairs if pair not in judged]
        answered = await asyncio.gather(*(self._judge(pair, slot) for pair in left))
        for verdict in await self._book.unsent(slot):
            await self._hand_out(verdict)
        await self._refresh()  # another replica may have judged it all
        done = all(answered)
        if done:
            self._metrics.round.set(slot)
        return done

    async def _judge(self, pair: str, slot: int) -> bool:
        async with self._free:
            try:
                verdict = await self._context.judge(pair, slot)
            except MarketDataError as error:
                self._metrics.unanswered.inc()
                _log.warning("no verdict on %s: %s", pair, error, extra={"slot": slot})
                if error.again:
                    return False
                now = int(self._context.clock() * 1000)
                verdict = Verdict(pair, slot, "refused", now, reason=str(error))
            except Exception:  # a fault of ours with one pair must not keep the others back
                _log.exception("no verdict on %s", pair, extra={"slot": slot})
                return False
        await self._book.keep(verdict)
        self._metrics.judged.labels(verdict.kind).inc()
        return True

    async def _hand_out(self, verdict: Verdict) -> None:
        chats = await self._subscriptions.wanted()
        markup = self._context.markup(verdict.pair)
        messages = [
            SignalMessage(verdict.pair, verdict.slot, chat, verdict.html, markup).to_inbox()
            for chat in chats
        ]
        if messages:
            await self._inbox.put(messages)
        await self._book.handed_out(verdict)
        _log.info(
            "signal handed out",
            extra={"pair": verdict.pair, "slot": verdict.slot, "chats": len(messages)},
        )

    async def _refresh(self) -> None:
        """Set the gauges from the book, so that they survive a restart."""
        self._metrics.last.set(await self._book.last_signal_ms() / 1000)
        await self._subscriptions.wanted()

    def _report(self, error: InboxUnavailableError) -> None:
        self._context.report(f"signals cannot be kept: {error}")
        _log.warning("signals cannot be kept: %s", error)
