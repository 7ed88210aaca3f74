"""The runs of a comparison: turn by turn, each with processes of its own."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from botproof import history
from botproof.budgets import MB
from botproof.compare.sides import Side
from botproof.stats import percentile
from botproof.targets.guarding import Guard
from botproof.targets.launch import BrokenHarnessError, Launch, TargetError
from botproof.targets.process import ManagedProcess, tail
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Stack
from botproof.workloads.load import read_requests

_LAST_WORDS = 8


@dataclass(frozen=True, slots=True)
class CompareOptions:
    """How to compare. The first `warm_up` requests of a run fill caches and are not counted.

    `script` is the load script that both sides get, `cwd` where it is run.
    """

    runs: int
    requests: int
    warm_up: int
    rate: float
    script: Path
    cwd: Path
    report_dir: Path
    say: Callable[[str], None] = print


@dataclass(slots=True)
class Measured:
    """What the runs of one side gave: the values of each metric, one a run, in order."""

    side: Side
    values: dict[str, list[float]] = field(default_factory=dict)
    requests: int = 0
    failures: int = 0

    def add(self, requests: Sequence[history.Request], memory: dict[str, float]) -> None:
        """Take one run in."""
        latencies = [request.latency_s for request in requests]
        found = {
            "median latency, ms": 1_000 * percentile(latencies, 0.5),
            "p99 latency, ms": 1_000 * percentile(latencies, 0.99),
            **memory,
        }
        for name, value in found.items():
            self.values.setdefault(name, []).append(value)
        self.requests += len(requests)
        self.failures += sum(not request.ok for request in requests)


def order(runs: int) -> list[int]:
    """Return who is measured when: 0 1, 1 0, 0 1 …, so that neither always comes after
    the other."""
    return [turn for pair in range(runs) for turn in ((0, 1) if pair % 2 == 0 else (1, 0))]


async def measure(sides: tuple[Side, Side], options: CompareOptions) -> tuple[Measured, Measured]:
    """Return all runs of both sides. Raises TargetError or BrokenHarnessError."""
    both = (Measured(sides[0]), Measured(sides[1]))
    for number, turn in enumerate(order(options.runs)):
        await _one(both[turn], number, options)
    return both


async def _one(measured: Measured, number: int, options: CompareOptions) -> None:
    report_dir = options.report_dir / "runs" / f"{number:02d}"
    recorder = Recorder()
    silent: Callable[[str], None] = lambda _: None  # noqa: E731 - thirty lines a run say nothing
    try:
        async with measured.side.ready(recorder, report_dir, silent) as (host, stack):
            loading = _load(host, report_dir, options, recorder)
            requests = await (loading if stack is None else stack.run(loading))
            memory = {} if stack is None else _memory(stack, measured.side)
    except TargetError as error:
        raise TargetError(f"{measured.side.name}: {error}{_last_words(recorder)}") from error
    measured.add(requests, memory)
    latencies = [request.latency_s for request in requests]
    options.say(
        f"run {number + 1} of {2 * options.runs}, {measured.side.name}: "
        f"median {1_000 * percentile(latencies, 0.5):.2f} ms, "
        f"{sum(not request.ok for request in requests)} of {len(requests)} failed"
    )


def _memory(stack: Stack, side: Side) -> dict[str, float]:
    """Return the PSS of each process; of a container its working set, too, which its limit is
    of."""
    names: Iterable[str] = side.config.services if side.config is not None else ()
    found: dict[str, float] = {}
    for name in (*names, "bot"):
        reading = stack.process(name).read_memory()
        if reading is not None and reading.working_set is not None:
            found[f"{name} working set, MB"] = reading.working_set / MB
        if reading is not None and reading.pss:
            found[f"{name} PSS, MB"] = reading.pss / MB
    return found


def _last_words(recorder: Recorder) -> str:
    """Return what the process wrote last that made a run fail."""
    tails = recorder.history().of(history.LogTail)
    lines = [line for line in tails[-1].lines if line.strip()] if tails else []
    return "".join(f"\n{line}" for line in lines[-_LAST_WORDS:])


async def _load(
    host: str, report_dir: Path, options: CompareOptions, recorder: Recorder
) -> list[history.Request]:
    log = (report_dir / "requests.jsonl").resolve()
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    words = ("--headless", "--only-summary", "--host", host, "--rate", f"{options.rate:g}")
    count = options.warm_up + options.requests
    longest = f"{round(4 * count / options.rate) + 60}s"
    fixed = ("--max-requests", str(count), "--whole", "--run-time", longest)
    script = str(options.script.resolve())
    launch = Launch(
        name="load",
        role="load",
        command=(sys.executable, "-m", "locust", "-f", script, *words, *fixed),
        cwd=options.cwd,
        log=report_dir / "load.log",
        env={"BOTPROOF_REQUEST_LOG": str(log)},
    )
    async with Guard() as guard:
        process = await ManagedProcess.start(launch, recorder, guard=guard)
        try:
            await asyncio.wait({process.exited})
        finally:
            await process.stop()
    requests = read_requests(log, {})
    if len(requests) <= options.warm_up:
        lines = "\n".join(tail(launch.log)[-5:])
        raise BrokenHarnessError(f"{options.script} sent too little to {host}:\n{lines}")
    return sorted(requests, key=lambda request: request.intended)[options.warm_up :]
