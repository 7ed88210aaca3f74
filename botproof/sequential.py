"""Error rates that are looked at while the requests come in, with errors that stay exact.

Judging 24,000 requests once, at the end, would waste minutes on builds that are plainly good or
plainly bad; looking again and again with a test that was made for one look would be wrong far more
often than it says. This is a *group sequential* test with an error-spending function (Lan & DeMets,
Biometrika 70, 1983): of the error that is allowed, `alpha`, a part is spent at each look, as much
as Pocock's type of function, `alpha * ln(1 + (e - 1) t)`, gives to the share `t` of the requests
that was sent. What is left is spent at the last look, at the cap. So the cap always gets a look of
its own, and it is no longer possible that 22 failures in 12,000 requests prove nothing.

The boundaries are exact, not approximations by a normal distribution: the distribution of the
number of failures, stopped at the boundary, is carried from look to look (Armitage, McPherson &
Rowe, J. R. Stat. Soc. A 132, 1969; for binomial counts Jennison & Turnbull, Group Sequential
Methods, 1999, chapter 12).

* PASS says "the true rate is below the limit". P(PASS ever said | rate >= limit) <= alpha_pass.
* FAIL says "the true rate is above the limit". P(FAIL ever said | rate <= limit) <= alpha_fail.

Each boundary is computed as if the other did not exist, so that neither promise depends on whether
a run really ended at the first decision (a soak does not end at its first chance of PASS). Both
events can only become more likely, or only less, when one more request fails; therefore the limit
itself is the worst case, and the promise holds for every rate beyond it.

What the whole gate promises: it says PASS only when every check does, so a build that is bad in one
thing gets through only if that one check is wrong (an intersection-union test; Berger,
Technometrics 24, 1982). Each check may therefore use all 5 % for PASS. FAIL is said as soon as one
check says it, so the 5 % for FAIL are shared out between all checks that generalise from a sample:
`FAIL_SHARES`.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from botproof.budgets import CAP
from botproof.stats import ALPHA
from botproof.verdict import Verdict

FAIL_SHARES: Mapping[str, float] = {
    "errors of all modes": 0.035,
    "errors of one mode": 0.005,
    "latency tail": 0.005,
    "memory growth": 0.005,
}
"""How the 5 % for a wrong FAIL are shared out. Checks that judge what happened, and do not
generalise from a sample (a missing reply, a section that differs, four slow requests in a row, a
process above its budget), need no share."""

_LOOKS = 2_000
_NEGLIGIBLE = 1e-18

_Vector = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class SequentialErrorRate:
    """A test of an error rate that may be looked at after every single request.

    `limit` is a fraction (0.001 is 0.1 %), `cap` the number of requests that is planned at most.
    Raises ValueError for a limit or an alpha that is no fraction, and for a cap below 1.
    """

    limit: float
    cap: int = CAP
    alpha_pass: float = ALPHA
    alpha_fail: float = FAIL_SHARES["errors of all modes"]

    def __post_init__(self) -> None:
        if not 0 < self.limit < 1:
            raise ValueError(
                f"the limit is {self.limit}; it is a fraction between 0 and 1 (0.001 = 0.1 %)"
            )
        for alpha in (self.alpha_pass, self.alpha_fail):
            if not 0 < alpha < 1:
                raise ValueError(f"alpha is {alpha}; it is a probability between 0 and 1")
        if self.cap < 1:
            raise ValueError(f"the cap is {self.cap}; a test needs at least one request")

    def judge(self, n: int, failures: int, *, unsure: int = 0, last: bool = False) -> Verdict:
        """PASS, FAIL or INCONCLUSIVE ("go on") after `n` requests of which `failures` failed.

        `unsure` more of them may have failed or not: PASS counts them as failures, FAIL does not.
        `last` says that no more will come although the cap is not reached, for a reason that has
        nothing to do with what came out (the time was up): all the error that is left is spent.
        A pure function of its arguments. FAIL once said is to be kept; so is PASS, unless more
        requests are counted after it. Raises ValueError for counts that make no sense.
        """
        if n < 0 or not 0 <= failures <= failures + unsure <= n:
            raise ValueError(
                f"{failures} failures of {n} requests, {unsure} unsure; it must be "
                "0 <= failures <= failures + unsure <= n"
            )
        limits = self._limits(n if last and 0 < n < self.cap else self.cap)
        if failures >= limits.fail_at(n):
            return Verdict.FAIL
        if failures + unsure <= limits.pass_at(n):
            return Verdict.PASS
        return Verdict.INCONCLUSIVE

    def required(self, failures: int = 0) -> int | None:
        """Return the fewest requests after which PASS is said in spite of `failures` failures.

        None when so many failures allow no PASS up to the cap.
        """
        limits = self._limits(self.cap)
        place = bisect.bisect_left(limits.most, failures)
        return limits.looks[place] if place < len(limits.looks) else None

    def undecided(self) -> range:
        """Return how many failures at the cap decide nothing."""
        limits = self._limits(self.cap)
        return range(limits.most[-1] + 1, limits.least[-1])

    def outcomes(self, true_rate: float) -> tuple[float, float, float]:
        """Return the chances of PASS and of FAIL, and the mean number of requests, at a true error
        rate.

        Exact: the operating curve of docs/load.md. A run is taken to end at its first decision.
        """
        limits = self._limits(self.cap)
        states = _states(limits.least[-1], true_rate, self.cap)
        alive, passed, failed, mean, before = _start(states), 0.0, 0.0, 0.0, 0
        for n, most, least in zip(limits.looks, limits.most, limits.least, strict=True):
            mean += (n - before) * (1 - passed - failed)
            alive, before = _after(alive, n - before, true_rate), n
            failed += float(alive[least:].sum())
            passed += float(alive[: most + 1].sum())
            alive[least:] = 0
            alive[: most + 1] = 0
        return passed, failed, mean

    def _limits(self, end: int) -> _Limits:
        return _limits(self.limit, self.cap, self.alpha_pass, self.alpha_fail, end)


@dataclass(frozen=True, slots=True)
class _Limits:
    """At each look: PASS at `most` failures or fewer (-1: not yet), FAIL at `least` or more."""

    looks: Sequence[int]
    most: Sequence[int]
    least: Sequence[int]

    def pass_at(self, n: int) -> int:
        """Return the failures that allow PASS now: what was allowed at the last look still is.

        With as few failures as that now, there were no more of them then.
        """
        place = bisect.bisect_right(self.looks, n)
        return self.most[place - 1] if place else -1

    def fail_at(self, n: int) -> int:
        """Return the failures that allow FAIL now: there can be no fewer of them at the
        next look."""
        place = bisect.bisect_left(self.looks, n)
        return self.least[place] if place < len(self.least) else n + 1


@lru_cache(maxsize=64)
def _limits(limit: float, cap: int, alpha_pass: float, alpha_fail: float, end: int) -> _Limits:
    """Return the boundaries of a test that is planned for `cap` requests and has its last look at
    `end`.

    The plan decides what is spent before the end, so a run that ends early does not rewrite it.
    """
    step = math.ceil(cap / _LOOKS)
    looks = [*range(step, end, step), end]
    spend = [_spent_at(n / cap) if n < end else 1.0 for n in looks]
    states = _states(0, limit, end)
    return _Limits(
        looks=looks,
        most=_pass_boundary(looks, [alpha_pass * share for share in spend], limit, states),
        least=_fail_boundary(looks, [alpha_fail * share for share in spend], limit, states),
    )


def _spent_at(t: float) -> float:
    """Return the share of alpha that is spent when the share `t` of the requests was sent."""
    return math.log1p((math.e - 1) * t)


def _pass_boundary(
    looks: Sequence[int], budget: Sequence[float], limit: float, states: int
) -> list[int]:
    alive, spent, before, most = _start(states), 0.0, 0, -1
    boundary = []
    for n, allowed in zip(looks, budget, strict=True):
        alive, before = _after(alive, n - before, limit), n
        spent += float(alive[: most + 1].sum())
        while most + 1 < len(alive) and spent + alive[most + 1] <= allowed:
            most += 1
            spent += float(alive[most])
        alive[: most + 1] = 0
        boundary.append(most)
    return boundary


def _fail_boundary(
    looks: Sequence[int], budget: Sequence[float], limit: float, states: int
) -> list[int]:
    alive, spent, before = _start(states), 0.0, 0
    boundary = []
    for n, allowed in zip(looks, budget, strict=True):
        alive, before = _after(alive, n - before, limit), n
        at_least = np.append(np.cumsum(alive[::-1])[::-1], 0.0)
        least = int(np.argmax(spent + at_least <= allowed))
        spent += float(at_least[least])
        alive[least:] = 0
        boundary.append(least)
    return boundary


def _states(least: int, rate: float, n: int) -> int:
    """Return numbers of failures worth keeping: beyond ten standard deviations there are none."""
    likely = n * rate + 10 * math.sqrt(n * rate * (1 - rate)) + 30
    return min(n, max(least + 1, math.ceil(likely))) + 1


def _start(states: int) -> _Vector:
    alive = np.zeros(states)
    alive[0] = 1.0
    return alive


def _after(alive: _Vector, requests: int, rate: float) -> _Vector:
    """Return the distribution of the failures after more requests; the last state
    gathers the rest."""
    moved = np.convolve(alive, _step(requests, rate))
    kept = moved[: len(alive)]
    kept[-1] += moved[len(alive) :].sum()
    return kept


@lru_cache(maxsize=64)
def _step(requests: int, rate: float) -> _Vector:
    """Return how likely 0, 1, 2 … failures among some requests are; what never happens
    is left out."""
    likely = int(requests * rate + 12 * math.sqrt(requests * rate) + 30)
    failed = np.arange(min(requests, likely) + 1)
    good = requests - failed
    ways = gammaln(requests + 1) - gammaln(failed + 1) - gammaln(good + 1)
    chances = np.exp(ways + failed * math.log(rate) + good * math.log1p(-rate))
    return np.asarray(chances[: int(np.nonzero(chances > _NEGLIGIBLE)[0][-1]) + 1])
