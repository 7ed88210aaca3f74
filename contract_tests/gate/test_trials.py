"""The checks security, degradation and signals on hand-written histories, and what feeds them."""

import json
import os
import subprocess
import sys
from typing import Any

import msgspec
import pytest

from botproof import history
from botproof.checks import degradation, security
from botproof.checks.figures import figures, is_zero, labelled, skeleton, telling
from botproof.checks.judging import Judging, run_checks
from botproof.checks.registry import CHECKS
from botproof.config import Degradation, parse_config
from botproof.doubles.exchanges.coins import COINS
from botproof.doubles.exchanges.faults import ExchangeFault, apply
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import MINUTE
from botproof.doubles.messages import json_response
from botproof.history import Degraded, History, PortsSeen, Run, SecretSeen, SecurityAsked
from botproof.starvation import KEPT
from botproof.verdict import CheckResult, Verdict
from botproof.workloads.expectation import lacking, shortcoming
from botproof.workloads.naming import naming_symbols, with_symbol

LABELS: dict[str, Any] = {"stack": "webhook", "mode": "webhook"}


BALANCE = "0.1500 BTC · free 0.1250 BTC\n2,500.50 USDT"


class TestFigures:
    def test_figures_are_numbers_without_dates_times_and_markup(self) -> None:
        text = "<b>$91,210.46</b> at 2026-01-01 09:07:12 UTC, \N{MINUS SIGN}0.82%"
        assert figures(text) == ["91210.46", "-0.82"]

    def test_only_figures_that_hardly_stand_by_chance_are_telling(self) -> None:
        assert telling("7 of 24 have 2,500.50 and 0.125") == {"2500.50", "0.125"}

    def test_lines_are_known_by_their_words(self) -> None:
        (label, line, found) = next(labelled(["24h change: 🔴 -0.82% (-$755.76)"]))
        assert (label, found) == ("h change", ["-0.82", "-755.76"])
        assert line.startswith("24h change")

    def test_a_zero_is_a_zero_however_it_is_written(self) -> None:
        assert all(map(is_zero, ("0", "0.00", "-0.0", "000")))
        assert not is_zero("0.01")

    def test_a_skeleton_leaves_out_what_changes(self) -> None:
        assert skeleton("Free: 12.5 BTC") == skeleton("Free: 7 BTC") != skeleton("Refused")


def asked(**fields: Any) -> SecurityAsked:
    given: dict[str, Any] = {"who": "a stranger", "path": "a message", "text": "/balance"}
    given |= LABELS | fields
    return SecurityAsked(
        t=1.0, figures=tuple(telling("\n".join(fields.get("answers", ())))), **given
    )


def judge_security(*events: history.Event) -> CheckResult:
    operator = asked(who="the operator", operator=True, private=True, answers=(BALANCE,))
    seen = PortsSeen(t=2.0, listening=("127.0.0.1:5000 (bot)",), searched=("replies",), **LABELS)
    run = Run(t=0.0, modes=("webhook",))
    return security.check(History([run, operator, seen, *events]), Judging())


