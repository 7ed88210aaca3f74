"""Growth with what was served: how it is counted, and what it must find and not find."""

import dataclasses
from typing import Any

import pytest
from scipy.special import stdtrit

from botproof import history
from botproof.checks import memory
from botproof.checks.growth import growths
from botproof.history import History
from botproof.sequential import FAIL_SHARES
from botproof.verdict import Verdict
from contract_tests.gate.serving import phase_of_serving


def growing(kb_each: float, *, jump_mb: float = 0.0) -> History:
    """A load of 400 requests in which market_data keeps so much of each, and once jumps."""
    labels: dict[str, Any] = {"stack": "polling", "mode": "polling"}
    events: list[history.Event] = [
        history.Phase(t=0.0, name="load", edge="begin", **labels),
        history.Phase(t=41.0, name="load", edge="end", **labels),
    ]
    for number in range(400):
        at = number / 10
        events.append(history.Request(t=at, intended=at - 0.01, latency_s=0.01, ok=True, **labels))
    for number in range(80):
        at = number / 2
        size = int(5e7 + 1000 * kb_each * 10 * at + (1e6 * jump_mb if at > 30 else 0))
        who: dict[str, Any] = {"process": "market_data", "role": "service"}
        sizes: dict[str, Any] = {"pss": size, "anonymous": size, "rss": size, "peak": size}
        events.append(history.MemorySample(t=at, **who, **sizes, **labels))
    return History(events)


class TestGrowth:
    def test_two_kilobytes_a_request_turn_memory_red(self, judging) -> None:
        result = memory.check(growing(2.0), judging)
        assert result.verdict is Verdict.FAIL
        assert "market_data (polling) grows by 2.0" in result.measurement
        assert "kB a request" in result.measurement

    def test_a_cache_that_fills_at_once_and_a_process_that_stands_do_not(self, judging) -> None:
        for history_ in (growing(0.0), growing(0.0, jump_mb=30)):
            (growth,) = growths(history_, judging.budgets)
            assert not growth.over
            assert growth.lower <= 1


def uneven(served: int = 400, every_s: float = 0.5, **change: Any) -> History:
    """A load of 40 s in which market_data keeps 1 kB of each request, and 3 kB in the last part."""
    labels: dict[str, Any] = {"stack": "polling", "mode": "polling", **change}
    phase = labels.pop("phase", "load")
    role = labels.pop("role", "service")
    times = [40 * number / served for number in range(served)]
    events = phase_of_serving(times, phase, role, labels)
    for number in range(round(40 / every_s)):
        at = number * every_s
        size = round(5e7 + 1e3 * served / 40 * (at + 2 * max(0.0, at - 36.5)))
        sizes: dict[str, Any] = {"pss": 0, "anonymous": size, "rss": 0, "peak": 0}
        events.append(history.MemorySample(t=at, process="it", role=role, **sizes, **labels))
    return History(events)


class TestHowGrowthIsCounted:
    def test_of_the_second_half_of_a_load_in_six_parts(self, judging) -> None:
        (growth,) = growths(uneven(), judging.budgets)
        assert growth.served == 200
        assert growth.confidence == pytest.approx(1 - FAIL_SHARES["memory growth"])
        # five parts of 1 kB and one of nearly 3: the mean and Student's t with five degrees
        assert growth.mean == pytest.approx(1.28, abs=0.05)
        spread = (growth.upper - growth.mean) / stdtrit(5, growth.confidence)
        assert spread == pytest.approx(0.27, abs=0.05)
        assert growth.upper - growth.mean == pytest.approx(growth.mean - growth.lower)

    def test_of_a_bot_from_the_second_quarter_of_the_conversation_on(self, judging) -> None:
        (growth,) = growths(uneven(role="bot", phase="conversation"), judging.budgets)
        assert growth.served == 300
        assert growth.what == "an update"

    def test_a_limit_that_is_just_reached_is_over(self, judging) -> None:
        (growth,) = growths(growing(1.0), judging.budgets)
        assert dataclasses.replace(growth, lower=growth.budget.limit).over
        assert not dataclasses.replace(growth, lower=growth.budget.limit - 0.001).over

    @pytest.mark.parametrize(("served", "told"), [(120, 1), (118, 0)])
    def test_of_fewer_than_sixty_nothing_is_said(self, judging, served: int, told: int) -> None:
        assert len(list(growths(uneven(served), judging.budgets))) == told

    @pytest.mark.parametrize(("every_s", "told"), [(1.6, 1), (1.9, 0)])
    def test_of_fewer_than_twelve_samples_nothing_is_said(
        self, judging, every_s: float, told: int
    ) -> None:
        assert len(list(growths(uneven(every_s=every_s), judging.budgets))) == told

    def test_what_is_played_again_is_not_looked_at(self, judging) -> None:
        again = history.PlayedAgain(
            t=0.0, of="polling", cases=("price",), stack="polling", mode="polling"
        )
        assert not list(growths(History([*uneven(), again]), judging.budgets))

    def test_several_processes_share_the_risk(self, judging) -> None:
        both = History([*uneven(), *uneven(stack="webhook", mode="webhook")])
        for growth in growths(both, judging.budgets):
            assert growth.confidence == pytest.approx(1 - FAIL_SHARES["memory growth"] / 2)
