"""The gate: a fixed set of runs and checks, and the one verdict over them."""

from __future__ import annotations

import dataclasses
import datetime
import tempfile
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import msgspec

from botproof import history
from botproof.chats import ReplyRules
from botproof.checks.golden_files import read_approved
from botproof.checks.judging import Judging, JudgingSettings, run_checks
from botproof.checks.memory import LOAD_PHASE
from botproof.checks.registry import CHECKS
from botproof.checks.reply_times import ReplyTimes
from botproof.checks.starved import Cases, doubtful
from botproof.config import Case, Config, stretches
from botproof.counting import several
from botproof.delivery.run import CHECK as DELIVERY
from botproof.delivery.trial import delivery_trial, has_question, plan_for
from botproof.history import History
from botproof.outcome import Outcome, record_and_judge
from botproof.played_over import play_over
from botproof.prove.prove import prove, result_of
from botproof.starvation import STRETCH_BY
from botproof.targets.guarding import Guard
from botproof.targets.launch import BrokenHarnessError
from botproof.targets.life import Ended, live, with_fresh_start
from botproof.targets.network import apart
from botproof.targets.recorder import Recorder
from botproof.targets.session import run_line
from botproof.targets.stack import Stack, Surroundings, in_phase
from botproof.verdict import CheckResult, Verdict, combine
from botproof.workloads import scripted
from botproof.workloads.after_silence import with_next_questions
from botproof.workloads.away import away_trial
from botproof.workloads.degradation import degradation_trial
from botproof.workloads.door import CROWD, USERS, DoorWorkload, question_of
from botproof.workloads.exposure import look
from botproof.workloads.idle import idle_trial
from botproof.workloads.load import LoadPlan, run_load
from botproof.workloads.nobody import ask_as_nobody, ask_without_a_list, lists_of_users
from botproof.workloads.quotes import QUOTERS
from botproof.workloads.security import is_limited, security_trial
from botproof.workloads.signals import signals_trial
from botproof.workloads.trials import Trial, play_trials

