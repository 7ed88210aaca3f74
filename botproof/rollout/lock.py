"""Only one program changes a fleet at a time, and only one writes into a directory of records.

Both locks end with the process that holds them, however that ends: nothing stays behind that
somebody would have to remove.
"""

from __future__ import annotations

import datetime
import errno
import fcntl
import hashlib
import os
import socket
import struct
import time
from pathlib import Path
from typing import Final, Self, TextIO

import psutil

from botproof.problems import UsageError

_TRIES: Final = 50
_COMMANDS: Final = frozenset({"deploy", "rollback"})


class FleetLock:
    """Whoever has it changes the containers of a Compose project on one engine.

    A name in the kernel's table of sockets (unix(7), "abstract"), so that it does not matter which
    directory an operator keeps the records in, and no file is needed that both may write.
    """

    def __init__(self, project: str, engine: str) -> None:
        """``engine``: the id that the engine has given itself."""
        self._project = project
        digest = hashlib.sha256(f"{engine} {project}".encode()).hexdigest()
        self.name = f"\0botproof-rollout-{digest[:32]}"
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        holder: int | None = None
        for _ in range(_TRIES):
            if self._take():
                return self
            if (holder := _holder(self.name)) is not None:
                break
            time.sleep(0.01)  # it has just ended, or has the name and does not listen yet
        who, help_ = "a process that cannot be seen from here", "wait until it has ended"
        if holder:
            who = _told(holder)
            help_ += f", or press Ctrl-C there (`kill -INT {holder}`): it undoes what it has begun"
        raise UsageError(
            f"the fleet {self._project} is changed just now by {who}; {help_}. This call has "
            "changed nothing"
        )

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()

    def _take(self) -> bool:
        own = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            own.bind(self.name)
            own.listen()  # so that who is refused can ask the kernel who holds it
        except OSError as error:
            own.close()
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        self._socket = own
        return True


def _holder(name: str) -> int | None:
    """Return the id of the process that has the name, 0 where the kernel does not tell it; None
    where nobody has the name any more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)  # nobody takes connections off the queue, which may be full
        try:
            asking.connect(name)
        except BlockingIOError:  # so many have asked that no more are kept
            return 0
        except OSError:
            return None
        size = struct.calcsize("3i")
        found = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
        pid: int = struct.unpack("3i", found)[0]
        return pid  # 0: in a container that does not show the processes of others


def _told(pid: int) -> str:
    """Return what is known of a process. Of its options nothing: one may hold a token."""
    try:
        process = psutil.Process(pid)
        began = datetime.datetime.fromtimestamp(process.create_time(), datetime.UTC)
        word = next((word for word in process.cmdline() if word in _COMMANDS), "")
        user = process.username()
    except psutil.Error:
        return f"process {pid}"
    command = f"`botproof {word}`, " if word else ""
    return f"process {pid} ({command}{user}, since {began:%H:%M:%S} UTC)"


class DirectoryLock:
    """Whoever has it writes the records in a directory."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "lock"
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file = self._path.open("a+")
        except OSError as error:
            raise UsageError(
                f"{error.filename}: {error.strerror}; run this as root (sudo), or name another "
                "directory by --state"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            who = file.read().strip() or "another process"
            file.close()
            raise UsageError(
                f"{self._path}: {who} writes its record here just now; wait until it has ended"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()}")
        file.flush()
        self._file = file
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
