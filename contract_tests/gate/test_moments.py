"""Where the page of a run opens: at the event by which a finding is known, with what was said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from botproof.budgets import DEFAULTS
from botproof.checks.judging import Judging, JudgingSettings, run_checks
from botproof.checks.registry import CHECKS
from botproof.history import (
    BotApiCall,
    CasePlayed,
    Degraded,
    Event,
    History,
    LogTrouble,
    Request,
    Run,
    SecretSeen,
    SecurityAsked,
    SignalSeen,
    SignalsWatched,
    StopRequested,
    Trial,
    Vanished,
)
from botproof.log_trouble import gist
from botproof.report.html import judging_of
from botproof.report.moments import Moment, moments_of
from botproof.report.record import as_record
from botproof.report.said import Said

POLLING: dict[str, Any] = {"stack": "polling", "mode": "polling"}
BOT: dict[str, Any] = {"process": "bot", "role": "bot", **POLLING}


def moments(check: str, *events: Event, judging: Judging | None = None) -> list[Moment]:
    """The moments of one check in a record of these events."""
    record = History([Run(t=0.0, modes=("polling",)), *events])
    judging = judging or Judging()
    return moments_of(record, run_checks(CHECKS, [check], record, judging), judging)


def test_what_the_check_does_not_blame_is_no_finding_of_the_page(
    make_story: Callable[..., Any],
) -> None:
    story = make_story(modes=("polling",)).healthy()
    helper = Vanished(t=1.0, pid=7, command="mount --bind", lived_s=0.1, code=0, **BOT)
    crashed = Vanished(t=4.0, pid=8, command="worker", lived_s=3.0, code=-11, **BOT)
    found = moments("boot", *story.events[1:], helper, crashed)
    assert [moment.t for moment in found] == [4.0]
    assert "its process 8 (worker) ended with signal SIGSEGV" in found[0].text


def test_an_error_that_is_logged_again_and_again_is_shown_once_and_in_one_line() -> None:
    trace = "Traceback (most recent call last):\n  File x\nKeyError: 'price'\n"
    line = json.dumps({"level": "ERROR", "event": "the answer failed\n", "exception": trace})
    logged = [LogTrouble(t=1.0 + n, lines=(line,), **BOT) for n in range(3)]
    ended = Vanished(t=0.5, pid=8, command="worker", lived_s=3.0, code=-11, **BOT)
    found = moments("boot", ended, *logged)
    assert [m.text for m in found][1:] == ["log of bot: the answer failed: KeyError: 'price'"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (("Traceback (most recent call last):", '  File "x"', "ValueError: no"), "ValueError: no"),
        (
            ("TypeError: x is no function", "    at main (bot.js:1:2)"),
            "TypeError: x is no function",
        ),
        (('{"level":50,"msg":"failed","stack":"Error: no\\n    at a.js:1"}',), "failed: Error: no"),
        (("[1, 2] is ERROR",), "[1, 2] is ERROR"),
        (("ERROR " + "x" * 400,), "ERROR " + "x" * 293 + "…"),
        ((), ""),
    ],
)
def test_trouble_is_told_by_the_line_that_names_it(lines: tuple[str, ...], said: str) -> None:
    assert gist(lines) == said


def test_what_a_trial_lost_is_shown_where_it_was_asked(make_story: Callable[..., Any]) -> None:
    story = make_story(modes=("polling",)).healthy()
    trial: dict[str, Any] = {"stack": "polling-delivery", "mode": "polling"}
    asked = CasePlayed(
        t=9.0,
        case="q1z",
        expect="reply",
        title="/price q1z",
        command="/price",
        chat_id=5,
        update_id=5,
        **trial,
    )
    found = moments("delivery", *story.events[1:], Trial(t=8.0, check="delivery", **trial), asked)
    assert [(m.stack, m.case, m.since) for m in found] == [("polling-delivery", "q1z", 9.0)]


def test_the_mode_that_lost_something_leads_the_headline(make_story: Callable[..., Any]) -> None:
    story = make_story(modes=("polling", "webhook"))
    story.case("polling", "q1z", "I do not know Q1Z", say="/price q1z")
    story.case("webhook", "q2z", say="/price q2z")
    (result,) = run_checks(CHECKS, ["delivery"], story.history(), Judging())
    assert result.measurement.startswith("webhook: ")
    assert "1 lost" in result.measurement.partition(";")[0]


def test_what_a_stranger_was_told_stands_beside_what_the_operator_is_told() -> None:
    figures = ("91210", "2500")
    told = ("<b>BTC</b> 91210 2500",)
    about: dict[str, Any] = {"text": "/balance", "answers": told, "figures": figures, **POLLING}
    own = SecurityAsked(t=1.0, who="the operator", path="a message", operator=True, **about)
    leak = SecurityAsked(t=2.0, who="a stranger", path="a tap", **about)
    (moment,) = moments("security", own, leak)
    assert moment.t == 2.0
    assert moment.apart
    assert moment.said == (
        Said("note", "a stranger asks by a tap"),
        Said("user", "/balance"),
        Said("bot", "BTC 91210 2500"),
        Said("note", "the operator is told, to the same question"),
        Said("bot", "BTC 91210 2500"),
    )


def test_a_finding_that_no_chat_shows_stands_beside_what_the_check_says() -> None:
    (moment,) = moments("security", SecretSeen(t=3.0, secret="bot token", place="a log", **POLLING))
    assert moment.apart
    assert {said.by for said in moment.said} == {"line"}


def test_old_figures_stand_beside_those_of_a_good_day() -> None:
    clean = ("Price: $91,210.46\nVolume: 21,702",)
    asked = Degraded(
        t=2.0, stage="gone", fault="no exchange answers", text="/price BTC", answers=clean,
        clean=clean, reply_s=0.1, since_s=4.0, **POLLING,
    )  # fmt: skip
    judging = {"degradation": {"fresh_s": 2.0}}
    run = Run(t=0.0, modes=("polling",), judging=judging)
    (moment,) = moments("degradation", asked, judging=judging_of(run, DEFAULTS))
    assert "does not say how old" in moment.text
    assert [said.by for said in moment.said] == ["note", "user", "bot", "note", "bot"]


def test_a_slot_of_signals_is_told_chat_by_chat() -> None:
    watched = SignalsWatched(t=9.0, interval_s=6.0, slots=(60.0,), chats=(1, 2), **POLLING)
    seen = SignalSeen(t=8.0, chat_id=1, text="buy", slot=60.0, after_s=0.2, life=1, **POLLING)
    (moment,) = moments("signals", watched, seen)
    assert "chat 2 was left out" in moment.text
    assert Said("note", "to chat 1, 0.2 s after it began") in moment.said
    assert Said("bot", "buy") in moment.said


def test_a_mode_that_does_not_answer_is_called_so(make_story: Callable[..., Any]) -> None:
    story = make_story(modes=("polling", "webhook")).healthy()
    story.case("polling", "price-eth", "ETH 1", say="/price eth")
    story.case("webhook", "price-eth", say="/price eth")
    (moment,) = moments("parity", *story.events[1:])
    assert moment.text == "price-eth: webhook does not answer it, polling does"


def test_a_record_that_is_older_than_a_budget_is_judged_by_its_default() -> None:
    younger = "files_kb_per_request"
    known = {name: each for name, each in DEFAULTS.items() if name != younger}
    judging = msgspec.to_builtins(JudgingSettings(budgets=known))
    settings = JudgingSettings.recorded_in(Run(t=0.0, judging=judging))
    assert settings.budgets[younger] == DEFAULTS[younger]


def test_a_tap_whose_message_is_edited_is_no_finding_of_a_silence(
    make_story: Callable[..., Any],
) -> None:
    """A tap that no new message may answer may change its own: golden passes, and so the page."""
    story = make_story(modes=("polling",)).healthy()
    story.case("polling", "tap", say="tap", expect="silence")
    case = next(e for e in story.events if isinstance(e, CasePlayed) and e.case == "tap")
    tap = {"callback_query": {"id": "1", "data": "top10", "from": {"id": case.chat_id}}}
    story.events[story.events.index(case)] = msgspec.structs.replace(case, sent=tap)
    edit: dict[str, Any] = {"chat_id": case.chat_id, "message_id": 7, "text": "top 10"}
    about: dict[str, Any] = {"method": "editMessageText", "status": 200, **POLLING}
    story.add(BotApiCall(t=case.t + 0.1, params=edit, result={"message_id": 7}, **about))
    assert "broken" not in run_checks(CHECKS, ["golden"], story.history(), Judging())[0].measurement
    page = as_record(story.history(), [], Judging())
    (shown,) = (each for each in page["cases"] if each["name"] == "tap")
    assert "wrong" not in shown["at"][0]


def test_a_bot_that_had_to_be_killed_leads_the_headline_of_delivery(
    make_story: Callable[..., Any],
) -> None:
    """Nothing was lost and nothing repeated: what failed is said before what was counted."""
    story = make_story(modes=("polling",))
    story.case("polling", "q1z", "I do not know Q1Z", say="/price q1z")
    story.lifetime("polling", code=-9, after_s=10.0, killed=True)
    story.add(StopRequested(t=8_990.0, signal="SIGTERM", **BOT))
    (result,) = run_checks(CHECKS, ["delivery"], story.history(), Judging())
    assert result.measurement.startswith("bot ignored SIGTERM and had to be killed; 1 update, ")
    (moment,) = moments("delivery", *story.events[1:])
    assert (moment.t, moment.since) == (9_000.0, 8_990.0)
    assert moment.text == "bot ignored SIGTERM and had to be killed"


def test_what_a_load_shows_stands_beside_what_the_check_says(
    make_story: Callable[..., Any],
) -> None:
    """No chat shows a request of the load, and memory belongs to none."""
    story = make_story(modes=("polling",)).healthy()
    for number in range(40):
        about: dict[str, Any] = {"status": 500, "latency_s": 0.1, "name": "/price", **POLLING}
        at = 900.0 + number
        story.add(Request(t=at, intended=at, ok=False, error="HTTP 500", **about))
    (moment,) = moments("errors", *story.events[1:])
    assert moment.text == "40 requests of the load failed; this was the first (HTTP 500)"
    assert moment.apart
    assert {said.by for said in moment.said} == {"line"}
