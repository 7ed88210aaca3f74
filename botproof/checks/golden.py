"""golden: replies equal the approved ones, case by case and in every mode.

A reply that is not there, that came in part, or that came with more messages than its case says, is
wrong even if it was approved: an approved file tells what a reply says, not whether there is one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from botproof.calls import is_sending, topic_of
from botproof.chats import Chats, Message, Turn
from botproof.checks import own_settings, own_signals
from botproof.checks.doubt import looks_like_an_error
from botproof.checks.gone import Gone, gone
from botproof.checks.judging import Judging
from botproof.checks.replies import lines_of, render, renormalised, settled_chats
from botproof.checks.shortcomings import windows
from botproof.checks.why import Reasons, refusals
from botproof.counting import first_of, several
from botproof.excerpts import middle_left_out
from botproof.history import History, SignalsWatched, UpdateInjected, VenueCall
from botproof.verdict import CheckResult, Verdict

FILE = "golden.txt"
"""Where all that differs is written whole, beside the report."""

_DIFF_LINES = 24
_EVIDENCE_LINES = 100
_EVIDENCE_NAMES = 12
_HEADLINE_NAMES = 2
_REFUSED = 400  # this HTTP status and those above it
OF_ITSELF = frozenset({own_settings.CASE, own_signals.CASE})
"""The files of what no case asks for."""
_SOURCE = "golden/ (docs/golden.md)"


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is wrong with one reply, one silence or one file. `kind` is what is counted."""

    name: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    changes: str = ""
    """What the diff takes away and adds: replies with the same changes are shown once."""


_COUNTED = {
    "differ": ("differs", "differ"),
    "missing": ("never came as a whole", "never came as a whole"),
    "ended": ("never came, as the bot had ended", "never came, as the bot had ended"),
    "too many": ("had more messages than it should", "had more messages than they should"),
    "elsewhere": ("came in another topic", "came in another topic"),
    "new": ("has no approved file", "have no approved file"),
    "silence": ("silence was broken", "silences were broken"),
    "unused": ("approved file belongs to no case", "approved files belong to no case"),
}
"""What is said of one, and of several."""
_NEVER_RIGHT = ("missing", "ended", "too many", "elsewhere")
"""Of these a reply is wrong before anything is approved."""


def check(history: History, judging: Judging) -> CheckResult:
    """Compare every reply with its approved file."""
    chats = settled_chats(history, judging.rules)
    turns = {stack: one.turns for stack, one in chats.items()}
    pinned = [turn for by_case in turns.values() for turn in by_case.values() if turn.case.pinned]
    silent = [t for by_case in turns.values() for t in by_case.values() if not t.case.pinned]
    of_itself = [
        problem
        for stack, own in turns.items()
        for problem in _of_itself(history, stack, judging, asked=bool(own))
    ]
    broken = list(_broken_silence(silent))
    if not (pinned or judging.unapproved or broken or (judging.approved and of_itself)):
        ends = [f"{stack}: the bot ended with {one.how}" for stack, one in _ends(history)]
        why = f" ({'; '.join(ends)}: `boot` says more)" if ends else ""
        return _result(Verdict.INCONCLUSIVE, f"no reply was recorded{why}", ())
    problems = [
        problem
        for stack, one in chats.items()
        for problem in _of_stack(history, stack, one, judging)
    ]
    if not judging.approved and (pinned or not broken):
        return _nothing_approved(history, pinned, problems)
    problems += [_unapproved(name) for name in judging.unapproved]
    problems += of_itself
    problems += broken
    problems += _unused(history, turns, judging)
    if problems:
        names = list(dict.fromkeys(problem.name for problem in problems))
        lines = (", ".join(lines_of(names, _EVIDENCE_NAMES)), *_folded(problems))
        measured = _counts(problems, len(pinned) + len(judging.unapproved))
        return _result(Verdict.FAIL, measured, lines, _whole(problems))
    equal = several(len(pinned), "reply equal", "replies equal")
    measured = f"{equal}, {several(len(silent), 'silence')} kept"
    return _result(Verdict.PASS, measured, ())


