"""boot: every process starts, becomes ready, stays up, and ends cleanly; the bot answers."""

from __future__ import annotations

import enum
import signal
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from botproof.chats import Chats, read_chats
from botproof.checks import mute
from botproof.checks.comebacks import comebacks
from botproof.checks.found import Found
from botproof.checks.gone import asked_at, gone
from botproof.checks.judging import Judging
from botproof.checks.pages import failing_pages, ready_too_early
from botproof.checks.pollers import second_poller
from botproof.checks.replies import lines_of
from botproof.checks.storms import storms
from botproof.checks.why import waiting
from botproof.config import BOT
from botproof.counting import several
from botproof.history import (
    TARGETS,
    BotApiCall,
    CalledTooOften,
    CasePlayed,
    DoorAsked,
    History,
    LogTail,
    LogTrouble,
    PlayedAgain,
    ProcessExited,
    ProcessNotReady,
    ProcessReady,
    ProcessStarted,
    StopRequested,
    UpdateDelivered,
    UpdateInjected,
    describe_exit,
)
from botproof.start_trouble import last_words, trouble_in
from botproof.verdict import CheckResult, Verdict

_STARTED = (*TARGETS, "reset")
_NEXT_CALL_S = 1.0
"""So soon after it was given updates a bot asks for more; aiogram 2 waits 0.1 s, others none."""


_SIGTERM_SEEN = 128 + signal.SIGTERM
_OF_A_JVM = (
    ": a JVM ends so, whatever it had in hand, unless a shutdown hook finishes that and calls "
    "Runtime.halt(0); a shell does, where the signal ended its program"
)


class _Bad(enum.IntEnum):
    """What is wrong, the worst first: it is the headline."""

    NOT_READY = 0
    ENDED = 1
    MUTE = 2
    TWO_POLLERS = 3
    UNCONFIRMED = 4
    CAME_BACK = 5
    TOO_EARLY = 6
    PAGE_FAILS = 7
    STORM = 8
    UNCLEAN = 9


class _Problem(NamedTuple):
    bad: _Bad
    found: Found


def check(history: History, judging: Judging) -> CheckResult:
    """Judge the life of the target's processes in every mode."""
    start, stop = judging.budgets["start_s"], judging.budgets["stop_s"]
    chats = read_chats(history, judging.rules)
    found = _problems(history, judging, chats)
    missing: list[str] = []
    said: list[str] = []
    mute_stacks: set[str] = set()
    for stack, seen in chats.items():
        own = {each.bad for each in found if each.found.event.stack == stack}
        if own <= {_Bad.MUTE, _Bad.UNCONFIRMED}:
            missing += [f"{stack}: {gap}" for gap in _gaps(history, stack)]
        said += _when_it_ended(history, stack, seen)
        if _Bad.MUTE in own:
            mute_stacks.add(stack)
            said += [
                f"{stack}: what the bot did instead:",
                *_indented(mute.about(history, stack, seen)),
            ]
        elif trouble := mute.trouble(history, stack, seen):
            said += [f"{stack}: errors in the logs:", *_indented(trouble)]
    stacks: dict[tuple[_Bad, str], list[str]] = {}
    for bad, each in found:
        stacks.setdefault((bad, each.text), []).append(each.event.stack)
    problems = [
        f"{', '.join(_different(history, where))}: {text}" for (_, text), where in stacks.items()
    ]
    missing += _modes_not_run(history, problems)
    return CheckResult(
        check="boot",
        verdict=_verdict(problems, missing),
        budget=(
            f"ready in {start.limit:g} s, answers, keeps running without a restart, "
            f"SIGTERM ends it with code 0 in {stop.limit:g} s"
        ),
        measurement=_measure(history, problems),
        least_evidence="each mode: every process started and ended, one answer",
        evidence=(
            *lines_of(problems, 12),
            *missing,
            *said,
            *_log_lines(history, problems, mute_stacks),
        ),
        source="; ".join(dict.fromkeys((start.source, stop.source))),
        data={"errors_in_logs": _in_logs(history)},
        used=_used(history, start.limit),
    )


def findings(history: History, judging: Judging) -> list[Found]:
    """Return what is wrong in any mode, the worst first."""
    return [each.found for each in _problems(history, judging, read_chats(history, judging.rules))]


