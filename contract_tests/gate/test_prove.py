"""`botproof.prove`: a gate's PASS names the defects that it would have caught, or it is void."""

import itertools
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from botproof import gate, history
from botproof.budgets import Override, resolve
from botproof.checks import golden_files
from botproof.checks.judging import Check, Judging, run_checks
from botproof.checks.registry import CHECKS
from botproof.history import BotApiCall, History, Request
from botproof.prove.alterations import ALTERATIONS
from botproof.prove.altering import Record
from botproof.prove.catalogue import Defect, read_defects
from botproof.prove.prove import Finding, Seen, prove, result_of
from botproof.verdict import CheckResult, Verdict, combine
from contract_tests.gate.story_around import around


@pytest.fixture
def good(story: Any, judged: Judging) -> tuple[History, Judging]:
    """A run that passes, in which every defect can show: a reply of two lines with a button."""
    story.healthy()
    for mode in story.modes:
        story.case(mode, "rich", "<b>BTC</b>\nlast 1", say="/rich")
        story.events[-1] = with_button(story.events[-1])
    around(story)
    record = story.history()
    by_case = golden_files.received(record.counted(), judged)
    budget = resolve({"market_data_memory_mb": Override(limit=70, source="this test")})
    judged = replace(judged, budgets=budget)
    return record, replace(judged, approved={n: r.texts["polling"] for n, r in by_case.items()})


def with_button(call: history.Event) -> history.Event:
    assert isinstance(call, BotApiCall)
    keyboard = {"inline_keyboard": [[{"text": "more", "callback_data": "m"}]]}
    return msgspec.structs.replace(call, params={**call.params, "reply_markup": keyboard})


def proved(good: tuple[History, Judging], **options: Any) -> list[Finding]:
    record, judging = good
    results = run_checks(CHECKS, CHECKS, record, judging)
    assert combine(r.verdict for r in results) is Verdict.PASS, results
    return prove(record, judging, CHECKS, **{"asked": tuple(CHECKS), **options})


def test_every_defect_that_comes_with_botproof_turns_its_check_red(
    good: tuple[History, Judging],
) -> None:
    findings = proved(good)
    assert {f.defect.name: f.seen for f in findings} == {d.name: Seen.RED for d in read_defects()}
    result = result_of(findings)
    assert result.verdict is Verdict.PASS
    assert (
        result.measurement == f"{len(findings)} defects planted into the record, each of them seen"
    )


def held_up(record: History, until: float) -> History:
    """The load generator stood still for half of each second, from its begin to a share of it."""
    events: list[history.Event] = [*record]
    for stack in {request.stack for request in record.of(Request)}:
        place: dict[str, Any] = {"stack": stack, "mode": stack}
        due = [request.intended for request in record.of(Request, stack=stack)]
        at, end = min(due), min(due) + until * (max(due) - min(due)) + 6.0
        while until and at < end:
            at = min(at + 1.0, end)
            events.append(history.GeneratorHeld(t=at, held_s=0.45, **place))
    return History(events)


@pytest.mark.parametrize(
    ("name", "until", "seen"),
    [
        *[(name, 0.0, Seen.RED) for name in ("stands-still", "load-late")],
        *[(name, 1.0, Seen.NOT_SHOWN) for name in ("stands-still", "load-late")],
        ("load-late", 0.66, Seen.NOT_SHOWN),  # a few are undisturbed, not two in a hundred
    ],
)
def test_a_late_load_is_shown_where_the_generator_was_not_held_up(
    good: tuple[History, Judging], name: str, until: float, seen: Seen
) -> None:
    record, judging = good
    (defect,) = (each for each in read_defects() if each.name == name)
    held = held_up(record, until)
    (finding,) = prove(held, judging, CHECKS, asked=tuple(CHECKS), defects=[defect])
    assert finding.seen is seen


