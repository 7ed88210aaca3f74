"""What makes the machine busy, one state a class of trouble. Each is ended when its block is left.

Everything is bounded: loops end with the process that started them, files lie in one folder that is
removed, and connections go to a listener of the trouble's own on 127.0.0.1.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from botproof.budgets import MB
from botproof.targets.cgroup import CgroupError, Fence

# Begins every trouble: the kernel ends it with whoever started it, also when that is killed.
_BOUND = """
import ctypes, signal
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
"""
_LOOP = "while True: pass"
# What a neighbour on a slow disk does: small writes, each waited for.
_DISK = """
import os, sys
with open(sys.argv[1], "wb", buffering=0) as file:
    while True:
        file.seek(0)
        for _ in range(16):
            file.write(os.urandom(1 << 20))
            os.fsync(file.fileno())
"""
# Holds memory, and reads a file larger than what is left of the group again and again, so that the
# kernel has to take pages back all the time.
_MEMORY = """
import sys
held = bytearray(int(sys.argv[2]))
for at in range(0, len(held), 4096):
    held[at] = 1
with open(sys.argv[1], "wb") as file:
    for _ in range(int(sys.argv[3]) >> 20):
        file.write(b"x" * (1 << 20))
while True:
    with open(sys.argv[1], "rb", buffering=0) as file:
        while file.read(1 << 20):
            pass
"""
# Opens connections all the time, and keeps two thousand of them: each takes a port of the machine.
_THIEF = """
import collections, selectors, socket
server = socket.create_server(("127.0.0.1", 0), backlog=4096)
kept = collections.deque()
while True:
    client = socket.create_connection(server.getsockname())
    other, _ = server.accept()
    kept.append((client, other))
    if len(kept) > 2000:
        for each in kept.popleft():
            each.close()
"""


@dataclass(frozen=True, slots=True)
class State:
    """A state of the machine. `beside` gates run at the same time; `share` of the processors is
    what the gate gets, harness, doubles and target together."""

    name: str
    what: str
    loops: int = 0
    disk: bool = False
    memory: bool = False
    thief: bool = False
    beside: int = 0
    share: float = 1.0

    @property
    def grouped(self) -> bool:
        """Whether the gate and all that it starts run in a cgroup."""
        return self.memory or self.share < 1.0


STATES: Sequence[State] = (
    State("idle", "nothing else"),
    State("two-loops", "two busy loops", loops=2),
    State("four-loops", "four busy loops", loops=4),
    State("half", "half of the processors", share=0.5),
    State(
        "half-second-gate", "half of the processors, and a second gate in it", beside=1, share=0.5
    ),
    State("tenth", "a tenth of the processors", share=0.1),
    State("memory", "memory pressure inside a cgroup", memory=True),
    State("disk", "a neighbour that waits for the disk all the time", disk=True),
    State("second-gate", "a second gate beside it", beside=1),
    State("third-gate", "a second and a third gate beside it", beside=2),
    State("thief", "connections that are opened all the time", thief=True),
)

_GROUP_MB = 2_600
_HELD_MB = 500
_FILE_MB = 1_200


@dataclass(frozen=True, slots=True)
class Trouble:
    """A state that has begun. `wrapper` stands before the gate's command; `problem` says what of
    the state could not be had here."""

    wrapper: tuple[str, ...] = ()
    problem: str = ""


@contextlib.contextmanager
def trouble(state: State, folder: Path) -> Iterator[Trouble]:
    """Make the machine so; what it takes lies in `folder`."""
    with contextlib.ExitStack() as resources:
        for _ in range(state.loops):
            resources.enter_context(_running(_LOOP))
        if state.thief:
            resources.enter_context(_running(_THIEF))
        if state.disk:
            resources.enter_context(_running(_DISK, str(folder / "disk")))
        wrapper: tuple[str, ...] = ()
        problem = ""
        if state.grouped:
            try:
                wrapper = resources.enter_context(_group(state)).wrapper
            except CgroupError as error:
                problem = str(error)
            if state.memory and not problem:
                sizes = (str(_HELD_MB * MB), str(_FILE_MB * MB))
                hog = _running(_MEMORY, str(folder / "file"), *sizes, wrapper=wrapper)
                resources.enter_context(hog)
        yield Trouble(wrapper, problem)


def _group(state: State) -> Fence:
    memory = _GROUP_MB * MB if state.memory else psutil.virtual_memory().total
    cpus = state.share * (os.cpu_count() or 1)
    return Fence("noise", memory, cpus)


@contextlib.contextmanager
def _running(code: str, *arguments: str, wrapper: Sequence[str] = ()) -> Iterator[None]:
    command = [*wrapper, sys.executable, "-c", _BOUND + code, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        process.kill()
        process.wait()
