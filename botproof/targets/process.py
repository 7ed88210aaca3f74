"""A process under test: started, waited for, stopped or killed, and never left behind.

Each process leads a session of its own, so that a signal reaches all that it started and Ctrl-C
in the terminal reaches the harness alone. Its environment is what its description says, plus the
few variables in `BASE_ENV`: a setting in the developer's shell must not decide a verdict.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import signal
import socket
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

import httpx

from botproof import history
from botproof.targets import guard as guard_script
from botproof.targets.recorder import Recorder

BASE_ENV = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
OWN_ENV = ("PYTHONPATH", "PYTHONSAFEPATH")
"""What the harness's own processes get besides: they have to run the same botproof as it does, the
built package and not the source tree. A target's own imports must not depend on that."""

_PROBE_EVERY_S = 0.05
_TAIL_LINES = 40


class TargetError(Exception):
    """The target did not start, did not become ready, or ended on its own."""


class BrokenHarnessError(Exception):
    """The harness or one of its doubles failed; nothing can be said about the target."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that is needed to start one process. `ready_url` answers 200 when it can work."""

    name: str
    role: str
    command: tuple[str, ...]
    cwd: Path
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    inherit_env: tuple[str, ...] = ()
    ready_url: str = ""
    ready_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0
    wrapper: tuple[str, ...] = ()
    """Comes before the command and becomes it, under the same process id (see `cgroup.Fence`)."""


def environment(launch: Launch, outer: Mapping[str, str]) -> dict[str, str]:
    """The environment of the new process: little of the `outer` one, and what is declared."""
    passed = {name: outer[name] for name in (*BASE_ENV, *launch.inherit_env) if name in outer}
    return {**passed, **launch.env}


class Ports:
    """Hands out free TCP ports of 127.0.0.1, no port twice."""

    def __init__(self) -> None:
        self._given: set[int] = set()

    def free(self) -> int:
        """A port on which nobody listens now."""
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if port not in self._given:
                self._given.add(port)
                return port


class Guard:
    """The process that cleans up when the harness is killed. See `guard.py`."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(guard_script.__file__),
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            await process.wait()

    def watch(self, group: int) -> None:
        """End this process group should the harness die."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """This process group is gone."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(line.encode())


