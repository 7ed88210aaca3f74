"""The check "door" on hand-written histories: what it finds, and with which words."""

from typing import Any

import msgspec
import pytest

from botproof.checks import boot, door
from botproof.checks.judging import Judging
from botproof.config import parse_config
from botproof.history import REFUSED_ANSWER, DoorAsked, History, ProcessExited, ProcessStarted, Run
from botproof.verdict import CheckResult, Verdict
from botproof.workloads.door import question_of
from botproof.workloads.nobody import lists_of_users, without_variables

URL = "http://127.0.0.1:5000/webhook"
HELLO = ("Welcome",)
GOOD: dict[str, dict[str, Any]] = {
    "first": {"answers": HELLO},
    "again": {"answers": HELLO},
    "repeated": {"answers": HELLO},
    "no_json": {"status": 400},
    "no_update": {"status": 400},
    "no_object": {"status": 400},
    "too_large": {"status": 413},
    "no_secret": {"status": 401},
    "wrong_secret": {"status": 403},
    "empty_secret": {"status": 403},
    "longer_secret": {"status": 403},
    "cased_secret": {"status": 403},
    "long": {"status": 200},
    "twice": {"status": 200, "answers": HELLO},
    "after": {"status": 200, "answers": HELLO},
    "health": {"status": 200},
    "hung": {"answers": ("There are no figures just now",)},
    "named": {"answers": ("Welcome, Ann",)},
    "newer": {"answers": HELLO},
    "longest": {"answers": ("That is no symbol",)},
    "away": {"answers": HELLO},
    "tapped": {"answers": HELLO},
    "unserved": {"answers": HELLO},
    "silent": {"answers": HELLO},
    "held": {"answers": HELLO},
}
"""What a good bot does with a webhook and a secret."""


def judge(changes: dict[str, dict[str, Any]], **every: Any) -> CheckResult:
    """The check over a good bot that is changed in what is told, and in `every` question."""
    events = []
    for what, fields in {**GOOD, **changes}.items():
        common = {"sent": f"<{what}>", "url": URL, "declared": True, "stack": "w", "mode": "w"}
        event = DoorAsked(t=1.0, what=what, **{**common, **GOOD.get(what, {}), **fields})
        events.append(msgspec.structs.replace(event, **every))
    return door.check(History([Run(t=0.0, modes=("w",)), *events]), Judging())


def test_a_good_bot_passes() -> None:
    result = judge({})
    assert (result.verdict, result.measurement) == (Verdict.PASS, "25 questions; webhook in w")
    assert judge({"nobody": {"answers": ("You are not on the list",)}}).verdict is Verdict.PASS


def test_a_bot_that_was_gone_is_not_said_to_answer_nobody_but_its_owner() -> None:
    place: dict[str, Any] = {"stack": "p", "mode": "p"}
    gone = ProcessExited(t=0.5, process="bot", role="bot", code=1, expected=False, **place)
    asked = DoorAsked(t=1.0, what="first", sent="/start", **place)
    run = Run(t=0.0, modes=("p",))
    for record in (History([run, gone, asked]), History([run, gone])):
        result = door.check(record, Judging())
        assert result.verdict is Verdict.INCONCLUSIVE
        said = "p: the bot had ended with exit code 1 before it was asked here: `boot` says more"
        assert result.measurement == said
    assert "{users}" in door.check(History([run, asked]), Judging()).measurement


def test_a_bot_that_answers_nobody_any_more_is_told_and_so_is_its_health() -> None:
    ordinary = ("again", "repeated", "after", "twice", "named", "newer")
    silent: dict[str, dict[str, Any]] = {what: {"answers": ()} for what in ordinary}
    result = judge(silent)
    assert result.verdict is Verdict.FAIL
    assert "<again> → silence, by whomever it is asked, where the first" in result.measurement
    assert any("says well (200) while nothing is answered any more" in e for e in result.evidence)
    owner = {**silent, "repeated": {"answers": HELLO}, "midst": {"answers": HELLO}}
    assert judge(owner).verdict is Verdict.PASS, "whoever writes first owns it"


