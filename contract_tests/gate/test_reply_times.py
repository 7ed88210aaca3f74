"""How long a reply took, on a machine or with a double that kept it; when it is played again."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from botproof import gate
from botproof.checks.replies import render, settled_turns
from botproof.checks.reply_times import ReplyTimes
from botproof.config import Config, Mode, Process
from botproof.history import PlayedAgain, Starved, VenueCall
from botproof.targets.stack import Surroundings
from botproof.verdict import Verdict
from contract_tests.gate.starving import judge, starve

AGAIN: dict[str, Any] = {"stack": "polling-again-1", "mode": "polling"}
LIMIT_S = 2.0


def late_story(story: Any, after_s: float) -> float:
    story.healthy()
    story.case("polling", "late", "<b>BTC</b> 1", after_s=after_s)
    return float(story.clock)


def test_a_reply_that_was_late_for_want_of_a_processor_is_inconclusive(story, judged) -> None:
    asked = late_story(story, after_s=2.5)
    starve(story, "polling", asked, asked + 2.5, figure=0.5)
    result = judge(story, judged, "latency")
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the machine kept the run from going on" in result.measurement
    assert "late (polling)" in result.evidence[0]


def test_a_reply_that_would_have_been_late_anyway_fails(story, judged) -> None:
    asked = late_story(story, after_s=4.0)
    starve(story, "polling", asked, asked + 4.0, figure=0.3)
    assert judge(story, judged, "latency").verdict is Verdict.FAIL


def test_a_reply_that_never_came_is_not_explained_by_a_moment(story, judged) -> None:
    """The harness waits for it that much longer: a mute bot is mute on a busy machine, too."""
    story.healthy()
    story.case("polling", "lost")
    starve(story, "polling", story.clock, story.clock + 2.5, figure=0.1)
    assert judge(story, judged, "latency").verdict is Verdict.FAIL


def test_a_target_that_burnt_the_processor_itself_fails(story, judged) -> None:
    asked = late_story(story, after_s=2.5)
    burnt: dict[str, Any] = {
        "waited_s": {"bot": 0.4},
        "ran_s": {"bot": 0.9},
        "over_s": 0.5,
        "cpus": 2,
    }
    for number in range(6):
        at = asked + 0.5 * (number + 1)
        story.add(Starved(t=at, busy_s=1.0, **burnt, **story.labels("polling")))
    assert judge(story, judged, "latency").verdict is Verdict.FAIL


def test_starvation_in_another_stack_explains_nothing(story, judged) -> None:
    asked = late_story(story, after_s=2.5)
    starve(story, "webhook", asked, asked + 2.5)
    assert judge(story, judged, "latency").verdict is Verdict.FAIL


# played again


def again(
    story: Any, *texts: str, after_s: float = 0.3, stretch: float = 1.0, timed: bool = True
) -> float:
    """Play the case "late" once more, in a stack of its own."""
    event: dict[str, Any] = {"of": "polling", "cases": ("late",), "stretch": stretch}
    story.add(PlayedAgain(t=story.clock, timed=timed, **event, **AGAIN))
    before = len(story.events)
    story.case("polling", "late", *texts, after_s=after_s)
    story.events[before:] = [msgspec.structs.replace(e, **AGAIN) for e in story.events[before:]]
    return float(story.clock)


def doubtful(story: Any, judged: Any) -> Any:
    return ReplyTimes(story.history(), judged.rules, LIMIT_S).late_for_no_fault()


def starved_story(story: Any) -> None:
    asked = late_story(story, after_s=2.5)
    starve(story, "polling", asked, asked + 2.5, figure=0.5)


def slow_double(story: Any) -> None:
    asked = late_story(story, after_s=2.5)
    labels = story.labels("polling")
    story.add(VenueCall(t=asked + 2.0, venue="gate", path="/x", own_s=1.2, **labels))


@pytest.mark.parametrize("reason", [starved_story, slow_double])
def test_a_reply_that_is_in_time_when_it_is_played_again_passes(story, judged, reason) -> None:
    reason(story)
    assert judge(story, judged, "latency").verdict is Verdict.INCONCLUSIVE
    assert doubtful(story, judged) == {"polling": ["late"]}
    again(story, "<b>BTC</b> 1")
    result = judge(story, judged, "latency")
    assert result.verdict is Verdict.PASS
    line = next(line for line in result.evidence if "at first, for no fault of the target" in line)
    assert line.startswith("late (polling) /price BTC: 2.50 s")
    assert line.endswith("; 0.30 s when it was played again, alone")
    assert doubtful(story, judged) == {}


def test_a_reply_that_never_came_and_comes_when_it_is_played_again_passes(story, judged) -> None:
    story.healthy()
    story.case("polling", "late")
    starve(story, "polling", story.clock, story.clock + 3.0, figure=0.7)
    assert doubtful(story, judged) == {"polling": ["late"]}
    again(story, "<b>BTC</b> 1")
    result = judge(story, judged, "latency")
    assert result.verdict is Verdict.PASS
    assert "late (polling) /price BTC: no answer at first" in "\n".join(result.evidence)


@pytest.mark.parametrize("texts", [("<b>BTC</b> 1",), ()])
def test_a_reply_that_is_late_by_itself_when_it_is_played_again_fails(
    story, judged, texts: tuple[str, ...]
) -> None:
    starved_story(story)
    again(story, *texts, after_s=2.4)
    assert judge(story, judged, "latency").verdict is Verdict.FAIL
    assert doubtful(story, judged) == {}


def test_a_reply_that_was_late_by_itself_has_no_second_chance(story, judged) -> None:
    late_story(story, after_s=2.5)
    assert doubtful(story, judged) == {}
    again(story, "<b>BTC</b> 1")
    assert judge(story, judged, "latency").verdict is Verdict.FAIL


def test_a_reply_on_longer_deadlines_says_nothing_of_how_fast_it_is(story, judged) -> None:
    starved_story(story)
    again(story, "<b>BTC</b> 1", stretch=10.0, timed=False)
    assert judge(story, judged, "latency").verdict is Verdict.INCONCLUSIVE
    assert doubtful(story, judged) == {"polling": ["late"]}


@pytest.mark.parametrize("timed", [True, False])
def test_what_was_only_late_is_not_judged_by_what_it_says_when_it_is_timed(
    story, judged, timed: bool
) -> None:
    """There it has the deadlines that ship once more, of which a starved machine makes gaps."""
    starved_story(story)
    again(story, "The exchanges took too long", timed=timed)
    turn = settled_turns(story.history(), judged.rules)["polling"]["late"]
    text = "<b>BTC</b> 1" if timed else "The exchanges took too long"
    assert text in render(turn, judged.rules)


@pytest.mark.parametrize("reason", [starved_story, slow_double])
def test_a_reply_that_is_kept_each_time_is_inconclusive(story, judged, reason) -> None:
    reason(story)
    asked = again(story, "<b>BTC</b> 1", after_s=2.5)
    story.add(Starved(t=asked + 2.5, over_s=2.5, late_s=1.2, busy_s=5.0, cpus=2, **AGAIN))
    assert judge(story, judged, "latency").verdict is Verdict.INCONCLUSIVE
    assert doubtful(story, judged) == {"polling": ["late"]}


def test_a_bot_that_answered_nothing_is_not_asked_once_more_for_its_speed(story, judged) -> None:
    story.lifetime("polling")
    for number in range(4):
        story.case("polling", f"lost-{number}")
        starve(story, "polling", story.clock, story.clock + 3.0)
    assert doubtful(story, judged) == {}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("checks", "asked"),
    [(("latency",), [("late", "polling-late-1", 1.0)]), (("boot",), [])],
)
async def test_the_gate_plays_what_was_late_again_with_the_deadlines_that_ship(
    story, monkeypatch, tmp_path: Path, checks: tuple[str, ...], asked: list[Any]
) -> None:
    """Once at the least, though what differs is played with longer deadlines alone."""
    starved_story(story)
    played: list[Any] = []

    async def note(_: Any, stack: Any, names: tuple[str, ...], *, timed: bool) -> bool:
        assert timed
        played.append((*names, stack.name, stack.stretch))
        again(story, "<b>BTC</b> 1")
        return True

    command = ("x", "{seconds:1.5}")
    config = Config(bot=Process(command=command, ready="telegram"), modes={"polling": Mode()})
    options = gate.GateOptions(config, tmp_path / "x.toml", tmp_path, checks=checks, rounds=1)
    around = SimpleNamespace(recorder=SimpleNamespace(history=story.history), config=config)
    monkeypatch.setattr(gate, "_again", note)
    monkeypatch.setattr(
        gate,
        "Stack",
        lambda _, mode, name, stretch=1.0: SimpleNamespace(mode=mode, name=name, stretch=stretch),
    )
    await gate._play_again(options, cast("Surroundings", around), ("polling",))
    assert played == asked
