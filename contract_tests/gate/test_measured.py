"""Latency, errors and memory on hand-written histories: what must pass, fail, and stay open."""

from dataclasses import replace
from typing import Any

import pytest

from botproof import history
from botproof.budgets import resolve
from botproof.checks import (
    errors,
    latency,
    memory,
)
from botproof.verdict import Verdict
from contract_tests.gate.evidence import text_of

PASS, FAIL, INCONCLUSIVE, ERROR = Verdict


class TestLatency:
    def test_a_late_reply_fails_and_is_named(self, story, judged) -> None:
        story.healthy().case("webhook", "slow", "text", after_s=2.5)
        result = latency.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "slow (webhook) /price BTC: 2.50 s" in result.evidence

    @pytest.mark.parametrize(("after_s", "verdict"), [(2.0, FAIL), (1.99, PASS)])
    def test_a_reply_at_the_limit_is_late(self, story, judged, after_s, verdict) -> None:
        story.healthy().case("webhook", "slow", "text", after_s=after_s)
        assert latency.check(story.history(), judged).verdict is verdict

    def test_the_share_of_the_budget_is_that_of_the_tail_of_the_load(self, story, judged) -> None:
        story.healthy().load("polling", 900, latency_s=0.02)
        story.load("polling", 100, latency_s=1.5)
        assert latency.check(story.history(), judged).used == 0.75

    def test_an_acknowledgement_is_no_answer(self, story, judged) -> None:
        story.healthy().case("webhook", "slow", "text", after_s=3.0, acknowledged="⏳ wait")
        assert (
            "slow (webhook) /price BTC: 3.00 s" in latency.check(story.history(), judged).evidence
        )

    def test_a_reply_that_never_came_fails(self, story, judged) -> None:
        story.healthy().case("polling", "mute")
        result = latency.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "mute (polling) /price BTC: no answer" in result.evidence

    def test_late_ones_are_named_beside_many_that_are_missing(self, story, judged) -> None:
        for number in range(30):
            story.case("polling", f"mute-{number}")
        story.case("polling", "slow", "text", after_s=2.5)
        result = latency.check(story.history(), judged)
        assert result.measurement.startswith("1 reply late and 30 missing, of 31")
        assert "slow (polling) /price BTC: 2.50 s" in result.evidence
        assert "mute-0 (polling) /price BTC: no answer" in result.evidence

    def test_half_of_a_long_answer_is_no_answer(self, story, judged) -> None:
        story.healthy().case("polling", "long", "part 1", wanted=2)
        assert latency.check(story.history(), judged).verdict is FAIL

    def test_a_load_whose_tail_is_late_fails(self, story, judged) -> None:
        story.healthy().load("polling", 100, latency_s=2.1)
        result = latency.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "p99 2100 ms" in text_of(result)

    def test_too_little_load_is_inconclusive(self, story, judged) -> None:
        for mode in story.modes:
            story.case(mode, "price", "text")
            story.load(mode, 100)
        result = latency.check(story.history(), judged)
        assert result.verdict is INCONCLUSIVE
        assert "612 requests" in result.least_evidence

    def test_a_silence_that_is_right_is_no_missing_reply(self, story, judged) -> None:
        story.healthy().case("polling", "quiet", expect="silence")
        assert latency.check(story.history(), judged).verdict is PASS


