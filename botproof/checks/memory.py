"""memory: what each process and the whole fleet occupy while they are loaded, and what piles up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from botproof.budgets import MB, Budget, Budgets
from botproof.checks.growth import LEAST_REQUESTS, growths
from botproof.checks.judging import Judging
from botproof.checks.piles import piles
from botproof.checks.spinning import spinning
from botproof.history import (
    GroupSample,
    History,
    MemoryFence,
    MemorySample,
    ProcessExited,
    Request,
)
from botproof.verdict import CheckResult, Verdict

LEAST_SAMPLES = 5
LOAD_PHASE = "load"
_AT_WORK = ("conversation", LOAD_PHASE)


@dataclass(frozen=True, slots=True)
class _Line:
    """One comparison of a measured size with its budget; sizes in MB."""

    what: str
    used: float
    budget: Budget

    @property
    def over(self) -> bool:
        return self.used >= self.budget.limit

    def describe(self) -> str:
        share = 100 * self.used / self.budget.limit
        return f"{self.what} {self.used:.1f} MB of {self.budget.limit:g} MB ({share:.0f} %)"


def check(history: History, judging: Judging) -> CheckResult:
    """Judge the largest size of each process and of their sum, under load: the proportional set
    size of a process of this machine, the working set of a container.

    Only samples inside a "load" phase count; processes that are judged run without a profiler.
    """
    budgets = judging.budgets
    gaps = list(_gaps(history))
    lines = [line for stack in history.stacks for line in _compare(history, stack, budgets)]
    over = [line for line in lines if line.over]
    killed = list(_killed(history))
    grown = list(growths(history, budgets))
    grew = [*(each.describe() for each in grown if each.over), *piles(history, budgets)]
    grew += spinning(history, LOAD_PHASE)
    if not over:
        grew += [line for stack in history.stacks for line in _peaks(history, stack, budgets)]
    verdict = (
        Verdict.FAIL
        if over or killed or grew
        else Verdict.INCONCLUSIVE
        if gaps or not lines
        else Verdict.PASS
    )
    tightest = max(lines, key=lambda line: line.used / line.budget.limit, default=None)
    return CheckResult(
        check="memory",
        verdict=verdict,
        budget="; ".join(dict.fromkeys(line.budget.describe() for line in lines))
        or budgets["fleet_memory_mb"].describe(),
        measurement=_measure([*killed, *([] if over else grew)], tightest)
        + (f"; {gaps[0]}" if verdict is Verdict.INCONCLUSIVE and gaps else ""),
        least_evidence=(
            f"{LEAST_SAMPLES} samples of each process under load, and {LEAST_REQUESTS} requests, "
            "in each mode"
        ),
        evidence=(
            *killed,
            *grew,
            *gaps,
            *(line.describe() for line in lines),
            *_above_wanted(lines, budgets),
            *(each.describe() for each in grown if not each.over),
            *_explain(history),
            *_group(history),
        ),
        source="; ".join(dict.fromkeys(line.budget.source for line in lines)),
        data={line.what: round(line.used, 2) for line in lines},
        used=tightest.used / tightest.budget.limit if tightest else None,
    )


def _measure(killed: Sequence[str], tightest: _Line | None) -> str:
    if killed:
        return killed[0]
    return tightest.describe() if tightest else "no memory was sampled under load"


def _killed(history: History) -> Iterator[str]:
    """Yield processes that the kernel killed because the fleet came to the limit of its machine."""
    for stack in history.stacks:
        samples = history.of(GroupSample, stack=stack)
        kills = max((sample.oom_kills for sample in samples), default=0)
        if kills:
            limit = (samples[-1].limit or 0) / MB
            yield f"{stack}: the kernel killed {kills} process(es) at the limit of {limit:.0f} MB"
            continue
        # A container has a cgroup of its own below, which version 1 counts by itself.
        for ended in history.of(ProcessExited, stack=stack):
            if ended.out_of_memory:
                yield f"{stack}: the kernel killed {ended.process}: its memory cgroup was full"


def _group(history: History) -> Iterator[str]:
    """Yield the ledger of the memory cgroup around the fleet, or why there was none."""
    for fence in history.of(MemoryFence):
        if fence.problem:
            yield f"{fence.stack}: without a limit of {fence.limit / MB:.0f} MB: {fence.problem}"
            continue
        samples = history.of(GroupSample, stack=fence.stack)
        if samples:
            largest = max(sample.working_set for sample in samples)
            peak = max(sample.peak or sample.usage for sample in samples)
            yield (
                f"{fence.stack}, in {fence.limit / MB:.0f} MB and {fence.cpus:g} CPUs: working set "
                f"{largest / MB:.1f} MB, peak with caches {peak / MB:.1f} MB"
            )


def loaded(history: History, stack: str) -> list[MemorySample]:
    """Return the samples of the target's processes taken while a load phase was going on."""
    spans = history.spans(LOAD_PHASE, stack)
    return [
        sample
        for sample in history.of(MemorySample, stack=stack)
        if any(begin <= sample.t <= end for begin, end in spans)
    ]


