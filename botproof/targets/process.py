"""A process under test: started, waited for, stopped or killed, and never left behind.

What runs is a process of this machine (`own_process.py`) or a container (`container.py`). A process
leads a session of its own, so that a signal reaches all that it started and Ctrl-C in the terminal
reaches the harness alone. Its environment is what its description says, plus the few variables in
`BASE_ENV`: a setting in the developer's shell must not decide a verdict.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
import signal
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import httpx

from botproof import history
from botproof.log_trouble import plain
from botproof.targets.belongings import files_below, read_belongings
from botproof.targets.container import Container
from botproof.targets.failures import Failure
from botproof.targets.granted import Unwatched, Watched, granted_to
from botproof.targets.guarding import Guard
from botproof.targets.launch import BrokenHarnessError, Launch, TargetError
from botproof.targets.log_watch import LogWatch
from botproof.targets.memory import Reading
from botproof.targets.own_process import OwnProcess
from botproof.targets.recorder import Recorder

TCP = "tcp://"
"""Begins a `ready_url` that is answered by taking a connection."""
_PROBE_EVERY_S = 0.05
_TAIL_LINES = 40
_HAS_TO_END = "it is `reset` in botproof.toml: a command that has to end with 0"
_HEALTH_BODY = 300
_KILLED_S = 30.0


class Body(Protocol):
    """What a `ManagedProcess` manages: a process of this machine, or a container."""

    @property
    def pid(self) -> int:
        """Its first process; 0 when that ended before it could be asked."""

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""

    @property
    def out_of_memory(self) -> bool:
        """Whether the kernel ended it because its memory cgroup was full, once it has ended."""

    @property
    def restarts(self) -> int:
        """How often its own supervisor (a container's restart policy) had started it again."""

    async def wait(self) -> int:
        """Wait for its end. Its exit code."""

    async def send(self, number: signal.Signals) -> None:
        """SIGTERM as its supervisor in production would send it; SIGKILL to all of it."""

    async def clear(self) -> None:
        """After its end: nothing of it may be left."""

    def read_memory(self) -> Reading | None:
        """Return what it occupies now; None when it is gone."""


class ManagedProcess:
    """One started process. Make it with `start`; always end it with `stop` or `kill`."""

    def __init__(
        self,
        launch: Launch,
        body: Body,
        *,
        recorder: Recorder,
        labels: Mapping[str, str],
        started_at: float,
        watch: LogWatch | None = None,
        logged_before: int = 0,
    ) -> None:
        self.launch = launch
        self._body = body
        self._recorder = recorder
        self._labels = dict(labels)
        self._about: dict[str, Any] = {"process": launch.name, "role": launch.role, **labels}
        self._stop_asked: float | None = None
        self._killed = False
        self.started_at = started_at
        self.ready = False
        """Whether it has become ready."""
        self.machine: Watched = Unwatched()
        """Tells what the machine withholds from its stack."""
        self.withheld_before_s = 0.0
        """What had been withheld from its stack when it was started."""
        self.largest = 0
        """The largest memory that was read of it, in bytes."""
        self._log_watch = watch
        self._logged_before = logged_before
        self._follower = None if watch is None else asyncio.create_task(watch.follow())
        self.exited: asyncio.Task[int] = asyncio.create_task(self._watch())

    @classmethod
    async def start(
        cls,
        launch: Launch,
        recorder: Recorder,
        *,
        labels: Mapping[str, str] | None = None,
        guard: Guard | None = None,
        read_stdout: bool = False,
    ) -> ManagedProcess:
        """Start a process. `labels` are the stack and mode of its events.

        Its output goes to its log; with `read_stdout` standard output goes to `first_line` instead.
        Raises TargetError when the command cannot be run at all, BrokenHarnessError when it is the
        machine that has no room for it.
        """
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        body: Body
        watch = _log_watch(launch, recorder, labels or {})
        before = launch.log.stat().st_size if launch.log.exists() else 0
        began = history.now()  # Docker takes its time to make a container: that counts, too
        try:
            if launch.container is not None:
                body = await Container.start(launch, launch.container, guard)
            else:
                body = await OwnProcess.start(launch, guard, read_stdout=read_stdout)
        except TargetError as error:
            recorder.record(
                history.ProcessNotReady(
                    t=history.now(),
                    process=launch.name,
                    role=launch.role,
                    after_s=0.0,
                    reason=str(error).removeprefix(f"{launch.name}: "),
                    **dict(labels or {}),
                )
            )
            raise
        managed = cls(
            launch,
            body,
            recorder=recorder,
            labels=labels or {},
            started_at=began,
            watch=watch,
            logged_before=before,
        )
        recorder.record(
            history.ProcessStarted(
                t=managed.started_at,
                pid=body.pid,
                command=launch.command,
                image="" if launch.container is None else launch.container.image,
                image_id=body.image_id if isinstance(body, Container) else "",
                **managed._about,
            )
        )
        return managed

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._body.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._body.returncode is None

    @property
    def has_ended(self) -> bool:
        """Whether its end was seen. Raises BrokenHarnessError where that cannot be seen any more:
        the container engine went away."""
        if self.exited.done():
            self.exited.result()
        return self.exited.done()

    @property
    def stop_asked(self) -> bool:
        """Whether the harness has asked it to end."""
        return self._stop_asked is not None

    def read_memory(self) -> Reading | None:
        """Return what it occupies now; None when it is gone."""
        reading = self._body.read_memory() if self.running else None
        if reading is not None:
            self.largest = max(self.largest, reading.rss)
        return reading

    def record_memory(self, at: float, requests: int | None = None) -> bool:
        """Record what it occupies now, after so many identical requests of a leak run; return
        False when it is gone. `at` is the same for all that is added up."""
        reading = self.read_memory()
        if reading is None:
            return False
        sample = dataclasses.asdict(reading)
        self._recorder.record(
            history.MemorySample(t=at, requests=requests, **sample, **self._about)
        )
        return True

    def record_holdings(self, at: float) -> None:
        """Record what it and its children hold beside memory, where this machine tells."""
        held = read_belongings(self.pid) if self.running and self.pid else None
        if held is not None:
            counts = dataclasses.asdict(held)
            below = files_below(self._left_in())
            counts |= {"logged": self.logged, "left": below.files, "kept": below.size}
            self._recorder.record(history.Holdings(t=at, **counts, **self._about))

    def _left_in(self) -> tuple[Path, ...]:
        """Return the directories in which it may leave files: the one that it was started in, and
        its temporary one, where that lies elsewhere."""
        cwd, temporary = self.launch.cwd, self.launch.env.get("TMPDIR")
        if temporary is None or Path(temporary).is_relative_to(cwd):
            return (cwd,)
        return (cwd, Path(temporary))

    @property
    def logged(self) -> int:
        """How many bytes it has written to its log so far."""
        try:
            return self.launch.log.stat().st_size - self._logged_before
        except OSError:
            return 0

    @property
    def was_out_of_memory(self) -> bool:
        """Whether the kernel ended it because its own memory cgroup was full."""
        return self._body.out_of_memory

    async def first_line(self, timeout_s: float) -> bytes:
        """Return the next line of its standard output (started with `read_stdout`); b"" at its end.

        Raises TimeoutError when none comes in time.
        """
        if not isinstance(self._body, OwnProcess):
            raise TypeError(f"{self.launch.name} is a container: its output is in its log")
        async with asyncio.timeout(timeout_s):
            return await self._body.read_line()

    async def wait_ready(self, client: httpx.AsyncClient) -> float:
        """Wait until the readiness URL answers 200, or its line is written, and the health check of
        its container, if it has one, is content; seconds since the start.

        Records `ProcessReady`, or `ProcessNotReady` and raises TargetError when the process ends
        or the time is up.
        """
        answers: deque[str] = deque(maxlen=1)
        probe = asyncio.create_task(self._is_ready(client, answers))
        waited = {probe, self.exited}
        try:
            await granted_to(waited, self.machine, self.launch.ready_timeout_s)
            after = history.now() - self.started_at
            if probe.done() and not self.has_ended:
                self.record_ready(after)
                return after
        finally:
            probe.cancel()
            await asyncio.gather(probe, return_exceptions=True)
        last = answers[-1] if answers else "nothing was answered yet"
        asked = "" if self.launch.ready_url.startswith(TCP) else "GET "
        waited_for = f"{asked}{self.launch.ready_url}: {last}"
        if self.launch.ready_log:
            waited_for = f"its output has no line like {self.launch.ready_log!r}"
        raise self.record_not_ready(waited_for)

    async def finish(self) -> None:
        """Wait for the end of a command, for as long as a process may take to be ready.

        Raises TargetError, with the end of its log on record, when it fails or does not end.
        """
        await granted_to({self.exited}, self.machine, self.launch.ready_timeout_s)
        code = self._body.returncode if self.has_ended else None
        error = None if code == 0 else self.record_not_ready("it did not end", _HAS_TO_END)
        await self.kill()
        if error is not None:
            raise error

    async def _is_ready(self, client: httpx.AsyncClient, answers: deque[str]) -> None:
        if self.launch.ready_log:
            await _logged(self.launch.log, self._logged_before, self.launch.ready_log)
        if self.launch.ready_url:
            await _probe(client, self.launch.ready_url, answers)
        if isinstance(self._body, Container):
            await self._body.wait_healthy(answers)

    def record_ready(self, after_s: float) -> None:
        """Record that it became ready."""
        self.ready = True
        self._recorder.record(
            history.ProcessReady(
                t=history.now(),
                after_s=after_s,
                **self._about,
            )
        )

    def record_not_ready(self, last: str, cause: str = "") -> TargetError:
        """Record that it did not become ready, and the end of its log; the error to raise. `last`
        is what was waited for, `cause` what may have kept it from that or ended it."""
        after = history.now() - self.started_at
        if self.running:
            reason = f"not ready after {after:.1f} s; {last}"
        else:
            reason = (
                f"ended with {history.describe_exit(self._body.returncode)} before it was ready"
            )
        reason += f"; {cause}" if cause else ""
        self._recorder.record(
            history.ProcessNotReady(
                t=history.now(),
                after_s=after,
                reason=reason,
                **self._about,
            )
        )
        self.record_log_tail()
        kind = Failure.NOT_READY if self.running else Failure.ENDED_EARLY
        return TargetError(f"{self.launch.name}: {reason}", kind)

    async def record_health(self, client: httpx.AsyncClient) -> None:
        """Ask at its `ready` URL once, and keep the answer in the history."""
        url = self.launch.ready_url
        if not url or url.startswith(TCP):  # a port says nothing of how it is
            return
        status, body, error = None, "", ""
        try:
            response = await client.get(url, timeout=5.0)
            status, body = response.status_code, response.text[:_HEALTH_BODY]
        except httpx.HTTPError as failed:
            error = str(failed) or type(failed).__name__
        self._recorder.record(
            history.HealthAnswered(
                t=history.now(),
                url=url,
                status=status,
                body=body,
                error=error,
                **self._about,
            )
        )

    def record_log_tail(self) -> None:
        """Keep the last lines of its log in the history."""
        self._recorder.record(
            history.LogTail(
                t=history.now(),
                process=self.launch.name,
                lines=tail(self.launch.log),
                **self._labels,
            )
        )

    async def stop(self) -> int:
        """SIGTERM, then SIGKILL when the deadline passed, and what the machine withheld meanwhile;
        waits for the end. Its exit code."""
        if self.running:
            await self._ask(signal.SIGTERM)
            if not await granted_to({self.exited}, self.machine, self.launch.stop_timeout_s):
                self._killed = True
                return await self.kill()
        return await self._cleared()

    async def kill(self) -> int:
        """SIGKILL to the whole process group, and wait for the end. Its exit code.

        Raises BrokenHarnessError when even that does not end it: the container engine stands still,
        or the kernel holds it.
        """
        if self.running:
            await self._ask(signal.SIGKILL)
        if not await granted_to({self.exited}, self.machine, _KILLED_S):
            text = f"{self.launch.name} did not end in {_KILLED_S:g} s after SIGKILL"
            raise BrokenHarnessError(text, Failure.STUCK)
        return await self._cleared()

    async def _cleared(self) -> int:
        code = await self.exited
        await self._body.clear()
        return code

    async def _ask(self, number: signal.Signals) -> None:
        if self._stop_asked is None:
            self._stop_asked = history.now()
        self._recorder.record(
            history.StopRequested(
                t=history.now(),
                signal=number.name,
                **self._about,
            )
        )
        await self._body.send(number)

    async def _watch(self) -> int:
        code = await self._body.wait()
        if self._follower is not None and self._log_watch is not None:
            self._follower.cancel()
            self._log_watch.finish()
        asked = self._stop_asked
        self._recorder.record(
            history.ProcessExited(
                t=history.now(),
                code=code,
                expected=asked is not None or self.launch.ends,
                after_s=0.0 if asked is None else history.now() - asked,
                killed=self._killed,
                out_of_memory=self._body.out_of_memory,
                restarts=self._body.restarts,
                **self._about,
            )
        )
        return code


def _log_watch(launch: Launch, recorder: Recorder, labels: Mapping[str, str]) -> LogWatch | None:
    """Return who reads the log of a process of the target: it has to be there before
    the first line."""
    if launch.role not in ("bot", "service"):
        return None
    who = {"process": launch.name, "role": launch.role, **labels}
    return LogWatch(launch.log, recorder.record, who)


async def _probe(client: httpx.AsyncClient, url: str, answers: deque[str]) -> None:
    """Ask until the answer is 200. There is nothing to be told by before a server listens, so
    this is the one place that asks again and again."""
    if url.startswith(TCP):
        await _connect(url.removeprefix(TCP), answers)
        return
    while True:
        try:
            response = await client.get(url, timeout=5.0)
        except httpx.HTTPError as error:
            answers.append(str(error) or type(error).__name__)
        else:
            if response.status_code == httpx.codes.OK:
                return
            answers.append(f"HTTP {response.status_code} {response.text[:200]}")
        await asyncio.sleep(_PROBE_EVERY_S)


async def _connect(address: str, answers: deque[str]) -> None:
    host, _, port = address.rpartition(":")
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError as error:
            answers.append(error.strerror or str(error))
            await asyncio.sleep(_PROBE_EVERY_S)
        else:
            writer.close()
            return


async def _logged(log: Path, at: int, pattern: str) -> None:
    """Look until a line that was written after the first `at` bytes is like `pattern`."""
    wanted, rest = re.compile(pattern), b""
    while True:
        with contextlib.suppress(OSError), log.open("rb") as file:
            file.seek(at)
            fresh = file.read()
            at += len(fresh)
            *lines, rest = (rest + fresh).split(b"\n")
            if any(wanted.search(plain(line.decode(errors="replace"))) for line in (*lines, rest)):
                return
        await asyncio.sleep(_PROBE_EVERY_S)


def tail(log: Path, lines: int = _TAIL_LINES) -> tuple[str, ...]:
    """Return the last lines of a log file, without colours; empty when there is none."""
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            return tuple(plain(line).rstrip() for line in deque(file, maxlen=lines))
    except OSError:
        return ()
