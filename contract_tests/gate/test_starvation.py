"""Starvation: the figure, what it explains, and what it does not."""

import dataclasses
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from botproof import gate
from botproof.checks.judging import Judging
from botproof.checks.starved import doubtful
from botproof.config import Config, Mode, Process, longest_deadline, stretches, substitute
from botproof.history import (
    UNKNOWN_HOST,
    DoubleEvent,
    History,
    PlayedAgain,
    ProcessExited,
    ProcessStarted,
    Request,
    Starved,
)
from botproof.starvation import Starvation, withheld
from botproof.targets.family import family, spent
from botproof.targets.meter import Meter
from botproof.targets.stack import Stack
from botproof.verdict import Verdict
from botproof.workloads.scripted import _stretched_by
from contract_tests.gate.starving import judge, starve

TARGETS = ("bot", "market_data")


def sample(**fields: Any) -> Starved:
    return Starved(**{"t": 10.0, "over_s": 1.0, "cpus": 2, "busy_s": 2.0, **fields})


# the figure


@pytest.mark.parametrize(
    ("fields", "figure"),
    [
        ({}, 0.0),
        ({"late_s": 0.3}, 0.3),
        ({"waited_s": {"bot": 0.2, "exchange_double": 0.3}}, 0.5),  # they follow each other
        ({"waited_s": {"bot": 0.8, "exchange_double": 0.9}}, 1.0),  # no more than there was
        ({"late_s": 0.1, "stolen_s": 0.4}, 0.3),  # 0.4 s of two processors
        ({"clock_s": -3600.0}, 1.0),  # the time of day was moved: nothing of it can be relied on
        ({"waited_s": {"bot": 0.4}, "ran_s": {"bot": 0.3}}, 0.4),
        # The target itself used more than half of what there is: it waited for itself.
        ({"waited_s": {"bot": 0.9}, "ran_s": {"bot": 0.7, "market_data": 0.9}}, 0.0),
    ],
)
def test_the_figure_is_what_the_chain_was_kept_from(fields: dict[str, Any], figure: float) -> None:
    assert withheld(sample(**fields), TARGETS) == pytest.approx(figure)


def test_a_stretch_of_time_takes_its_share_of_the_samples_at_its_edges() -> None:
    found = Starvation((1.0, 2.0, 3.0), (1.0, 1.0, 1.0), (0.0, 0.6, 1.0))
    assert found.between(1.5, 2.5) == pytest.approx(0.3 + 0.5)
    assert found.between(5.0, 6.0) == 0.0
    assert found.explains(1.0, 3.5, limit_s=2.0)  # 2.5 s, of which 1.6 s were withheld
    assert not found.explains(0.0, 8.0, limit_s=2.0)
    assert [round(figure, 2) for _, figure in found.seconds(0.5, 3.5)] == [0.3, 0.8, 0.5]


def test_our_own_family_is_read_from_the_kernel() -> None:
    assert family(os.getpid())[0] == os.getpid()
    found = spent(os.getpid())
    assert found is not None
    assert found.ran > 0
    assert os.getpid() in found.waited


def test_the_meter_counts_what_ran_between_two_samples() -> None:
    meter = Meter({"stack": "polling", "mode": "polling"})
    assert meter.sample([("me", os.getpid())], 0.0) is None
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass
    found = meter.sample([("me", os.getpid())], 0.01)
    assert found is not None
    assert 0.15 < found.ran_s["me"] <= found.over_s + 0.05
    assert (found.late_s, found.stack, found.clock_s) == (0.01, "polling", 0.0)


def test_a_clock_that_is_set_is_noticed() -> None:
    day = iter([1000.0, 1000.1, 4600.2])
    at = iter([1.0, 1.1, 1.2])
    meter = Meter({}, clock=lambda: next(at), time_of_day=lambda: next(day))
    meter.sample([], 0.0)
    assert [found.clock_s for found in (meter.sample([], 0.0), meter.sample([], 0.0)) if found] == [
        0.0,
        3600.0,
    ]