class TestErrors:
    def test_half_a_percent_of_errors_fails(self, story, judged) -> None:
        for mode in story.modes:
            story.load(mode, 1_800, failures=9)
        result = errors.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "18 x HTTP 500" in result.evidence

    def test_a_mode_that_fails_is_not_diluted_by_the_other(self, story, judged) -> None:
        story.load("polling", 40_000)
        story.load("webhook", 400, failures=5)
        assert errors.check(story.history(), judged).verdict is FAIL

    def test_answers_that_came_too_late_are_failures(self, story, judged) -> None:
        story.load("polling", 50, latency_s=2.0)
        assert errors.check(story.history(), judged).verdict is FAIL

    def test_too_few_requests_are_inconclusive_and_say_how_many_it_takes(
        self, story, judged
    ) -> None:
        story.load("polling", 2_900)
        result = errors.check(story.history(), judged)
        assert result.verdict is INCONCLUSIVE
        assert "with 0 failures PASS needs 4,308 requests, 1,408 more" in result.evidence

    def test_22_failures_in_12_000_fail(self, story, judged) -> None:
        story.load("polling", 6_000, failures=10)
        story.load("webhook", 6_000, failures=12)
        assert errors.check(story.history(), judged).verdict is FAIL

    def test_the_cap_that_was_planned_is_the_one_that_is_judged_by(self, story, judged) -> None:
        """Too close to the limit to tell, and with the default cap there would be more to come."""
        story.add(history.LoadPlanned(t=0.5, cap=6_000, rate=150))
        story.load("polling", 6_000, failures=6)
        result = errors.check(story.history(), judged)
        assert result.verdict is INCONCLUSIVE
        assert any("too close to 0.1 % to tell" in line for line in result.evidence)


