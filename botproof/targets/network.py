"""A network that holds nothing but a run: its doubles, its containers, and the harness itself.

A container cannot be held back by a filter of its own calls, as an engine starts it, not we. So one
container without any network lends its own network namespace: the harness enters it, and every
container of the run joins it. There is no way out of it, neither by name nor by address, and
what would go out is told of (`beyond.py`). Containers of a fleet, which listen on ports of
their own choice and find each other by name, can do so beside whatever else this machine runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from botproof.config import Config, Process
from botproof.problems import UsageError
from botproof.targets.beyond import Beyond, listening_ports
from botproof.targets.docker import ask
from botproof.targets.guard import CONTAINER
from botproof.targets.guarding import Guard

CLONE_NEWNET = 0x40000000
_HOLDER = "botproof-network-"
_LIFE_S = 6 * 3600
"""The holder ends by itself after that, should the harness be killed."""
_OF_ITS_OWN_NETWORK = (
    "--add-host",
    "--dns",
    "--expose",
    "--hostname",
    "-h",
    "--ip",
    "--link",
    "--mac-address",
    "--net",
    "--network",
    "--publish",
    "-p",
    "-P",
    "--publish-all",
)
"""Options of `docker create` that a container which joins another's network cannot have."""


@dataclass(frozen=True, slots=True)
class PrivateNetwork:
    """One that the harness is in. `name` is what `docker create --network` joins it by; `beyond`
    tells what would leave it, None where `problem` says why nothing can."""

    name: str
    beyond: Beyond | None
    problem: str = ""


_entered: list[PrivateNetwork] = []


def current() -> PrivateNetwork | None:
    """Return the network that this process has put itself into; None for the machine's own."""
    return _entered[-1] if _entered else None


@contextlib.contextmanager
def private_network(image: str, guard: Guard | None = None) -> Iterator[str]:
    """Be in a network of one's own; yields what `docker create --network` joins it by.

    ``image`` needs nothing but a `sleep`. Threads that run already stay where they are. `guard`
    removes it, should the harness be killed. Raises UsageError where that cannot be.
    """
    if os.geteuid():
        raise UsageError("a fleet is judged in a network of its own, which takes root")
    name = f"{_HOLDER}{os.getpid()}-{secrets.token_hex(4)}"
    options = ("--detach", "--rm", "--network", "none", "--pull", "never", "--name", name)
    elsewhere = listening_ports()
    if guard is not None:
        guard.watch(f"{CONTAINER}{name}")
    try:
        _docker("run", *options, "--entrypoint", "sleep", image, str(_LIFE_S))
        pid = _docker("inspect", "--format", "{{.State.Pid}}", name)
        with Path("/proc/thread-self/ns/net").open("rb") as before:
            _enter(Path(f"/proc/{pid}/ns/net"))
            try:
                with _watched(f"container:{name}", elsewhere):
                    yield f"container:{name}"
            finally:
                enter_network(before.fileno())
    finally:
        with contextlib.suppress(UsageError):  # it has gone already
            _docker("rm", "--force", "--volumes", name)
        if guard is not None:
            guard.forget(f"{CONTAINER}{name}")


@contextlib.contextmanager
def _watched(name: str, elsewhere: frozenset[int]) -> Iterator[None]:
    """Be told of what would leave the network of this thread, where this machine allows that."""
    try:
        beyond, problem = Beyond(elsewhere), ""
    except OSError as error:
        beyond, problem = None, f"{error.filename or 'a TUN device'}: {error.strerror}"
    _entered.append(PrivateNetwork(name, beyond, problem))
    try:
        yield
    finally:
        _entered.pop()
        if beyond is not None:
            beyond.close()


@contextlib.contextmanager
def apart(config: Config, guard: Guard) -> Iterator[None]:
    """Be in a private network while containers run that are to be held back by address, where that
    can be; otherwise stay where one is. `why_not_apart` says why then."""
    with contextlib.ExitStack() as stack:
        if current() is None and not why_not_apart(config):
            for image in dict.fromkeys(each.image for each in _contained(config)):
                with contextlib.suppress(UsageError):  # another image may have a `sleep`
                    stack.enter_context(private_network(image, guard))
                    break
        yield


def why_not_apart(config: Config) -> str:
    """Say why containers of a configuration stay in this machine's network; "" where they
    need not."""
    contained = _contained(config)
    if not contained or not config.doubles.offline:
        return "no container is to be held back"
    if os.geteuid():
        return "a network of its own takes root"
    if config.doubles.allow_hosts:
        return "doubles.allow_hosts names what it may reach, for which it is in this machine's own"
    if not os.environ.get("DOCKER_HOST", "unix:").startswith("unix:"):
        return "the engine runs elsewhere (DOCKER_HOST)"
    for each in contained:
        for option in each.container_args:
            if option.partition("=")[0] in _OF_ITS_OWN_NETWORK:
                return f"its container_args have {option}, which needs another network"
    return ""


def _contained(config: Config) -> list[Process]:
    bots = [config.bot_in(mode) for mode in config.modes] or [config.bot]
    return [each for each in (*bots, *config.services.values()) if each.image]


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
    done = ask(*words)
    if done.returncode:
        said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise UsageError(f"`docker {words[0]}` for the run's own network failed: {said}")
    return done.stdout.strip()