def _ends(history: History) -> Iterator[tuple[str, Gone]]:
    """Yield the stacks whose bot ended by itself, each with its first end."""
    for stack in history.stacks:
        yield from ((stack, one) for one in gone(history, stack)[:1])


def _nothing_approved(
    history: History, pinned: Sequence[Turn], problems: Sequence[_Problem]
) -> CheckResult:
    """There is nothing to compare with; what cannot be right all the same is a FAIL."""
    hint = "approve what is right with `botproof golden approve`"
    broken = [each for each in problems if each.kind in _NEVER_RIGHT]
    if not broken:
        measured = f"{len(pinned)} replies, but none is approved yet"
        doubts = dict(_doubtful(history, pinned))
        if doubts:
            one = len(doubts) == 1
            measured += f"; {len(doubts)} {'reads like an error' if one else 'read like errors'}"
        lines = lines_of([f"{case}: {line}" for case, line in doubts.items()], _EVIDENCE_NAMES)
        return _result(Verdict.INCONCLUSIVE, measured, (*lines, hint))
    lines = (", ".join(lines_of([p.name for p in broken], _EVIDENCE_NAMES)), *_folded(broken), hint)
    return _result(Verdict.FAIL, _counts(broken, len(pinned)), lines, _whole(broken))


def _doubtful(history: History, pinned: Sequence[Turn]) -> Iterator[tuple[str, str]]:
    """Yield the cases whose answer reads like an error, each with the line that does, and with
    what the exchange double refused last meanwhile: it may have no such market, where the venue
    has."""
    spans = {(case.stack, case.case): span for case, span in windows(history)}
    for turn in pinned:
        lines = (line for each in turn.answers for line in each.text.splitlines())
        line = next(filter(looks_like_an_error, lines), "")
        if line:
            span = spans[turn.case.stack, turn.case.case]
            refused = dict.fromkeys(
                f"{call.venue} answered {call.status} to {_asked(call)}"
                for call in history.of(VenueCall, stack=span.stack)
                if (call.status or 0) >= _REFUSED and span.start <= call.t <= span.end
            )
            told = f" (meanwhile the double of {[*refused][-1]})" if refused else ""
            yield turn.case.case, f"{line.strip()}{told}"


def _asked(call: VenueCall) -> str:
    query = urlencode(call.query) if isinstance(call.query, Mapping) else ""
    return f"{call.path}?{query}" if query else call.path


def _whole(problems: Sequence[_Problem]) -> str:
    return "\n".join(line for each in problems for line in (each.title, *each.lines, ""))


def _counts(problems: Sequence[_Problem], pinned: int) -> str:
    """Return how many there are of each kind, and the first of each by their names."""
    parts = []
    for kind, (of_one, of_several) in _COUNTED.items():
        names = [problem.name for problem in problems if problem.kind == kind]
        if not names:
            continue
        words = of_one if len(names) == 1 else of_several
        of = "" if kind in ("silence", "unused") else f"of {pinned} replies "
        parts.append(f"{len(names)} {of}{words}: {first_of(names, _HEADLINE_NAMES)}")
    return "; ".join(parts)


def _folded(problems: Sequence[_Problem]) -> Iterator[str]:
    """Yield the lines of all problems; replies that differ in the same lines show them
    only once."""
    same: dict[str, list[_Problem]] = {}
    for problem in problems:
        same.setdefault(problem.changes or problem.title, []).append(problem)
    for first, *others in same.values():
        # What was received stands at the end of a long diff.
        kept, rest = _DIFF_LINES // 2, f"; all of them in {FILE}"
        lines = middle_left_out(first.lines, _DIFF_LINES, head=kept, end=kept, rest=rest)
        yield from (first.title, *lines)
        if others:
            names = [other.name for other in others]
            yield f"the same lines differ in {', '.join(lines_of(names, _EVIDENCE_NAMES))}"