class TestMemory:
    def test_a_process_over_its_budget_fails(self, story, judged) -> None:
        story.memory("polling", market_data=71, bot=60)
        story.memory("webhook", market_data=50, bot=60)
        budgets = resolve({"market_data_memory_mb": 70})
        result = memory.check(story.history(), replace(judged, budgets=budgets))
        assert result.verdict is FAIL
        assert result.measurement == "market_data (polling) 71.0 MB of 70 MB (101 %)"

    @pytest.mark.parametrize("process", ["bot", "market_data"])
    def test_a_container_that_the_kernel_ended_for_its_memory_is_named(
        self, story, judged, process: str
    ) -> None:
        role = "bot" if process == "bot" else "service"
        who: dict[str, Any] = {"process": process, "role": role, **story.labels("polling")}
        ended: dict[str, Any] = {"code": 137, "expected": False, "out_of_memory": True}
        story.healthy().add(history.ProcessExited(t=story.clock, **ended, **who))
        result = memory.check(story.history(), judged)
        assert result.verdict is FAIL
        assert result.measurement == (
            f"polling: the kernel killed {process}: its memory cgroup was full"
        )

    def test_the_largest_sample_counts_and_not_the_usual_one(self, story, judged) -> None:
        labels = story.labels("polling")
        story.add(history.Phase(t=story.clock, name="load", edge="begin", **labels))
        for size in (50, 50, 50, 71, 50, 50, 50):
            story.clock += 0.5
            story.sample("polling", "market_data", size)
        story.clock += 0.5
        story.add(history.Phase(t=story.clock, name="load", edge="end", **labels))
        budgets = resolve({"market_data_memory_mb": 70})
        result = memory.check(story.history(), replace(judged, budgets=budgets))
        assert result.verdict is FAIL
        assert result.measurement == "market_data (polling) 71.0 MB of 70 MB (101 %)"

    @pytest.mark.parametrize(
        ("phase", "sizes", "verdict"),
        [
            ("conversation", {"peak": 110_000_000}, FAIL),
            ("conversation", {"peak": 109_000_000}, PASS),
            ("conversation", {"peak": 110_000_000, "processes": 2}, PASS),
            ("conversation", {"peak": 110_000_000, "working_set": 60_000_000}, PASS),
            ("door", {"peak": 110_000_000}, PASS),
        ],
    )
    def test_what_was_taken_for_a_moment_of_the_work_counts(
        self, story, judged, phase: str, sizes: dict[str, int], verdict: Verdict
    ) -> None:
        """30 MB of what is resident are shared: the mark says 110 MB where 80 MB were taken."""
        self.moment(story, phase, **sizes)
        budgets = resolve({"bot_memory_mb": 80})
        result = memory.check(story.history(), replace(judged, budgets=budgets))
        assert result.verdict is verdict
        if verdict is FAIL:
            assert result.measurement == (
                "bot (polling) took 80 MB for a moment, limit 80 MB: "
                "the machine has to have that much whenever it is asked for"
            )

    @pytest.mark.parametrize(("peak_mb", "verdict"), [(829, PASS), (831, FAIL)])
    def test_without_a_budget_a_moment_may_take_what_the_fleet_may(
        self, story, judged, peak_mb: int, verdict: Verdict
    ) -> None:
        self.moment(story, "conversation", peak=peak_mb * 1_000_000)
        assert memory.check(story.history(), judged).verdict is verdict

    def moment(self, story: Any, phase: str, **sizes: int) -> None:
        """A phase in which the mark of the bot rises."""
        for mode in story.modes:
            story.load(mode, 120)
            story.memory(mode, market_data=50, bot=60)
        labels = story.labels("polling")
        sample: dict[str, Any] = {"process": "bot", "role": "bot", "anonymous": 1, **labels}
        sample |= {"rss": 90_000_000, "pss": 60_000_000, "peak": 90_000_000}
        story.add(history.MemorySample(t=0.4, **sample))
        story.add(history.Phase(t=0.5, name=phase, edge="begin", **labels))
        story.add(history.MemorySample(t=0.6, **{**sample, **sizes}))
        story.add(history.Phase(t=0.7, name=phase, edge="end", **labels))

    def test_a_fleet_over_its_budget_fails(self, story, judged) -> None:
        for mode in story.modes:
            story.memory(mode, market_data=60, bot=745)
        assert memory.check(story.history(), judged).verdict is FAIL

    def test_a_fleet_over_what_is_wanted_passes_and_says_so(self, story, judged) -> None:
        for mode in story.modes:
            story.load(mode, 120)
            story.memory(mode, market_data=60, bot=345)
        result = memory.check(story.history(), judged)
        assert result.verdict is PASS
        said = "fleet (polling) is above the 400 MB that are wanted"
        assert any(line.startswith(said) for line in result.evidence)

    def test_the_fleet_is_summed_at_one_time(self, story, judged) -> None:
        """Peaks of two processes at different times are not the fleet's peak."""
        for mode in story.modes:
            story.load(mode, 120)
            labels = story.labels(mode)
            story.add(history.Phase(t=story.clock, name="load", edge="begin", **labels))
            for bot, worker in [(390, 50), (50, 390)] * 3:
                story.clock += 1
                story.sample(mode, "bot", bot)
                story.sample(mode, "worker", worker)
            story.clock += 1
            story.add(history.Phase(t=story.clock, name="load", edge="end", **labels))
        result = memory.check(story.history(), judged)
        assert result.verdict is PASS
        assert "fleet (polling) 440.0 MB of 800 MB (55 %)" in result.evidence

    def test_a_fleet_at_rest_is_no_evidence(self, story, judged) -> None:
        for mode in story.modes:
            story.memory(mode, market_data=60, bot=60)
        result = memory.check(story.history(), judged)
        assert result.verdict is INCONCLUSIVE
        assert result.least_evidence == (
            "5 samples of each process under load, and 120 requests, in each mode"
        )
        assert result.evidence[0] == (
            "polling: no request was sent: what was sampled is a fleet at rest"
        )

    def test_too_few_requests_do_not_tell_whether_it_grows(self, story, judged) -> None:
        for mode in story.modes:
            story.load(mode, 119)
            story.memory(mode, market_data=60, bot=60)
        result = memory.check(story.history(), judged)
        assert result.verdict is INCONCLUSIVE
        assert "polling: only 119 requests: whether it grows" in result.evidence[0]

    def test_memory_outside_the_load_does_not_count(self, story, judged) -> None:
        for mode in story.modes:
            for _ in range(20):
                story.clock += 1
                story.sample(mode, "bot", 10)
        assert memory.check(story.history(), judged).verdict is INCONCLUSIVE

    def test_too_few_samples_are_inconclusive(self, story, judged) -> None:
        story.memory("polling", samples=4, bot=10)
        story.memory("webhook", samples=9, bot=10)
        result = memory.check(story.history(), judged)
        assert result.verdict is INCONCLUSIVE
        assert "polling: only 4 samples of bot under load" in result.evidence
        assert "; polling: " in result.measurement