def test_a_machine_without_pressure_information_is_measured_without(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  10 0 10 100 0 0 0 4 0 0\n")
    meter = Meter({}, proc=tmp_path)
    meter.sample([], 0.0)
    found = meter.sample([("gone", 1)], 0.0)
    assert found is not None
    assert found.stalled_s == {}


# what it explains


def approving(judging: Judging, said: dict[str, tuple[str, str]]) -> Judging:
    """Return what judges by these questions and answers, by the name of the case."""
    texts = {
        name: f"you: {say}\n--- message (HTML)\n{text}\n" for name, (say, text) in said.items()
    }
    return dataclasses.replace(judging, approved=texts)


def test_a_process_that_had_to_be_killed_is_not_explained_by_a_moment(story, judged) -> None:
    story.lifetime("polling", code=-9, killed=True, after_s=10.0)
    starve(story, "polling", 8_990.0, 9_000.0, figure=0.05)
    result = judge(story, judged, "boot")
    assert result.verdict is Verdict.FAIL
    assert "polling: bot ignored SIGTERM" in "\n".join(result.evidence)


def test_what_never_came_is_explained_where_the_machine_kept_most_of_the_time(
    story, judged
) -> None:
    """A reply, and the end of a process: neither had a processor for half of its time."""
    story.healthy()
    story.case("polling", "lost")
    starve(story, "polling", story.clock, story.clock + 3.0, figure=0.7)
    assert judge(story, judged, "latency").verdict is Verdict.INCONCLUSIVE
    story.events.clear()
    story.healthy()
    killed = {"code": -9, "killed": True, "after_s": 10.0}
    ends = [event for event in story.events if isinstance(event, ProcessExited)]
    for event in ends[:2]:
        story.events[story.events.index(event)] = msgspec.structs.replace(event, **killed)
    starve(story, "polling", 8_990.0, 9_000.0, figure=0.7)
    assert judge(story, judged, "boot").verdict is Verdict.INCONCLUSIVE


def test_errors_of_the_load_that_starvation_explains_are_inconclusive(story, judged) -> None:
    story.healthy()
    story.load("webhook", 400, failures=8, latency_s=2.5)
    assert judge(story, judged, "errors").verdict is Verdict.FAIL
    starve(story, "webhook", story.clock - 8, story.clock, figure=0.6)
    assert judge(story, judged, "errors").verdict is Verdict.INCONCLUSIVE


def test_requests_that_were_late_among_quick_ones_fail(story, judged) -> None:
    """2.5 s late once in fifty: the machine was busy, but the others had no trouble with it."""
    for number in range(400):
        story.load("webhook", 1, latency_s=2.5 if number % 50 == 0 else 0.05)
    starve(story, "webhook", story.clock - 10, story.clock + 1, figure=0.6)
    assert judge(story, judged, "errors").verdict is Verdict.FAIL


def test_requests_that_were_late_among_quick_ones_of_a_starved_half_second_are_inconclusive(
    story, judged
) -> None:
    """Some waited until the machine went on, and those after them came at once."""
    for number in range(400):
        story.load("webhook", 1, latency_s=2.1 if number % 50 == 0 else 0.05)
    assert judge(story, judged, "errors").verdict is Verdict.FAIL
    starve(story, "webhook", story.clock - 10, story.clock + 3, figure=0.98)
    assert judge(story, judged, "errors").verdict is Verdict.INCONCLUSIVE


def test_requests_that_were_late_among_some_that_were_just_in_time_are_inconclusive(
    story, judged
) -> None:
    """Most took more than a second, so that the host was slow with them all."""
    for number in range(400):
        story.load("webhook", 1, latency_s=5.0 if number % 4 == 0 else 1.1)
    assert judge(story, judged, "errors").verdict is Verdict.FAIL
    starve(story, "webhook", story.clock - 10, story.clock + 1, figure=0.99)
    assert judge(story, judged, "errors").verdict is Verdict.INCONCLUSIVE


def exchanges_are_silent(story: Any, *, every: int) -> None:
    """So many requests are told at once that no exchange answers."""
    story.load("webhook", 400)
    gone: dict[str, Any] = {"ok": False, "status": 502, "error": "HTTP 502"}
    for at, event in enumerate(story.events):
        if isinstance(event, Request) and at % every == 0:
            story.events[at] = msgspec.structs.replace(event, **gone)


def test_an_exchange_that_is_remembered_as_silent_is_inconclusive(story, judged) -> None:
    exchanges_are_silent(story, every=2)
    assert judge(story, judged, "errors").verdict is Verdict.FAIL
    starve(story, "webhook", story.clock - 10, story.clock, figure=0.6)
    assert judge(story, judged, "errors").verdict is Verdict.INCONCLUSIVE


def test_an_exchange_that_is_silent_to_a_few_fails(story, judged) -> None:
    exchanges_are_silent(story, every=50)
    starve(story, "webhook", story.clock - 10, story.clock, figure=0.6)
    assert judge(story, judged, "errors").verdict is Verdict.FAIL


def test_errors_that_came_at_once_fail_however_starved_the_machine_was(story, judged) -> None:
    story.load("webhook", 400, failures=8)
    starve(story, "webhook", story.clock - 8, story.clock, figure=0.9)
    assert judge(story, judged, "errors").verdict is Verdict.FAIL


def half_answers(story: Any, **fields: Any) -> None:
    story.load("webhook", 400, failures=8, **fields)
    for at, event in enumerate(story.events):
        if isinstance(event, Request) and not event.ok:
            fault: dict[str, Any] = {
                "status": 200,
                "error": "half an answer: no data.price",
                "failure": "incomplete",
            }
            story.events[at] = msgspec.structs.replace(event, **fault)


def test_half_an_answer_is_a_failure_unless_the_machine_was_starved(story, judged) -> None:
    half_answers(story)
    result = judge(story, judged, "errors")
    assert result.verdict is Verdict.FAIL
    assert "8 x half an answer: no data.price" in result.evidence
    starve(story, "webhook", story.clock - 8, story.clock, figure=0.6)
    assert judge(story, judged, "errors").verdict is Verdict.INCONCLUSIVE


def test_half_an_answer_that_took_long_is_unsure(story, judged) -> None:
    half_answers(story, latency_s=1.6)
    assert judge(story, judged, "errors").verdict is Verdict.INCONCLUSIVE


# what was said, and is played again


def wrong(story: Any, mode: str = "polling") -> float:
    """A reply that differs from the approved one, and from the other mode's."""
    for each in story.modes:
        story.lifetime(each)
        story.case(each, "start", "Welcome", say="/start")
        text = "<b>BTC</b> 1" if each != mode else "The exchanges took too long"
        story.case(each, "price", text, say="/price BTC", after_s=1.7)
        if each == mode:
            asked = float(story.clock)
    return asked


def again(story: Any, text: str, stretch: float = 1.0) -> float:
    labels: dict[str, Any] = {"stack": "polling-again-1", "mode": "polling"}
    story.add(PlayedAgain(t=story.clock, of="polling", cases=("price",), stretch=stretch, **labels))
    before = len(story.events)
    story.case("polling", "price", text, say="/price BTC")
    moved = [msgspec.structs.replace(e, **labels) for e in story.events[before:]]
    story.events[before:] = moved
    return float(story.clock)


@pytest.mark.parametrize("check", ["golden", "parity"])
def test_what_differs_only_where_it_was_starved_is_inconclusive(story, judged, check) -> None:
    asked = wrong(story)
    assert judge(story, judged, check).verdict is Verdict.FAIL
    starve(story, "polling", asked, asked + 1.5)
    assert judge(story, judged, check).verdict is Verdict.INCONCLUSIVE
    assert doubtful(story.history(), judged.rules, judged.approved) == {"polling": ["price"]}


def test_what_was_asked_of_a_bot_that_had_ended_fails_however_starved_the_machine_was(
    story, judged
) -> None:
    story.case("polling", "price")
    asked, place = story.clock, story.labels("polling")
    end = ProcessExited(t=asked - 2, process="bot", role="bot", code=1, expected=False, **place)
    story.add(end)
    starve(story, "polling", asked, asked + 3.0)
    found = judge(story, judged, "golden")
    assert found.verdict is Verdict.FAIL
    assert found.measurement == "1 of 1 replies never came, as the bot had ended: price (polling)"
    assert "  the bot had ended with exit code 1, 2.0 s before this was asked" in found.evidence
    story.events.remove(end)
    assert judge(story, judged, "golden").verdict is Verdict.INCONCLUSIVE


def test_a_file_that_no_case_uses_fails_however_starved_the_machine_was(story, judged) -> None:
    """Whether a file has a case is known before anything is played."""
    wrong(story)
    starve(story, "polling", 0.0, story.clock + 2.0)
    old = dataclasses.replace(judged, approved={**judged.approved, "old": "you: /old\n"})
    found = judge(story, old, "golden")
    assert found.verdict is Verdict.FAIL
    assert "1 approved file belongs to no case: golden/old.txt" in found.measurement


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [("/price ETH", Verdict.FAIL), ("/price btc/usdt", Verdict.INCONCLUSIVE)],
)
def test_another_one_s_answer_fails_however_starved_the_machine_was(
    story, judging, asked: str, verdict: Verdict
) -> None:
    """A variable that two askers share; the same question may have been answered a moment later."""
    for mode in story.modes:
        story.lifetime(mode)
        story.case(mode, "start", "Welcome", say="/start")
        story.case(mode, "other", "price 3954.18", say=asked)
        text = "price 3954.18" if mode == "polling" else "price 67187.33"
        story.case(mode, "price", text, say="/price BTC", after_s=1.7)
        if mode == "polling":
            starve(story, mode, story.clock, story.clock + 1.5)
    said = {
        "start": ("/start", "Welcome"),
        "other": (asked, "price 3954.18"),
        "price": ("/price BTC", "price 67187.33"),
    }
    judged = approving(judging, said)
    assert judge(story, judged, "golden").verdict is verdict
    again = {} if verdict is Verdict.FAIL else {"polling": ["price"]}
    assert doubtful(story.history(), judged.rules, judged.approved) == again