class TestSecurity:
    def test_a_refusal_passes_whatever_its_words_and_ids_are(self) -> None:
        result = judge_security(asked(answers=("🔒 Private. Your id is 1710000001.",)), asked())
        assert result.verdict is Verdict.PASS, result

    @pytest.mark.parametrize(
        "answer", [BALANCE, f"Here you are: {BALANCE}", BALANCE.replace("0.1500", "0.1700")]
    )
    def test_the_operators_figures_in_an_answer_are_a_leak(self, answer: str) -> None:
        result = judge_security(
            asked(who="a guest (group)", path="a tap on an old button", answers=(answer,))
        )
        assert result.verdict is Verdict.FAIL
        assert "a guest (group) was told what is the operator's: /balance by a tap" in (
            result.measurement
        )

    @pytest.mark.parametrize(
        ("answer", "verdict"),
        [
            ("You were asked for 2,500.50 at 91,210.46.", Verdict.FAIL),
            ("You were asked for 2,500.50.", Verdict.PASS),
        ],
    )
    def test_two_of_the_operators_figures_in_other_words_are_no_chance(
        self, answer: str, verdict: Verdict
    ) -> None:
        own = "Entry 91,210.46, mark 91,333.25, size 0.125, value 2,500.50"
        operator = asked(who="the operator", operator=True, text="/positions", answers=(own,))
        stranger = asked(text="/positions", answers=(answer,))
        assert judge_security(operator, stranger).verdict is verdict

    def test_the_only_figure_of_the_operator_is_enough(self) -> None:
        operator = asked(who="the operator", operator=True, text="/pnl", answers=("Net 96.93",))
        stranger = asked(text="/pnl", answers=("The week brought 96.93 so far.",))
        result = judge_security(operator, stranger)
        assert result.verdict is Verdict.FAIL
        assert "the figures 96.93 of the operator's answer" in result.measurement

    def test_the_operators_words_with_other_figures_are_a_leak_too(self) -> None:
        moved = "0.9911 BTC · free 0.7711 BTC\n8,111.99 USDT"
        result = judge_security(asked(answers=(moved,)))
        assert result.verdict is Verdict.FAIL
        assert "his words of the operator's answer" in result.measurement

    def test_every_answer_that_the_operator_was_given_is_his(self) -> None:
        """He asks in each mode: his figures have moved on, and a stranger's are those of before."""
        later = asked(who="the operator", operator=True, answers=("0.1600 BTC · free 0.1300 BTC",))
        result = judge_security(later, asked(answers=(f"Your account: {BALANCE}",)))
        assert result.verdict is Verdict.FAIL

    def test_an_operator_who_is_refused_himself_proves_nothing(self) -> None:
        refused = asked(who="the operator", operator=True, text="/pnl", answers=("No account",))
        result = judge_security(refused, asked(text="/pnl", answers=("No account",)))
        assert result.verdict is Verdict.INCONCLUSIVE
        assert "answered to the operator without figures" in result.measurement

    def test_a_secret_is_named_with_its_place(self) -> None:
        seen = SecretSeen(
            t=1.0, secret="bot token", place="the log of bot", line="GET •••", **LABELS
        )
        result = judge_security(seen)
        assert result.verdict is Verdict.FAIL
        assert "the secret bot token stands in the log of bot" in result.measurement

    def test_a_port_that_nobody_declared_is_named(self) -> None:
        """Whichever look it was that found it: `judge_security` has one before that found none."""
        result = judge_security(PortsSeen(t=3.0, beyond=("0.0.0.0:9090 (bot)",), **LABELS))
        assert result.verdict is Verdict.FAIL
        assert "0.0.0.0:9090 (bot) listens, and botproof.toml declares no such port" in (
            result.measurement
        )

    def test_without_a_look_nothing_is_proved(self) -> None:
        result = security.check(History([Run(t=0.0, modes=("webhook",))]), Judging())
        assert result.verdict is Verdict.INCONCLUSIVE


CLEAN = ("Price: $91,210.46\n24h change: -0.82%\nVolume: 21,702 BTC",)


REFUSED = ("⚠️ No exchange could answer. Try again in a minute.",)


def bad(**fields: Any) -> Degraded:
    given: dict[str, Any] = {
        "stage": "part",
        "fault": "half of all figures are NaN",
        "text": "/price BTC",
        "answers": REFUSED,
        "clean": CLEAN,
        "reply_s": 0.5,
        "since_s": 1.0,
    }
    return Degraded(t=1.0, **{**given, **LABELS, **fields})


def judge_bad(*events: Degraded, **settings: Any) -> CheckResult:
    judging = Judging(degradation=msgspec.convert(settings, Degradation))
    return degradation.check(History([bad(stage="gone"), *events]), judging)


