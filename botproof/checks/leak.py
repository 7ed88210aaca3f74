"""leak: how much a process grows for every thousand identical requests.

A single difference says nothing: allocators keep what they once had, in steps of an arena. So
memory is read after each round of requests, and the growth is judged with its interval.

The noise of such a series is no noise around a line. What an allocator took in one round it
mostly keeps in the next: the errors add up, like a random walk. Least squares through the points
would believe each point to be new evidence, and its interval would be several times too narrow
(`contract_tests/memory/test_leak.py` shows it). Therefore the *increments* are the sample: for a
random walk with drift they are independent. The estimate is the whole growth over all requests,
and its interval is Student's t over the increments, weighted by the requests of each round.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from botproof.checks.judging import Judging
from botproof.history import History, MemorySample
from botproof.stats import ALPHA, drift
from botproof.verdict import CheckResult, Verdict, combine

LEAST_ROUNDS = 8
_KB = 1_000
_THOUSAND = 1_000

Point = tuple[int, int]
"""Requests served so far, and bytes of anonymous memory then."""


@dataclass(frozen=True, slots=True)
class Growth:
    """Growth in bytes per thousand requests, with one-sided 95 % bounds."""

    per_thousand: float
    lower: float
    upper: float
    rounds: int
    requests: int

    def judge(self, limit: float) -> Verdict:
        """Return PASS when both bounds are below `limit` (bytes per thousand requests), FAIL when
        both are above it, else INCONCLUSIVE."""
        if self.rounds < LEAST_ROUNDS:
            return Verdict.INCONCLUSIVE
        if self.upper < limit:
            return Verdict.PASS
        return Verdict.FAIL if self.lower > limit else Verdict.INCONCLUSIVE

    def describe(self) -> str:
        """Return one line for a person."""
        return (
            f"{self.per_thousand / _KB:+.1f} kB per 1,000 requests, {100 * (1 - ALPHA):g} % bounds "
            f"{self.lower / _KB:+.1f} to {self.upper / _KB:+.1f} "
            f"({self.rounds} rounds, {self.requests:,} requests)"
        )


def growth(points: Sequence[Point], alpha: float = ALPHA) -> Growth:
    """Return the growth along `points`, in order of their requests.

    Raises ValueError for fewer than three points or a round without requests.
    """
    rounds = [(after[1] - before[1], after[0] - before[0]) for before, after in pairwise(points)]
    if len(rounds) < 2:
        raise ValueError(f"{len(points)} points; growth with an interval needs at least 3")
    if any(requests <= 0 for _, requests in rounds):
        raise ValueError("the requests of the points do not increase; sort them, one a round")
    slope, margin = drift(rounds, alpha)
    return Growth(
        per_thousand=slope * _THOUSAND,
        lower=(slope - margin) * _THOUSAND,
        upper=(slope + margin) * _THOUSAND,
        rounds=len(rounds),
        requests=sum(requests for _, requests in rounds),
    )


def check(history: History, judging: Judging) -> CheckResult:
    """Judge every process whose memory was sampled between rounds of identical requests."""
    budget = judging.budgets["leak_kb_per_1000"]
    found = dict(_growths(history))
    verdicts = [each.judge(budget.limit * _KB) for each in found.values()]
    gaps = list(_gaps(history, found))
    if gaps:
        verdicts.append(Verdict.INCONCLUSIVE)
    worst = max(found.items(), key=lambda item: item[1].upper, default=None)
    return CheckResult(
        check="leak",
        verdict=combine(verdicts),
        budget=budget.describe(),
        measurement=f"{worst[0]}: {worst[1].describe()}" if worst else "no rounds were sampled",
        least_evidence=f"{LEAST_ROUNDS} rounds of identical requests for each process",
        evidence=(*gaps, *(f"{name}: {each.describe()}" for name, each in found.items())),
        source=budget.source,
        data={name: round(each.per_thousand / _KB, 2) for name, each in found.items()},
        used=worst[1].upper / (budget.limit * _KB) if worst else None,
    )


def _growths(history: History) -> Iterator[tuple[str, Growth]]:
    for name, points in series(history).items():
        if len(points) > 2:
            yield name, growth(points)


def series(history: History) -> dict[str, list[Point]]:
    """Return the samples taken between rounds, by process (and stack): requests and
    anonymous bytes."""
    found: dict[str, list[Point]] = {}
    for sample in history.of(MemorySample):
        if sample.requests is not None:
            name = f"{sample.process} ({sample.stack})" if sample.stack else sample.process
            found.setdefault(name, []).append((sample.requests, sample.anonymous))
    return found


def _gaps(history: History, found: dict[str, Growth]) -> Iterator[str]:
    for name, points in series(history).items():
        rounds = len(points) - 1
        if name not in found or rounds < LEAST_ROUNDS:
            yield f"{name}: only {rounds} rounds were sampled"
