"""The leak check: the growth, its interval, and what a history needs for a verdict."""

import random
from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import linregress
from scipy.stats import t as student

from botproof.budgets import DEFAULTS
from botproof.checks.judging import Judging
from botproof.checks.leak import LEAST_ROUNDS, check, growth
from botproof.history import History, MemorySample
from botproof.verdict import Verdict

LIMIT = DEFAULTS["leak_kb_per_1000"].limit * 1_000


def walk(seed: int, *, drift: float, rounds: int = 10, step: float = 40_000) -> list[float]:
    """Bytes after each thousand requests of a process whose allocator keeps what it took."""
    rng = random.Random(seed)  # noqa: S311 - noise, not a secret
    return list(accumulate((rng.gauss(drift, step) for _ in range(rounds)), initial=50e6))


def points(sizes: list[float]) -> list[tuple[int, int]]:
    return [(1_000 * number, round(size)) for number, size in enumerate(sizes)]


def test_a_steady_leak_is_measured_as_it_is() -> None:
    found = growth(points([50e6 + 1_000_000 * number for number in range(11)]))
    assert found.per_thousand == pytest.approx(1_000_000)
    assert found.lower == found.upper == pytest.approx(1_000_000)
    assert found.judge(LIMIT) is Verdict.FAIL


@pytest.mark.parametrize("seed", range(5))
def test_a_kilobyte_a_request_is_found_in_the_noise_of_an_allocator(seed: int) -> None:
    assert growth(points(walk(seed, drift=1_000_000))).judge(LIMIT) is Verdict.FAIL


@pytest.mark.parametrize("seed", range(5))
def test_a_process_that_does_not_grow_passes(seed: int) -> None:
    assert growth(points(walk(seed, drift=0, step=15_000))).judge(LIMIT) is Verdict.PASS


def test_one_jump_is_no_leak_and_no_proof_of_none() -> None:
    sizes = [50e6] * 6 + [51e6] * 5
    assert growth(points(sizes)).judge(LIMIT) is Verdict.INCONCLUSIVE


def test_three_points_are_the_fewest_that_have_an_interval() -> None:
    three = [(0, 50_000_000), (1_000, 51_000_000), (2_000, 52_000_000)]
    assert growth(three).per_thousand == pytest.approx(1_000_000)
    with pytest.raises(ValueError, match="growth with an interval needs at least 3"):
        growth(three[:2])


def test_a_handful_of_rounds_decides_nothing() -> None:
    few = points([50e6 + 9e6 * number for number in range(LEAST_ROUNDS)])
    assert growth(few).judge(LIMIT) is Verdict.INCONCLUSIVE


def test_the_interval_is_wrong_as_often_as_it_says_and_least_squares_far_more_often() -> None:
    """False alarms over a process that grows by exactly the budget: 5 in 100 are promised."""
    runs = [points(walk(seed, drift=LIMIT)) for seed in range(600)]
    ours = sum(growth(run).lower > LIMIT for run in runs) / len(runs)
    theirs = sum(least_squares_lower(run) > LIMIT for run in runs) / len(runs)
    assert ours < 0.075
    assert theirs > 0.2


def least_squares_lower(run: list[tuple[int, int]]) -> float:
    fit = linregress([requests / 1_000 for requests, _ in run], [size for _, size in run])
    return float(fit.slope - student.ppf(0.95, len(run) - 2) * fit.stderr)


@given(st.lists(st.integers(1, 5_000), min_size=3, max_size=20), st.integers(-10_000, 10_000))
def test_rounds_of_different_length_weigh_by_their_requests(
    lengths: list[int], bytes_each: int
) -> None:
    served = list(accumulate(lengths, initial=0))
    found = growth([(requests, 10**9 + bytes_each * requests) for requests in served])
    assert found.per_thousand == pytest.approx(1_000 * bytes_each, abs=1e-6)
    assert found.upper - found.lower == pytest.approx(0, abs=1e-3)
    assert found.requests == sum(after - before for before, after in pairwise(served))


def test_rounds_without_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="do not increase"):
        growth([(0, 1), (1_000, 2), (1_000, 3)])
    with pytest.raises(ValueError, match="at least 3"):
        growth([(0, 1), (1_000, 2)])


def sampled(process: str, sizes: list[float]) -> list[MemorySample]:
    return [
        MemorySample(
            t=float(number),
            process=process,
            role="service",
            pss=0,
            anonymous=round(size),
            rss=0,
            peak=0,
            requests=1_000 * number,
        )
        for number, size in enumerate(sizes)
    ]


def test_one_leaking_process_fails_the_check_and_is_named() -> None:
    steady, leaking = [50e6] * 11, [50e6 + 1e6 * number for number in range(11)]
    history = History([*sampled("bot", steady), *sampled("market_data", leaking)])
    result = check(history, Judging())
    assert result.verdict is Verdict.FAIL
    assert result.measurement.startswith("market_data: +1000.0 kB per 1,000 requests")
    assert any(line.startswith("bot: +0.0 kB") for line in result.evidence)


def test_too_few_rounds_of_one_process_are_inconclusive_and_named() -> None:
    history = History([*sampled("bot", [50e6] * 11), *sampled("market_data", [50e6] * 2)])
    result = check(history, Judging())
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "market_data: only 1 rounds were sampled" in result.evidence


def test_samples_taken_at_a_time_are_no_evidence_about_requests() -> None:
    sample = sampled("bot", [50e6])[0]
    timed = MemorySample(
        t=1.0, process="bot", role="bot", pss=0, anonymous=sample.anonymous, rss=0, peak=0
    )
    assert check(History([timed]), Judging()).verdict is Verdict.INCONCLUSIVE