def _changes(lines: Sequence[str]) -> str:
    """Return what a diff takes away and adds, without its head and the lines around."""
    return "\n".join(line for line in lines[2:] if line.startswith(("+", "-")))


def _result(
    verdict: Verdict, measurement: str, evidence: tuple[str, ...], whole: str = ""
) -> CheckResult:
    return CheckResult(
        check="golden",
        verdict=verdict,
        budget="every reply equals its approved file; silence where silence is right",
        measurement=measurement,
        least_evidence="one reply with an approved file",
        evidence=lines_of(evidence, _EVIDENCE_LINES, " lines; all of them: botproof golden diff"),
        source=_SOURCE,
        files={FILE: whole} if len(whole.splitlines()) > len(evidence) else {},
    )


def _of_stack(history: History, stack: str, chats: Chats, judging: Judging) -> Iterator[_Problem]:
    reasons = Reasons(history, stack, chats)
    for turn in chats.turns.values():
        if turn.case.pinned:
            yield from _of_turn(turn, judging, reasons)


def _of_turn(turn: Turn, judging: Judging, reasons: Reasons) -> Iterator[_Problem]:
    case = turn.case
    name = f"{case.case} ({case.stack})"
    approved, received = judging.approved.get(case.case), render(turn, judging.rules)
    if approved is not None and renormalised(approved, judging.rules) == received:
        approved = received  # approved before a rule of [replies] was added
    differing = approved is not None and approved != received
    compared = tuple(diff(case.case, case.stack, approved or "", received)) if differing else ()
    wrong = incomplete(turn)
    if wrong and not turn.answered:
        lines = (*(f"  {line}" for line in reasons.missing(turn)), *compared)
        kind = "ended" if reasons.end_of_bot(turn) else "missing"
        yield _Problem(name, kind, f"{name}: {wrong}", lines)
    elif wrong:
        kind = "too many" if turn.too_many else "elsewhere"
        yield _Problem(name, kind, f"{name}: {wrong}", compared)
    elif approved is None:
        if judging.approved:
            yield _unapproved(name)
    elif differing:
        said = (f"  {line}" for line in reasons.in_log(turn))
        yield _Problem(name, "differ", f"{name}:", (*compared, *said), _changes(compared))


def _of_itself(
    history: History, stack: str, judging: Judging, *, asked: bool
) -> Iterator[_Problem]:
    """Yield what the bot did by itself in a stack: what it told Telegram, such as its menu of
    commands, and what it sent. Of one that said nothing and was not asked anything, as when it
    could not be started, nothing; and nothing of signals that were not watched."""
    told = own_settings.own_settings(history, stack, judging.rules)
    if told or asked:
        what = "what the bot tells of itself, such as its menu of commands"
        yield from _unasked(own_settings.CASE, stack, told, judging, what)
    sent = own_signals.own_signals(history, stack, judging.rules)
    sent = sent or own_signals.of_one_slot(history, stack, judging.rules)
    if sent and own_signals.CASE in judging.approved:
        what = "what the bot sends by itself"
        yield from _unasked(own_signals.CASE, stack, sent, judging, what)


def _unasked(
    case: str, stack: str, received: str, judging: Judging, what: str
) -> Iterator[_Problem]:
    approved = judging.approved.get(case, "")
    name = f"{case} ({stack})"
    if received and not approved:
        yield _unapproved(name)
    elif renormalised(approved, judging.rules) != received and approved != received:
        compared = tuple(diff(case, stack, approved, received))
        yield _Problem(name, "differ", f"{name}: {what}:", compared, _changes(compared))


def _unapproved(name: str) -> _Problem:
    return _Problem(name, "new", f"{name}: has no approved file; see `botproof golden diff`")


