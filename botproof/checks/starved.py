"""What the machine spoilt: verdicts that rest on it alone, and cases that are to be played again.

A check that fails is asked again without what starvation explains. If it then no longer fails,
nothing is known about the target: INCONCLUSIVE, with how long the run was kept from going on. What
starvation does not explain fails as before; and nothing becomes PASS here, but what a load says
without its starved half seconds (see `unstarved`).

*What* is said is spoilt when more than `CASE_S` was withheld while a case was answered (times the
stretch of the target's own deadlines), or so much just before that a circuit breaker may still be
open. *How fast* it is said is explained when it would have been in time without what was withheld.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from botproof.calls import words_of
from botproof.chats import ReplyRules, Turn
from botproof.checks.figures import telling
from botproof.checks.generator import HALF_BEFORE_S, HALF_WITHHELD_S, HeldTimes, planned_cap
from botproof.checks.replies import RULE, lines_of, render, settled_turns
from botproof.checks.reply_times import (
    MOSTLY,
    ReplyTimes,
    end_of,
    is_mute,
    surely_wrong,
    was_kept,
)
from botproof.checks.shortcomings import Shortcomings
from botproof.checks.unstarved import (
    Unstarved,
    all_starved_slots,
    at_slot,
    enough_for,
    unstarved,
)
from botproof.history import (
    CasePlayed,
    Event,
    History,
    PlayedAgain,
    ProcessExited,
    ProcessReady,
    Request,
)
from botproof.starvation import CASE_S, KEPT, Starvation
from botproof.stats import percentile
from botproof.verdict import CheckResult, Verdict

_BEFORE_S = 30.0
_BEFORE_WITHHELD_S = 3.0
_SHARED = 0.25
_MANY = 0.25
_NO_EXCHANGE = frozenset({502, 503, 504})
"""What a service says that finds its exchanges silent, or that has left them alone for that."""
_CONTENT = frozenset({"golden", "parity"})
_SPEED = frozenset({"latency", "errors", "rollback", "boot"})
_OF_LOAD = frozenset({"latency", "errors"})
"""What a share of the load's requests decides."""

Again = Callable[[str, History], CheckResult]
Cases = Mapping[str, Sequence[str]]
"""Names of cases by stack."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of how fast things have to be, in seconds, and of the share that may fail."""

    reply_s: float
    start_s: float
    stop_s: float
    failing: float = 0.001


def doubtful(history: History, rules: ReplyRules, approved: Mapping[str, str]) -> Cases:
    """Return the cases whose reply differs, from the approved one or between stacks, and was spoilt
    by what another playing may be spared. None of a stack in which nothing was answered: each
    would be waited for once more."""
    turns = settled_turns(history, rules)
    short = Shortcomings.of(history, float("inf"))
    mute = {stack for stack, own in turns.items() if is_mute(own.values())}
    spoilt = {
        (stack, name)
        for stack, name in _spoilt(history, turns, short, Approved(rules, approved))
        if (turns[stack][name].case.stack, name) not in short.lacking and stack not in mute
    }
    texts = {
        stack: {name: render(turn, rules) for name, turn in own.items()}
        for stack, own in turns.items()
    }
    found: dict[str, list[str]] = {}
    for stack, own in turns.items():
        for name, turn in own.items():
            said = texts[stack][name]
            pinned = turn.case.pinned and name in approved
            differs = (pinned and approved[name] != said) or any(
                name in other and other[name] != said for other in texts.values()
            )
            if differs and (stack, name) in spoilt:
                found.setdefault(stack, []).append(name)
    return found