@pytest.mark.parametrize(
    ("more", "verdict"),
    [("price 3954.18", Verdict.FAIL), ("price 67187.33 now", Verdict.INCONCLUSIVE)],
)
def test_an_answer_that_went_to_another_chat_as_well_fails_however_starved_the_machine_was(
    story, judging, more: str, verdict: Verdict
) -> None:
    for mode in story.modes:
        story.lifetime(mode)
        story.case(mode, "other", "price 3954.18", say="/price ETH")
        replies = ("price 67187.33", more) if mode == "polling" else ("price 67187.33",)
        story.case(mode, "price", *replies, say="/price BTC", after_s=1.7)
        if mode == "polling":
            starve(story, mode, story.clock, story.clock + 1.5)
    said = {"other": ("/price ETH", "price 3954.18"), "price": ("/price BTC", "price 67187.33")}
    judged = approving(judging, said)
    assert judge(story, judged, "golden").verdict is verdict


PARSE = "Bad Request: can't parse entities: unsupported start tag"


@pytest.mark.parametrize(
    ("description", "by_a_fault", "verdict"),
    [
        (PARSE, False, Verdict.FAIL),
        (PARSE, True, Verdict.INCONCLUSIVE),
        ("Bad Request: message to edit not found", False, Verdict.INCONCLUSIVE),
    ],
)
def test_an_answer_that_telegram_can_never_take_fails_however_starved_the_machine_was(
    story, judged, description: str, by_a_fault: bool, verdict: Verdict
) -> None:
    for mode in story.modes:
        story.lifetime(mode)
        story.case(mode, "start", "Welcome", say="/start")
        if mode == "webhook":
            story.case(mode, "price", "<b>BTC</b> 1")
            continue
        story.case(mode, "price")
        at, labels = story.clock + 0.1, story.labels(mode)
        call = story.call(mode, "sendMessage", {"chat_id": story.events[-3].chat_id}, at)
        refused = {"error_code": 400, "description": description, "result": None}
        story.add(msgspec.structs.replace(call, **refused))
        if by_a_fault:
            story.add(DoubleEvent(t=at, double="telegram", kind="fault", **labels))
        starve(story, mode, story.clock, story.clock + 2.0)
    for check in ("golden", "latency"):
        assert judge(story, judged, check).verdict is verdict