def test_a_bot_that_was_asked_little_and_ended_at_once_is_no_void_pass(
    good: tuple[History, Judging],
) -> None:
    """Of a gate of seconds each update may be one that a bot had no time left to confirm."""
    record, judging = good
    end = max(event.t for event in record)
    last = [
        history.UpdateDelivered(
            t=end, update_id=e.update_id, door=e.stack, stack=e.stack, mode=e.mode
        )
        for e in record.of(history.UpdateInjected)
    ]
    stops = [
        history.StopRequested(
            t=end + 0.1, process="bot", role="bot", signal="SIGTERM", stack=mode, mode=mode
        )
        for mode in ("polling", "webhook")
    ]
    (defect,) = (each for each in read_defects() if each.name == "updates-not-confirmed")
    for events, seen in ((stops, Seen.RED), ([*last, *stops], Seen.NOT_SHOWN)):
        (finding,) = prove(
            History([*record, *events]), judging, CHECKS, asked=tuple(CHECKS), defects=[defect]
        )
        assert finding.seen is seen


@pytest.mark.parametrize("kept", [True, False])
def test_a_defect_that_a_starved_run_cannot_show_does_not_make_the_pass_void(
    good: tuple[History, Judging], kept: bool
) -> None:
    """What the check says then is no PASS either, and it names the machine."""
    record, judging = good
    unsure = msgspec.structs.replace(
        blind(record, judging),
        verdict=Verdict.INCONCLUSIVE,
        measurement="too little",
        spoilt_by="machine" if kept else "",
    )
    (defect,) = (each for each in read_defects() if each.name == "stands-still")
    checks: dict[str, Check] = {"rollback": lambda *_: unsure}
    (finding,) = prove(record, judging, checks, asked=("rollback",), defects=[defect])
    assert finding.seen is (Seen.NOT_SHOWN if kept else Seen.GREEN)


def test_the_catalogue_is_sound() -> None:
    defects = read_defects()
    assert len(defects) >= 20
    assert len({defect.name for defect in defects}) == len(defects)
    assert {defect.alter for defect in defects} == set(ALTERATIONS)
    assert {defect.check for defect in defects} == set(CHECKS)
    for defect in defects:
        assert defect.words, defect.name
        assert defect.modes in {"one", "all"}, defect.name
        named = {name for word in defect.words for name in re.findall(r"{(\w+)}", word)}
        assert named <= {"case", "mode", "service", "stack"}, defect.name


def blind(_: History, __: Judging) -> CheckResult:
    """A check that cannot turn red."""
    return CheckResult(
        check="golden", verdict=Verdict.PASS, budget="", measurement="all well", least_evidence=""
    )


def speechless(_: History, __: Judging) -> CheckResult:
    """A check that is red for whatever reason, and says nothing."""
    return CheckResult(
        check="golden", verdict=Verdict.FAIL, budget="", measurement="no", least_evidence=""
    )


@pytest.mark.parametrize(("broken", "seen"), [(blind, Seen.GREEN), (speechless, Seen.OTHER_WORDS)])
def test_a_judge_that_cannot_turn_red_for_the_reason_is_void(
    good: tuple[History, Judging], broken: Check, seen: Seen
) -> None:
    record, judging = good
    findings = prove(record, judging, {**CHECKS, "golden": broken}, asked=tuple(CHECKS))
    of_golden = [f for f in findings if f.defect.check == "golden"]
    assert {f.seen for f in of_golden} == {seen}
    result = result_of(findings)
    assert result.verdict is Verdict.ERROR
    assert result.measurement.startswith(f"VOID: {len(of_golden)} of ")
    assert f"{seen.value}: figure-changed" in "\n".join(result.evidence)


def test_a_check_that_breaks_off_has_not_turned_red(good: tuple[History, Judging]) -> None:
    def broken(_: History, __: Judging) -> CheckResult:
        raise ZeroDivisionError

    record, judging = good
    findings = prove(record, judging, {**CHECKS, "errors": broken}, asked=("errors",))
    (found,) = [f for f in findings if f.played]
    assert (found.seen, found.verdict) == (Seen.GREEN, Verdict.ERROR)


def test_what_a_run_cannot_show_is_said_and_is_no_error(good: tuple[History, Judging]) -> None:
    findings = proved(good, asked=("boot", "golden"))
    shown = {f.defect.name for f in findings if f.seen is Seen.RED}
    assert shown == {d.name for d in read_defects() if d.check in {"boot", "golden"}}
    result = result_of(findings)
    assert result.verdict is Verdict.PASS
    assert any("cannot be shown by this run: stands-still" in line for line in result.evidence)


