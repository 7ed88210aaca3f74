"""Where in a record each finding is to be seen: the moments at which the page of a run opens.

A check says *what* is wrong; this says when, in which stack and case, so that a person is led to
it. Nothing is judged here: moments are looked for only where a check did not pass, and a check for
which none is found is shown at the end of the run.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from botproof.budgets import MB
from botproof.chats import Chats, Turn
from botproof.checks import boot, degradation, door, security, signals
from botproof.checks.found import Found
from botproof.checks.generator import Grade, HeldTimes, grades
from botproof.checks.golden import incomplete, said_in_silence
from botproof.checks.growth import growths
from botproof.checks.judging import HARNESS, Judging
from botproof.checks.memory import LOAD_PHASE, loaded
from botproof.checks.piles import piles
from botproof.checks.replies import lines_of, render, renormalised, settled_turns
from botproof.checks.reply_times import ReplyTimes, acknowledged_s
from botproof.checks.rollback import MOST_IN_A_ROW, longest_streak
from botproof.checks.shortcomings import DOUBLES, refused_address
from botproof.checks.spinning import spinning
from botproof.checks.tally import tally
from botproof.config import BOT
from botproof.excerpts import cut
from botproof.history import (
    REFUSED_ADDRESS,
    TARGETS,
    UNKNOWN_HOST,
    BotApiCall,
    CasePlayed,
    ConversationsCompared,
    DoorAsked,
    DoubleEvent,
    Event,
    GroupSample,
    HarnessError,
    History,
    LogTrouble,
    ProcessExited,
    ProcessNotReady,
    Request,
    UpdateDelivered,
    UpdateInjected,
    VenueCall,
)
from botproof.log_trouble import gist
from botproof.report.said import Said, apart, said_of
from botproof.verdict import CheckResult, Verdict

_QUOTED = 70
_WAITED_S = 2.0
_MOST_LINES = 12
_MOST = 40
"""Moments of one check: more would not be walked through."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One place in the record: what is seen there, and from when on it is worth looking."""

    check: str
    verdict: Verdict
    t: float
    since: float
    text: str
    stack: str = ""
    case: str = ""
    said: tuple[Said, ...] = ()
    """What was asked and answered, or the evidence of the check."""
    apart: bool = False
    """No chat of the record shows it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A moment before it is known which check it belongs to."""

    t: float
    text: str
    stack: str = ""
    case: str = ""
    since: float | None = None
    said: tuple[Said, ...] = ()
    apart: bool = False

    def of(self, check: str, verdict: Verdict) -> Moment:
        """Return the moment that it is of a check."""
        since = self.t if self.since is None else self.since
        where = (self.stack, self.case)
        return Moment(check, verdict, self.t, since, self.text, *where, self.said, self.apart)


_Finder = Callable[[History, Judging, CheckResult], Iterable[_Place]]


def moments_of(history: History, results: Iterable[CheckResult], judging: Judging) -> list[Moment]:
    """Return the moments of all that did not pass: the worst verdict first, checks in their order.
    `history` is all of a record: each check has its own part of it."""
    found = []
    for result in sorted(results, key=lambda one: -one.verdict.rank):
        if result.verdict is Verdict.PASS:
            continue
        finder, own = FINDERS.get(result.check), history.for_check(result.check)
        places = list(finder(own, judging, result)) if finder else []
        if not places and len(history):
            places = [_Place(history.events[-1].t, result.measurement, apart=True)]
        for place in places[:_MOST]:
            said = place.said or (_evidence(result) if place.apart else ())
            found.append(replace(place, said=said).of(result.check, result.verdict))
    return found


def _evidence(result: CheckResult) -> tuple[Said, ...]:
    """Return what a check says, where the record shows nothing of it."""
    lines = [line for line in result.evidence if line != result.measurement]
    return tuple(Said("line", line) for line in lines_of(lines, _MOST_LINES))


def _of_findings(history: History, found: Iterable[Found]) -> Iterator[_Place]:
    """Yield where each finding of a check is to be seen: at the event by which it is known."""
    for event, text in found:
        what = text.removeprefix(f"{event.stack}: ")
        t, since, case = _when(event, history)
        yield _Place(t, what, event.stack, case, since, said_of(event, history), apart(event))


def _when(event: Event, history: History) -> tuple[float, float, str]:
    """Return up to when and since when an event is worth looking at, and its case."""
    since = event.t
    if isinstance(event, CasePlayed | UpdateInjected):
        return event.t + _WAITED_S, since, _case_of(event, history)
    if isinstance(event, BotApiCall):
        return event.t + 1.0, since, ""
    if isinstance(event, ProcessExited | ProcessNotReady):
        since -= event.after_s
    elif isinstance(event, UpdateDelivered):
        since -= event.duration_s + 1.0
    elif isinstance(event, DoorAsked):
        asked = [each.t for each in history.of(UpdateInjected, stack=event.stack)]
        since = max((t for t in asked if t <= event.t), default=since)
    return event.t, since, ""


