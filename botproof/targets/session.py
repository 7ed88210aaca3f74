"""What every run of the harness has around it: the facts of the machine, and an end by signal."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import os
import platform
import signal
import traceback
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from botproof import __version__, history
from botproof.budgets import MB
from botproof.config import Config
from botproof.targets.guarding import Guard
from botproof.targets.network import apart
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Surroundings


def run_line(
    command: str, t: float, at: datetime.datetime | None = None, **more: Any
) -> history.Run:
    """Return the first line of a record: what was begun, when by both clocks, and on which machine.

    `at` is now where it is not given; `more` are further fields of `Run`.
    """
    return history.Run(
        t=t,
        botproof=__version__,
        command=command,
        started_at=(at or datetime.datetime.now(datetime.UTC)).isoformat(timespec="seconds"),
        machine=_machine(),
        **more,
    )


def _machine() -> Mapping[str, Any]:
    """Return what `Run.machine` keeps; `load_1m` tells whether it was busy already."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "memory_mb": psutil.virtual_memory().total // MB,
        "load_1m": round(os.getloadavg()[0], 2),
    }


@asynccontextmanager
async def surroundings(
    config: Config,
    base: Path,
    report_dir: Path,
    recorder: Recorder,
    say: Callable[[str], None],
    *,
    users: tuple[int, ...] = (),
    keep: bool = False,
    real: bool = False,
) -> AsyncIterator[Surroundings]:
    """Give what all stacks of a run share, with a guard and a client that end with it. A `real` run
    asks the real world, for which it has to be in this machine's network."""
    async with Guard() as guard, httpx.AsyncClient(trust_env=False, timeout=30.0) as client:
        with contextlib.nullcontext() if real else apart(config, guard):
            yield Surroundings(
                config, base, report_dir, recorder, guard, client, say, users=users, keep=keep
            )


async def interruptible(work: Coroutine[Any, Any, None], recorder: Recorder) -> None:
    """Do `work`; a signal to the harness cancels it, so that everything started is ended.

    Never raises for what goes wrong in it: that is recorded as a `HarnessError`.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    received: list[str] = []

    def interrupt(number: signal.Signals) -> None:
        received.append(number.name)
        if len(received) == 1 or number is signal.SIGINT:  # the loss of a terminal is told twice
            task.cancel()

    def end() -> None:
        task.cancel()

    recorder.on_unwritable = end
    # Under `nohup` the loss of the terminal ends nothing.
    hang_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    ending = (signal.SIGINT, signal.SIGTERM, *hang_up)
    for number in ending:
        loop.add_signal_handler(number, interrupt, number)
    try:
        await task
    except asyncio.CancelledError:
        if received:
            why = f"the run was ended by {', '.join(received)}"
            _record_failure(recorder, history.INTERRUPTED, why)
    except Exception as error:  # noqa: BLE001,RUF100 - a harness that fails still gives a verdict
        _record_failure(recorder, "run", describe_error(error))
    finally:
        for number in ending:
            loop.remove_signal_handler(number)


def describe_error(error: BaseException) -> str:
    """Return an error of the harness itself in one line: what, and where it was raised."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = traceback.format_exception_only(error)[-1].strip()
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "botproof" in frame.filename] or frames
    return f"{text} (at {own[-1].filename.rpartition('/')[2]}:{own[-1].lineno})" if own else text


def _record_failure(recorder: Recorder, where: str, message: str) -> None:
    recorder.record(history.HarnessError(t=history.now(), where=where, message=message))