@pytest.mark.parametrize(("cases", "verdict"), [(11, "INCONCLUSIVE"), (12, "FAIL")])
def test_a_mode_in_which_nothing_at_all_is_answered_fails_however_starved_the_machine_was(
    story, judging, cases: int, verdict: str
) -> None:
    for mode in story.modes:
        story.lifetime(mode)
        for number in range(cases):
            replies = ("Welcome",) if mode == "polling" else ()
            story.case(mode, f"case-{number}", *replies)
            if mode == "webhook":
                starve(story, mode, story.clock, story.clock + 2.0)
    assert judge(story, judging, "parity").verdict.value == verdict


def test_a_stranger_who_is_told_what_others_are_fails_however_starved_the_machine_was(
    story, judging
) -> None:
    """Alone, as it would be played again, he may be taken for the first one and refused."""
    for mode in story.modes:
        story.lifetime(mode)
        story.case(mode, "start", "Welcome", say="/start")
        story.case(mode, "price", "price 67187.33")
        told = "price 67187.33" if mode == "polling" else "This bot is private"
        story.case(mode, "stranger", told, after_s=1.7)
        if mode == "polling":
            starve(story, mode, story.clock, story.clock + 1.5)
    answers = {
        "start": ("/start", "Welcome"),
        "price": ("/price BTC", "price 67187.33"),
        "stranger": ("/price BTC", "This bot is private"),
    }
    judged = approving(judging, answers)
    assert judge(story, judged, "golden").verdict is Verdict.FAIL
    assert doubtful(story.history(), judged.rules, judged.approved) == {}


