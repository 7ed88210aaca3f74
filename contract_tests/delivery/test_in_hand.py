"""Ends that met what only the bot knew of, and replies that no end can have repeated."""

import pytest

from botproof.history import BotApiCall, Event, Fault, Run, Starved, UpdateConfirmed
from botproof.starvation import KEPT
from botproof.verdict import Verdict
from contract_tests.delivery.story import (
    PLACE,
    START,
    STOP,
    asked,
    ended,
    judge,
    killed,
    plan,
    sent,
    started,
)


def stops(stops: int, kills: int = 0) -> Run:
    return Run(t=0.0, judging={"delivery": {"kills": kills, "stops": stops}})


def test_a_kill_excuses_only_what_was_answered_before_it_and_after() -> None:
    """Fewer repetitions than kills are no excuse for one that no kill can have caused."""
    told = "came without a kill in between"
    around = [
        *killed(1.25),
        *started(2),
        asked(2, 2.5),
        sent(2.6, "Q2Z"),
        *killed(5.0),
        *started(6),
    ]
    again = judge(START, asked(1, 1), around, sent(6.5, "Q1Z"), sent(7.0, "Q1Z"), STOP)
    assert again.verdict is Verdict.FAIL
    assert any(told in line for line in again.evidence)
    soon = judge(START, asked(1, 1), sent(1.1, "Q1Z"), sent(1.2, "Q1Z"), around, STOP)
    assert soon.verdict is Verdict.FAIL
    for before in (1.1, 1.26):  # what was on its way comes just after the kill
        twice = [asked(1, 1), sent(before, "Q1Z"), *around, sent(2.2, "Q1Z")]
        assert judge(START, twice, STOP).verdict is Verdict.PASS
    by_the_next = [asked(1, 1), *around, sent(2.1, "Q1Z"), sent(2.2, "Q1Z")]
    assert judge(START, by_the_next, STOP).verdict is Verdict.FAIL


def test_what_was_on_its_way_on_a_slow_machine_may_come_later_after_the_kill() -> None:
    """2.4 s after the kill, of which 1.5 were withheld."""
    kill = [*killed(1.25), *started(4), asked(2, 4.5), sent(4.6, "Q2Z")]
    twice = [asked(1, 1), sent(3.65, "Q1Z"), *kill, sent(4.7, "Q1Z")]
    assert judge(START, twice, STOP).verdict is Verdict.FAIL
    slow = Starved(t=3.0, over_s=1.5, late_s=1.5, cpus=2, **PLACE)
    assert judge(START, twice, slow, STOP).verdict is Verdict.PASS


def unanswered(t: float, duration_s: float, text: str) -> BotApiCall:
    """A message that Telegram did not answer before the bot gave it up."""
    about = {"chat_id": 1, "text": text}
    return BotApiCall(t=t, method="sendMessage", params=about, duration_s=duration_s, **PLACE)


@pytest.mark.parametrize(
    ("withheld_s", "text", "verdict"),
    [
        (2.0, "Q1Z", Verdict.INCONCLUSIVE),
        (0.5, "Q1Z", Verdict.FAIL),
        (2.0, "Q7Z", Verdict.FAIL),
    ],
)
def test_an_answer_given_up_on_a_slow_machine_is_not_known_to_be_lost(
    withheld_s: float, text: str, verdict: Verdict
) -> None:
    sample = Starved(t=4.0, over_s=3.0, late_s=withheld_s, cpus=2, **PLACE)
    rest = [asked(2, 5), sent(5.1, "Q2Z")]
    result = judge(START, asked(1, 0.9), sample, unanswered(4.0, 3.0, text), rest, STOP)
    assert result.verdict is verdict
    assert (KEPT in result.measurement) is (verdict is Verdict.INCONCLUSIVE)


def test_a_reply_again_after_a_clean_stop_is_excused_by_no_kill() -> None:
    again = [*ended(3.0, "SIGTERM"), *started(4), sent(4.5, "Q1Z")]
    killed_before = [*killed(0.8), *started(0.9)]
    result = judge(START, killed_before, asked(1, 1), sent(1.2, "Q1Z"), again, STOP)
    assert result.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "why",
    [
        pytest.param(Fault(t=0.2, target="redis-restart", kind="begin", **PLACE), id="a trouble"),
        pytest.param(Starved(t=2.8, over_s=1.5, late_s=1.5, cpus=2, **PLACE), id="starvation"),
    ],
)
def test_what_else_may_have_hidden_an_answer_leaves_it_to_the_count(why: Event) -> None:
    twice = [asked(1, 1), sent(1.2, "Q1Z"), sent(3.0, "Q1Z"), *killed(5.0), *started(6)]
    assert judge(START, twice, STOP).verdict is Verdict.FAIL
    assert judge(START, why, twice, STOP).verdict is Verdict.PASS


def confirmed(t: float, *numbers: int) -> UpdateConfirmed:
    return UpdateConfirmed(t=t, update_ids=numbers, door="polling", **PLACE)


@pytest.mark.parametrize(
    ("run", "gap"),
    [(plan(2, 1), "no kill met an update that"), (stops(1), "no clean stop met an update that")],
)
def test_an_end_that_met_nothing_taken_in_proves_nothing(run: Run, gap: str) -> None:
    """Of a bot that takes an update in and answers later: Telegram would send all else again."""
    slow = [asked(1, 1), confirmed(1.1, 1), sent(2.0, "Q1Z")]
    kill = [asked(2, 3), *killed(3.05), *started(4), confirmed(4.3, 2), sent(4.4, "Q2Z")]
    result = judge(START, slow, kill, STOP, run=run)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any(line.startswith(gap) for line in result.evidence)
    assert f"; {gap}" in result.measurement
    answers_first = [event for event in (*slow, *kill) if not isinstance(event, UpdateConfirmed)]
    assert judge(START, answers_first, STOP, run=run).verdict is Verdict.PASS


def test_a_kill_and_a_stop_that_met_what_was_taken_in_are_evidence() -> None:
    kill = [asked(1, 1), confirmed(1.1, 1), *killed(1.3), *started(2), sent(2.5, "Q1Z")]
    stop = [asked(2, 3), confirmed(3.1, 2), *ended(3.3, "SIGTERM"), *started(5), sent(5.5, "Q2Z")]
    result = judge(START, kill, stop, STOP, run=stops(1, kills=1))
    assert result.verdict is Verdict.PASS
    assert (result.data["kills_in_hand"], result.data["stops_in_hand"]) == (1, 1)
