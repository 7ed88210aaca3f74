"""The parity contract: every mode of a target started, conversations compared, one event recorded.

`compare` is one run of the gate; `run_parity` is `botproof parity`: the same with a history and a
verdict of its own. The stacks' own events go to a history beside it, `stacks.jsonl`: other checks
judge scripted runs, and must not meet these.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from botproof import conversations, history
from botproof.chats import ReplyRules
from botproof.checks import conversations as check
from botproof.checks.judging import JudgingSettings
from botproof.checks.playing import Playing, Side, explain
from botproof.config import Config, stretches
from botproof.conversations import Conversation
from botproof.history import (
    ConversationsCompared,
    Event,
    HarnessError,
    HistoryWriter,
    Vanished,
    Withheld,
    now,
)
from botproof.outcome import Outcome, judge_by, record_and_judge
from botproof.parity.live import LiveStage, StackInMode, guarded, starved_since
from botproof.parity.player import Player, UnansweredError
from botproof.parity.search import Findings, Limits, Stage, replay, search
from botproof.starvation import STRETCH_BY
from botproof.targets.failures import Failure
from botproof.targets.launch import BrokenHarnessError, TargetError
from botproof.targets.recorder import Recorder
from botproof.targets.session import run_line, surroundings
from botproof.targets.stack import Stack, Surroundings, in_phase
from botproof.workloads import stage
from botproof.workloads.vocabulary import sentinel_of, vocabulary_of

CHECK = "conversations"
_MUCH_WITHHELD_S = 2.5  # half of the time that the first command has


@dataclass(frozen=True, slots=True)
class Plan:
    """What to compare: modes, how much, and one saved conversation instead of generated ones."""

    modes: tuple[str, ...]
    limits: Limits
    sentinel: str
    ordered: bool = True
    only: Conversation | None = None


def plan_of(config: Config) -> Plan:
    """Return the plan that botproof.toml describes."""
    parity = config.parity
    limits = Limits(parity.examples, parity.seconds, parity.shrink_seconds, parity.seed)
    sentinel = parity.sentinel or sentinel_of(config)
    return Plan(tuple(config.modes), limits, sentinel, parity.ordered)


async def compare(around: Surroundings, plan: Plan) -> None:
    """Start a stack for each mode, compare, stop them; records one `ConversationsCompared`.

    What goes wrong with the target is in that event, what goes wrong with the harness is recorded
    as `HarnessError`; only cancellation passes.
    """
    if not plan.sentinel:
        around.say("parity: no case of the workload is a command that is answered: nothing to play")
        return
    shutil.rmtree(around.report_dir / "logs", ignore_errors=True)  # of the run before
    results = around.recorder
    with HistoryWriter(around.report_dir / "stacks.jsonl") as writer:
        inner = Recorder(writer)
        inner.record(run_line("parity", now(), modes=plan.modes))
        around = _inner(around, inner)
        for again in (False, True):
            with inner.subscribe(_noted) as noted:
                broken = await _compare(around, plan, results, again=again)
            if broken is None or again or not broken.kind.mends:
                _pass_on(noted, results)
                inner.end()
                return
            reason = str(broken)
            around.say(f"parity: started afresh, because {broken.kind.what}: {reason}")
            kind = broken.kind.name.lower()
            results.record(history.FreshStart(t=now(), failure=kind, reason=reason, stack=CHECK))


def _noted(event: Event) -> bool:
    """Return what other checks are to hear of the stacks: the harness failed, a process crashed."""
    return isinstance(event, HarnessError | Vanished)


def _inner(around: Surroundings, recorder: Recorder) -> Surroundings:
    """Return surroundings for many playings: known users for all of them, and no flood control."""
    config = around.config.without_flood()
    return dataclasses.replace(around, config=config, recorder=recorder, users=stage.known_users())


def _pass_on(events: asyncio.Queue[Event], recorder: Recorder) -> None:
    while not events.empty():
        recorder.record(events.get_nowait())


async def _compare(
    around: Surroundings, plan: Plan, results: Recorder, *, again: bool
) -> BrokenHarnessError | None:
    """Make one try. What of the harness failed, if anything did; the rest is recorded
    in `results`."""
    # What is said is compared, not how fast: the target's deadlines are the longer ones.
    stretch = STRETCH_BY if stretches(around.config) else 1.0
    stacks = [Stack(around, mode, again=again, stretch=stretch) for mode in plan.modes]
    say = around.say
    broken: BrokenHarnessError | None = None
    found: ConversationsCompared | None = None
    began = now()
    try:
        await asyncio.gather(*(in_phase(each, "boot", each.start()) for each in stacks))
        say(f"parity: {', '.join(plan.modes)} are up")
        found = _event(await _converse(around, plan, stacks), plan, around)
    except UnansweredError as error:
        if _withheld(stacks) >= _MUCH_WITHHELD_S:
            broken = BrokenHarnessError(str(error), Failure.STARVED_START)
        else:
            found = _broken_off(str(error), plan)
        say(f"parity: FAILED: {error}")
    except TargetError as error:
        found = _broken_off(str(error), plan)
        say(f"parity: FAILED: {error}")
    except BrokenHarnessError as error:
        broken = error
        stacks[0].record_harness_error("harness", error)
        say(f"parity: ERROR: {error}")
    finally:
        await asyncio.gather(*(in_phase(each, "stop", each.stop()) for each in stacks))
    results.record(
        Withheld(
            t=now(),
            check=CHECK,
            over_s=round(now() - began, 2),
            withheld_s=round(_withheld(stacks), 2),
        )
    )
    broken = broken or next((each.harness_failure for each in stacks if each.harness_failure), None)
    if found is not None and broken is None:
        results.record(found)
    return broken


def _withheld(stacks: Sequence[Stack]) -> float:
    """Return how many seconds were withheld so far from the stack that lost most."""
    return max(each.watch.withheld_s for each in stacks)


async def _converse(around: Surroundings, plan: Plan, stacks: Sequence[Stack]) -> Findings:
    config = around.config
    async with _followed(stacks) as modes:
        player = Player(modes, ReplyRules.of(config.replies), plan.sentinel, ordered=plan.ordered)
        before = [stack.watch.withheld_s for stack in stacks]
        learnt = await guarded(stacks, player.learn())
        starved = starved_since(before, stacks)
        live = LiveStage(player, stacks)
        try:
            findings = await asyncio.to_thread(_work(plan, config, stacks), live)
        finally:
            live.close()
        learnt = player.reread(learnt.number)  # with what came late
    findings.note_learnt(dataclasses.replace(learnt, starved=starved))
    if findings.aborted is not None and isinstance(findings.aborted.reason, BrokenHarnessError):
        raise findings.aborted.reason
    return findings


def _work(plan: Plan, config: Config, stacks: Sequence[Stack]) -> Callable[[Stage], Findings]:
    only = plan.only
    if only is not None:
        return lambda live: replay(live, only)
    vocabulary = vocabulary_of(config)
    return lambda live: search(live, vocabulary, plan.limits, withheld_s=lambda: _withheld(stacks))


@asynccontextmanager
async def _followed(stacks: Sequence[Stack]) -> AsyncIterator[list[StackInMode]]:
    async with AsyncExitStack() as open_modes:
        modes = [await StackInMode.of(each) for each in stacks]
        for mode in modes:
            open_modes.enter_context(mode.following())
        yield modes


# what is recorded


def _event(findings: Findings, plan: Plan, around: Surroundings) -> ConversationsCompared:
    save = _Saver(around)
    aborted = findings.aborted
    return ConversationsCompared(
        t=now(),
        doors=plan.modes,
        seed=plan.limits.seed,
        sentinel=plan.sentinel,
        replayed=plan.only is not None,
        conversations=findings.conversations,
        steps=findings.steps,
        answers=len(findings.answers),
        playings=findings.playings,
        late=findings.late,
        unanswered=tuple(save("silent", each) for each in findings.silent),
        differences=tuple(_differences(findings, save)),
        starved=tuple(save("starved", each) for each in findings.starved),
        flaky=tuple(
            {**save("flaky", first), "again": _sides(again.sides)}
            for first, again in findings.flaky
        ),
        stopped_by=findings.stopped_by,
        search_s=round(findings.search_s, 3),
        shrink_s=round(findings.shrink_s, 3),
        ended="" if aborted is None else str(aborted.reason),
        ended_in={} if aborted is None else msgspec.to_builtins(aborted.conversation),
    )


def _differences(findings: Findings, save: _Saver) -> Iterator[Mapping[str, Any]]:
    """Yield what showed in the first messages of all, and the shortest conversation
    that was found."""
    if findings.learnt is not None:
        yield {**save("first-messages", findings.learnt), "learning": True}
    if findings.shortest is not None:
        yield save("difference", findings.shortest)


def _broken_off(reason: str, plan: Plan) -> ConversationsCompared:
    return ConversationsCompared(t=now(), doors=plan.modes, seed=plan.limits.seed, ended=reason)


@dataclass(slots=True)
class _Saver:
    """Writes the conversation of a finding, and what it showed, into the report directory."""

    around: Surroundings

    def __call__(self, kind: str, playing: Playing) -> Mapping[str, Any]:
        conversation = playing.conversation
        digest = hashlib.sha256(conversations.encode(conversation)).hexdigest()[:10]
        path = self.around.report_dir / f"{kind}-{digest}.json"
        lines = explain(playing)
        conversations.save(path, conversation, f"{kind}: {lines[0]}")
        path.with_suffix(".txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return {
            "number": playing.number,
            "conversation": msgspec.to_builtins(conversation),
            "sides": _sides(playing.sides),
            "saved": str(path),
        }


def _sides(sides: Sequence[Side]) -> list[Mapping[str, Any]]:
    return [
        {"door": side.mode, "rooms": dict(side.rooms), "refused": list(side.refused)}
        for side in sides
    ]


# a run of its own


@dataclass(frozen=True, slots=True)
class ParityOptions:
    """What `botproof parity` runs."""

    config: Config
    config_path: Path
    report_dir: Path
    plan: Plan
    keep: bool = False
    say: Callable[[str], None] = print
    wall_clock: Callable[[], datetime.datetime] = field(
        default=lambda: datetime.datetime.now(datetime.UTC)
    )


def run_parity(options: ParityOptions) -> Outcome:
    """Run, record, judge by the check "conversations": see `record_and_judge`."""
    return record_and_judge(
        options.report_dir,
        about=lambda started: _metadata(options, started),
        run=lambda recorder: _run(options, recorder),
        judge=judge_by(CHECK, check.check),
    )


def _metadata(options: ParityOptions, started: float) -> history.Run:
    settings = msgspec.structs.replace(JudgingSettings.of(options.config, ""), checks=(CHECK,))
    return run_line(
        "parity",
        started,
        options.wall_clock(),
        config=str(options.config_path),
        modes=options.plan.modes,
        seed=options.plan.limits.seed,
        judging=msgspec.to_builtins(settings),
    )


async def _run(options: ParityOptions, recorder: Recorder) -> None:
    base = options.config_path.resolve().parent
    async with surroundings(
        options.config, base, options.report_dir, recorder, options.say, keep=options.keep
    ) as around:
        await compare(around, options.plan)
