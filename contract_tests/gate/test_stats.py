"""Bounds against known values."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof.stats import (
    allowed_failures,
    drift,
    judge_error_rate,
    lower_bound,
    percentile,
    power,
    required_requests,
    upper_bound,
)
from botproof.verdict import Verdict

counts = st.integers(1, 20_000).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(0, n))  # any number of them failed
)


@pytest.mark.parametrize(("failures", "needed"), [(0, 2_995), (5, 10_511)])
def test_how_many_requests_prove_an_error_rate_below_a_tenth_of_a_percent(
    failures: int, needed: int
) -> None:
    assert required_requests(0.001, failures) == needed
    assert judge_error_rate(needed, failures, 0.001).verdict is Verdict.PASS
    assert judge_error_rate(needed - 1, failures, 0.001).verdict is Verdict.INCONCLUSIVE


def test_bounds_have_closed_forms_when_none_or_all_fail() -> None:
    assert upper_bound(30, 0) == pytest.approx(1 - 0.05 ** (1 / 30))
    assert lower_bound(30, 30) == pytest.approx(0.05 ** (1 / 30))
    assert (lower_bound(30, 0), upper_bound(30, 30)) == (0.0, 1.0)


@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_bounds_are_the_rates_at_which_what_was_seen_has_a_chance_of_5_percent(
    count: tuple[int, int],
) -> None:
    """The definition of Clopper and Pearson, summed up term by term."""
    n, failures = count
    if failures < n:
        at_most = _binomial(n, range(failures + 1), upper_bound(n, failures))
        assert at_most == pytest.approx(0.05, rel=1e-6)
    if failures:
        at_least = _binomial(n, range(failures, n + 1), lower_bound(n, failures))
        assert at_least == pytest.approx(0.05, rel=1e-6)


def _binomial(n: int, counts: range, rate: float) -> float:
    return math.fsum(math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in counts)


@given(counts)
def test_bounds_enclose_the_share_that_was_seen(count: tuple[int, int]) -> None:
    n, failures = count
    assert lower_bound(n, failures) <= failures / n <= upper_bound(n, failures)


@given(counts, st.floats(0.0001, 0.5))
def test_a_verdict_follows_from_the_bounds(count: tuple[int, int], limit: float) -> None:
    n, failures = count
    judged = judge_error_rate(n, failures, limit)
    assert (judged.verdict is Verdict.PASS) == (judged.upper < limit)
    assert (judged.verdict is Verdict.FAIL) == (judged.lower > limit)


@given(counts, st.floats(0.0005, 0.3))
def test_one_more_failure_never_helps(count: tuple[int, int], limit: float) -> None:
    n, failures = count
    if failures < n:
        fewer = judge_error_rate(n, failures, limit).verdict
        more = judge_error_rate(n, failures + 1, limit).verdict
        order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
        assert order.index(fewer) <= order.index(more)


@given(st.integers(0, 30), st.sampled_from([0.0005, 0.001, 0.01, 0.1]))
def test_the_required_number_is_the_smallest_that_passes(failures: int, limit: float) -> None:
    needed = required_requests(limit, failures)
    assert upper_bound(needed, failures) < limit <= upper_bound(needed - 1, failures)
    assert allowed_failures(needed, limit) == failures


def test_nothing_sent_is_inconclusive() -> None:
    judged = judge_error_rate(0, 0, 0.001)
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert "PASS needs 2,995 requests" in judged.describe()


def test_many_failures_fail() -> None:
    assert judge_error_rate(1_000, 10, 0.001).verdict is Verdict.FAIL


def test_power_is_the_chance_of_pass() -> None:
    # 2,995 requests pass only without any failure; a build at 0.01 % manages that in 74 of 100.
    assert power(2_995, 0.001, 0.0001) == pytest.approx(0.9999**2_995, rel=1e-9)
    assert power(2_994, 0.001, 0.0001) == 0.0


@pytest.mark.parametrize(
    ("n", "failures"), [(-1, 0), (5, 6), (5, -1)], ids=["negative", "too many", "negative failures"]
)
def test_counts_that_make_no_sense_are_refused(n: int, failures: int) -> None:
    with pytest.raises(ValueError, match="failures of"):
        judge_error_rate(n, failures, 0.001)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_percentile_is_a_value_that_was_measured(values: list[float], q: float) -> None:
    found = percentile(values, q)
    assert found in values
    assert sum(value <= found for value in values) >= math.ceil(q * len(values))


@pytest.mark.parametrize(
    ("steps", "mean", "margin"),
    [
        # Student's t at 95 %: 6.314 with one degree of freedom, 2.920 with two (NIST/SEMATECH,
        # table 1.3.6.7.2); the standard error of each mean is 1.
        ([(1, 1), (3, 1)], 2.0, 6.314),
        ([(2, 1), (2 + 3**0.5, 1), (2 - 3**0.5, 1)], 2.0, 2.920),
        ([(20, 10), (20, 10)], 2.0, 0.0),
    ],
)
def test_the_margin_of_a_drift_is_students_t_of_its_steps(
    steps: list[tuple[float, float]], mean: float, margin: float
) -> None:
    assert drift(steps, 0.05) == pytest.approx((mean, margin), abs=1e-3)
