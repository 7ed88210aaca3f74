"""A process of this machine, in a session of its own: the usual body of a `ManagedProcess`."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import errno
import os
import re
import shutil
import signal
from typing import IO, Self

from botproof.targets.failures import Failure, of_start
from botproof.targets.guarding import Guard
from botproof.targets.launch import Launch, RunError, environment, failed
from botproof.targets.memory import Reading, read_memory


class OwnProcess:
    """One process and the group that it leads."""

    out_of_memory = False
    """A cgroup around it would know (see `cgroup.Fence`); a process by itself does not."""
    restarts = 0
    """What restarts below it is noticed by `crew.py`."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        guard: Guard | None,
        output: _Output | None,
    ) -> None:
        self._process = process
        self._guard = guard
        self._output = output
        if guard is not None:
            guard.watch(process.pid)

    @classmethod
    async def start(cls, launch: Launch, guard: Guard | None, *, read_stdout: bool) -> Self:
        """Start it.

        Raises TargetError when the command cannot be run at all, BrokenHarnessError when the
        machine has no room for it.
        """
        output = await _Output.open() if read_stdout else None
        try:
            with launch.log.open("ab") as log:
                process = await _spawn(launch, log, log if output is None else output.write_end)
        except RunError:
            if output is not None:
                output.close()
            raise
        finally:
            if output is not None:
                output.close_write_end()
        return cls(process, guard, output)

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or minus the signal that ended it; None while it runs."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end. Its exit code."""
        code = await self._process.wait()
        if self._output is not None:
            self._output.close()
        return code

    async def send(self, number: signal.Signals) -> None:
        """Send it a signal.

        SIGTERM goes to the process that we started, as systemd's main process and `docker stop`
        would send it; SIGKILL to all that it started as well.
        """
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(self.pid, number)
            else:
                self._process.send_signal(number)

    async def clear(self) -> None:
        """Nothing that it started may outlive it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._guard is not None:
            self._guard.forget(self.pid)

    def read_memory(self) -> Reading | None:
        """Return what it and its children occupy now; None when it is gone."""
        return read_memory(self.pid)

    async def read_line(self) -> bytes:
        """Return the next line of its standard output. Raises ValueError unless
        `read_stdout` was set."""
        if self._output is None:
            raise ValueError("was not started with read_stdout=True")
        return await self._output.reader.readline()


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
        """Close it here: the process has its own copy, and only that one may keep the pipe open."""
        os.close(self.write_end)

    def close(self) -> None:
        self._transport.close()


async def _spawn(
    launch: Launch, log: IO[bytes], stdout: IO[bytes] | int
) -> asyncio.subprocess.Process:
    env = environment(launch, os.environ)
    try:
        if launch.wrapper and not _is_there(launch, env.get("PATH")):
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
        kind = of_start(error)
        advice = _advice(launch, env.get("PATH")) if kind is Failure.CANNOT_START else ""
        raise failed(
            f"{launch.name}: {launch.command[0]!r} cannot be started in {launch.cwd}: "
            f"{error.strerror}{advice}",
            kind,
        ) from error


def _advice(launch: Launch, path: str | None) -> str:
    """Return what to do about a command that cannot be started; "" where the reason says it."""
    word = launch.command[0]
    file = launch.cwd / word
    advice = {
        "that directory is not there: `cwd` is relative to botproof.toml": not launch.cwd.is_dir(),
        "a variable is set in the table of its environment, not in the command": (
            re.match(r"\w+=", word)
        ),
        'a command is a list of words, ["python", "main.py"]; what needs a shell is '
        '["sh", "-c", "…"]': re.search(r"[\s;&|<>$]", word) and not file.exists(),
        f"a file that is beside botproof.toml is started as ./{word}": (
            file.is_file() and "/" not in word
        ),
        f"{file} may not be executed: chmod +x {word}": (
            file.is_file() and not os.access(file, os.X_OK)
        ),
        "the program in its first line (#!…) is not there, or its lines end as on Windows": (
            file.is_file()
        ),
    }
    near = difflib.get_close_matches(word, ("python3", "python", "node", "npm", "bash", "deno"))
    meant = [f"did you mean {each}?" for each in near if shutil.which(each, path=path)]
    found = [text for text, applies in advice.items() if applies] or meant
    return f"; {found[0]}" if found else ""


def _is_there(launch: Launch, path: str | None) -> bool:
    """Tell whether there is such a command, as seen from where it is started."""
    program = launch.command[0]
    program = str(launch.cwd / program) if os.sep in program else program
    return shutil.which(program, path=path) is not None