def test_a_bot_that_answered_nothing_is_not_asked_once_more(story, judging) -> None:
    story.lifetime("polling")
    cases = ("one", "two", "three")
    for name in cases:
        story.case("polling", name, say=f"/{name}")
        starve(story, "polling", story.clock, story.clock + 1.5)
    approved = dict.fromkeys(cases, "Welcome")
    assert doubtful(story.history(), judging.rules, approved) == {}
    story.case("polling", "start", "Welcome", say="/start")
    assert list(doubtful(story.history(), judging.rules, approved)["polling"]) == [*cases]


def test_a_silence_that_is_broken_fails_however_starved_the_machine_was(story, judged) -> None:
    story.healthy()
    story.case("polling", "small-talk", "What?", say="hello", expect="silence")
    asked = float(story.clock)
    starve(story, "polling", asked, asked + 1.5)
    result = judge(story, judged, "golden")
    assert result.verdict is Verdict.FAIL
    assert "silence was broken: small-talk" in result.measurement
    for mode in story.modes:  # and where nothing else is left to be judged
        starve(story, mode, 0.0, asked + 1.5)
    result = judge(story, judged, "golden")
    assert result.verdict is Verdict.FAIL
    assert "silence was broken: small-talk" in result.measurement


@pytest.mark.parametrize("check", ["golden", "parity"])
def test_what_is_right_when_it_is_played_again_is_right(story, judged, check) -> None:
    asked = wrong(story)
    starve(story, "polling", asked, asked + 1.5)
    again(story, "<b>BTC</b> 1", stretch=10.0)
    result = judge(story, judged, check)
    assert result.verdict is Verdict.PASS
    assert result.evidence[-1] == (
        "polling: the machine had kept the run from going on, so 1 of its cases had to be played "
        "again, alone and with 10 times the target's own deadlines: price"
    )
    assert doubtful(story.history(), judged.rules, judged.approved) == {}


