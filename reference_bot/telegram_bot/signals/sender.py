"""Sends signals that wait in the inbox to their chats, by the rules that answers go by."""

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
from reference_bot.telegram_bot.outgoing.replier import Place, Replier, ReplyContext
from reference_bot.telegram_bot.outgoing.slots import WhenHeld
from reference_bot.telegram_bot.signals.metrics import SignalMetrics
from reference_bot.telegram_bot.signals.model import SignalBook, SignalMessage
from reference_bot.telegram_bot.signals.slots import slot_at
from reference_bot.telegram_bot.signals.subscriptions import Subscriptions

_SECONDS: Final = 10.0
"""How long a message may wait for its turn before it goes back to the inbox."""
_GONE: Final = ("chat not found", "group chat was deleted")

_decode = msgspec.json.Decoder(SignalMessage).decode
_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class SignalSender:
    """Sends signals; what it has in hand at a kill, the next process finds in the inbox."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        book: SignalBook,
        access: Access,
        context: ReplyContext,
        metrics: SignalMetrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._subscriptions = subscriptions
        self._book = book
        self._access = access
        self._context = context
        self._metrics = metrics
        self._clock = clock

    async def deliver(self, job: Job) -> float:
        """Send the message; return how many seconds its lane has to wait before it can go on.

        Raises InboxUnavailableError and LeaseLostError.
        """
        message = _decode(job.payload)
        replier = _SignalReplier(self._context, job, message, self._book, self._metrics)
        try:
            async with asyncio.timeout(_SECONDS):
                obstacle = await self._obstacle(message)
                if obstacle is not None:
                    await replier.finish(obstacle)
                elif (chat := await self._moved_to(message)) is not None:
                    await replier.go_on_in(chat)
                elif job.progress.parts:
                    await replier.resume()
                else:
                    await replier.say([message.html], message.markup)
        except TimeoutError:
            _log.info("a signal waits for its turn", extra={"chat": message.chat})
        return replier.delay or 0.0

    async def _obstacle(self, message: SignalMessage) -> str | None:
        """Say why the message is not wanted any more, or None."""
        if slot_at(self._clock(), self._subscriptions.terms.interval) != message.slot:
            return "late"
        wanted = await self._subscriptions.wants(message.chat)
        return None if wanted or await self._moved_to(message) is not None else "unasked"

    async def _moved_to(self, message: SignalMessage) -> int | None:
        """Return the supergroup that its group has become since it was written, where that one
        subscribes.

        The group may move at any moment: its subscription has the new id before it loses the old
        one, so the old one is asked first.
        """
        if await self._subscriptions.wants(message.chat):
            return None
        chat = await self._access.successor(message.chat)
        return chat if chat is not None and await self._subscriptions.wants(chat) else None


class _SignalReplier(Replier):
    """A replier whose message waits for people's answers, and that knows who has left."""

    def __init__(
        self,
        context: ReplyContext,
        job: Job,
        message: SignalMessage,
        book: SignalBook,
        metrics: SignalMetrics,
    ) -> None:
        super().__init__(context, job, Place(message.chat))
        self._message = message
        self._book = book
        self._metrics = metrics

    async def _follow(self, chat: int, failure: Refused) -> Failure:  # noqa: ARG002 - the base's
        return failure  # `_give_up` writes it anew: signals of one chat have one lane

    async def _in_turn(self, section: Callable[[], Coroutine[Any, Any, _T]], held: WhenHeld) -> _T:
        return await self._context.slots.run_last(section, held)

    async def _give_up(self, index: int, failure: Unknown | Refused) -> None:
        if isinstance(failure, Refused) and failure.moved_to is not None:
            await self._context.moved(self._chat, failure.moved_to)
            await self.go_on_in(failure.moved_to)
            return
        if isinstance(failure, Refused) and _has_left(failure):
            await self._book.unsubscribe(self._chat)
            _log.warning(
                "no auto-signals any more for a chat that cannot be written to: %s",
                failure.reason,
                extra={"chat": self._chat},
            )
        await super()._give_up(index, failure)

    async def go_on_in(self, chat: int) -> None:
        """Put it into the inbox anew, for the supergroup that its group has become.

        A kill after this and before the end loses nothing: the inbox takes the new message once.
        """
        await self._context.inbox.put([replace(self._message, chat=chat).to_inbox()])
        await self._end("moved")

    def _count(self, outcome: str) -> None:
        if outcome == "answered":
            self._metrics.sent.inc()
        elif outcome == "refused":
            self._metrics.failed.inc()
        else:
            self._metrics.dropped.labels(outcome).inc()


def _has_left(failure: Refused) -> bool:
    """Tell whether the bot is blocked, kicked or deleted (403), or the chat is there no more."""
    return failure.code == "403" or any(text in failure.reason.lower() for text in _GONE)
