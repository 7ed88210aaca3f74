"""Each check on hand-written histories: what it must pass, fail, and not be able to say."""

import json
import re
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof import history
from botproof.budgets import resolve
from botproof.chats import ReplyRules
from botproof.checks import (
    boot,
    errors,
    golden,
    golden_files,
    judging,
    latency,
    memory,
    parity,
    replies,
)
from botproof.checks.golden_files import received
from botproof.checks.judging import Judging
from botproof.checks.own_settings import own_settings
from botproof.checks.registry import CHECKS
from botproof.config import Replies
from botproof.history import History
from botproof.verdict import CheckResult, Verdict

PASS, FAIL, INCONCLUSIVE, ERROR = Verdict


def text_of(result: CheckResult) -> str:
    return "\n".join([result.measurement, *result.evidence])


class TestTogether:
    @pytest.mark.parametrize("name", CHECKS)
    def test_a_healthy_run_passes(self, story, judged, name) -> None:
        result = judging.run_check(name, CHECKS[name], story.healthy().history(), judged)
        assert (result.verdict, result.check) == (PASS, name), text_of(result)
        assert result.budget
        assert result.measurement
        assert result.least_evidence

    @pytest.mark.parametrize("name", CHECKS)
    def test_a_helper_that_went_in_a_stack_of_the_conversations_changes_nothing(
        self, story, judged, name
    ) -> None:
        """Boot is told of it for the crashes; nothing was asked there that a check may miss."""
        menu = {"commands": [{"command": "start", "description": "say hello"}]}
        for mode in story.healthy().modes:
            story.add(story.call(mode, "setMyCommands", menu, 1.0))
        judged.approved["_bot"] = own_settings(story.history(), "polling", judged.rules)
        before = judging.run_check(name, CHECKS[name], story.history(), judged)
        labels = {"stack": "lambda", "mode": "lambda"}
        where: dict[str, Any] = {"process": "market_data", "role": "service", **labels}
        story.add(history.Vanished(t=1.0, pid=7, command="sh", lived_s=0.1, code=0, **where))
        assert before.verdict is PASS, text_of(before)
        assert judging.run_check(name, CHECKS[name], story.history(), judged) == before

    @pytest.mark.parametrize("name", CHECKS)
    def test_no_data_is_never_pass(self, story, judged, name) -> None:
        assert CHECKS[name](story.history(), judged).verdict is INCONCLUSIVE
        assert CHECKS[name](history.History([]), judged).verdict is INCONCLUSIVE

    @pytest.mark.parametrize("name", CHECKS)
    def test_one_mode_alone_is_never_pass_where_two_were_asked_for(
        self, make_story, judged, name
    ) -> None:
        story = make_story(modes=("polling",)).healthy()
        story.events[0] = history.Run(t=0.0, modes=("polling", "webhook"))
        verdict = judging.run_check(name, CHECKS[name], story.history(), judged).verdict
        if name in {"golden", "degradation", "signals"}:  # what was played is right
            assert verdict is PASS
        elif name == "errors":  # half of the load is too little
            assert verdict is INCONCLUSIVE
        else:
            assert verdict is INCONCLUSIVE

    def test_a_check_that_raises_is_an_error(self, story) -> None:
        def broken(_: history.History, __: Judging) -> CheckResult:
            raise ZeroDivisionError("by nothing")

        result = judging.run_check("golden", broken, story.history(), Judging())
        assert result.verdict is ERROR
        assert "ZeroDivisionError: by nothing" in result.evidence
        assert "test_checks.py" in result.evidence[1]

    def test_a_harness_that_failed_is_an_error_above_all(self, story, judged) -> None:
        story.healthy().add(
            history.HarnessError(t=1.0, stack="polling", where="double", message="it is gone")
        )
        results = judging.run_checks(CHECKS, ["boot", "golden"], story.history(), judged)
        assert [(result.check, result.verdict) for result in results] == [
            ("harness", ERROR),
            ("boot", PASS),
            ("golden", PASS),
        ]
        assert results[0].evidence == ("polling: double: it is gone",)

    def test_a_double_that_ended_is_named_before_what_followed_from_it(self, story, judged) -> None:
        who = {"process": "telegram_double", "role": "double", **story.labels("polling")}
        story.add(
            history.HarnessError(t=1.0, where="double", message="Server disconnected"),
            history.ProcessExited(t=1.1, code=-9, expected=False, **who),
            history.HarnessError(t=1.1, where="double", message="ended on its own"),
        )
        result = judging.run_checks(CHECKS, ["boot"], story.history(), judged)[0]
        assert result.measurement == "telegram_double ended on its own with signal SIGKILL"
        assert result.evidence == ("double: Server disconnected", "double: ended on its own")


