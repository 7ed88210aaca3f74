"""The transcript: everything that happened at the double, in order, bounded in bytes.

Events are encoded when they happen, so that the record costs what it says, and nothing that
changes later can change it. The oldest go when there is no room; readers are told how many.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec import Raw

__all__ = ["Page", "Transcript"]

PAGE_EVENTS = 5_000
_encode = msgspec.json.Encoder(enc_hook=repr).encode


@dataclass(frozen=True, slots=True)
class Page:
    """Events after a sequence number; `next` is the number to ask after for what follows."""

    events: list[Raw]
    next: int
    dropped: int


class Transcript:
    """Events with `seq` (from 1, without gaps), `t` (seconds, monotonic), `type`, `token`."""

    __slots__ = ("_bytes", "_events", "_last", "_waiting", "limit")

    def __init__(self, limit: int = 16 * 1024 * 1024) -> None:
        self.limit = limit
        self._events: deque[bytes] = deque()
        self._bytes = 0
        self._last = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def last(self) -> int:
        """The sequence number of the newest event; 0 before the first."""
        return self._last

    def add(self, t: float, kind: str, token: str | None, fields: Mapping[str, object]) -> None:
        """Write down an event."""
        self._last += 1
        event = _encode({"seq": self._last, "t": t, "type": kind, "token": token, **fields})
        self._events.append(event)
        self._bytes += len(event)
        while self._bytes > self.limit:
            self._bytes -= len(self._events.popleft())
        if self._waiting:
            self._wake()

    def clear(self) -> None:
        """Forget all events; sequence numbers go on."""
        self._events.clear()
        self._bytes = 0

    def after(self, seq: int) -> Page:
        """Up to 5,000 events that came after `seq`."""
        first = self._last - len(self._events) + 1
        start = max(seq + 1, first, 1)
        found = itertools.islice(self._events, start - first, start - first + PAGE_EVENTS)
        events = [Raw(event) for event in found]
        dropped = min(max(0, start - seq - 1), self._last)
        return Page(events, max(seq, start + len(events) - 1) if events else max(seq, 0), dropped)

    async def wait_after(self, seq: int, timeout: float) -> Page:  # noqa: ASYNC109 - a poll's own limit
        """As `after`; waits up to `timeout` seconds for an event."""
        if self._last <= seq and timeout > 0:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await asyncio.wait([waiter], timeout=timeout)
            finally:
                self._waiting.discard(waiter)
        return self.after(seq)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