def _problems(history: History, judging: Judging, chats: Mapping[str, Chats]) -> list[_Problem]:
    start, stop = judging.budgets["start_s"].limit, judging.budgets["stop_s"].limit
    reply = judging.budgets["reply_time_s"].limit
    found: list[_Problem] = []
    for stack, seen in chats.items():
        found += [
            *_start_problems(history, stack, start),
            *_exit_problems(history, stack, stop),
            *_of(_Bad.CAME_BACK, comebacks(history, stack)),
            *_of(_Bad.TWO_POLLERS, second_poller(history, stack)),
            *_of(_Bad.TOO_EARLY, ready_too_early(history, stack, reply)),
            *_of(_Bad.PAGE_FAILS, failing_pages(history, stack)),
            *_of(_Bad.STORM, _storms(history, stack)),
            *_silent_bot(history, seen, stack),
        ]
    for stack in history.stacks_elsewhere:
        found += _of(_Bad.CAME_BACK, comebacks(history, stack))
    return sorted(found, key=lambda each: each.bad)


def _of(bad: _Bad, found: Iterable[Found]) -> Iterator[_Problem]:
    return (_Problem(bad, each) for each in found)


def _different(history: History, stacks: Iterable[str]) -> list[str]:
    """Return the stacks of one finding, each once, without those in which a mode was
    only played again."""
    listed = list(dict.fromkeys(stacks))
    first = {event.stack: event.of for event in history.of(PlayedAgain)}
    return [stack for stack in listed if first.get(stack) not in listed]


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def _in_logs(history: History) -> int:
    return sum(event.role in TARGETS for event in history.of(LogTrouble))


def _verdict(problems: Sequence[str], missing: Sequence[str]) -> Verdict:
    if problems:
        return Verdict.FAIL
    return Verdict.INCONCLUSIVE if missing else Verdict.PASS


def _start_problems(history: History, stack: str, limit: float) -> Iterator[_Problem]:
    for event in history.of(ProcessNotReady, stack=stack):
        if event.role in _STARTED:
            yield _Problem(_Bad.NOT_READY, Found(event, f"{event.process} {event.reason}"))
    for ready in history.of(ProcessReady, stack=stack):
        if ready.role in TARGETS and ready.after_s >= limit:
            text = f"{ready.process} was ready only after {ready.after_s:.1f} s"
            yield _Problem(_Bad.UNCLEAN, Found(ready, text))


def _exit_problems(history: History, stack: str, limit: float) -> Iterator[_Problem]:
    not_ready = {event.process for event in history.of(ProcessNotReady, stack=stack)}
    for event in history.of(ProcessExited, stack=stack):
        if event.role not in TARGETS or event.process in not_ready:
            continue
        if text := _end(event, limit):
            bad = _Bad.UNCLEAN if event.expected else _Bad.ENDED
            yield _Problem(bad, Found(event, f"{event.process} {text}"))


def _end(event: ProcessExited, limit: float) -> str:
    """Return what is wrong with the end of a process; "" where nothing is."""
    how = describe_exit(event.code)
    if not event.expected:
        return f"ended on its own with {how}"
    if event.killed:
        return f"ignored SIGTERM for {limit:g} s and had to be killed"
    if event.code != 0:
        as_a_jvm = _OF_A_JVM if event.code == _SIGTERM_SEEN else ""
        return f"ended with {how} on SIGTERM, not 0{as_a_jvm}"
    return f"took {event.after_s:.1f} s to end after SIGTERM" if event.after_s >= limit else ""


def _storms(history: History, stack: str) -> Iterator[Found]:
    calls, updates = history.of(BotApiCall, stack=stack), history.of(UpdateInjected, stack=stack)
    for storm in storms(calls, updates):
        first = next(call for call in calls if call.t >= storm.t)
        yield Found(first, _too_often(storm.what, storm.calls, ""))
    for event in history.of(CalledTooOften, stack=stack):
        yield Found(event, _too_often(event.what, event.calls, f" {event.when}"))


def _too_often(what: str, calls: int, when: str) -> str:
    comes = "Telegram answers that by 429, and the chat waits"
    if "failed" in what:
        comes = "wait after a call that failed, a little longer each time"
    return f"the bot called {what} {calls} times within a second{when}: {comes}"


def _silent_bot(history: History, chats: Chats, stack: str) -> Iterator[_Problem]:
    expected = [turn for turn in chats.turns.values() if turn.case.expect == "reply"]
    if history.of(PlayedAgain, stack=stack):
        return  # it holds only the cases that went wrong before; golden and parity judge them
    if expected and not any(turn.answered for turn in expected):
        text = f"the bot answered none of {several(len(expected), 'update')}"
        yield _Problem(_Bad.MUTE, Found(expected[0].case, text))
    well = {*history.confirmed(stack), *handed_over_last(history, stack)}
    injected = {event.update_id: event for event in history.of(UpdateInjected, stack=stack)}
    if left := [event for each, event in injected.items() if each not in well]:
        were = "was" if len(left) == 1 else "were"
        of = several(len(injected), "update")
        text = f"{len(left)} of {of} {were} never confirmed to Telegram"
        yield _Problem(_Bad.UNCONFIRMED, Found(left[0], text))


