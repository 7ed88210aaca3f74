"""What was done so far, on the disk before the next thing is done.

One JSON object a line, each synced to the disk before the call returns: after a power cut the
journal says either that a step has begun or that it is done, and each step can be done again.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

from botproof.problems import UsageError
from botproof.rollout.plan import Plan


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. `event`: plan, begun, done, failed, undoing, undone, note, end."""

    event: str
    at: str = ""
    step: str = ""
    reason: str = ""
    data: Mapping[str, Any] = {}


class Journal(Protocol):
    """Where entries go, in order."""

    @property
    def entries(self) -> list[Entry]: ...

    def write(self, event: str, step: str = "", reason: str = "", **data: Any) -> None:
        """Durable on return."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal says: the plan, which steps were begun and done, and how it ended."""

    plan: Plan | None
    begun: tuple[str, ...]
    done: frozenset[str]
    going_back: bool
    end: str


def state_of(entries: list[Entry]) -> State:
    """Return the state after these entries."""
    plan = next((_plan(e.data) for e in entries if e.event == "plan"), None)
    named: dict[str, dict[str, None]] = {}
    for entry in entries:
        named.setdefault(entry.event, {})[entry.step] = None
    return State(
        plan=plan,
        begun=tuple(named.get("begun", ())),
        done=frozenset(named.get("done", ())),
        going_back="failed" in named or "undoing" in named,
        end=next((e.reason for e in reversed(entries) if e.event == "end"), ""),
    )


def _plan(kept: Mapping[str, Any]) -> Plan:
    """Return a plan that was kept; before 30 November 2026 a way back was kept in words."""
    words = str(kept.get("what", "")).split()
    if words[:1] == ["rollback"]:
        kept = {**kept, "level": int(words[1]), "deployment": words[-1]}
    return msgspec.convert(kept, Plan)


class FileJournal:
    """A journal in a file, which is made when it is not there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._entries = read(path)

    @property
    def entries(self) -> list[Entry]:
        """All of them, in order."""
        return list(self._entries)

    def write(self, event: str, step: str = "", reason: str = "", **data: Any) -> None:
        """Append an entry, on the disk when this returns."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        entry = Entry(event=event, at=now, step=step, reason=reason, data=data)
        new = not self.path.exists()
        _append(self.path, msgspec.json.encode(entry) + b"\n")
        if new:
            sync_directory(self.path.parent)
        self._entries.append(entry)


def _append(path: Path, line: bytes) -> None:
    """Add a line, on the disk on return. One that a full disk takes in part is taken away again:
    the next one would stand behind its half."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        size = os.fstat(handle).st_size
        left = memoryview(line)
        try:
            while left:
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(handle, size)
            raise
    finally:
        os.close(handle)


def read(path: Path) -> list[Entry]:
    """Return the entries of a file; a last line that a power cut left half written is none.

    Raises UsageError when another line is not readable.
    """
    if not path.exists():
        return []
    data = path.read_bytes()
    *lines, rest = data.split(b"\n")
    if rest:  # without its end: cut off; the file goes on after the last whole line
        with path.open("r+b") as file:
            file.truncate(len(data) - len(rest))
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entries.append(msgspec.json.decode(line, type=Entry))
        except msgspec.DecodeError as error:
            raise UsageError(f"{path}: line {number} is no entry of a journal: {error}") from error
    return entries


def sync_directory(directory: Path) -> None:
    """Have the names in a directory on the disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
