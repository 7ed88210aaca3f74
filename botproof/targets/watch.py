"""What is measured beside a stack while it runs: memory, starvation, and who has vanished."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from botproof import history
from botproof.starvation import withheld
from botproof.targets.cgroup import CgroupError, Fence
from botproof.targets.crew import Crew
from botproof.targets.meter import EVERY_S, Meter

if TYPE_CHECKING:
    from botproof.targets.process import ManagedProcess
    from botproof.targets.recorder import Recorder


class Watch:
    """Measures until `stop`. `targets` and `others` give the processes that are there now."""

    def __init__(
        self,
        recorder: Recorder,
        stack: str,
        mode: str,
        *,
        targets: Callable[[], Sequence[ManagedProcess]],
        others: Callable[[], Sequence[ManagedProcess]],
    ) -> None:
        self._recorder = recorder
        self.stack = stack
        self._mode = mode
        self._targets = targets
        self._others = others
        self._tasks: list[asyncio.Task[None]] = []
        self._crews: dict[str, Crew] = {}
        self.fence: Fence | None = None
        self.withheld_s = 0.0
        """Seconds withheld so far (see `botproof/starvation.py`)."""

    def start(self) -> None:
        """Begin to measure starvation, and to look who has vanished."""
        self._tasks.append(asyncio.create_task(self._sample_starvation()))

    def start_memory(self, every_s: float) -> None:
        """Begin to measure memory."""
        self._tasks.append(asyncio.create_task(self._sample_memory(every_s)))

    async def stop(self) -> None:
        """Measure nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    # who has vanished

    def follow(self, process: ManagedProcess) -> None:
        """From now on, notice who ends below this process of the target."""
        if process.pid:
            self._crews[process.launch.name] = Crew(
                process.launch.name,
                process.launch.role,
                process.pid,
                self._recorder.record,
                {"stack": self.stack, "mode": self._mode},
            )

    def ready(self, process: ManagedProcess) -> None:
        """Note that it is ready: who does its work is there."""
        if process.launch.name in self._crews:
            self._crews[process.launch.name].ready()

    def let_go(self) -> None:
        """Note that what ends from now on was asked to."""
        for crew in self._crews.values():
            crew.close()
        self._crews.clear()

    # samples

    async def _sample_starvation(self) -> None:
        meter = Meter({"stack": self.stack, "mode": self._mode})
        due = history.now()
        while True:
            for crew in self._crews.values():
                crew.look()
            every = [*self._targets(), *self._others()]
            running = [(each.launch.name, each.pid) for each in every if each.running and each.pid]
            sample = meter.sample(running, max(0.0, history.now() - due))
            if sample is not None:
                self._recorder.record(sample)
                self.withheld_s += withheld(sample, [each.launch.name for each in self._targets()])
            due = history.now() + EVERY_S
            await asyncio.sleep(EVERY_S)

    async def _sample_memory(self, every_s: float) -> None:
        while True:
            at = history.now()
            for process in self._targets():
                process.record_memory(at)
                process.record_holdings(at)
            self.sample_fence(at)
            await asyncio.sleep(every_s)

    def sample_fence(self, at: float) -> None:
        """Record the ledger of the stack's fence, where it has one."""
        if self.fence is None:
            return
        with contextlib.suppress(CgroupError):
            found = self.fence.group.read()
            self._recorder.record(
                history.GroupSample(
                    t=at,
                    usage=found.usage,
                    working_set=found.working_set,
                    peak=found.peak,
                    limit=found.limit,
                    oom_kills=found.oom_kills,
                    stack=self.stack,
                    mode=self._mode,
                )
            )
