"""What a load run makes of its outcomes; no sockets, no clock."""

import itertools
from typing import Any

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from botproof.history import RequestFailure
from botproof.stats import percentile
from botproof.verdict import Verdict
from botproof.workloads.load_run import Latencies, Limits, LoadRun, Outcome, Schedule


def run_with(**limits: Any) -> LoadRun:
    given = {"latency_budget": 2.0, "error_budget": 0.001, "rollback_latency": 5.0, "cap": 12_000}
    return LoadRun(
        limits=Limits(**{**given, **limits}),
        started=100.0,
        schedule=iter(Schedule(itertools.count(), cap=12_000)),
    )


def outcome(
    number: int, latency: float = 0.01, error: str = "", failure: RequestFailure = ""
) -> Outcome:
    due = 100.0 + number
    return Outcome(number, "/price", due, due + latency, 0 if error else 200, error, failure)


def test_the_first_decision_counts_and_later_luck_does_not_change_it() -> None:
    run = run_with()
    for number in range(4):
        run.record(outcome(number, error="HTTP 502"))
    assert run.decided is Verdict.FAIL
    for number in range(4, 50_000):
        run.record(outcome(number))
    assert run.verdict() is Verdict.FAIL


def test_a_burst_or_a_soak_does_not_pass_on_its_beginning() -> None:
    run = run_with(earliest_pass=5_000)
    for number in range(4_999):
        run.record(outcome(number))
    assert run.finished == ""
    run.record(outcome(4_999))
    assert run.finished == "the evidence is enough for PASS"


def test_an_answer_after_the_budget_is_a_failure_and_keeps_its_latency() -> None:
    run = run_with()
    run.record(outcome(0, latency=2.5))
    assert run.errors == {"answered after more than 2 s": 1}
    assert run.latencies.quantile(0.5) == pytest.approx(2.5, rel=0.001)


def test_what_was_still_out_when_the_run_was_ended_has_failed_once_it_is_overdue() -> None:
    run = run_with()
    for _ in range(3):
        number, due = run.next_arrival() or (0, 0.0)
        run.sent(number, due)
    run.record(outcome(1))
    run.record_overdue(now=102.5)  # request 0 was due at 100, request 2 only at 102
    assert run.requests == 2
    assert run.errors == {"no answer within 2.5 s, when the run ended": 1}


def test_arrivals_that_found_no_free_user_have_failed_too() -> None:
    run = run_with()
    run.record_overdue(now=106.0)
    assert run.errors == {"never sent: every user was still waiting": 5}


def test_a_generator_that_stood_still_is_no_failure_of_the_host() -> None:
    """Sent late and read late, by three seconds; what was due then, good or bad, is left out."""
    run = run_with()
    run.record(outcome(1))
    run.record(outcome(10))
    run.hold(110.5, 113.5)
    for number in (10, 11, 12):
        run.record(outcome(number, latency=113.6 - 100 - number))
    run.record(outcome(20))
    assert (run.requests, run.failures, run.left_out) == (2, 0, 4)
    assert "held up for 3.0 s" in run.describe(run.verdict(), now=130.0)


def test_what_was_due_while_the_generator_stood_still_is_not_sent_afterwards() -> None:
    """Sent all at once it would be a load of its own, and the host would be late for long after."""
    sent: list[Outcome] = []
    run = run_with()
    run.sink = sent.append
    run.hold(103.5, 113.5)
    left_out = [run.leaves_out(number, 100.0 + number, 113.6) for number in range(16)]
    assert left_out == [False] * 3 + [True] * 10 + [False] * 3
    assert (run.taken, run.unsent, run.requests, run.left_out) == (10, 10, 0, 10)
    assert all(outcome.unsent for outcome in sent)


def test_a_run_that_sends_nothing_of_the_rest_ends_by_it() -> None:
    run = run_with(cap=12_000, send=10)
    run.hold(100.0, 200.0)
    assert all(run.leaves_out(number, 101.0 + number, 200.1) for number in range(10))
    assert run.finished == "all 10 requests had their turn"
    assert run.verdict() is Verdict.INCONCLUSIVE


def test_what_was_late_anyhow_is_a_failure_though_the_generator_stumbled() -> None:
    run = run_with()
    run.hold(100.0, 100.2)
    run.record(outcome(0, latency=2.15))
    run.record(outcome(0, latency=2.5))
    assert (run.requests, run.failures, run.unsure) == (2, 1, 1)


def test_a_host_that_is_slow_while_the_generator_stands_still_does_not_pass() -> None:
    """Most of the run says nothing: what is left must not be made a PASS."""
    run = run_with()
    run.hold(150.0, 50_000.0)
    for number in range(11_000):
        run.record(outcome(number))
    assert run.finished == "the load generator cannot keep up"
    assert run.verdict() is Verdict.INCONCLUSIVE


