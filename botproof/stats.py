"""The statistics behind verdicts: exact bounds, one fixed look, or a test that may look any time.

Error rates are judged on two one-sided statements, each at confidence `1 - alpha` (95 %):

* PASS says "the true rate is below the limit", and is wrong at most 5 times in 100;
* FAIL says "the true rate is above the limit", and is wrong at most 5 times in 100;
* what allows neither is INCONCLUSIVE.

`judge_error_rate` makes *one* look at a number of requests that was planned ahead; its bounds are
Clopper-Pearson (Clopper & Pearson, Biometrika 26, 1934), exact for any n. Looking again and again
with it until it says PASS would be wrong far more often than 5 %. Who wants to look early uses
`SequentialErrorRate`: a mixture of likelihood ratios, whose promise holds however often one looks
(Ville's inequality; Robbins, Ann. Math. Statist. 41, 1970), at the price of more requests: 3,509
instead of 2,995 when nothing fails and the limit is 0.1 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import bdtr, betaincinv

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
    """The fewest requests that prove "below `limit`" although `failures` of them failed.

    `required_requests(0.001)` is 2,995; with five failures it is 10,511.
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
    """The most failures among `n` requests that still allow PASS; None when even 0 do not."""
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
    """The chance that `n` requests end in PASS when the build really fails at `true_rate`."""
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
        """One line for a person: n, failures, bounds, power, and what would be needed."""
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


# Alternatives that the sequential test mixes, as (multiple of the limit, weight). The far one ends
# a clearly good or clearly bad build soon; the near one keeps it from going on for ever when the
# true rate is about half of, or twice, the limit.
_GOOD: Sequence[tuple[float, float]] = ((0.1, 0.8), (0.5, 0.2))
_BAD: Sequence[tuple[float, float]] = ((2.0, 0.5), (10.0, 0.5))


@dataclass(frozen=True, slots=True)
class SequentialErrorRate:
    """A test of an error rate that may be looked at after every single request.

    `P(PASS ever said | true rate >= limit) <= alpha` and
    `P(FAIL ever said | true rate <= limit) <= alpha`, however often one looks. `judge` is a pure
    function of the counts; stop at the first verdict that is not INCONCLUSIVE and keep it.
    """

    limit: float
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        _validate_limit(self.limit)
        _validate(0, 0, self.alpha)

    def judge(self, n: int, failures: int) -> Verdict:
        """PASS, FAIL or INCONCLUSIVE ("go on") after `n` requests of which `failures` failed."""
        _validate(n, failures, self.alpha)
        threshold = -math.log(self.alpha)
        if self._log_evidence(n, failures, _BAD) >= threshold:
            return Verdict.FAIL
        if self._log_evidence(n, failures, _GOOD) >= threshold:
            return Verdict.PASS
        return Verdict.INCONCLUSIVE

    def required(self, failures: int = 0) -> int:
        """The fewest requests after which this test says PASS in spite of `failures` failures."""
        low, high = failures, failures + 1
        while self.judge(high, failures) is not Verdict.PASS:
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            if self.judge(middle, failures) is Verdict.PASS:
                high = middle
            else:
                low = middle
        return high

    def _log_evidence(
        self, n: int, failures: int, alternatives: Sequence[tuple[float, float]]
    ) -> float:
        """Logarithm of the mixed likelihood ratio against a rate of exactly `limit`."""
        terms = []
        for multiple, weight in alternatives:
            rate = min(multiple * self.limit, (1 + self.limit) / 2)
            on_failure = math.log(rate / self.limit)
            on_success = math.log1p(-rate) - math.log1p(-self.limit)
            terms.append(
                math.log(weight) + failures * on_failure + (n - failures) * on_success,
            )
        largest = max(terms)
        return largest + math.log(math.fsum(math.exp(term - largest) for term in terms))


def percentile(values: Sequence[float], q: float) -> float:
    """The smallest value that at least `q` (0 to 1) of all values do not exceed.

    Nearest rank: always a value that was measured, never one between two. Raises ValueError
    on no values: a percentile of nothing is not 0.
    """
    if not values:
        raise ValueError("no values: a percentile of nothing does not exist")
    if not 0 <= q <= 1:
        raise ValueError(f"q is {q}; it is a share from 0 to 1")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


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
