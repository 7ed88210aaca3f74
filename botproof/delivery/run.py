"""One delivery run: doubles, services and bot; questions at a steady rate; kills; a clean stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

import msgspec

from botproof import history
from botproof.chats import ReplyRules
from botproof.checks import delivery as delivery_check
from botproof.checks.judging import JudgingSettings
from botproof.checks.tally import Open
from botproof.config import Config
from botproof.delivery.options import MEANWHILE, UNDER_WAY, DeliveryOptions, plan_of
from botproof.delivery.questions import Question, chat_ids, due_times, in_chat, of_owner, questions
from botproof.faults.nemesis import Nemesis
from botproof.faults.schedule import Window, strikes, windows
from botproof.faults.stores import DamagedRows, ForgetfulRedis, RedisKeys, SqliteFiles
from botproof.faults.troubles import (
    EXCHANGE_FAULTS,
    TELEGRAM_FAULTS,
    DoubleFaults,
    Frozen,
    FullDisk,
    IdleConnections,
    NoMoreBytes,
    PoisonPills,
    RemovedFiles,
    Restarted,
    Trouble,
)
from botproof.history import CasePlayed, Event
from botproof.outcome import Outcome, judge_by, record_and_judge
from botproof.targets.granted import Granted
from botproof.targets.launch import BrokenHarnessError, TargetError
from botproof.targets.life import Ended, with_fresh_start
from botproof.targets.recorder import Recorder
from botproof.targets.replicas import ReplicatedStack
from botproof.targets.session import run_line, surroundings
from botproof.targets.stack import Surroundings, in_phase
from botproof.users import users_of

CHECK = "delivery"
_SAY_EVERY_S = 5.0
_IMPATIENT_S = 2.0
_AIM_S = 2.0
_CLOCK_STEP_S = 30.0
_MOST_CLOCK_S = 3600.0
_QUIET_S = 1.0
_MEANWHILE_S = 0.15
_FEW_CHATS = 3
"""Those that are under way come from so few: of one chat all but the first have to wait."""
_SLOW = {"method": "sendMessage", "kind": "late", "seconds": 0.8}
"""Telegram is slow: so what was taken in is still in hand when the end comes. A message that a bot
had not got rid of by then takes no effect, so no repetition follows from it. A bot has to wait that
long for an answer: whether a call was lost that it gave up, nobody could tell."""
_TOKEN_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"  # noqa: S105 - an alphabet


def run_delivery(options: DeliveryOptions) -> Outcome:
    """Run, record, judge by the check "delivery": see `record_and_judge`."""
    return record_and_judge(
        options.report_dir,
        about=lambda started: _metadata(options, started),
        run=lambda recorder: _run(options, recorder),
        judge=judge_by(CHECK, delivery_check.check),
    )


def _metadata(options: DeliveryOptions, started: float) -> history.Run:
    settings = msgspec.structs.replace(JudgingSettings.of(options.config, ""), checks=(CHECK,))
    plan = plan_of(options)
    return run_line(
        "delivery",
        started,
        config=str(options.config_path),
        modes=(options.mode,),
        seed=options.seed,
        judging={**msgspec.to_builtins(settings), "delivery": msgspec.to_builtins(plan)},
    )


def _config_of_run(options: DeliveryOptions) -> Config:
    """Return a bot that Telegram has never seen, and no flood control: it is the kills
    that are tested."""
    config = options.config.for_delivery(options.env).without_flood()
    letters = "".join(options.chance.choices(_TOKEN_LETTERS, k=33))
    token = f"{options.chance.randrange(10**9, 10**10)}:AA{letters}"
    telegram = msgspec.structs.replace(config.doubles.telegram, token=token)
    doubles = msgspec.structs.replace(config.doubles, telegram=telegram)
    return msgspec.structs.replace(config, doubles=doubles)


async def _run(options: DeliveryOptions, recorder: Recorder) -> None:
    base = options.config_path.resolve().parent
    async with surroundings(
        options.config, base, options.report_dir, recorder, options.say, keep=options.keep
    ) as around:
        await play_within(around, options)


async def play_within(around: Surroundings, options: DeliveryOptions) -> None:
    """Play the run in surroundings that are there already. What goes wrong is recorded; only
    cancellation passes. A harness that broke gets one fresh start, as in the gate."""

    async def life(stage: ReplicatedStack) -> Ended:
        with stage.around.recorder.subscribe(lambda event: event.stack == options.name) as events:
            show = _Show(options, stage, events, _questions(options, _chats(options)))
            return await _play(show, stage)

    stage, ended = await with_fresh_start(lambda again: _stage(around, options, again=again), life)
    if ended.broken is not None:
        stage.record_harness_error("harness", ended.broken)
        stage.say(f"ERROR: {ended.broken}")


def _stage(around: Surroundings, options: DeliveryOptions, *, again: bool) -> ReplicatedStack:
    config = _config_of_run(options)
    return ReplicatedStack(
        replace(around, config=config, users=_users(options)),
        options.mode,
        options.name,
        replicas=options.replicas,
        kill_url=getattr(config.modes[options.mode], "kill_url", ""),
        again=again,
    )


def _owner(options: DeliveryOptions) -> int | None:
    """Return the one user who may ask; None where `[delivery] chat` names none."""
    delivery = options.config.delivery
    if delivery is None or not delivery.chat:
        return None
    return users_of(options.config.workload.cases)[delivery.chat]


def _users(options: DeliveryOptions) -> tuple[int, ...]:
    owner = _owner(options)
    return chat_ids(_chats(options)) if owner is None else (owner,)


def _chats(options: DeliveryOptions) -> int:
    delivery = options.config.delivery
    if _owner(options) is not None:
        return 1
    chats = options.chats or (delivery.chats if delivery is not None else 1)
    return min(chats, options.every)


def _questions(options: DeliveryOptions, chats: int) -> list[Question]:
    delivery = options.config.delivery
    if delivery is None:
        raise ValueError("botproof.toml has no [delivery] table, so there is nothing to ask")
    asked = questions(delivery.say, options.every, chats, options.seed)
    if (owner := _owner(options)) is not None:
        return of_owner(asked, owner)
    if not options.slow_ends:
        return asked
    for number in range(options.updates, options.every - options.late):
        asked[number] = in_chat(asked[number], number % _FEW_CHATS)
    return asked


async def _play(show: _Show, stage: ReplicatedStack) -> Ended:
    """Play the whole run."""
    target = ""
    try:
        await in_phase(stage, "boot", stage.start())
        await in_phase(stage, "storm", stage.run(show.storm()))
        await in_phase(stage, "drain", stage.run(show.drain()))
        await in_phase(stage, "stops", stage.run(show.stopped_at_work()))
        await in_phase(stage, "late", stage.run(show.late()))
        await in_phase(stage, "stop", show.stop())
    except TargetError as error:
        target = str(error)
        stage.say(f"FAILED: {target}")
    except BrokenHarnessError as error:
        stage.harness_failure = stage.harness_failure or error
    finally:
        await show.close()
        await stage.stop()
    return Ended(target, stage.harness_failure)


def _first(error: Exception) -> Exception:
    """Return what went wrong first, out of the groups that task groups put around it."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


