"""What is a double's doing and not the target's: what it does not serve, and the time it takes.

A check that fails is asked again without what may have gone wrong for that reason alone. If it then
no longer fails, nothing is known about the target: INCONCLUSIVE, with what the double lacks in the
first line. If it still fails, it fails. A row of its own, "doubles", names all that was asked for
in vain, whatever the verdicts are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from botproof.calls import integer
from botproof.checks.replies import lines_of
from botproof.history import (
    DISTRUSTED,
    NOT_RECORDED,
    REFUSED_ADDRESS,
    UNKNOWN_HOST,
    BotApiCall,
    CasePlayed,
    ConversationsCompared,
    DoorAsked,
    DoubleEvent,
    Event,
    History,
    ProcessExited,
    ProcessNotReady,
    Request,
    VenueCall,
)
from botproof.verdict import CheckResult, Verdict

DOUBLES = "doubles"
"""The name under which what the doubles lack stands among the checks."""

_UNTOUCHED = frozenset({"memory", "delivery"})
"""Checks whose subject does not depend on what a venue answered."""
_UNANSWERED_S = 15.0  # how long after a case that stayed unanswered its calls still belong to it
_BROKEN = 500  # this HTTP status and those above it are no answer
_SLOW_S = 1.0  # a double that took that long for itself may have made the harness give up


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in one stack."""

    stack: str
    start: float
    end: float

    def meets(self, other: Span) -> bool:
        return self.stack == other.stack and self.start <= other.end and other.start <= self.end


@dataclass(frozen=True, slots=True)
class Shortcomings:
    """What the doubles of a run could not do, and what may have suffered from it."""

    gaps: tuple[tuple[str, Span], ...]
    lacking: frozenset[tuple[str, str]]
    """Cases, by stack and name, that met a gap: playing them again would meet it again."""
    late: frozenset[tuple[str, str]]
    """Other cases, for which a double took too long."""

    @classmethod
    def of(cls, history: History, limit_s: float) -> Shortcomings:
        """Read them from a history; `limit_s` is the time that a reply may take."""
        gaps = tuple(_gaps(history))
        slow = [
            Span(call.stack, call.t - call.own_s, call.t)
            for call in history.of(VenueCall)
            if call.own_s > 0
        ]
        begun = dict(_first_cases(history))
        early = {span.stack for _, span in gaps if span.start < begun.get(span.stack, 0.0)}
        lacking, late = set(), set()
        for case, span in windows(history):
            if case.stack in early or any(span.meets(gap) for _, gap in gaps):
                lacking.add((case.stack, case.case))
            elif _too_slow(span, slow, limit_s):
                late.add((case.stack, case.case))
        return cls(gaps, frozenset(lacking), frozenset(late))

    @property
    def spoilt(self) -> frozenset[tuple[str, str]]:
        """All cases that may have suffered."""
        return self.lacking | self.late

    def names(self) -> tuple[str, ...]:
        """Return what was asked for in vain, with how often, most often first."""
        counted = Counter(what for what, _ in self.gaps)
        return tuple(f"{what} ({times} x)" for what, times in counted.most_common())

    def without(self, history: History, check: str) -> History:
        """Return the history without what may have gone wrong because of a double."""
        spoilt = self.spoilt
        everywhere = {case for _, case in spoilt} if check == "parity" else set()
        first: dict[str, float] = {}
        for _, span in self.gaps:
            first[span.stack] = min(span.start, first.get(span.stack, span.start))

        def spoilt_start(event: ProcessNotReady) -> bool:
            return event.role != "double" and event.t >= first.get(event.stack, event.t + 1)

        doors = set(map(id, _door_in_vain(history, [span for _, span in self.gaps])))

        # How such a process then ended says nothing: it never came to its work.
        unready = {
            (event.stack, event.process)
            for event in history.of(ProcessNotReady)
            if spoilt_start(event)
        }

        def kept(event: Event) -> bool:
            if isinstance(event, CasePlayed):
                return (event.stack, event.case) not in spoilt and event.case not in everywhere
            if isinstance(event, ProcessNotReady):
                return not spoilt_start(event)
            if isinstance(event, ProcessExited):
                early = event.t < first.get(event.stack, event.t + 1)
                true = event.expected or event.role == "double" or early
                return true and (event.stack, event.process) not in unready
            if isinstance(event, Request):
                span = Span(event.stack, event.intended, event.intended + event.latency_s)
                return event.stack not in first or first[event.stack] > span.end
            if isinstance(event, ConversationsCompared):
                began = event.t - event.search_s - event.shrink_s
                return not any(began <= span.end <= event.t for _, span in self.gaps)
            return True

        return History(event for event in history if id(event) not in doors and kept(event))


