"""conversations: generated conversations are answered the same in every mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from botproof.checks.judging import Judging
from botproof.checks.playing import Playing, Side, explain
from botproof.checks.replies import lines_of
from botproof.conversations import Conversation, describe
from botproof.counting import several
from botproof.history import ConversationsCompared, History
from botproof.starvation import KEPT
from botproof.verdict import CheckResult, Verdict

LEAST = 25
_MOST_LINES = 80


def check(history: History, _: Judging) -> CheckResult:
    """Judge the last comparison of a history."""
    compared = history.of(ConversationsCompared)
    if not compared:
        return _result(Verdict.INCONCLUSIVE, "no conversation was played", ())
    event = compared[-1]
    verdict = _verdict(event)
    result = _result(verdict, _measurement(event), tuple(_evidence(event)), _data(event))
    starved = verdict is Verdict.INCONCLUSIVE and bool(event.starved)
    return msgspec.structs.replace(result, spoilt_by="machine") if starved else result


def _verdict(event: ConversationsCompared) -> Verdict:
    if event.differences or event.ended:
        return Verdict.FAIL
    least = 1 if event.replayed else LEAST
    enough = event.conversations >= least and len(event.doors) >= 2
    if event.flaky or event.starved or event.unanswered or not enough:
        return Verdict.INCONCLUSIVE
    return Verdict.PASS


def _result(
    verdict: Verdict,
    measurement: str,
    evidence: tuple[str, ...],
    data: Mapping[str, Any] | None = None,
) -> CheckResult:
    return CheckResult(
        check="conversations",
        verdict=verdict,
        budget="0 conversations answered differently",
        measurement=measurement,
        least_evidence=f"{LEAST} generated conversations (or a saved one), played in two modes",
        evidence=lines_of(evidence, _MOST_LINES),
        source="docs/parity.md",
        data=dict(data or {}),
    )


def _measurement(event: ConversationsCompared) -> str:
    modes = " and ".join(event.doors) or "no mode"
    size = f"{several(event.steps, 'update')}, {several(event.answers, 'different message')}"
    base = f"{several(event.conversations, 'conversation')} ({size}) in {modes}"
    found = (
        (event.ended and "broke off"),
        (event.differences and "answered differently"),
        (event.flaky and f"{len(event.flaky)} answered differently only at times"),
        (event.starved and f"{len(event.starved)} differed only where {KEPT}"),
        (event.unanswered and f"{len(event.unanswered)} left the bot silent in every mode"),
    )
    results = [str(each) for each in found if each]
    return f"{base}: {', '.join(results) or 'the same answers'}"


def _data(event: ConversationsCompared) -> dict[str, Any]:
    names = ("seed", "conversations", "steps", "answers", "playings", "late", "stopped_by")
    return {name: getattr(event, name) for name in (*names, "search_s", "shrink_s")}


def _evidence(event: ConversationsCompared) -> Iterator[str]:
    if event.ended:
        yield event.ended
        yield from _steps(event.ended_in)
    for finding in event.differences:
        if finding.get("learning"):
            yield "the first messages after the start were answered differently:"
        else:
            yield "the shortest conversation that shows the difference:"
        yield from _explained(finding, "sides")
    for finding in event.flaky:
        yield "differed once, and not when it was played again:"
        yield from _explained(finding, "sides")
    for finding in event.starved:
        yield "differed each time, and each time the machine kept the run from going on:"
        yield from _explained(finding, "sides")
    for finding in event.unanswered:
        yield f"no mode answered {event.sentinel} after this conversation:"
        yield from _steps(finding["conversation"])


def _explained(finding: Mapping[str, Any], key: str) -> Iterator[str]:
    yield from explain(playing_of(finding, key))
    if finding.get("saved"):
        yield ""
        yield f"again: botproof parity --replay {finding['saved']}"


def _steps(conversation: Mapping[str, Any]) -> Sequence[str]:
    return describe(msgspec.convert(conversation, Conversation)) if conversation else []


def playing_of(finding: Mapping[str, Any], key: str = "sides") -> Playing:
    """Return the playing that a finding of a history holds. Raises msgspec.ValidationError."""
    sides = tuple(
        Side(side["door"], side["rooms"], refused=tuple(side.get("refused", ())))
        for side in finding[key]
    )
    conversation = msgspec.convert(finding["conversation"], Conversation)
    return Playing(int(finding.get("number", 0)), conversation, sides)
