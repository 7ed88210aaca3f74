"""What a memray capture says: the peak, whose it is, and what stayed behind.

Memory belongs to the innermost frame that is neither Python's own nor the import system's: to the
library that asked for it, or whose import asked for it. The line of the project that led there is
kept beside it, so that a new import is found where it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from memray import FileReader

PYTHON = "python"
"""The owner of what the interpreter and the standard library hold for nobody else."""

_INSTALLED = re.compile(r"/(?:site|dist)-packages/([^/]+)")
_STANDARD = re.compile(r"/lib/python3\.\d+/")
_MODULE_END = re.compile(r"(\.cpython-[^.]+)?\.(py|so|pyx)$")

Frame = tuple[str, str, int]
"""Function, file and line, as memray gives them."""


class CaptureError(Exception):
    """A capture cannot be read: the process did not end cleanly, or never ran under memray."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the source with the bytes and allocations that it answers for."""

    place: str
    function: str
    size: int
    allocations: int


@dataclass(slots=True)
class Owner:
    """A library's part of the peak. `lines` are the project's lines that led to it."""

    name: str
    size: int = 0
    allocations: int = 0
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def led_by(self) -> str:
        """The project's line that led to the most of it; empty when none did."""
        return max(self.lines, key=lambda line: self.lines[line], default="")


@dataclass(frozen=True, slots=True)
class Stack:
    """One place of allocation at the peak: its frames, innermost first."""

    frames: tuple[Frame, ...]
    size: int
    allocations: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A process at its peak: bytes, by owner (largest first), and every stack."""

    peak: int
    allocations: int
    owners: Sequence[Owner]
    stacks: Sequence[Stack]


def read_profile(capture: Path, project: str) -> Profile:
    """Read the peak of a capture. Raises CaptureError when it cannot be read or is empty."""
    with _open(capture) as reader:
        stacks = [
            Stack(tuple(record.stack_trace()), record.size, record.n_allocations)
            for record in reader.get_high_watermark_allocation_records(merge_threads=True)
        ]
        total = reader.metadata.total_allocations
    if not stacks:
        raise CaptureError(f"{capture}: holds no allocation: did the process end cleanly?")
    return Profile(
        peak=sum(stack.size for stack in stacks),
        allocations=total,
        owners=_by_owner(stacks, project),
        stacks=stacks,
    )


def survivors(
    capture: Path, project: str, *, begin_ms: int, end_ms: int, most: int = 10
) -> list[Line]:
    """Return what was allocated between two times (epoch ms) and still there at the second, by
    line.

    Largest first. A leak under a steady load is what grows here with the requests.
    """
    with _open(capture) as reader:
        times = [snapshot.time for snapshot in reader.get_memory_snapshots()]
        first = sum(time <= begin_ms for time in times)
        last = sum(time <= end_ms for time in times)
        found: dict[Frame, list[int]] = {}
        for record in reader.get_temporal_allocation_records(merge_threads=True):
            size, count = _left(record.intervals, first, last)
            if size:
                entry = found.setdefault(_line_of(record.stack_trace(), project), [0, 0])
                entry[0] += size
                entry[1] += count
    lines = [Line(place(frame), frame[0], size, count) for frame, (size, count) in found.items()]
    return sorted(lines, key=lambda line: line.size, reverse=True)[:most]


def _left(intervals: Iterable[object], first: int, last: int) -> tuple[int, int]:
    size = count = 0
    for each in intervals:
        made, gone = each.allocated_before_snapshot, each.deallocated_before_snapshot  # type: ignore[attr-defined]  # memray's Interval, declared in its C extension
        if first < made <= last and (gone is None or gone > last):
            size += each.n_bytes  # type: ignore[attr-defined]  # as above
            count += each.n_allocations  # type: ignore[attr-defined]  # as above
    return size, count


def _open(capture: Path) -> FileReader:
    try:
        return FileReader(capture)
    except (OSError, ValueError) as error:
        raise CaptureError(f"{capture}: {error}") from error


def _by_owner(stacks: Iterable[Stack], project: str) -> list[Owner]:
    owners: dict[str, Owner] = {}
    for stack in stacks:
        name = owner_of(stack.frames, project)
        owner = owners.setdefault(name, Owner(name))
        owner.size += stack.size
        owner.allocations += stack.allocations
        line = project_line(stack.frames, project)
        if line:
            owner.lines[line] = owner.lines.get(line, 0) + stack.size
    return sorted(owners.values(), key=lambda owner: owner.size, reverse=True)


def owner_of(frames: Iterable[Frame], project: str) -> str:
    """Tell whose the memory of a stack is: a library's, the project's, or Python's own."""
    return next((owner for owner in (_owner(frame, project) for frame in frames) if owner), PYTHON)


def project_line(frames: Iterable[Frame], project: str) -> str:
    """Return the innermost line of the project in a stack, as `package/module.py:12`;
    empty without."""
    return next((place(frame) for frame in frames if _owner(frame, project) == project), "")


def is_machinery(frame: Frame) -> bool:
    """Tell whether a frame only leads from one module to the next: the import system,
    the profiler."""
    file = frame[1]
    return file.startswith("<frozen") or "/memray/" in file or "/importlib/" in file


def _line_of(frames: Sequence[Frame], project: str) -> Frame:
    """Return the line that answers for an allocation: the project's innermost, else a library's."""
    for frame in frames:
        if _owner(frame, project) == project:
            return frame
    return next((frame for frame in frames if _owner(frame, project)), ("?", PYTHON, 0))


def _owner(frame: Frame, project: str) -> str:
    """Return the top-level package of a frame's file; empty for Python's own files and
    the profiler's."""
    file = frame[1]
    if not file or file.startswith("<"):
        return ""
    installed = _INSTALLED.search(file)
    if installed is not None:
        name = _MODULE_END.sub("", installed[1])
        return "" if name == "memray" else name
    return "" if _STANDARD.search(file) else project


def place(frame: Frame) -> str:
    """Return a frame's file and line, with the packages of the file and no directories
    around them."""
    file = frame[1]
    installed = _INSTALLED.search(file)
    if installed is not None:
        file = file[installed.start(1) :]
    elif Path(file).is_absolute():
        file = _shortened(Path(file))
    return f"{file}:{frame[2]}"


def _shortened(file: Path) -> str:
    """Return a file with its packages, without the directories around them."""
    top = file.parent
    while (top / "__init__.py").exists():
        top = top.parent
    return str(file.relative_to(top))
