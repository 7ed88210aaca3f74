"""The test that looks early: its promises, computed exactly and by another way, and its curve."""

import math
import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from botproof.budgets import CAP
from botproof.checks.errors import judge_grades, judge_in_order
from botproof.checks.generator import Grade
from botproof.sequential import FAIL_SHARES, SequentialErrorRate
from botproof.stats import ALPHA, judge_error_rate
from botproof.verdict import Verdict

LIMIT = 0.001
DOCS = Path(__file__).parents[2] / "docs" / "load.md"


@pytest.fixture(name="test", scope="module")
def the_test() -> SequentialErrorRate:
    """As the gate uses it."""
    return SequentialErrorRate(LIMIT)


class TestPromises:
    """Computed from the chances of each count, look by look."""

    @pytest.mark.parametrize("rate", [0.001, 0.00101, 0.0015, 0.003])
    def test_pass_is_wrong_at_most_5_times_in_100(
        self, test: SequentialErrorRate, rate: float
    ) -> None:
        assert test.outcomes(rate)[0] <= ALPHA

    @pytest.mark.parametrize("rate", [0.001, 0.00099, 0.0005, 0.0001])
    def test_fail_is_wrong_no_more_often_than_its_share(
        self, test: SequentialErrorRate, rate: float
    ) -> None:
        assert test.outcomes(rate)[1] <= FAIL_SHARES["errors of all modes"]

    def test_little_of_what_may_be_spent_is_left_unused(self, test: SequentialErrorRate) -> None:
        """A test that never says anything would keep its promises too."""
        passed, failed, _ = test.outcomes(LIMIT)
        assert passed > 0.9 * ALPHA
        assert failed > 0.9 * FAIL_SHARES["errors of all modes"]

    def test_a_good_build_passes_and_a_bad_one_fails(self, test: SequentialErrorRate) -> None:
        assert test.outcomes(0.0002)[0] >= 0.95
        assert test.outcomes(0.002)[1] >= 0.95

    def test_the_shares_of_all_checks_are_the_5_percent_of_the_gate(self) -> None:
        assert math.fsum(FAIL_SHARES.values()) <= 0.05 + 1e-12

    @settings(max_examples=30, deadline=None)
    @given(
        st.floats(0.0005, 0.4),
        st.integers(1, 3_000),
        st.floats(0.01, 0.2),
        st.floats(0.01, 0.2),
    )
    def test_both_hold_for_any_limit_cap_and_alpha(
        self, limit: float, cap: int, alpha_pass: float, alpha_fail: float
    ) -> None:
        passed, failed, mean = SequentialErrorRate(limit, cap, alpha_pass, alpha_fail).outcomes(
            limit
        )
        assert passed <= alpha_pass + 1e-9
        assert failed <= alpha_fail + 1e-9
        assert mean <= cap


class TestAgainstOtherWays:
    def test_a_simulation_that_knows_nothing_of_the_computation_agrees(self) -> None:
        """2,000 runs, one request at a time, each looked at after every request."""
        test = SequentialErrorRate(0.05, cap=200)
        rng = random.Random(12)  # noqa: S311 - a simulation that has to repeat
        for rate in (0.02, 0.05, 0.1):
            verdicts = [_run(test, rate, rng) for _ in range(2_000)]
            passed, failed, _ = test.outcomes(rate)
            for verdict, exact in ((Verdict.PASS, passed), (Verdict.FAIL, failed)):
                seen = verdicts.count(verdict) / 2_000
                assert seen == pytest.approx(exact, abs=4 * math.sqrt(exact / 2_000) + 1e-3)

    def test_with_one_look_it_is_the_bound_of_clopper_and_pearson(self) -> None:
        """A cap that is reached at once leaves all of alpha for the one look."""
        for n in (2_995, 4_000, 12_000):
            test = SequentialErrorRate(LIMIT, cap=10_000_000, alpha_fail=ALPHA)
            for failures in range(40):
                mine = test.judge(n, failures, last=True)
                assert mine is judge_error_rate(n, failures, LIMIT).verdict, (n, failures)

    @given(st.integers(1, 20_000), st.integers(0, 60))
    def test_never_says_pass_where_one_look_would_say_fail(self, n: int, failures: int) -> None:
        if failures <= n:
            fixed = judge_error_rate(n, failures, LIMIT).verdict
            early = SequentialErrorRate(LIMIT).judge(n, failures)
            assert {fixed, early} != {Verdict.PASS, Verdict.FAIL}