@dataclass(frozen=True, slots=True)
class Approved:
    """The approved replies by case, and how replies are read."""

    rules: ReplyRules
    texts: Mapping[str, str]

    def is_anothers(self, turn: Turn, turns: Mapping[str, Turn]) -> bool:
        """Tell whether a reply is the approved one of another question, figures and all, or what
        somebody is told who may know it: however slow a machine is, it gives nobody another one's
        answer."""
        if turn.case.case not in self.texts or not turn.answered:
            return False
        rendered, asked = render(turn, self.rules), words_of(turn.case.title)
        if self._holds_anothers(turn, rendered, turns):
            return True
        said = _answer(rendered)
        if not telling(said):
            return False
        same = [name for name in turns if _answer(self.texts.get(name, "")) == said]
        others = [words_of(turns[name].case.title) for name in same]
        if not same or turn.case.case in same:
            return False
        another = any(not (asked <= other or other <= asked) for other in others)
        return another or self._is_told_nothing(turn.case.chat_id, turns)

    def _holds_anothers(self, turn: Turn, rendered: str, turns: Mapping[str, Turn]) -> bool:
        """Tell whether one of several messages is the answer that somebody in another chat was to
        get, and that nobody in this chat is."""
        came = _messages(rendered)
        beyond = came - self._messages_in(turn.case.chat_id, turns) if len(came) > 1 else set()
        return any(
            telling(message)
            for name, one in (turns.items() if beyond else ())
            if one.case.chat_id != turn.case.chat_id
            for message in beyond & _messages(self.texts.get(name, ""))
        )

    def _messages_in(self, chat: int, turns: Mapping[str, Turn]) -> set[str]:
        own = (name for name, turn in turns.items() if turn.case.chat_id == chat)
        return {message for name in own for message in _messages(self.texts.get(name, ""))}

    def _is_told_nothing(self, chat: int, turns: Mapping[str, Turn]) -> bool:
        """Tell whether no approved answer in a chat holds figures, but for its own id."""
        own = (name for name, turn in turns.items() if turn.case.chat_id == chat)
        return all(telling(_answer(self.texts.get(name, ""))) <= {str(chat)} for name in own)


def _messages(rendered: str) -> set[str]:
    """Return the messages of a rendered reply, each with how it was sent."""
    return {each.strip() for each in rendered.split(f"\n{RULE}")[1:]}


def _answer(rendered: str) -> str:
    """Return a rendered reply without what was asked."""
    return rendered.partition(RULE)[2]


def _spoilt(
    history: History,
    turns: Mapping[str, Mapping[str, Turn]],
    short: Shortcomings,
    approved: Approved,
) -> set[tuple[str, str]]:
    """Return stack and name of the cases whose last playing starvation or a double spoilt."""
    starvation = Starvation.by_stack(history)
    surely = {id(turn) for own in turns.values() for turn in surely_wrong(history, own)}
    stretches = {event.stack: event.stretch for event in history.of(PlayedAgain)}
    return {
        (stack, name)
        for stack, own in turns.items()
        for name, turn in own.items()
        if (
            (turn.case.stack, name) in short.spoilt
            or _starved(turn, starvation[turn.case.stack], stretches.get(turn.case.stack, 1.0))
        )
        and id(turn) not in surely
        and not approved.is_anothers(turn, own)
    }


def _starved(turn: Turn, starvation: Starvation, stretch: float) -> bool:
    """Tell whether so much was withheld during a case, or before it since its target
    was started."""
    begin, end = turn.case.t, end_of(turn, stretch)
    before = starvation.between(max(begin - _BEFORE_S, starvation.started), begin)
    return (
        starvation.between(begin, end) >= CASE_S * stretch or before >= _BEFORE_WITHHELD_S * stretch
    )