def test_what_a_starved_watch_cannot_tell_for_sure_is_not_shown_by_it(
    good: tuple[History, Judging],
) -> None:
    """The check calls it INCONCLUSIVE then, and that is no blindness."""
    record, judging = good
    starved = [
        msgspec.structs.replace(event, withheld_s=8.0)
        if isinstance(event, history.SignalsWatched)
        else event
        for event in record
    ]
    findings = proved((History(starved), judging))
    seen = {f.defect.name: f.seen for f in findings}
    assert seen["signal-again-after-a-restart"] is Seen.NOT_SHOWN
    assert result_of(findings).verdict is Verdict.PASS


def test_what_does_not_fit_into_the_time_is_said_and_is_no_error(
    good: tuple[History, Judging],
) -> None:
    ticks = itertools.count()
    findings = proved(good, budget_s=10.0, clock=lambda: float(next(ticks)))
    played = [f for f in findings if f.played]
    left_out = [f for f in findings if f.seen is Seen.NOT_PLAYED]
    assert played
    assert left_out
    assert result_of(findings).verdict is Verdict.PASS


def test_a_bot_without_buttons_cannot_lose_them(story: Any, judged: Judging) -> None:
    story.healthy()
    findings = prove(story.history(), judged, CHECKS, asked=tuple(CHECKS))
    seen = {f.defect.name: f.seen for f in findings}
    assert seen["buttons-lost"] is Seen.NOT_SHOWN
    assert seen["parse-mode-lost"] is Seen.RED


def test_the_record_itself_is_not_touched(good: tuple[History, Judging]) -> None:
    record, judging = good
    before = [history.encode(event) for event in record]
    prove(record, judging, CHECKS, asked=tuple(CHECKS))
    assert [history.encode(event) for event in record] == before


def test_a_defect_that_is_declared_for_the_wrong_check_is_void(
    good: tuple[History, Judging],
) -> None:
    wrong = Defect("misplaced", "a story", alter="crash", check="golden", words=("SIGKILL",))
    record, judging = good
    (found,) = prove(record, judging, CHECKS, asked=tuple(CHECKS), defects=[wrong])
    assert found.seen is Seen.GREEN


def test_only_a_pass_is_proved(story: Any, tmp_path: Path) -> None:
    story.healthy()
    story.lifetime("webhook", code=1)
    results = gate.judge(story.history(), golden_dir=tmp_path)
    assert "prove" not in [result.check for result in results]


def test_a_stack_that_played_starved_cases_again_is_not_what_is_altered(
    story: Any, judged: Judging
) -> None:
    """It is named otherwise than its mode, and holds a few cases only."""
    again: dict[str, Any] = {"stack": "webhook-again-1", "mode": "webhook"}
    record = story.healthy().history()
    played = history.CasePlayed(
        t=9_500.0, case="start", update_id=99, chat_id=1, expect="reply", **again
    )
    told = history.PlayedAgain(t=9_400.0, of="webhook", cases=("start",), stretch=10.0, **again)
    later = History([*record, told, played])
    assert Record.of(later.counted(), judged, every_mode=False).stacks == ("webhook",)


def test_defects_show_in_what_is_judged_not_in_what_was_played_again(
    good: tuple[History, Judging],
) -> None:
    record, judging = good
    labels: dict[str, Any] = {"stack": "webhook-again-1"}
    life = (history.ProcessStarted, history.ProcessReady, history.ProcessExited)
    lives = [event for event in record if isinstance(event, life) and event.stack == "webhook"]
    case = next(e for e in record.of(history.CasePlayed, stack="webhook") if e.case == "start")
    calls = [
        call
        for call in record.of(BotApiCall, stack="webhook")
        if call.params.get("chat_id") == case.chat_id
    ]
    copies = [
        msgspec.structs.replace(event, t=event.t + 5_000, **labels)
        for event in (case, *calls, *lives)
    ]
    again = history.PlayedAgain(t=5_000.0, of="webhook", cases=("start",), mode="webhook", **labels)
    findings = proved((History([*record, again, *copies]), judging), asked=("boot", "golden"))
    assert {f.seen for f in findings} == {Seen.RED, Seen.NOT_SHOWN}