class TestDegradation:
    def test_saying_that_nothing_is_known_passes(self) -> None:
        assert judge_bad(bad(), bad(stage="back", answers=CLEAN)).verdict is Verdict.PASS

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            ("Price: $0.00\nVolume: 21,702 BTC", "a zero was invented: 'Price: $0.00'"),
            ("24h change: 0.00%", "a zero was invented: '24h change: 0.00%'"),
            ("Volume: 0 BTC", "a zero was invented"),
            ("Price: $nan", "says '$nan' where a figure belongs"),
            ("Price: None", "says 'None' where a figure belongs"),
            ("Price: undefined", "says 'undefined'"),
            ("Price: Infinity", "says 'Infinity'"),
            ("Error: KeyError: 'lastPrice'", "shows 'KeyError'"),
            ("Traceback (most recent call last):", "shows 'Traceback"),
            ("Sorry: <!DOCTYPE html><html>", "shows '<!DOCTYPE html'"),
            ("Not reachable: http://127.0.0.1:5000/x", "shows 'http://127.0.0.1:5000/x'"),
            ("Cannot ask http://market-data:8081", "shows 'http://market-data:8081'"),
            ("Is https://10.0.3.7 up?", "shows 'https://10.0.3.7'"),
        ],
    )
    def test_what_was_invented_or_shown_is_quoted(self, answer: str, words: str) -> None:
        result = judge_bad(bad(answers=(answer,)))
        assert result.verdict is Verdict.FAIL, result
        assert "half of all figures are NaN: /price BTC →" in result.measurement
        assert words in result.measurement

    @pytest.mark.parametrize(("reply_s", "verdict"), [(0.4, Verdict.PASS), (3.4, Verdict.FAIL)])
    def test_whoever_asks_first_after_a_while_is_answered_in_time(
        self, reply_s: float, verdict: Verdict
    ) -> None:
        idle = "nobody has asked anything for 6 s"
        result = judge_bad(bad(stage="idle", fault=idle, answers=CLEAN, reply_s=reply_s))
        assert result.verdict is verdict, result
        if verdict is Verdict.FAIL:
            assert f"{idle}: /price BTC → answered after 3.4 s" in result.measurement

    @pytest.mark.parametrize(
        "answer",
        [
            "None of the exchanges answers.",
            "Bias: score 0 of ±100",
            "Price: $91,210.46",
            "Place: 0%",
            "No figures: https://www.binance.com/en/support and http://172.67.1.1 may know why",
        ],
    )
    def test_words_and_counts_are_no_invented_figures(self, answer: str) -> None:
        clean = ("Bias: score 15 of ±100\nPrice: $91,210.46\nPlace: 3%\nFee: 0.01% (+11% a year)",)
        assert judge_bad(bad(answers=(answer,), clean=clean)).verdict is Verdict.PASS

    @pytest.mark.parametrize(
        ("clean", "invented"), [("+0.0016", False), ("-0.0049", False), ("+0.0050", True)]
    )
    def test_a_share_of_few_steps_may_be_nought_at_another_exchange(
        self, clean: str, invented: bool
    ) -> None:
        """A gate was FAIL for it: the first exchange was gone, and another one told 0.0000 %."""
        nought = ("OKX funding: 0.0000%",)
        result = judge_bad(bad(answers=nought, clean=(f"OKX funding: {clean}%",)))
        assert (result.verdict is Verdict.FAIL) is invented, result
        assert ("a zero was invented: 'OKX funding: 0.0000%'" in result.measurement) is invented

    def test_an_amount_of_few_steps_is_none_at_no_exchange(self) -> None:
        assert judge_bad(bad(answers=("Fee: $0.00",), clean=("Fee: $0.16",))).verdict is (
            Verdict.FAIL
        )

    @pytest.mark.parametrize(
        ("withheld_s", "said"), [(1.9, Verdict.FAIL), (2.0, Verdict.INCONCLUSIVE)]
    )
    def test_a_whole_answer_that_was_learnt_on_a_starved_machine_is_no_measure(
        self, withheld_s: float, said: Verdict
    ) -> None:
        """A gate was FAIL for it: the usual exchange had been late when that was learnt."""
        other = bad(stage="back", answers=("Volume: 1 BTC",), since_s=60.0, withheld_s=0.1)
        starved = msgspec.structs.replace(other, clean_withheld_s=withheld_s)
        result = judge_bad(bad(), starved)
        assert result.verdict is said, result
        assert result.spoilt_by == ("machine" if said is Verdict.INCONCLUSIVE else "")

    def test_figures_of_long_ago_say_so(self) -> None:
        old = {"stage": "gone", "answers": CLEAN, "since_s": 70.0}
        result = judge_bad(bad(**old))
        assert result.verdict is Verdict.FAIL
        assert "no exchange has answered for 70 s, and does not say how old" in result.measurement
        said = (f"{CLEAN[0]}\n⌛ From 70 s ago",)
        assert judge_bad(bad(**{**old, "answers": said})).verdict is Verdict.PASS
        assert judge_bad(bad(**{**old, "since_s": 7.0})).verdict is Verdict.PASS
        assert judge_bad(bad(**{**old, "since_s": 7.0}), fresh={"/price": 5}).verdict is (
            Verdict.FAIL
        )

    @pytest.mark.parametrize(
        ("said", "true"),
        [("70 s ago", True), ("1 min old", True), ("66 seconds ago", False), ("0 s ago", False)],
    )
    def test_an_age_that_is_told_too_low_is_named(self, said: str, true: bool) -> None:
        answers = (f"{CLEAN[0]}\n⌛ From {said}: no exchange answers",)
        result = judge_bad(bad(stage="gone", since_s=70.0, answers=answers))
        assert (result.verdict is Verdict.PASS) is true, result
        assert ("the age is told too low" in result.measurement) is not true

    def test_figures_that_nobody_has_given_are_invented(self) -> None:
        result = judge_bad(bad(stage="gone", answers=CLEAN, datum=False))
        assert result.verdict is Verdict.FAIL
        assert "shows figures that no exchange has given" in result.measurement

    def test_a_late_and_a_missing_answer_are_findings_and_a_starved_one_is_not(self) -> None:
        assert "answered after 4.0 s, over 2 s" in judge_bad(bad(reply_s=4.0)).measurement
        assert "no answer" in judge_bad(bad(reply_s=None, answers=())).measurement
        starved = judge_bad(bad(reply_s=4.0, withheld_s=3.0))
        assert starved.verdict is Verdict.INCONCLUSIVE
        assert judge_bad(bad(reply_s=4.0, withheld_s=1.0)).verdict is Verdict.FAIL

    def test_what_a_slow_machine_may_have_taken_away_is_inconclusive(self) -> None:
        silent = {"reply_s": None, "answers": ()}
        assert judge_bad(bad(**silent, withheld_s=1.0)).verdict is Verdict.FAIL
        kept = judge_bad(bad(**silent, withheld_s=4.9))
        assert kept.verdict is Verdict.INCONCLUSIVE
        assert kept.measurement.startswith(f"{KEPT} for 4.9 s")
        assert "no answer" in kept.measurement
        less = {"stage": "venue", "fault": "okx never answers", "others": ("binance",)}
        assert judge_bad(bad(**less)).verdict is Verdict.FAIL
        assert judge_bad(bad(**less, withheld_s=0.5)).verdict is Verdict.INCONCLUSIVE
        wrong = judge_bad(bad(answers=("Price: $nan",), withheld_s=5.0))
        assert wrong.verdict is Verdict.FAIL

    def test_a_neighbour_who_waits_is_told_apart(self) -> None:
        result = judge_bad(bad(neighbour=True, reply_s=3.0, text="/start"))
        assert "a neighbour, who only asked something simple, had to wait" in result.measurement

    def test_an_answer_without_figures_while_others_could_be_asked_is_named(self) -> None:
        alone = {"stage": "venue", "fault": "binance never answers", "others": ("binance",)}
        assert judge_bad(bad(**alone)).verdict is Verdict.PASS
        both = {**alone, "others": ("binance", "okx")}
        result = judge_bad(bad(**both))
        assert result.verdict is Verdict.FAIL
        assert "nothing is left of the answer, though okx could be asked" in result.measurement
        assert judge_bad(bad(**both), depends={"binance": ["/price"]}).verdict is Verdict.PASS
        partly = {**both, "answers": ("24h change: -0.82%\nPrice: not available",)}
        assert judge_bad(bad(**partly)).verdict is Verdict.PASS

    def test_another_answer_under_the_same_heading_is_no_lost_one(self) -> None:
        signal = ("BTC signal\nEntry: 91,210.46",)
        none = {"answers": ("BTC signal\nNo trade: RSI is not known",), "clean": signal}
        venue = {"stage": "venue", "fault": "okx never answers", "others": ("binance", "okx")}
        assert judge_bad(bad(**venue, **none)).verdict is Verdict.PASS
        assert judge_bad(bad(stage="back", since_s=70.0, **none)).verdict is Verdict.PASS

    def test_an_exchange_that_fails_and_is_called_without_end_is_named(self) -> None:
        assert judge_bad(bad(calls=50, usual_calls=4)).verdict is Verdict.PASS
        assert judge_bad(bad(calls=80, usual_calls=40)).verdict is Verdict.PASS
        assert judge_bad(bad(calls=51, usual_calls=4)).verdict is Verdict.FAIL
        result = judge_bad(bad(calls=81, usual_calls=40))
        assert result.verdict is Verdict.FAIL
        assert "is called again and again: 81 calls of one exchange" in result.measurement

    def test_a_bot_that_does_not_wait_as_long_as_telegram_asked_is_named(self) -> None:
        held = {"stage": "held", "fault": "Telegram has one chat wait for 4 s (429)", "answers": ()}
        assert judge_bad(bad(**held, reply_s=None, calls=1)).verdict is Verdict.PASS
        result = judge_bad(bad(**held, reply_s=None, calls=4))
        assert result.verdict is Verdict.FAIL
        assert "called 4 times before that was over: Retry-After is not kept" in result.measurement

    def test_an_old_answer_is_not_whole(self) -> None:
        late: dict[str, Any] = {
            "stage": "back",
            "since_s": 70.0,
            "clean": ("BTC price: $91,210.46",),
        }
        old = judge_bad(bad(**late, answers=("BTC price: $91,210.46\n⌛ From 70 s ago",)))
        assert old.verdict is Verdict.FAIL
        assert "not whole again 70 s after the exchanges are well" in old.measurement
        assert judge_bad(bad(**late, answers=("BTC price: $90,000.00",))).verdict is Verdict.PASS

    def test_a_section_whose_lines_are_called_as_in_another_one_is_missed(self) -> None:
        whole = "Price: $91,210.46\nVolume: 21,702 BTC"
        late: dict[str, Any] = {"stage": "back", "since_s": 70.0, "clean": (f"{whole}\n{whole}",)}
        assert judge_bad(bad(**late, answers=(whole,))).verdict is Verdict.FAIL

    def test_what_is_not_whole_again_is_named(self) -> None:
        late = bad(stage="back", answers=("Price: $91,210.46",), since_s=60.5)
        result = judge_bad(late)
        assert result.verdict is Verdict.FAIL
        assert "not whole again 60 s after" in result.measurement
        assert "Volume" in result.measurement

    @pytest.mark.parametrize(
        ("withheld_s", "said"),
        [(10.0, Verdict.FAIL), (10.5, Verdict.INCONCLUSIVE), (50.0, Verdict.INCONCLUSIVE)],
    )
    def test_seconds_that_the_machine_kept_are_none_of_those_to_be_whole_again_in(
        self, withheld_s: float, said: Verdict
    ) -> None:
        """A gate with a tenth of the processors was FAIL after 60 s, of which it had 8."""
        late = bad(stage="back", answers=("Volume: 1 BTC",), since_s=70.0)
        result = judge_bad(msgspec.structs.replace(late, since_withheld_s=withheld_s))
        assert result.verdict is said, result
        assert result.spoilt_by == ("machine" if said is Verdict.INCONCLUSIVE else "")

    def test_a_figure_of_a_venue_that_is_gone_is_invented(self) -> None:
        gone = bad(stage="venue", fault="okx answers HTTP 503", answers=("OKX: $91,210.46",))
        assert judge_bad(gone, depends={"okx": ["OKX"]}).verdict is Verdict.FAIL
        assert judge_bad(gone, depends={"binance": ["OKX"]}).verdict is Verdict.PASS

    def test_nothing_asked_is_no_pass(self) -> None:
        assert degradation.check(History([]), Judging()).verdict is Verdict.INCONCLUSIVE


