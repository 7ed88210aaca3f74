"""How the machine kept a run from running: what the kernel counts, a sample at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from botproof import history
from botproof.targets.family import PROC, Spent, family, spent

EVERY_S = 0.1
_TICKS = os.sysconf("SC_CLK_TCK")
_MICRO = 1_000_000
_LEAST_STEP_S = 0.05  # the time of day is also slewed, by far less than this in a sample

Processes = Iterable[tuple[str, int]]
"""Names with the process ids below which their families are."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """The machine's counters, in seconds since its start."""

    busy: float
    stolen: float
    stalled: Mapping[str, float]


@dataclass(slots=True)
class Meter:
    """Takes samples of a stack. `labels` are its name and mode."""

    labels: Mapping[str, str]
    proc: Path = PROC
    clock: Callable[[], float] = history.now
    time_of_day: Callable[[], float] = time.time
    _last: dict[str, dict[int, Spent]] = field(default_factory=dict)
    _machine: _Machine | None = None
    _at: float = 0.0
    _ahead: float = 0.0

    def sample(self, processes: Processes, late_s: float) -> history.Starved | None:
        """Return what happened since the last sample; None for the first, which only begins."""
        at, machine = self.clock(), _machine(self.proc)
        before, began = self._machine, self._at
        ahead = self.time_of_day() - at
        moved, self._ahead = ahead - self._ahead, ahead
        waited, blocked, ran = self._spent(processes, at - began)
        self._machine, self._at = machine, at
        if before is None:
            return None
        return history.Starved(
            t=at,
            over_s=round(at - began, 4),
            late_s=round(late_s, 4),
            waited_s=waited,
            blocked=blocked,
            ran_s=ran,
            busy_s=round(machine.busy - before.busy, 2),
            stolen_s=round(machine.stolen - before.stolen, 2),
            stalled_s={
                name: round(value - before.stalled.get(name, value), 4)
                for name, value in machine.stalled.items()
            },
            clock_s=round(moved, 3) if abs(moved) > _LEAST_STEP_S else 0.0,
            cpus=os.cpu_count() or 1,
            **self.labels,
        )

    def _spent(
        self, processes: Processes, over_s: float
    ) -> tuple[dict[str, float], tuple[str, ...], dict[str, float]]:
        waited: dict[str, float] = {}
        blocked: list[str] = []
        ran: dict[str, float] = {}
        for name, root in processes:
            before = self._last.get(name, {})
            now = {pid: each for pid in family(root, self.proc) if (each := spent(pid, self.proc))}
            self._last[name] = now
            known = [(before[pid], each) for pid, each in now.items() if pid in before]
            ran[name] = round(sum(new.ran - old.ran for old, new in known), 4)
            longest = max((_longest(old, new, over_s) for old, new in known), default=0.0)
            waited[name] = round(longest, 4)
            if any(waits_for_a_disk(old, new) for old, new in known):
                blocked.append(name)
        return waited, tuple(blocked), ran


def _longest(old: Spent, new: Spent, over_s: float) -> float:
    """Return the longest that one thread waited; a thread that waits for a disk waits
    all the time."""
    if waits_for_a_disk(old, new):
        return over_s
    waits = (off - old.waited.get(thread, off) for thread, off in new.waited.items())
    return min(max(waits, default=0.0), over_s)


def waits_for_a_disk(old: Spent, new: Spent) -> bool:
    """Tell whether one waited for a disk all the time between two looks, as far as is known."""
    return old.blocked and new.blocked


def _machine(proc: Path) -> _Machine:
    words = (proc / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    user, nice, system, _, _, irq, softirq, stolen = map(int, words[1:9])
    busy = (user + nice + system + irq + softirq) / _TICKS
    return _Machine(busy, stolen / _TICKS, dict(_stalls(proc / "pressure")))


def _stalls(pressure: Path) -> Iterable[tuple[str, float]]:
    """Pressure stall information: how long some process has waited for each resource so far."""
    for name in ("cpu", "memory", "io"):
        try:
            first = (pressure / name).read_text(encoding="ascii").split("\n", 1)[0]
        except OSError:  # a kernel without it
            return
        yield name, int(first.rpartition("=")[2]) / _MICRO
