"""Sends the answer to one update, and keeps in the inbox how far that has come.

The rules, and where they come from (docs/bot.md, "What a kill can repeat"):

* A message that Telegram accepted is never sent again. One that it may have accepted (no answer
  came) is not either: it counts as sent.
* Between Telegram's acceptance and our record of it lies a moment in which a kill makes the next
  process send once more. `SendSlots` lets one message at a time be in that moment, so a kill
  repeats one at most. Edits need no slot: doing one again changes nothing.
* Where Telegram holds a message (of a group in slow mode, for up to ten seconds), it is recorded as
  sent, and others go on. If Telegram refuses it after that, that is taken back.
* What Telegram certainly did not take (429, 5xx, no connection) goes again: within two seconds at
  once, later by giving the chat back to the inbox for a while. Only that chat waits.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replace_place
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from msgspec.structs import replace
from telegram.error import TelegramError

from reference_bot.telegram_bot.inbox import (
    Inbox,
    InboxUnavailableError,
    Job,
    LeaseLostError,
    Progress,
)
from reference_bot.telegram_bot.metrics import Metrics
from reference_bot.telegram_bot.outgoing.failures import (
    Again,
    Failure,
    NoToken,
    Refused,
    Unknown,
    Wait,
    classify,
)
from reference_bot.telegram_bot.outgoing.flood import FloodControl
from reference_bot.telegram_bot.outgoing.remedies import (
    Remedy,
    remedy_for,
    same_already,
    shorter,
)
from reference_bot.telegram_bot.outgoing.sending import Sending
from reference_bot.telegram_bot.outgoing.slots import SendSlots, WhenHeld
from reference_bot.telegram_bot.render.html import plain
from reference_bot.telegram_bot.update import is_private

ACKNOWLEDGE_AFTER: Final = 0.5
WORKING: Final = "⏳ Still working on it…"
_PATIENCE: Final = 2.0
_PAUSES: Final = (0.1, 0.2, 0.4, 0.8)
_LONGEST_DELAY: Final = 8.0
_OLD_AFTER: Final = 10.0
"""Seconds after which figures that have not gone out are asked for again."""
NOT_PRIVATE: Final = (
    "🔒 That is not for a group to see, and I cannot write to you in private yet: open a chat with "
    "me, press Start, and ask there."
)
_RECORD_PAUSE: Final = 0.1
_LONGEST_RECORD_PAUSE: Final = 1.0

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer goes: the chat, in a forum the topic, in a group the message it answers.

    ``direct_topic``: in the direct messages of a channel, whose they are.
    """

    chat_id: int
    thread_id: int | None = None
    reply_to: int | None = None
    direct_topic: int | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """A rendered answer: HTML parts, and the buttons under the last one as the Bot API's JSON.

    ``markups``: the buttons under the parts before it, where several answers are one.
    """

    parts: list[str]
    markup: str = ""
    markups: tuple[str, ...] = ()

    @classmethod
    def of(cls, drafts: Sequence["Draft"]) -> "Draft":
        """Return several answers as one, each with its own buttons."""
        marks = [mark for one in drafts for mark in (*[""] * (len(one.parts) - 1), one.markup)]
        parts = [part for one in drafts for part in one.parts]
        return cls(parts, marks[-1], tuple(marks[:-1]))