class ManagedProcess:
    """One started process. Make it with `start`; always end it with `stop` or `kill`."""

    def __init__(
        self,
        launch: Launch,
        process: asyncio.subprocess.Process,
        *,
        recorder: Recorder,
        labels: Mapping[str, str],
        guard: Guard | None,
        output: _Output | None,
    ) -> None:
        self._output = output
        self.launch = launch
        self._process = process
        self._recorder = recorder
        self._labels = dict(labels)
        self._guard = guard
        self._stop_asked: float | None = None
        self._killed = False
        self.started_at = history.now()
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
        Raises TargetError when the command cannot be run at all.
        """
        launch.log.parent.mkdir(parents=True, exist_ok=True)
        output = await _Output.open() if read_stdout else None
        try:
            with launch.log.open("ab") as log:
                process = await _spawn(launch, log, log if output is None else output.write_end)
        except TargetError as error:
            if output is not None:
                output.close()
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
        finally:
            if output is not None:
                output.close_write_end()
        if guard is not None:
            guard.watch(process.pid)
        managed = cls(
            launch, process, recorder=recorder, labels=labels or {}, guard=guard, output=output
        )
        recorder.record(
            history.ProcessStarted(
                t=managed.started_at,
                process=launch.name,
                role=launch.role,
                pid=process.pid,
                command=launch.command,
                **managed._labels,
            )
        )
        return managed

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    @property
    def stop_asked(self) -> bool:
        """Whether the harness has asked it to end."""
        return self._stop_asked is not None

    async def first_line(self, timeout_s: float) -> bytes:
        """The next line of its standard output (started with `read_stdout`); b"" at its end.

        Raises TimeoutError when none comes in time.
        """
        if self._output is None:
            raise ValueError(f"{self.launch.name} was not started with read_stdout=True")
        async with asyncio.timeout(timeout_s):
            return await self._output.reader.readline()

    async def wait_ready(self, client: httpx.AsyncClient) -> float:
        """Wait until the readiness URL answers 200; seconds since the start.

        Records `ProcessReady`, or `ProcessNotReady` and raises TargetError when the process ends
        or the time is up.
        """
        answers: deque[str] = deque(maxlen=1)
        probe = asyncio.create_task(_probe(client, self.launch.ready_url, answers))
        waited = {probe, self.exited}
        await asyncio.wait(
            waited, timeout=self.launch.ready_timeout_s, return_when=asyncio.FIRST_COMPLETED
        )
        after = history.now() - self.started_at
        if probe.done() and not self.exited.done():
            self.record_ready(after)
            return after
        probe.cancel()
        await asyncio.gather(probe, return_exceptions=True)
        last = answers[-1] if answers else "nothing was answered yet"
        raise self.record_not_ready(f"GET {self.launch.ready_url}: {last}")

    def record_ready(self, after_s: float) -> None:
        """Record that it became ready."""
        self._recorder.record(
            history.ProcessReady(
                t=history.now(),
                process=self.launch.name,
                role=self.launch.role,
                after_s=after_s,
                **self._labels,
            )
        )

    def record_not_ready(self, last: str) -> TargetError:
        """Record that it did not become ready, and the end of its log; the error to raise."""
        after = history.now() - self.started_at
        if self.running:
            reason = f"not ready after {after:.1f} s; {last}"
        else:
            reason = (
                f"ended with {history.describe_exit(self._process.returncode)} before it was ready"
            )
        self._recorder.record(
            history.ProcessNotReady(
                t=history.now(),
                process=self.launch.name,
                role=self.launch.role,
                after_s=after,
                reason=reason,
                **self._labels,
            )
        )
        self.record_log_tail()
        return TargetError(f"{self.launch.name}: {reason}")

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
        """SIGTERM, then SIGKILL when the deadline passed; waits for the end. Its exit code."""
        if self.running:
            self._ask("SIGTERM", signal.SIGTERM)
            done, _ = await asyncio.wait({self.exited}, timeout=self.launch.stop_timeout_s)
            if not done:
                self._killed = True
                return await self.kill()
        code = await self.exited
        self._end_group()
        return code

    async def kill(self) -> int:
        """SIGKILL to the whole process group, and wait for the end. Its exit code."""
        if self.running:
            self._ask("SIGKILL", signal.SIGKILL)
        code = await self.exited
        self._end_group()
        return code

    def _ask(self, name: str, number: signal.Signals) -> None:
        if self._stop_asked is None:
            self._stop_asked = history.now()
        self._recorder.record(
            history.StopRequested(
                t=history.now(),
                process=self.launch.name,
                role=self.launch.role,
                signal=name,
                **self._labels,
            )
        )
        # SIGTERM goes to the process that we started, as systemd's main process and `docker stop`
        # would send it; SIGKILL to all that it started as well.
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(self.pid, number)
            else:
                self._process.send_signal(number)

    def _end_group(self) -> None:
        """Nothing that it started may outlive it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._guard is not None:
            self._guard.forget(self.pid)

    async def _watch(self) -> int:
        code = await self._process.wait()
        if self._output is not None:
            self._output.close()
        asked = self._stop_asked
        self._recorder.record(
            history.ProcessExited(
                t=history.now(),
                process=self.launch.name,
                role=self.launch.role,
                code=code,
                expected=asked is not None,
                after_s=0.0 if asked is None else history.now() - asked,
                killed=self._killed,
                **self._labels,
            )
        )
        return code


class _Output:
    """A pipe for a process's standard output.

    Not asyncio's own: with that, waiting for the end of the process would also wait until
    everything that it started has closed the pipe.
    """

    def __init__(self, transport: asyncio.ReadTransport, reader: asyncio.StreamReader, end: int):
        self.reader = reader
        self.write_end = end
        self._transport = transport

    @classmethod
    async def open(cls) -> Self:
        read_end, write_end = os.pipe()
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", 0)
        )
        return cls(transport, reader, write_end)

    def close_write_end(self) -> None:
        """The process has its own copy of it, and only that one may keep the pipe open."""
        os.close(self.write_end)

    def close(self) -> None:
        self._transport.close()


async def _spawn(
    launch: Launch, log: IO[bytes], stdout: IO[bytes] | int
) -> asyncio.subprocess.Process:
    env = environment(launch, os.environ)
    try:
        if launch.wrapper and shutil.which(launch.command[0], path=env.get("PATH")) is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))  # the shell is there
        return await asyncio.create_subprocess_exec(
            *launch.wrapper,
            *launch.command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=log,
            cwd=launch.cwd,
            env=env,
            start_new_session=True,
        )
    except OSError as error:
        raise TargetError(
            f"{launch.name}: {launch.command[0]!r} cannot be started in {launch.cwd}: "
            f"{error.strerror}"
        ) from error


async def _probe(client: httpx.AsyncClient, url: str, answers: deque[str]) -> None:
    """Ask until the answer is 200. There is nothing to be told by before a server listens, so
    this is the one place that asks again and again."""
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


def tail(log: Path, lines: int = _TAIL_LINES) -> tuple[str, ...]:
    """The last lines of a log file; empty when there is none."""
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            return tuple(line.rstrip("\n") for line in deque(file, maxlen=lines))
    except OSError:
        return ()
