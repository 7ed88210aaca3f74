"""What a bot keeps in its own directory, told by the files that change while it is tried."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["files_of"]

_STRANGE = frozenset(
    ("node_modules", "__pycache__", "venv", "env", "vendor", "target", "site-packages", "reports")
)
_PASSING = (".log", ".pyc", ".pid", ".lock", ".tmp")
_MOST = 20_000


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