def incomplete(turn: Turn) -> str:
    """Say why a reply cannot be right whatever it says; "" for one that may be."""
    came, wanted = len(turn.answers), turn.case.replies
    if not came:
        refused = next((each.description for each in turn.refused if each.description), "")
        return f"was never answered{f': Telegram refused it: {refused}' if refused else ''}"
    if came < wanted:
        return f"only {came} of {wanted} messages of the answer came"
    if came > wanted:
        return (
            f"{came} messages came where the answer has {wanted} (`replies` of the case, or "
            "`replies.messages`; a message that only says that an answer is on its way is told by "
            "`replies.acknowledgement`)"
        )
    asked_in = topic_of(_message_of(turn))
    outside = [each for each in turn.answers if each.is_message and each.topic != asked_in]
    if asked_in is not None and outside:
        where = "in no topic" if outside[0].topic is None else f"in topic {outside[0].topic}"
        return f"was asked in topic {asked_in} and answered {where}"
    return ""


def _message_of(turn: Turn) -> object:
    """Return the message that a case wrote, or whose button it pressed; None for anything else."""
    tap = turn.case.sent.get("callback_query")
    return (tap if isinstance(tap, Mapping) else turn.case.sent).get("message")


def diff(name: str, stack: str, approved: str, received: str) -> list[str]:
    """Return the unified diff of one reply: `-` is approved, `+` was received."""
    return list(
        difflib.unified_diff(
            approved.splitlines(),
            received.splitlines(),
            f"golden/{name}.txt (approved)",
            f"{name} (received in {stack})",
            lineterm="",
            n=2,
        )
    )


def _broken_silence(silent: list[Turn]) -> Iterator[_Problem]:
    for turn in silent:
        said = said_in_silence(turn)
        if turn.case.expect == "silence" and said:
            name = f"{turn.case.case} ({turn.case.stack})"
            text = said[0].text.splitlines()[:1]
            yield _Problem(
                name,
                "silence",
                f"{name}: must stay unanswered, "
                f"but the bot sent {len(said)}: {text[0] if text else ''!r}",
                tuple(f"  {line}" for line in refusals(turn.refused)),
            )


def said_in_silence(turn: Turn) -> Sequence[Message]:
    """Return what breaks a silence. A tap may be acknowledged, and its message edited. No new one
    may come, and no other edit once Telegram has said that the message is not modified: the bot
    takes that for a failure."""
    if "callback_query" not in turn.case.sent:
        return turn.messages
    same = [call.t for call in turn.refused if "not modified" in (call.description or "")]
    after = min(same, default=float("inf"))
    return [
        each
        for each in turn.messages
        if is_sending(each.method) or (each.is_message and each.sent_at > after)
    ]


def _unused(
    history: History, turns: Mapping[str, Mapping[str, Turn]], judging: Judging
) -> Iterator[_Problem]:
    """Approved files that no case uses: they would look like tests and test nothing. Not told of a
    run in which a mode was never asked anything; a mode whose every case was starved was asked."""
    if history.modes_without({update.stack for update in history.of(UpdateInjected)}):
        return
    used = {
        name for by_case in turns.values() for name, turn in by_case.items() if turn.case.pinned
    }
    for name in sorted(set(judging.approved) - used - OF_ITSELF):
        file = f"golden/{name}.txt"
        yield _Problem(file, "unused", f"{file}: no case uses it; delete it or name its case again")
    if own_signals.CASE in judging.approved and (why := _no_use_of_signals(history, judging)):
        file = f"golden/{own_signals.CASE}.txt"
        yield _Problem(file, "unused", f"{file}: {why}, so that nothing is compared with it")


def _no_use_of_signals(history: History, judging: Judging) -> str:
    """Return why what the bot sends by itself is compared in no run; "" where it is in
    some, though not in each."""
    if judging.by_itself is False:
        return "botproof.toml has no [signals]"
    if any(not one.steady for one in history.of(SignalsWatched)):
        return "the market is another in each slot ([doubles.exchanges] has no `now`)"
    return ""
