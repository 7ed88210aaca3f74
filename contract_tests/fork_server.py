"""Bots that are forked from one process which has imported all that a bot needs.

Importing takes four fifths of the processor time of a bot's start, and the tests start some two
hundred. Each is a process of its own all the same, from `python -m reference_bot.telegram_bot` on:
its settings, its signals, its sockets and its end are its own. What a start from nothing does is
shown by the tests that ask for one, and by every gate.

Run as a program this is the process that forks. It reads requests from a socket, each with the
file that is to be the bot's stderr and a pipe for its exit code, and ends with everybody whom it
has started when the other end of that socket is closed, however that end went away.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Self

BOT = "reference_bot.telegram_bot"
NEEDED = ("slim", "app", "log", "inbox.sqlite", "signals.sqlite")
"""What a bot with the embedded stores imports, in the order in which it does."""
_MOST = 1 << 17
_DONE_S = 60.0


class ForkedBot:
    """A forked bot, with the face of `subprocess.Popen`."""

    stdout = None

    def __init__(self, pid: int, pidfd: int, ended: IO[bytes], stderr: IO[str]) -> None:
        self.pid = pid
        self.stderr = stderr
        self.returncode: int | None = None
        self._pidfd = pidfd
        self._ended = ended

    def poll(self) -> int | None:
        """Return the exit code, below zero the signal that ended it; None while it runs."""
        return self._code_within(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it has ended; raise TimeoutExpired after `timeout` seconds."""
        code = self._code_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(BOT, timeout or 0.0)
        return code

    def _code_within(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._ended], [], [], seconds)[0]:
            said = self._ended.read()
            assert said, "the process that forks bots has ended"
            self.returncode = int(said)
            self._ended.close()
            os.close(self._pidfd)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """Send SIGKILL, unless it has ended."""
        self.send_signal(signal.SIGKILL)


class ForkServer:
    """The process that forks, seen from the tests."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()]
            )

    def start(self, folder: Path, environment: Mapping[str, str]) -> ForkedBot:
        """Start a bot in a folder, with these variables and no others."""
        request = json.dumps({"folder": str(folder), "environment": dict(environment)})
        read_log, log = os.pipe()
        read_end, end = os.pipe()
        try:
            socket.send_fds(self._control, [request.encode()], [log, end])
        finally:
            os.close(log)
            os.close(end)
        said, (pidfd,), _, _ = socket.recv_fds(self._control, 64, 1)
        return ForkedBot(
            int(said), pidfd, os.fdopen(read_end, "rb", buffering=0), os.fdopen(read_log, "r")
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._control.close()
        self._process.wait(_DONE_S)


# -- the process that forks ------------------------------------------------------------------------


def _fork_as_asked(control: socket.socket) -> None:
    """Fork a bot for each request, and tell exit codes; return in the bots, and leave at the end.

    Waits by poll, which has no file of its own that a bot would inherit.
    """
    running: dict[int, tuple[int, int]] = {}
    waiting = select.poll()
    waiting.register(control, select.POLLIN)
    while True:
        for ready, _ in waiting.poll():
            if ready != control.fileno():
                waiting.unregister(ready)
                _tell_end(ready, *running.pop(ready))
                continue
            request, files, _, _ = socket.recv_fds(control, _MOST, 2)
            if not request:
                _leave(running)
            log, end = files
            if not (pid := os.fork()):
                for each in (end, *running, *(end_of for _, end_of in running.values())):
                    os.close(each)
                control.close()
                return _become(log, **json.loads(request))
            os.close(log)
            pidfd = os.pidfd_open(pid)
            running[pidfd] = (pid, end)
            waiting.register(pidfd, select.POLLIN)
            socket.send_fds(control, [str(pid).encode()], [pidfd])


def _tell_end(pidfd: int, pid: int, end: int) -> None:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(BrokenPipeError):  # nobody asks for it any more
        os.write(end, str(code).encode())
    os.close(end)
    os.close(pidfd)


def _leave(running: Mapping[int, tuple[int, int]]) -> None:
    for pidfd, (pid, end) in running.items():
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        _tell_end(pidfd, pid, end)
    sys.exit(0)


def _become(log: int, folder: str, environment: dict[str, str]) -> None:
    """Let this process be as one that was started anew."""
    os.dup2(log, 2)
    os.close(log)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv[:] = [BOT]


if __name__ == "__main__":
    # Ctrl-C reaches a whole group of processes; the end of the tests is what ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in NEEDED:
        importlib.import_module(f"{BOT}.{name}")
    gc.freeze()  # a bot neither looks through nor copies what it shares with this process
    _fork_as_asked(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(BOT, run_name="__main__", alter_sys=True)