def _gaps(history: History) -> Iterator[str]:
    for mode in history.modes_without(s for s in history.stacks if loaded(history, s)):
        yield f"{mode}: no memory was sampled under load"
    for stack in history.stacks:
        samples = loaded(history, stack)
        requests = len(history.of(Request, stack=stack))
        if samples and not requests:
            yield f"{stack}: no request was sent: what was sampled is a fleet at rest"
        elif samples and requests < LEAST_REQUESTS:
            yield f"{stack}: only {requests} requests: whether it grows with them cannot be told"
        for process in dict.fromkeys(sample.process for sample in samples):
            count = sum(sample.process == process for sample in samples)
            if count < LEAST_SAMPLES:
                yield f"{stack}: only {count} samples of {process} under load"


def _compare(history: History, stack: str, budgets: Budgets) -> Iterator[_Line]:
    samples = loaded(history, stack)
    processes = dict.fromkeys(sample.process for sample in samples)
    for process in processes:
        budget = budgets.get(f"{process}_memory_mb") or _share(
            history, stack, process, len(processes), budgets
        )
        used = max(sample.judged for sample in samples if sample.process == process)
        yield _Line(f"{process} ({stack})", used / MB, budget)
    if samples:
        yield _Line(f"fleet ({stack})", _fleet(samples) / MB, budgets["fleet_memory_mb"])


def _peaks(history: History, stack: str, budgets: Budgets) -> Iterator[str]:
    """Yield processes that took too much for a moment of the conversation or the load: between two
    samples the kernel's high-water mark tells it.

    The mark counts shared pages whole, so what they made of the sample is taken away. Of a family
    of processes the marks are of different moments, and a container's is with caches.
    """
    spans = [span for phase in _AT_WORK for span in history.spans(phase, stack)]
    before: dict[str, int] = {}
    largest: dict[str, float] = {}
    for sample in history.of(MemorySample, stack=stack):
        at_work = any(begin <= sample.t <= end for begin, end in spans)
        higher = sample.peak > before.setdefault(sample.process, sample.peak)
        if not at_work:
            before[sample.process] = max(sample.peak, before[sample.process])
        elif higher and sample.processes == 1 and sample.working_set is None and sample.pss:
            peak = (sample.peak - (sample.rss - sample.pss)) / MB
            largest[sample.process] = max(largest.get(sample.process, 0.0), peak)
    for process, peak in largest.items():
        budget = budgets.get(f"{process}_memory_mb") or budgets["fleet_memory_mb"]
        if peak >= budget.limit:
            yield (
                f"{process} ({stack}) took {peak:.0f} MB for a moment, limit {budget.limit:g} MB: "
                "the machine has to have that much whenever it is asked for"
            )


def _share(history: History, stack: str, process: str, of: int, budgets: Budgets) -> Budget:
    """Return the budget of a process that has none of its own: its share of the machine."""
    fleet = budgets["fleet_memory_mb"].limit
    fences = [fence.limit / MB for fence in history.of(MemoryFence, stack=stack)]
    share = round(min(fleet, *(fences or [fleet])) / of)
    source = "an equal share of the machine (docs/botproof-toml.md)"
    return Budget(f"{process}_memory_mb", share, "MB", f"{process} memory", source)


def _above_wanted(lines: Iterable[_Line], budgets: Budgets) -> Iterator[str]:
    """Yield fleets that are larger than was wanted: worth saying, though only the limit blocks."""
    wanted = budgets["fleet_memory_wanted_mb"]
    for line in lines:
        if line.budget.name == "fleet_memory_mb" and line.used >= wanted.limit:
            yield f"{line.what} is above the {wanted.limit:g} MB that are wanted ({wanted.source})"


def _fleet(samples: Iterable[MemorySample]) -> int:
    """Return the largest sum over all processes at one time; one round of sampling
    shares its time."""
    sums: dict[float, int] = {}
    for sample in samples:
        sums[sample.t] = sums.get(sample.t, 0) + sample.judged
    return max(sums.values())


def _explain(history: History) -> Iterator[str]:
    for stack in history.stacks:
        samples = loaded(history, stack)
        for process in dict.fromkeys(sample.process for sample in samples):
            own = [sample for sample in samples if sample.process == process]
            yield f"{process} ({stack}): {_ledgers(own)}, {len(own)} samples"


def _ledgers(own: Sequence[MemorySample]) -> str:
    """Return the largest of each size in MB; of a container those of its cgroup first."""
    sizes = {
        "working set": max(sample.working_set or 0 for sample in own),
        "PSS": max(sample.pss for sample in own),
        "anonymous": max(sample.anonymous for sample in own),
    }
    contained = any(sample.working_set is not None for sample in own)
    sizes["peak with caches" if contained else "peak RSS"] = max(sample.peak for sample in own)
    return ", ".join(f"{name} {size / MB:.1f} MB" for name, size in sizes.items() if size)
