"""What a bot keeps in its own directory, told by the files that change while it is tried."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from botproof.targets.kept_files import KeptFiles

_STRANGE = frozenset(
    ("node_modules", "__pycache__", "venv", "env", "vendor", "target", "site-packages", "reports")
)
_PASSING = (".log", ".pyc", ".pid", ".lock", ".tmp")
_MOST = 20_000
_DATA = re.compile(
    r"\.(?:db3?|sqlite3?|json|jsonl|pickle|pkl|dat|csv|session|rdb|bolt|mdb|shelve|png|jpe?g)\Z",
    re.IGNORECASE,
)
"""What programs keep data in, and pictures of it. Anything else may be somebody's work."""
_BESIDE = re.compile(r"-(?:wal|shm|journal)\Z")
_LARGEST, _ALL_TOGETHER = 16_000_000, 128_000_000  # bytes
_MANY = 3


class Home:
    """The directory that a bot is started in. What it keeps there is put back after each trial, so
    that each finds the same, and `init` leaves the directory as it was.

    Copies go below `folder`. Without a directory, in a container, nothing is done.
    """

    def __init__(self, directory: Path | None, folder: Path) -> None:
        self._directory = directory
        self._before = files_of(directory)
        self._kept: dict[str, KeptFiles] = {}
        self._changed: set[str] = set()
        self._logs = _logs_of(directory)
        left = _ALL_TOGETHER
        for name in (each for each in self._before if _DATA.search(each)):
            size = self._before[name][0]
            if size <= min(_LARGEST, left):
                left -= size
                self._keep(name, folder)

    def put_back(self) -> None:
        """Make the data files what they were; those that were not there are taken away."""
        for name in self._changes():
            self._changed.add(name)
            data = _BESIDE.sub("", name)
            if data in self._kept:
                self._kept[data].put_back()
            elif self._directory is not None and data not in self._before and _DATA.search(data):
                for each in (name, data):
                    (self._directory / each).unlink(missing_ok=True)

    def data(self) -> tuple[str, ...]:
        """Return the data files that it made or changed, and that are put back."""
        names = {_BESIDE.sub("", name) for name in self._changed}
        return tuple(sorted(each for each in names if self._is_data(each)))

    def others(self) -> tuple[str, ...]:
        """Return what else it made or changed, which stays as it left it."""
        return tuple(
            sorted(each for each in self._changed if not self._is_data(_BESIDE.sub("", each)))
        )

    def logs(self) -> tuple[str, ...]:
        """Return the files that it wrote its log into."""
        now = _logs_of(self._directory)
        return tuple(sorted(each for each, size in now.items() if size > self._logs.get(each, 0)))

    def _is_data(self, name: str) -> bool:
        return name in self._kept or (name not in self._before and bool(_DATA.search(name)))

    def _changes(self) -> list[str]:
        now = files_of(self._directory)
        gone = [name for name in self._kept if name not in now]
        return [*gone, *(name for name, state in now.items() if self._before.get(name) != state)]

    def _keep(self, name: str, folder: Path) -> None:
        if self._directory is not None:
            self._kept[name] = KeptFiles([self._directory / name], folder / str(len(self._kept)))


def _logs_of(directory: Path | None) -> Mapping[str, int]:
    """Return the sizes of the log files in a directory and in those directly below it."""
    if directory is None:
        return {}
    return {
        str(each.relative_to(directory)): each.stat().st_size
        for pattern in ("*.log", "*/*.log")
        for each in directory.glob(pattern)
        if each.parent.name not in _STRANGE and each.is_file()
    }


def grouped(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names with a directory in the place of those that are many in it."""
    listed = tuple(names)
    many = Counter(str(PurePosixPath(name).parent) for name in listed)
    return tuple(
        dict.fromkeys(
            parent
            if (parent := str(PurePosixPath(name).parent)) != "." and many[parent] >= _MANY
            else name
            for name in listed
        )
    )


def files_of(directory: Path | None) -> Mapping[str, tuple[int, int]]:
    """Return the files below a directory that may hold data: their size and time of
    change, by name."""
    if directory is None:
        return {}
    found: dict[str, tuple[int, int]] = {}
    for path in _walk(directory):
        try:
            state = path.stat()
        except OSError:  # gone since
            continue
        found[str(path.relative_to(directory))] = (state.st_size, state.st_mtime_ns)
        if len(found) >= _MOST:
            break
    return found


def _walk(directory: Path) -> Iterator[Path]:
    for where, folders, files in os.walk(directory):
        folders[:] = [name for name in folders if name not in _STRANGE and not name.startswith(".")]
        yield from (Path(where) / name for name in files if not name.endswith(_PASSING))
