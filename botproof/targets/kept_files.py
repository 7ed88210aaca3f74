"""Files of a process that are, at each start, as they were before the run: `keeps`."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from botproof.targets.failures import Failure
from botproof.targets.launch import BrokenHarnessError

_BESIDE = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps beside a database. Source: https://www.sqlite.org/tempfiles.html."""


class KeptFiles:
    """Copies of files or directories as they are now, below `folder`.

    What is not there now is taken away by `put_back`. Both raise BrokenHarnessError where that
    cannot be.
    """

    def __init__(self, paths: Iterable[Path], folder: Path) -> None:
        self._copies: dict[Path, Path | None] = {}
        with _told():
            folder.mkdir(parents=True, exist_ok=True)
            for path in (each for given in paths for each in _with_beside(given)):
                self._copies[path] = _copied(path, folder / str(len(self._copies)))

    def put_back(self) -> None:
        """Make all of them what they were. What a process may still have open is left to it."""
        with _told():
            for path, copy in self._copies.items():
                _take_away(path)
                if copy is not None:
                    _copied(copy, path)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BrokenHarnessError(
            f"{error.filename}: cannot be kept as it was (`keeps`): {error.strerror}",
            Failure.NOT_KEPT,
        ) from error


def _with_beside(path: Path) -> Iterator[Path]:
    yield from (path.with_name(path.name + suffix) for suffix in _BESIDE)


def _copied(path: Path, to: Path) -> Path | None:
    if path.is_dir():
        shutil.copytree(path, to, symlinks=True)
    elif path.exists():
        shutil.copy2(path, to)
    else:
        return None
    return to


def _take_away(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
