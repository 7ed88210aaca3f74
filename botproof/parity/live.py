"""Running stacks to play at, and the way from Hypothesis's thread to their event loop."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from botproof.checks.playing import Playing
from botproof.conversations import Conversation
from botproof.history import BotApiCall, Event, UpdateConfirmed
from botproof.parity.player import Player
from botproof.parity.search import Abort
from botproof.starvation import CASE_S
from botproof.targets.doubles import DoubleControl
from botproof.targets.failures import Failure
from botproof.targets.launch import BrokenHarnessError, TargetError
from botproof.targets.stack import Stack
from botproof.workloads.stage import BotIdentity

_POLLING = "getUpdates"


class StackInMode:
    """A running stack as a `player.BotInMode`. Reads events while `following` is open."""

    def __init__(self, stack: Stack, telegram: DoubleControl, bot: BotIdentity) -> None:
        self.name = stack.name
        self.bot = bot
        self._token = stack.values["token"]
        self._stack = stack
        self._telegram = telegram
        self._calls: list[BotApiCall] = []
        self._confirmed: set[int] = set()
        self._ticks = 0
        self._moved = asyncio.Event()

    @classmethod
    async def of(cls, stack: Stack) -> StackInMode:
        """Return the mode of a stack that was started."""
        user = await stack.telegram.bot(stack.values["token"])
        identity = BotIdentity(user["id"], user["username"], user["first_name"])
        return cls(stack, stack.telegram, identity)

    @contextmanager
    def following(self) -> Iterator[None]:
        """Take in what the bot does, for as long as this is open."""
        wanted = self._stack.around.recorder.subscribe(self._wants)
        with wanted as events:
            reader = asyncio.create_task(self._read(events))
            try:
                yield
            finally:
                reader.cancel()

    def _wants(self, event: Event) -> bool:
        if event.stack != self.name:
            return False
        if isinstance(event, BotApiCall):
            return event.method != _POLLING
        return isinstance(event, UpdateConfirmed)

    async def _read(self, events: asyncio.Queue[Event]) -> None:
        while True:
            event = await events.get()
            if isinstance(event, BotApiCall):
                self._calls.append(event)
            elif isinstance(event, UpdateConfirmed):
                self._confirmed.update(event.update_ids)
            self._ticks += 1
            self._moved.set()

    async def send(self, update: Mapping[str, Any], *, twice: bool) -> Mapping[str, Any]:
        """Give Telegram an update for the bot; `twice` has it delivered once more afterwards."""
        if not twice:
            return await self._telegram.act(self._token, {"update": update})
        await self._telegram.add_fault({"kind": "duplicate", "count": 1})
        made = await self._telegram.act(self._token, {"update": update})
        if made["update_id"] is None:  # nothing will be delivered: the fault must not wait for more
            await self._telegram.clear_faults()
        return made

    def calls(self) -> Sequence[BotApiCall]:
        """Return every call of the bot so far, without its polls for updates."""
        return self._calls

    def confirmed(self, update_ids: Iterable[int]) -> bool:
        """Tell whether the bot has taken all of these updates from Telegram."""
        return self._confirmed.issuperset(update_ids)

    @property
    def ticks(self) -> int:
        """Grows with everything that happens here."""
        return self._ticks

    async def event(self, seen: int, timeout_s: float) -> bool:
        """Wait until `ticks` is above `seen`; False when the time was up first."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._ticks <= seen:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return False
        return True


def starved_since(before: Sequence[float], stacks: Sequence[Stack]) -> bool:
    """Tell whether the machine kept a stack from going on since it had withheld so many
    seconds of each."""
    return any(
        stack.watch.withheld_s - earlier >= CASE_S * stack.stretch
        for stack, earlier in zip(stacks, before, strict=True)
    )


class LiveStage:
    """A `search.Stage` for a thread beside the event loop. Its calls block that thread alone."""

    def __init__(self, player: Player, stacks: Sequence[Stack]) -> None:
        self._player = player
        self._stacks = stacks
        self._loop = asyncio.get_running_loop()
        self._under_way: concurrent.futures.Future[Playing] | None = None
        self._closed = False

    def play(self, conversation: Conversation, quiet_s: float = 0.0) -> Playing:
        """Play a conversation in every mode. Raises Abort when a process ended, or the run did."""
        if self._closed:
            raise Abort(conversation, _ended())
        before = [stack.watch.withheld_s for stack in self._stacks]
        work = guarded(self._stacks, self._player.play(conversation, quiet_s))
        self._under_way = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            playing = self._under_way.result()
        except (TargetError, BrokenHarnessError) as error:
            raise Abort(conversation, error) from error
        except concurrent.futures.CancelledError as error:
            raise Abort(conversation, _ended()) from error
        return replace(playing, starved=starved_since(before, self._stacks))

    def reread(self, number: int) -> Playing:
        """Return a playing with everything that has come since it ended."""

        async def read() -> Playing:
            return self._player.reread(number)

        return asyncio.run_coroutine_threadsafe(read(), self._loop).result()

    def close(self) -> None:
        """Let go of a thread that still plays. From the event loop's own thread."""
        self._closed = True
        if self._under_way is not None:
            self._under_way.cancel()


def _ended() -> BrokenHarnessError:
    return BrokenHarnessError("the run was ended", Failure.INTERRUPTED)


T = TypeVar("T")


async def guarded(stacks: Sequence[Stack], work: Coroutine[Any, Any, T]) -> T:
    """Do `work`, unless a process of any stack ends before: then raise what happened, and where."""
    for stack in stacks:
        work = _named(stack, stack.run(work))
    return await work


async def _named(stack: Stack, work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    except _WhereError:
        raise
    except TargetError as error:
        raise _WhereError(f"{error} ({stack.name})", error.kind) from error


class _WhereError(TargetError):
    """A TargetError that says in which stack."""