def _case_of(event: CasePlayed | UpdateInjected, history: History) -> str:
    if isinstance(event, CasePlayed):
        return event.case
    played = history.of(CasePlayed, stack=event.stack)
    return next((each.case for each in played if each.update_id == event.update_id), "")


# --- the life of processes ------------------------------------------------------------------------


def _boot(history: History, judging: Judging, _: CheckResult) -> Iterator[_Place]:
    yield from _of_findings(history, boot.findings(history, judging))
    shown: set[tuple[str, str]] = set()  # what is logged again and again is shown once
    for trouble in history.of(LogTrouble):
        if trouble.role in TARGETS:
            said = f"log of {trouble.process}: {gist(trouble.lines)}"
            if (trouble.stack, said) not in shown:
                yield _Place(trouble.t, said, trouble.stack)
            shown.add((trouble.stack, said))


def _security(history: History, _: Judging, __: CheckResult) -> Iterator[_Place]:
    return _of_findings(history, security.findings_of(history))


def _degradation(history: History, judging: Judging, _: CheckResult) -> Iterator[_Place]:
    return _of_findings(history, degradation.findings_of(history, judging))


def _signals(history: History, judging: Judging, _: CheckResult) -> Iterator[_Place]:
    return _of_findings(history, signals.findings_of(history, judging))


def _door(history: History, judging: Judging, _: CheckResult) -> Iterator[_Place]:
    return _of_findings(history, door.findings_of(history, judging))


# --- what the bot said ----------------------------------------------------------------------------


def _at(turn: Turn, text: str, wait_s: float = _WAITED_S) -> _Place:
    """Return the place after what came of a turn, or after the wait for its answer."""
    times = [max(act.sent_at, act.answered_at or 0.0) for act in turn.acts]
    times += [call.t for call in turn.refused]
    end = max(times, default=turn.case.t + wait_s)
    if turn.case.expect == "reply" and not turn.answered:
        end = max(end, turn.case.t + wait_s)
    return _Place(end, text, turn.case.stack, turn.case.case, since=turn.case.t)


def _golden(history: History, judging: Judging, _: CheckResult) -> Iterator[_Place]:
    for turns in settled_turns(history, judging.rules).values():
        for turn in turns.values():
            if text := wrong_reply(turn, judging):
                yield _at(turn, text)


def wrong_reply(turn: Turn, judging: Judging) -> str:
    """Return what is wrong with the answer to a case by itself; "" where nothing is."""
    name = turn.case.case
    if turn.case.expect == "silence":
        said = [each.text.splitlines()[:1] for each in said_in_silence(turn)]
        first = f": {_quoted(said[0][0])}" if said and said[0] else ""
        return f"{name}: must stay unanswered, but the bot sent {len(said)}{first}" if said else ""
    if not turn.case.pinned:
        return ""
    if wrong := incomplete(turn):
        return f"{name}: {wrong}"
    approved = judging.approved.get(name)
    if approved is None:
        return f"{name}: has no approved file" if judging.approved else ""
    received = render(turn, judging.rules)
    if received in (approved, renormalised(approved, judging.rules)):
        return ""
    wanted = renormalised(approved, judging.rules)
    return f"{name}: the reply differs from the approved one: {first_difference(wanted, received)}"


def differences(history: History, judging: Judging) -> list[Moment]:
    """Return the moments at which the first stack and another answer a case differently, of
    themselves neither right nor wrong."""
    found = _differences(history, judging)
    return [place.of("difference", Verdict.INCONCLUSIVE) for place in found]


def _parity(history: History, judging: Judging, result: CheckResult) -> Iterator[_Place]:
    yield from _differences(history, judging)
    by_stack = settled_turns(history, judging.rules)
    if len(by_stack) == 1:  # compared with an earlier run, which this record does not hold
        (turns,) = by_stack.values()
        for name in result.data.get("differing", ()):
            if name in turns:
                yield _at(turns[name], f"{name}: is answered otherwise than in the earlier run")


def _differences(history: History, judging: Judging) -> Iterator[_Place]:
    by_stack = {s: turns for s, turns in settled_turns(history, judging.rules).items() if turns}
    if len(by_stack) < 2:
        return
    first, *others = by_stack
    for other in others:
        for name in dict.fromkeys((*by_stack[first], *by_stack[other])):
            left, right = by_stack[first].get(name), by_stack[other].get(name)
            turn = right or left
            if turn is not None and not _alike(left, right, judging):
                said = _contrast((first, left), (other, right), judging)
                yield _at(turn, f"{name}: {said}")


