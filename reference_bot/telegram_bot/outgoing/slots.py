"""The places for messages that are on their way to Telegram, and who gets the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, TypeVar

_LAST_PAUSE: Final = 0.05
_PATIENCE: Final = 1.0
_PATIENCE_WITH_HELD: Final = 0.1
"""Seconds that others wait for a message to a chat whose last ones Telegram held."""
_HELD_SECONDS: Final = 60.0
_MOST_HELD: Final = 4096
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class WhenHeld:
    """What is done ``before`` a message to ``chat`` that Telegram holds gives up its slot.

    It is told whether that is new of this chat, and tells whether Telegram does hold the message.
    """

    chat: int
    before: Callable[[bool], Awaitable[bool]]


class _Places:
    """A semaphore that serves who goes first before the others."""

    __slots__ = ("_free", "_waiting")

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: tuple[deque[asyncio.Future[None]], ...] = (deque(), deque())

    async def acquire(self, *, first: bool = False) -> None:
        if self._free > 0:  # then nobody waits
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[0 if first else 1].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()  # it came at the same moment
            raise

    def release(self) -> None:
        for waiting in self._waiting:
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1


class SendSlots:
    """The places for messages that are on their way or not yet recorded.

    The operator's chats come first. Answers to people come before what nobody waits for: that goes
    with ``run_last``, one after the other, ``last_pause`` seconds apart, and only when no answer
    waits for a slot. Telegram takes about 30 messages a second of a bot: the pause leaves a third
    of them to people.

    A message to a group in slow mode Telegram holds for up to ten seconds, and answers after that:
    it gives up its slot, or nobody else would be answered meanwhile.
    Source: https://github.com/tdlib/telegram-bot-api/issues/75
    """

    def __init__(
        self, slots: int, *, last_pause: float = _LAST_PAUSE, patience: float = _PATIENCE
    ) -> None:
        self._free = _Places(slots)
        self._running: set[asyncio.Task[Any]] = set()
        self._answers = 0  # that wait for a slot
        self._no_answers = asyncio.Event()
        self._no_answers.set()
        self._last = asyncio.Lock()
        self._last_pause = last_pause
        self._patience = patience
        self._held: dict[int, float] = {}  # chats, and until when that counts

    async def run(
        self,
        section: Callable[[], Coroutine[Any, Any, _T]],
        held: WhenHeld | None = None,
        *,
        first: bool = False,
    ) -> _T:
        """Run ``section`` in a slot, to its end even when the caller is cancelled meanwhile."""
        self._answers += 1
        self._no_answers.clear()
        try:
            await self._free.acquire(first=first)
        finally:
            self._answers -= 1
            if not self._answers:
                self._no_answers.set()
        return await self._in_slot(section, held)

    async def run_last(
        self, section: Callable[[], Coroutine[Any, Any, _T]], held: WhenHeld | None = None
    ) -> _T:
        """Do the same for a message that people's answers go before."""
        async with self._last:
            await self._no_answers.wait()
            await self._free.acquire()
            done = await self._in_slot(section, held)
            await asyncio.sleep(self._last_pause)
            return done

    async def _in_slot(
        self, section: Callable[[], Coroutine[Any, Any, _T]], held: WhenHeld | None
    ) -> _T:
        """Run ``section`` in the slot that was acquired, and free that."""
        pass_on = asyncio.create_task(section())
        self._running.add(pass_on)
        pass_on.add_done_callback(self._ended)
        taken = True
        try:
            new = held is None or not self._was_held(held.chat)
            patience = self._patience if new else _PATIENCE_WITH_HELD
            await asyncio.wait({pass_on}, timeout=patience if held else None)
            if held is not None and not pass_on.done():
                if await held.before(new):
                    self._note_held(held.chat)
                taken = False
                self._free.release()
            return await asyncio.shield(pass_on)
        except asyncio.CancelledError:
            # The slot stays taken until the section has ended.
            await asyncio.wait({pass_on})
            raise
        finally:
            if taken:
                self._free.release()

    def _was_held(self, chat: int) -> bool:
        return self._held.get(chat, 0.0) > asyncio.get_running_loop().time()

    def _note_held(self, chat: int) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._held) >= _MOST_HELD:
            self._held = {one: until for one, until in self._held.items() if until > now}
        self._held[chat] = now + _HELD_SECONDS

    def _ended(self, section: asyncio.Task[Any]) -> None:
        self._running.discard(section)
        if not section.cancelled():
            section.exception()  # whoever waited has it; when nobody does, nobody is to be warned

    async def settled(self, seconds: float) -> None:
        """Wait ``seconds`` until no section runs, and cut off one that cannot end.

        That is one that cannot record what it has sent, with the inbox out of reach for good.
        """
        running = tuple(self._running)
        if running:
            _, stuck = await asyncio.wait(running, timeout=seconds)
            for section in stuck:
                section.cancel()
            await asyncio.gather(*stuck, return_exceptions=True)
