"""The record itself: all its events in order, written to a file and read back."""

from __future__ import annotations

import fcntl
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self, TypeVar

import msgspec

from botproof.history import findings, processes, run, traffic
from botproof.history.findings import ConversationsCompared, Degraded, SignalSeen, SignalsWatched
from botproof.history.processes import Vanished
from botproof.history.run import (
    FORMAT,
    WITHOUT_END,
    Event,
    FreshStart,
    HarnessError,
    Phase,
    PlayedOver,
    Run,
    RunEnded,
    Trial,
    Withheld,
)
from botproof.history.traffic import UpdateConfirmed
from botproof.problems import UsageError

EVENT_TYPES: Final[tuple[type[Event], ...]] = tuple(
    kind
    for module in (run, processes, traffic, findings)
    for kind in vars(module).values()
    if isinstance(kind, type) and Event in kind.__bases__
)
E = TypeVar("E", bound=Event)
_FOUND_BY: Final[Mapping[type[Event], str]] = {
    ConversationsCompared: "conversations",
    Degraded: "degradation",
    SignalSeen: "signals",
    SignalsWatched: "signals",
}
"""What is recorded of trials whose stacks nobody else hears of, and for which check."""
RECORD: Final = "history"
"""Where the harness failed (`HarnessError.where`) when the record is not whole."""
INTERRUPTED: Final = "interrupted"
"""Where it failed when a signal ended the run."""
_ENCODER = msgspec.json.Encoder()
DECODER: Final[msgspec.json.Decoder[Event]] = msgspec.json.Decoder(reduce(or_, EVENT_TYPES))
"""Decodes one line of a history, without the line end."""


class HistoryError(UsageError):
    """A history file cannot be read. Names the file, the line and what is wrong with it."""


