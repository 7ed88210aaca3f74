"""Whose fault it is when something does not start, does not answer, takes too long, or ends.

One table for the whole harness. What the target brought about is a verdict about it (FAIL). What
the harness, its doubles, its load generator or the machine brought about never is: where another
try may go better, the stack gets one fresh start, which the record and the report name; where that
does not help, the run is an ERROR with the reason. `docs/whose-fault.md` shows the table.
"""

from __future__ import annotations

import enum
import errno
import re
from typing import Literal

Whose = Literal["target", "harness"]


class Failure(enum.Enum):
    """One way in which a run cannot go on: whose it is, whether a fresh start may mend it, and
    what happened, in words."""

    # The target's.
    CANNOT_START = ("target", False, "its command or directory is not there, or cannot be run")
    IMAGE_CANNOT_START = ("target", False, "a container of its image cannot be started")
    ENDED_EARLY = ("target", False, "it ended before it was ready, and nobody had its port")
    NOT_READY = ("target", False, "it was not ready in time, and the machine did not keep it")
    ENDED = ("target", False, "it ended on its own")
    KEEPS_CRASHING = ("target", False, "it ended on its own again and again")

    # The harness's, and those of everything that it starts or needs.
    PORT_TAKEN = ("harness", True, "something else on this machine had the target's port")
    NO_PORT = ("harness", False, "no port or address could be reserved for the target")
    MACHINE_FULL = ("harness", True, "the machine has no process, memory, file or disk space left")
    OUT_OF_MEMORY = ("harness", True, "the kernel ended the target because the machine was full")
    STARVED_START = ("harness", True, "it was not ready in time, and had no processor to be")
    ENGINE = ("harness", True, "the container engine cannot be reached, or went away")
    STUCK = ("harness", False, "a process did not end on SIGKILL: an engine or a disk holds it")
    DOUBLE_NOT_STARTED = ("harness", True, "a double did not say in time where it listens")
    DOUBLE_ENDED = ("harness", True, "a double ended on its own")
    DOUBLE_SILENT = ("harness", True, "a double's control interface does not answer")
    DOUBLE_REFUSED = ("harness", False, "a double refused what the harness asked of it")
    DOUBLE_FAILED = ("harness", False, "a double failed inside, and would again")
    RECORD_LOST = ("harness", True, "a double's record was read too slowly, and lost events")
    RECORD_UNWRITABLE = ("harness", False, "the history cannot be written")
    LOAD_BROKEN = ("harness", True, "the load generator sent nothing, or broke")
    NOT_CONFIGURED = ("harness", False, "the run needs something that botproof.toml does not have")
    NO_NAMES = ("harness", False, "a host cannot be given, or not be found, by its name here")
    NOT_KEPT = ("harness", False, "a file of `keeps` cannot be read, or not be put back")
    INTERRUPTED = ("harness", False, "the run was ended")
    HARNESS = ("harness", False, "the harness itself failed")

    def __init__(self, whose: Whose, mends: bool, what: str) -> None:
        self.whose = whose
        self.mends = mends
        self.what = what


_MACHINE = frozenset(
    {
        errno.EAGAIN,
        errno.ENOMEM,
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EIO,
        errno.EROFS,
    }
)

_NO_THREAD = "can't start new thread"


def of_start(error: OSError | RuntimeError) -> Failure:
    """Say why a process cannot be started: the machine has no room, or the command is wrong.

    That no thread can be started is told by Python without a number.
    """
    if isinstance(error, RuntimeError):
        return Failure.MACHINE_FULL if _NO_THREAD in str(error) else Failure.HARNESS
    return Failure.MACHINE_FULL if error.errno in _MACHINE else Failure.CANNOT_START


_NO_ENGINE = (
    "cannot connect to the docker daemon",
    "is the docker daemon running",
    "error during connect",
    "did not end in",
    "cannot be run",
    "connection refused",
    "connection reset by peer",
    "unexpected eof",
    "context deadline exceeded",
    # of the containerd below it: moby/moby#31074
    "transport is closing",
    "connection is unavailable",
    "error while dialing",
    "ttrpc: closed",
    # it was there when the run began: somebody has tidied up since
    "no such image",
    "no space left on device",
    "cannot allocate memory",
    "resource temporarily unavailable",
    "too many open files",
)


_OUR_MOUNT = re.compile(r'error mounting "[^"]*/botproof-')


def of_engine(said: str) -> Failure:
    """Say why a container could not be started: there is no engine, or the image does not do.

    What the engine says is free text; only what is about the engine or the machine is theirs.
    """
    low = said.lower()
    if _OUR_MOUNT.search(low):  # an engine that sees other files than we do: behind DOCKER_HOST
        return Failure.NO_NAMES
    if any(words in low for words in _NO_ENGINE):
        return Failure.ENGINE
    return Failure.IMAGE_CANNOT_START