class TestBoot:
    def test_a_process_that_never_became_ready_fails_with_its_last_lines(
        self, story, judged
    ) -> None:
        who = {"process": "bot", "role": "bot", **story.labels("polling")}
        story.add(
            history.ProcessStarted(t=1.0, pid=1, command=("x",), **who),
            history.ProcessNotReady(t=2.0, after_s=30.0, reason="not ready after 30.0 s", **who),
            history.LogTail(t=2.0, process="bot", lines=("ImportError: nope",), stack="polling"),
        )
        result = boot.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "bot not ready after 30.0 s" in result.measurement
        assert "  ImportError: nope" in result.evidence
        assert any(line.startswith("  do:    install the versions") for line in result.evidence)

    def test_what_went_wrong_alike_in_several_stacks_is_one_finding(self, make_story) -> None:
        story = make_story(modes=("polling", "webhook")).healthy()
        again: dict[str, Any] = {"stack": "polling-again-1", "mode": "polling"}
        for labels in (story.labels("polling"), story.labels("webhook"), again):
            story.add(
                history.ProcessExited(
                    t=9.0, process="prices", role="service", code=-15, expected=True, **labels
                )
            )
        told = {"t": 8.0, "of": "polling", "cases": ("price",), **again}
        story.add(history.PlayedAgain(**told))
        found = boot.check(story.history(), Judging()).evidence
        ended = [line for line in found if "prices ended" in line]
        said = "prices ended with signal SIGTERM on SIGTERM, not 0"
        assert ended == [f"polling, webhook: {said}"]

    def test_a_process_that_ended_without_a_word_is_told_what_to_do(self, story, judged) -> None:
        who = {"process": "bot", "role": "bot", **story.labels("polling")}
        story.add(
            history.ProcessStarted(t=1.0, pid=1, command=("x",), **who),
            history.ProcessNotReady(t=2.0, after_s=0.1, reason="ended with exit code 3", **who),
            history.LogTail(t=2.0, process="bot", lines=(), stack="polling"),
        )
        evidence = boot.check(story.history(), judged).evidence
        assert "  (it wrote nothing)" in evidence
        assert any("run its command by hand" in line for line in evidence)

    @pytest.mark.parametrize(
        ("exit_", "says"),
        [
            ({"code": 1}, "ended with exit code 1 on SIGTERM"),
            ({"code": -11}, "ended with signal SIGSEGV on SIGTERM"),
            ({"killed": True, "code": -9}, "ignored SIGTERM for 10 s"),
            ({"after_s": 10.5}, "took 10.5 s to end"),
            ({"expected": False, "code": -9}, "ended on its own with signal SIGKILL"),
            ({"ready_s": 31.0}, "was ready only after 31.0 s"),
        ],
    )
    def test_a_life_that_is_not_clean_fails(self, story, judged, exit_, says) -> None:
        story.lifetime("polling", **exit_)
        story.lifetime("webhook")
        for mode in story.modes:
            story.case(mode, "price", "text")
        result = boot.check(story.history(), judged)
        assert result.verdict is FAIL
        assert says in text_of(result)

    def test_a_bot_that_answers_nothing_fails(self, story, judged) -> None:
        for mode in story.modes:
            story.lifetime(mode)
            story.case(mode, "price", *([] if mode == "webhook" else ["text"]))
        result = boot.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "webhook: the bot answered none of 1 updates" in result.evidence

    def test_an_update_that_is_never_confirmed_fails(self, story, judged) -> None:
        story.healthy().add(
            history.UpdateInjected(t=500.0, update_id=999, **story.labels("webhook"))
        )
        result = boot.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "webhook: 1 of 4 updates were never confirmed to Telegram" in result.evidence

    def test_an_end_that_was_not_seen_is_inconclusive(self, story, judged) -> None:
        story.healthy()
        story.events = [e for e in story.events if not isinstance(e, history.ProcessExited)]
        assert boot.check(story.history(), judged).verdict is INCONCLUSIVE

    def test_a_mute_bot_shows_what_it_did_instead(self, story, judged) -> None:
        """Its webhook's statuses, its calls and their answers, its health and its log."""
        labels = story.labels("webhook")
        for mode in story.modes:
            story.lifetime(mode)
            story.case(mode, "price", *([] if mode == "webhook" else ["text"]))
        who = {"process": "bot", "role": "bot", **labels}
        story.add(
            history.UpdateDelivered(t=120.0, update_id=2, door="webhook", status=500, **labels),
            history.UpdateDelivered(t=121.0, update_id=2, door="webhook", status=500, **labels),
            history.BotApiCall(
                t=122.0,
                method="sendMessage",
                params={"chat_id": 1002, "text": "<b"},
                status=400,
                error_code=400,
                description="Bad Request: can't parse entities",
                **labels,
            ),
            history.HealthAnswered(
                t=123.0, url="http://bot/health", status=200, body='{"status": "ok"}', **who
            ),
            history.LogTrouble(t=120.1, lines=("Traceback", "KeyError: 'BTC'"), **who),
            history.LogTail(t=124.0, process="bot", lines=("the last words",), **labels),
        )
        result = boot.check(story.history(), judged)
        assert result.verdict is FAIL
        assert result.measurement.startswith("webhook: the bot answered none of 1 updates")
        assert result.measurement.endswith("1 error in the logs")
        for line in (
            "  its webhook answered: HTTP 500 (2 times)",
            "    sendMessage: 400 Bad Request: can't parse entities",
            '  GET http://bot/health meanwhile: 200 {"status": "ok"}',
            "  log of bot: KeyError: 'BTC' (during price)",
            "    the last words",
        ):
            assert line in result.evidence
        assert text_of(result).count("the last words") == 1

    def test_errors_in_the_logs_of_a_bot_that_answers_are_counted_and_shown(
        self, story, judged
    ) -> None:
        story.healthy()
        who = {"process": "bot", "role": "bot", **story.labels("webhook")}
        for at in (1.0, 2.0):
            story.add(history.LogTrouble(t=at, lines=("coroutine was never awaited",), **who))
        asked = [e for e in story.events if isinstance(e, history.CasePlayed)]
        at = next(case.t for case in asked if (case.mode, case.case) == ("webhook", "price"))
        story.add(history.LogTrouble(t=at + 0.2, lines=("KeyError: 'BTC'",), **who))
        result = boot.check(story.history(), judged)
        assert result.verdict is PASS
        assert "3 errors in the logs" in result.measurement
        assert "  log of bot: KeyError: 'BTC' (during price)" in result.evidence
        assert "  log of bot: coroutine was never awaited (2 times)" in result.evidence

    def test_the_headline_is_the_worst_problem(self, story, judged) -> None:
        for mode in story.modes:
            story.lifetime(mode, after_s=11.0)
            story.case(mode, "price")
        measured = boot.check(story.history(), judged).measurement
        assert measured.startswith("polling, webhook: the bot answered none of 1 updates (and ")


