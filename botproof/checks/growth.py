"""Growth: whether a process grows with what it serves, as far as a gate can tell.

A service is looked at over the second half of each load, a bot over the conversation but for its
first quarter: what is imported and filled once has been by then. Both are cut into parts of equal
time. A process that keeps something of everything it serves grows in every part alike; one that
fills a cache, or imports something late, grows in one. So the growth of the parts is taken as a
sample, and what is judged is the lower end of its interval (Student's t).

`nox -s memory` finds a twentieth of what shows here, and names the line of code (docs/memory.md).
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from botproof.budgets import Budget, Budgets
from botproof.history import History, MemorySample, PlayedAgain, Request, UpdateDelivered
from botproof.sequential import FAIL_SHARES
from botproof.stats import drift

PARTS = 6
LEAST_SAMPLES = 12
LEAST_SERVED = 60
LEAST_REQUESTS = 120
"""Fewer do not tell whether a service grows: half of them are looked at."""
_KB = 1000
_AFTER_S = 0.5
_FROM = {"service": 0.5, "bot": 0.25}


@dataclass(frozen=True, slots=True)
class Growth:
    """The growth of one process in kB for each thing that it served: the mean over the parts, and
    the ends of its interval. `confidence` is that of each end."""

    process: str
    stack: str
    what: str
    served: int
    mean: float
    lower: float
    upper: float
    confidence: float
    budget: Budget

    @property
    def over(self) -> bool:
        """Whether it surely grows by more than the budget."""
        return self.lower >= self.budget.limit

    def describe(self) -> str:
        """Return one line for a person."""
        return (
            f"{self.process} ({self.stack}) grows by {self.mean:.2f} kB {self.what} "
            f"({self.lower:.2f} to {self.upper:.2f} kB, {100 * self.confidence:.2f} % at each end; "
            f"{self.served:,} served; limit {self.budget.limit:g} kB)"
        )


@dataclass(frozen=True, slots=True)
class Work:
    """What the processes of one role served in a stack: `what`, and when, in order."""

    stack: str
    role: str
    what: str
    served: Sequence[float]

    @property
    def whats(self) -> str:
        """The same of several: "requests"."""
        return f"{self.what.split()[1]}s"

    @property
    def settled(self) -> Sequence[float]:
        """Without the begin, in which what is imported and filled once is."""
        return self.served[int(_FROM[self.role] * len(self.served)) :]


def works(history: History) -> Iterator[Work]:
    """Yield what was served in each stack that was not played again."""
    again = {event.stack for event in history.of(PlayedAgain)}
    for stack in history.stacks:
        if stack in again:
            continue
        requests = sorted(e.intended + e.latency_s for e in history.of(Request, stack=stack))
        updates = sorted(e.t for e in history.of(UpdateDelivered, stack=stack))
        for role, phase, what, served in (
            ("service", "load", "a request", requests),
            ("bot", "conversation", "an update", updates),
        ):
            if served:
                yield Work(stack, role, what, _within(history, stack, phase, served))


def growths(history: History, budgets: Budgets) -> Iterator[Growth]:
    """Yield the growth of every process of the target, in each stack in which enough was served."""
    processes: dict[tuple[str, str], tuple[Work, list[MemorySample]]] = {}
    for work in works(history):
        for sample in history.of(MemorySample, stack=work.stack):
            if sample.role == work.role:
                processes.setdefault((work.stack, sample.process), (work, []))[1].append(sample)
    alpha = FAIL_SHARES["memory growth"] / max(1, len(processes))
    for (_, process), (work, samples) in processes.items():
        budget = budgets[f"growth_kb_per_{work.what.split()[1]}"]
        growth = _growth(samples, work.settled, alpha)
        if growth is not None:
            mean, margin, count = growth
            yield Growth(
                process=process,
                stack=work.stack,
                what=work.what,
                served=count,
                mean=mean,
                lower=mean - margin,
                upper=mean + margin,
                confidence=1 - alpha,
                budget=budget,
            )


def _growth(
    samples: Sequence[MemorySample], own: Sequence[float], alpha: float
) -> tuple[float, float, int] | None:
    """Mean and margin in kB, and how many were served; None where that is too little to tell."""
    samples = [each for each in samples if own and own[0] <= each.t <= own[-1] + _AFTER_S]
    if len(own) < LEAST_SERVED or len(samples) < LEAST_SAMPLES:
        return None
    cuts = [samples[round(at * (len(samples) - 1) / PARTS)] for at in range(PARTS + 1)]
    steps = [
        # Anonymous memory: what a process has of its own, whatever the kernel keeps of files.
        (after.anonymous - before.anonymous) / _KB / max(1, _between(own, before.t, after.t))
        for before, after in pairwise(cuts)
    ]
    mean, margin = drift([(step, 1) for step in steps], alpha)  # every part tells as much
    return mean, margin, len(own)


def _between(served: Sequence[float], begin: float, end: float) -> int:
    return bisect.bisect_right(served, end) - bisect.bisect_right(served, begin)


def _within(history: History, stack: str, phase: str, served: Sequence[float]) -> Sequence[float]:
    """Return what was served in this phase."""
    spans = history.spans(phase, stack)
    if not spans:
        return ()
    begin, end = spans[0][0], spans[-1][1]
    return served[bisect.bisect_left(served, begin) : bisect.bisect_right(served, end)]