def _gaps(history: History) -> Iterator[tuple[str, Span]]:
    for call in history.of(VenueCall):
        if call.unserved:
            what = f"the exchange double does not serve {call.unserved}"
            yield what, Span(call.stack, call.t - call.duration_s, call.t)
    for event in history.of(DoubleEvent):
        if event.kind == NOT_RECORDED:
            what = f"no recording has {event.detail.get('what', '?')}"
            yield what, Span(event.stack, event.t, event.t)
        if event.kind == DISTRUSTED:
            yield _distrust(event), Span(event.stack, event.t, event.t)
        if event.kind == UNKNOWN_HOST:
            what = f"no double stands for the host {event.detail.get('host', '?')}"
            yield what, Span(event.stack, event.t, event.t)
        if event.kind == REFUSED_ADDRESS:
            yield refused_address(event), Span(event.stack, event.t, event.t)


def refused_address(event: DoubleEvent) -> str:
    """Return what became of a call to an address beyond the machine, or beyond a run's network."""
    who, address = event.detail.get("process", "?"), event.detail.get("address", "?")
    if address.startswith("127."):
        return (
            f"the {who} tried to reach {address}: nothing of the run listens there. Something of "
            "this machine does, which a container does not reach: describe it in [services], or "
            'let the bot reach it by [doubles] allow_hosts = ["127.0.0.1"]'
        )
    return (
        f"the {who} tried to reach {address}: it was refused, as no double answers for addresses "
        "in figures (docs/botproof-toml.md#doubles-no-way-out)"
    )


def _distrust(event: DoubleEvent) -> str:
    host = event.detail.get("host") or event.double
    return (
        f"a client does not trust the double of {host} (TLS: {event.detail.get('why', '?')}): it "
        "brings authorities of its own. Let it use the system's, or give it the double's address "
        "by a setting"
    )


def _first_cases(history: History) -> Iterator[tuple[str, float]]:
    for stack in history.stacks:
        cases = history.of(CasePlayed, stack=stack)
        yield stack, cases[0].t if cases else float("inf")


def windows(history: History) -> Iterator[tuple[CasePlayed, Span]]:
    """Yield each case with the time from its sending to the last that its chat got for it."""
    for stack in history.stacks:
        calls: dict[int, list[float]] = {}
        for call in history.of(BotApiCall, stack=stack):
            chat = integer(call.params.get("chat_id"))
            if chat is not None:
                calls.setdefault(chat, []).append(call.t)
        following: dict[int, float] = {}
        for case in reversed(history.of(CasePlayed, stack=stack)):
            until = following.get(case.chat_id, float("inf"))
            times = [t for t in calls.get(case.chat_id, []) if case.t <= t < until]
            end = max(times) if times else min(until, case.t + _UNANSWERED_S)
            following[case.chat_id] = case.t
            yield case, Span(stack, case.t, end)


def asked_in_vain(history: History) -> set[str]:
    """Return the cases during which something was asked for that no double has."""
    gaps = [span for _, span in _gaps(history)]
    return {case.case for case, span in windows(history) if any(map(span.meets, gaps))}


def _door_in_vain(history: History, gaps: Sequence[Span]) -> Iterator[DoorAsked]:
    """Yield the questions at the door that went wrong while something was asked for that no double
    has: that says nothing about what was sent. Each lasts since the one before."""
    for stack in history.stacks:
        before = 0.0
        for asked in history.of(DoorAsked, stack=stack):
            span = Span(stack, before, asked.t)
            if before and _went_wrong(asked) and any(map(span.meets, gaps)):
                yield asked
            before = asked.t


