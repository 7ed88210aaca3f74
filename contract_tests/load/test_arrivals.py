"""The open-loop schedule."""

import itertools
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof.workloads.arrivals import Kind, arrivals

kinds = st.sampled_from(["constant", "poisson"])


@given(st.floats(0.01, 1e5), kinds, st.integers(0, 2**32))
def test_arrivals_never_go_back_and_depend_on_the_seed_alone(
    rate: float, kind: Kind, seed: int
) -> None:
    first = list(itertools.islice(arrivals(rate, kind, seed), 200))
    assert first == sorted(first)
    assert first == list(itertools.islice(arrivals(rate, kind, seed), 200))


def test_constant_arrivals_do_not_drift() -> None:
    ten_thousandth = next(itertools.islice(arrivals(300), 10_000, None))
    assert ten_thousandth == pytest.approx(10_000 / 300, abs=1e-9)


def test_poisson_arrivals_have_the_asked_mean_and_spread() -> None:
    due = list(itertools.islice(arrivals(50, "poisson", seed=7), 20_000))
    gaps = [after - before for before, after in itertools.pairwise(due)]
    assert fmean(gaps) == pytest.approx(1 / 50, rel=0.03)
    # exponential gaps: the share longer than the mean is 1/e, not a half
    assert sum(gap > 1 / 50 for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_that_sends_nothing_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="above 0 requests a second"):
        next(arrivals(rate))