class Messenger(Protocol):
    """The two Bot API calls that answers are made of. Both raise TelegramError."""

    def doubt(self) -> None:
        """Use no connection again that stands idle: a message is not answered, and the way to
        Telegram may be cut."""

    async def send(self, place: Place, html: str, markup: str = "", /) -> int:
        """Send a message, with ``markup`` (JSON) under it; return its message_id."""

    async def edit(self, chat_id: int, message_id: int, html: str, markup: str = "", /) -> None:
        """Replace the text of a message and the buttons under it."""


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """What every replier shares."""

    inbox: Inbox
    messenger: Messenger
    slots: SendSlots
    flood: FloodControl
    metrics: Metrics
    bot_failed: Callable[[str | None], None]
    """Told why Telegram refuses the bot, or (None) that it does not."""
    moved: Callable[[int, int], Awaitable[None]]
    """Told that a group is a supergroup now: the old id and the new one. As `Inbox.record`."""
    first: frozenset[int] = frozenset()
    """The operator's chats: their answers go before others."""
    sending: Sending = field(default_factory=Sending)
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class Replier:
    """Answers one update; then it is ``finished`` (recorded) or goes on after ``delay`` seconds."""

    def __init__(self, context: ReplyContext, job: Job, place: Place) -> None:
        self._context = context
        self._job = job
        self._origin = place
        chat = job.progress.chat
        self._place = place if chat is None else Place(chat)
        self._deadline = context.clock() + _PATIENCE
        self.finished = False
        self.delay: float | None = None
        self.interrupted: InboxUnavailableError | LeaseLostError | None = None
        self.failure: Exception | None = None
        """What went wrong with this update; then it is kept as a dead letter."""
        self._recording = asyncio.Lock()
        self._unanswered = False
        """Whether Telegram has been given a message and has not answered."""

    @property
    def _chat(self) -> int:
        return self._place.chat_id

    def adopt(self, message_id: int) -> None:
        """Have the answer replace a message of ours: the one whose button was tapped."""
        if self._job.progress.ack is None:
            self._job.progress = replace(self._job.progress, ack=message_id)

    def go_to(self, chat: int) -> None:
        """Have the answer go there instead of where the question came from."""
        self._job.progress = replace(self._job.progress, chat=chat, ack=None)
        self._place = Place(chat)

    async def answer(self, work: Coroutine[Any, Any, Draft]) -> None:
        """Send what ``work`` returns; announce it when that takes long."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task}, timeout=ACKNOWLEDGE_AFTER)
            if not task.done() and self._job.progress.ack is None:
                await self._acknowledge()
            draft = await task
        finally:
            if not task.done():
                task.cancel()
        await self._tell(draft, made=self._context.wall())

    async def say(self, parts: list[str], markup: str = "") -> None:
        """Send ``parts``, the first one in place of an acknowledgement if there is one."""
        await self._tell(Draft(parts, markup))

    async def _tell(self, draft: Draft, made: float = 0.0) -> None:
        progress = replace(
            self._job.progress,
            parts=tuple(draft.parts),
            sent=0,
            markup=draft.markup,
            markups=draft.markups,
            made=made,
        )
        if len(progress.parts) > 1:
            await self._record(progress)  # a restart must go on with the same split
        self._job.progress = progress
        await self.resume()

    def is_fresh(self) -> bool:
        """Tell whether the answer can go on that is made already: it is not too old by now, or
        parts of it have arrived. How old one is whose time is still to come, nobody knows: the
        clock was set back."""
        progress = self._job.progress
        waited = self._context.wall() - progress.made if progress.made else 0.0
        return progress.sent > 0 or abs(waited) <= _OLD_AFTER

    async def resume(self) -> None:
        """Send the parts that are still to go."""
        while (sent := self._job.progress.sent) < len(self._job.progress.parts):
            failure = await self._part(sent)
            if failure is not None:
                await self._put_off(failure)
                return
        if not self.finished:
            await self.finish("answered")

    # one message

    async def _acknowledge(self) -> None:
        """Best effort: without it the answer comes as a message of its own."""
        if self._context.flood.wait(self._chat, self._context.clock()) > 0:
            return

        async def section() -> None:
            self._check_lease()
            try:
                message_id = await self._send(WORKING)
            except TelegramError as error:
                self._note(classify(error))
                return
            async with self._recording:
                self._accepted()
                await self._record(replace(self._job.progress, ack=message_id))

        await self._in_turn(section, self._when_held(None))

    async def _part(self, index: int) -> Failure | None:
        """Try part ``index`` for two seconds; return None when it is sent or never will be."""
        for pause in (*_PAUSES, None):
            held = self._context.flood.wait(self._chat, self._context.clock())
            if held > 0:
                return Wait(held)
            failure = await self._try(index)
            match failure:
                case None | Wait() | NoToken():
                    return failure
                case Unknown() | Refused():
                    await self._give_up(index, failure)
                    return None
            if pause is None or self._context.clock() + pause > self._deadline:
                return failure
            await self._context.sleep(pause)
        raise AssertionError("the last pause is None, and that returns")

    async def _try(self, index: int) -> Failure | None:
        ack = self._job.progress.ack
        if index == 0 and ack is not None:
            return await self._edit(ack)
        return await self._in_turn(partial(self._send_and_record, index), self._when_held(index))

    async def _in_turn(self, section: Callable[[], Coroutine[Any, Any, _T]], held: WhenHeld) -> _T:
        first = self._job.lane in self._context.first
        return await self._context.slots.run(section, held, first=first)

    def _when_held(self, index: int | None) -> WhenHeld:
        """Return what is done before others go on while Telegram holds part ``index``: it is
        counted as sent, so that no kill repeats it. None: an announcement, which is no answer."""

        async def count(new: bool) -> bool:
            async with self._recording:
                if not self._unanswered:
                    return False
                if new:
                    self._context.messenger.doubt()
                if index is not None:
                    await self._record(replace(self._job.progress, sent=index + 1))
                return True

        return WhenHeld(self._chat, count)

    async def _send(self, html: str, markup: str = "") -> int:
        self._unanswered = True
        try:
            return await self._context.messenger.send(self._place, html, markup)
        finally:
            self._unanswered = False

    async def _send_and_record(self, index: int) -> Failure | None:
        self._check_lease()
        failure = None
        try:
            await self._send(self._job.progress.parts[index], self._markup(index))
        except TelegramError as error:
            failure = classify(error)
            self._note(failure)
        async with self._recording:
            if failure is None:
                self._accepted()
                await self._record_sent(index)
                return None
            if self._job.progress.sent > index and not isinstance(failure, Unknown):
                await self._record(replace(self._job.progress, sent=index))
            return await self._another_way(index, failure)

    async def _another_way(self, index: int, failure: Failure) -> Failure:
        """``Again`` when part ``index`` may be taken in another way; else ``failure`` itself."""
        if not isinstance(failure, Refused):
            return failure
        if failure.moved_to is not None:
            return await self._follow(failure.moved_to, failure)
        if not await self._mended(index, remedy_for(failure.reason)):
            return failure
        _log.info("Telegram refused a message, which goes another way: %s", failure.reason)
        return Again(failure.code)

    async def _follow(self, chat: int, failure: Refused) -> Failure:
        if chat == self._chat:
            return failure
        _log.warning(
            "a group became a supergroup: its answer goes there",
            extra={"chat": self._chat, "moved_to": chat},
        )
        await self._context.moved(self._chat, chat)
        self.go_to(chat)
        return Again(failure.code)

    async def _mended(self, index: int, remedy: Remedy | None) -> bool:
        """Tell whether the next try differs from this one, so that nothing is tried for ever."""
        before = self._place, self._job.progress
        progress = self._job.progress
        part = progress.parts[index]
        match remedy:
            case "no topic":
                self._place = replace_place(self._place, thread_id=None)
            case "no question":
                self._place = replace_place(self._place, reply_to=None)
            case "new message" if progress.ack is not None and index == 0:
                self._job.progress = replace(progress, ack=None)
            case "new message":  # what is not there is the question
                self._place = replace_place(self._place, reply_to=None)
            case "no buttons":
                self._job.progress = replace(progress, markup="", markups=())
            case "plain text":
                self._change(index, [plain(part)])
            case "shorter" if len(parts := shorter(part)) > 1:
                self._change(index, parts)
                await self._record(self._job.progress)  # a restart must go on with the same split
        return before != (self._place, self._job.progress)

    def _change(self, index: int, parts: list[str]) -> None:
        old, marks = self._job.progress.parts, self._job.progress.markups
        changed = (*old[:index], *parts, *old[index + 1 :])
        # the buttons stay under what was the end of the part
        marks = (*marks[:index], *[""] * (len(parts) - 1), *marks[index:])
        self._job.progress = replace(self._job.progress, parts=changed, markups=marks)

    def _accepted(self) -> None:
        self._context.bot_failed(None)
        self._context.sending.reached()
        self._context.flood.accepted(self._chat, self._context.clock())

    async def _edit(self, message_id: int) -> Failure | None:
        text = self._job.progress.parts[0]
        try:
            await self._context.messenger.edit(self._chat, message_id, text, self._markup(0))
        except TelegramError as error:
            failure = classify(error)
            if isinstance(failure, Refused) and same_already(failure.reason):
                await self._record_sent(0)  # an earlier try did it
                return None
            if isinstance(failure, Unknown):
                failure = Again("unknown")  # once more changes nothing
            self._note(failure)
            if isinstance(failure, Refused) and failure.moved_to is not None:
                self._job.progress = replace(self._job.progress, ack=None)
                return Again(failure.code)  # the old chat refuses the new message, and tells where
            return await self._another_way(0, failure)
        self._context.sending.reached()
        await self._record_sent(0)
        return None

    def _markup(self, index: int) -> str:
        progress = self._job.progress
        if index == len(progress.parts) - 1:
            return progress.markup
        return progress.markups[index] if index < len(progress.markups) else ""

    def _check_lease(self) -> None:
        if not self._context.inbox.holds(self._job):
            raise LeaseLostError(f"update {self._job.update_id} may have been taken over")

    # what became of it

    async def _record_sent(self, index: int) -> None:
        progress = replace(self._job.progress, sent=index + 1)
        if progress.sent == len(progress.parts):
            self._job.progress = progress
            await self.finish("answered")
        else:
            await self._record(progress)

    async def _give_up(self, index: int, failure: Unknown | Refused) -> None:
        """Give up: the part counts as gone, or the whole answer as refused."""
        fields = {"update_id": self._job.update_id, "part": index}
        if isinstance(failure, Unknown):
            _log.warning("no answer from Telegram: message counts as sent", extra=fields)
            await self._record_sent(index)
            return
        if not self._went_private():
            _log.warning("Telegram refused a message: %s", failure.reason, extra=fields)
            await self._end("refused")
            return
        self._place = self._origin
        self._job.progress = Progress(parts=(NOT_PRIVATE,))

    def _went_private(self) -> bool:
        """Tell whether nothing has arrived yet of an answer that a group was not to see."""
        progress = self._job.progress
        chat = progress.chat
        if chat is None or chat == self._origin.chat_id or progress.sent:
            return False
        return is_private(chat)

    async def _end(self, outcome: str) -> None:
        """Finish without the parts that are still to go."""
        self._job.progress = replace(self._job.progress, sent=len(self._job.progress.parts))
        await self.finish(outcome)

    async def _put_off(self, failure: Failure) -> None:
        """Keep the rendered answer and say when to go on."""
        tries = self._job.progress.tries + 1
        match failure:
            case Wait(seconds) | NoToken(seconds):
                self.delay = seconds
            case _:
                self.delay = min(_LONGEST_DELAY, 2.0 ** min(tries, 6))
        await self._record(replace(self._job.progress, tries=tries))

    def _note(self, failure: Failure) -> None:
        self._context.metrics.telegram_errors.labels(failure.code).inc()
        now = self._context.clock()
        match failure:
            case Wait(seconds):
                self._context.flood.refused(self._chat, seconds, now)
                self._context.sending.held(self._chat, "429", now)
            case NoToken():
                self._context.bot_failed("Telegram refuses the bot token (401)")
            case Again(code):
                self._context.sending.failed(code, now)
            case Unknown():
                self._context.sending.held(self._chat, "no answer came", now)
            case Refused():
                self._context.sending.reached()

    # the record

    async def finish(self, outcome: str) -> None:
        """Mark the update done. Raises LeaseLostError."""
        failure = self.failure
        if failure is not None:
            outcome = "failed"
            await self._insist(lambda: self._context.inbox.bury(self._job, repr(failure)))
        await self._insist(lambda: self._context.inbox.finish(self._job, outcome))
        self.finished = True
        self._count(outcome)

    def _count(self, outcome: str) -> None:
        self._context.metrics.handled.labels(outcome).inc()
        if outcome == "answered":
            self._context.metrics.replies.observe(max(0.0, self._context.clock() - self._job.since))

    async def _record(self, progress: Progress) -> None:
        await self._insist(lambda: self._context.inbox.record(self._job, progress))
        self._job.progress = progress

    async def _insist(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write until it is written: what was sent must not be forgotten."""
        pause = _RECORD_PAUSE
        while True:
            try:
                await write()
            except InboxUnavailableError as error:
                _log.warning("the inbox cannot be written: %s", error)
                await self._context.sleep(pause)
                pause = min(_LONGEST_RECORD_PAUSE, pause * 2)
            except LeaseLostError:
                _log.warning("another replica took over", extra={"update_id": self._job.update_id})
                raise
            else:
                return
