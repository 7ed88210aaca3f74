"""The roll-back rule on hand-written histories."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof.checks.judging import Judging
from botproof.checks.rollback import check, longest_streak
from botproof.history import GeneratorHeld, History, Request
from botproof.verdict import Verdict


def load(*latencies: float, given_up: bool = False, stack: str = "polling") -> list[Request]:
    """Requests a tenth of a second apart, in the order in which they were due."""
    return [
        Request(
            t=number / 10 + latency,
            intended=number / 10,
            latency_s=latency,
            ok=not given_up or latency < 1,
            status=None if given_up and latency >= 1 else 200,
            error="no answer within 2 s" if given_up and latency >= 1 else None,
            failure="timed_out" if given_up and latency >= 1 else "",
            stack=stack,
            mode=stack,
        )
        for number, latency in enumerate(latencies)
    ]


@pytest.mark.parametrize(
    ("latencies", "verdict"),
    [
        ((0.1, 0.1, 0.1, 0.1), Verdict.PASS),
        ((0.1, 6, 6, 6, 0.1), Verdict.PASS),
        ((0.1, 6, 6, 6, 6, 0.1), Verdict.FAIL),
        ((6, 6, 6, 0.1, 6, 6, 6), Verdict.PASS),
        ((5.0, 5.0, 5.0, 5.0), Verdict.PASS),
        ((0.1, 0.1, 0.1), Verdict.INCONCLUSIVE),
        ((), Verdict.INCONCLUSIVE),
    ],
)
def test_more_than_three_in_a_row(latencies: tuple[float, ...], verdict: Verdict) -> None:
    assert check(History(load(*latencies)), Judging()).verdict is verdict


def test_rows_are_of_requests_in_the_order_of_their_intended_times() -> None:
    """A fast one that was due in between breaks the row, although its answer came first."""
    row = load(6, 6, 0.1, 6, 6)
    sent = [event.intended for event in History(row).of(Request)]
    assert sent != sorted(sent)
    assert check(History(row), Judging()).verdict is Verdict.PASS
    assert check(History(load(6.4, 6.3, 6.2, 6.1)), Judging()).verdict is Verdict.FAIL


def test_modes_do_not_make_a_row_together() -> None:
    both = [*load(6, 6, 0.1, 0.1), *load(6, 6, 0.1, 0.1, stack="webhook")]
    assert check(History(both), Judging()).verdict is Verdict.PASS


def test_requests_given_up_before_the_limit_leave_the_rule_undecided() -> None:
    row = load(2, 2, 2, 2, 0.1, given_up=True)
    result = check(History(row), Judging())
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "given up before 5 s" in result.evidence[-1]


def test_a_row_that_the_generator_may_have_made_slow_is_not_called_quick() -> None:
    stumbled = GeneratorHeld(t=0.5, held_s=0.3, stack="polling", mode="polling")
    result = check(History([*load(5.2, 5.2, 5.2, 5.2, 0.1), stumbled]), Judging())
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.measurement == "none surely took over 5 s; 4 in a row may have"


def test_the_evidence_names_the_mode_and_the_requests() -> None:
    result = check(History(load(0.1, 6, 7, 8, 9)), Judging())
    assert result.measurement == (
        "at most 4 in a row over 5 s, from request 2 on (roll back at more than 3) (polling)"
    )
    assert "polling: 4 in a row: 6.0 s, 7.0 s, 8.0 s, 9.0 s …" in result.evidence


@given(st.sets(st.integers(0, 60)))
def test_the_longest_streak_is_the_longest(numbers: set[int]) -> None:
    streak = longest_streak(numbers)
    rows = "".join("x" if number in numbers else " " for number in range(61)).split()
    assert streak.length == max((len(row) for row in rows), default=0)
    if streak.length:
        assert set(range(streak.first, streak.first + streak.length)) <= numbers
