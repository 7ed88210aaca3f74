"""A roll-out that is on record, told to a person: its steps with their times, and its ledger."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from botproof.problems import UsageError
from botproof.rollout.journal import Entry, state_of
from botproof.rollout.ledger import Ledger, as_lines

__all__ = ["JOURNAL", "told"]

JOURNAL = "journal.jsonl"
_ENDS = {"done": "done", "failed": "FAILED", "undone": "undone"}


def told(directory: Path) -> list[str]:
    """Lines about the roll-out that a directory keeps. Raises UsageError: it is unreadable.

    Only reads: the roll-out may be under way, and its last line half written.
    """
    entries = list(_entries(directory / JOURNAL))
    state = state_of(entries)
    what = state.plan.what if state.plan else "roll-out"
    changes = state.plan.changes if state.plan else ()
    lines = [f"{what}, {directory.name}"]
    lines += [f"  {each.service} to {each.image[:19]}, {each.manner}" for each in changes]
    lines += _steps(entries)
    lines.append(state.end or "not at its end yet")
    ledger = directory / "ledger.json"
    if ledger.exists():
        try:
            lines += as_lines(msgspec.json.decode(ledger.read_bytes(), type=Ledger))
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(f"{ledger}: cannot be read: {error}") from error
    return lines


def _entries(path: Path) -> Iterator[Entry]:
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        try:
            yield msgspec.json.decode(line, type=Entry)
        except msgspec.DecodeError as error:
            raise UsageError(f"{path}: line {number} is no entry of a journal: {error}") from error


def _steps(entries: Iterable[Entry]) -> Iterator[str]:
    begun: dict[str, str] = {}
    for entry in entries:
        if entry.event in {"begun", "undoing"}:
            if entry.step in begun and entry.event == "begun":
                yield f"  {_clock(entry.at)}  {entry.step}: begun again"
            begun[entry.step] = entry.at
        elif entry.event in _ENDS:
            since = begun.pop(entry.step, entry.at)
            took = (_time(entry.at) - _time(since)).total_seconds()
            reason = f": {entry.reason}" if entry.reason else ""
            yield (
                f"  {_clock(since)}  {entry.step or 'all'}: "
                f"{_ENDS[entry.event]} after {took:.1f} s{reason}"
            )
    for step, at in begun.items():
        yield f"  {_clock(at)}  {step}: begun, and no end of it is on record"


def _time(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _clock(text: str) -> str:
    return f"{_time(text):%H:%M:%S}"