class TestGolden:
    @pytest.mark.parametrize(
        ("replies", "wanted", "says"),
        [
            ((), 1, "price (polling): was never answered"),
            (("⏳ wait",), 1, "price (polling): was never answered"),
            (("one",), 2, "price (polling): only 1 of 2 messages of the answer came"),
            (("one", "two"), 1, "price (polling): 2 messages came where the answer has 1"),
        ],
    )
    def test_an_incomplete_answer_fails_although_it_was_approved(
        self, story, judging, replies, wanted, says
    ) -> None:
        story.case("polling", "price", *replies, wanted=wanted)
        story.events[0] = history.Run(t=0.0, modes=("polling",))
        (received,) = golden_files.received(story.history(), judging).values()
        judged = Judging(judging.budgets, judging.rules, {"price": received.texts["polling"]})
        result = golden.check(story.history(), judged)
        assert result.verdict is FAIL
        assert any(line.startswith(says) for line in result.evidence)

    def test_a_reply_that_is_missing_before_anything_is_approved_fails(
        self, story, judging
    ) -> None:
        for mode in story.modes:
            story.case(mode, "price", "text")
            story.case(mode, "mute")
        result = golden.check(story.history(), judging)
        assert result.verdict is FAIL
        assert result.measurement == "2 of 4 replies never came as a whole"

    def test_a_second_message_that_differs_is_a_difference(self, story, judging) -> None:
        """Not only the first message of an answer is compared."""
        approved = {"price": "you: /price BTC\n--- message (HTML)\none\n--- message (HTML)\ntwo\n"}
        story.case("polling", "price", "one", "other", wanted=2)
        story.events[0] = history.Run(t=0.0, modes=("polling",))
        judged = Judging(judging.budgets, judging.rules, approved)
        result = golden.check(story.history(), judged)
        assert result.verdict is FAIL
        assert {"-two", "+other"} <= set(result.evidence)

    def test_messages_in_another_order_are_a_difference(self, story, judging) -> None:
        approved = {"price": "you: /price BTC\n--- message (HTML)\none\n--- message (HTML)\ntwo\n"}
        story.case("polling", "price", "two", "one", wanted=2)
        story.events[0] = history.Run(t=0.0, modes=("polling",))
        judged = Judging(judging.budgets, judging.rules, approved)
        assert golden.check(story.history(), judged).verdict is FAIL

    def test_what_is_wrong_is_counted_by_what_it_is(self, story, judging, approved) -> None:
        story.case("polling", "price", "<b>BTC</b> 2")
        story.case("polling", "start", say="/start")
        story.case("polling", "edited", "I saw that!", expect="silence")
        story.events[0] = history.Run(t=0.0, modes=("polling",))
        judged = Judging(judging.budgets, judging.rules, {**approved, "old": "you: /old\n"})
        assert golden.check(story.history(), judged).measurement == (
            "1 of 2 replies differ, 1 of 2 replies never came as a whole, 1 silences were broken, "
            "1 approved files belong to no case"
        )

    def test_an_acknowledgement_that_is_to_stay_is_left_out_beside_its_answer(self, story) -> None:
        rules = ReplyRules.of(Replies(acknowledgement="^⏳", acknowledgement_stays=True))
        story.case("polling", "price", "⏳ wait", "text")
        (received,) = golden_files.received(story.history(), Judging(rules=rules)).values()
        assert received.texts == {"polling": "you: /price BTC\n--- message (HTML)\ntext\n"}
        assert not received.refused