def _went_wrong(asked: DoorAsked) -> bool:
    mute = asked.status is None and not asked.answers
    return bool(asked.error) or mute or (asked.status or 0) >= _BROKEN


def _too_slow(case: Span, slow: Iterable[Span], limit_s: float) -> bool:
    """Tell whether the case would have been in time, or answered at all, but for the double."""
    own = inside(case.start, case.end, [span for span in slow if span.meets(case)])
    took = case.end - case.start
    return own >= _SLOW_S or took - own < limit_s <= took


def inside(start: float, end: float, spans: Iterable[Span]) -> float:
    """Return seconds between `start` and `end` that these spans cover, each second once."""
    covered, reached = 0.0, start
    for span in sorted(spans, key=lambda each: each.start):
        begin, stop = max(span.start, reached), min(span.end, end)
        if stop > begin:
            covered += stop - begin
            reached = stop
    return covered


def in_doubles(history: History, stack: str, start: float, end: float) -> float:
    """Return seconds between `start` and `end` that the exchange double took for itself."""
    spans = [
        Span(stack, call.t - call.own_s, call.t) for call in history.of(VenueCall, stack=stack)
    ]
    return inside(start, end, spans)


def settle(
    results: Iterable[CheckResult],
    history: History,
    limit_s: float,
    again: Callable[[str, History], CheckResult],
) -> list[CheckResult]:
    """Return the results, with no FAIL in them that may be the doubles' doing.

    `again` asks a check, by name, about another history. The row "doubles" comes first, where
    anything was asked for in vain.
    """
    short = Shortcomings.of(history, limit_s)
    if not short.gaps and not short.spoilt:
        return list(results)
    settled = [_settled(result, history, short, again) for result in results]
    changed = [
        result.check for result, before in zip(settled, results, strict=True) if result != before
    ]
    if short.gaps:
        settled.insert(0, _row(short, changed))
    return settled


def _settled(
    result: CheckResult,
    history: History,
    short: Shortcomings,
    again: Callable[[str, History], CheckResult],
) -> CheckResult:
    if result.verdict is not Verdict.FAIL or result.check in _UNTOUCHED:
        return result
    if again(result.check, short.without(history, result.check)).verdict is Verdict.FAIL:
        return result
    why = short.names() or ("the exchange double itself was slow",)
    return msgspec.structs.replace(
        result,
        verdict=Verdict.INCONCLUSIVE,
        measurement=f"it may be the double's fault: {why[0]}",
        spoilt_by="double",
        evidence=(
            *lines_of(why[1:], 8),
            f"what it looked like: {result.measurement}",
            *result.evidence,
        ),
    )


def _row(short: Shortcomings, changed: list[str]) -> CheckResult:
    calls = len(short.gaps)
    rests = f"; {', '.join(changed)} may have failed for that" if changed else ""
    return CheckResult(
        check=DOUBLES,
        verdict=Verdict.INCONCLUSIVE if changed else Verdict.PASS,
        budget="no verdict rests on what a double lacks",
        measurement=f"{calls} call{'' if calls == 1 else 's'} asked for what no double has{rests}",
        least_evidence="-",
        evidence=lines_of(short.names(), 20),
        source="docs/checks.md",
    )


def approved_of(part: History, whole: History, approved: Mapping[str, str]) -> dict[str, str]:
    """Return the approved replies without those of the cases that a part of a history
    leaves out."""
    left_out = _cases(whole) - _cases(part)
    return {name: text for name, text in approved.items() if name not in left_out}


def unapproved_of(part: History, whole: History, approved: Mapping[str, str]) -> tuple[str, ...]:
    """Return the cases that a part of a history leaves out and that have no approved file, where
    others have: whatever spoilt their reply, that is wrong."""
    if not approved:
        return ()
    kept = {(case.stack, case.case) for case in part.of(CasePlayed)}
    return tuple(
        f"{case.case} ({case.stack})"
        for case in whole.of(CasePlayed)
        if case.pinned and case.case not in approved and (case.stack, case.case) not in kept
    )


def _cases(history: History) -> set[str]:
    return {case.case for case in history.of(CasePlayed)}