class History:
    """A run's events, sorted by time. Iterable; `of` selects by type, stack and mode."""

    __slots__ = ("_by_type", "events")

    def __init__(self, events: Iterable[Event]) -> None:
        self.events: tuple[Event, ...] = tuple(sorted(events, key=lambda event: event.t))
        self._by_type: dict[type[Event], list[Event]] = {}
        for event in self.events:
            self._by_type.setdefault(type(event), []).append(event)

    def __iter__(self) -> Iterator[Event]:
        return iter(self.events)

    def __len__(self) -> int:
        return len(self.events)

    def of(self, kind: type[E], *, stack: str | None = None, mode: str | None = None) -> list[E]:
        """Return events of one type in order of time, of one stack or mode when named."""
        chosen = self._by_type.get(kind, [])
        return [
            event
            for event in chosen
            if isinstance(event, kind)
            and (stack is None or event.stack == stack)
            and (mode is None or event.mode == mode)
        ]

    def spans(self, phase: str, stack: str) -> list[tuple[float, float]]:
        """Return begin and end of each time that a stack was in a phase, up to its end."""
        marks = [each for each in self.of(Phase, stack=stack) if each.name == phase]
        begins = [each.t for each in marks if each.edge == "begin"]
        ends = [each.t for each in marks if each.edge == "end"]
        return list(zip(begins, ends, strict=False))

    def latest(self) -> History:
        """Return the record without what was played over: of trials their last playing."""
        over = {event.check: event.t for event in self.of(PlayedOver)}
        if not over:
            return self
        trials = {event.stack: event.check for event in self.of(Trial)}

        def check_of(event: Event) -> str:
            if isinstance(event, Withheld):
                return event.check
            return trials.get(event.stack, "") or _FOUND_BY.get(type(event), "")

        return History(
            event for event in self.events if event.t >= over.get(check_of(event), event.t)
        )

    def counted(self) -> History:
        """Return what is judged: without what a stack did before its last fresh start, and without
        the trials, which are for one check each. That the harness failed in one concerns all."""
        latest = self.latest()
        trials = {event.stack for event in latest.of(Trial)}
        return _chosen(
            latest,
            lambda event: event.stack not in trials or isinstance(event, HarnessError),
        )

    def for_check(self, check: str) -> History:
        """Return what one check looks at: its own trials where the run has any, else
        all but trials."""
        latest = self.latest()
        trials = {event.stack for event in latest.of(Trial) if event.check == check}
        if not trials:
            return latest.counted()
        return _chosen(latest, lambda event: event.stack in trials or isinstance(event, Run))

    @property
    def run(self) -> Run | None:
        """The metadata of the run; None for a hand-written history without it."""
        runs = self.of(Run)
        return runs[0] if runs else None

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that were to be run; none for a history without its first line."""
        return self.run.modes if self.run is not None else ()

    def modes_without(self, seen: Iterable[str]) -> list[str]:
        """Return the modes that were to be run and of which none of these stacks is."""
        return sorted(set(self.modes) - {self.mode_of(stack) for stack in seen})

    @property
    def broken_off(self) -> str:
        """Why this record holds a part of its run only; "" for a whole one."""
        return self._failure_of(RECORD)

    @property
    def interrupted(self) -> str:
        """Which signal ended this run, in words; "" where none did."""
        return self._failure_of(INTERRUPTED)

    def _failure_of(self, where: str) -> str:
        errors = self.of(HarnessError)
        return next((error.message for error in errors if error.where == where), "")

    def confirmed(self, stack: str) -> dict[int, float]:
        """Return when each update of a stack was confirmed to Telegram, by its id."""
        found: dict[int, float] = {}
        for event in self.of(UpdateConfirmed, stack=stack):
            for update_id in event.update_ids:
                found.setdefault(update_id, event.t)
        return found

    @property
    def stacks(self) -> list[str]:
        """Names of the stacks of this record, in the order in which they first appear.

        A stack of another record, of which only crashes are told here, is none of them.
        """
        told = (e.stack for e in self.events if e.stack and not isinstance(e, Vanished))
        return list(dict.fromkeys(told))

    @property
    def stacks_elsewhere(self) -> list[str]:
        """Names of the stacks of another record (the conversations') of which crashes are told."""
        mentioned = dict.fromkeys(event.stack for event in self.of(Vanished))
        return [stack for stack in mentioned if stack not in self.stacks]

    def mode_of(self, stack: str) -> str:
        """Return the mode of a stack; the stack's own name when no event says it."""
        return next((e.mode for e in self.events if e.stack == stack and e.mode), stack)


def _chosen(history: History, wanted: Callable[[Event], bool]) -> History:
    starts = {event.stack: event.t for event in history.of(FreshStart)}
    if not starts and not history.of(Trial):
        return history
    return History(
        event
        for event in history.events
        if (event.t >= starts.get(event.stack, event.t) or isinstance(event, FreshStart | Trial))
        and wanted(event)
    )


class HistoryWriter:
    """Appends events to a JSON-lines file. Every line is on its way to disk when `write` returns,
    so that a run that is cut off leaves what it saw."""

    def __init__(self, path: Path) -> None:
        """Begin the file anew. Raises OSError: it cannot be written, or is being written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        try:
            _take(self._file)
            self._file.truncate(0)
        except OSError:
            self._file.close()
            raise

    def write(self, event: Event) -> None:
        """Append one event. Raises OSError when the disk takes no more."""
        left = memoryview(_ENCODER.encode(event) + b"\n")
        while left:  # a disk that is nearly full takes a part
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """Close the file; writing afterwards raises ValueError."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _take(file: IO[bytes]) -> None:
    """Let nobody else write this file until it is closed. Raises OSError where somebody does."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OSError(error.errno, "another run is writing it") from error
    except OSError:
        return  # a file system without locks


def encode(event: Event) -> bytes:
    """Return one event as a line of a history, without the line end."""
    return _ENCODER.encode(event)


def read_history(path: Path) -> History:
    """Read a history file.

    A record that was cut off (the harness was killed, the disk was full) gets a `HarnessError`
    event for what it lacks, so that the verdict over it is ERROR; one of the format before, which
    had no end, only where its last line stops in the middle. Raises HistoryError for a file that
    is missing, empty, or holds a line that is no event.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise HistoryError(f"{path}: cannot be read: {error.strerror}") from error
    if not raw.strip():
        raise HistoryError(f"{path}: is empty; a history starts with a line of type 'run'")
    events = list(_decode_lines(path, raw.split(b"\n")))
    _check_format(path, events)
    record = History(events)
    lacks = "" if record.broken_off else _lacks(events)
    if not lacks:
        return record
    said = HarnessError(t=record.events[-1].t, where=RECORD, message=lacks)
    return History([*record.events, said])


def _lacks(events: Sequence[Event]) -> str:
    """Return in what way these are not all lines of a record; "" where they are, or the record is
    of the format that cannot tell."""
    first, last, count = events[0], events[-1], len(events)
    if isinstance(first, Run) and first.format == WITHOUT_END:
        return ""
    if isinstance(last, RunEnded) and last.events == count - 1:
        return ""
    ends = [event for event in events if isinstance(event, RunEnded)]
    if not ends:
        return (
            f"the record breaks off after {count:,} lines, without its end: the harness was "
            "killed, or the disk was full"
        )
    return (
        f"the record has {count:,} lines and ended with {ends[0].events + 1:,}: somebody took "
        "lines out or added some"
    )


def _decode_lines(path: Path, lines: Sequence[bytes]) -> Iterator[Event]:
    last_t = 0.0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event: Event = DECODER.decode(line)
        except msgspec.ValidationError as error:
            raise HistoryError(f"{path}, line {number}: {_explain(error)}") from error
        except msgspec.DecodeError as error:
            if number == len(lines):  # the writer ends each line, so this one is incomplete
                yield HarnessError(
                    t=last_t,
                    where=RECORD,
                    message=f"the record breaks off in line {number}: the harness was killed",
                )
                return
            raise HistoryError(f"{path}, line {number}: is not JSON: {error}") from error
        last_t = event.t
        yield event


def _explain(error: msgspec.ValidationError) -> str:
    text = str(error)
    if text.startswith("Invalid value") and "$.type" in text:
        known = ", ".join(sorted(str(kind.__struct_config__.tag) for kind in EVENT_TYPES))
        return f"{text}; known types: {known}"
    return text


def _check_format(path: Path, events: Sequence[Event]) -> None:
    first = events[0]
    if not isinstance(first, Run):
        tag = type(first).__struct_config__.tag
        raise HistoryError(f"{path}, line 1: is of type {tag!r}; a history starts with type 'run'")
    if first.format not in (WITHOUT_END, FORMAT):
        raise HistoryError(
            f"{path}, line 1: is in format {first.format}; this botproof reads the formats "
            f"{WITHOUT_END} and {FORMAT}"
        )


def now() -> float:
    """Return the clock of histories: seconds of the machine's monotonic clock."""
    return time.monotonic()


def describe_exit(code: int | None) -> str:
    """Return an exit code in words: "exit code 1", "signal SIGKILL"."""
    if code is None:
        return "no exit code"
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
