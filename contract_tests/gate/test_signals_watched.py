"""What comes by itself, on hand-written histories: what must pass, fail, and stay open."""

import dataclasses
from typing import Any

import msgspec
import pytest

from botproof import history
from botproof.calls import shows_tags
from botproof.checks import golden, signals
from botproof.checks.golden_files import received
from botproof.checks.judging import Judging
from botproof.history import History
from botproof.verdict import CheckResult, Verdict
from botproof.workloads.signals import Slot, is_next_restarted
from contract_tests.gate.evidence import signal


def judge_signals(story: Any, *more: history.SignalSeen, drop: int = 0) -> CheckResult:
    story.signals("polling")
    seen = [each for each in story.events if isinstance(each, history.SignalSeen)]
    events = [each for each in story.events if each not in seen[:drop]]
    return signals.check(History([*events, *more]), Judging())


def watched_of(story: Any, **fields: Any) -> CheckResult:
    """Judge a watch that is like the one of `signals`, but for these fields."""
    story.signals("polling")
    events = [
        msgspec.structs.replace(each, **fields)
        if isinstance(each, history.SignalsWatched)
        else each
        for each in story.events
    ]
    return signals.check(History(events), Judging())


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
        result = watched_of(story, slots=(100.0, 104.0, 108.0), withheld_s=0.1)
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
        assert "the machine kept the run from going on for 4.0 s" in result.measurement
        assert "was left out" in result.measurement
        wrong = signals.check(History([*record, signal(chat_id=3)]), Judging())
        assert wrong.verdict is Verdict.FAIL

    @pytest.mark.parametrize(
        ("back_s", "verdict"), [(1.2, Verdict.PASS), (3.9, Verdict.INCONCLUSIVE)]
    )
    def test_a_bot_that_came_back_after_its_slot_cannot_have_repeated_itself(
        self, story, back_s: float, verdict: Verdict
    ) -> None:
        result = watched_of(story, back_s=(back_s,))
        assert result.verdict is verdict
        slot = f"was ready again {back_s} s after the slot in which it was killed began, of 4 s"
        assert (slot in result.measurement) is (verdict is Verdict.INCONCLUSIVE)

    def test_one_restart_that_was_in_time_is_enough(self, story) -> None:
        watched = watched_of(story, restarted=(104.0, 112.0), back_s=(3.9, 1.2))
        assert watched.verdict is Verdict.PASS

    @pytest.mark.parametrize(("withheld_s", "blamed"), [(0.3, False), (0.4, True)])
    def test_the_machine_is_blamed_for_a_late_return_only_if_it_explains_it(
        self, story, withheld_s: float, blamed: bool
    ) -> None:
        result = watched_of(story, back_s=(3.9,), withheld_s=withheld_s)
        assert result.verdict is Verdict.INCONCLUSIVE
        assert ("the machine kept the run from going on" in result.measurement) is blamed

    @pytest.mark.parametrize(
        ("told_to_wait", "why"),
        [(1, False), (7, True)],
        ids=["left out for another reason", "told to wait"],
    )
    def test_who_was_told_to_wait_is_to_get_it_after_that(
        self, story, told_to_wait: int, *, why: bool
    ) -> None:
        told: dict[str, Any] = {"told_to_wait": (told_to_wait,), "wait_s": 1.0}
        result = watched_of(story, **told, chats=(1, 2, 7))
        assert "chat 7 was left out" in result.measurement
        said = "answered a message to it with 429, retry_after 1"
        assert (said in result.measurement) is why

    @pytest.mark.parametrize(
        ("withheld_s", "verdict"), [(3.9, Verdict.FAIL), (4.0, Verdict.INCONCLUSIVE)]
    )
    def test_the_machine_is_blamed_for_who_was_left_out_if_it_kept_half_of_the_time(
        self, story, withheld_s: float, verdict: Verdict
    ) -> None:
        assert watched_of(story, chats=(1, 2, 7), withheld_s=withheld_s).verdict is verdict

    def test_who_was_told_to_wait_and_got_it_passes(self, story) -> None:
        assert watched_of(story, told_to_wait=(1,), wait_s=1.0).verdict is Verdict.PASS

    @pytest.mark.parametrize(
        ("chat_id", "verdict"), [(1, Verdict.PASS), (2, Verdict.FAIL)], ids=["waits", "others"]
    )
    def test_what_was_told_to_wait_may_be_so_much_later(self, story, chat_id, verdict) -> None:
        story.signals("polling")
        late = [
            msgspec.structs.replace(each, after_s=3.5)
            if isinstance(each, history.SignalSeen) and each.chat_id == chat_id
            else each
            for each in story.events
        ]
        told = [
            msgspec.structs.replace(each, told_to_wait=(1,), wait_s=1.0, within_s=3.0)
            if isinstance(each, history.SignalsWatched)
            else each
            for each in late
        ]
        assert signals.check(History(told), Judging()).verdict is verdict

    @pytest.mark.parametrize(
        ("slowest_s", "withheld_s", "verdict"),
        [(1.9, 0.0, Verdict.PASS), (2.4, 0.0, Verdict.FAIL), (2.4, 3.0, Verdict.FAIL)],
    )
    def test_who_asks_while_a_round_goes_on_is_answered_in_time(
        self, story, slowest_s: float, withheld_s: float, verdict: Verdict
    ) -> None:
        """What the machine withheld from other slots explains nothing of this one."""
        result = watched_of(story, question="/help", slowest_s=slowest_s, withheld_s=withheld_s)
        assert result.verdict is verdict
        said = "/help, asked when a slot had begun, was answered after 2.4 s, over 2 s"
        assert (said in result.measurement) is (verdict is Verdict.FAIL)

    def test_one_who_has_not_asked_for_it_is_named(self, story) -> None:
        result = judge_signals(story, signal(chat_id=3))
        assert result.verdict is Verdict.FAIL
        assert "chat 3, which had not asked for it, was sent 'BTC LONG" in result.measurement

    @pytest.mark.parametrize(
        ("text", "verdict"),
        [("BTC LONG 91,210.46", Verdict.FAIL), ("You are on no list", Verdict.PASS)],
    )
    def test_a_stranger_may_be_refused_and_gets_nothing_that_subscribers_get(
        self, story, text: str, verdict: Verdict
    ) -> None:
        story.signals("polling")
        (watched,) = (e for e in story.events if isinstance(e, history.SignalsWatched))
        story.events.remove(watched)
        story.add(msgspec.structs.replace(watched, strangers=(8,)))
        result = signals.check(History([*story.events, signal(chat_id=8, text=text)]), Judging())
        assert result.verdict is verdict
        found = "chat 8, whose user is on no list and had asked for it, was sent 'BTC LONG"
        assert (found in result.measurement) is (verdict is Verdict.FAIL)

    def test_markup_that_people_read_is_found(self, story) -> None:
        story.signals("polling")
        seen = [each for each in story.events if isinstance(each, history.SignalSeen)]
        raw = msgspec.structs.replace(seen[0], text="<b>BTC</b> LONG", tags=True)
        events = [raw if each is seen[0] else each for each in story.events]
        result = signals.check(History(events), Judging())
        assert "people read the tags of '<b>BTC</b> LONG'" in result.measurement

    @pytest.mark.parametrize(
        ("params", "read"),
        [
            ({"text": "<b>BTC</b> up"}, True),
            ({"caption": '<a href="x">BTC</a>'}, True),
            ({"text": "<b>BTC</b> up", "parse_mode": "HTML"}, False),
            ({"text": "a < b > c"}, False),
            (
                {"text": "<b>BTC</b>", "entities": [{"type": "pre", "offset": 0, "length": 10}]},
                False,
            ),
        ],
    )
    def test_tags_are_read_where_nothing_says_that_they_are_markup(
        self, params: dict[str, Any], *, read: bool
    ) -> None:
        assert shows_tags(params) is read

    def test_a_group_that_subscribed_is_left_out_by_name(self, story) -> None:
        result = watched_of(story, chats=(1, 2, -7))
        assert result.verdict is Verdict.FAIL
        assert "the group -7 was left out" in result.measurement

    @pytest.mark.parametrize("drop", [1, 4])
    def test_what_is_missing_may_be_for_one_who_has_blocked_the_bot(self, story, drop: int) -> None:
        story.signals("polling")
        (watched,) = (e for e in story.events if isinstance(e, history.SignalsWatched))
        seen = [each for each in story.events if isinstance(each, history.SignalSeen)]
        record = [msgspec.structs.replace(watched, gone=(9,)), *seen[drop:]]
        result = signals.check(History(record), Judging())
        assert result.verdict is Verdict.FAIL
        assert "Chat 9 subscribed before the others and has blocked the bot (403)" in (
            result.measurement
        )
        assert signals.check(History([record[0], *seen]), Judging()).verdict is Verdict.PASS

    def test_a_late_one_is_named(self, story) -> None:
        late = signal(text="ETH LONG", after_s=7.0)
        result = judge_signals(story, late, msgspec.structs.replace(late, chat_id=2))
        assert "came 7.0 s after the slot began" in result.measurement

    def test_nothing_at_all_is_a_finding_where_the_market_stands_still(self, story) -> None:
        result = judge_signals(story, drop=4)
        assert result.verdict is Verdict.FAIL
        assert "nothing came by itself" in result.measurement


