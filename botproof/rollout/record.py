"""A roll-out that is on record, for a person: its steps with their times, and its ledger."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from botproof.problems import UsageError
from botproof.rollout.journal import Entry, state_of
from botproof.rollout.ledger import Ledger, as_lines

JOURNAL = "journal.jsonl"
_ENDS = {"done": "done", "failed": "FAILED", "undone": "undone"}
_AGAIN = "begun again"
_NO_END = "begun, and no end of it is on record"


@dataclass(frozen=True, slots=True)
class Step:
    """One step, or that one was begun again. `took_s` is None where no end of it is on record;
    `after_s` counts from the first entry of the journal."""

    name: str
    at: datetime.datetime
    after_s: float
    how: str
    took_s: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RolloutRecord:
    """What a directory says of its roll-out. `end` is "" while it is under way."""

    name: str
    what: str
    changes: Sequence[str]
    steps: Sequence[Step]
    end: str
    ledger: Ledger | None


def read(directory: Path) -> RolloutRecord:
    """Return the roll-out that a directory keeps. Raises UsageError: it is unreadable.

    Only reads: the roll-out may be under way, and its last line half written.
    """
    entries = list(_entries(directory / JOURNAL))
    state = state_of(entries)
    changes = state.plan.changes if state.plan else ()
    return RolloutRecord(
        name=directory.resolve().name,
        what=state.plan.what if state.plan else "roll-out",
        changes=[
            f"{each.service} to {each.image[:19] or 'an image that is not here'}, {each.manner}"
            for each in changes
        ],
        steps=list(_steps(entries)),
        end=state.end,
        ledger=_ledger(directory / "ledger.json"),
    )


def describe(rollout: RolloutRecord) -> list[str]:
    """Return lines about a roll-out."""
    lines = [f"{rollout.what}, {rollout.name}", *(f"  {each}" for each in rollout.changes)]
    lines += map(_line, rollout.steps)
    lines.append(rollout.end or "not at its end yet")
    return lines + ([] if rollout.ledger is None else as_lines(rollout.ledger))


def _line(step: Step) -> str:
    took = "" if step.took_s is None else f" after {step.took_s:.1f} s"
    reason = f": {step.reason}" if step.reason else ""
    return f"  {step.at:%H:%M:%S}  {step.name}: {step.how}{took}{reason}"


def _ledger(path: Path) -> Ledger | None:
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ledger)
    except (OSError, msgspec.DecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error


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


def _steps(entries: Iterable[Entry]) -> Iterator[Step]:
    begun: dict[str, datetime.datetime] = {}
    first: datetime.datetime | None = None
    for entry in entries:
        if not entry.at:
            continue
        at = datetime.datetime.fromisoformat(entry.at)
        first = first or at
        if entry.event in {"begun", "undoing"}:
            if entry.step in begun and entry.event == "begun":
                yield Step(entry.step, at, (at - first).total_seconds(), _AGAIN)
            begun[entry.step] = at
        elif entry.event in _ENDS:
            since = begun.pop(entry.step, at)
            yield Step(
                name=entry.step or "all",
                at=since,
                after_s=(since - first).total_seconds(),
                how=_ENDS[entry.event],
                took_s=(at - since).total_seconds(),
                reason=entry.reason,
            )
    for name, at in begun.items():
        yield Step(name, at, 0.0 if first is None else (at - first).total_seconds(), _NO_END)
