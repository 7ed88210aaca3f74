"""Background tasks that may not end unseen: each is started again, and /ready says so."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from reference_bot.telegram_bot.backoff import Backoff
from reference_bot.telegram_bot.health import Readiness

_WELL_AFTER: Final = 3.0
"""Seconds that a task has to run before it counts as well again."""

_log = logging.getLogger(__name__)

Work = Callable[[], Coroutine[Any, Any, None]]


class Supervisor:
    """Runs named tasks until `stop`."""

    def __init__(
        self, readiness: Readiness, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._readiness = readiness
        self._clock = clock
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Work, *, ends: bool = False) -> None:
        """Run ``work()``, and again whenever it ends; with ``ends`` it may return once."""
        self._tasks[name] = asyncio.create_task(self._run(name, work, ends=ends), name=name)

    def runs(self, name: str) -> bool:
        """Tell whether it was started and not stopped."""
        return name in self._tasks

    async def stop(self, *names: str) -> None:
        """Cancel those of these that run, or all of them, and wait until they have ended."""
        stopped = [self._tasks.pop(name) for name in names or tuple(self._tasks) if self.runs(name)]
        for task in stopped:
            task.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)

    async def _run(self, name: str, work: Work, *, ends: bool) -> None:
        backoff = Backoff(5.0)
        while True:
            began = self._clock()
            well = asyncio.get_running_loop().call_later(_WELL_AFTER, self._note, name, None)
            try:
                await work()
                if ends:
                    self._note(name, None)
                    return
                error: BaseException = RuntimeError("it returned")
            except asyncio.CancelledError:
                raise
            except Exception as caught:  # whatever it is, the task is needed
                error = caught
            except BaseException:  # SystemExit: the process ends, but not without a word
                _log.critical("a task ends the process: %s", name, exc_info=True)
                raise
            finally:
                well.cancel()
            if self._clock() - began > _WELL_AFTER:
                backoff.reset()
            self._note(name, f"it ended and is started again: {error!r}")
            _log.critical("a task ended and is started again: %s", name, exc_info=error)
            await asyncio.sleep(backoff.next())

    def _note(self, name: str, reason: str | None) -> None:
        self._readiness.set(f"task {name}", reason)
