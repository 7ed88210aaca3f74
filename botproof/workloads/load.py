"""The load phase: Locust as a process of its own, its requests read back into the history."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from botproof import history
from botproof.checks.errors import judge_outcomes
from botproof.config import Load, substitute
from botproof.stats import SequentialErrorRate
from botproof.targets.failures import Failure
from botproof.targets.process import (
    OWN_ENV,
    BrokenHarnessError,
    Launch,
    ManagedProcess,
    tail,
)
from botproof.targets.stack import Stack
from botproof.verdict import Verdict

_PROGRESS_S = 5.0
_START_ALLOWANCE_S = 30.0


class LoggedRequest(msgspec.Struct, frozen=True):
    """One line of the log that a script writes to `BOTPROOF_REQUEST_LOG`."""

    t: float
    intended: float
    latency_s: float
    ok: bool
    status: int | None = None
    error: str | None = None
    name: str = ""


@dataclass(slots=True)
class LoadPlan:
    """How many requests a run still needs, over all its modes. `limit` is a fraction."""

    load: Load
    limit: float
    late_s: float
    modes: int
    outcomes: dict[str, list[bool]] = field(default_factory=dict)

    def share(self) -> int:
        """Requests for one mode: its part of what an undisturbed PASS takes."""
        return min(math.ceil(self._required() / self.modes), self.load.max_requests)

    def more(self) -> int:
        """Requests that the last mode adds while the error rate is not decided; 0 to stop."""
        by_mode = list(self.outcomes.values())
        if judge_outcomes(self.limit, by_mode) is not Verdict.INCONCLUSIVE:
            return 0
        n = sum(map(len, by_mode))
        wanted = self._required(sum(map(sum, by_mode))) - n
        return max(0, min(max(wanted, 1), self.load.max_requests - n))

    def take(self, stack: str, requests: Iterable[history.Request]) -> None:
        """Count finished requests of one stack."""
        outcomes = self.outcomes.setdefault(stack, [])
        outcomes += [not each.ok or each.latency_s >= self.late_s for each in requests]

    def forget(self, stack: str) -> None:
        """A stack is started afresh: what was sent to it before does not count."""
        self.outcomes.pop(stack, None)

    def _required(self, failures: int = 0) -> int:
        return SequentialErrorRate(self.limit).required(failures)


async def run_load(stack: Stack, plan: LoadPlan, *, last: bool) -> None:
    """Load one stack with its share, and in the `last` mode until the error rate is decided.

    Raises BrokenHarnessError when Locust does not work at all.
    """
    count, round_ = plan.share(), 1
    while count > 0:
        found = await _round(stack, plan, count, round_)
        plan.take(stack.name, found)
        if len(found) < count:
            # Its time was up, or it has failed for sure: another round would go the same way.
            return
        count = plan.more() if last else 0
        round_ += 1


async def _round(stack: Stack, plan: LoadPlan, count: int, number: int) -> list[history.Request]:
    around = stack.around
    log = (around.report_dir / f"requests-{stack.name}-{number}.jsonl").resolve()
    log.unlink(missing_ok=True)
    stack.say(f"load: {count:,} requests at {plan.load.rate:g} a second")
    process = await ManagedProcess.start(
        _launch(stack, plan, count, log),
        around.recorder,
        labels=stack.labels,
        guard=around.guard,
    )
    stack.accompany(process)
    try:
        await _until_done(stack, process, log, plan.load.timeout_s + _START_ALLOWANCE_S)
    finally:
        await process.stop()
    requests = read_requests(log, stack.labels)
    if not requests and await process.exited != Verdict.INCONCLUSIVE.exit_code:
        lines = "\n".join(tail(process.launch.log)[-5:])
        text = f"{plan.load.script} sent nothing; its last lines:\n{lines}"
        raise BrokenHarnessError(text, Failure.LOAD_BROKEN)
    for request in requests:
        around.recorder.record(request)
    log.unlink(missing_ok=True)
    failed = sum(not request.ok for request in requests)
    stack.say(f"load: {len(requests):,} requests done, {failed:,} failed")
    return requests


def _launch(stack: Stack, plan: LoadPlan, count: int, log: Path) -> Launch:
    load = plan.load
    options: dict[str, Any] = {
        "--host": substitute(load.host, stack.values),
        "--rate": load.rate,
        "--max-requests": count,
        "--latency-budget": plan.late_s,
        "--error-budget": plan.limit,
        "--run-time": f"{math.ceil(load.timeout_s)}s",
    }
    arguments = [str(part) for pair in options.items() for part in pair]
    script = ("-f", substitute(load.script, stack.values), "--headless", "--only-summary")
    return Launch(
        name="load",
        role="load",
        command=(sys.executable, "-m", "locust", *script, *arguments, *load.args),
        cwd=stack.around.base,
        log=stack.around.report_dir / "logs" / stack.name / "load.log",
        env={"BOTPROOF_REQUEST_LOG": str(log)},
        inherit_env=OWN_ENV,
    )


async def _until_done(stack: Stack, process: ManagedProcess, log: Path, timeout_s: float) -> None:
    """Wait for its end, with a line of progress every few seconds."""
    deadline = history.now() + timeout_s
    while history.now() < deadline:
        done, _ = await asyncio.wait({process.exited}, timeout=_PROGRESS_S)
        if done:
            return
        stack.say(f"load: {_count_lines(log):,} requests so far")


def _count_lines(log: Path) -> int:
    return log.read_bytes().count(b"\n") if log.exists() else 0


def read_requests(log: Path, labels: dict[str, str]) -> list[history.Request]:
    """The requests of one log, in order; a line that was cut off at the end is left out."""
    if not log.exists():
        return []
    decode = msgspec.json.Decoder(LoggedRequest).decode
    lines = log.read_bytes().split(b"\n")
    return [
        history.Request(
            t=entry.t,
            intended=entry.intended,
            latency_s=entry.latency_s,
            ok=entry.ok,
            status=entry.status,
            error=entry.error or None,
            name=entry.name,
            **labels,
        )
        for entry in map(decode, filter(None, lines[:-1]))
    ]
