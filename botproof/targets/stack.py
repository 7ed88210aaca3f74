"""One stack: the doubles, the services and the bot in one mode, each a process of its own."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from botproof import history
from botproof.config import BOT, EXCHANGES, TELEGRAM, Config, Process, substitute
from botproof.targets import recorded_hosts
from botproof.targets.address_block import hold_back
from botproof.targets.blame import (
    blame_for_end,
    blame_for_start,
    oom_kills,
    refused_by_telegram,
)
from botproof.targets.contact import contact_since
from botproof.targets.double_start import DoubleStart, doubles_to_start
from botproof.targets.doubles import DoubleControl, Follower
from botproof.targets.failures import Failure
from botproof.targets.granted import granted_to
from botproof.targets.guarding import Guard
from botproof.targets.kept_files import KeptFiles
from botproof.targets.launch import OWN_ENV, BrokenHarnessError, Launch, RunError, TargetError
from botproof.targets.launching import Launcher, put_up_fence
from botproof.targets.process import ManagedProcess
from botproof.targets.recorder import Recorder
from botproof.targets.reserved import Ports
from botproof.targets.values import placeholder_values
from botproof.targets.watch import Watch
from botproof.targets.world import make_world

DOUBLE_START_S = 120.0
"""Drawing a market takes seconds, and ten times that on a machine that is ten times slower."""
_LAST_WORDS_S = 1.0
T = TypeVar("T")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all stacks of a run share. `base` is the directory of botproof.toml, `hosts` are names
    by which the target's own services find each other.
    """

    config: Config
    base: Path
    report_dir: Path
    recorder: Recorder
    guard: Guard
    client: httpx.AsyncClient
    say: Say
    users: tuple[int, ...] = ()
    hosts: tuple[str, ...] = ()
    ports: Ports = field(default_factory=Ports)
    keep: bool = False
    drawn: Path | None = None
    """A directory in which the first exchange double leaves its market for those after it."""
    recording: recorded_hosts.Recording | None = None
    starts: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(2 * (os.cpu_count() or 1))
    )
    """How many stacks start at once: starting is all processor, and who starts first can go on."""


