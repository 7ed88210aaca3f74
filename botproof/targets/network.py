"""A network that holds nothing but a run: its doubles, its containers, and the harness itself.

Containers of a fleet listen on ports of their own choice and find each other by name. So that they
can do so beside whatever else this machine runs, one container without any network lends its own
network namespace: the harness enters it, and every container of the run joins it. There is no way
out of it, neither by name nor by address.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from botproof.problems import UsageError
from botproof.targets.docker import PROGRAM

__all__ = ["CLONE_NEWNET", "enter_network", "is_private", "private_network"]

CLONE_NEWNET = 0x40000000
_HOLDER = "botproof-network-"
_LIFE_S = 6 * 3600
"""The holder ends by itself after that, should the harness be killed."""


@contextlib.contextmanager
def private_network(image: str) -> Iterator[str]:
    """Be in a network of one's own; yields what `docker create --network` joins it by.

    ``image`` needs nothing but a `sleep`. Threads that run already stay where they are. Raises
    UsageError where that cannot be.
    """
    if os.geteuid():
        raise UsageError("a fleet is judged in a network of its own, which takes root")
    name = f"{_HOLDER}{os.getpid()}-{secrets.token_hex(4)}"
    options = ("--detach", "--rm", "--network", "none", "--pull", "never", "--name", name)
    try:
        _docker("run", *options, "--entrypoint", "sleep", image, str(_LIFE_S))
        pid = _docker("inspect", "--format", "{{.State.Pid}}", name)
        with Path("/proc/self/ns/net").open("rb") as before:
            _enter(Path(f"/proc/{pid}/ns/net"))
            try:
                yield f"container:{name}"
            finally:
                enter_network(before.fileno())
    finally:
        with contextlib.suppress(UsageError):  # it has gone already
            _docker("rm", "--force", "--volumes", name)


def is_private(options: Sequence[str]) -> bool:
    """Tell whether a container with these options of `docker create` joins such a network."""
    return any(each.startswith(f"container:{_HOLDER}") for each in options)


def _enter(namespace: Path) -> None:
    try:
        with namespace.open("rb") as file:
            enter_network(file.fileno())
    except OSError as error:
        raise UsageError(
            f"the network of a container cannot be entered ({error.strerror}): the engine has to "
            "run on this machine, not behind DOCKER_HOST"
        ) from error


def enter_network(descriptor: int) -> None:
    """Put this thread, and what it starts, into the network of a descriptor. Raises OSError."""
    # os.setns comes with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _docker(*words: str) -> str:
    done = subprocess.run(
        (PROGRAM, *words), capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode:
        said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise UsageError(f"`docker {words[0]}` for the run's own network failed: {said}")
    return done.stdout.strip()
