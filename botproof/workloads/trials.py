"""Trials: stacks of their own that are there for one check, all of them beside each other.

What happens in one is no matter of the other checks: it is started with other settings, its bot is
killed, its exchanges fail. All that the rest of the gate hears is that the harness failed.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

import msgspec

from botproof import history
from botproof.config import Config, Scalar
from botproof.history import HarnessError
from botproof.targets.process import BrokenHarnessError, TargetError
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Stack, Surroundings, record_fresh_start

Trial = Callable[[], Awaitable[None]]
MEMORY_EVERY_S = 5.0


async def play_trials(trials: Sequence[Trial], *, beside: bool) -> None:
    """Play all of them: beside each other, or one after the other where the target insists on a
    port."""
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
    """The configuration with one mode, which has these variables besides."""
    change = config.modes[mode]
    changed = msgspec.structs.replace(change, env={**change.env, **env})
    return msgspec.structs.replace(config, modes={mode: changed})


def without_flood(config: Config) -> Config:
    """Of the double, as for many questions at once: it is no matter of these trials."""
    telegram = config.doubles.telegram
    telegram = msgspec.structs.replace(telegram, args=(*telegram.args, "--no-flood"))
    return msgspec.structs.replace(
        config,
        doubles=msgspec.structs.replace(config.doubles, telegram=telegram),
        memory=msgspec.structs.replace(config.memory, every_s=MEMORY_EVERY_S),
    )


async def in_stack(
    around: Surroundings,
    mode: str,
    name: str,
    work: Callable[[Stack], Coroutine[Any, Any, None]],
    *,
    make: Callable[..., Stack] | None = None,
) -> str:
    """Start a stack that nobody else hears of, do `work` in it, and end it. Why the target could
    not go on; "" when it could. A harness that broke gets one fresh start, and then is recorded.

    Raises nothing but cancellation and what `work` raises by mistake.
    """
    results = around.recorder
    for again in (False, True):
        own = dataclasses.replace(around, recorder=Recorder())
        stack = make(own, name, again=again) if make else Stack(own, mode, name, again=again)
        failed, broken = await _one_life(stack, work)
        if broken is None:
            return failed
        if again or not broken.kind.mends:
            results.record(
                HarnessError(t=history.now(), where="harness", message=str(broken), **stack.labels)
            )
            return str(broken)
        record_fresh_start(stack, broken)
    raise AssertionError("a second start is the last")


async def _one_life(
    stack: Stack, work: Callable[[Stack], Coroutine[Any, Any, None]]
) -> tuple[str, BrokenHarnessError | None]:
    failed = ""
    try:
        await stack.start()
        await stack.run(work(stack))
    except TargetError as error:
        failed = str(error)
    except BrokenHarnessError as error:
        stack.harness_failure = stack.harness_failure or error
    finally:
        await stack.stop()
    return failed, stack.harness_failure