class TestExpectations:
    @pytest.mark.parametrize(
        ("expect", "said"),
        [
            ("data.price", ""),
            ("data.rows.0.last", ""),
            ("data.volume", "no data.volume"),
            ("data.change", "data.change is empty"),
            ("data.high", "data.high is 'NaN'"),
            ("data.rows.4.last", "no data.rows.4.last"),
            ("/other:data.volume", ""),
            ("data.price, /price:data.volume", "no data.volume"),
            ("", ""),
        ],
    )
    def test_a_good_answer_has_its_fields(self, expect: str, said: str) -> None:
        body = b'{"data": {"price": 1.5, "change": null, "high": "NaN", "rows": [{"last": 0}]}}'
        assert lacking(json.loads(body), "/price", expect) == said

    @pytest.mark.parametrize(
        ("answer", "failure"),
        [
            ({"data": {"price": 1}}, ""),
            ({"data": {"volume": 1}}, "incomplete"),
            ({"data": None}, ""),
            ({"data": {}}, ""),
            ({"volume": 1}, "incomplete"),  # it has its figures elsewhere
        ],
    )
    def test_success_without_any_data_is_not_half_an_answer(
        self, answer: dict[str, Any], failure: str
    ) -> None:
        error, kind = shortcoming({"success": True, **answer}, "/price", "data.price", {})
        assert kind == failure
        assert bool(error) is ("price" not in (answer.get("data") or {}))

    @pytest.mark.parametrize(
        ("expect", "asked", "said"),
        [
            ("data.base={symbol}", "BTC", ""),
            ("data.base={symbol}", "btc", ""),
            (
                "data.base={symbol}",
                "ETH",
                "the answer to another question: data.base is 'BTC', not 'ETH'",
            ),
            ("/other:data.base={symbol}", "ETH", ""),
            ("data.price, data.rows.0.base={symbol}", "ETH", "half an answer: no data.rows.0.base"),
        ],
    )
    def test_an_answer_to_another_question_has_failed(
        self, expect: str, asked: str, said: str
    ) -> None:
        answer = {"success": True, "data": {"base": "BTC", "price": 1}}
        error, kind = shortcoming(answer, "/price", expect, {"symbol": asked})
        assert error == said
        assert kind == ("incomplete" if said.startswith("half") else "")  # no machine excuses it


