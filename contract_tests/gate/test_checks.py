"""Each check on hand-written histories: what it must pass, fail, and not be able to say."""

import json
import re
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from botproof import history
from botproof.chats import ReplyRules
from botproof.checks import (
    boot,
    golden,
    judging,
    replies,
)
from botproof.checks.golden_files import received
from botproof.checks.judging import Judging
from botproof.checks.own_settings import own_settings
from botproof.checks.registry import CHECKS
from botproof.history import History
from botproof.verdict import CheckResult, Verdict
from contract_tests.gate.evidence import text_of

PASS, FAIL, INCONCLUSIVE, ERROR = Verdict


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

    def test_a_document_that_both_of_its_budgets_come_from_is_named_once(self, story) -> None:
        result = boot.check(story.history(), Judging())
        assert result.source.count("docs/botproof-toml.md") == 1, result.source

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

    def test_an_end_with_code_143_is_told_as_a_jvms(self, story) -> None:
        """OpenJDK's Terminator ends with 128 + the signal, after all shutdown hooks, too."""
        story.lifetime("polling", code=143)
        found = boot.check(story.history(), Judging())
        assert found.verdict is Verdict.FAIL
        assert "ended with exit code 143 on SIGTERM, not 0: a JVM ends so" in found.measurement

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
        assert "webhook: the bot answered none of 1 update" in result.evidence

    def test_an_update_that_is_never_confirmed_fails(self, story, judged) -> None:
        story.healthy().add(
            history.UpdateInjected(t=500.0, update_id=999, **story.labels("webhook"))
        )
        result = boot.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "webhook: 1 of 4 updates was never confirmed to Telegram" in result.evidence

    @pytest.mark.parametrize(("before_s", "verdict"), [(0.05, PASS), (5.0, FAIL)])
    def test_what_was_handed_over_as_the_stop_came_is_not_held_against_the_bot(
        self, story, judged, before_s, verdict
    ) -> None:
        """It would have confirmed it by the next call that asks for more."""
        labels = story.healthy().labels("polling")
        story.add(
            history.UpdateInjected(t=600.0 - before_s, update_id=999, **labels),
            history.UpdateDelivered(t=600.0 - before_s, update_id=999, door="polling", **labels),
            history.StopRequested(t=600.0, process="bot", role="bot", signal="SIGTERM", **labels),
        )
        assert boot.check(story.history(), judged).verdict is verdict

    def test_a_bot_that_a_question_ended_is_told_with_what_it_had_not_answered(
        self, story, judged
    ) -> None:
        labels = story.healthy().labels("polling")
        for number, text in enumerate(("/price", "/destroy"), start=900):
            sent = {"message": {"text": text}}
            asked: dict[str, Any] = {
                "case": text[1:],
                "update_id": number,
                "chat_id": number,
                "expect": "reply",
            }
            story.add(history.CasePlayed(t=699.0, sent=sent, **asked, **labels))
        answer = {"chat_id": 900, "text": "95,000"}
        story.add(
            history.BotApiCall(
                t=699.5, method="sendMessage", params=answer, status=200, result={}, **labels
            ),
            history.ProcessExited(
                t=700.0, process="bot", role="bot", code=1, expected=False, **labels
            ),
        )
        evidence = boot.check(story.history(), judged).evidence
        assert "polling: when it ended, it had not answered '/destroy'" in evidence

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
        assert result.measurement.startswith("webhook: the bot answered none of 1 update")
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
        assert measured.startswith("polling, webhook: the bot answered none of 1 update (and ")


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

    @pytest.mark.parametrize("other", ["polling", "webhook"])
    def test_another_menu_in_one_mode_is_told_of_that_mode(self, story, judged, other: str) -> None:
        judged.approved["_bot"] = self.APPROVED
        story.healthy()
        for mode in ("polling", "webhook"):
            menu = self.MENU[:1] if mode == other else self.MENU
            story.add(story.call(mode, "setMyCommands", {"commands": menu}, 1.0))
        result = golden.check(story.history().counted(), judged)
        assert result.verdict is FAIL
        assert f"_bot ({other}): what the bot tells of itself" in text_of(result)

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
        answer = replies.settled_turns(story.history(), judged.rules)["polling"]["price"]
        assert replies.render(answer, judged.rules) == (
            "you: /price BTC\n--- message (HTML)\nkept\n[More → m]  [Web → u]\n"
        )

    def test_a_message_that_makes_no_sound_says_so(self, story, judged) -> None:
        story.case("polling", "price")
        manners = {"disable_notification": True, "protect_content": "true"}
        story.sent("polling", 1001, "hush", story.clock + 0.5, **manners)
        answer = replies.settled_turns(story.history(), judged.rules)["polling"]["price"]
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
        answer = replies.settled_turns(story.history(), judged.rules)["polling"]["price"]
        assert answer.messages == []
