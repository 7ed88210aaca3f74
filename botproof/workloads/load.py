"""The load phase: Locust as a process of its own, its requests read back into the history."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from botproof import history
from botproof.checks.errors import judge_grades
from botproof.checks.generator import Grade, HeldTimes, grades, slot_of
from botproof.checks.starved import starved_requests
from botproof.checks.unstarved import enough_for, is_too_little, starved_slots
from botproof.config import Load, substitute
from botproof.starvation import Starvation
from botproof.targets.failures import Failure
from botproof.targets.launch import OWN_ENV, BrokenHarnessError, Launch
from botproof.targets.process import ManagedProcess, tail
from botproof.targets.stack import Stack
from botproof.verdict import Verdict

_PROGRESS_S = 5.0
_START_ALLOWANCE_S = 30.0
_MOST_ROUNDS = 5
_WORTH_A_ROUND = 0.1
"""Of a mode's share: less than this is not sent again."""
_SHORT_ROUNDS = 2
_ROOM = 2.2
"""So many times what an undisturbed PASS still takes are sent in a short round: room for a failure.
What a starved second brought about may otherwise keep a load going on to its cap."""
_TRIES = 3
"""So many rounds may find the machine starved throughout. It is, then."""
_HALF = 0.5


class LoggedRequest(msgspec.Struct, frozen=True):
    """One line of the log that a script writes to `BOTPROOF_REQUEST_LOG`.

    A line with `held_s` is no request: it says for how long the load generator was held up
    until `t`.
    """

    t: float
    intended: float = 0.0
    latency_s: float = 0.0
    ok: bool = False
    status: int | None = None
    error: str | None = None
    failure: history.RequestFailure = ""
    name: str = ""
    held_s: float | None = None
    share: float = 1.0


@dataclass(slots=True)
class LoadPlan:
    """How many requests a run still needs, over all its modes. `limit` is a fraction.

    `graded` is what the requests of each stack say, without those that say nothing; `unstarved` the
    same without those of starved half seconds (see `checks.unstarved`).
    """

    load: Load
    limit: float
    late_s: float
    modes: int
    graded: dict[str, list[Grade]] = field(default_factory=dict)
    unstarved: dict[str, list[Grade]] = field(default_factory=dict)

    def share(self) -> int:
        """Return requests for one mode: its part of what an undisturbed PASS takes."""
        cap = self.load.max_requests
        return min(math.ceil(enough_for(self.limit, cap) / self.modes), cap)

    def more(self, stack: str, *, last: bool) -> int:
        """Return how many requests are still to be sent to a stack; 0 to stop.

        To the last one until the error rate is decided, to the others what is missing of their
        share: a load that ended at failures of the machine is none.
        """
        if Verdict.FAIL is self._verdict(self.graded) or Verdict.PASS is self._verdict(
            self._judged
        ):
            return 0
        if last:
            return max(0, self.load.max_requests - _count(self._judged))
        share = self.share()
        missing = share - len(self.unstarved.get(stack, ()))
        return missing if missing > _WORTH_A_ROUND * share else 0

    def of_round(self, number: int, stack: str, *, last: bool) -> int:
        """Return how many requests the first, second, third … load of a stack sends at the most."""
        if number == 1 and not (last and len(self.graded) + 1 >= self.modes):
            return self.share()
        if number > _MOST_ROUNDS or (number > _TRIES and self.is_starved):
            return 0
        count = self.more(stack, last=last)
        if number <= _SHORT_ROUNDS:
            count = min(count, self._shortly())
        return count or (self.share() if number == 1 else 0)

    def _shortly(self) -> int:
        """Return how many requests most builds that are good still need, and some more."""
        needed = enough_for(self.limit, self.load.max_requests) - _count(self._judged)
        return max(math.ceil(_ROOM * needed), self.share())

    @property
    def is_starved(self) -> bool:
        """Whether too little is left of a stack without its starved half seconds."""
        return any(
            is_too_little(len(self.unstarved[stack]), len(own))
            for stack, own in self.graded.items()
        )

    @property
    def _judged(self) -> dict[str, list[Grade]]:
        return self.graded if self.is_starved else self.unstarved

    def _verdict(self, grades_of: Mapping[str, list[Grade]]) -> Verdict:
        by_mode = list(grades_of.values())
        return judge_grades(self.limit, self.load.max_requests, by_mode, over=False)

    def take(
        self, stack: str, events: Iterable[history.Event], starvation: Starvation | None = None
    ) -> None:
        """Count what the load of one stack has brought. What starvation explains does not end a
        load as failed: the machine may have."""
        record = history.History(events)
        held = HeldTimes.of(record, self.late_s)
        by_stack = {stack: starvation or Starvation()}
        explained = {id(each) for each in starved_requests(record, self.late_s, by_stack)}
        due = (slot_of(each.intended) for each in record.of(history.Request))
        starved = starved_slots(due, by_stack[stack])
        own, left = self.graded.setdefault(stack, []), self.unstarved.setdefault(stack, [])
        for request, found in grades(record.of(history.Request), held, self.late_s):
            if found is Grade.SPOILT:
                continue
            is_explained = found is Grade.FAILED and id(request) in explained
            grade = Grade.UNSURE if is_explained else found
            own.append(grade)
            if slot_of(request.intended) not in starved:
                left.append(grade)

    def forget(self, stack: str) -> None:
        """Note that a stack is started afresh: what was sent to it before does not count."""
        self.graded.pop(stack, None)
        self.unstarved.pop(stack, None)

    def before(self) -> str:
        """Return what was counted by now, as load scripts take it: requests:failed:unsure."""
        every = [grade for own in self._judged.values() for grade in own]
        return f"{len(every)}:{every.count(Grade.FAILED)}:{every.count(Grade.UNSURE)}"


