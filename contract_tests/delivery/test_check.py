"""The delivery check on hand-written histories: what each verdict needs, and what each turns on."""

import pytest

from botproof.chats import ReplyRules
from botproof.checks import delivery
from botproof.checks.judging import Judging, run_checks
from botproof.config import Replies
from botproof.history import (
    RECORD,
    BotApiCall,
    DoubleEvent,
    Event,
    HarnessError,
    History,
    ProcessExited,
    ProcessNotReady,
    UpdateConfirmed,
    UpdateDelivered,
    UpdateInjected,
)
from botproof.verdict import CheckResult, Verdict
from contract_tests.delivery.story import (
    ACK,
    JUDGING,
    PLACE,
    START,
    STOP,
    asked,
    edited,
    ended,
    judge,
    killed,
    plan,
    sent,
    started,
)


def test_everything_answered_once_and_a_clean_stop_is_a_pass() -> None:
    result = judge(
        START, asked(1, 1), sent(1.2, "Q1Z costs 5"), asked(2, 2), sent(2.1, "Q2Z"), STOP
    )

    assert result.verdict is Verdict.PASS
    assert result.measurement == "2 updates, 0 kills: 0 lost, 0 repeated, order kept"


def test_an_update_without_an_answer_is_lost() -> None:
    result = judge(START, asked(1, 1), asked(2, 2), sent(2.1, "Q2Z"), STOP)

    assert result.verdict is Verdict.FAIL
    assert "polling: 1 of 2 updates was never answered" in result.evidence
    assert result.data["lost"] == 1


def test_of_a_record_that_was_cut_off_nothing_is_called_lost() -> None:
    cut = HarnessError(t=3.0, where=RECORD, message="the record breaks off")
    record = History([plan(), *START, asked(1, 1), sent(1.2, "Q1Z"), asked(2, 2), cut])
    harness, result = run_checks({"delivery": delivery.check}, ["delivery"], record, JUDGING)

    assert (harness.verdict, harness.measurement) == (
        Verdict.ERROR,
        "history: the record breaks off",
    )
    assert result.verdict is Verdict.ERROR
    assert "lost" not in result.measurement
    assert result.evidence[0].startswith("up to where it breaks off: ")
    assert len(result.evidence) == 1


def test_where_nobody_is_answered_it_is_said_how_a_bot_of_one_user_is_asked() -> None:
    result = judge(START, asked(1, 1), asked(2, 2), STOP)

    assert result.verdict is Verdict.FAIL
    assert (
        "polling: 2 of 2 updates were never answered; where only its owner may use it, name that "
        "chat by [delivery] chat" in result.evidence
    )


def test_a_lost_update_tells_when_it_was_confirmed_and_when_the_bot_was_killed() -> None:
    confirmed = UpdateConfirmed(t=1.1, update_ids=(1,), door="polling", **PLACE)
    result = judge(
        START,
        asked(1, 1),
        confirmed,
        killed(1.25),
        started(2),
        asked(2, 3),
        sent(3.1, "Q2Z"),
        STOP,
    )

    assert result.verdict is Verdict.FAIL
    assert any(
        line == 'update 1 "/price q1z" in chat 1: confirmed to Telegram, killed 0.150 s later, '
        "never answered"
        for line in result.evidence
    )


def test_silence_is_not_asked_for_an_answer() -> None:
    quiet = asked(1, 1, expect="silence")
    result = judge(START, quiet, asked(2, 2), sent(2.1, "Q2Z"), STOP)

    assert result.verdict is Verdict.PASS
    assert result.data["updates"] == 1


def test_a_repeated_reply_needs_a_kill_that_excuses_it() -> None:
    twice = (asked(1, 1), sent(1.2, "Q1Z"), sent(3.0, "Q1Z"))

    assert judge(START, twice, STOP).verdict is Verdict.FAIL
    excused = judge(START, asked(2, 1.21), twice, killed(1.25), started(2), sent(3.1, "Q2Z"), STOP)
    assert excused.verdict is Verdict.PASS
    assert excused.data["repeated"] == 1


def test_more_repeats_than_kills_fail() -> None:
    result = judge(
        START,
        *(asked(number, 1) for number in (1, 2, 3)),
        *(sent(1.1, f"Q{number}Z") for number in (1, 2)),
        killed(1.2),
        started(2),
        *(sent(3, f"Q{number}Z") for number in (1, 2, 3)),
        STOP,
    )

    assert result.verdict is Verdict.FAIL
    assert result.data["repeated"] == 2
    assert result.data["out_of_order"] == 0


