"""Has updates handled out of the inbox: one chat in order, chats beside each other."""

import asyncio
import json
import logging
import time
from typing import Any, Final

from telegram import Update

from reference_bot.telegram_bot.handlers import TROUBLE, BotApplication, current
from reference_bot.telegram_bot.inbox import InboxUnavailableError, Job, LeaseLostError
from reference_bot.telegram_bot.outgoing.replier import Desk, Place, Replier
from reference_bot.telegram_bot.signals.courier import Courier
from reference_bot.telegram_bot.update import lane_of

CONCURRENCY: Final = 256
_HANDLER_SECONDS: Final = 15.0
_STALLED_SECONDS: Final = 10.0
_LAG_SECONDS: Final = 2.0
_BEAT_SECONDS: Final = 0.5
_PAUSE: Final = 0.5
_CUT_OFF_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class Dispatcher:
    """Runs until `stop`; then lets what is running finish."""

    def __init__(
        self, application: BotApplication, desk: Desk, courier: Courier | None = None
    ) -> None:
        self._application = application
        self._desk = desk
        self._courier = courier
        self._free = asyncio.Semaphore(CONCURRENCY)
        self._running: dict[asyncio.Task[None], float] = {}
        self._beat_at = time.monotonic()
        self._lag = 0.0

    async def run(self) -> None:
        """Claims and starts handling, forever; cancel it to stop taking new updates."""
        beat = asyncio.create_task(self._beat())
        try:
            while True:
                await self._free.acquire()
                try:
                    job = await self._claim()
                except BaseException:
                    self._free.release()
                    raise
                task = asyncio.create_task(self._handle(job), name=f"update {job.update_id}")
                self._running[task] = time.monotonic()
                task.add_done_callback(self._ended)
        finally:
            beat.cancel()

    async def _claim(self) -> Job:
        while True:
            try:
                return await self._desk.inbox.claim()
            except InboxUnavailableError as error:
                _log.warning("the inbox cannot be read: %s", error)
                await asyncio.sleep(_PAUSE)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._free.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.critical("an update could not be handled", exc_info=error)

    async def drain(self, seconds: float) -> None:
        """Waits ``seconds`` for what is running; the rest is cut off and stays in the inbox."""
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
            delay = await (self._answer(job) if job.update_id >= 0 else self._deliver(job))
        except LeaseLostError:
            _log.warning("given up to another replica", extra={"update_id": job.update_id})
        except InboxUnavailableError as error:
            _log.warning("put off: %s", error, extra={"update_id": job.update_id})
            delay = _PAUSE
        await self._release(job, delay)

    async def _deliver(self, job: Job) -> float:
        """The same for a parcel of ours: a signal that nobody has to ask for."""
        if self._courier is None:  # auto-signals were switched off after it was packed
            await self._desk.inbox.finish(job, "unasked")
            return 0.0
        try:
            return await self._courier.deliver(job)
        except (LeaseLostError, InboxUnavailableError):
            raise
        except Exception as error:  # a broken parcel must not block its lane
            self._note_failure(job, error)
            await self._desk.inbox.finish(job, "failed")
            return 0.0

    async def _answer(self, job: Job) -> float:
        """Handles ``job``; how many seconds its chat has to wait before it can go on."""
        update = json.loads(job.payload)
        replier = Replier(self._desk, job, _place(update))
        current.set(replier)  # this task's own context
        try:
            async with asyncio.timeout(_HANDLER_SECONDS):
                if job.progress.parts:
                    await replier.resume()
                else:
                    await self._application.process_update(self._parse(update))
        except (LeaseLostError, InboxUnavailableError):
            raise
        except Exception as error:  # a broken update or handler must not end the others
            await self._fail(job, replier, error)
        if replier.interrupted is not None:  # python-telegram-bot keeps exceptions to itself
            raise replier.interrupted
        if replier.delay is None and not replier.finished:
            await replier.finish("ignored")
        return replier.delay or 0.0

    def _parse(self, update: dict[str, Any]) -> Update:
        return Update.de_json(update, self._application.bot)

    async def _fail(self, job: Job, replier: Replier, error: Exception) -> None:
        self._note_failure(job, error)
        if isinstance(error, TimeoutError) and not replier.finished:
            await replier.say([TROUBLE])

    def _note_failure(self, job: Job, error: Exception) -> None:
        self._desk.metrics.failed.inc()
        _log.error("handling failed", exc_info=error, extra={"update_id": job.update_id})

    async def _release(self, job: Job, delay: float) -> None:
        while True:
            try:
                await self._desk.inbox.release(job, delay)
            except LeaseLostError:
                return
            except InboxUnavailableError:
                await asyncio.sleep(_PAUSE)
            else:
                return

    # health

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT_SECONDS)
            now = time.monotonic()
            self._lag = now - self._beat_at - _BEAT_SECONDS
            self._beat_at = now

    def stalled(self) -> str | None:
        """Why updates are not getting on, or None."""
        now = time.monotonic()
        if max(self._lag, now - self._beat_at - _BEAT_SECONDS) > _LAG_SECONDS:
            return "the event loop is held up"
        waiting = self._desk.inbox.oldest_ready()
        if waiting > _STALLED_SECONDS and len(self._running) < CONCURRENCY:
            return f"updates wait for {waiting:.0f} s while nothing takes them"
        oldest = min(self._running.values(), default=now)
        if now - oldest > _HANDLER_SECONDS + _STALLED_SECONDS:
            return f"an update has been handled for {now - oldest:.0f} s"
        return None


def _place(update: dict[str, Any]) -> Place:
    """Where the answer goes; without a chat (inline) to the person.

    The answer to a tap replaces the tapped message. Where that cannot be edited any more, the new
    one replies to it: Telegram then keeps to its topic, even if it does not tell which that is.
    """
    message = update.get("message") or (update.get("callback_query") or {}).get("message")
    if not isinstance(message, dict):
        return Place(lane_of(update))
    private = message.get("chat", {}).get("type") == "private"
    thread = message.get("message_thread_id") if message.get("is_topic_message") else None
    return Place(
        lane_of(update),
        thread if isinstance(thread, int) else None,
        None if private else message.get("message_id"),
    )
