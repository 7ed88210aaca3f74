"""Answers kept for as long as their field allows, and one fetch for many askers.

A `Field` states its lifetime; nothing is kept without one.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

__all__ = ["Cache", "Entry", "Field"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """One kind of thing that is kept: how long, in seconds, or a function of the value."""

    name: str
    lifetime: float | Callable[[T], float]

    def lifetime_of(self, value: T) -> float:
        """Return how many seconds the value is good for."""
        return self.lifetime(value) if callable(self.lifetime) else self.lifetime


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A value, and until when (by the cache's clock) it may be given out."""

    value: T
    stored: float
    expires: float


class Cache:
    """In memory, bounded, least recently used out first. Safe within one event loop.

    ``get`` shares one fetch between all who ask while it runs. A fetch is not cancelled when an
    asker leaves: the next one profits. Failures are not kept.
    """

    def __init__(self, *, size: int = 4096, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[tuple[str, ...], Entry[Any]] = OrderedDict()
        self._flights: dict[tuple[str, ...], asyncio.Task[Entry[Any]]] = {}
        self.hits = 0
        self.misses = 0

    async def get(
        self, field: Field[T], key: tuple[str, ...], fetch: Callable[[], Awaitable[T]]
    ) -> Entry[T]:
        """Return what is kept under ``key``, or fetch it. Raises what ``fetch`` raises."""
        full = (field.name, *key)
        kept = self._entries.get(full)
        if kept is not None and self._clock() < kept.expires:
            self.hits += 1
            self._entries.move_to_end(full)
            return cast("Entry[T]", kept)
        flight = self._flights.get(full)
        if flight is None:
            self.misses += 1
            flight = asyncio.ensure_future(self._fetch(field, full, fetch))
            self._flights[full] = flight
            flight.add_done_callback(lambda done: self._landed(full, done))
        return cast("Entry[T]", await asyncio.shield(flight))

    async def _fetch(
        self, field: Field[T], full: tuple[str, ...], fetch: Callable[[], Awaitable[T]]
    ) -> Entry[T]:
        value = await fetch()
        now = self._clock()
        entry = Entry(value, now, now + field.lifetime_of(value))
        self._entries[full] = entry
        self._entries.move_to_end(full)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
        return entry

    def _landed(self, full: tuple[str, ...], flight: asyncio.Task[Entry[Any]]) -> None:
        self._flights.pop(full, None)
        if not flight.cancelled():
            flight.exception()  # all askers may have left: the failure counts as seen

    def now(self) -> float:
        """Return the cache's time: what `Entry.expires` is measured in."""
        return self._clock()

    async def close(self) -> None:
        """End the fetches that still run."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