def handed_over_last(history: History, stack: str) -> set[int]:
    """Return the updates that a bot had just been given when it was asked to end: it confirms them
    with the next call that asks for more, and a program that SIGTERM ends at once makes none."""
    asked = [event.t for event in history.of(StopRequested, stack=stack) if event.role == BOT]
    return {
        event.update_id
        for event in history.of(UpdateDelivered, stack=stack)
        if any(0 <= t - event.t <= _NEXT_CALL_S for t in asked)
    }


def _when_it_ended(history: History, stack: str, chats: Chats) -> Iterator[str]:
    """Yield what waited for an answer when the bot ended by itself: one of these ended it."""
    for event in history.of(ProcessExited, stack=stack):
        waited = [repr(said) for said in waiting(chats, event.t) if said]
        if event.role == BOT and not event.expected and waited:
            which = "; which of them, `[workload] at_once = 1` tells" if len(waited) > 1 else ""
            yield f"{stack}: when it ended, it had not answered {', '.join(waited)}{which}"
    door = history.of(DoorAsked, stack=stack)
    for one in filter(None, (asked_at(end, door) for end in gone(history, stack))):
        yield f"{stack}: when it ended, it had just been sent this by `door`: {one.sent}"


def _gaps(history: History, stack: str) -> Iterator[str]:
    started = {e.process for e in history.of(ProcessStarted, stack=stack) if e.role in TARGETS}
    ready = {event.process for event in history.of(ProcessReady, stack=stack)}
    ended = {event.process for event in history.of(ProcessExited, stack=stack)}
    if not started:
        yield "no process of the target was started"
    for process in sorted(started - ready):
        yield f"whether {process} became ready is not recorded"
    for process in sorted(started - ended):
        yield f"the end of {process} is not recorded"
    if history.of(PlayedAgain, stack=stack):
        return  # it plays what is in doubt, which may be a silence
    if not any(e.expect == "reply" for e in history.of(CasePlayed, stack=stack)):
        yield "nothing was sent that expects an answer"


def _modes_not_run(history: History, problems: Sequence[str]) -> list[str]:
    gaps = [f"mode {mode} was not run" for mode in history.modes_without(history.stacks)]
    if not history.stacks and not problems and not gaps:
        gaps.append("nothing was run")
    return gaps


def _used(history: History, limit: float) -> float | None:
    ready = [event.after_s for event in history.of(ProcessReady) if event.role in TARGETS]
    return max(ready) / limit if ready else None


def _measure(history: History, problems: Sequence[str]) -> str:
    logged = _in_logs(history)
    trouble = f"; {logged} errors in the logs" if logged > 1 else ""
    trouble = "; 1 error in the logs" if logged == 1 else trouble
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return f"{problems[0]}{more}{trouble}"
    ready = [event for event in history.of(ProcessReady) if event.role in TARGETS]
    ended = [e for e in history.of(ProcessExited) if e.role in TARGETS and e.expected]
    if not ready:
        return "no process became ready"
    slowest = max(ready, key=lambda event: event.after_s)
    text = f"slowest start {slowest.after_s:.1f} s ({slowest.process}, {slowest.stack})"
    if ended:
        last = max(ended, key=lambda event: event.after_s)
        text += f"; slowest end {last.after_s:.1f} s ({last.process}, {last.stack})"
    return f"{text}{trouble}"


def _log_lines(
    history: History, problems: Sequence[str], explained: AbstractSet[str]
) -> tuple[str, ...]:
    """Return the ends of the logs, but for those of bots whose silence was told about
    with theirs."""
    if not problems:
        return ()
    failed = {(event.stack, event.process) for event in history.of(ProcessNotReady)}
    ended = [event for event in history.of(ProcessExited) if not event.expected]
    failed |= {(event.stack, event.process) for event in ended}
    lines: list[str] = []
    for event in history.of(LogTail):
        if event.process == BOT and event.stack in explained:
            continue
        lines.append(f"last lines of {event.process} ({event.stack}):")
        lines += [f"  {line}" for line in last_words(event.lines, 8)] or ["  (it wrote nothing)"]
        if (event.stack, event.process) in failed:
            lines += _advice(event)
    return tuple(lines)


def _advice(tail: LogTail) -> list[str]:
    """Return what the end of the log of a process that did not start means, and what to
    do about it."""
    found = trouble_in(tail.lines)
    if found is not None:
        return [f"  {line}" for line in found.lines()]
    if any(line.strip() for line in tail.lines):
        return []
    do = (
        "run its command by hand, in that directory and with the same variables, and read its words"
    )
    return [f"  do:    {do}"]