def _contrast(
    left: tuple[str, Turn | None], right: tuple[str, Turn | None], judging: Judging
) -> str:
    """Say how a case came out in two stacks."""
    sides = sorted((left, right), key=lambda side: bool(side[1] and side[1].answered))
    if not (sides[0][1] and sides[0][1].answered) and sides[1][1] and sides[1][1].answered:
        return f"{sides[0][0]} does not answer it, {sides[1][0]} does"
    texts = [render(turn, judging.rules) if turn else "" for _, turn in (left, right)]
    return f"{left[0]} and {right[0]} answer differently: {first_difference(*texts)}"


def first_difference(left: str, right: str) -> str:
    """Return the first lines in which two texts differ, in a few words; empty lines say nothing."""
    before, after = ([line for line in text.splitlines() if line.strip()] for text in (left, right))
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    for kind, a, _, c, _ in matcher.get_opcodes():
        if kind == "delete":
            return f"{_quoted(before[a])} is missing"
        if kind == "insert":
            return f"{_quoted(after[c])} is new"
        if kind == "replace":
            return f"{_quoted(before[a])} became {_quoted(after[c])}"
    return "empty lines"


def _quoted(line: str) -> str:
    return f"“{cut(line.strip(), _QUOTED)}”"


def _alike(left: Turn | None, right: Turn | None, judging: Judging) -> bool:
    if left is None or right is None:
        return False
    return render(left, judging.rules) == render(right, judging.rules)


def _latency(history: History, judging: Judging, _: CheckResult) -> Iterator[_Place]:
    limit = judging.budgets["reply_time_s"].limit
    for turns in ReplyTimes(history, judging.rules, limit).turns.values():
        for turn in turns.values():
            if turn.case.expect != "reply":
                continue
            took = turn.reply_time_s
            if took is None:
                yield _at(turn, f"{turn.case.case}: no answer", limit)
            elif took >= limit:
                text = f"{turn.case.case}: the answer took {took:.2f} s, the limit is {limit:g} s"
                yield _at(turn, text)
            elif (noticed := acknowledged_s(turn)) >= limit:
                text = f"{turn.case.case}: answerCallbackQuery came after {noticed:.2f} s"
                yield _at(turn, text)
    late = [request for request in history.of(Request) if request.latency_s >= limit]
    yield from _requests(late, f"took {limit:g} s or more")


def _conversations(history: History, _: Judging, __: CheckResult) -> Iterator[_Place]:
    for event in history.of(ConversationsCompared):
        for finding in (*event.differences, *event.flaky, *event.unanswered):
            sides = [str(side.get("door", "")) for side in finding.get("sides", ())]
            where = " and ".join(filter(None, sides)) or "the modes"
            yield _Place(event.t, f"a generated conversation: {where} answered differently")
        if event.ended:
            yield _Place(event.t, f"the comparison broke off: {event.ended}")


# --- the load -------------------------------------------------------------------------------------


def _requests(chosen: list[Request], what: str) -> Iterator[_Place]:
    for stack in dict.fromkeys(request.stack for request in chosen):
        own = [request for request in chosen if request.stack == stack]
        first = min(own, key=lambda request: request.intended)
        error = f" ({first.error})" if first.error else ""
        if len(own) == 1:
            text = f"a request of the load {what}{error}"
        else:
            text = f"{len(own):,} requests of the load {what}; this was the first{error}"
        at = first.intended + first.latency_s
        yield _Place(at, text, stack, since=first.intended, apart=True)


def _errors(history: History, judging: Judging, _: CheckResult) -> Iterator[_Place]:
    limit = judging.budgets["reply_time_s"].limit
    graded = list(grades(history.of(Request), HeldTimes.of(history, limit), limit))
    failed = [request for request, grade in graded if grade is Grade.FAILED]
    # Where the check blames none, what it could not tell is what there is to see.
    unsure = [request for request, grade in graded if grade is not Grade.GOOD]
    yield from _requests(failed or unsure, "failed" if failed else "may have failed")


def _rollback(history: History, judging: Judging, _: CheckResult) -> Iterator[_Place]:
    limit = judging.budgets["rollback_latency_s"].limit
    for stack in history.stacks:
        requests = sorted(history.of(Request, stack=stack), key=lambda each: each.intended)
        streak = longest_streak(n for n, each in enumerate(requests) if each.latency_s > limit)
        if streak.length > MOST_IN_A_ROW:
            first = requests[streak.first]
            text = f"{streak.length} requests in a row over {limit:g} s; this was the first"
            yield _Place(
                first.intended + first.latency_s, text, stack, since=first.intended, apart=True
            )