def settle_starved(
    results: Iterable[CheckResult],
    history: History,
    approved: Approved,
    limits: Limits,
    again: Again,
) -> list[CheckResult]:
    """Return the results, with no FAIL in them that starvation explains."""
    starvation = Starvation.by_stack(history)
    if not any(each.measured for each in starvation.values()):
        return list(results)
    replays = list(_replays(history))
    left = _left_of_the_load(history, limits, starvation)

    def explained(check: str) -> list[Event]:
        if check in _CONTENT:
            return list(_spoilt_events(history, approved, everywhere=check == "parity"))
        if check in _SPEED:
            return [
                *_late_replies(history, approved.rules, limits.reply_s),
                *starved_requests(history, limits.reply_s, starvation),
                *_late_processes(history, limits, starvation),
            ]
        return []

    def settled(result: CheckResult) -> CheckResult:
        left_out = explained(result.check) if result.verdict is Verdict.FAIL else []
        ids = set(map(id, left_out))
        kept = History(event for event in history if id(event) not in ids)
        if result.verdict is Verdict.FAIL and (
            not left_out or again(result.check, kept).verdict is Verdict.FAIL
        ):
            return result
        rest = again(result.check, left.history) if left and result.check in _OF_LOAD else None
        if rest and left and (rest.verdict is Verdict.PASS or not left_out):
            return _of_what_is_left(rest, left)
        return _spoilt_by_the_machine(result, left_out, starvation) if left_out else result

    def told_of_replays(result: CheckResult) -> CheckResult:
        if result.check not in _CONTENT or not replays:
            return result
        return msgspec.structs.replace(result, evidence=(*result.evidence, *replays))

    return [told_of_replays(settled(result)) for result in results]


def _spoilt_by_the_machine(
    result: CheckResult, left_out: Iterable[Event], starvation: Mapping[str, Starvation]
) -> CheckResult:
    lines = [_left_out(event, starvation) for event in sorted(left_out, key=lambda each: each.t)]
    return msgspec.structs.replace(
        result,
        verdict=Verdict.INCONCLUSIVE,
        measurement=f"only where {KEPT}: {result.measurement}",
        evidence=(*lines_of(lines, 12), *result.evidence),
        spoilt_by="machine",
    )


def _left_of_the_load(
    history: History, limits: Limits, starvation: Mapping[str, Starvation]
) -> Unstarved | None:
    """Return the record without the requests of starved half seconds, where it is to be judged."""
    held = HeldTimes.of(history, limits.reply_s)
    enough = enough_for(limits.failing, planned_cap(history))
    return unstarved(history, starvation, held, enough)


def _of_what_is_left(judged: CheckResult, left: Unstarved) -> CheckResult:
    """Return what the rest of a load says; that it fails is said of the whole load only."""
    failed = judged.verdict is Verdict.FAIL
    return msgspec.structs.replace(
        judged,
        verdict=Verdict.INCONCLUSIVE if failed else judged.verdict,
        evidence=(*judged.evidence, left.describe()),
    )


def _replays(history: History) -> Iterator[str]:
    """Yield which cases were played again: what is judged is not their first playing."""
    for event in (each for each in history.of(PlayedAgain) if not each.timed):
        how = "alone"
        if event.stretch != 1.0:
            how += f" and with {event.stretch:g} times the target's own deadlines"
        names = ", ".join(lines_of(event.cases, 12))
        yield (
            f"{event.of}: the machine had kept the run from going on, so "
            f"{len(event.cases)} of its cases had to be played again, {how}: {names}"
        )


def _spoilt_events(history: History, approved: Approved, *, everywhere: bool) -> Iterator[Event]:
    """Yield all playings of the cases whose last one was spoilt too; for parity in every stack."""
    short = Shortcomings.of(history, float("inf"))
    spoilt = _spoilt(history, settled_turns(history, approved.rules), short, approved)
    of = {event.stack: event.of for event in history.of(PlayedAgain)}
    names = {name for _, name in spoilt}
    alone = Counter((case.stack, case.chat_id) for case in history.of(CasePlayed))
    for case in history.of(CasePlayed):
        if case.expect == "silence" and alone[case.stack, case.chat_id] == 1:
            continue  # no machine, however slow, has a bot speak where nobody asked for anything
        stack = of.get(case.stack, case.stack)
        if (stack, case.case) in spoilt or (everywhere and case.case in names):
            yield case


def _late_replies(history: History, rules: ReplyRules, limit_s: float) -> Iterator[CasePlayed]:
    times = ReplyTimes(history, rules, limit_s)
    for turns in times.turns.values():
        yield from (turn.case for turn in turns.values() if times.excuses.by_machine(turn))