CONVERSATIONS = "conversations"
LATENCY = "latency"
CONTENT_CHECKS = frozenset({"golden", "parity"})
DOOR = "door"
_NEED_LOAD = frozenset({"latency", "errors", "rollback", "memory"})


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What to run. `base` is the directory of botproof.toml; an empty choice means all.

    `images` are those that `config` was given on the command line, and `fleet` is where else it was
    taken from, for the record; `hosts` are names by which its services find each other. `rounds` (1
    to 3) is how often cases are played again that differ and were starved.
    """

    config: Config
    config_path: Path
    report_dir: Path
    checks: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict)
    fleet: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    keep: bool = False
    rounds: int = 3
    say: Callable[[str], None] = print
    wall_clock: Callable[[], datetime.datetime] = field(
        default=lambda: datetime.datetime.now(datetime.UTC)
    )

    @property
    def base(self) -> Path:
        """What relative paths of botproof.toml are relative to."""
        return self.config_path.resolve().parent

    @property
    def golden_dir(self) -> Path:
        """Where the approved replies lie."""
        return self.base / self.config.gate.golden_dir


def run_gate(options: GateOptions) -> Outcome:
    """Run every mode, record the history, judge it: see `record_and_judge`.

    Raises HistoryError when the earlier run cannot be read that it is to be compared with, or is
    not whole.
    """
    if options.config.parity.against:
        path = options.base / options.config.parity.against
        if lacks := history.read_history(path).broken_off:
            raise history.HistoryError(f"{path}: {lacks}; compare with a run that ended")
    return record_and_judge(
        options.report_dir,
        about=lambda started: _metadata(options, started),
        run=lambda recorder: _run_modes(options, recorder),
        judge=lambda record: judge(record, golden_dir=options.golden_dir),
    )


def judge(
    record: History, *, settings: JudgingSettings | None = None, golden_dir: Path | None = None
) -> list[CheckResult]:
    """Return the results of a history, by the settings that it was recorded with unless given
    others.

    What passes of a gate is judged again with defects planted into the record (`botproof.prove`):
    whether this judge would have turned red is a result of its own.
    """
    settings = settings or JudgingSettings.recorded_in(record.run)
    approved = read_approved(golden_dir or Path(settings.golden_dir))
    judging = Judging.of(settings, approved)
    results = run_checks(CHECKS, settings.checks, record, judging)
    of_gate = record.run is None or record.run.command == "gate"
    if of_gate and combine(result.verdict for result in results) is Verdict.PASS:
        findings = prove(record, judging, CHECKS, asked=settings.checks)
        if any(finding.played for finding in findings):
            results.append(result_of(findings))
    return results


def _metadata(options: GateOptions, started: float) -> history.Run:
    config = options.config
    settings = JudgingSettings.of(config, str(options.golden_dir))
    if config.parity.against:
        against = str(options.base / config.parity.against)
        settings = msgspec.structs.replace(settings, against=against)
    if options.checks:
        settings = msgspec.structs.replace(settings, checks=options.checks)
    return run_line(
        "gate",
        started,
        options.wall_clock(),
        config=str(options.config_path),
        modes=options.modes or tuple(config.modes),
        chosen_modes=options.modes,
        seed=config.doubles.telegram.seed,
        images=options.images,
        fleet=options.fleet,
        judging={
            **msgspec.to_builtins(settings),
            DELIVERY: msgspec.to_builtins(plan_for(config, len(options.modes or config.modes))),
        },
    )


async def _run_modes(options: GateOptions, recorder: Recorder) -> None:
    config = options.config
    modes = options.modes or tuple(config.modes)
    async with AsyncExitStack() as resources:
        guard = await resources.enter_async_context(Guard())
        resources.enter_context(apart(config, guard))
        client = await resources.enter_async_context(
            httpx.AsyncClient(trust_env=False, timeout=30.0)
        )
        drawn = resources.enter_context(tempfile.TemporaryDirectory(prefix="botproof-market-"))
        around = Surroundings(
            config=config,
            base=options.base,
            report_dir=options.report_dir,
            recorder=recorder,
            guard=guard,
            client=client,
            say=options.say,
            # Both ends of the list ask for sure: one that is cut off there shows.
            users=(
                *dict.fromkeys(USERS.values()),
                *CROWD,
                *QUOTERS,
                *scripted.known_users(config.workload.cases),
            ),
            keep=options.keep,
            hosts=options.hosts,
            drawn=Path(drawn),
        )
        plan = _load_plan(options, len(modes))
        for number, mode in enumerate(modes, start=1):
            whole = await _run_mode(options, around, mode, plan, last=number == len(modes))
            if not whole:
                return  # the verdict is ERROR already; the other modes could not change it
        await _play_again(options, around, modes)
        trials = _trials(options, around, modes)
        beside = not config.alone_because()
        await play_trials([trial for _, trial in trials], beside=beside)
        await play_over(around, trials)


def _trials(
    options: GateOptions, around: Surroundings, modes: Sequence[str]
) -> list[tuple[str, Trial]]:
    """Return what is played in stacks of its own after the modes, all of it beside each other, with
    the check that each is for.

    What waits longest comes first, as not all stacks start at once.
    """
    config = options.config
    checks = frozenset(options.checks or config.gate.checks)
    trials: list[tuple[str, Trial]] = []
    if "degradation" in checks and config.doubles.exchanges is not None:
        trials.append(("degradation", partial(degradation_trial, around, modes[0])))
        idle = modes[1:] or modes
        trials += [("degradation", partial(idle_trial, around, mode)) for mode in idle]
    if "signals" in checks and config.signals is not None:
        trials.append(("signals", partial(signals_trial, around, modes[-1])))
    trials.append((CONVERSATIONS, partial(_compare_conversations, options, around)))
    if DELIVERY in checks and has_question(config):
        trials += [(DELIVERY, partial(delivery_trial, around, mode)) for mode in modes]
    if "security" in checks:
        # in turn, so that a guard that is other in one mode meets somebody in each
        trials += [
            ("security", partial(security_trial, around, mode, guests))
            for guests, mode in zip(("", *config.security.guests), cycle(reversed(modes)))
            if guests or is_limited(config) or config.workload.private
        ]
    question = _question(options)
    if question:
        trials.append((DOOR, partial(away_trial, around, modes[0], question)))
    if config.door.nobody and question:
        trials.append((DOOR, partial(ask_as_nobody, around, modes[0], question)))
    if lists_of_users(config) and question:
        trials.append((DOOR, partial(ask_without_a_list, around, modes[0], question)))
    return trials


async def _play_again(options: GateOptions, around: Surroundings, modes: Sequence[str]) -> None:
    """Play the cases again, alone, that the machine kept from showing anything sure.

    What differs and was starved: first with the target's deadlines as they are, then with those
    that botproof.toml lets the harness stretch. What was late for no fault of the target: always
    with the deadlines that ship. In a stack of its own each time: caches and circuit breakers
    begin anew.
    """
    longer = STRETCH_BY if stretches(options.config) else 1.0
    rounds = (1.0, longer, longer)[-options.rounds :]
    for number, stretch in enumerate(rounds, start=1):
        differ, late = _in_doubt(options, around.recorder.history().counted())
        if not differ and not late:
            return  # nothing is played that could bring a doubt into the next round
        for mode in modes:
            again = tuple(differ.get(mode, ()))
            also = again if stretch == 1.0 else ()  # their reply times are told as well
            timed = tuple(name for name in late.get(mode, ()) if name not in also)
            name = f"{mode}-late-{number}"
            if timed and not await _again(options, Stack(around, mode, name), timed, timed=True):
                return
            name = f"{mode}-again-{number}"
            if again and not await _again(
                options, Stack(around, mode, name, stretch=stretch), again
            ):
                return


def _in_doubt(options: GateOptions, record: History) -> tuple[Cases, Cases]:
    """Return the cases of which nothing sure is known: what is said, and how fast it is said."""
    checks = frozenset(options.checks or options.config.gate.checks)
    rules = ReplyRules.of(options.config.replies)
    differ: Cases = {}
    if CONTENT_CHECKS & checks:
        differ = doubtful(record, rules, read_approved(options.golden_dir))
    if LATENCY not in checks:
        return differ, {}
    limit_s = options.config.resolved_budgets()["reply_time_s"].limit
    return differ, ReplyTimes(record, rules, limit_s).late_for_no_fault()


async def _again(
    options: GateOptions, stack: Stack, names: tuple[str, ...], *, timed: bool = False
) -> bool:
    """Play these cases once more; false when the harness failed."""
    stack.say(
        f"the machine kept {several(len(names), 'case')} from showing anything sure: played again, "
        "alone"
    )
    stack.around.recorder.record(
        history.PlayedAgain(
            t=history.now(),
            of=stack.mode,
            cases=names,
            stretch=stack.stretch,
            timed=timed,
            **stack.labels,
        )
    )
    rules = ReplyRules.of(options.config.replies)
    wall = options.wall_clock().timestamp()
    cases = _said(options.config)

    async def use() -> None:
        chosen = frozenset(names)
        played = scripted.play(stack, cases, rules, wall, only=chosen, at_once=1)
        await in_phase(stack, "conversation", stack.run(played))

    ended = await _use(stack, use)
    return _tell(stack, ended.broken)


async def _compare_conversations(options: GateOptions, around: Surroundings) -> None:
    """Play every mode once more, beside each other, unless the run is for some modes only."""
    if CONVERSATIONS not in (options.checks or options.config.gate.checks) or options.modes:
        return
    if reason := options.config.alone_because():
        options.say(f"conversations: left out; modes cannot run beside each other: {reason}")
        return
    # Hypothesis takes a quarter of a second to import: only when it is needed.
    from botproof.parity.run import compare, plan_of  # noqa: PLC0415

    config = options.config.for_parity()
    report_dir = options.report_dir / CONVERSATIONS
    await compare(
        dataclasses.replace(around, config=config, report_dir=report_dir), plan_of(config)
    )


def _load_plan(options: GateOptions, modes: int) -> LoadPlan | None:
    config = options.config
    wanted = _NEED_LOAD & set(options.checks or config.gate.checks)
    if config.load is None or not wanted:
        return None
    budgets = config.resolved_budgets()
    return LoadPlan(
        load=config.load,
        limit=budgets["error_rate_pct"].limit / 100,
        late_s=budgets["reply_time_s"].limit,
        modes=modes,
    )


async def _run_mode(
    options: GateOptions, around: Surroundings, mode: str, plan: LoadPlan | None, *, last: bool
) -> bool:
    """Run one mode from start to end; false when the harness failed, a fresh start included.

    What goes wrong is recorded; only cancellation passes.
    """

    def make(again: bool) -> Stack:
        if again and plan is not None:
            plan.forget(mode)
        return Stack(around, mode, again=again)

    stack, ended = await with_fresh_start(
        make, lambda stack: _one_life(options, stack, plan, last=last)
    )
    return _tell(stack, ended.broken)


def _tell(stack: Stack, broken: BrokenHarnessError | None) -> bool:
    """Record and say what of the harness failed at last; whether nothing did."""
    if broken is not None:
        stack.record_harness_error("harness", broken)
        stack.say(f"ERROR: {broken}")
    return broken is None


async def _one_life(
    options: GateOptions, stack: Stack, plan: LoadPlan | None, *, last: bool
) -> Ended:
    """Start the stack, use it, end it."""
    door = _door(options, stack)

    async def use() -> None:
        if door is not None:
            await in_phase(stack, DOOR, stack.run(door.first()))
        await _converse(options, stack)
        if plan is not None:
            await in_phase(stack, LOAD_PHASE, stack.run(run_load(stack, plan, last=last)))
        if door is not None:
            await in_phase(stack, DOOR, stack.run(door.rest(last=last)))
        if "security" in (options.checks or options.config.gate.checks):
            await stack.run(look(stack))

    with door or nullcontext():
        return await _use(stack, use)


async def _use(stack: Stack, work: Callable[[], Coroutine[Any, Any, None]]) -> Ended:
    ended = await live(stack, work)
    if ended.target:
        stack.say(f"FAILED: {ended.target}")
    return ended


def _door(options: GateOptions, stack: Stack) -> DoorWorkload | None:
    question = _question(options)
    return (
        DoorWorkload(stack, question, ReplyRules.of(options.config.replies)) if question else None
    )


def _question(options: GateOptions) -> str:
    """Return what is asked at the door; "" when the check is not asked for, or there is
    no command."""
    if DOOR not in (options.checks or options.config.gate.checks):
        return ""
    return question_of(options.config)


def _said(config: Config) -> tuple[Case, ...]:
    """Return what is said to the bot in each mode: the workload, and who asks after a silence."""
    return with_next_questions(config.workload.cases, question_of(config))


async def _converse(options: GateOptions, stack: Stack) -> None:
    cases = _said(options.config)
    rules = ReplyRules.of(options.config.replies)
    wall = options.wall_clock().timestamp()
    alone = options.config.workload.at_once == 1
    how = ", one chat after the other, as workload.at_once says" if alone else ""
    stack.say(f"conversation: {len(cases)} updates{how}")
    began = history.now()
    playing = stack.run(scripted.play(stack, cases, rules, wall))
    answered = await in_phase(stack, "conversation", playing)
    if stack.bot is not None:
        await stack.bot.record_health(stack.around.client)
        if not answered:
            stack.bot.record_log_tail()
    stack.say(f"conversation: done after {history.now() - began:.1f} s")