def test_an_acknowledgement_edited_into_the_answer_is_one_answer() -> None:
    result = judge(
        START,
        asked(1, 1),
        sent(1.5, f"{ACK} on it", message=77),
        edited(2.0, 77, "Q1Z costs 5"),
        edited(2.5, 77, "Q1Z costs 5"),
        STOP,
    )

    assert result.verdict is Verdict.PASS
    assert result.data["repeated"] == 0


def test_an_acknowledgement_alone_is_no_answer() -> None:
    result = judge(START, asked(1, 1), sent(1.5, f"{ACK} on it", message=77), STOP)

    assert result.verdict is Verdict.FAIL
    assert result.data["lost"] == 1
    assert result.data["repeated"] == 0


def test_an_acknowledgement_left_beside_the_answer_is_a_repeat() -> None:
    result = judge(
        START, asked(1, 1), sent(1.5, f"{ACK} on it", message=77), sent(1.9, "Q1Z costs 5"), STOP
    )

    assert result.verdict is Verdict.FAIL
    assert result.data["leftover_acknowledgements"] == 1


def test_a_refused_call_is_no_answer() -> None:
    refused = BotApiCall(
        t=1.2,
        method="sendMessage",
        params={"chat_id": 1, "text": "Q1Z"},
        status=429,
        error_code=429,
        **PLACE,
    )

    assert judge(START, asked(1, 1), refused, STOP).data["lost"] == 1


def test_a_chat_answered_in_another_order_fails() -> None:
    result = judge(START, asked(1, 1), asked(2, 2), sent(3, "Q2Z"), sent(4, "Q1Z"), STOP)

    assert result.verdict is Verdict.FAIL
    assert result.data["out_of_order"] == 1
    assert any(
        line.startswith('update 2 "/price q2z" in chat 1 before') for line in result.evidence
    )


def test_chats_owe_each_other_no_order() -> None:
    result = judge(
        START, asked(1, 1, chat=1), asked(2, 2, chat=2), sent(3, "Q2Z", 2), sent(4, "Q1Z", 1), STOP
    )

    assert result.verdict is Verdict.PASS


def test_a_repeat_after_a_later_answer_does_not_break_the_order() -> None:
    result = judge(
        START,
        asked(1, 1),
        asked(2, 2),
        sent(3, "Q1Z"),
        sent(3.5, "Q2Z"),
        killed(3.6),
        started(4),
        asked(3, 3.55),
        sent(4.5, "Q1Z"),
        sent(4.6, "Q3Z"),
        STOP,
    )

    assert result.verdict is Verdict.PASS


def test_calls_after_a_clean_stop_fail() -> None:
    result = judge(START, asked(1, 1), sent(1.1, "Q1Z"), STOP, sent(51, "Q1Z"))

    assert result.verdict is Verdict.FAIL
    assert "polling: 1 call after SIGTERM had ended it: sendMessage" in result.evidence


def test_calls_of_the_next_process_are_not_calls_after_the_stop() -> None:
    result = judge(
        START,
        ended(5.0, "SIGTERM"),
        asked(1, 6.0),
        started(7.0),
        sent(7.5, "Q1Z"),
        STOP,
    )

    assert result.verdict is Verdict.PASS
    assert result.data["clean_stops"] == 2


def test_a_call_that_began_before_the_end_is_not_after_it() -> None:
    poll = BotApiCall(t=60.0, method="getUpdates", duration_s=15.0, **PLACE)

    assert judge(START, asked(1, 1), sent(1.1, "Q1Z"), STOP, poll).verdict is Verdict.PASS


def test_with_replicas_the_stop_is_over_when_the_last_has_ended() -> None:
    result = judge(
        started(0.1, "bot"),
        started(0.1, "bot-2"),
        asked(1, 1),
        ended(5.0, "SIGTERM", "bot"),
        sent(5.5, "Q1Z"),
        ended(6.0, "SIGTERM", "bot-2"),
    )

    assert result.verdict is Verdict.PASS
    assert result.data["clean_stops"] == 1


def test_a_bot_that_ignores_sigterm_fails() -> None:
    stop = ended(50.0, "SIGTERM", killed=True, code=-9)
    result = judge(START, asked(1, 1), sent(1.1, "Q1Z"), stop)

    assert result.verdict is Verdict.FAIL
    assert "polling: bot ignored SIGTERM and had to be killed" in result.evidence


