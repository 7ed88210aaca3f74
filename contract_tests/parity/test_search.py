"""The search on a toy target with a planted drift: found, shrunk, repeatable, and honest."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from botproof.checks.conversations import LEAST
from botproof.checks.playing import Playing, Side, explain
from botproof.conversations import Conversation, Edit, Say, encode
from botproof.parity.search import Abort, Findings, Limits, replay, search
from botproof.targets.launch import TargetError
from botproof.workloads.vocabulary import Vocabulary

WORDS = Vocabulary(commands={"/help": ("",), "/price": ("BTC", "ETH"), "/top": ("", "perps")})
LIMITS = Limits(examples=150, seconds=60, shrink_seconds=60)


def drifted(toys: Any) -> Any:
    """Answers /price with one line too few."""

    def handle(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
        for method, params in toys.echo(kind, body):
            text = str(params.get("text", ""))
            if text.startswith("you said /price"):
                yield method, {**params, "text": "you said something"}
            else:
                yield method, params

    return handle


def test_a_drift_is_found_and_shrunk_to_one_message(toys: Any) -> None:
    stage = toys.stage(toys.mode("polling"), toys.mode("webhook", drifted(toys)))
    findings = search(stage, WORDS, LIMITS)
    assert findings.shortest is not None
    (step,) = findings.shortest.conversation.steps
    assert isinstance(step, Say)
    assert step.text.startswith("/price")
    assert (step.who, step.where, step.to, step.twice, step.novel) == (
        "alice",
        "private",
        "",
        False,
        False,
    )
    lines = explain(findings.shortest)
    assert lines[0] == f"1. alice says: {step.text}"
    assert any(
        f"you said {step.text}" in line and line.endswith("| you said something") for line in lines
    )


def test_a_drift_that_needs_two_steps_keeps_two(toys: Any) -> None:
    asked: set[int] = set()

    def handle(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
        chat = body.get("chat", {}).get("id", 0)
        if kind == "edited_message" and chat in asked:
            yield "sendMessage", {"chat_id": chat, "text": "I saw that"}
        if kind == "message" and str(body.get("text", "")).startswith("/top"):
            asked.add(chat)
        yield from toys.echo(kind, body)

    stage = toys.stage(toys.mode("a"), toys.mode("b", handle))
    findings = search(stage, WORDS, LIMITS)
    assert findings.shortest is not None
    first, second = findings.shortest.conversation.steps
    assert isinstance(first, Say)
    assert isinstance(second, Edit)


def test_agreeing_modes_are_played_to_the_last_example(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b"), toys.mode("c"))
    findings = search(stage, WORDS, Limits(examples=40, seconds=60))
    assert findings.shortest is None
    assert findings.flaky == []
    assert findings.stopped_by == "examples"
    assert findings.conversations == len(set(map(encode, stage.played))) == 40
    assert "sendMessage\nyou said /price BTC" in findings.answers


def test_the_third_mode_is_compared_too(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b"), toys.mode("c", drifted(toys)))
    findings = search(stage, WORDS, LIMITS)
    assert findings.shortest is not None
    assert len(findings.shortest.conversation.steps) == 1


def played_with(toys: Any, seed: int) -> list[bytes]:
    stage = toys.stage(toys.mode("a"), toys.mode("b"))
    search(stage, WORDS, Limits(examples=20, seconds=60, seed=seed))
    return [encode(each) for each in stage.played]


def test_a_seed_makes_the_conversations(toys: Any) -> None:
    assert played_with(toys, 7) == played_with(toys, 7)
    assert played_with(toys, 7) != played_with(toys, 8)


def played_within(toys: Any, seconds: float) -> int:
    """Conversations of a search whose clock goes on by one second whenever it is looked at."""
    stage = toys.stage(toys.mode("a"), toys.mode("b"))
    ticks = itertools.count()
    limits = Limits(examples=500, seconds=seconds)
    findings = search(stage, WORDS, limits, clock=lambda: float(next(ticks)))
    assert findings.stopped_by == "seconds"
    return findings.conversations


def test_time_limits_the_search(toys: Any) -> None:
    assert LEAST <= played_within(toys, 40) <= 40


def test_a_slow_machine_gets_time_for_the_least_evidence_and_not_more(toys: Any) -> None:
    assert played_within(toys, 10) == LEAST
    assert played_within(toys, 5) < LEAST


def test_what_the_machine_withholds_is_no_time_of_the_search(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b"))
    ticks, withheld = itertools.count(), itertools.count()
    limits = Limits(examples=500, seconds=5)
    search(
        stage,
        WORDS,
        limits,
        clock=lambda: float(next(ticks)),
        withheld_s=lambda: 0.9 * next(withheld),
    )
    assert len(stage.played) == LEAST


def test_time_limits_the_shrinking_and_the_first_finding_stays(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b", drifted(toys)))
    clock = itertools.count().__next__
    limits = Limits(examples=500, seconds=10_000, shrink_seconds=1)
    findings = search(stage, WORDS, limits, clock=lambda: float(clock()))
    assert findings.stopped_by == "seconds"
    assert findings.first is not None
    assert findings.shortest is not None


def test_what_happens_once_is_flaky_and_never_a_pass(toys: Any) -> None:
    once = iter([True])

    def handle(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
        if str(body.get("text", "")).startswith("/price") and next(once, False):
            return
        yield from toys.echo(kind, body)

    stage = toys.stage(toys.mode("a"), toys.mode("b", handle))
    findings = search(stage, WORDS, LIMITS)
    assert findings.shortest is None
    ((first, again),) = findings.flaky
    assert first.differs
    assert not again.differs


def is_price(call: Any) -> bool:
    return str(call[1].get("text", "")).startswith("you said /price")


def test_what_is_late_is_no_difference(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b", overtaken=is_price), ordered=False)
    findings = search(stage, WORDS, Limits(examples=30, seconds=60))
    assert findings.late > 0
    assert findings.shortest is None


def test_what_comes_long_after_the_end_is_not_overlooked(toys: Any) -> None:
    def handle(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
        yield from toys.echo(kind, body)
        if kind == "message":
            yield "sendMessage", {"chat_id": body["chat"]["id"], "text": "PS"}

    def late(call: Any) -> float:
        return 0.05 if call[1].get("text") == "PS" else 0.0

    stage = toys.stage(toys.mode("a"), toys.mode("b", handle, late_s=late))
    findings = search(stage, WORDS, Limits(examples=60, seconds=60))
    assert findings.flaky or findings.shortest


def test_the_order_in_a_chat_is_compared(toys: Any) -> None:
    """The sentinel overtakes a price."""
    later = toys.mode("b", late_s=lambda call: 0.01 if is_price(call) else 0.0)
    stage = toys.stage(toys.mode("a"), later)
    findings = search(stage, WORDS, Limits(examples=30, seconds=60))
    assert findings.shortest is not None


def test_a_target_that_ends_ends_the_search(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b"))
    play = stage.play

    def breaks(conversation: Conversation, quiet_s: float = 0.0) -> Any:
        if len(stage.played) == 3:
            raise Abort(conversation, TargetError("bot ended on its own with exit code 1"))
        return play(conversation, quiet_s)

    stage.play = breaks
    findings = search(stage, WORDS, LIMITS)
    assert findings.aborted is not None
    assert str(findings.aborted) == "bot ended on its own with exit code 1"
    assert findings.conversations == 3


@pytest.mark.parametrize("drift", [True, False])
def test_a_saved_conversation_is_played_again(toys: Any, drift: bool) -> None:
    other = toys.mode("b", drifted(toys)) if drift else toys.mode("b")
    findings = replay(toys.stage(toys.mode("a"), other), Conversation(steps=(Say(text="/price"),)))
    assert (findings.shortest is not None) is drift
    assert findings.flaky == []


def test_a_saved_conversation_that_differs_at_times_is_flaky(toys: Any) -> None:
    turns = itertools.cycle([True, False])

    def handle(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
        if body.get("text") != "/price" or next(turns):
            yield from toys.echo(kind, body)

    stage = toys.stage(toys.mode("a"), toys.mode("b", handle))
    findings = replay(stage, Conversation(steps=(Say(text="/price"),)))
    assert findings.shortest is None
    assert len(findings.flaky) == 1


def test_a_target_that_ends_ends_a_replay(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b"))

    def breaks(conversation: Conversation, quiet_s: float = 0.0) -> Any:  # noqa: ARG001 - the protocol's
        raise Abort(conversation, TargetError("gone"))

    stage.play = breaks
    findings = replay(stage, Conversation(steps=(Say(text="/price"),)))
    assert str(findings.aborted) == "gone"
    assert findings.playings == 0


class StarvedStage:
    """A stage whose machine keeps the modes from going on for the first playings of a drift, or of
    a silence."""

    def __init__(self, stage: Any, times: int) -> None:
        self._stage = stage
        self._left = times

    def play(self, conversation: Conversation, quiet_s: float = 0.0) -> Playing:
        playing: Playing = self._stage.play(conversation, quiet_s)
        if (playing.differs or playing.silent) and self._left:
            self._left -= 1
            return replace(playing, starved=True)
        return playing

    def reread(self, number: int) -> Playing:
        playing: Playing = self._stage.reread(number)
        return playing


def test_a_drift_is_found_as_soon_as_it_was_not_starved(toys: Any) -> None:
    stage = toys.stage(toys.mode("polling"), toys.mode("webhook", drifted(toys)))
    findings = search(StarvedStage(stage, 2), WORDS, LIMITS)
    assert findings.shortest is not None
    assert not findings.starved


def test_what_differs_only_where_it_was_starved_is_no_difference(toys: Any) -> None:
    stage = toys.stage(toys.mode("polling"), toys.mode("webhook", drifted(toys)))
    limits = Limits(examples=30, seconds=60, shrink_seconds=60)
    findings = search(StarvedStage(stage, 10**6), WORDS, limits)
    assert findings.shortest is None
    assert findings.starved


def once_silent(toys: Any, times: int) -> Any:
    """Does not answer what comes first, so often."""
    left = times

    def handle(kind: str, body: Mapping[str, Any]) -> Iterator[Any]:
        nonlocal left
        if left and str(body.get("text", "")).startswith("/price"):
            left -= 1
            return
        yield from toys.echo(kind, body)

    return handle


def test_what_happened_once_while_it_was_starved_is_no_difference(toys: Any) -> None:
    stage = toys.stage(toys.mode("a"), toys.mode("b", once_silent(toys, 1)))
    findings = search(StarvedStage(stage, 1), WORDS, LIMITS)
    assert (findings.flaky, findings.starved, findings.shortest) == ([], [], None)
    assert findings.late == 1


@pytest.mark.parametrize("starved", [True, False])
def test_a_silence_of_every_mode_counts_where_it_was_not_starved(toys: Any, starved: bool) -> None:
    plays = iter([True])

    class Silent(StarvedStage):
        def play(self, conversation: Conversation, quiet_s: float = 0.0) -> Playing:
            playing = super().play(conversation, quiet_s)
            if not next(plays, False):
                return playing
            sides = tuple(replace(side, silent=("alice",)) for side in playing.sides)
            return replace(playing, sides=sides, starved=starved)

    stage = toys.stage(toys.mode("a"), toys.mode("b"))
    findings = search(Silent(stage, 0), WORDS, Limits(examples=30, seconds=60))
    assert len(findings.silent) == (0 if starved else 1)
    assert not findings.starved


@pytest.mark.parametrize("starved", [True, False])
def test_first_messages_that_differ_while_the_machine_was_busy_are_no_difference(
    starved: bool,
) -> None:
    """A good build was FAIL for them: market data was not reachable in one mode for a moment."""
    sides = (Side("polling", {"alice": "one"}), Side("webhook", {"alice": "two"}))
    playing = Playing(1, Conversation(steps=()), sides, starved=starved)
    findings = Findings()
    findings.note_learnt(playing)
    assert findings.starved == ([playing] if starved else [])
    assert findings.learnt is (None if starved else playing)
