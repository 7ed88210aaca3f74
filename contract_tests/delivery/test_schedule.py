"""Schedules of faults and workloads: drawn from a seed, bounded, and over before the end."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof.delivery.questions import chat_ids, due_times, questions
from botproof.delivery.trial import faults_for
from botproof.faults.schedule import strikes, windows
from botproof.faults.troubles import TROUBLES

SEEDS = st.integers(0, 2**32)


@given(SEEDS, st.integers(1, 500), st.integers(0, 60), st.integers(1, 3))
def test_strikes_are_spread_over_the_whole_run(
    seed: int, updates: int, kills: int, victims: int
) -> None:
    kills = min(kills, updates)
    planned = strikes(seed, updates, kills, victims)

    assert len(planned) == kills
    assert all(0 <= strike.after < updates and 0 <= strike.victim < victims for strike in planned)
    for number, strike in enumerate(planned):
        assert number * updates // kills <= strike.after < (number + 1) * updates // kills


def test_the_seed_decides() -> None:
    assert strikes(1, 5000, 50) == strikes(1, 5000, 50)
    assert strikes(1, 5000, 50) != strikes(2, 5000, 50)
    assert windows(1, 500, ["a", "b"]) == windows(1, 500, ["a", "b"])
    assert questions(["/x {marker}"], 50, 7, 1) == questions(["/x {marker}"], 50, 7, 1)


def test_more_kills_than_updates_are_refused() -> None:
    with pytest.raises(ValueError, match="6 kills over 5 updates; at most one an update"):
        strikes(1, 5, 6)


@given(SEEDS, st.integers(2 * 3 * len(TROUBLES), 2000), st.integers(1, len(TROUBLES)))
def test_troubles_come_one_at_a_time_and_end(seed: int, updates: int, count: int) -> None:
    names = list(TROUBLES)[:count]
    planned = windows(seed, updates, names)

    assert sorted(window.name for window in planned) == sorted(names * 3)
    assert all(window.begin < window.end <= updates for window in planned)
    assert all(before.end <= after.begin for before, after in pairwise(planned))


def test_too_few_updates_for_the_troubles_are_refused() -> None:
    with pytest.raises(ValueError, match="5 updates are too few for 3 troubles; at least 6"):
        windows(1, 5, ["a"])


def test_no_troubles_no_windows() -> None:
    assert windows(1, 5, []) == ()


@given(SEEDS, st.integers(1, 300), st.integers(1, 60))
def test_every_question_has_a_word_of_its_own(seed: int, updates: int, chats: int) -> None:
    asked = questions(["/price {marker}", "/price {marker}/usdt"], updates, chats, seed)

    assert len({question.marker for question in asked}) == updates
    assert all(question.marker in question.text for question in asked)
    assert {question.chat_id for question in asked} <= set(chat_ids(chats))


@given(SEEDS, st.integers(1, 300))
def test_as_many_chats_as_questions_means_one_each(seed: int, updates: int) -> None:
    asked = questions(["hello"], updates, updates, seed)

    assert len({question.chat_id for question in asked}) == updates


@given(SEEDS, st.integers(1, 300), st.floats(1, 100))
def test_bursts_keep_the_rate(seed: int, updates: int, rate: float) -> None:
    due = due_times(updates, rate, seed)

    assert len(due) == updates
    assert due == sorted(due)
    assert all(abs(at - number / rate) <= 10 / rate for number, at in enumerate(due))


def test_a_question_is_a_command_as_telegram_would_deliver_it() -> None:
    (question,) = questions(["/price {marker}"], 1, 1, 1)
    payload = question.payload(1_700_000_000.0)

    assert payload["message"]["text"] == "/price q0z"
    assert payload["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    assert payload["message"]["chat"]["id"] == payload["message"]["from"]["id"] == 2001


def test_only_who_promised_it_is_brought_again_what_getupdates_has_confirmed() -> None:
    (_, promised), (_, stock) = faults_for(promised=True), faults_for(promised=False)
    assert promised == {"kind": "duplicate", "count": 2}
    assert stock == {**promised, "door": "webhook"}