@pytest.mark.parametrize(
    ("events", "gap"),
    [
        ([*START, *STOP], "no update was sent that expects an answer"),
        ([*START, asked(1, 1), sent(1.1, "Q1Z")], "polling: no clean stop was seen"),
    ],
)
def test_too_little_evidence_is_inconclusive(events: list[Event], gap: str) -> None:
    result = judge(events)

    assert result.verdict is Verdict.INCONCLUSIVE
    assert gap in result.evidence


def test_a_bot_that_never_became_ready_fails() -> None:
    never = ProcessNotReady(
        t=30.0, process="bot", role="bot", after_s=30.0, reason="not ready after 30.0 s", **PLACE
    )
    result = judge(never)

    assert result.verdict is Verdict.FAIL
    assert "polling: bot not ready after 30.0 s" in result.evidence


def test_an_empty_history_is_inconclusive() -> None:
    assert delivery.check(History([]), JUDGING).verdict is Verdict.INCONCLUSIVE


def test_fewer_updates_or_kills_than_planned_are_inconclusive() -> None:
    events = (START, asked(1, 1), killed(1.05), started(2), sent(3, "Q1Z"), STOP)

    assert judge(*events, run=plan(1, 1)).verdict is Verdict.PASS
    few = judge(*events, run=plan(10, 5))
    assert few.verdict is Verdict.INCONCLUSIVE
    assert "only 1 of 10 updates were sent" in few.evidence
    assert "only 1 of 5 kills took place" in few.evidence


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([*killed(0.55)], id="before the bot was ready"),
        pytest.param([*killed(3.0)], id="while there was nothing to do"),
    ],
)
def test_kills_that_met_no_work_prove_nothing(events: list[Event]) -> None:
    history = (START, asked(1, 1), sent(1.1, "Q1Z"), events, started(4), STOP)
    result = judge(*history, run=plan(1, 1))

    assert result.verdict is Verdict.INCONCLUSIVE
    assert "no kill met a ready bot with updates to answer" in result.evidence
    of_a_trouble = judge(*history, run=plan(1, 0))
    assert of_a_trouble.verdict is Verdict.PASS


def test_a_double_that_died_is_an_error_whatever_else_is_seen() -> None:
    died = ProcessExited(
        t=5.0, process="telegram_double", role="double", code=1, expected=False, **PLACE
    )
    result = judge(START, asked(1, 1), died, STOP)

    assert result.verdict is Verdict.ERROR
    assert result.evidence[0] == "telegram_double ended during the run with exit code 1"


def test_a_harness_that_failed_is_an_error() -> None:
    failed = HarnessError(t=3.0, where="double", message="events were lost", **PLACE)

    assert judge(START, asked(1, 1), sent(1.1, "Q1Z"), failed, STOP).verdict is Verdict.ERROR


def test_a_crash_is_no_kill_and_excuses_no_repeat() -> None:
    crash = ProcessExited(t=1.3, process="bot", role="bot", code=1, expected=False, **PLACE)
    result = judge(START, asked(1, 1), sent(1.2, "Q1Z"), crash, started(2), sent(3.0, "Q1Z"), STOP)

    assert result.verdict is Verdict.FAIL
    assert result.data["crashes"] == 1


# what the bot does by itself, and how it answers


def test_what_the_bot_had_thrown_away_is_said_as_such() -> None:
    call = BotApiCall(
        t=1.5, method="deleteWebhook", params={"drop_pending_updates": True}, result=True, **PLACE
    )
    drop = DoubleEvent(
        t=1.5, double="telegram_double", kind="drop", detail={"update_ids": [1]}, **PLACE
    )
    result = judge(START, asked(1, 1), call, drop, asked(2, 2), sent(2.1, "Q2Z"), STOP)

    assert result.verdict is Verdict.FAIL
    assert result.data["thrown_away"] == 1
    assert result.data["lost"] == 0
    assert (
        "polling: 1 update was thrown away by the bot itself: "
        "deleteWebhook with drop_pending_updates"
    ) in result.evidence