@pytest.mark.parametrize("check", ["golden", "parity"])
def test_what_is_wrong_when_it_was_not_starved_fails(story, judged, check) -> None:
    asked = wrong(story)
    starve(story, "polling", asked, asked + 1.5)
    again(story, "The exchanges took too long")
    assert judge(story, judged, check).verdict is Verdict.FAIL
    assert doubtful(story.history(), judged.rules, judged.approved) == {}


def unknown_host(t: float) -> DoubleEvent:
    detail = {"host": "api.example.com"}
    return DoubleEvent(t=t, double="resolver", kind=UNKNOWN_HOST, detail=detail, stack="polling")


@pytest.mark.parametrize("spoilt_by", ["starvation", "a double"])
def test_a_reply_without_an_approved_file_fails_however_starved_it_was(
    story, judged, spoilt_by
) -> None:
    story.lifetime("polling")
    story.case("polling", "start", "Welcome", say="/start")
    story.case("polling", "extra", "not approved", say="/extra")
    asked = float(story.clock)
    if spoilt_by == "starvation":
        starve(story, "polling", asked - 10, asked + 1.5)
    else:
        story.add(unknown_host(asked))
    result = judge(story, judged, "golden")
    assert result.verdict is Verdict.FAIL
    assert "extra (polling): has no approved file; see `botproof golden diff`" in result.evidence


def test_what_was_withheld_before_the_target_was_started_spoils_nothing(story, judged) -> None:
    """The double draws its market then, for seconds, before anything of the target runs."""
    asked = wrong(story)
    started = asked - 10.0
    story.events = [
        msgspec.structs.replace(e, t=started) if isinstance(e, ProcessStarted) else e
        for e in story.events
    ]
    starve(story, "polling", started - 5.0, started)
    assert judge(story, judged, "golden").verdict is Verdict.FAIL
    starve(story, "polling", started, started + 5.0)
    assert judge(story, judged, "golden").verdict is Verdict.INCONCLUSIVE


def test_what_met_a_gap_of_a_double_is_not_played_again(story, judged) -> None:
    asked = wrong(story)
    story.add(unknown_host(asked + 0.1))
    assert judge(story, judged, "golden").verdict is Verdict.INCONCLUSIVE
    assert doubtful(story.history(), judged.rules, judged.approved) == {}


def test_what_is_starved_is_told_by_the_stretch_of_its_deadlines(story, judged) -> None:
    asked = wrong(story)
    starve(story, "polling", asked, asked + 1.5)
    asked = again(story, "The exchanges took too long", stretch=10.0)
    # Half a second is nothing to deadlines that are ten times as long.
    story.add(Starved(t=asked + 0.5, over_s=0.5, late_s=0.5, cpus=2, stack="polling-again-1"))
    assert judge(story, judged, "golden").verdict is Verdict.FAIL


def test_a_deadline_is_stretched_where_botproof_toml_allows_it() -> None:
    assert substitute("{seconds:1.5}", {}) == "1.5"
    assert substitute("{seconds:1.5}", {"stretch": "10"}) == "15"
    plain = Process(command=("x",), ready="telegram")
    asks = Process(command=("x",), ready="telegram", env={"LIMIT": "{seconds:1.5}"})
    modes = {"polling": Mode()}
    assert not stretches(Config(bot=plain, modes=modes))
    asking = Config(bot=asks, modes=modes)
    assert stretches(asking)
    assert longest_deadline(asking) == 1.5
    around = SimpleNamespace(config=asking)
    assert _stretched_by(cast("Stack", SimpleNamespace(around=around, stretch=10.0))) == 13.5


@pytest.mark.anyio
async def test_nothing_is_played_again_where_nothing_is_in_doubt(story, tmp_path) -> None:
    options = gate.GateOptions(
        Config(bot=Process(command=("x",), ready="telegram"), modes={"polling": Mode()}),
        tmp_path / "botproof.toml",
        tmp_path,
    )

    class Around:
        class recorder:  # noqa: N801 - stands for an attribute
            @staticmethod
            def history() -> History:
                record: History = story.healthy().history()
                return record

    await gate._play_again(options, Around, ("polling",))  # type: ignore[arg-type]