def test_a_question_that_ended_the_bot_is_told_and_the_silence_after_it_is_not() -> None:
    """Whoever asks next gets nothing either, which says nothing about their names or ids."""
    place: dict[str, Any] = {"stack": "p", "mode": "p"}
    silence = "no answer in 10 s"
    end = ProcessExited(t=9.0, process="bot", role="bot", code=1, expected=False, **place)
    events = [
        DoorAsked(t=2.0, asked=1.0, what="again", sent="/start", answers=HELLO, **place),
        end,
        DoorAsked(t=18.0, asked=8.0, what="named", sent="a user named '<b>'", **place),
        DoorAsked(t=28.0, asked=18.0, what="newer", sent="an id", error=silence, **place),
        DoorAsked(t=38.0, asked=28.0, what="longest", sent="a text", error=silence, **place),
    ]
    record = History([Run(t=0.0, modes=("p",)), *events])
    found = [each.text for each in door.findings_of(record, Judging())]
    assert [text.split(".")[0] for text in found] == [
        "p: a user named '<b>' → the bot ended with exit code 1, 1"
    ]
    told = boot.check(record, Judging()).evidence
    assert "p: when it ended, it had just been sent this by `door`: a user named '<b>'" in told
    back = ProcessStarted(t=17.0, process="bot", role="bot", pid=2, command=("x",), **place)
    supervised = History([Run(t=0.0, modes=("p",)), *events, back])
    assert len(door.findings_of(supervised, Judging())) == 3


def test_of_several_that_were_posted_before_any_was_told_the_last_ended_it() -> None:
    place: dict[str, Any] = {"stack": "w", "mode": "w", "t": 9.0}
    what = ("no_secret", "wrong_secret", "empty_secret")
    asked = [
        DoorAsked(asked=t, what=each, sent=f"<{each}>", **place)
        for t, each in zip((5.0, 6.0, 7.0), what, strict=True)
    ]
    at = {**place, "t": 6.5}
    end = ProcessExited(process="bot", role="bot", code=-9, expected=False, **at)
    found = [each.text for each in door.findings_of(History([end, *asked]), Judging())]
    said = ["<wrong_secret> → the bot ended with signal SIGKILL, 0.5 s later" in t for t in found]
    assert said == [True]


def test_what_was_sent_in_the_moment_before_the_bot_ended_is_named_though_it_was_answered() -> None:
    """A first answer, "wait", came; the one that followed ended it."""
    place: dict[str, Any] = {"stack": "p", "mode": "p"}
    end = ProcessExited(t=9.2, process="bot", role="bot", code=1, expected=False, **place)
    asked = [
        DoorAsked(t=1.1, asked=1.0, what="again", sent="/start", answers=HELLO, **place),
        DoorAsked(t=9.05, asked=9.0, what="longest", sent="<long>", answers=HELLO, **place),
    ]
    found = [each.text for each in door.findings_of(History([end, *asked]), Judging())]
    assert ["<long> → the bot ended with exit code 1, 0.2 s later" in t for t in found] == [True]
    earlier = msgspec.structs.replace(end, t=5.0)
    assert door.findings_of(History([earlier, *asked[:1]]), Judging()) == []