class Stack:
    """Starts everything for one mode, watches over it, and ends it. `name` labels its events."""

    def __init__(
        self,
        around: Surroundings,
        mode: str,
        name: str | None = None,
        *,
        again: bool = False,
        stretch: float = 1.0,
    ) -> None:
        self.around = around
        self.mode = mode
        self.name = name or mode
        self.stretch = stretch
        """What the target's own deadlines (`{seconds:…}`) are multiplied by."""
        self.again = again
        """Whether this is the fresh start after the harness itself failed."""
        self.harness_failure: BrokenHarnessError | None = None
        self.labels = {"stack": self.name, "mode": mode}
        self._telegram: DoubleControl | None = None
        self.bot: ManagedProcess | None = None
        self.values: dict[str, str] = {}
        self._doubles: list[ManagedProcess] = []
        self._services: list[ManagedProcess] = []
        self._followers: list[Follower] = []
        self._watchers: list[asyncio.Task[None]] = []
        self._noted: list[BaseException] = []
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._companions: list[ManagedProcess] = []
        self._oom_kills = oom_kills()
        self.watch = Watch(
            around.recorder,
            self.name,
            mode,
            targets=self.targets,
            others=lambda: [*self._doubles, *self._companions],
        )
        self._scratch = Path(tempfile.mkdtemp(prefix=f"botproof-{self.name}-"))
        self._launcher = Launcher(
            around.config,
            around.base,
            self.values,
            self._scratch,
            self.watch,
            self._log,
            self._note,
        )
        self._own_clients: list[httpx.AsyncClient] = []
        self._exchanges: DoubleControl | None = None
        self._webhook_set = False
        self._kept: list[KeptFiles] = []

    async def start(self) -> None:
        """Start doubles, services and the bot, each ready before the next kind is started.

        Raises TargetError or BrokenHarnessError; what was started is ended by `stop`.
        """
        async with self.around.starts:
            await self._start_all()

    async def _start_all(self) -> None:
        around = self.around
        self.values.update(
            placeholder_values(
                around.config,
                mode=self.mode,
                stretch=self.stretch,
                base=around.base,
                scratch=self._scratch,
                users=around.users,
                ports=around.ports,
            )
        )
        self.watch.start()
        self._launcher.world = await make_world(
            around.config.doubles,
            self._scratch / "world",
            self._note,
            around.hosts,
            played=recorded_hosts.hosts_played(around.config.doubles, around.base),
            records=around.recording is not None,
        )
        if around.config.doubles.offline or around.recording is not None:
            self._launcher.block = hold_back(
                around.config.doubles, self._note, by_name=self._launcher.world is not None
            )
        await self._start_doubles()
        for fence in await put_up_fence(around.config, self.mode, self.watch, self.say):
            around.recorder.record(fence)
        for name, process in self.around.config.services.items():
            await self._reset(name, process)
            self._services.append(await self._launch(name, "service", process))
        await self.run(self._all_ready(self._services))
        self.watch.start_memory(self.around.config.memory.every_s)
        await self._reset(BOT, self.around.config.bot_in(self.mode))
        await self.start_bot()

    async def start_bot(self) -> None:
        """Start the bot (again) and wait until it is ready."""
        process = self.around.config.bot_in(self.mode)
        with self.around.recorder.subscribe(contact_since(0.0)) as contacts:
            self.bot = await self._launch(BOT, "bot", process)
            if process.ready == "telegram":
                await self.run(self._blamed(self.bot, self._contacted(self.bot, contacts)))
            else:
                await self.run(self._all_ready([self.bot]))
        mode = self.around.config.modes[self.mode]
        if mode.webhook and not self._webhook_set:
            url = substitute(mode.webhook, self.values)
            await self.telegram.set_webhook(self.values["token"], url, mode.secret)
            self._webhook_set = True
            self.say(f"webhook registered: {url}")

    def _note(self, kind: str, **detail: str) -> None:
        told = history.DoubleEvent(
            t=history.now(), double="resolver", kind=kind, detail=detail, **self.labels
        )
        if within_reach := history.within_reach(told):
            self.say(within_reach)
        self.around.recorder.record(told)

    async def _start_doubles(self) -> None:
        around, world = self.around, self._launcher.world
        starts = doubles_to_start(
            around.config.doubles, around.base, world, around.drawn, around.recording
        )
        controls = await asyncio.gather(*map(self._start_double, starts))
        if world is not None:
            world.complete()
        by_name = {control.name: control for control in controls}
        self._telegram = by_name[TELEGRAM]
        self._exchanges = by_name.get(EXCHANGES)

    async def _start_double(self, start: DoubleStart) -> DoubleControl:
        name = start.name
        launch = Launch(
            name=name,
            role="double",
            command=start.command,
            cwd=self.around.base,
            log=self._log(name),
            env=start.env,
            inherit_env=OWN_ENV,
        )
        try:
            process = await self._start(launch, read_stdout=True)
            self._doubles.append(process)
            line = await process.first_line(DOUBLE_START_S)
            url = str(json.loads(line)["url"])
        except (TargetError, TimeoutError, ValueError, KeyError) as error:
            raise BrokenHarnessError(
                f"{name} did not announce where it listens; see {self._log(name)}",
                Failure.DOUBLE_NOT_STARTED,
            ) from error
        process.record_ready(history.now() - process.started_at)
        self.values[f"url:{name}"] = url
        control = DoubleControl(name, url, self._client_for(name))
        follower = Follower(control, self.around.recorder, self.labels)
        follower.start(lambda error: self._unreadable(process, error))
        self._followers.append(follower)
        return control

    def _client_for(self, double: str) -> httpx.AsyncClient:
        world = self._launcher.world
        if world is None or not world.names(double):
            return self.around.client
        self._own_clients.append(world.client(double))
        return self._own_clients[-1]

    async def _reset(self, name: str, process: Process) -> None:
        """Clear what earlier runs left in the database of a process, where it has a command for
        that, and keep a copy of its files as they are. Raises TargetError when that fails."""
        if process.keeps:
            home = self.around.base / substitute(process.cwd, self.values)
            kept = [home / each for each in process.keeps]
            self._kept.append(KeptFiles(kept, self._scratch / "kept" / name))
        if not process.reset:
            return
        command = msgspec.structs.replace(process, command=process.reset, ready="")
        launch = await self._launcher.launch(f"{name}_reset", "reset", command)
        running = await self._start(dataclasses.replace(launch, ends=True))
        await self.run(running.finish())

    async def _launch(self, name: str, role: str, process: Process) -> ManagedProcess:
        running = await self._start(await self._launcher.launch(name, role, process))
        running.machine, running.withheld_before_s = self.watch, self.watch.withheld_s
        self.watch.follow(running)
        return running

    async def _start(self, launch: Launch, *, read_stdout: bool = False) -> ManagedProcess:
        process = await ManagedProcess.start(
            launch,
            self.around.recorder,
            labels=self.labels,
            guard=self.around.guard,
            read_stdout=read_stdout,
        )
        self._watchers.append(asyncio.create_task(self._watch(process)))
        return process

    async def _all_ready(self, processes: Iterable[ManagedProcess]) -> None:
        async def ready(process: ManagedProcess) -> None:
            after = await process.wait_ready(self.around.client)
            self.say(f"{process.launch.name} ready after {after:.1f} s")

        await asyncio.gather(*(self._blamed(process, ready(process)) for process in processes))

    async def _contacted(self, bot: ManagedProcess, contacts: asyncio.Queue[history.Event]) -> None:
        contact = asyncio.create_task(contacts.get())
        waited: set[asyncio.Future[Any]] = {contact, bot.exited}
        try:
            await granted_to(waited, self.watch, bot.launch.ready_timeout_s)
            if contact.done() and not bot.has_ended:
                bot.record_ready(history.now() - bot.started_at)
                return
        finally:
            contact.cancel()
            await asyncio.gather(contact, return_exceptions=True)
        refused = refused_by_telegram(self.around.recorder.history(), self.name)
        raise bot.record_not_ready("it never asked Telegram for updates", refused)

    async def _blamed(self, process: ManagedProcess, getting_ready: Awaitable[None]) -> None:
        """Wait until it is ready. Raises TargetError, or BrokenHarnessError when it is not the
        target's fault that it is not."""
        try:
            await getting_ready
        except TargetError as error:
            raise await self.blamed(process, error) from error
        self.watch.ready(process)

    async def blamed(self, process: ManagedProcess, error: TargetError) -> RunError:
        """Return the same failure to start as an error that says whose it is. Ends the process."""
        return await blame_for_start(
            process,
            error,
            port=self.values.get(f"port:{process.launch.name}"),
            withheld_s=self.watch.withheld_s - process.withheld_before_s,
            again=self.again,
        )

    def targets(self) -> list[ManagedProcess]:
        """Return the processes of the target that were started."""
        return [*self._services, *([self.bot] if self.bot else [])]

    def process(self, name: str) -> ManagedProcess:
        """Return a process of the target by its name. Raises KeyError for one that was
        not started."""
        return {each.launch.name: each for each in self.targets()}[name]

    @property
    def telegram(self) -> DoubleControl:
        """The Telegram double's control. Raises BrokenHarnessError before it was started."""
        if self._telegram is None:
            text = f"{self.name}: has no Telegram double: it was never started"
            raise BrokenHarnessError(text, Failure.HARNESS)
        return self._telegram

    async def inject(self, update: Mapping[str, Any]) -> int:
        """Queue an update for the bot; its update_id, 0 when the bot takes none of its kind."""
        return await self.telegram.inject(self.values["token"], {"update": update})

    def exchanges(self) -> DoubleControl:
        """Return the exchange double's control. Raises BrokenHarnessError when the run has none."""
        if self._exchanges is None:
            text = "botproof.toml has no [doubles.exchanges], so there is no exchange"
            raise BrokenHarnessError(text, Failure.NOT_CONFIGURED)
        return self._exchanges

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work`, unless a process of the stack ends before: then raise what happened."""
        task = asyncio.ensure_future(work)
        try:
            waited: set[asyncio.Future[Any]] = {task, self._broken}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await self._await_better_reason(task)
                return task.result()
            self._broken.result()
            raise AssertionError("a stack breaks with an exception")
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    async def _await_better_reason(self, task: asyncio.Future[Any]) -> None:
        """Raise that a double that does not answer has ended, if that is why."""
        error = None if task.cancelled() else task.exception()
        if isinstance(error, BrokenHarnessError) and error.kind is Failure.DOUBLE_SILENT:
            await asyncio.wait({self._broken}, timeout=_LAST_WORDS_S)
            if self._broken.done():
                self._broken.result()

    def fail(self, error: Exception) -> None:
        """Note that the stack cannot go on; the first reason counts."""
        if isinstance(error, BrokenHarnessError):
            self.harness_failure = self.harness_failure or error
            self.record_harness_error("double", error)
        if not self._broken.done():
            self._broken.set_exception(error)
            self._broken.exception()  # it may happen when nobody waits any more

    async def _watch(self, process: ManagedProcess) -> None:
        try:
            code = await process.exited
        except BrokenHarnessError as error:
            self.fail(error)
            return
        if process.stop_asked or not process.ready:
            return  # who waits until it is ready is told, too
        process.record_log_tail()
        text = f"{process.launch.name} ended on its own with {history.describe_exit(code)}"
        if process.launch.role == "double":
            self.fail(BrokenHarnessError(text, Failure.DOUBLE_ENDED))
        else:
            self.fail(blame_for_end(text, code, process, self._oom_kills, self.watch.fence))

    def _unreadable(self, double: ManagedProcess, error: Exception) -> None:
        """Note that a double cannot be read: that it has ended, if it has, is the better reason."""

        async def tell() -> None:
            await asyncio.wait({double.exited}, timeout=_LAST_WORDS_S)
            self.fail(error)

        self._watchers.append(asyncio.create_task(tell()))

    def accompany(self, process: ManagedProcess) -> None:
        """Measure the starvation of this process, too: a load generator's."""
        self._companions.append(process)

    async def stop(self) -> None:
        """End the bot, then the services, then the doubles; keep what the doubles still saw."""
        self.watch.let_go()
        if self.bot is not None:
            await self._end(self.bot)
        await asyncio.gather(*map(self._end, self._services))
        self._put_back()
        if self.watch.fence is not None:
            self.watch.sample_fence(history.now())
            self.watch.fence.__exit__()
            self.watch.fence = None
        if self._launcher.block is not None:
            self._launcher.block.close()
            await asyncio.sleep(0)  # what its thread has told is recorded now
        for follower in self._followers:
            try:
                await follower.finish()
            except BrokenHarnessError as error:
                self.fail(error)
        await asyncio.gather(*map(self._end, self._doubles))
        await self.watch.stop()
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._broken.cancel()
        await asyncio.gather(*(client.aclose() for client in self._own_clients))
        if self._launcher.world is not None:
            self._launcher.world.close()
        if not self.around.keep:
            shutil.rmtree(self._scratch, ignore_errors=True)

    async def _end(self, process: ManagedProcess) -> None:
        """End one process; where that cannot be, the others are ended all the same."""
        try:
            await process.stop()
        except BrokenHarnessError as error:
            self.fail(error)

    def _put_back(self) -> None:
        try:
            for kept in self._kept:
                kept.put_back()
        except BrokenHarnessError as error:
            self.fail(error)

    def record_harness_error(self, where: str, error: BaseException) -> None:
        """Record that the harness failed here; the same error only once."""
        if any(error is noted for noted in self._noted):
            return
        self._noted.append(error)
        text = str(error) or type(error).__name__
        self.around.recorder.record(
            history.HarnessError(t=history.now(), where=where, message=text, **self.labels)
        )

    def say(self, text: str) -> None:
        """Say a line of progress, with the name of the stack."""
        self.around.say(f"{self.name}: {text}")

    def _log(self, name: str) -> Path:
        return self.around.report_dir / "logs" / self.name / f"{name}.log"


async def in_phase(stack: Stack, name: str, work: Awaitable[T]) -> T:
    """Do `work` between the two marks of a phase."""

    def mark(edge: str) -> None:
        phase = history.Phase(t=history.now(), name=name, edge=edge, **stack.labels)
        stack.around.recorder.record(phase)

    mark("begin")
    try:
        return await work
    finally:
        mark("end")
