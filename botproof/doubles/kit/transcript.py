"""The transcript: everything that happened at a double, in order, bounded in bytes.

Events are encoded when they happen, so that the record costs what it says, and nothing that
changes later can change it. The oldest go when there is no room; readers are told how many.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import time
import traceback
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from botproof.bot_token import IN_TEXT
from botproof.doubles.messages import Request

PAGE_EVENTS = 5_000
TRANSCRIPT_BYTES = 16 * 1024 * 1024
_MOST_SAID = 500  # characters of a failure's own words
_NAMES_OF_SECRETS = re.compile(r"key|sign|secret|token|pass|auth", re.IGNORECASE)
_LEAST_SECRET = 4  # shorter values would turn every other word into "<secret>"
_encode = msgspec.json.Encoder(enc_hook=repr).encode


@dataclass(frozen=True, slots=True)
class Page:
    """Events after a sequence number; `next` is the number to ask after for what follows."""

    events: list[Raw]
    next: int
    dropped: int


class Transcript:
    """Events with `seq` (from 1, without gaps), `t` (seconds, monotonic) and `type`."""

    __slots__ = ("_bytes", "_events", "_last", "_waiting", "limit")

    def __init__(self, limit: int = TRANSCRIPT_BYTES) -> None:
        self.limit = limit
        self._events: deque[bytes] = deque()
        self._bytes = 0
        self._last = 0
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def last(self) -> int:
        """The sequence number of the newest event; 0 before the first."""
        return self._last

    def add(self, kind: str, fields: Mapping[str, object]) -> None:
        """Write down an event that happens now."""
        self._last += 1
        event = _encode({"seq": self._last, "t": time.monotonic(), "type": kind, **fields})
        self._events.append(event)
        self._bytes += len(event)
        while self._bytes > self.limit:
            self._bytes -= len(self._events.popleft())
        if self._waiting:
            self._wake()

    def note_failure(self, request: Request | None, error: Exception) -> None:
        """Write down that the double itself failed, at a request or outside of any: no fault of
        the target's.
        """
        self.add("internal_error", describe_failure(error, request))

    def note_distrust(self, host: str, why: str) -> None:
        """Write down that a client refused the certificate of this host."""
        self.add("distrusted", {"host": host, "why": why})

    def clear(self) -> None:
        """Forget all events; sequence numbers go on."""
        self._events.clear()
        self._bytes = 0

    def after(self, seq: int) -> Page:
        """Return up to 5,000 events that came after `seq`."""
        first = self._last - len(self._events) + 1
        start = max(seq + 1, first, 1)
        found = itertools.islice(self._events, start - first, start - first + PAGE_EVENTS)
        events = [Raw(event) for event in found]
        dropped = min(max(0, start - seq - 1), self._last)
        return Page(events, max(seq, start + len(events) - 1) if events else max(seq, 0), dropped)

    async def wait_after(self, seq: int, timeout: float) -> Page:  # noqa: ASYNC109 - a poll's own limit
        """Return what `after` does; wait up to `timeout` seconds for an event."""
        if self._last <= seq and timeout > 0:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                await asyncio.wait([waiter], timeout=timeout)
            finally:
                self._waiting.discard(waiter)
        return self.after(seq)

    def decoded(self) -> tuple[dict[str, Any], ...]:
        """Return all events that are kept, the oldest first."""
        return tuple(msgspec.json.decode(event) for event in self._events)

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)


def describe_failure(error: Exception, request: Request | None = None) -> dict[str, str]:
    """Return what to write down about a failure inside: `where`, `error` (type and text), `at` (its
    line).

    Bot tokens, and what the request carried under names like "key" or "signature", are left out.
    """
    where = f"{request.method} {request.path}" if request is not None else "its own work"
    frames = traceback.extract_tb(error.__traceback__)
    at = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else "?"
    said = f"{type(error).__name__}: {error}"
    return {
        "where": _without_secrets(where, request),
        "error": _without_secrets(said, request)[:_MOST_SAID],
        "at": at,
    }


def _without_secrets(text: str, request: Request | None) -> str:
    text = IN_TEXT.sub("<token>", text)
    if request is None:
        return text
    for name, value in (*request.headers.items(), *request.query.items()):
        if len(value) >= _LEAST_SECRET and _NAMES_OF_SECRETS.search(name):
            text = text.replace(value, "<secret>")
    return text
