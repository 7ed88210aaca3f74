"""The leak run: rounds of identical requests, memory read after each, lines named if it grows.

First without a profiler: that is what is judged. A process that grows is then run again under
memray, and what was allocated during the rounds and is still there at their end is named by line.
"""

from __future__ import annotations

import asyncio
import time
import tomllib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from botproof import history
from botproof.budgets import Budgets
from botproof.chats import ReplyRules
from botproof.checks import leak as leak_check
from botproof.checks.judging import Judging
from botproof.config import Config, Process
from botproof.history import BotApiCall, Event, History
from botproof.profiles.capture import CaptureError, Line, survivors
from botproof.profiles.command import NotPythonError, under_memray
from botproof.profiles.session import failure, rewritten, running
from botproof.targets.launch import BrokenHarnessError, TargetError
from botproof.targets.recorder import Recorder
from botproof.targets.session import run_line
from botproof.targets.stack import Stack
from botproof.verdict import CheckResult, Verdict
from botproof.workloads.reply_calls import read_reply

_AT_ONCE = 16
_ANSWER_S = 30.0
_NAMING_REQUESTS = 1_000
_FIRST_USER = 1_001


class LeakPlanError(Exception):
    """A leak plan cannot be used. Names the file and what is wrong."""


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One process and the request that it is asked over and over.

    A service gets `post` (a path) with `body`; the bot gets `say`, a message of a user.
    """

    process: str
    post: str = ""
    body: dict[str, Any] = {}
    say: str = ""


class LeakPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rounds of `requests`, after `warm_up` rounds that do not count."""

    target: tuple[Target, ...]
    rounds: int = 10
    warm_up: int = 2
    requests: int = 1_000


def read_plan(path: Path) -> LeakPlan:
    """Read a plan. Raises LeakPlanError."""
    try:
        plan = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), LeakPlan)
    except OSError as error:
        raise LeakPlanError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise LeakPlanError(f"{path}: {error}") from error
    for target in plan.target:
        if bool(target.post) == bool(target.say):
            raise LeakPlanError(f"{path}: {target.process} needs either `post` or `say`")
    return plan


@dataclass(frozen=True, slots=True)
class LeakOptions:
    """What to run. `base` is the directory of botproof.toml."""

    config: Config
    base: Path
    report_dir: Path
    plan: LeakPlan
    budgets: Budgets
    mode: str
    say: Callable[[str], None] = print


def find_leaks(options: LeakOptions) -> CheckResult:
    """Judge every process of the plan; name the lines of those that grow."""
    record, about = Recorder(), run_line("leak", history.now())
    try:
        asyncio.run(_sample_all(options, record))
    except (TargetError, BrokenHarnessError) as error:
        return failure("leak", error)
    found = record.history()
    _keep(about, found, options.report_dir / "history.jsonl")
    result = leak_check.check(found, Judging(budgets=options.budgets))
    if result.verdict is not Verdict.FAIL:
        return result
    lines = [line for target in _growing(options, found) for line in _name(options, target)]
    return msgspec.structs.replace(result, evidence=(*result.evidence, *lines))


def _keep(about: history.Run, found: History, path: Path) -> None:
    """Keep what the verdict needs; the thousands of calls beside it say nothing about memory."""
    samples = [each for each in found.of(history.MemorySample) if each.requests is not None]
    with history.HistoryWriter(path) as writer:
        kept = Recorder(writer)
        for event in (about, *samples):
            kept.record(event)
        kept.end()


def _growing(options: LeakOptions, found: History) -> Iterator[Target]:
    limit = 1_000 * options.budgets["leak_kb_per_1000"].limit
    for name, points in leak_check.series(found).items():
        if leak_check.growth(points).judge(limit) is Verdict.FAIL:
            yield from (t for t in options.plan.target if name.split(" (")[0] == t.process)


async def _sample_all(options: LeakOptions, record: Recorder) -> None:
    plan = options.plan
    async with _stack(options, options.config, record) as stack:
        for target in plan.target:
            total = plan.rounds * plan.requests
            options.say(f"{target.process}: {plan.rounds} rounds of {plan.requests:,}, {total:,}")
            await stack.run(_ask(stack, target, plan.warm_up * plan.requests))
            _sample(stack, target, 0)
            for number in range(1, plan.rounds + 1):
                await stack.run(_ask(stack, target, plan.requests))
                _sample(stack, target, number * plan.requests)


