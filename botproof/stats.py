"""Exact statistics for one look: bounds of a failure rate, power, percentiles, and drift.

An error rate that is looked at once, after a number of requests that was planned ahead, is judged
on two one-sided statements, each at confidence `1 - alpha` (95 %):

* PASS says "the true rate is below the limit", and is wrong at most 5 times in 100;
* FAIL says "the true rate is above the limit", and is wrong at most 5 times in 100;
* what allows neither is INCONCLUSIVE.

The bounds are those of Clopper and Pearson (Biometrika 26, 1934), exact for any n. Looking again
and again with them until they say PASS would be wrong far more often than 5 %: who wants to end
early uses `botproof.sequential`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import bdtr, betaincinv, stdtrit

from botproof.verdict import Verdict

ALPHA = 0.05


def upper_bound(n: int, failures: int, alpha: float = ALPHA) -> float:
    """One-sided Clopper-Pearson upper bound of a failure rate, as a fraction.

    With `n == 0` nothing is known, so the bound is 1. Raises ValueError unless
    `0 <= failures <= n` and `0 < alpha < 1`.
    """
    _validate(n, failures, alpha)
    if failures == n:
        return 1.0
    return float(betaincinv(failures + 1, n - failures, 1 - alpha))


def lower_bound(n: int, failures: int, alpha: float = ALPHA) -> float:
    """One-sided Clopper-Pearson lower bound of a failure rate; 0 without failures."""
    _validate(n, failures, alpha)
    if failures == 0:
        return 0.0
    return float(betaincinv(failures, n - failures + 1, alpha))


def required_requests(limit: float, failures: int = 0, alpha: float = ALPHA) -> int:
    """Return the fewest requests that prove "below `limit`" although `failures` of them failed.

    `required_requests(0.001)` is 2,995; with five failures it is 10,511.

    Raises ValueError for fewer than 0 failures.
    """
    _validate_limit(limit)
    if failures < 0:
        raise ValueError(f"failures is {failures}; it counts requests, so it is 0 or more")
    high = failures + 1
    while upper_bound(high, failures, alpha) >= limit:
        high *= 2
    low = failures
    while high - low > 1:
        middle = (low + high) // 2
        if middle > failures and upper_bound(middle, failures, alpha) < limit:
            high = middle
        else:
            low = middle
    return high


def allowed_failures(n: int, limit: float, alpha: float = ALPHA) -> int | None:
    """Return the most failures among `n` requests that still allow PASS; None when even
    0 do not."""
    _validate_limit(limit)
    if n == 0 or upper_bound(n, 0, alpha) >= limit:
        return None
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if upper_bound(n, middle, alpha) < limit:
            low = middle
        else:
            high = middle
    return low


def power(n: int, limit: float, true_rate: float, alpha: float = ALPHA) -> float:
    """Return the chance that `n` requests end in PASS when the build really fails at
    `true_rate`."""
    most = allowed_failures(n, limit, alpha)
    if most is None:
        return 0.0
    return float(bdtr(most, n, true_rate))


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """One look at an error rate. Rates and bounds are fractions (0.001 is 0.1 %)."""

    verdict: Verdict
    n: int
    failures: int
    limit: float
    upper: float
    lower: float
    alpha: float
    required: int
    power: float
    """Chance of PASS at this n for a build that fails ten times less often than the limit."""

    def describe(self) -> str:
        """Return one line for a person: n, failures, bounds, power, and what would be needed."""
        confidence = f"{100 * (1 - self.alpha):g} %"
        text = (
            f"n={self.n:,}, failures={self.failures:,}, {confidence} bounds "
            f"{_percent(self.lower)} to {_percent(self.upper)}, "
            f"power {100 * self.power:.0f} % at {_percent(self.limit / 10)}"
        )
        if self.verdict is Verdict.INCONCLUSIVE:
            text += f"; with {self.failures:,} failures PASS needs {self.required:,} requests"
        return text


def judge_error_rate(n: int, failures: int, limit: float, alpha: float = ALPHA) -> ErrorRate:
    """Judge `failures` of `n` requests against `limit` (a fraction), in one look.

    PASS when the upper bound is below the limit, FAIL when the lower bound is above it,
    else INCONCLUSIVE. Raises ValueError for counts or limits that make no sense.
    """
    _validate_limit(limit)
    upper, lower = upper_bound(n, failures, alpha), lower_bound(n, failures, alpha)
    verdict = Verdict.INCONCLUSIVE
    if upper < limit:
        verdict = Verdict.PASS
    elif lower > limit:
        verdict = Verdict.FAIL
    return ErrorRate(
        verdict=verdict,
        n=n,
        failures=failures,
        limit=limit,
        upper=upper,
        lower=lower,
        alpha=alpha,
        required=required_requests(limit, failures, alpha),
        power=power(n, limit, limit / 10, alpha),
    )


def percentile(values: Sequence[float], q: float) -> float:
    """Return the smallest value that at least `q` (0 to 1) of all values do not exceed.

    Nearest rank: always a value that was measured, never one between two. Raises ValueError
    on no values: a percentile of nothing is not 0.
    """
    if not values:
        raise ValueError("no values: a percentile of nothing does not exist")
    if not 0 <= q <= 1:
        raise ValueError(f"q is {q}; it is a share from 0 to 1")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def drift(steps: Sequence[tuple[float, float]], alpha: float) -> tuple[float, float]:
    """Return the mean increment of a series for each unit of work, and its one-sided margin.

    `steps` are increments, each with the work that it took: independent ones, as those of a random
    walk with drift are. Student's t over them, two at least, weighted by the work.
    """
    work = sum(each for _, each in steps)
    mean = sum(size for size, _ in steps) / work
    freedom = len(steps) - 1
    spread = sum((size - mean * each) ** 2 / each for size, each in steps) / freedom
    return mean, float(stdtrit(freedom, 1 - alpha)) * math.sqrt(spread / work)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.3g} %"


def _validate(n: int, failures: int, alpha: float) -> None:
    if n < 0 or not 0 <= failures <= n:
        raise ValueError(f"{failures} failures of {n} requests; it must be 0 <= failures <= n")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; it is a probability between 0 and 1, usually 0.05")


def _validate_limit(limit: float) -> None:
    if not 0 < limit < 1:
        raise ValueError(f"the limit is {limit}; it is a fraction between 0 and 1 (0.001 = 0.1 %)")
