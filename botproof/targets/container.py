"""A container under test: made of an image, started, asked to end, and always removed.

It shares the network that the harness is in: one of the run's own (`network.py`), where that can
be, and this machine's otherwise. So it reaches the doubles on 127.0.0.1, where they listen and
nowhere else, and is reached on the port that it was given. Everything after its creation
goes by its id; by its name, which no other has, it is removed when the harness itself is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import secrets
import signal
import subprocess
import tarfile
from collections import deque
from collections.abc import Iterator
from typing import Any, Self

from botproof.targets.cgroup import Cgroup, CgroupError
from botproof.targets.docker import PROGRAM, DockerError, docker, spawn
from botproof.targets.failures import Failure, of_engine
from botproof.targets.guard import CONTAINER
from botproof.targets.guarding import Guard
from botproof.targets.key_store import KEY_STORE
from botproof.targets.launch import BrokenHarnessError, ImageRun, Launch, failed
from botproof.targets.memory import Reading, of_container
from botproof.targets.network import current

_LOGS_S = 10.0
_numbers = itertools.count(1)


class Container:
    """One container from `docker create` to `docker rm`: the body of a `ManagedProcess`."""

    def __init__(
        self,
        name: str,
        identity: str,
        *,
        guard: Guard | None,
        state: dict[str, Any],
        logs: asyncio.subprocess.Process,
        waiting: asyncio.subprocess.Process,
    ) -> None:
        self.name = name
        self.identity = identity
        self.pid = int(state["pid"])
        self.image_id = str(state["image"])
        self.returncode: int | None = None
        self.out_of_memory = False
        self.restarts = 0
        self._asked = False
        self._stop_signal = str(state["stop"] or "SIGTERM")
        self._guard = guard
        self._logs = logs
        self._waiting = waiting
        self._group = _group(self.pid, identity)

    @classmethod
    async def start(cls, launch: Launch, run: ImageRun, guard: Guard | None) -> Self:
        """Create and start one. Raises TargetError with Docker's words when the image does not do,
        BrokenHarnessError when it is the engine that does not work."""
        name = f"botproof-{os.getpid()}-{next(_numbers)}-{launch.name}-{secrets.token_hex(4)}"
        if guard is not None:
            guard.watch(f"{CONTAINER}{name}")  # before it is there: nothing may come in between
        try:
            identity = await docker(*_create(name, launch, run))
            await docker("start", identity)
            state = json.loads(await docker("inspect", "--format", _STATE, identity))
            with launch.log.open("ab") as log:
                logs = await spawn(
                    "logs", "--follow", identity, stdout=log.fileno(), stderr=log.fileno()
                )
            pipe = asyncio.subprocess.PIPE
            waiting = await spawn("wait", identity, stdout=pipe, stderr=pipe)
        except DockerError as error:
            await _remove(name, guard)
            text = f"{launch.name}: image {run.image}: {error}"
            raise failed(text, of_engine(str(error))) from error
        return cls(name, identity, guard=guard, state=state, logs=logs, waiting=waiting)

    async def wait(self) -> int:
        """Wait for its end, and for the last of its log. Its exit code.

        Raises BrokenHarnessError when Docker does not tell it any more, or was itself asked to end
        it by somebody else: it then ends as one that does so on its own.
        """
        out, err = await self._waiting.communicate()
        if not out.strip().isdigit():
            said = err.decode(errors="replace").strip() or "nothing"
            text = f"`docker wait` for {self.name} said: {said}"
            raise BrokenHarnessError(text, Failure.ENGINE)
        await self._end_of_log()
        if not self._asked and (why := await self._ended_elsewhere()):
            raise BrokenHarnessError(f"{self.name} ended: {why}", Failure.ENGINE)
        await self._ask_how_it_ended()
        self.returncode = _as_signal(int(out))
        return self.returncode

    async def send(self, number: signal.Signals) -> None:
        """Send a signal to its first process; SIGKILL ends all of it.

        SIGTERM stands for what `docker stop` sends, which an image may have set to another signal.
        """
        self._asked = True
        name = number.name if number is signal.SIGKILL else self._stop_signal
        with contextlib.suppress(DockerError):  # it ended by itself just before
            await docker("kill", "--signal", name, self.identity)

    async def clear(self) -> None:
        """Remove it, and the volumes that nobody named."""
        await _remove(self.identity, None)
        if self._guard is not None:
            self._guard.forget(f"{CONTAINER}{self.name}")

    async def wait_healthy(self, answers: deque[str]) -> None:
        """Wait until its health check says so; at once when it has none. `answers` gets the last
        words of the check."""
        while True:
            try:
                health = json.loads(await docker("inspect", "--format", _HEALTH, self.identity))
            except (DockerError, ValueError) as error:
                answers.append(str(error))
                health = {}
            if health is None or health.get("Status") in {"healthy", "none"}:
                return
            said = [str(each.get("Output", "")).strip() for each in health.get("Log") or ()]
            health_says = ": ".join(filter(None, (str(health.get("Status", "")), *said[-1:])))
            answers.append(f"its health check is {health_says[:300]}")
            await asyncio.sleep(_HEALTH_EVERY_S)

    def read_memory(self) -> Reading | None:
        """Return the ledger of its cgroup now; None when it is gone or cannot be seen from here."""
        return None if self._group is None else of_container(self.pid, self._group)

    async def _end_of_log(self) -> None:
        """Docker ends the log soon after the container; should it not, we have waited enough."""
        try:
            async with asyncio.timeout(_LOGS_S):
                await self._logs.wait()
        except TimeoutError:
            self._logs.kill()
            await self._logs.wait()

    async def _ended_elsewhere(self) -> str:
        """Say what but itself had it end: an engine that stops, a person; "" for neither."""
        try:
            signals = await docker("events", *_KILLS, "--filter", f"container={self.identity}")
        except DockerError as error:
            return str(error) if of_engine(str(error)) is Failure.ENGINE else ""
        return f"the container engine was told to, signal {signals.split()[0]}" if signals else ""

    async def _ask_how_it_ended(self) -> None:
        with contextlib.suppress(DockerError, ValueError):
            found = await docker("inspect", "--format", _END, self.identity)
            killed, restarts = found.split()
            self.out_of_memory, self.restarts = killed == "true", int(restarts)


_HEALTH = "{{json .State.Health}}"
_HEALTH_EVERY_S = 0.2
_END = "{{.State.OOMKilled}} {{.RestartCount}}"
_KILLS = (
    *("--since", "24h", "--until", "0s", "--filter", "event=kill"),
    *("--format", "{{.Actor.Attributes.signal}}"),
)
_STATE = '{"pid": {{.State.Pid}}, "stop": {{json .Config.StopSignal}}, "image": {{json .Image}}}'


def _create(name: str, launch: Launch, run: ImageRun) -> Iterator[str]:
    yield from ("create", "--name", name, "--pull", "never")
    if "--network" not in run.options:
        network = current()
        yield from ("--network", network.name if network else "host")
    yield from ("--log-driver", "json-file")  # others cannot be read back
    for variable in launch.inherit_env:
        yield from ("--env", variable)
    for variable, value in launch.env.items():
        yield from ("--env", f"{variable}={value}")
    for directory in run.mounts:
        yield from ("--volume", f"{directory}:{directory}")
    if run.workdir:
        yield from ("--workdir", run.workdir)
    if run.cgroup_parent:
        yield from ("--cgroup-parent", run.cgroup_parent)
    yield from (*run.options, run.image, *launch.command)


async def _remove(name: str, guard: Guard | None) -> None:
    with contextlib.suppress(DockerError):  # it is gone already
        await docker("rm", "--force", "--volumes", name)
    if guard is not None:
        guard.forget(f"{CONTAINER}{name}")


async def bundles_in(image: str) -> tuple[str, ...]:
    """Return files of authorities that Python packages and Javas of an image bring along."""
    named = ("(", "-name", "cacert.pem", "-o", "-name", KEY_STORE, ")")
    find = ("/", "-xdev", "-type", "f", *named)
    with contextlib.suppress(DockerError):
        return tuple(
            (
                await docker(
                    *("run", "--rm", "--network", "none", "--pull", "never"),
                    # As the image's own user it would fail at each directory that is not his.
                    *("--user", "0:0", "--entrypoint", "find", image, *find),
                )
            ).split()
        )
    return await _bundles_of_bare(image)


async def _bundles_of_bare(image: str) -> tuple[str, ...]:
    """Return the same of an image without `find`: the engine tells its files, and
    nothing of it is run."""
    with contextlib.suppress(DockerError):
        # Never started; an image need not say what it runs.
        identity = await docker("create", "--pull", "never", "--network", "none", image, "-")
        try:
            return await asyncio.to_thread(_bundles_of_container, identity)
        finally:
            await _remove(identity, None)
    return ()


def _bundles_of_container(identity: str) -> tuple[str, ...]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        (PROGRAM, "export", identity),
        stdin=quiet,
        stdout=subprocess.PIPE,
        stderr=quiet,
        start_new_session=True,
    ) as export:
        try:
            with tarfile.open(fileobj=export.stdout, mode="r|") as files:
                names = [each.name for each in files if each.isfile()]
        except tarfile.TarError:  # the engine ended in the middle of it
            return ()
    return tuple(f"/{name}" for name in names if name.endswith(("/cacert.pem", f"/{KEY_STORE}")))


def _group(pid: int, identity: str) -> Cgroup | None:
    """Return its memory cgroup, when it is one of this machine: an engine may run elsewhere."""
    try:
        group = Cgroup.of(pid)
    except CgroupError:
        return None
    return group if identity in str(group.path) else None


def _as_signal(code: int) -> int:
    """Docker tells the end by a signal as 128 and its number, as shells do."""
    numbers = {number.value for number in signal.Signals}
    return 128 - code if code - 128 in numbers else code


async def cgroup_parent_problem(*, mixed: bool) -> str:
    """Say why containers cannot be put below a cgroup of ours; empty when they can.

    `mixed`: processes of this machine are in the same group, which version 2 does not allow.
    """
    try:
        driver, version = (
            await docker("info", "--format", "{{.CgroupDriver}} {{.CgroupVersion}}")
        ).split()
    except (DockerError, ValueError) as error:
        return f"Docker does not tell its cgroup driver: {error}"
    if driver != "cgroupfs":
        return f"Docker's cgroup driver is {driver}; only cgroupfs takes a cgroup of ours"
    if version == "2" and mixed:
        return "version 2 has no group for containers and processes together"
    return ""
