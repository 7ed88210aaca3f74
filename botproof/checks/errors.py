"""errors: the share of failed requests under load, by a sequential test with stated error rates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from botproof.checks.generator import Grade, HeldTimes, grades, planned_cap
from botproof.checks.judging import Judging
from botproof.history import History, Request
from botproof.sequential import FAIL_SHARES, SequentialErrorRate
from botproof.stats import ALPHA, judge_error_rate
from botproof.verdict import CheckResult, Verdict

_ALONE = 0.1
"""A mode alone is looked at over this share of the cap: what is spent there has to catch a mode
that fails in its first hundreds of requests, before the other modes dilute it."""

Graded = Sequence[Grade]
"""What the requests of one mode say, in the order in which they ended, without the spoilt ones."""


def check(history: History, judging: Judging) -> CheckResult:
    """Judge the requests in the order in which they ended; too late an answer is a failure.

    The same build serves every mode, so the requests of all modes are one sample. A mode that
    fails by itself makes the whole fail: it must not be diluted by the others.
    """
    budget, late = judging.budgets["error_rate_pct"], judging.budgets["reply_time_s"].limit
    limit, cap = budget.limit / 100, planned_cap(history)
    held = HeldTimes.of(history, late)
    graded = list(grades(history.of(Request), held, late))
    evidence = [(request, grade) for request, grade in graded if grade is not Grade.SPOILT]
    by_mode: dict[str, list[Grade]] = {}
    for request, grade in evidence:
        by_mode.setdefault(request.stack, []).append(grade)
    verdict = judge_grades(limit, cap, list(by_mode.values()), over=True)
    lines = [f"{stack or 'all'}: {_count(own)}" for stack, own in by_mode.items()]
    failures = sum(grade is Grade.FAILED for _, grade in evidence)
    rate = judge_error_rate(len(evidence), failures, limit)
    test = SequentialErrorRate(limit, cap)
    left_out = held.describe(len(graded) - len(evidence))
    return CheckResult(
        check="errors",
        verdict=verdict,
        budget=budget.describe(),
        measurement=rate.describe().partition(";")[0] if evidence else "no load was recorded",
        least_evidence=least_evidence(test),
        evidence=(
            *lines,
            *_reasons(evidence, late),
            *([left_out] if left_out else ()),
            *advice(test, verdict, len(evidence), failures),
        ),
        source=budget.source,
        data={"n": rate.n, "failures": rate.failures, "upper": rate.upper, "lower": rate.lower},
        used=rate.upper / limit if evidence else None,
    )


def judge_grades(limit: float, cap: int, by_mode: Sequence[Graded], *, over: bool) -> Verdict:
    """Judge the requests of each mode, in order; `limit` is a fraction.

    PASS by all modes together; FAIL by them or by one mode alone. `over`: no more will come.
    """
    together = [grade for own in by_mode for grade in own]
    verdict = judge_in_order(SequentialErrorRate(limit, cap), together, over=over)
    if len(by_mode) > 1:
        alpha = FAIL_SHARES["errors of one mode"] / len(by_mode)
        alone = SequentialErrorRate(limit, math.ceil(_ALONE * cap), alpha_fail=alpha)
        if any(judge_in_order(alone, own, over=False) is Verdict.FAIL for own in by_mode):
            return Verdict.FAIL
    return verdict


def judge_in_order(test: SequentialErrorRate, graded: Graded, *, over: bool) -> Verdict:
    """Return FAIL as soon as the failures so far allow it, PASS if all of them together do.

    What is unsure counts against PASS alone. `over`: no more will come.
    """
    failed_at = [n for n, grade in enumerate(graded[: test.cap], 1) if grade is Grade.FAILED]
    if any(test.judge(n, each) is Verdict.FAIL for each, n in enumerate(failed_at, 1)):
        return Verdict.FAIL
    failed, unsure = graded.count(Grade.FAILED), graded.count(Grade.UNSURE)
    return test.judge(len(graded), failed, unsure=unsure, last=over)


def least_evidence(test: SequentialErrorRate) -> str:
    """Return what the test needs at the least, for a person."""
    needed = test.required()
    if needed is None:
        return f"more than {test.cap:,} requests: the load is too short for this budget"
    return f"{needed:,} requests without a failure"


def advice(test: SequentialErrorRate, verdict: Verdict, n: int, failures: int) -> list[str]:
    """Return what the verdict is worth, or what an undecided one would take."""
    wrong = f"PASS is wrong at most {100 * ALPHA:g} times in 100, FAIL {100 * test.alpha_fail:g}"
    if verdict is not Verdict.INCONCLUSIVE:
        return [f"sequential test of at most {test.cap:,} requests; {wrong}"]
    needed = test.required(failures)
    if needed is not None and needed > n:
        more = f"{needed - n:,} more"
        return [f"with {failures:,} failures PASS needs {needed:,} requests, {more}"]
    close = test.undecided()
    if not close:
        return [f"the load is too short for {100 * test.limit:g} %: plan a larger one"]
    nothing = f"{close[0]:,} to {close[-1]:,} failures of {test.cap:,} decide nothing"
    rate = f"the rate is too close to {100 * test.limit:g} % to tell: {nothing}"
    return [f"{rate}; look at the failures above, or plan a larger load"]


def _count(own: Graded) -> str:
    failed, unsure = own.count(Grade.FAILED), own.count(Grade.UNSURE)
    text = f"{failed:,} of {len(own):,} failed"
    if unsure:
        text += f", {unsure:,} more may be late or not: the load generator was held up meanwhile"
    return text


def _reasons(evidence: Iterable[tuple[Request, Grade]], late: float) -> Iterator[str]:
    reasons = Counter(
        request.error or f"answered after {late:g} s or more"
        for request, grade in evidence
        if grade is Grade.FAILED
    )
    for reason, count in reasons.most_common(5):
        yield f"{count:,} x {reason}"