def test_an_empty_list_is_judged_where_the_ordinary_question_was_asked_once_only() -> None:
    common: dict[str, Any] = {"t": 1.0, "stack": "w", "mode": "w", "answers": HELLO}
    events = [DoorAsked(what=what, sent=f"<{what}>", **common) for what in ("first", "nobody")]
    result = door.check(History([Run(t=0.0, modes=("w",)), *events]), Judging())
    assert result.verdict is Verdict.FAIL
    assert "an empty allow-list lets everybody in: <nobody>" in result.measurement


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"first": {"answers": ("Welcome", "An error occurred")}}, "answered otherwise"),
        ({"again": {"answers": ("Welcome", "An error occurred")}}, "later → 'Welcome' | 'An error"),
        ({"after": {"answers": ("Welcome", "An error occurred")}}, "later → 'Welcome' | 'An error"),
        ({"first": {"answers": ()}}, "<first> → silence; later → 'Welcome'"),
        ({"wrong_secret": {"status": 200, "answers": HELLO}}, "<wrong_secret>, though setWebhook"),
        ({"empty_secret": {"status": 200, "answers": HELLO}}, "<empty_secret>, though setWebhook"),
        ({"longer_secret": {"status": 200, "answers": HELLO}}, "<longer_secret>, though setWe"),
        ({"cased_secret": {"status": 200, "answers": HELLO}}, "<cased_secret>, though setWebhook"),
        ({"first": {"answers": HELLO, "after_s": 3.0}}, "answered after 3.0 s, over 2 s, and la"),
        (
            {"ready": {"error": "HTTP 503: inbox"}},
            "<ready> → HTTP 503: inbox. What one failed call has set the next good one",
        ),
        (
            {"tapped": {"answers": (), "error": "no message is sent"}},
            "<tapped> → no message is sent. What a button stands for has to outlive",
        ),
        ({"no_json": {"status": None, "error": "timed out"}}, "<no_json> → no answer: timed out"),
        ({"after": {"status": 502, "answers": ()}}, "no longer answers: <after> → HTTP 502"),
        ({"twice": {"answers": HELLO * 2}}, "<twice> → 2 messages, where one gets 1"),
        ({"twice": {"answers": ("Welcome", "Oops", "Welcome")}}, "remember update_id"),
        ({"repeated": {"answers": ()}}, "whoever asks the same once more gets nothing"),
        ({"long": {"status": 413}}, "<long> → HTTP 413. Telegram sends it again and again"),
        ({"long": {"status": None, "error": "reset."}}, "<long> → reset. Telegram sends it again"),
        ({"long": {"status": None, "error": "reset"}}, "take bodies of a megabyte"),
        (
            {"long": {"status": None, "error": f"reset; {REFUSED_ANSWER} too long"}},
            "show a few letters of it, and end no request by what Telegram refuses",
        ),
        (
            {"hung": {"answers": (), "error": "no answer in 12 s"}},
            "<hung> → no answer in 12 s. Give each call of a service a limit of time",
        ),
        (
            {"named": {"answers": (), "error": "Telegram refused the answer: can't parse"}},
            "<named> → Telegram refused the answer: can't parse, where others are answered",
        ),
        (
            {"newer": {"answers": ()}},
            "<newer> → silence, where others are answered. Ids",
        ),
        (
            {"longest": {"answers": (), "error": "Telegram refused the answer: too long"}},
            "<longest> → Telegram refused the answer: too long. Show a few letters",
        ),
        ({"away": {"error": "bot ended"}}, "<away> → bot ended. Telegram fails for a moment"),
        (
            {"unserved": {"error": "no figures in 30 s"}},
            "<unserved> → no figures in 30 s. What was not there at the start is to be asked again",
        ),
        (
            {"held": {"answers": (), "error": "no answer in 30 s"}},
            "<held> → no answer in 30 s. Keep the answer, and send it again after retry_after",
        ),
        (
            {"silent": {"answers": (), "error": "no answer in 30 s"}},
            "<silent> → no answer in 30 s. Give each call of Telegram a limit of time",
        ),
        ({"hung": {"after_s": 8.0}}, "<hung> → an answer after 8.0 s, over 5 s"),
        ({"nobody": {"answers": HELLO}}, "an empty allow-list lets everybody in: <nobody>"),
        (
            {"unlisted": {"answers": HELLO}},
            "an allow-list that is not set lets everybody in: <unlisted>",
        ),
    ],
)
def test_a_finding_names_what_was_sent_and_what_came_back(changes, words: str) -> None:
    result = judge(changes)
    assert result.verdict is Verdict.FAIL
    assert words in result.measurement


IN_TALK: dict[str, Any] = {"sent": "what the first answer asks for, by the same user: Boy"}
OUTSIDE: dict[str, Any] = {"sent": "the same by a user who was asked for nothing: Boy"}


def test_who_stands_in_a_conversation_need_not_be_able_to_begin_it_again() -> None:
    photo = ("A photo, please",)
    asked: dict[str, dict[str, Any]] = {"repeated": {"answers": ()}}
    asked["midst"] = {**IN_TALK, "answers": photo}
    assert judge({**asked, "aside": {**OUTSIDE, "answers": ()}}).verdict is Verdict.PASS
    # What everybody is answered so is no step of a conversation.
    alike = judge({**asked, "aside": {**OUTSIDE, "answers": photo}})
    assert alike.verdict is Verdict.FAIL
    silence: dict[str, Any] = {"answers": ()}
    nothing = {**asked, "midst": {**IN_TALK, **silence}, "aside": {**OUTSIDE, **silence}}
    assert judge(nothing).verdict is Verdict.FAIL


