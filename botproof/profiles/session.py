"""One stack, started for measurements other than the gate's."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from botproof import history
from botproof.config import Config, Process
from botproof.targets.launch import BrokenHarnessError, TargetError
from botproof.targets.recorder import Recorder
from botproof.targets.session import surroundings
from botproof.targets.stack import Stack, in_phase
from botproof.verdict import CheckResult, Verdict
from botproof.workloads import scripted

Rewrite = Callable[[str, Process], Process]
"""Changes how a process is started; given its name."""


def rewritten(config: Config, mode: str, rewrite: Rewrite) -> Config:
    """Return the configuration with every process of the target changed, in one mode."""
    services = {name: rewrite(name, process) for name, process in config.services.items()}
    bot = rewrite("bot", config.bot_in(mode))
    return msgspec.structs.replace(
        config,
        bot=bot,
        services=services,
        modes={mode: msgspec.structs.replace(config.modes[mode], command=None)},
    )


@asynccontextmanager
async def running(
    config: Config,
    mode: str,
    *,
    base: Path,
    report_dir: Path,
    recorder: Recorder,
    say: Callable[[str], None],
    double_args: Iterable[str] = (),
    users: tuple[int, ...] = (),
) -> AsyncIterator[Stack]:
    """Give a stack that is ready, and ended afterwards. `double_args` go to the Telegram double.

    Raises TargetError or BrokenHarnessError, both also recorded.
    """
    telegram = config.doubles.telegram
    telegram = msgspec.structs.replace(telegram, args=(*telegram.args, *double_args))
    doubles = msgspec.structs.replace(config.doubles, telegram=telegram)
    config = msgspec.structs.replace(config, doubles=doubles)
    users = users or scripted.known_users(config.workload.cases)
    async with surroundings(config, base, report_dir, recorder, say, users=users) as around:
        stack = Stack(around, mode)
        try:
            await in_phase(stack, "boot", stack.start())
            yield stack
        except BrokenHarnessError as error:
            stack.record_harness_error("harness", error)
            raise
        finally:
            await in_phase(stack, "stop", stack.stop())


def failure(check: str, error: TargetError | BrokenHarnessError) -> CheckResult:
    """Return the result of a measurement that could not be made: FAIL is the target's,
    ERROR is ours."""
    return CheckResult(
        check=check,
        verdict=Verdict.FAIL if isinstance(error, TargetError) else Verdict.ERROR,
        budget="every process starts, works and ends",
        measurement=str(error),
        least_evidence="one whole run",
    )


def exits(record: history.History) -> dict[str, history.ProcessExited]:
    """Return how each process of the target ended."""
    return {
        event.process: event
        for event in record.of(history.ProcessExited)
        if event.role in ("bot", "service")
    }
