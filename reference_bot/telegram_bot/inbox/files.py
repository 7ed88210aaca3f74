"""The files of a SQLite inbox: its lock, and whether they are still where they were opened.

A file that is removed or replaced while it is open stays readable and writable for who has it open,
and is gone for the next process: what is written to it is lost. Nothing tells; one has to look.
"""

import fcntl
import os
import sqlite3
import time
from pathlib import Path
from typing import Final, TextIO

from reference_bot.telegram_bot.inbox.model import InboxInUseError, InboxUnavailableError

_BESIDE: Final = ("", "-wal", "-shm")

Identity = tuple[int, int]


class FileLock:
    """A lock that ends with the process, so that two never handle the same updates."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._path = database.with_name(database.name + ".lock")
        self._held: TextIO | None = None

    def take(self) -> None:
        """Take it. Raises InboxInUseError when another process has it, else
        InboxUnavailableError."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._path.open("w")
        except OSError as error:
            raise InboxUnavailableError(f"{self._path}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise InboxInUseError(f"{self._database} is in use by another process") from error
        self.release()
        self._held = lock

    def keep(self) -> None:
        """Take it anew when its file is not the one that was locked any more."""
        if self._held is None or identity(self._path) != _of(os.fstat(self._held.fileno())):
            self.take()

    @property
    def intact(self) -> bool:
        """Whether the file that was locked is still there for others to find."""
        return self._held is not None and (
            identity(self._path) == _of(os.fstat(self._held.fileno()))
        )

    def release(self) -> None:
        """Let go of it."""
        if self._held is not None:
            self._held.close()
            self._held = None


class Whereabouts:
    """Which files belong to an open database, by device and inode; its lock, where it has one."""

    def __init__(self, database: Path, lock: FileLock | None = None) -> None:
        self._database = database
        self._lock = lock
        self._known = {path: identity(path) for path in _files(database)}

    def trouble(self) -> str | None:
        """Return what became of a file, or None while all are where they were."""
        if self._lock is not None and not self._lock.intact:
            return "its lock was removed or replaced"
        for path, known in self._known.items():
            now = identity(path)
            if now != known:
                return f"{path} was {'removed' if now is None else 'replaced'}"
        return None

    def set_aside(self) -> None:
        """Rename what others have put in the place of the database; nothing of it is lost."""
        mark = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        for (path, ours), beside in zip(self._known.items(), _BESIDE, strict=True):
            now = identity(path)
            if now is not None and now == ours:
                if beside:  # the database itself is replaced next, in one step
                    path.unlink()
            elif now is not None:
                name = f"{self._database.name}.replaced-{mark}-{os.getpid()}{beside}"
                path.rename(self._database.with_name(name))


def write_anew(connection: sqlite3.Connection, database: Path, where: Whereabouts) -> None:
    """Put what ``connection`` can still read to where its files belong, and close it.

    Raises sqlite3.Error or OSError; then the connection is as it was.
    """
    fresh = database.with_name(database.name + ".fresh")
    database.parent.mkdir(parents=True, exist_ok=True)
    for path in _files(fresh):
        path.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(fresh),))
    _sync(fresh)
    where.set_aside()
    fresh.replace(database)
    _sync(database)
    connection.close()


def identity(path: Path) -> Identity | None:
    """Return device and inode of what stands at ``path``; None when nothing does."""
    try:
        return _of(path.stat())
    except OSError:
        return None


def _of(found: os.stat_result) -> Identity:
    return found.st_dev, found.st_ino


def _files(database: Path) -> tuple[Path, ...]:
    return tuple(database.with_name(database.name + beside) for beside in _BESIDE)


def _sync(path: Path) -> None:
    """Have the file, and its entry in its folder, on the disk."""
    for one in (path, path.parent):
        handle = os.open(one, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
