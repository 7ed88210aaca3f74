"""boot: every process starts, becomes ready, stays up, and ends cleanly; the bot answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from botproof.checks.judging import Judging
from botproof.checks.replies import lines_of, read_turns
from botproof.history import (
    CasePlayed,
    History,
    LogTail,
    ProcessExited,
    ProcessNotReady,
    ProcessReady,
    ProcessStarted,
    UpdateConfirmed,
    UpdateInjected,
    describe_exit,
)
from botproof.verdict import CheckResult, Verdict

_TARGETS = ("bot", "service")


def check(history: History, judging: Judging) -> CheckResult:
    """Judge the life of the target's processes in every mode."""
    start, stop = judging.budgets["start_s"], judging.budgets["stop_s"]
    problems: list[str] = []
    missing: list[str] = []
    for stack in history.stacks:
        found = [
            *_start_problems(history, stack, start.limit),
            *_exit_problems(history, stack, stop.limit),
        ]
        problems += [f"{stack}: {problem}" for problem in found]
        if not found:
            missing += [f"{stack}: {gap}" for gap in _gaps(history, stack)]
        problems += [f"{stack}: {line}" for line in _silent_bot(history, judging, stack)]
    missing += _modes_not_run(history, problems)
    return CheckResult(
        check="boot",
        verdict=_verdict(problems, missing),
        budget=(
            f"ready in {start.limit:g} s, answers, keeps running, "
            f"SIGTERM ends it with code 0 in {stop.limit:g} s"
        ),
        measurement=_measure(history, problems),
        least_evidence="each mode: every process started and ended, one answer",
        evidence=(*lines_of(problems, 12), *missing, *_log_lines(history, problems)),
        source=f"{start.source}; {stop.source}",
        used=_used(history, start.limit),
    )


def _verdict(problems: Sequence[str], missing: Sequence[str]) -> Verdict:
    if problems:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if missing else Verdict.PASS


def _start_problems(history: History, stack: str, limit: float) -> Iterator[str]:
    for event in history.of(ProcessNotReady, stack=stack):
        if event.role in _TARGETS:
            yield f"{event.process} {event.reason}"
    for ready in history.of(ProcessReady, stack=stack):
        if ready.role in _TARGETS and ready.after_s >= limit:
            yield f"{ready.process} was ready only after {ready.after_s:.1f} s"


def _exit_problems(history: History, stack: str, limit: float) -> Iterator[str]:
    not_ready = {event.process for event in history.of(ProcessNotReady, stack=stack)}
    for event in history.of(ProcessExited, stack=stack):
        if event.role not in _TARGETS or event.process in not_ready:
            continue
        if not event.expected:
            yield f"{event.process} ended on its own with {describe_exit(event.code)}"
        elif event.killed:
            yield f"{event.process} ignored SIGTERM for {limit:g} s and had to be killed"
        elif event.code != 0:
            yield f"{event.process} ended with {describe_exit(event.code)} on SIGTERM, not 0"
        elif event.after_s >= limit:
            yield f"{event.process} took {event.after_s:.1f} s to end after SIGTERM"


def _silent_bot(history: History, judging: Judging, stack: str) -> Iterator[str]:
    turns = read_turns(history, judging.rules).get(stack, {})
    expected = [turn for turn in turns.values() if turn.case.expect == "reply"]
    if expected and not any(turn.answered for turn in expected):
        yield f"the bot answered none of {len(expected)} updates"
    confirmed = {
        update for event in history.of(UpdateConfirmed, stack=stack) for update in event.update_ids
    }
    injected = {event.update_id for event in history.of(UpdateInjected, stack=stack)}
    if left := injected - confirmed:
        yield f"{len(left)} of {len(injected)} updates were never confirmed to Telegram"


def _gaps(history: History, stack: str) -> Iterator[str]:
    started = {e.process for e in history.of(ProcessStarted, stack=stack) if e.role in _TARGETS}
    ready = {event.process for event in history.of(ProcessReady, stack=stack)}
    ended = {event.process for event in history.of(ProcessExited, stack=stack)}
    if not started:
        yield "no process of the target was started"
    for process in sorted(started - ready):
        yield f"whether {process} became ready is not recorded"
    for process in sorted(started - ended):
        yield f"the end of {process} is not recorded"
    if not any(e.expect == "reply" for e in history.of(CasePlayed, stack=stack)):
        yield "nothing was sent that expects an answer"


def _modes_not_run(history: History, problems: Sequence[str]) -> list[str]:
    run = history.run
    wanted = set(run.modes) if run is not None else set()
    seen = {history.mode_of(stack) for stack in history.stacks}
    gaps = [f"mode {mode} was not run" for mode in sorted(wanted - seen)]
    if not history.stacks and not problems and not gaps:
        gaps.append("nothing was run")
    return gaps


def _used(history: History, limit: float) -> float | None:
    ready = [event.after_s for event in history.of(ProcessReady) if event.role in _TARGETS]
    return max(ready) / limit if ready else None


def _measure(history: History, problems: Sequence[str]) -> str:
    if problems:
        return problems[0]
    ready = [event for event in history.of(ProcessReady) if event.role in _TARGETS]
    ended = [e for e in history.of(ProcessExited) if e.role in _TARGETS and e.expected]
    if not ready:
        return "no process became ready"
    slowest = max(ready, key=lambda event: event.after_s)
    text = f"slowest start {slowest.after_s:.1f} s ({slowest.process}, {slowest.stack})"
    if ended:
        last = max(ended, key=lambda event: event.after_s)
        text += f"; slowest end {last.after_s:.1f} s ({last.process}, {last.stack})"
    return text


def _log_lines(history: History, problems: Sequence[str]) -> tuple[str, ...]:
    if not problems:
        return ()
    lines: list[str] = []
    for event in history.of(LogTail):
        lines.append(f"last lines of {event.process} ({event.stack}):")
        lines += [f"  {line}" for line in event.lines[-8:]]
    return tuple(lines)
