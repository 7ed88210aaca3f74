"""Comparing two sets of runs: the run is the unit, and nothing is assumed of its distribution.

Thousands of requests of one run are not thousands of experiments: they share a start, a layout in
memory, and the minute in which they ran. So each run gives one number, and the numbers are
compared: Mann and Whitney's test for whether they differ, Hodges and Lehmann's shift for by how
much, with the interval that belongs to the same test (Hollander & Wolfe, Nonparametric Statistical
Methods, section 4.3). On logarithms the shift is a ratio.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

from botproof.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Effect:
    """How B compares with A. `ratio` is B over A, with its interval at `confidence`; with too few
    runs for that confidence the interval is from 0 to infinity.

    `p` is two-sided; `larger` is the chance that a run of B is larger than one of A (ties half).
    """

    ratio: float
    low: float
    high: float
    confidence: float
    p: float
    larger: float

    def judge(self, tolerance: float) -> Verdict:
        """Return FAIL when the whole interval is more than `tolerance` (a share) above A, PASS when
        no part of it is, else INCONCLUSIVE."""
        if self.low > 1 + tolerance:
            return Verdict.FAIL
        return Verdict.PASS if self.high < 1 + tolerance else Verdict.INCONCLUSIVE


def compare(a: Sequence[float], b: Sequence[float], alpha: float = 0.05) -> Effect:
    """Compare the runs of B with those of A; all values above zero, at least three runs each.

    Raises ValueError otherwise.
    """
    if min(len(a), len(b)) < 3:
        raise ValueError(f"{len(a)} and {len(b)} runs; a comparison needs at least 3 of each")
    if min(*a, *b) <= 0:
        raise ValueError("a ratio needs values above zero")
    shifts = sorted(math.log(y) - math.log(x) for x in a for y in b)
    cut = _cut(len(a), len(b), alpha)
    above = sum(1.0 if shift > 0 else 0.5 if shift == 0 else 0.0 for shift in shifts)
    return Effect(
        ratio=math.exp(median(shifts)),
        low=math.exp(shifts[cut - 1]) if cut else 0.0,
        high=math.exp(shifts[-cut]) if cut else math.inf,
        confidence=1 - 2 * _below(len(a), len(b), cut),
        p=_two_sided(len(a), len(b), above),
        larger=above / len(shifts),
    )


def _cut(m: int, n: int, alpha: float) -> int:
    """Return which of the shifts, counted from either end, is the end of the interval; 0 for none.

    The k-th smallest shift is above the true one just when U < k, which has a known chance.
    """
    cut = 0
    while _below(m, n, cut + 1) <= alpha / 2:
        cut += 1
    return cut


def _below(m: int, n: int, u: int) -> float:
    """Return the chance that Mann and Whitney's U is below `u` when A and B do not differ."""
    ways = _ways(m, n)
    return sum(ways[:u]) / sum(ways)


def _two_sided(m: int, n: int, u: float) -> float:
    """Return p: exact without ties, conservative with them, as half ranks count as whole ones."""
    extreme = math.ceil(min(u, m * n - u))
    return min(1.0, 2 * _below(m, n, extreme + 1))


@lru_cache(maxsize=64)
def _ways(m: int, n: int) -> tuple[int, ...]:
    """Count the orders of m and n values in which U is 0, 1, … m·n: Mann and Whitney's
    recurrence."""
    if m == 0 or n == 0:
        return (1,)
    first, second = _ways(m - 1, n), _ways(m, n - 1)
    total = [0] * (m * n + 1)
    for u, count in enumerate(first):  # the largest value is one of A's: above all n of B
        total[u + n] += count
    for u, count in enumerate(second):
        total[u] += count
    return tuple(total)