class TestWhy:
    """Where a reply is missing the evidence says why."""

    @pytest.fixture
    def missing(self, story, judging):
        """The evidence about one case that stayed unanswered, with more events."""

        def evidence(*events: history.Event) -> str:
            story.case("webhook", "price")
            story.add(*events)
            return text_of(golden.check(story.history(), judging))

        return evidence

    def test_a_refused_call_is_told_in_telegrams_words(self, story, missing) -> None:
        refused = history.BotApiCall(
            t=111.0,
            method="sendMessage",
            params={"chat_id": 1001, "text": "<b"},
            status=400,
            error_code=400,
            description="Bad Request: can't parse entities: at byte 41",
            **story.labels("webhook"),
        )
        said = missing(refused, refused)
        assert "sendMessage: 400 Bad Request: can't parse entities: at byte 41 (2 times)" in said

    def test_a_reply_in_another_chat_is_told(self, story, missing) -> None:
        params = {"chat_id": 77, "text": "BTC 1"}
        stray = story.call("webhook", "sendMessage", params, 111.0, {"message_id": 9})
        assert "sendMessage went to chat 77, in which nobody had asked: 'BTC 1'" in missing(stray)

    def test_the_statuses_of_the_webhook_are_told(self, story, missing) -> None:
        labels = story.labels("webhook")
        tries = [
            history.UpdateDelivered(
                t=111.0 + n, update_id=1, door="webhook", attempt=n + 1, status=status, **labels
            )
            for n, status in enumerate((500, 500, 200))
        ]
        assert "its webhook answered HTTP 500 (2 times), then HTTP 200" in missing(*tries)

    def test_the_traceback_of_that_time_is_shown(self, story, missing) -> None:
        who = {"process": "bot", "role": "bot", **story.labels("webhook")}
        near = history.LogTrouble(t=111.0, lines=("Traceback", "KeyError: 'BTC'"), **who)
        far = history.LogTrouble(t=500.0, lines=("ValueError: later",), **who)
        said = missing(near, far)
        assert "log of bot, 1.0 s later:" in said
        assert "KeyError: 'BTC'" in said
        assert "later" not in said.replace("s later:", "")

    def test_where_nothing_is_known_that_is_said(self, missing) -> None:
        assert "took the update from Telegram and called nothing for this chat" in missing()