class _Show:
    """The acts of a run, and the count of what was sent, answered and killed meanwhile."""

    def __init__(
        self,
        options: DeliveryOptions,
        stage: ReplicatedStack,
        events: asyncio.Queue[Event],
        asked: Sequence[Question],
    ) -> None:
        self._options = options
        self._stage = stage
        self._asked = asked
        self._sent = 0
        self._kills = 0
        self._waiting = Open(ReplyRules.of(options.config.replies))
        self._until_killed = AsyncExitStack()
        self._progress = asyncio.Event()
        self._reader = asyncio.create_task(self._read(events))
        self._narrator = asyncio.create_task(self._narrate())

    async def close(self) -> None:
        """End the tasks that only watch."""
        for task in (self._reader, self._narrator):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    # the acts

    async def storm(self) -> None:
        """Send the questions at their times while everything goes wrong that shall."""
        options = self._options
        for fault in options.faults:
            await self._stage.telegram.add_fault(fault)
        nemesis = Nemesis(
            strikes(options.seed, options.updates, options.kills, options.replicas),
            windows(options.seed, options.updates, options.troubles),
            troubles={name: self._trouble(name) for name in options.troubles},
            aim=self._aim_at_work,
            kill=self._kill,
            note=self._note,
        )
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(nemesis.run())
                await self._send(self._asked[: options.updates], nemesis)
        except ExceptionGroup as errors:
            raise _first(errors) from errors

    async def drain(self) -> None:
        """Wait until every update is answered, or no new answer has come for a while."""
        watch, patience = self._stage.watch, self._options.drain_s
        await self._stage.all_ready(patience)
        all_of_it, a_new_one = Granted(watch, 10 * patience), Granted(watch, patience)
        fewest, moved = self._waiting.open, 0.0
        while self._waiting.open and min(all_of_it.left_s, a_new_one.left_s):
            self._progress.clear()
            try:
                async with asyncio.timeout(_IMPATIENT_S):
                    await self._progress.wait()
            except TimeoutError:
                if moved < _MOST_CLOCK_S:  # Telegram may wait for two minutes to try again
                    await self._stage.move_clock(_CLOCK_STEP_S)
                    moved += _CLOCK_STEP_S
            if self._waiting.open < fewest:
                fewest, a_new_one = self._waiting.open, Granted(watch, patience)
        self._say("nothing is waited for any more" if not self._waiting.open else "gave up waiting")

    async def stopped_at_work(self) -> None:
        """SIGTERM while updates are handled: what was taken is answered, by this life or the
        next."""
        for _ in range(self._options.stops):
            async with self._slow_telegram():
                under_way = [await self._next() for _ in range(UNDER_WAY)]
                await self._aim(0)
                await self._taken_in(under_way, UNDER_WAY)
                await self._stop_while_asked()
            await self._stage.start_bot()
            await self.drain()

    async def _stop_while_asked(self) -> None:
        """Send SIGTERM, and have users write while the bot stops."""
        stopping = asyncio.create_task(self._stage.stop_bots())
        try:
            for _ in range(MEANWHILE if self._options.slow_ends else 0):
                await self._next()
                await asyncio.wait([stopping], timeout=_MEANWHILE_S)
        finally:
            await stopping

    async def _next(self) -> int:
        """Send the next question; its update_id."""
        self._sent += 1
        return await self._ask(self._asked[self._sent - 1])

    async def late(self) -> None:
        """Send updates while the bot is stopped, which have to be answered by its next start."""
        await self._stage.stop_bots()
        await self._send(self._asked[self._sent :], None)
        # That nothing is sent after the end can only be seen by waiting for it.
        await asyncio.sleep(_QUIET_S)
        if self._options.late:
            await self._stage.start_bot()
            await self.drain()

    async def stop(self) -> None:
        """Stop the bot cleanly for the last time."""
        if self._stage.bots:
            await self._stage.stop_bots()
            await asyncio.sleep(_QUIET_S)

    # sending

    async def _send(self, asked: Sequence[Question], nemesis: Nemesis | None) -> None:
        began = history.now()
        times = due_times(len(asked), self._options.rate, self._options.seed)
        for number, (question, due) in enumerate(zip(asked, times, strict=True)):
            await asyncio.sleep(max(0.0, began + due - history.now()))
            await self._ask(question)
            self._sent += 1
            if nemesis is not None:
                await nemesis.sent(number + 1)

    async def _ask(self, question: Question) -> int:
        stage = self._stage
        at = history.now()
        payload = question.payload(time.time())
        update_id = await stage.inject(payload)
        stage.around.recorder.record(
            CasePlayed(
                t=at,
                case=question.marker,
                update_id=update_id,
                chat_id=question.chat_id,
                expect="reply",
                replies=self._options.config.replies.messages,
                title=question.text,
                golden=False,
                stack=stage.name,
                mode=stage.mode,
            )
        )
        return update_id

    # what goes wrong

    async def _aim(self, victim: int) -> None:
        """Wait until the bot is ready, for as long as a start may take, and then until it has
        something to answer; not for long."""
        await self._until(lambda: self._stage.is_ready(victim), self._options.drain_s)
        await self._until(lambda: self._stage.is_ready(victim) and self._waiting.open > 0)

    async def _aim_at_work(self, victim: int) -> None:
        """Wait, not for long, until a kill meets what only the bot knows of."""
        await self._aim(victim)
        if not self._waiting.answers_first:
            await self._until_killed.enter_async_context(self._slow_telegram())
        await self._taken_in()

    async def _taken_in(self, updates: Sequence[int] = (), wanted: int = 1) -> None:
        """Wait until the bot has so many updates in hand that Telegram sends no more, or is about
        to have fewer of them; not for long, and not at all where it answers before it confirms."""
        if not self._options.slow_ends or self._waiting.answers_first:
            return
        most = 0

        def taken_in() -> bool:
            nonlocal most
            held = self._waiting.in_hand(updates)
            most = max(most, held)
            return held >= wanted or 0 < held < most

        await self._until(taken_in)

    async def _until(self, reached: Callable[[], bool], limit_s: float = _AIM_S) -> None:
        async def progress() -> None:
            self._progress.clear()
            await self._progress.wait()

        await Granted(self._stage.watch, limit_s).wait(reached, progress)

    @asynccontextmanager
    async def _slow_telegram(self) -> AsyncIterator[None]:
        """Have Telegram take its time with each message while the block goes on."""
        telegram = self._stage.telegram
        if not self._options.slow_ends:
            yield
            return
        made = await telegram.add_fault(_SLOW)
        try:
            yield
        finally:
            await telegram.remove_fault(made["id"])

    async def _kill(self, victim: int) -> None:
        await self._stage.kill(victim)
        self._kills += 1
        await self._until_killed.aclose()

    def _note(self, window: Window, edge: str) -> None:
        self._stage.around.recorder.record(
            history.Fault(
                t=history.now(),
                target=window.name,
                kind=edge,
                stack=self._stage.name,
                mode=self._stage.mode,
            )
        )
        self._say(f"{window.name}: {edge}")

    def _trouble(self, name: str) -> Trouble:
        stage, options = self._stage, self._options
        if name in TELEGRAM_FAULTS:
            return DoubleFaults(stage.telegram, TELEGRAM_FAULTS[name])
        if name in EXCHANGE_FAULTS:
            return DoubleFaults(stage.exchanges(), EXCHANGE_FAULTS[name])
        made = self._trouble_of_the_bot(name) or self._trouble_of_the_store(name)
        if made is None and name == "redis-restart" and options.restart_redis is not None:
            made = Restarted(options.restart_redis)
        if made is None:
            raise ValueError(f"{name}: this trouble needs something that the run does not have")
        return made

    def _trouble_of_the_bot(self, name: str) -> Trouble | None:
        stage, disk = self._stage, self._options.disk
        match name:
            case "slow-backend":
                return Frozen(lambda: stage.services)
            case "full-disk":
                return FullDisk(disk) if disk else NoMoreBytes(lambda: stage.bots)
            case "files-removed":
                return RemovedFiles(lambda: stage.bots, stage.scratch)
            case "idle-connections":
                return IdleConnections(stage.ports)
            case "poison-pills":
                return PoisonPills(stage.telegram, stage.values["token"])
        return None

    def _trouble_of_the_store(self, name: str) -> Trouble | None:
        stage, options = self._stage, self._options
        delivery = options.config.delivery
        url = str(options.env.get(delivery.redis_env, "")) if delivery else ""
        if name == "redis-evicting" and url:
            return ForgetfulRedis(url)
        say = [text for text in delivery.say if "{marker}" in text] if delivery else []
        if name == "rows-damaged" and say:
            store = RedisKeys(url) if url else SqliteFiles(lambda: stage.bots)
            return DamagedRows(
                stage.telegram, stage.values["token"], say[0], store, self._kill_at_work
            )
        return None

    async def _kill_at_work(self) -> None:
        await self._aim(0)
        await self._kill(0)

    # watching

    async def _read(self, events: asyncio.Queue[Event]) -> None:
        while True:
            self._waiting.feed(await events.get())
            self._progress.set()

    async def _narrate(self) -> None:
        while True:
            await asyncio.sleep(_SAY_EVERY_S)
            self._say("")

    def _say(self, text: str) -> None:
        dropped = self._waiting.dropped
        answered = self._waiting.asked - self._waiting.open - dropped
        line = f"{self._sent:,} sent, {answered:,} answered, {self._kills} kills"
        if dropped:
            line += f", {dropped:,} thrown away by the bot itself"
        self._stage.say(f"{text}; {line}" if text else line)
