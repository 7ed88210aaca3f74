"""errors: the share of failed requests under load, by a sequential test with stated error rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from botproof.checks.judging import Judging
from botproof.history import History, Request
from botproof.stats import ALPHA, SequentialErrorRate, judge_error_rate
from botproof.verdict import CheckResult, Verdict


def check(history: History, judging: Judging) -> CheckResult:
    """Judge the requests in the order in which they ended; too late an answer is a failure.

    The same build serves every mode, so the requests of all modes are one sample. A mode that
    fails by itself makes the whole fail: it must not be diluted by the others.
    """
    budget, late = judging.budgets["error_rate_pct"], judging.budgets["reply_time_s"].limit
    limit = budget.limit / 100
    requests = history.of(Request)
    outcomes = [_failed(request, late) for request in requests]
    by_mode = {
        stack: [_failed(request, late) for request in requests if request.stack == stack]
        for stack in dict.fromkeys(request.stack for request in requests)
    }
    test = SequentialErrorRate(limit)
    verdict = judge_outcomes(limit, list(by_mode.values()))
    lines = [
        f"{stack or 'all'}: {sum(own):,} of {len(own):,} failed" for stack, own in by_mode.items()
    ]
    rate = judge_error_rate(len(outcomes), sum(outcomes), limit)
    return CheckResult(
        check="errors",
        verdict=verdict,
        budget=budget.describe(),
        measurement=rate.describe().partition(";")[0] if requests else "no load was recorded",
        least_evidence=f"{test.required():,} requests without a failure",
        evidence=(*lines, *_reasons(requests, late), *_need(verdict, test, outcomes)),
        source=budget.source,
        data={"n": rate.n, "failures": rate.failures, "upper": rate.upper, "lower": rate.lower},
        used=rate.upper / limit if requests else None,
    )


def judge_outcomes(limit: float, by_mode: Sequence[Sequence[bool]]) -> Verdict:
    """Judge the outcomes (true: failed) of each mode, in order; `limit` is a fraction.

    PASS by the pooled test alone; FAIL by the pooled test or by a mode's own, which share alpha.
    """
    pooled = [outcome for own in by_mode for outcome in own]
    if len(by_mode) > 1:
        alphas = [ALPHA / 2, *(ALPHA / 2 / len(by_mode) for _ in by_mode)]
        sequences = [pooled, *by_mode]
        for alpha, outcomes in zip(alphas, sequences, strict=True):
            if first_verdict(SequentialErrorRate(limit, alpha), outcomes) is Verdict.FAIL:
                return Verdict.FAIL
        passed = first_verdict(SequentialErrorRate(limit), pooled) is Verdict.PASS
        return Verdict.PASS if passed else Verdict.INCONCLUSIVE
    return first_verdict(SequentialErrorRate(limit), pooled)


def first_verdict(test: SequentialErrorRate, failed: Iterable[bool]) -> Verdict:
    """The first decision of the test along the sequence of outcomes, which is the one that counts.

    The error rates of a sequential test hold for stopping at the first decision, so what came
    after it does not change it.
    """
    failures = 0
    for n, outcome in enumerate(failed, start=1):
        failures += outcome
        verdict = test.judge(n, failures)
        if verdict is not Verdict.INCONCLUSIVE:
            return verdict
    return Verdict.INCONCLUSIVE


def _failed(request: Request, late: float) -> bool:
    return not request.ok or request.latency_s >= late


def _reasons(requests: Iterable[Request], late: float) -> list[str]:
    reasons = Counter(
        request.error or f"answered after {late:g} s or more"
        for request in requests
        if _failed(request, late)
    )
    return [f"{count:,} x {reason}" for reason, count in reasons.most_common(5)]


def _need(verdict: Verdict, test: SequentialErrorRate, outcomes: list[bool]) -> list[str]:
    stated = f"each of PASS and FAIL is wrong at most {100 * ALPHA:g} times in 100"
    if verdict is not Verdict.INCONCLUSIVE:
        return [f"sequential test; {stated}"]
    failures = sum(outcomes)
    needed = test.required(failures)
    more = max(0, needed - len(outcomes))
    return [f"with {failures:,} failures PASS needs {needed:,} requests, {more:,} more"]