def test_half_an_answer_soon_after_the_generator_was_held_up_ends_no_run() -> None:
    """The machine was busy: what the host waits for came too late, and the host remembers it.

    Each time is too short to spoil a slot. Once the machine has room again, the run decides.
    """
    half: dict[str, Any] = {"error": "half an answer: no data.price", "failure": "incomplete"}
    run = run_with()
    for number in range(6):
        due = 100.0 + number
        run.hold(due, due + 0.15)
        run.hold(due + 0.5, due + 0.65)
        run.record(outcome(number, latency=0.2, **half))
    assert (run.failures, run.unsure, run.left_out, run.decided) == (0, 6, 0, None)
    for number in range(10, 15):
        run.record(outcome(number, **half))
    assert run.decided is Verdict.FAIL


def test_an_error_in_an_answer_counts_however_late_the_generator_read_it() -> None:
    run = run_with()
    run.hold(100.0, 100.2)
    run.record(outcome(0, latency=2.1, error="HTTP 502"))
    assert run.errors == {"HTTP 502": 1}


def test_a_row_that_may_be_slow_only_by_the_generator_leaves_the_rollback_rule_open() -> None:
    run = run_with(latency_budget=20.0)
    run.hold(103.0, 103.5)
    for number in range(4):
        run.record(outcome(number, latency=5.2))
    for number in range(4, 6_000):
        run.record(outcome(number))
    assert run.decided is Verdict.PASS
    assert run.verdict() is Verdict.INCONCLUSIVE
    assert "none surely took over 5 s; 4 in a row may have" in run.describe(run.verdict(), 200.0)


def test_a_run_that_continues_others_starts_from_what_they_saw() -> None:
    run = run_with(cap=24_000, send=2_200, before=(2_154, 0, 0))
    for number in range(2_154):
        run.record(outcome(number))
    assert run.decided is Verdict.PASS
    worse = run_with(cap=24_000, send=2_200, before=(2_154, 3, 0))
    for number in range(2_200):
        worse.record(outcome(number))
    assert worse.finished == "all 2,200 requests had their turn"
    assert worse.verdict() is Verdict.INCONCLUSIVE


def test_when_the_planned_time_is_up_what_came_is_judged() -> None:
    run = run_with()
    for number in range(3_100):
        run.record(outcome(number))
    assert run.decided is None
    run.time_is_up()
    assert run.decided is Verdict.PASS


def test_four_slow_ones_in_a_row_are_a_fail_in_whatever_order_they_end() -> None:
    run = run_with(latency_budget=100)
    for number in (7, 4, 6):
        run.record(outcome(number, latency=5.1))
    assert run.decided is None
    run.record(outcome(5, latency=5.1))
    assert run.decided is Verdict.FAIL


def test_a_broken_load_is_an_error_whatever_it_saw() -> None:
    run = run_with()
    run.record(outcome(0))
    run.broken = "worker 1 was lost"
    assert run.finished == "worker 1 was lost"
    assert run.verdict() is Verdict.ERROR


@given(st.integers(1, 5), st.integers(1, 40))
def test_shares_of_a_schedule_together_are_the_schedule(workers: int, cap: int) -> None:
    shares = [list(Schedule(itertools.count(), cap, place, workers)) for place in range(workers)]
    together = sorted(entry for share in shares for entry in share)
    assert together == [(number, number) for number in range(cap)]


@given(st.lists(st.floats(1e-6, 3_600), min_size=1, max_size=300), st.floats(0.01, 1))
def test_quantiles_keep_three_digits(seconds: list[float], q: float) -> None:
    latencies = Latencies()
    for value in seconds:
        latencies.add(value)
    # to the microsecond, and one part in a thousand above it
    assert latencies.quantile(1.0) == pytest.approx(max(seconds), rel=1.1e-3, abs=1e-6)
    assert latencies.quantile(q) <= percentile(seconds, 1.0) * 1.0011 + 1e-6


def test_the_histogram_is_one_that_other_tools_read() -> None:
    latencies = Latencies()
    for millisecond in range(1, 1_001):
        latencies.add(millisecond / 1_000)
    other = HdrHistogram.decode(latencies.encoded())
    assert other.get_total_count() == 1_000
    assert other.get_value_at_percentile(99) == pytest.approx(990_000, rel=0.001)


def test_no_latencies_have_no_quantile() -> None:
    with pytest.raises(ValueError, match="a quantile of nothing"):
        Latencies().quantile(0.5)


def test_the_verdict_says_n_failures_bounds_power_and_how_long_it_took() -> None:
    run = run_with()
    for number in range(4_400):
        run.record(outcome(number))
    said = run.describe(run.verdict(), now=123.4)
    for part in ("verdict: PASS", "after 23.4 s", "n=4,400", "failures=0", "bounds", "power"):
        assert part in said


def test_a_whole_run_sends_everything_and_is_judged_by_the_one_look_that_was_planned() -> None:
    run = run_with(whole=True, cap=2_995)
    for number in range(2_994):
        run.record(outcome(number))
    assert (run.finished, run.decided) == ("", None)
    run.record(outcome(2_994))  # 2,995 without a failure are just enough for one look
    assert run.finished == "the cap of 2,995 requests is reached"
    assert run.verdict() is Verdict.PASS
