"""The profile run: every process of the target under memray, one fixed workload, one verdict.

The workload is the conversation of botproof.toml and a few hundred requests of its load script.
Nothing is asked about speed here: the profiler makes everything slower.
"""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from botproof import history
from botproof.chats import ReplyRules
from botproof.config import Config, Process
from botproof.profiles.budgets import ProcessBudget
from botproof.profiles.capture import CaptureError, read_profile
from botproof.profiles.command import NotPythonError, under_memray
from botproof.profiles.flame import flame_page
from botproof.profiles.judge import judge_libraries, judge_peak
from botproof.profiles.session import exits, failure, rewritten, running
from botproof.targets.launch import BrokenHarnessError, TargetError
from botproof.targets.recorder import Recorder
from botproof.targets.session import run_line
from botproof.targets.stack import Stack
from botproof.verdict import CheckResult, Verdict
from botproof.workloads import scripted
from botproof.workloads.load import LoadPlan, run_load

LOAD_REQUESTS = 400
LOAD_RATE = 50.0
# Under a profiler the answers may be late; what they say is not judged here.
_LIMIT = 0.5
_LATE_S = 30.0
_STOP_S = 60.0
"""Time to end under the profiler, which writes its capture to the end then."""


@dataclass(frozen=True, slots=True)
class ProfileOptions:
    """What to profile, and by what to judge it. `base` is the directory of botproof.toml."""

    config: Config
    base: Path
    report_dir: Path
    budgets: Mapping[str, ProcessBudget]
    mode: str
    wall_s: float
    say: Callable[[str], None] = print
    requests: int = LOAD_REQUESTS


@dataclass(slots=True)
class _Captures:
    """Where each process's capture lies, what is its own, and which processes cannot have one."""

    directory: Path
    projects: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def path(self, process: str) -> Path:
        return self.directory / f"{process}.bin"

    def wrap(self, name: str, process: Process) -> Process:
        """Return the process under memray; as it is when it is no Python program."""
        if process.image:
            self.refused[name] = f"runs in a container of {process.image}; profile the process"
            return process
        try:
            profiled = under_memray(process.command, self.path(name))
        except NotPythonError as error:
            self.refused[name] = str(error)
            return process
        self.projects[name] = profiled.project
        return msgspec.structs.replace(
            process, command=profiled.command, stop_timeout_s=max(_STOP_S, process.stop_timeout_s)
        )


def profile(options: ProfileOptions) -> list[CheckResult]:
    """Run the target under memray and judge every process. Writes a flame graph for each."""
    directory = options.report_dir.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    captures = _Captures(directory)
    config = rewritten(options.config, options.mode, captures.wrap)
    with history.HistoryWriter(directory / "history.jsonl") as writer:
        recorder = Recorder(writer)
        at = datetime.datetime.fromtimestamp(options.wall_s, datetime.UTC)
        recorder.record(run_line("profile", history.now(), at, modes=(options.mode,)))
        try:
            asyncio.run(_drive(options, config, recorder))
        except (TargetError, BrokenHarnessError) as error:
            recorder.end()
            return [failure("profile", error)]
        recorder.end()
    ended = exits(recorder.history())
    return [
        result
        for name in (*config.services, "bot")
        for result in _judge(options, captures, name, ended.get(name))
    ]


async def _drive(options: ProfileOptions, config: Config, recorder: Recorder) -> None:
    async with running(
        config,
        options.mode,
        base=options.base,
        report_dir=options.report_dir,
        recorder=recorder,
        say=options.say,
    ) as stack:
        cases = config.workload.cases
        options.say(f"{options.mode}: conversation of {len(cases)} updates")
        rules = ReplyRules.of(config.replies)
        await stack.run(scripted.play(stack, cases, rules, options.wall_s))
        await _load(options, config, stack)


async def _load(options: ProfileOptions, config: Config, stack: Stack) -> None:
    if config.load is None or not options.requests:
        return
    load = msgspec.structs.replace(
        config.load,
        rate=LOAD_RATE,
        max_requests=options.requests,
        args=(*config.load.args, "--whole"),
    )
    plan = _Fixed(load=load, limit=_LIMIT, late_s=_LATE_S, modes=1)
    await stack.run(run_load(stack, plan, last=False))


class _Fixed(LoadPlan):
    """A load of a fixed number of requests, not of as many as a verdict needs."""

    def share(self) -> int:
        return self.load.max_requests

    def more(self, stack: str, *, last: bool) -> int:  # noqa: ARG002 - all was sent at once
        return 0


def _judge(
    options: ProfileOptions,
    captures: _Captures,
    name: str,
    ended: history.ProcessExited | None,
) -> Iterator[CheckResult]:
    budget = options.budgets.get(name)
    if name in captures.refused:
        yield _missing(name, captures.refused[name], Verdict.INCONCLUSIVE)
    elif ended is None or ended.code != 0:
        how = "never ended" if ended is None else history.describe_exit(ended.code)
        yield _missing(name, f"ended with {how}, so its capture is cut off", Verdict.FAIL)
    elif budget is None:
        yield _missing(name, f"no budget: add [{name}] to the file", Verdict.INCONCLUSIVE)
    else:
        yield from _judge_capture(captures, name, budget)


def _judge_capture(captures: _Captures, name: str, budget: ProcessBudget) -> Iterator[CheckResult]:
    project = captures.projects[name]
    try:
        found = read_profile(captures.path(name), project)
    except CaptureError as error:
        yield _missing(name, str(error), Verdict.ERROR)
        return
    page = captures.directory / f"flame-{name}.html"
    page.write_text(flame_page(f"{name}: memory at the peak", found, project), encoding="utf-8")
    yield judge_peak(name, found, budget)
    yield judge_libraries(name, found, budget)


def _missing(name: str, why: str, verdict: Verdict) -> CheckResult:
    return CheckResult(
        check=f"{name} peak heap",
        verdict=verdict,
        budget="a capture of every process",
        measurement=why,
        least_evidence="a capture that the process closed itself",
    )
