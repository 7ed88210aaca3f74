"""When a version that is watched is taken back: each trigger of the plan fires, and only then."""

from math import inf

import pytest

from botproof.rollout.triggers import Counters, Limit, Sample, Triggers, read_counters


def fold(samples: list[Sample]) -> tuple[str, float]:
    """The first reason and its moment."""
    triggers = Triggers()
    for sample in samples:
        if reason := triggers.add(sample):
            return reason, sample.at
    return "", inf


def test_a_healthy_fleet_is_left_alone() -> None:
    samples = [
        Sample(
            at,
            memory_mb=420.0,
            question_s=0.2,
            pressure=0.01,
            counters=Counters(replies=at, quick=at, handled=at),
        )
        for at in range(0, 3600, 5)
    ]
    assert fold(samples) == ("", inf)


def test_memory_over_900_mb_counts_after_five_minutes_without_a_break() -> None:
    over = [Sample(at, memory_mb=901.0) for at in range(0, 400, 10)]
    reason, at = fold(over)
    assert "901 MB" in reason
    assert at == 310
    over[20] = Sample(200.0, memory_mb=899.0)
    assert fold(over) == ("", inf)


def test_a_machine_of_another_size_has_another_limit_for_its_memory() -> None:
    triggers = Triggers(Limit("memory", 200.0, 20.0, "{:.0f} MB"))
    reasons = [triggers.add(Sample(at, memory_mb=201.0)) for at in range(0, 30, 10)]
    assert reasons == ["", "", ""]
    assert triggers.add(Sample(30.0, memory_mb=201.0)) == "memory is 201 MB, over 200 MB for 30 s"


def test_pressure_counts_where_memory_never_gets_to_its_limit() -> None:
    reason, at = fold([Sample(at, memory_mb=700, pressure=0.4) for at in range(0, 300, 10)])
    assert "memory pressure is 40%" in reason
    assert at == 130


def test_the_fourth_slow_answer_in_a_row_counts_and_a_quick_one_breaks_the_row() -> None:
    slow = [Sample(at, question_s=5.1) for at in range(4)]
    assert "4 answers in a row" in fold(slow)[0]
    assert fold([*slow[:3], Sample(3, question_s=1.0), *slow[:3]])[0] == ""


def test_slow_answers_to_users_count_as_well() -> None:
    samples = [Sample(n, counters=Counters(replies=10 + n, quick=10)) for n in range(6)]
    assert "in a row" in fold(samples)[0]


@pytest.mark.parametrize(("failed", "fires"), [(2, False), (10, False), (11, True)])
def test_errors_count_over_one_percent_and_not_by_one_or_two(failed: int, fires: bool) -> None:
    last = Counters(replies=1000, quick=1000, handled=1000, failed=failed)
    reason, _ = fold([Sample(0, counters=Counters()), Sample(1, counters=last)])
    assert bool(reason) == fires


def test_no_answer_to_any_question_counts_after_three() -> None:
    assert fold([Sample(at, question_s=inf) for at in range(2)])[0] == ""
    assert "no answer to 3" in fold([Sample(at, question_s=inf) for at in range(3)])[0]


def test_updates_that_wait_while_nothing_is_answered_count() -> None:
    stuck = Counters(replies=5, quick=5, handled=5, oldest_s=31)
    assert "nothing is answered" in fold([Sample(0, counters=stuck), Sample(1, counters=stuck)])[0]


def test_a_container_that_is_not_ready_counts_after_half_a_minute() -> None:
    red = [Sample(at, not_ready="bot: HTTP 503") for at in range(0, 60, 10)]
    reason, at = fold(red)
    assert "bot: HTTP 503" in reason
    assert at == 40
    red[2] = Sample(20.0)
    assert fold(red) == ("", inf)


def test_the_counters_of_the_reference_bot_are_read() -> None:
    text = (
        "# TYPE bot_reply_seconds histogram\n"
        'bot_reply_seconds_bucket{le="5.0"} 7.0\n'
        'bot_reply_seconds_bucket{le="+Inf"} 8.0\n'
        "bot_reply_seconds_count 8.0\n"
        'bot_updates_handled_total{outcome="answered"} 6.0\n'
        'bot_updates_handled_total{outcome="dead"} 2.0\n'
        'bot_updates_handled_total{outcome="refused"} 3.0\n'
        "bot_updates_failed_total 2.0\n"
        "bot_inbox_oldest_seconds 0.5\n"
    )
    assert read_counters(text) == Counters(8.0, 7.0, 11.0, 5.0, 0.5)