def _run(test: SequentialErrorRate, rate: float, rng: random.Random) -> Verdict:
    failures = 0
    for n in range(1, test.cap + 1):
        failures += rng.random() < rate
        verdict = test.judge(n, failures)
        if verdict is not Verdict.INCONCLUSIVE:
            return verdict
    return Verdict.INCONCLUSIVE


class TestVerdicts:
    def test_22_failures_in_12_000_are_a_fail(self, test: SequentialErrorRate) -> None:
        """The build that was told to send 27,702 more: half of the cap is enough, and so is a
        load that was planned for no more than these."""
        assert test.judge(12_000, 22) is Verdict.FAIL
        assert SequentialErrorRate(LIMIT, cap=12_000).judge(12_000, 22) is Verdict.FAIL
        assert judge_error_rate(12_000, 22, LIMIT).verdict is Verdict.FAIL

    def test_what_it_costs_to_look_early(self, test: SequentialErrorRate) -> None:
        assert [test.required(failures) for failures in range(3)] == [4_308, 6_600, 8_412]
        assert test.required(14) is None
        assert test.undecided() == range(14, 37)

    def test_a_broken_build_ends_at_once(self, test: SequentialErrorRate) -> None:
        assert test.judge(3, 3) is Verdict.FAIL

    def test_what_is_unsure_counts_against_pass_alone(self, test: SequentialErrorRate) -> None:
        assert test.judge(4_400, 0) is Verdict.PASS
        assert test.judge(4_400, 0, unsure=1) is Verdict.INCONCLUSIVE
        assert test.judge(4_400, 0, unsure=400) is Verdict.INCONCLUSIVE

    def test_a_load_that_ends_early_spends_what_is_left(self, test: SequentialErrorRate) -> None:
        assert test.judge(2_900, 0, last=True) is Verdict.INCONCLUSIVE
        assert test.judge(3_100, 0) is Verdict.INCONCLUSIVE
        assert test.judge(3_100, 0, last=True) is Verdict.PASS

    @given(st.integers(0, CAP), st.integers(0, 60))
    def test_one_more_failure_never_helps(self, n: int, failures: int) -> None:
        if failures < n:
            order = [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.FAIL]
            fewer, more = (SequentialErrorRate(LIMIT).judge(n, k) for k in (failures, failures + 1))
            assert order.index(fewer) <= order.index(more)

    def test_failures_in_a_row_early_on_are_seen_though_the_rest_is_good(self) -> None:
        graded = [Grade.FAILED] * 3 + [Grade.GOOD] * 23_000
        assert judge_in_order(SequentialErrorRate(LIMIT), graded, over=True) is Verdict.FAIL

    def test_failures_after_enough_good_ones_take_the_pass_back(self) -> None:
        graded = [Grade.GOOD] * 4_308
        assert judge_in_order(SequentialErrorRate(LIMIT), graded, over=True) is Verdict.PASS
        graded += [Grade.FAILED] * 50
        assert judge_in_order(SequentialErrorRate(LIMIT), graded, over=True) is Verdict.FAIL

    def test_a_mode_is_not_diluted_by_the_others(self) -> None:
        good, bad = [Grade.GOOD] * 3_000, [Grade.GOOD] * 395 + [Grade.FAILED] * 5
        assert judge_grades(LIMIT, CAP, [good, bad], over=True) is Verdict.FAIL

    @pytest.mark.parametrize("limit", [0.0, 1.0, -0.1, 2.0])
    def test_limits_that_make_no_sense_are_refused(self, limit: float) -> None:
        with pytest.raises(ValueError, match="fraction"):
            SequentialErrorRate(limit)

    @pytest.mark.parametrize(
        ("n", "failures", "unsure"), [(-1, 0, 0), (5, 6, 0), (5, -1, 0), (5, 3, 3), (5, 0, -1)]
    )
    def test_counts_that_make_no_sense_are_refused(
        self, test: SequentialErrorRate, n: int, failures: int, unsure: int
    ) -> None:
        with pytest.raises(ValueError, match="failures of"):
            test.judge(n, failures, unsure=unsure)


class TestDocumentation:
    def test_the_operating_curve_is_what_is_computed(self, test: SequentialErrorRate) -> None:
        """Every line of the table in docs/load.md."""
        rows = re.findall(
            r"^\| (0\.\d+) % \| ([\d.]+) % \| ([\d.]+) % \| ([\d.]+) % \| ([\d,]+) \|$",
            DOCS.read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
        assert len(rows) >= 9
        for rate, *written in rows:
            passed, failed, mean = test.outcomes(float(rate) / 100)
            exact = [f"{100 * share:.1f}" for share in (passed, 1 - passed - failed, failed)]
            exact.append(f"{round(mean, -2):,.0f}")
            assert [rate, *written] == [rate, *exact]