class TestTexts:
    def test_colours_in_what_a_bot_says_do_not_reach_the_reader(self, story, judged) -> None:
        story.case("polling", "price", "\x1b[31mred\x1b[0m")
        (result,) = judging.run_checks(CHECKS, ["golden"], story.history(), judged)
        assert "\x1b" not in text_of(result)


class TestGoldenDiffs:
    def test_a_changed_reply_fails_with_a_readable_diff(self, story, judged) -> None:
        story.case("polling", "price", "<b>BTC</b> 2")
        story.case("polling", "start", "Welcome", say="/start")
        story.events[0] = history.Run(t=0.0, modes=("polling",))
        result = golden.check(story.history(), judged)
        assert result.verdict is FAIL
        assert result.evidence == (
            "price (polling)",
            "price (polling):",
            "--- golden/price.txt (approved)",
            "+++ price (received in polling)",
            "@@ -1,3 +1,3 @@",
            " you: /price BTC",
            " --- message (HTML)",
            "-<b>BTC</b> 1",
            "+<b>BTC</b> 2",
        )

    def test_what_differs_in_the_same_lines_is_shown_once(self, story, judged) -> None:
        for mode in story.modes:
            story.case(mode, "price", "<b>BTC</b> 2")
            story.case(mode, "start", f"Welcome to {mode}", say="/start")
        result = golden.check(story.history(), judged)
        assert result.measurement == "4 of 4 replies differ"
        assert result.evidence.count("+<b>BTC</b> 2") == 1
        assert "the same lines differ in price (webhook)" in result.evidence
        assert "+Welcome to polling" in result.evidence
        assert "+Welcome to webhook" in result.evidence

    def test_long_replies_that_differ_only_in_the_middle_are_not_the_same(
        self, story, judging
    ) -> None:
        approved = {"price": "you: /price BTC\n--- message (HTML)\nnothing\n"}
        lines = [f"line {number}" for number in range(60)]
        for mode in story.modes:
            story.case(mode, "price", "\n".join([*lines[:30], mode, *lines[30:]]))
        judged = Judging(judging.budgets, judging.rules, approved)
        evidence = golden.check(story.history(), judged).evidence
        assert "price (webhook):" in evidence
        assert not any("the same lines" in line for line in evidence)

    def test_evidence_that_is_cut_off_says_where_the_rest_is(self, story, judging) -> None:
        approved = {f"case-{n}": "you: /price BTC\n--- message (HTML)\nx\n" for n in range(40)}
        for number in range(40):
            story.case("polling", f"case-{number}", f"another {number}")
        judged = Judging(judging.budgets, judging.rules, approved)
        evidence = golden.check(story.history(), judged).evidence
        assert len(evidence) == 101
        assert evidence[-1].endswith("more lines; all of them: botproof golden diff")
        assert "… and 28 more" in evidence[0]

    def test_a_reply_that_never_came_fails(self, story, judged) -> None:
        story.healthy().case("polling", "price")
        result = golden.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "+--- nothing" in result.evidence

    def test_a_case_without_an_approved_file_fails(self, story, judged) -> None:
        story.healthy().case("polling", "new-case", "text")
        result = golden.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "new-case (polling): has no approved file" in text_of(result)

    def test_nothing_approved_yet_is_inconclusive(self, story, judging) -> None:
        result = golden.check(story.healthy().history(), judging)
        assert result.verdict is INCONCLUSIVE
        assert "botproof golden approve" in text_of(result)

    def test_an_approved_file_that_nothing_uses_fails(self, story, judging, approved) -> None:
        more = Judging(judging.budgets, judging.rules, {**approved, "old": "you: /old\n"})
        result = golden.check(story.healthy().history(), more)
        assert result.verdict is FAIL
        assert "golden/old.txt: no case uses it" in text_of(result)

    def test_broken_silence_fails(self, story, judged) -> None:
        story.healthy().case("webhook", "edited", "I saw that!", expect="silence")
        result = golden.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "edited (webhook): must stay unanswered" in text_of(result)
        assert "I saw that!" in text_of(result)


