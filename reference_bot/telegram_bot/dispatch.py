"""Has updates handled out of the inbox: one chat in order, chats beside each other."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from telegram import Update

from reference_bot.telegram_bot.handlers import TROUBLE, BotApplication, current
from reference_bot.telegram_bot.inbox import InboxUnavailableError, Job, LeaseLostError
from reference_bot.telegram_bot.inbox.model import KNOWN_FOR_SECONDS
from reference_bot.telegram_bot.outgoing.replier import Place, Replier, ReplyContext
from reference_bot.telegram_bot.signals.sender import SignalSender
from reference_bot.telegram_bot.update import decode_json

CONCURRENCY: Final = 256
_HANDLER_SECONDS: Final = 15.0
_STALLED_SECONDS: Final = 8.0
_LAG_SECONDS: Final = 2.0
_BEAT_SECONDS: Final = 0.5
_PAUSE: Final = 0.5
_LATER: Final = 8.0
_CUT_OFF_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class TooOldError(Exception):
    """Nobody waits for this answer any more."""


class Dispatcher:
    """Runs until `stop`; then lets what is running finish."""

    def __init__(
        self, application: BotApplication, context: ReplyContext, sender: SignalSender | None = None
    ) -> None:
        self._application = application
        self._context = context
        self._sender = sender
        # The operator's chats have places of their own: strangers cannot take those.
        self._free = {first: asyncio.Semaphore(CONCURRENCY) for first in (False, True)}
        self._running: dict[asyncio.Task[None], float] = {}
        self._beat_at = time.monotonic()
        self._lag = 0.0
        self._stopped: str | None = None

    async def run(self) -> None:
        """Claim and start handling, forever; cancel it to stop taking new updates."""
        self._stopped = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._beat())
                for first in self._free:
                    group.create_task(self._take(first=first))
        finally:
            self._stopped = "nothing takes updates out of the inbox"

    async def _take(self, *, first: bool) -> None:
        free = self._free[first]
        while True:
            await free.acquire()
            try:
                job = await self._claim(first=first)
            except BaseException:  # a cancelled claim as well: its place is for the next one
                free.release()
                raise
            task = asyncio.create_task(self._handle(job), name=f"update {job.update_id}")
            self._running[task] = time.monotonic()
            task.add_done_callback(self._ended)
            task.add_done_callback(lambda _: free.release())

    async def _claim(self, *, first: bool) -> Job:
        while True:
            try:
                return await self._context.inbox.claim(first=first)
            except InboxUnavailableError as error:
                _log.warning("the inbox cannot be read: %s", error)
            except Exception:  # one odd row must not keep the others from being handled
                _log.exception("the inbox gave what cannot be read")
            await asyncio.sleep(_PAUSE)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("an update could not be handled", exc_info=error)

    async def handled(self) -> None:
        """Wait until nothing is being handled."""
        while self._running:
            await asyncio.wait(tuple(self._running))

    async def drain(self, seconds: float) -> None:
        """Wait ``seconds`` for what is running; the rest is cut off and stays in the inbox."""
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=seconds)
        left = tuple(self._running)
        for task in left:
            task.cancel()
        if left:
            _log.warning(
                "stopped before %d updates were handled; they stay in the inbox", len(left)
            )
            await asyncio.wait(left, timeout=_CUT_OFF_SECONDS)

    # one update

    async def _handle(self, job: Job) -> None:
        delay = 0.0
        try:
            self._check(job)
            delay = await (self._answer(job) if job.of_telegram else self._deliver(job))
        except LeaseLostError:
            _log.warning("given up to another replica", extra={"update_id": job.update_id})
        except InboxUnavailableError as error:
            _log.warning("put off: %s", error, extra={"update_id": job.update_id})
            delay = _PAUSE
        except Exception as error:  # whatever it is, this update must not come again
            delay = await self._bury(job, error)
        await self._release(job, delay)

    def _check(self, job: Job) -> None:
        if job.flaw:
            raise ValueError(job.flaw)
        tried = job.progress.tries and time.monotonic() - job.since > KNOWN_FOR_SECONDS
        if tried:
            raise TooOldError("it could not be delivered within a day")

    async def _bury(self, job: Job, error: Exception) -> float:
        """Finish ``job`` as failed, kept as a dead letter; return how long its chat has to wait."""
        self._note_failure(job, error)
        reason = str(error) if isinstance(error, TooOldError | ValueError) else repr(error)
        inbox = self._context.inbox
        try:
            await self._insist(job, lambda: inbox.bury(job, reason))  # else the log has it
            finished = await self._insist(job, lambda: inbox.finish(job, "failed"))
        except LeaseLostError:
            return 0.0
        if not finished:
            return _LATER
        self._context.metrics.handled.labels("failed").inc()
        return 0.0

    async def _insist(self, job: Job, write: Callable[[], Awaitable[None]]) -> bool:
        """Write until it is written; return False when that fails for no reason that could pass."""
        while True:
            try:
                await write()
            except LeaseLostError:
                raise
            except InboxUnavailableError:
                await asyncio.sleep(_PAUSE)
            except Exception:  # its lane has to become free all the same
                _log.exception("a failure cannot be kept", extra={"update_id": job.update_id})
                return False
            else:
                return True

    async def _deliver(self, job: Job) -> float:
        """Send a signal; return how many seconds its lane has to wait before it can go on."""
        if self._sender is None:  # auto-signals were switched off in the meantime
            await self._context.inbox.finish(job, "unasked")
            return 0.0
        return await self._sender.deliver(job)

    async def _answer(self, job: Job) -> float:
        """Handle ``job``; return how many seconds its chat has to wait before it can go on."""
        update = decode_json(job.payload) if job.value is None else job.value
        replier = Replier(self._context, job, _place(job.lane, update))
        current.set(replier)  # this task's own context
        try:
            async with asyncio.timeout(_HANDLER_SECONDS):
                if job.progress.parts and replier.is_fresh():
                    await replier.resume()
                else:
                    await self._application.process_update(
                        Update.de_json(update, self._application.bot)
                    )
        except (LeaseLostError, InboxUnavailableError):
            raise
        except Exception as error:  # a broken update or handler must not end the others
            await self._fail(job, replier, error)
        if replier.interrupted is not None:  # python-telegram-bot keeps exceptions to itself
            raise replier.interrupted
        if replier.delay is None and not replier.finished:
            await replier.finish("ignored")
        return replier.delay or 0.0

    async def _fail(self, job: Job, replier: Replier, error: Exception) -> None:
        self._note_failure(job, error)
        replier.failure = error
        if isinstance(error, TimeoutError) and not replier.finished:
            await replier.say([TROUBLE])

    def _note_failure(self, job: Job, error: Exception) -> None:
        self._context.metrics.failed.inc()
        _log.error("handling failed", exc_info=error, extra={"update_id": job.update_id})

    async def _release(self, job: Job, delay: float) -> None:
        while True:
            try:
                await self._context.inbox.release(job, delay)
            except LeaseLostError:
                return
            except InboxUnavailableError:
                await asyncio.sleep(_PAUSE)
            except Exception:  # its lane has to become free
                _log.exception("a lane could not be given back", extra={"update_id": job.update_id})
                await asyncio.sleep(_PAUSE)
            else:
                return

    # health

    async def _beat(self) -> None:
        self._beat_at = time.monotonic()
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            now = time.monotonic()
            self._lag = now - self._beat_at - _BEAT_SECONDS
            self._beat_at = now

    def stalled(self) -> str | None:
        """Say why updates are not getting on, or None."""
        now = time.monotonic()
        if self._stopped is not None:
            return self._stopped
        if max(self._lag, now - self._beat_at - _BEAT_SECONDS) > _LAG_SECONDS:
            return "the event loop is held up"
        return self._waiting()

    def unsent(self) -> str | None:
        """Say why no answer reaches anybody, or None."""
        return self._context.sending.trouble(time.monotonic())

    def _waiting(self) -> str | None:
        """Say why an update does not get on, or None."""
        waiting = self._context.inbox.oldest_ready()
        if waiting > _STALLED_SECONDS:
            return f"updates wait for {waiting:.0f} s while nothing takes them"
        if (stuck := self._context.inbox.stuck()) > _STALLED_SECONDS:
            return f"an update has waited for {stuck:.0f} s and cannot be taken"
        now = time.monotonic()
        oldest = min(self._running.values(), default=now)
        if now - oldest > _HANDLER_SECONDS + _STALLED_SECONDS:
            return f"an update has been handled for {now - oldest:.0f} s"
        return None


def _place(lane: int, update: dict[str, Any]) -> Place:
    """Return where the answer goes; without a chat (inline) to the person.

    The answer to a tap replaces the tapped message. Where that cannot be edited any more, the new
    one replies to it: Telegram then keeps to its topic, even if it does not tell which that is.
    """
    message = update.get("message") or (update.get("callback_query") or {}).get("message")
    if not isinstance(message, dict):
        return Place(lane)
    private = message.get("chat", {}).get("type") == "private"
    thread = message.get("message_thread_id") if message.get("is_topic_message") else None
    direct = message.get("direct_messages_topic")
    topic = direct.get("topic_id") if isinstance(direct, dict) else None
    return Place(
        lane,
        thread if isinstance(thread, int) else None,
        None if private else message.get("message_id"),
        topic if isinstance(topic, int) else None,
    )