def _count(grades_of: Mapping[str, list[Grade]]) -> int:
    return sum(map(len, grades_of.values()))


async def run_load(stack: Stack, plan: LoadPlan, *, last: bool) -> None:
    """Load one stack with its share, and in the `last` mode until the error rate is decided.

    Raises BrokenHarnessError when the load itself does not work.
    """
    planned = history.LoadPlanned(
        t=history.now(), cap=plan.load.max_requests, rate=plan.load.rate, **stack.labels
    )
    stack.around.recorder.record(planned)
    until = history.now() + plan.load.timeout_s
    number, count = 1, plan.of_round(1, stack.name, last=last)
    while count:
        got_on = await _round(stack, plan, count, number)
        if not got_on or history.now() > until:
            return  # another round would go the same way
        number += 1
        count = plan.of_round(number, stack.name, last=last)


async def _round(stack: Stack, plan: LoadPlan, count: int, number: int) -> bool:
    """Send so many; tell whether most of them were sent, or it is known why not."""
    around = stack.around
    log = (around.report_dir / f"requests-{stack.name}-{number}.jsonl").resolve()
    log.unlink(missing_ok=True)
    stack.say(f"load: up to {count:,} requests at {plan.load.rate:g} a second")
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
    events = read_log(log, stack.labels)
    for event in events:
        around.recorder.record(event)
    ended = _verdict_of(await process.exited)
    requests = [event for event in events if isinstance(event, history.Request)]
    if ended is Verdict.ERROR or (not requests and ended is not Verdict.INCONCLUSIVE):
        lines = "\n".join(tail(process.launch.log)[-5:])
        text = f"{plan.load.script} failed; its last lines:\n{lines}"
        raise BrokenHarnessError(text, Failure.LOAD_BROKEN)
    plan.take(stack.name, events, Starvation.of(around.recorder.history(), stack.name))
    log.unlink(missing_ok=True)
    failed = sum(not request.ok for request in requests)
    stack.say(f"load: {len(requests):,} requests done, {failed:,} failed")
    return ended is not Verdict.INCONCLUSIVE or len(requests) >= _HALF * count


def _verdict_of(code: int) -> Verdict:
    """Return what a load script said; one that ended in any other way has failed itself."""
    by_code = {verdict.exit_code: verdict for verdict in Verdict}
    return by_code.get(code, Verdict.ERROR)


def _launch(stack: Stack, plan: LoadPlan, count: int, log: Path) -> Launch:
    load = plan.load
    options: dict[str, Any] = {
        "--host": substitute(load.host, stack.values),
        "--rate": load.rate,
        "--max-requests": count,
        "--plan-cap": load.max_requests,
        "--before": plan.before(),
        "--latency-budget": plan.late_s,
        "--error-budget": plan.limit,
        "--run-time": f"{math.ceil(load.timeout_s)}s",
        **({"--expect": ",".join(load.expect)} if load.expect else {}),
    }
    arguments = [str(part) for pair in options.items() for part in pair]
    script = ("-f", substitute(load.script, stack.values), "--headless", "--only-summary")
    return Launch(
        name="load",
        role="load",
        command=(sys.executable, "-m", "locust", *script, *arguments, "--no-probe", *load.args),
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
    """Return the requests of one log, in order; a line that was cut off at the end is left out."""
    return [event for event in read_log(log, labels) if isinstance(event, history.Request)]


def read_log(log: Path, labels: dict[str, str]) -> list[history.Request | history.GeneratorHeld]:
    """Return the requests of one log, and when the load generator was held up."""
    if not log.exists():
        return []
    decode = msgspec.json.Decoder(LoggedRequest).decode
    lines = log.read_bytes().split(b"\n")
    return [_event(entry, labels) for entry in map(decode, filter(None, lines[:-1]))]


def _event(entry: LoggedRequest, labels: dict[str, str]) -> history.Request | history.GeneratorHeld:
    if entry.held_s is not None:
        return history.GeneratorHeld(t=entry.t, held_s=entry.held_s, share=entry.share, **labels)
    return history.Request(
        t=entry.t,
        intended=entry.intended,
        latency_s=entry.latency_s,
        ok=entry.ok,
        status=entry.status,
        error=entry.error or None,
        failure=entry.failure,
        name=entry.name,
        **labels,
    )