def starved_requests(
    history: History, limit_s: float, starvation: Mapping[str, Starvation]
) -> Iterator[Request]:
    """Yield requests that starvation explains: those around them were slow as well. One that was
    late among quick ones was late by itself, however busy the machine, but in a starved half
    second: there those that were quick came when it was over.

    What the target remembers of a time without a processor may come soon after: half an answer, or,
    where many get it, that no exchange answers, which it then says at once.
    """
    around: dict[tuple[str, int], list[Request]] = {}
    for request in history.of(Request):
        around.setdefault((request.stack, int(request.intended)), []).append(request)
    usual = {
        second: percentile([each.latency_s for each in beside], 0.5)
        for second, beside in around.items()
    }
    starved = all_starved_slots(history.of(Request), starvation)
    for request in history.of(Request):
        own = starvation.get(request.stack, Starvation())
        end = request.intended + request.latency_s
        beside = around[request.stack, int(request.intended)]
        if _is_remembered(request, beside, limit_s):
            if own.between(request.intended - HALF_BEFORE_S, end) >= HALF_WITHHELD_S:
                yield request
            continue
        late = was_kept(own, request.intended, end, limit_s)
        # A request that failed in time was starved if a case would have been.
        in_time = request.latency_s < limit_s
        failed = in_time and not request.ok and own.between(request.intended, end) >= CASE_S
        slow = usual[request.stack, int(request.intended)] >= _SHARED * min(
            request.latency_s, limit_s
        )
        if (slow and (late or failed)) or (late and at_slot(request) in starved):
            yield request


def _is_remembered(request: Request, beside: Sequence[Request], limit_s: float) -> bool:
    """Tell whether a request may have failed by what the target remembers: half an answer, or the
    word that no exchange answers, which those `beside` it got or waited for, too."""
    if request.ok:
        return False
    if request.failure == "incomplete":
        return True
    troubled = sum(not each.ok or each.latency_s >= limit_s for each in beside)
    return request.status in _NO_EXCHANGE and troubled >= _MANY * len(beside)


def _late_processes(
    history: History, limits: Limits, starvation: Mapping[str, Starvation]
) -> Iterator[Event]:
    for ready in history.of(ProcessReady):
        own = starvation.get(ready.stack, Starvation())
        if was_kept(own, ready.t - ready.after_s, ready.t, limits.start_s):
            yield ready
    for ended in history.of(ProcessExited):
        own = starvation.get(ended.stack, Starvation())
        begin = ended.t - ended.after_s
        if not ended.expected or not was_kept(own, begin, ended.t, limits.stop_s):
            continue
        # Nobody knows how long one that had to be killed would have gone on.
        if not ended.killed or own.between(begin, ended.t) >= MOSTLY * ended.after_s:
            yield ended


def _left_out(event: Event, starvation: Mapping[str, Starvation]) -> str:
    own = starvation.get(event.stack, Starvation())
    if isinstance(event, CasePlayed):
        withheld = own.between(event.t, event.t + 2.0)
        return f"{event.case} ({event.stack}): {withheld:.2f} s of its first 2 s were withheld"
    if isinstance(event, Request):
        end = event.intended + event.latency_s
        withheld = own.between(event.intended, end)
        took = f"{event.latency_s:.2f} s, of which {withheld:.2f} s were withheld"
        if event.error:
            before = own.between(event.intended - HALF_BEFORE_S, end)
            took += f", and {before:.2f} s with the {HALF_BEFORE_S:g} s before it: {event.error}"
        return f"a request ({event.stack}) took {took}"
    if isinstance(event, ProcessReady | ProcessExited):
        withheld = own.between(event.t - event.after_s, event.t)
        took = f"{event.after_s:.1f} s, of which {withheld:.1f} s were withheld"
        return f"{event.process} ({event.stack}) took {took}"
    return ""
