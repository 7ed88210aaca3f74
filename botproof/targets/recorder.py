"""Where events come together during a run: to disk at once, and to whoever waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botproof.history import (
    RECORD,
    Event,
    HarnessError,
    History,
    HistoryWriter,
    RunEnded,
    now,
)
from botproof.targets.failures import Failure

Predicate = Callable[[Event], bool]


class Recorder:
    """Keeps every event of a run, writes it down, and hands it to its subscribers."""

    def __init__(self, writer: HistoryWriter | None = None) -> None:
        self._writer = writer
        self.on_unwritable: Callable[[], None] = lambda: None
        """Called once when the record cannot be written any more: the run is worth nothing then."""
        self._events: list[Event] = []
        self._subscribers: dict[asyncio.Queue[Event], Predicate] = {}

    def record(self, event: Event) -> None:
        """Take one event in."""
        self._events.append(event)
        self._write(event)
        for queue, wanted in self._subscribers.items():
            if wanted(event):
                queue.put_nowait(event)

    def end(self) -> None:
        """Take in that the run is over. A record without that counts as cut off."""
        self.record(RunEnded(t=now(), events=len(self._events)))

    def _write(self, event: Event) -> None:
        if self._writer is None:
            return
        try:
            self._writer.write(event)
        except OSError as error:
            self._writer = None
            why = f"{Failure.RECORD_UNWRITABLE.what}: {error.strerror}"
            self.record(HarnessError(t=event.t, where=RECORD, message=why))
            self.on_unwritable()

    def history(self) -> History:
        """Return what has been recorded so far."""
        return History(self._events)

    @contextmanager
    def subscribe(self, wanted: Predicate) -> Iterator[asyncio.Queue[Event]]:
        """Give a queue of the events from now on that `wanted` accepts. Single event loop only."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._subscribers[queue] = wanted
        try:
            yield queue
        finally:
            del self._subscribers[queue]
