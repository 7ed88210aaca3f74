"""What comes by itself, on hand-written histories: what must pass, fail, and stay open."""

from typing import Any

import msgspec
import pytest

from botproof import history
from botproof.checks import signals
from botproof.checks.judging import Judging
from botproof.history import History
from botproof.verdict import CheckResult, Verdict


def judge_signals(story: Any, *more: history.SignalSeen, drop: int = 0) -> CheckResult:
    story.signals("polling")
    seen = [each for each in story.events if isinstance(each, history.SignalSeen)]
    events = [each for each in story.events if each not in seen[:drop]]
    return signals.check(History([*events, *more]), Judging())


def signal(**fields: Any) -> history.SignalSeen:
    given: dict[str, Any] = {"chat_id": 1, "text": "BTC LONG 91,210.46", "slot": 104.0}
    given |= {"after_s": 1.0, "life": 2, "stack": "polling", "mode": "polling", **fields}
    return history.SignalSeen(t=1.0, **given)


class TestSignals:
    def test_once_each_in_its_slot_passes(self, story) -> None:
        assert judge_signals(story).verdict is Verdict.PASS

    def test_a_repetition_after_the_restart_is_named(self, story) -> None:
        result = judge_signals(story, signal())
        assert result.verdict is Verdict.FAIL
        assert "slot 2, in which the bot was started again: 2 times to chat 1" in (
            result.measurement
        )

    def test_a_subscriber_who_is_left_out_is_named(self, story) -> None:
        assert "chat 1 was left out" in judge_signals(story, drop=1).measurement

    def test_a_slot_without_anything_after_the_restart_is_named(self, story) -> None:
        story.signals("polling")
        (watched,) = (e for e in story.events if isinstance(e, history.SignalsWatched))
        story.events.remove(watched)
        three = {"slots": (100.0, 104.0, 108.0), "withheld_s": 0.1}
        story.add(msgspec.structs.replace(watched, **three))
        result = signals.check(History(story.events), Judging())
        assert result.verdict is Verdict.FAIL
        assert "slot 3: nothing came by itself" in result.measurement

    def test_on_a_slow_machine_what_is_missing_is_inconclusive(self, story) -> None:
        story.signals("polling")
        (watched,) = (e for e in story.events if isinstance(e, history.SignalsWatched))
        story.events.remove(watched)
        story.add(msgspec.structs.replace(watched, withheld_s=4.0))
        record = [each for each in story.events if each is not story.events[1]]
        result = signals.check(History(record), Judging())
        assert result.verdict is Verdict.INCONCLUSIVE
        assert "the machine kept 4.0 s" in result.measurement
        assert "was left out" in result.measurement
        wrong = signals.check(History([*record, signal(chat_id=3)]), Judging())
        assert wrong.verdict is Verdict.FAIL

    @pytest.mark.parametrize(
        ("back_s", "verdict"), [(1.2, Verdict.PASS), (3.9, Verdict.INCONCLUSIVE)]
    )
    def test_a_bot_that_came_back_after_its_slot_cannot_have_repeated_itself(
        self, story, back_s: float, verdict: Verdict
    ) -> None:
        story.signals("polling")
        (watched,) = [each for each in story.events if isinstance(each, history.SignalsWatched)]
        rest = [each for each in story.events if each is not watched]
        late = msgspec.structs.replace(watched, back_s=(back_s,))
        result = signals.check(History([*rest, late]), Judging())
        assert result.verdict is verdict
        slot = f"was ready again {back_s} s after the slot in which it was killed began, of 4 s"
        assert (slot in result.measurement) is (verdict is Verdict.INCONCLUSIVE)

    def test_one_who_has_not_asked_for_it_is_named(self, story) -> None:
        result = judge_signals(story, signal(chat_id=3))
        assert result.verdict is Verdict.FAIL
        assert "chat 3, which had not asked for it, was sent 'BTC LONG" in result.measurement

    def test_a_late_one_is_named(self, story) -> None:
        late = signal(text="ETH LONG", after_s=7.0)
        result = judge_signals(story, late, msgspec.structs.replace(late, chat_id=2))
        assert "came 7.0 s after the slot began" in result.measurement

    def test_nothing_at_all_is_a_finding_where_the_market_stands_still(self, story) -> None:
        result = judge_signals(story, drop=4)
        assert result.verdict is Verdict.FAIL
        assert "nothing came by itself" in result.measurement