class TestTrials:
    def test_a_trial_is_seen_by_its_own_check_only(self, story, judging, approved) -> None:
        story.healthy()
        judging = Judging(judging.budgets, judging.rules, approved)
        results = {r.check: r for r in run_checks(CHECKS, CHECKS, story.history(), judging)}
        assert {
            name: r.verdict for name, r in results.items() if r.verdict is not Verdict.PASS
        } == ({})
        lost = [
            event
            for event in story.events
            if not (isinstance(event, history.BotApiCall) and event.stack.endswith("-delivery"))
        ]
        results = {r.check: r for r in run_checks(CHECKS, CHECKS, History(lost), judging)}
        red = [name for name, r in results.items() if r.verdict is not Verdict.PASS]
        assert red == ["delivery"]
        assert "2 lost" in f"{results['delivery'].data['lost']} lost"

    def test_a_harness_that_fails_in_a_trial_is_an_error_of_all(self, story, judging) -> None:
        story.healthy()
        labels = {"stack": "polling-delivery", "mode": "polling"}
        story.add(history.HarnessError(t=1.0, where="harness", message="gone", **labels))
        results = run_checks(CHECKS, CHECKS, story.history(), judging)
        assert results[0].verdict is Verdict.ERROR

    def test_a_symbol_is_replaced_in_any_usual_spelling(self) -> None:
        symbols = ("BTC", "ETH")
        said = [
            with_symbol(text, symbols, "SOL")
            for text in ("/price BTC", "/price BTC/USDT", "/price BTCUSDT", "/oi", "/p WBTC")
        ]
        assert said == ["/price SOL", "/price SOL/USDT", "/price SOLUSDT", "/oi", "/p WBTC"]

    def test_a_question_that_several_messages_answer_is_asked_where_there_is_no_other(self) -> None:
        """How many of them come in bad times nobody can say: they may be one apology."""
        config = parse_config(
            """
            [bot]
            command = ["x"]
            ready = "telegram"
            [modes.polling]
            [workload]
            cases = [
                { name = "two", say = "/oi BTC /price ETH", replies = 2 },
                { name = "all", say = "/oi" },
                { name = "one", say = "/oi ETH" },
                { name = "chart", say = "/chart BTC", replies = 2 },
            ]
            """
        )
        assert naming_symbols(config) == ["/oi ETH", "/chart BTC"]

    def test_checks_that_there_is_nothing_for_are_left_out(self) -> None:
        least = '[bot]\ncommand = ["x"]\nready = "telegram"\n[modes.polling]\n'
        config = parse_config(least)
        assert not {"signals", "degradation"} & set(config.gate.checks)
        more = f"{least}[signals]\ninterval_s = 5\n[doubles.exchanges]\n"
        assert {"signals", "degradation"} <= set(parse_config(more).gate.checks)