def _stack(
    options: LeakOptions, config: Config, record: Recorder
) -> AbstractAsyncContextManager[Stack]:
    return running(
        config,
        options.mode,
        base=options.base,
        report_dir=options.report_dir,
        recorder=record,
        say=options.say,
        double_args=("--no-flood",),
        users=tuple(range(_FIRST_USER, _FIRST_USER + _AT_ONCE)),
    )


def _sample(stack: Stack, target: Target, requests: int) -> None:
    if not stack.process(target.process).record_memory(history.now(), requests):
        raise TargetError(f"{target.process} is gone")


async def _ask(stack: Stack, target: Target, count: int) -> None:
    """Send `count` identical requests, a few at a time, each answered before its lane's next."""
    ask = _poster(stack, target) if target.post else _talker(stack, target)
    left = iter(range(count))

    async def lane(number: int) -> None:
        for _ in left:
            await ask(number)

    await asyncio.gather(*(lane(number) for number in range(min(_AT_ONCE, count))))


def _poster(stack: Stack, target: Target) -> Callable[[int], Awaitable[None]]:
    url = f"{stack.values[f'url:{target.process}']}{target.post}"

    async def ask(_: int) -> None:
        try:
            answer = await stack.around.client.post(url, json=target.body, timeout=_ANSWER_S)
        except httpx.HTTPError as error:
            raise TargetError(f"{target.process}: {type(error).__name__} {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise TargetError(f"{target.process}: HTTP {answer.status_code} {answer.text[:200]}")

    return ask


def _talker(stack: Stack, target: Target) -> Callable[[int], Awaitable[None]]:
    rules = ReplyRules.of(stack.around.config.replies)
    token = stack.values["token"]

    async def ask(lane: int) -> None:
        chat = _FIRST_USER + lane

        def answers(event: Event) -> bool:
            if not isinstance(event, BotApiCall) or event.error_code is not None:
                return False
            reply = read_reply(event.method, event.params)
            return reply is not None and reply[0] == chat and not rules.is_acknowledgement(reply[1])

        with stack.around.recorder.subscribe(answers) as replies:
            await stack.telegram.inject(
                token, {"text": target.say, "chat_id": chat, "user_id": chat}
            )
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await replies.get()
            except TimeoutError as error:
                raise TargetError(f"no reply to {target.say!r} within {_ANSWER_S:g} s") from error

    return ask


def _name(options: LeakOptions, target: Target) -> list[str]:
    """Run once more under memray and name the lines that keep what they allocate."""
    capture = (options.report_dir / f"leak-{target.process}.bin").resolve()
    project = ""

    def wrap(name: str, process: Process) -> Process:
        nonlocal project
        if name != target.process:
            return process
        profiled = under_memray(process.command, capture)
        project = profiled.project
        return msgspec.structs.replace(process, command=profiled.command, stop_timeout_s=60.0)

    options.say(f"{target.process} grows: once more under memray, to name the lines")
    try:
        config = rewritten(options.config, options.mode, wrap)
        begin, end = asyncio.run(_span(options, config, target))
        lines = survivors(capture, project, begin_ms=begin, end_ms=end, most=5)
    except (NotPythonError, CaptureError, TargetError, BrokenHarnessError) as error:
        return [f"{target.process}: the lines could not be named: {error}"]
    return [f"{target.process}: {_describe(line)}" for line in lines]


async def _span(options: LeakOptions, config: Config, target: Target) -> tuple[int, int]:
    """Return when the requests that count began and ended, in epoch milliseconds."""
    async with _stack(options, config, Recorder()) as stack:
        await stack.run(_ask(stack, target, _NAMING_REQUESTS // 2))
        begin = time.time_ns() // 1_000_000
        await stack.run(_ask(stack, target, _NAMING_REQUESTS))
        return begin, time.time_ns() // 1_000_000


def _describe(line: Line) -> str:
    return (
        f"{line.place} in {line.function} keeps {line.size / _NAMING_REQUESTS:,.0f} bytes "
        f"a request ({line.allocations:,} allocations)"
    )