class TestWhatTheBotTellsOfItself:
    """Its menu of commands has an approved file of its own."""

    MENU: ClassVar[list[dict[str, str]]] = [
        {"command": "price", "description": "what it costs"},
        {"command": "help", "description": "what I can do"},
    ]
    APPROVED = "the bot of itself\n--- setMyCommands\n/price what it costs\n/help what I can do\n"

    def tell(self, story: Any, **params: Any) -> History:
        story.healthy()
        for mode in ("polling", "webhook"):
            story.add(story.call(mode, "setMyCommands", params, 1.0))
        record: History = story.history()
        return record.counted()

    @pytest.mark.parametrize("commands", [MENU, json.dumps(MENU)])
    def test_the_approved_menu_passes(self, story, judged, commands: Any) -> None:
        judged.approved["_bot"] = self.APPROVED
        record = self.tell(story, commands=commands, scope={"type": "default"})
        assert golden.check(record, judged).verdict is PASS

    @pytest.mark.parametrize("menu", [MENU[:1], [MENU[1], MENU[0]], []])
    def test_another_menu_fails_and_is_shown(self, story, judged, menu: Any) -> None:
        judged.approved["_bot"] = self.APPROVED
        result = golden.check(self.tell(story, commands=menu), judged)
        assert result.verdict is FAIL
        assert "_bot (polling): what the bot tells of itself" in text_of(result)
        assert "golden/_bot.txt (approved)" in text_of(result)

    def test_what_was_approved_is_put_by_the_rules_of_today(self, story, judged) -> None:
        judged.approved["_bot"] = self.APPROVED
        rules = ReplyRules(normalisers=((re.compile("what it costs"), "<price>"),))
        record = self.tell(story, commands=self.MENU)
        assert golden.check(record, replace(judged, rules=rules)).verdict is PASS

    def test_no_menu_where_one_is_approved_fails(self, story, judged) -> None:
        judged.approved["_bot"] = self.APPROVED
        result = golden.check(story.healthy().history().counted(), judged)
        assert result.verdict is FAIL
        assert "-/price what it costs" in text_of(result)

    def test_another_menu_fails_where_no_case_can_be_judged(self, story, judged) -> None:
        judged.approved["_bot"] = self.APPROVED
        record = self.tell(story, commands=self.MENU[:1])
        played = set(map(id, record.of(history.CasePlayed)))
        left = History(event for event in record if id(event) not in played)
        assert golden.check(left, judged).verdict is FAIL

    def test_a_menu_that_nobody_has_approved_fails(self, story, judged) -> None:
        result = golden.check(self.tell(story, commands=self.MENU), judged)
        assert "_bot (polling): has no approved file" in text_of(result)

    def test_it_is_approved_with_the_replies(self, story, judged) -> None:
        told = received(self.tell(story, commands=self.MENU), judged)
        assert set(told["_bot"].texts.values()) == {self.APPROVED}

    def test_the_last_call_for_the_same_people_counts(self, story, judged) -> None:
        story.add(story.call("polling", "setMyCommands", {"commands": self.MENU}, 1.0))
        story.add(story.call("polling", "deleteMyCommands", {}, 2.0))
        for name in ("one", "two"):
            params = {"name": name, "language_code": "de"}
            story.add(story.call("polling", "setMyName", params, 3.0))
        assert own_settings(story.history(), "polling", judged.rules) == (
            'the bot of itself\n--- setMyName {"language_code": "de"}\nname: two\n'
        )