def test_a_bot_that_logs_out_is_blamed_for_that() -> None:
    call = BotApiCall(t=1.5, method="logOut", result=True, **PLACE)
    drop = DoubleEvent(
        t=1.5, double="telegram_double", kind="drop", detail={"update_ids": [1]}, **PLACE
    )
    result = judge(START, asked(1, 1), call, drop, asked(2, 2), sent(2.1, "Q2Z"), STOP)
    assert (
        "polling: 1 update was thrown away by the bot itself: "
        "logOut, after which Telegram refuses each call for ten minutes"
    ) in result.evidence


def test_what_would_have_been_thrown_away_is_held_against_a_bot_that_promises_delivery() -> None:
    call = BotApiCall(
        t=2.5, method="deleteWebhook", params={"drop_pending_updates": True}, result=True, **PLACE
    )
    events = (START, asked(1, 1), killed(1.05), started(2), call, sent(3, "Q1Z"), STOP)
    said = "deleteWebhook with drop_pending_updates; this time nothing waited"
    assert judge(*events, run=plan(1, 0)).verdict is Verdict.PASS
    promised = judge(*events, run=plan(1, 1))
    assert promised.verdict is Verdict.FAIL
    assert any(said in line for line in promised.evidence)


def announced(stays: bool, pattern: str = "^⏳", answer: str = "Q{}Z") -> CheckResult:
    """Three updates, each answered by "⏳ …" and then by another message."""
    events = [
        event
        for number in (1, 2, 3)
        for event in (
            asked(number, number),
            sent(number + 0.1, "⏳ Analysing"),
            sent(number + 0.2, answer.format(number)),
        )
    ]
    rules = ReplyRules.of(Replies(acknowledgement=pattern, acknowledgement_stays=stays))
    return delivery.check(History([plan(), *START, *events, *STOP]), Judging(rules=rules))


def test_a_bot_that_announces_its_answers_can_pass() -> None:
    assert announced(stays=True).verdict is Verdict.PASS


def test_one_whose_answers_can_only_be_counted_can_pass_too() -> None:
    """As of a price: it says nothing that only one question could be answered with."""
    result = announced(stays=True, answer="$95,242.71")
    assert result.verdict is Verdict.PASS, result.evidence
    assert (result.data["counted"], result.data["leftover_acknowledgements"]) == (3, 0)
    assert not any("belong to no update" in line for line in result.evidence)


def test_an_acknowledgement_too_many_is_seen_where_answers_are_only_counted() -> None:
    events = (asked(1, 1), asked(2, 1.1), *(sent(2 + n / 10, "⏳") for n in range(3)))
    answers = (sent(3, "fine"), sent(3.1, "fine"))
    rules = ReplyRules.of(Replies(acknowledgement="^⏳", acknowledgement_stays=True))
    record = History([plan(), *START, *events, *answers, *STOP])
    result = delivery.check(record, Judging(rules=rules))
    assert result.verdict is Verdict.FAIL
    assert "1 acknowledgements more than updates with an answer were sent" in result.evidence


def test_a_bot_that_announces_its_answers_is_told_the_setting() -> None:
    assert any("acknowledgement_stays = true" in line for line in announced(stays=False).evidence)


def test_without_the_pattern_the_announcements_are_named() -> None:
    (hint,) = [line for line in announced(stays=False, pattern="").evidence if "[replies]" in line]
    assert hint.startswith("3 messages '⏳ Analysing' belong to no update.")
    assert hint.endswith("Where they are part of it, `messages` says how many an answer has")


def test_an_answer_that_came_twice_in_a_chat_of_one_update_is_no_announcement() -> None:
    events = [event for n in (1, 2) for event in (asked(n, n, chat=n), sent(n + 0.1, "Hello", n))]
    again = [sent(n + 0.2, "Hello", n) for n in (1, 2)]
    brought = [
        UpdateDelivered(
            t=1 + n / 10,
            update_id=1,
            door="webhook",
            attempt=n,
            status=200,
            duration_s=0.0,
            **PLACE,
        )
        for n in (1, 2)
    ]
    result = judge(START, *events, *again, *brought, STOP)
    assert result.data["repeated"] == 2
    told = [line for line in result.evidence if "answered 2 times" in line]
    assert told[0].endswith("0.1 s apart; Telegram brought it 2 times")
    assert told[1].endswith("0.1 s apart")
    assert not any("belong to no update" in line for line in result.evidence)


