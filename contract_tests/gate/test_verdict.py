"""The lattice and the exit codes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof.verdict import Verdict, combine

PASS, FAIL, INCONCLUSIVE, ERROR = Verdict


@pytest.mark.parametrize(("verdict", "code"), [(PASS, 0), (FAIL, 1), (INCONCLUSIVE, 2), (ERROR, 3)])
def test_exit_codes(verdict: Verdict, code: int) -> None:
    assert verdict.exit_code == code


@pytest.mark.parametrize(
    ("verdicts", "one"),
    [
        ([], INCONCLUSIVE),
        ([PASS], PASS),
        ([PASS, INCONCLUSIVE], INCONCLUSIVE),
        ([PASS, INCONCLUSIVE, FAIL], FAIL),
        ([FAIL, ERROR, PASS], ERROR),
    ],
)
def test_the_worst_verdict_wins(verdicts: list[Verdict], one: Verdict) -> None:
    for order in itertools.permutations(verdicts):
        assert combine(order) is one


@given(st.lists(st.sampled_from(Verdict), min_size=1))
def test_pass_takes_all(verdicts: list[Verdict]) -> None:
    assert (combine(verdicts) is PASS) == all(verdict is PASS for verdict in verdicts)