class TestSlots:
    """The bot is killed in a slot after one in which all came, until it was back in time once."""

    def all_of(self, restarts: list[Slot]) -> list[Slot]:
        slots: list[Slot] = []
        happens = iter(restarts)
        while (restart := is_next_restarted(slots)) is not None:
            slots.append(next(happens) if restart else Slot.PLAIN)
        assert not list(happens)
        return slots

    def test_it_is_killed_once_where_it_is_back_in_time(self) -> None:
        assert self.all_of([Slot.REPEATABLE]) == [Slot.PLAIN, Slot.REPEATABLE, Slot.PLAIN]

    def test_it_is_killed_again_where_it_was_back_too_late(self) -> None:
        late, again = Slot.TOO_LATE, Slot.REPEATABLE
        assert self.all_of([late, again]) == [Slot.PLAIN, late, Slot.PLAIN, again, Slot.PLAIN]

    def test_the_third_time_is_the_last(self) -> None:
        assert len(self.all_of([Slot.TOO_LATE] * 3)) == 7


BUTTON = {"inline_keyboard": [[{"text": "Again", "callback_data": "signal BTC"}]]}


class TestApprovedSignals:
    """What comes by itself is held against a file of its own, as replies are."""

    @staticmethod
    def record(story: Any, *texts: str, **params: Any) -> History:
        """A record in which each subscriber gets these messages in each slot."""
        story.signals("polling")
        told = {"parse_mode": "HTML", "reply_markup": BUTTON} | params
        events: list[history.Event] = [
            each for each in story.healthy().events if not isinstance(each, history.SignalSeen)
        ]
        for slot in (100.0, 104.0):
            for chat in (1, 2):
                for text in texts:
                    shown = {"text": text, **told}
                    events.append(signal(chat_id=chat, text=text, slot=slot, params=shown))
        return History(events)

    def judge(self, judged: Any, approved: History, found: History) -> CheckResult:
        texts = received(approved, judged)["_signals"].texts
        assert set(texts) == {"polling"}
        judged.approved["_signals"] = texts["polling"]
        return golden.check(found, judged)

    def test_the_same_messages_pass_in_whatever_order(self, make_story, judged) -> None:
        approved = self.record(make_story(), "BTC LONG", "ETH SHORT")
        found = self.record(make_story(), "ETH SHORT", "BTC LONG")
        assert self.judge(judged, approved, found).verdict is Verdict.PASS

    def test_a_pair_that_is_never_sent_is_shown(self, make_story, judged) -> None:
        approved = self.record(make_story(), "BTC LONG", "ETH SHORT")
        result = self.judge(judged, approved, self.record(make_story(), "BTC LONG"))
        assert result.verdict is Verdict.FAIL
        assert "_signals (polling): what the bot sends by itself:" in result.evidence
        assert "-ETH SHORT" in result.evidence

    def test_a_signal_without_its_button_is_shown(self, make_story, judged) -> None:
        approved = self.record(make_story(), "BTC LONG")
        result = self.judge(
            judged, approved, self.record(make_story(), "BTC LONG", reply_markup="")
        )
        assert result.verdict is Verdict.FAIL
        assert "-[Again → signal BTC]" in result.evidence

    def test_what_was_not_watched_is_not_judged(self, make_story, judged) -> None:
        approved = self.record(make_story(), "BTC LONG")
        assert self.judge(judged, approved, self.record(make_story())).verdict is Verdict.PASS

    def test_what_is_other_in_each_slot_has_no_file(self, make_story, judged) -> None:
        record = self.record(make_story(), "BTC LONG 1")
        later = [
            msgspec.structs.replace(each, params={**each.params, "text": f"at {each.slot}"})
            if isinstance(each, history.SignalSeen)
            else each
            for each in record
        ]
        assert "_signals" not in received(History(later), judged)

    @pytest.mark.parametrize(("withheld_s", "verdict"), [(0.0, Verdict.FAIL), (3.0, Verdict.PASS)])
    def test_an_approved_signal_that_comes_in_some_slots_alone_is_shown(
        self, make_story, judged, withheld_s: float, verdict: Verdict
    ) -> None:
        approved = self.record(make_story(), "BTC LONG", "ETH SHORT")
        in_turn = [
            msgspec.structs.replace(each, withheld_s=withheld_s)
            if isinstance(each, history.SignalsWatched)
            else each
            for each in self.record(make_story(), "BTC LONG", "ETH SHORT")
            if not isinstance(each, history.SignalSeen)
            or (each.slot == 100.0) == ("BTC" in each.text)
        ]
        result = self.judge(judged, approved, History(in_turn))
        assert result.verdict is verdict
        assert ("-ETH SHORT" in result.evidence) == (verdict is Verdict.FAIL)

    @pytest.mark.parametrize(
        ("by_itself", "steady", "why"),
        [
            (False, None, "botproof.toml has no [signals]"),
            (True, False, "the market is another in each slot"),
            (True, None, ""),
            (None, None, ""),
            (True, True, ""),
        ],
    )
    def test_a_file_that_nothing_is_ever_compared_with_is_told(
        self, make_story, judged, by_itself: bool | None, steady: bool | None, why: str
    ) -> None:
        approved = self.record(make_story(), "BTC LONG")
        record = [
            msgspec.structs.replace(each, steady=steady)
            if isinstance(each, history.SignalsWatched)
            else each
            for each in approved
            if steady is not None
            or not isinstance(each, (history.SignalsWatched, history.SignalSeen))
        ]
        judged = dataclasses.replace(judged, by_itself=by_itself)
        result = self.judge(judged, approved, History(record))
        if not why:
            assert result.verdict is Verdict.PASS
        else:
            told = f"golden/_signals.txt: {why}"
            assert any(line.startswith(told) for line in result.evidence), result
            assert "1 approved file belongs to no case" in result.measurement

    @pytest.mark.parametrize(
        ("withheld_s", "agree", "told"), [(3, 2, True), (3, 1, False), (6, 2, False)]
    )
    def test_a_slow_machine_may_have_kept_messages_away_from_every_slot(
        self, make_story, judged, withheld_s: float, agree: int, told: bool
    ) -> None:
        record = [
            msgspec.structs.replace(each, withheld_s=withheld_s)
            if isinstance(each, history.SignalsWatched)
            else each
            for each in self.record(make_story(), "BTC LONG", "ETH SHORT")
        ]
        late = [
            each
            for each in record
            if isinstance(each, history.SignalSeen) and each.slot == 104.0 and "ETH" in each.text
        ]
        kept = [each for each in record if agree > 1 or each not in late]
        assert ("_signals" in received(History(kept), judged)) == told