def _memory(history: History, judging: Judging, _: CheckResult) -> Iterator[_Place]:
    yield from _over(history, judging)
    grown = [each for each in growths(history, judging.budgets) if each.over]
    for stack in history.stacks:
        own = History([event for event in history if event.stack == stack])
        said = [each.describe() for each in grown if each.stack == stack]
        said += [*piles(own, judging.budgets), *spinning(own, LOAD_PHASE)]
        ends = [end for _, end in own.spans(LOAD_PHASE, stack)] or [own.events[-1].t]
        for text in said:
            yield _Place(ends[-1], text, stack, apart=True)


def _over(history: History, judging: Judging) -> Iterator[_Place]:
    """Yield when the fleet or a process of it was over its budget for the first time."""
    for stack in history.stacks:
        for group in history.of(GroupSample, stack=stack):
            if group.oom_kills:
                text = "the kernel killed a process: the memory of the machine was full"
                yield _Place(group.t, text, stack, apart=True)
                break
        sums: dict[float, int] = {}
        over: dict[str, _Place] = {}
        for sample in loaded(history, stack):
            sums[sample.t] = sums.get(sample.t, 0) + sample.judged
            budget = judging.budgets.get(f"{sample.process}_memory_mb")
            if budget is not None and sample.judged >= budget.limit * MB:
                text = _size(sample.process, sample.judged, budget.limit)
                over.setdefault(sample.process, _Place(sample.t, text, stack, apart=True))
        limit = judging.budgets["fleet_memory_mb"].limit
        for t, total in sums.items():
            if total >= limit * MB:
                text = _size("the fleet", total, limit)
                over.setdefault("fleet", _Place(t, text, stack, apart=True))
        yield from over.values()


def _size(who: str, used: int, limit: float) -> str:
    return f"{who} takes {used / MB:.1f} MB, the limit is {limit:g} MB; this was the first time"


# --- the harness, and everything else -------------------------------------------------------------


def _harness(history: History, _: Judging, __: CheckResult) -> Iterator[_Place]:
    for error in history.of(HarnessError):
        yield _Place(error.t, f"{error.where}: {error.message}", error.stack)


def _doubles(history: History, _: Judging, __: CheckResult) -> Iterator[_Place]:
    for call in history.of(VenueCall):
        if call.unserved:
            yield _Place(call.t, f"no double serves this: {call.unserved}", call.stack)
    for event in history.of(DoubleEvent):
        if event.kind == UNKNOWN_HOST:
            host = event.detail.get("host")
            yield _Place(event.t, f"no double stands for the host {host}", event.stack)
        if event.kind == REFUSED_ADDRESS:
            yield _Place(event.t, refused_address(event), event.stack)


def _delivery(history: History, judging: Judging, _: CheckResult) -> Iterator[_Place]:
    for event in history.of(ProcessNotReady):
        if event.role != "double":
            yield _Place(event.t, f"{event.process}: {event.reason}", event.stack)
    for stack in history.stacks:
        chats = Chats(judging.rules, markers=True)
        for each in history:
            if each.stack == stack:
                chats.feed(each)
        yield from _of_tally(stack, chats)
        for ended in history.of(ProcessExited, stack=stack):
            if ended.killed and ended.role == BOT:
                text = f"{ended.process} ignored SIGTERM and had to be killed"
                yield _Place(ended.t, text, stack, since=ended.t - ended.after_s)


def _of_tally(stack: str, chats: Chats) -> Iterator[_Place]:
    found = tally(chats)
    for case in (*found.lost, *found.dropped):
        thrown = case in found.dropped
        text = f"{case.case}: was {'thrown away by the bot itself' if thrown else 'never answered'}"
        yield _Place(case.t + _WAITED_S, text, stack, case.case, since=case.t)
    for entry in found.repeated:
        case, last = entry.case, max(entry.answers)
        text = f"{case.case}: was answered {len(entry.answers)} times"
        yield _Place(last, text, stack, case.case, since=case.t)
    for first, second in found.swapped:
        text = f"{second.case} was answered before {first.case}, which was asked first"
        yield _Place(second.t + 1.0, text, stack, second.case, since=first.t)


FINDERS: Mapping[str, _Finder] = {
    "boot": _boot,
    "golden": _golden,
    "parity": _parity,
    "latency": _latency,
    "conversations": _conversations,
    "door": _door,
    "security": _security,
    "degradation": _degradation,
    "signals": _signals,
    "errors": _errors,
    "rollback": _rollback,
    "memory": _memory,
    "delivery": _delivery,
    HARNESS: _harness,
    DOUBLES: _doubles,
}
