"""Copies of what a roll-out may have to bring back: settings, data, images, the registration."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from botproof.rollout.engine import RefusedError, StepFailedError
from botproof.rollout.journal import sync_directory

_VARIABLE = re.compile(r"(?P<before>\s*(?:export\s+)?)(?P<name>\w+)\s*=")
_BESIDE = ("", "-wal", "-shm")


def keep_files(files: Iterable[Path], directory: Path) -> None:
    """Make copies, each under its own name, readable by their owner alone: one holds the token.

    Raises StepFailedError for one that cannot be kept.
    """
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    for number, path in enumerate(files):
        try:
            write_whole(directory / f"{number}-{path.name}", path.read_bytes(), 0o600)
        except OSError as error:
            raise StepFailedError(f"{path}: cannot be kept: {error.strerror}") from error


def digest_of(files: Iterable[Path]) -> str:
    """Return a digest of what the files hold, in their order; of one that is gone, of nothing."""
    whole = hashlib.sha256()
    for path in files:
        data = path.read_bytes() if path.exists() else b""
        whole.update(b"%d\n" % len(data) + data)
    return whole.hexdigest()


def restore_files(files: Sequence[Path], directory: Path) -> None:
    """Put kept copies to where they were, each in one step, with the mode that the file has.

    Raises RefusedError, and changes nothing, when a copy is gone.
    """
    kept = [directory / f"{number}-{path.name}" for number, path in enumerate(files)]
    for path in kept:
        if not path.is_file():
            raise RefusedError(f"{path}: the backup is gone; nothing was changed")
    for path, copy in zip(files, kept, strict=True):
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        write_whole(path, copy.read_bytes(), mode)


def set_variables(path: Path, values: Mapping[str, str]) -> None:
    """Give variables of an env file other values; its mode, owner and all other lines stay."""
    text = path.read_bytes().decode()
    changed = with_variables(text, values)
    if changed != text:
        write_whole(path, changed.encode(), path.stat().st_mode & 0o777)


def with_variables(text: str, values: Mapping[str, str]) -> str:
    """Return an env file with other values of some variables; all else stays as it is."""
    lines = text.splitlines(keepends=True)
    end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    named: set[str] = set()
    for number, line in enumerate(lines):
        found = _VARIABLE.match(line)
        if found and found["name"] in values:  # where one stands twice the last one counts
            lines[number] = f"{found['before']}{found['name']}={values[found['name']]}{end}"
            named.add(found["name"])
    left = {name: value for name, value in values.items() if name not in named}
    if left and lines and not lines[-1].endswith("\n"):
        lines[-1] += end
    return "".join(lines) + "".join(f"{name}={value}{end}" for name, value in left.items())


def write_whole(path: Path, data: bytes, mode: int) -> None:
    """Write ``data``: the file holds either that or what it held, and is on the disk on return.

    A file that was there keeps its owner, and one that a link leads to is where it was.
    """
    path = path.resolve()
    fresh = path.with_name(path.name + ".fresh")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            if path.exists():
                os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        fresh.unlink(missing_ok=True)
        raise
    fresh.replace(path)
    sync_directory(path.parent)


def copy_database(source: Path, target: Path) -> bool:
    """Copy a SQLite database that may be in use, by SQLite's backup API; whether there was one.

    Raises StepFailedError when it cannot be read, or the copy is not sound.
    """
    if not source.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = target.with_name(target.name + ".fresh")
    _remove(fresh)
    try:
        with (
            contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as there,
            contextlib.closing(sqlite3.connect(fresh)) as here,
        ):
            there.backup(here, pages=2_000, sleep=0.02)
            here.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise StepFailedError(f"{source}: cannot be copied: {error}") from error
    finally:
        _own_as(source)
    fresh.chmod(0o600)
    if problem := sound(fresh):
        raise StepFailedError(f"{source}: its copy is not sound: {problem}")
    fresh.replace(target)
    sync_directory(target.parent)
    return True


def sound(database: Path) -> str:
    """Return what is wrong with a copy; empty when SQLite finds nothing."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as there:
            said = str(there.execute("PRAGMA quick_check").fetchone()[0])
    except sqlite3.Error as error:
        return str(error)
    return "" if said == "ok" else said


def restore_database(copy: Path, target: Path, *, carry_over: bool) -> Path | None:
    """Put a copy to where the database was; what stood there is set aside, and its path returned.

    With ``carry_over`` every row that stands in the newer file and fits the older tables is taken
    along: what was taken in since, and which updates were answered since. Nobody may have the
    database open. Done again after a kill it brings about the same.

    Raises RefusedError, and changes nothing, for a copy that is not sound.
    """
    aside = target.with_name(target.name + ".set-aside")
    fresh = target.with_name(target.name + ".restored")
    if not sound_file(copy):
        raise RefusedError(f"{copy}: the backup is gone or not sound; nothing was changed")
    newer = target if target.exists() else aside if aside.exists() else None
    _remove(fresh)
    shutil.copyfile(copy, fresh)
    if carry_over and newer is not None:
        _carry_over(newer, fresh)
    if newer is not None:
        found = newer.stat()
        os.chown(fresh, found.st_uid, found.st_gid)
        fresh.chmod(found.st_mode & 0o777)
    if target.exists():
        _set_aside(target, aside)
    fresh.replace(target)
    sync_directory(target.parent)
    return aside if aside.exists() else None


def sound_file(copy: Path) -> bool:
    """Tell whether a copy is there and sound."""
    return copy.is_file() and not sound(copy)


def _set_aside(target: Path, aside: Path) -> None:
    # All of it into the file itself: its journal would be taken for that of the restored one.
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(target)) as there,
    ):
        there.execute("PRAGMA journal_mode = DELETE")
    target.replace(aside)
    for beside in _BESIDE[1:]:
        left = target.with_name(target.name + beside)
        if left.exists():
            left.replace(aside.with_name(aside.name + beside))


def _carry_over(newer: Path, older: Path) -> None:
    with contextlib.closing(sqlite3.connect(older)) as to:
        try:
            to.execute("ATTACH ? AS newer", (str(newer),))
            for table in sorted(_tables(to, "main") & _tables(to, "newer")):
                _carry_table(to, table)
            to.commit()
        except sqlite3.Error as error:
            raise StepFailedError(f"{newer}: cannot be read: {error}") from error


def _carry_table(to: sqlite3.Connection, table: str) -> None:
    columns = [name for name in _columns(to, "main", table) if name in _columns(to, "newer", table)]
    names = ", ".join(f'"{name}"' for name in columns)
    if names:
        to.execute(
            f'INSERT OR REPLACE INTO main."{table}" ({names}) '  # noqa: S608 - names of the tables
            f'SELECT {names} FROM newer."{table}"'
        )


def _tables(to: sqlite3.Connection, schema: str) -> set[str]:
    rows = to.execute(
        f"SELECT name FROM {schema}.sqlite_master "  # noqa: S608 - main or newer
        "WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return {str(name) for (name,) in rows}


def _columns(to: sqlite3.Connection, schema: str, table: str) -> list[str]:
    return [str(row[1]) for row in to.execute(f'PRAGMA {schema}.table_info("{table}")')]


def _remove(path: Path) -> None:
    for beside in _BESIDE:
        path.with_name(path.name + beside).unlink(missing_ok=True)


def _own_as(database: Path) -> None:
    """Give files that reading has made beside a database to its owner: who has it must
    write them."""
    found = database.stat()
    for beside in _BESIDE[1:]:
        with contextlib.suppress(OSError):
            os.chown(database.with_name(database.name + beside), found.st_uid, found.st_gid)
