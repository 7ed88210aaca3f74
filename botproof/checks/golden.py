"""golden: replies equal the approved ones, case by case and in every mode."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping

from botproof.chats import Turn
from botproof.checks.judging import Judging
from botproof.checks.replies import lines_of, read_turns, render
from botproof.history import History
from botproof.verdict import CheckResult, Verdict

_DIFF_LINES = 24
_EVIDENCE_LINES = 100
_EVIDENCE_NAMES = 12
_SOURCE = "golden/ (docs/golden.md)"


def check(history: History, judging: Judging) -> CheckResult:
    """Compare every reply with its approved file."""
    answers = read_turns(history, judging.rules)
    pinned = [
        answer for by_case in answers.values() for answer in by_case.values() if _pins(answer)
    ]
    silent = [a for by_case in answers.values() for a in by_case.values() if not _pins(a)]
    if not pinned:
        return _result(Verdict.INCONCLUSIVE, "no reply was recorded", ())
    if not judging.approved:
        return _result(
            Verdict.INCONCLUSIVE,
            f"{len(pinned)} replies, but none is approved yet",
            ("approve what is right with `botproof golden approve`",),
        )
    problems = [
        *_differences(answers, judging),
        *_broken_silence(silent),
        *_unused(history, answers, judging),
    ]
    failed = len({problem.partition("\n")[0] for problem in problems})
    if problems:
        names = list(dict.fromkeys(problem.partition(":")[0] for problem in problems))
        lines = [", ".join(lines_of(names, _EVIDENCE_NAMES)), *_folded(problems)]
        return _result(Verdict.FAIL, f"{failed} of {len(pinned)} replies differ", tuple(lines))
    measured = f"{len(pinned)} replies equal, {len(silent)} silences kept"
    return _result(Verdict.PASS, measured, ())


def _folded(problems: Iterable[str]) -> Iterator[str]:
    """The lines of all problems; replies that differ in the same lines show them only once."""
    same: dict[str, list[str]] = {}
    for problem in problems:
        name, _, body = problem.partition("\n")
        same.setdefault(_changes(body) or name, []).append(problem)
    for first, *others in same.values():
        title, *lines = first.splitlines()
        yield from (title, *_middle_left_out(lines))
        if others:
            names = [other.partition(":")[0] for other in others]
            yield f"the same lines differ in {', '.join(lines_of(names, _EVIDENCE_NAMES))}"


def _changes(body: str) -> str:
    """What a diff takes away and adds, without its head and the lines around."""
    return "\n".join(line for line in body.splitlines()[2:] if line.startswith(("+", "-")))


def _result(verdict: Verdict, measurement: str, evidence: tuple[str, ...]) -> CheckResult:
    return CheckResult(
        check="golden",
        verdict=verdict,
        budget="every reply equals its approved file; silence where silence is right",
        measurement=measurement,
        least_evidence="one reply with an approved file",
        evidence=_shortened(evidence),
        source=_SOURCE,
    )


def _shortened(evidence: tuple[str, ...]) -> tuple[str, ...]:
    if len(evidence) <= _EVIDENCE_LINES:
        return evidence
    left_out = len(evidence) - _EVIDENCE_LINES
    rest = f"… and {left_out} more lines; all of them: botproof golden diff"
    return (*evidence[:_EVIDENCE_LINES], rest)


def _pins(answer: Turn) -> bool:
    return answer.case.expect == "reply" and answer.case.golden


def _differences(answers: Mapping[str, Mapping[str, Turn]], judging: Judging) -> Iterator[str]:
    for stack, by_case in answers.items():
        for name, answer in by_case.items():
            if _pins(answer):
                received = render(answer, judging.rules)
                yield from _difference(name, stack, judging.approved.get(name), received)


def _difference(name: str, stack: str, approved: str | None, received: str) -> Iterator[str]:
    if approved is None:
        yield f"{name} ({stack}): has no approved file; see `botproof golden diff`"
    elif approved != received:
        yield "\n".join([f"{name} ({stack}):", *diff(name, stack, approved, received)])


def diff(name: str, stack: str, approved: str, received: str) -> list[str]:
    """The unified diff of one reply: `-` is approved, `+` was received."""
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


def _middle_left_out(lines: list[str]) -> list[str]:
    """A long diff without its middle: what was received stands at the end of it."""
    if len(lines) <= _DIFF_LINES:
        return lines
    kept = _DIFF_LINES // 2
    left_out = f"… {len(lines) - 2 * kept} lines; all of them: botproof golden diff"
    return [*lines[:kept], left_out, *lines[-kept:]]


def _broken_silence(silent: list[Turn]) -> Iterator[str]:
    for answer in silent:
        if answer.case.expect == "silence" and answer.messages:
            text = answer.messages[0].text.splitlines()[:1]
            yield (
                f"{answer.case.case} ({answer.case.stack}): must stay unanswered, "
                f"but the bot sent {len(answer.messages)}: {text[0] if text else ''!r}"
            )


def _unused(
    history: History, answers: Mapping[str, Mapping[str, Turn]], judging: Judging
) -> Iterator[str]:
    """Approved files that no case uses: they would look like tests and test nothing."""
    run = history.run
    complete = run is None or set(run.modes) <= {history.mode_of(stack) for stack in answers}
    if not complete:
        return
    used = {name for by_case in answers.values() for name, a in by_case.items() if _pins(a)}
    for name in sorted(set(judging.approved) - used):
        yield f"golden/{name}.txt: no case uses it; delete it or name its case again"