def test_a_webhook_without_a_secret_is_a_finding_of_its_own() -> None:
    open_door = {"no_secret": {"status": 200, "answers": HELLO}}
    result = judge(open_door, declared=False)
    assert result.verdict is Verdict.FAIL
    assert "none is declared: setWebhook was called without secret_token" in result.measurement


def test_a_path_that_nobody_can_guess_stands_for_a_secret() -> None:
    open_door = {"no_secret": {"status": 200, "answers": HELLO}}
    hidden = "https://bot.example/hook/42:AAGateTokenOfTheTelegramDouble00000"
    assert judge(open_door, declared=False, url=hidden).verdict is Verdict.PASS


def test_an_error_that_only_telegram_could_bring_about_is_told_and_no_finding() -> None:
    """aiogram and python-telegram-bot answer 500 to what is no JSON, once the secret is right."""
    result = judge({"no_json": {"status": 500}})
    assert result.verdict is Verdict.PASS
    assert "w: <no_json> → HTTP 500" in result.evidence
    assert judge({"no_json": {"status": 500}}, declared=False).verdict is Verdict.FAIL


def test_answers_that_change_from_time_to_time_say_nothing_about_the_first() -> None:
    said = {"first": "1", "again": "2", "after": "3"}
    told: dict[str, dict[str, Any]] = {what: {"answers": (text,)} for what, text in said.items()}
    assert judge(told).verdict is Verdict.PASS
    twice = {"after": {"answers": ("Welcome", "Did you know? BTC is scarce")}}
    assert judge(twice).verdict is Verdict.PASS


def test_a_health_that_says_well_while_nothing_is_answered_is_found() -> None:
    ordinary = tuple(what for what, fields in GOOD.items() if "answers" in fields)
    mute = {what: {"answers": (), "status": 500} for what in ordinary}
    result = judge(mute)
    assert result.verdict is Verdict.FAIL
    assert "<health> says well (200) while nothing is answered" in result.measurement
    assert judge({**mute, "health": {"status": 503}}).verdict is Verdict.INCONCLUSIVE


def test_a_bot_that_answers_its_owner_alone_is_inconclusive_and_told_why() -> None:
    one = DoorAsked(t=1.0, what="first", sent="/start", stack="p", mode="p")
    result = door.check(History([Run(t=0.0, modes=("p",)), one]), Judging())
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "Whoever asks here is among {users}; a bot of one owner answers" in result.measurement


def test_a_mode_that_nothing_was_asked_in_is_inconclusive() -> None:
    assert door.check(History([Run(t=0.0, modes=("w",))]), Judging()).verdict is (
        Verdict.INCONCLUSIVE
    )


BOT = """
[bot]
command = ["x"]
ready = "telegram"
[modes.polling]
[[workload.cases]]
name = "balance"
say = "/balance"
"""
START = """
[[workload.cases]]
name = "start"
say = "/start"
"""


@pytest.mark.parametrize(
    ("more", "question"),
    [("", "/balance"), (START, "/start"), (START + '[door]\nquestion = "/price"\n', "/price")],
)
def test_the_question_is_one_that_asks_no_exchange_where_there_is_one(more, question) -> None:
    """What a service keeps of an answer must not reach the conversation that comes after it."""
    assert question_of(parse_config(BOT + more)) == question


LISTS = """
[door]
nobody = { USERS = "", GROUPS = "", PUBLIC = false, LIST = "empty.txt" }
"""


def test_only_what_an_empty_text_makes_a_list_of_nobody_is_left_unset() -> None:
    """Without `PUBLIC` or a file of users a bot may well be public on purpose."""
    assert lists_of_users(parse_config(BOT + LISTS)) == ("USERS", "GROUPS")


def test_a_variable_is_unset_wherever_the_bot_would_have_it_from() -> None:
    config = parse_config(
        BOT.replace("[modes.polling]", "")
        + """
[bot.env]
USERS = "{users}"
OTHER = "x"
[modes.polling.env]
USERS = "1"
MODE = "polling"
"""
    )
    handed_on = msgspec.structs.replace(config.bot, inherit_env=("USERS", "LANG"))
    config = msgspec.structs.replace(config, bot=handed_on)
    bot = without_variables(config, "polling", ("USERS",)).bot_in("polling")
    assert (bot.env, bot.inherit_env) == ({"OTHER": "x", "MODE": "polling"}, ("LANG",))