class TestTheExchangeDouble:
    def test_every_figure_may_be_nan_but_no_time_and_no_name(self) -> None:
        body = {"price": "1.5", "time": 1767258432000, "symbol": "BTCUSDT", "rows": [["2.5", 3]]}
        fault = ExchangeFault(kind="nan", field="*")
        answer = apply(fault, None, json_response(body))  # type: ignore[arg-type]  # no venue is asked
        assert msgspec.json.decode(answer.body) == {
            **body,
            "price": "NaN",
            "rows": [["NaN", 3]],
        }

    def test_several_fields_may_be_missing(self) -> None:
        fault = ExchangeFault(kind="missing_field", field="last,close")
        answer = apply(fault, None, json_response({"last": "1", "close": "2", "c": "3"}))  # type: ignore[arg-type]  # as above
        assert msgspec.json.decode(answer.body) == {"c": "3"}

    def test_a_market_recalls_what_another_has_drawn_and_no_other_market(self) -> None:
        start, end = 1_767_258_000_000, 1_767_258_000_000 + 30 * MINUTE
        drawn = Market(7, COINS[:2])
        drawn.draw(start, end)
        kept = drawn.remembered()
        again = Market(7, COINS[:2])
        assert again.recall(kept)
        wanted = drawn.fold("BTC", "spot", start, end)
        assert again.fold("BTC", "spot", start, end) == wanted
        assert not Market(8, COINS[:2]).recall(kept)

    def test_a_market_is_recalled_in_another_process(self) -> None:
        """Where sets have another order: coins may say on which venues they are, as a set."""
        listed = "COINS + OTHERS"
        kept = elsewhere(f"Market(7, {listed}).remembered().hex()", seed="1")
        assert elsewhere(f"Market(7, {listed}).recall(bytes.fromhex({kept!r}))", seed="2") == "True"


def elsewhere(expression: str, seed: str) -> str:
    """What an expression about markets is worth in a process with this order of sets."""
    program = (
        "from botproof.doubles.exchanges.coins import *; "
        f"from botproof.doubles.exchanges.market import *; print({expression})"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
