"""Golden files and parity on hand-written histories: what must pass, fail, and stay open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof import history
from botproof.chats import ReplyRules
from botproof.checks import (
    golden,
    golden_files,
    judging,
    parity,
)
from botproof.checks.judging import Judging
from botproof.checks.registry import CHECKS
from botproof.config import Replies
from botproof.verdict import Verdict
from contract_tests.gate.evidence import text_of

PASS, FAIL, INCONCLUSIVE, ERROR = Verdict


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
        assert result.measurement == (
            "2 of 4 replies never came as a whole: mute (polling), mute (webhook)"
        )

    def test_replies_that_read_like_errors_are_named_before_anything_is_approved(
        self, story, judging
    ) -> None:
        for mode in story.modes:
            story.case(mode, "price", "BTC: 91,210.46")
            story.case(mode, "start", "Hello Robin undefined")
        result = golden.check(story.history(), judging)
        assert result.verdict is INCONCLUSIVE
        assert result.measurement == "4 replies, but none is approved yet; 1 reads like an error"
        assert result.evidence[0] == "start: Hello Robin undefined"

    def test_what_an_exchange_refused_stands_beside_a_reply_that_reads_like_an_error(
        self, story, judging
    ) -> None:
        story.case("polling", "price", "Error: no price")
        end = story.events[-1].t
        story.events.append(
            history.VenueCall(
                t=end,
                venue="binance",
                path="/spot/api/v3/avgPrice",
                query={"symbol": "BTCRUB"},
                status=400,
                stack="polling",
            )
        )
        result = golden.check(story.history(), judging)
        assert result.evidence[0] == (
            "price: Error: no price (meanwhile the double of binance answered 400 to "
            "/spot/api/v3/avgPrice?symbol=BTCRUB)"
        )

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
            "1 of 2 replies differs: price (polling); "
            "1 of 2 replies never came as a whole: start (polling); "
            "1 silence was broken: edited (polling); "
            "1 approved file belongs to no case: golden/old.txt"
        )

    def test_a_bot_that_was_never_asked_anything_has_no_reply_that_differs(
        self, story, judging, approved
    ) -> None:
        """As when the machine has no room left for the doubles: nothing is known about the bot."""
        story.lifetime("polling")
        story.events[0] = history.Run(t=0.0, modes=("polling",))
        own = "the bot of itself\n--- setMyCommands\n/price the price\n"
        judged = Judging(judging.budgets, judging.rules, {**approved, "_bot": own})
        result = golden.check(story.history(), judged)
        assert (result.verdict, result.measurement) == (INCONCLUSIVE, "no reply was recorded")

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

    def test_the_same_line_at_another_time_is_told_once_with_how_often(
        self, story, missing
    ) -> None:
        who = {"process": "bot", "role": "bot", **story.labels("webhook")}
        logged = [
            history.LogTrouble(t=111.0, lines=(f"12:00:0{n},{n}07 ERROR no database",), **who)
            for n in range(3)
        ]
        said = missing(*logged)
        assert "log of bot, 1.0 s later, 3 times:" in said
        assert said.count("no database") == 1

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
        assert result.measurement == (
            "4 of 4 replies differ: price (polling), start (polling) and 2 more"
        )
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


class TestParity:
    def test_lines_that_differ_are_shown_side_by_side(self, story, judged) -> None:
        story.case("polling", "price", "head\nintelligence: BUYERS\ntail")
        story.case("webhook", "price", "head\ntail")
        result = parity.check(story.history(), judged)
        assert result.verdict is FAIL
        assert result.measurement == "1 of 1 case differs between modes: price"
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

    @pytest.mark.parametrize("mode", ["polling", "webhook"])
    def test_a_case_that_only_one_mode_played_is_a_difference(self, story, judged, mode) -> None:
        for each in ("polling", "webhook"):
            story.case(each, "start", "Welcome", say="/start")
        story.case(mode, "price", "text")
        result = parity.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "(never sent)" in text_of(result)

    def test_a_third_mode_is_compared_with_the_first(self, story, judged) -> None:
        story.modes = ("polling", "webhook", "lambda")
        for mode in story.modes:
            story.case(mode, "price", "other" if mode == "lambda" else "text")
        result = parity.check(story.history(), judged)
        assert result.verdict is FAIL
        assert result.measurement == "1 of 1 case differs between modes: price"
        assert "lambda" in text_of(result)

    def test_buttons_of_every_row_are_compared(self, story, judged) -> None:
        rows = [[{"text": "1h", "callback_data": "price BTC 1h"}]]
        more = [*rows, [{"text": "Refresh", "callback_data": "price BTC"}]]
        for mode, keyboard in (("polling", more), ("webhook", rows)):
            story.case(mode, "price")
            chat, at = 1000 + story.next_update - 1, story.clock + 0.1
            story.sent(mode, chat, "text", at, reply_markup={"inline_keyboard": keyboard})
        result = parity.check(story.history(), judged)
        assert result.verdict is FAIL
        assert "[Refresh → price BTC]" in text_of(result)

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
        assert result.measurement == (
            "30 of 30 cases differ between modes: case-0, case-1 and 28 more"
        )
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