class TestParity:
    def test_lines_that_differ_are_shown_side_by_side(self, story, judged) -> None:
        story.case("polling", "price", "head\nintelligence: BUYERS\ntail")
        story.case("webhook", "price", "head\ntail")
        result = parity.check(story.history(), judged)
        assert result.verdict is FAIL
        assert result.measurement == "1 of 1 cases differ between modes"
        assert result.evidence[0] == "price: /price BTC"
        assert result.evidence[1].split("|") == [f"  {'polling':<48} ", " webhook"]
        differing = [line for line in result.evidence if "intelligence" in line]
        assert [line.split("|")[0].strip() for line in differing] == ["intelligence: BUYERS"]
        assert differing[0].rstrip().endswith("|")

    @pytest.mark.parametrize(
        ("params", "said"),
        [
            ({"reply_parameters": '{"message_id": 7}'}, "as a reply"),
            ({"reply_to_message_id": "7"}, "as a reply"),
            ({"link_preview_options": {"is_disabled": True}}, "without previews"),
            ({"disable_web_page_preview": "true"}, "without previews"),
        ],
    )
    def test_how_a_message_is_shown_is_compared(
        self, story, judged, params: dict[str, object], said: str
    ) -> None:
        for mode, more in (("polling", params), ("webhook", {})):
            story.case(mode, "price")
            story.sent(mode, 1000 + story.next_update - 1, "text", story.clock + 0.1, **more)
        result = parity.check(story.history(), judged)
        assert result.verdict is FAIL
        assert said in text_of(result)

    def test_an_answer_that_one_mode_never_sends_fails(self, story, judged) -> None:
        story.case("polling", "price", "text")
        story.case("webhook", "price")
        result = parity.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "--- nothing" in text_of(result)

    def test_all_cases_that_differ_are_named_first_and_the_whole_is_in_a_file(
        self, story, judged
    ) -> None:
        for number in range(30):
            text = "\n".join(f"line {line}" for line in range(40))
            story.case("polling", f"case-{number}", text)
            story.case("webhook", f"case-{number}", text.replace("line", "row"))
        result = parity.check(story.history(), judged)
        assert result.measurement == "30 of 30 cases differ between modes"
        names = "\n".join(result.evidence).partition("\n\n")[0]
        assert all(f"case-{number}" in names for number in range(30))
        assert len(result.evidence) < 130
        assert result.files[parity.FILE].count("line 39") == 30

    def test_what_concerns_the_whole_bot_is_no_case(self, story, judged) -> None:
        story.healthy()
        story.add(story.call("polling", "setMyCommands", {"commands": ["price"]}, 1.0))
        measured = parity.check(story.history().counted(), judged).measurement
        assert measured == "what concerns the whole bot differs"

    def test_modes_that_are_mute_alike_are_not_the_same(self, story, judged) -> None:
        story.case("polling", "price")
        story.case("webhook", "price")
        result = parity.check(story.history(), judged)
        assert result.verdict is INCONCLUSIVE
        assert result.measurement == "no mode answered anything"

    def test_whether_an_acknowledgement_was_sent_does_not_matter(self, story, judged) -> None:
        story.case("polling", "price", "text")
        story.case("webhook", "price", "text", acknowledged="⏳ wait")
        assert parity.check(story.history(), judged).verdict is PASS

    def test_an_acknowledgement_that_was_never_edited_does(self, story, judged) -> None:
        story.case("polling", "price", "text")
        story.case("webhook", "price", "⏳ wait")
        assert parity.check(story.history(), judged).verdict is FAIL

    def test_calls_that_concern_the_whole_bot_are_compared(self, story, judged) -> None:
        story.healthy()
        for mode, commands in (("polling", ["price", "help"]), ("webhook", ["price"])):
            story.add(story.call(mode, "setMyCommands", {"commands": commands}, 1.0))
            story.add(story.call(mode, "setWebhook", {"url": mode}, 1.0))
        result = parity.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "setMyCommands" in text_of(result)
        assert "setWebhook" not in text_of(result)

    @given(left=st.text("ab \n", max_size=200), right=st.text("ab \n", max_size=200))
    def test_two_columns_hold_every_line_that_differs(self, left: str, right: str) -> None:
        rows = parity.two_columns(left, right, ("one", "two"), width=20)
        only_left = set(left.splitlines()) - set(right.splitlines())
        shown = " ".join(row.split("|")[0].strip() for row in rows)
        # rows are folded at the width, and indentation takes part of the first one
        assert all(line[:20].strip() in shown for line in only_left)
        assert all(len(row.split("|")[0]) == 23 for row in rows)