def test_answers_that_all_have_two_messages_are_told_the_settings() -> None:
    twice = [
        event
        for number in (1, 2, 3)
        for event in (
            asked(number, number, chat=number),
            sent(number + 0.1, f"Q{number}Z first", chat=number),
            sent(number + 0.2, f"Q{number}Z second", chat=number),
        )
    ]
    (hint,) = [line for line in judge(START, twice, STOP).evidence if "[replies]" in line]
    assert hint.startswith("3 of 3 answers had 2 messages, such as 'Q1Z first' and 'Q1Z second'.")


def test_a_lost_update_tells_what_telegram_refused() -> None:
    refused = BotApiCall(
        t=1.2,
        method="sendMessage",
        params={"chat_id": 1, "text": "Q1Z"},
        status=400,
        error_code=400,
        description="Bad Request: chat not found",
        **PLACE,
    )
    evidence = judge(START, asked(1, 1), refused, STOP).evidence
    assert "  sendMessage: 400 Bad Request: chat not found" in evidence


def test_an_answer_in_another_chat_is_named() -> None:
    questions = (asked(1, 1, chat=1), asked(2, 2, chat=2))
    result = judge(START, questions, sent(2.1, "Q2Z", 2), sent(2.2, "Q1Z costs 5", 2), STOP)
    assert "polling: 1 of 2 updates was never answered" in result.evidence
    assert "  its answer went to chat 2: 'Q1Z costs 5'" in result.evidence


def test_what_a_chat_has_too_much_is_shown_where_no_update_is_known_for_it() -> None:
    questions = (asked(1, 1), asked(2, 2))
    answers = [sent(n + 0.1, f"Q{n}Z") for n in (1, 2)]
    result = judge(START, questions, answers, sent(2.3, "and the rest"), sent(2.4, "again"), STOP)
    assert result.verdict is Verdict.FAIL
    assert "chat 1: 2 messages of no update that is known, such as 'again'" in result.evidence
    assert not any("of no update" in line for line in judge(START, questions, answers).evidence)


# replies that do not repeat the marker


def test_a_telegram_reply_belongs_to_the_message_it_replies_to() -> None:
    def injected(number: int, message: int) -> UpdateInjected:
        update = {"message": {"message_id": message, "chat": {"id": 1}}}
        return UpdateInjected(t=float(number), update_id=number, update=update, **PLACE)

    questions = (asked(1, 1), injected(1, 10), asked(2, 2), injected(2, 11))
    second = sent(3, "fine", reply_parameters={"message_id": 11})
    first = sent(2.5, "fine", reply_parameters={"message_id": 10})

    assert judge(START, questions, first, second, STOP).verdict is Verdict.PASS
    only = judge(START, questions, second, sent(4, "fine", reply_to_message_id=11), STOP)
    assert (only.data["lost"], only.data["repeated"]) == (1, 1)


def test_in_a_chat_of_its_own_an_update_needs_no_marker() -> None:
    events = (asked(1, 1, chat=1), asked(2, 1, chat=2), sent(1.5, "fine", 1), sent(1.6, "fine", 2))
    result = judge(START, events, killed(1.4), started(1.41, ready=0.01), STOP)

    assert result.verdict is Verdict.PASS
    again = judge(START, events, sent(1.7, "fine", 2), STOP)
    assert again.data["repeated"] == 1


def test_answers_that_can_only_be_counted_are_no_proof_once_there_were_kills() -> None:
    questions = (asked(1, 1), asked(2, 1.1))
    answers = (sent(3, "fine"), sent(3.1, "fine"))

    assert judge(START, questions, answers, STOP).verdict is Verdict.PASS
    result = judge(START, questions, killed(1.2), started(2), answers, STOP)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.data["counted"] == 2


@pytest.mark.parametrize(("answers", "key"), [(1, "lost"), (3, "repeated")])
def test_counting_proves_what_is_missing_and_what_is_too_much(answers: int, key: str) -> None:
    replies = [sent(3 + n / 10, "fine") for n in range(answers)]
    result = judge(START, asked(1, 1), asked(2, 1.1), replies, STOP)

    assert result.verdict is Verdict.FAIL
    assert result.data[key] == 1


def test_an_answer_may_be_known_before_its_update() -> None:
    """The transcript and the harness are two sources; only the times say what came first."""
    result = judge(START, asked(1, 1.2), sent(1.1, "Q1Z"), asked(2, 2), sent(2.1, "Q2Z"), STOP)

    assert result.verdict is Verdict.PASS
