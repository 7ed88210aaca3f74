"""Trials: stacks of their own that are there for one check, all of them beside each other.

What happens in one is no matter of the other checks: it is started with other settings, its bot is
killed, its exchanges fail. All that the rest of the gate hears is that the harness failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from botproof import history
from botproof.config import Config, Scalar
from botproof.history import BotApiCall, Event, HarnessError, Withheld
from botproof.targets.granted import Granted
from botproof.targets.life import live, with_fresh_start
from botproof.targets.recorder import Predicate, Recorder
from botproof.targets.stack import Stack, Surroundings

Trial = Callable[[], Awaitable[None]]


async def play_trials(trials: Sequence[Trial], *, beside: bool) -> None:
    """Play all of them: beside each other, or one after the other where two of the target cannot
    run at a time."""
    if beside:
        async with asyncio.TaskGroup() as group:
            for trial in trials:
                group.create_task(_awaited(trial))
        return
    for trial in trials:
        await trial()


async def _awaited(trial: Trial) -> None:
    await trial()


def with_env(config: Config, mode: str, env: Mapping[str, Scalar]) -> Config:
    """Return the configuration with one mode, which has these variables besides."""
    change = config.modes[mode]
    changed = msgspec.structs.replace(change, env={**change.env, **env})
    return msgspec.structs.replace(config, modes={mode: changed})


async def in_stack(
    around: Surroundings,
    mode: str,
    name: str,
    work: Callable[[Stack], Coroutine[Any, Any, None]],
    *,
    check: str = "",
    make: Callable[..., Stack] | None = None,
) -> str:
    """Start a stack that nobody else hears of, do `work` in it, and end it. Why the target could
    not go on; "" when it could. A harness that broke gets one fresh start, and then is recorded.
    What the machine withheld from it is recorded for `check`.

    Raises nothing but cancellation and what `work` raises by mistake.
    """

    def begin(again: bool) -> Stack:
        own = dataclasses.replace(around, recorder=Recorder())
        return make(own, name, again=again) if make else Stack(own, mode, name, again=again)

    began = history.now()
    stack, ended = await with_fresh_start(
        begin, lambda stack: live(stack, lambda: stack.run(work(stack)))
    )
    if check:
        over_s, withheld_s = history.now() - began, stack.watch.withheld_s
        around.recorder.record(
            Withheld(
                t=history.now(),
                check=check,
                over_s=round(over_s, 2),
                withheld_s=round(withheld_s, 2),
                stack=mode,
                mode=mode,
            )
        )
    if ended.broken is None:
        return ended.target
    message = str(ended.broken)
    around.recorder.record(
        HarnessError(t=history.now(), where="harness", message=message, **stack.labels)
    )
    return message


@contextlib.asynccontextmanager
async def reading(
    stack: Stack,
    wanted: Predicate,
    take_in: Callable[[Event], None],
) -> AsyncIterator[None]:
    """Have each wanted event of a stack taken in while the block goes on."""
    with stack.around.recorder.subscribe(wanted) as events:

        async def read() -> None:
            while True:
                take_in(await events.get())

        reader = asyncio.create_task(read())
        try:
            yield
        finally:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)


class CallsSeen:
    """What the bot of a stack calls, as it comes, and waits for what they bring about."""

    def __init__(self, stack: Stack) -> None:
        self._watch = stack.watch
        self._progress = asyncio.Event()
        self.calls: list[BotApiCall] = []

    def take_in(self, event: Event) -> None:
        """Keep a call."""
        if isinstance(event, BotApiCall):
            self.calls.append(event)
            self._progress.set()

    async def until(self, met: Callable[[], bool], seconds: float) -> bool:
        """Wait until `met`, which is asked again after each call; tell whether it was in time."""

        async def progress() -> None:
            self._progress.clear()
            await self._progress.wait()

        return await Granted(self._watch, seconds).wait(met, progress)