class TestLatency:
    def test_a_late_reply_fails_and_is_named(self, story, judged) -> None:
        story.healthy().case("webhook", "slow", "text", after_s=2.5)
        result = latency.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "slow (webhook) /price BTC: 2.50 s" in result.evidence

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
        assert result.measurement.startswith("1 replies late and 30 missing, of 31")
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


class TestReplies:
    def test_deleted_messages_are_gone_and_buttons_are_shown(self, story, judged) -> None:
        story.case("polling", "price")
        chat, at = 1001, story.clock + 0.5
        gone = story.sent("polling", chat, "oops", at)
        markup = (
            '{"inline_keyboard":[[{"text":"More","callback_data":"m"},{"text":"Web","url":"u"}]]}'
        )
        story.sent("polling", chat, "kept", at, reply_markup=markup)
        story.add(
            story.call("polling", "deleteMessage", {"chat_id": chat, "message_id": gone}, at + 1)
        )
        answer = replies.read_turns(story.history(), judged.rules)["polling"]["price"]
        assert replies.render(answer, judged.rules) == (
            "you: /price BTC\n--- message (HTML)\nkept\n[More → m]  [Web → u]\n"
        )

    def test_a_message_that_makes_no_sound_says_so(self, story, judged) -> None:
        story.case("polling", "price")
        manners = {"disable_notification": True, "protect_content": "true"}
        story.sent("polling", 1001, "hush", story.clock + 0.5, **manners)
        answer = replies.read_turns(story.history(), judged.rules)["polling"]["price"]
        said = replies.render(answer, judged.rules)
        assert "--- message (HTML) silent not to be forwarded\nhush\n" in said

    def test_calls_that_failed_are_not_seen(self, story, judged) -> None:
        story.case("polling", "price")
        story.add(
            history.BotApiCall(
                t=story.clock + 0.2,
                method="sendMessage",
                params={"chat_id": 1001, "text": "lost"},
                status=429,
                error_code=429,
                **story.labels("polling"),
            )
        )
        answer = replies.read_turns(story.history(), judged.rules)["polling"]["price"]
        assert answer.messages == []
