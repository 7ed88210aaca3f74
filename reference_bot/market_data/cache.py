"""Answers kept for as long as their field allows, and one fetch for many askers.

A `Field` states its lifetime, and for how long after that a kept value may still be given while a
new one is fetched (stale-while-revalidate). Nothing is kept without one.
"""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final, TypeVar, cast

from reference_bot.market_data.keeping import Entry, Field, Key
from reference_bot.market_data.limits import REFRESH, haste
from reference_bot.market_data.shared import Store, in_turn

T = TypeVar("T")

_MOST_REFRESHES: Final = 64
_SWEEP_EVERY: Final = 10.0
_TRY_AGAIN: Final = 5.0
"""Seconds until a stale_if_error field's refresh is tried again after one that failed."""


class _Oldest:
    """When the oldest dated value came that a running fetch was made of."""

    __slots__ = ("stored",)

    def __init__(self) -> None:
        self.stored = math.inf


_made_of: ContextVar[_Oldest | None] = ContextVar("made_of", default=None)


class Cache:
    """In memory, bounded, least recently used out first. Safe within one event loop.

    What may not be given again is forgotten within ten seconds of the next fetch: candles of
    symbols that nobody asks for any more would be most of what is kept.

    ``get`` shares one fetch between all who ask while it runs. A fetch is not cancelled when an
    asker leaves: the next one profits. Failures are not kept, but those that a field remembers:
    what a venue does not have. With a ``store`` the entries of
    fields that have a shape are shared with other replicas.
    """

    def __init__(
        self,
        *,
        size: int = 4096,
        clock: Callable[[], float] = time.monotonic,
        store: Store | None = None,
    ) -> None:
        self.store = store
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[Key, Entry[Any]] = OrderedDict()
        self._flights: dict[Key, asyncio.Task[Entry[Any]]] = {}
        self._lacking: dict[Key, tuple[float, BaseException]] = {}
        self._refreshes = 0
        self._swept = clock()
        self.hits = 0
        self.misses = 0
        self.stale = 0

    async def get(self, field: Field[T], key: Key, fetch: Callable[[], Awaitable[T]]) -> Entry[T]:
        """Return what is kept under ``key``, or fetch it. Raises what ``fetch`` raises."""
        full = (field.name, *key)
        entry = self._kept(field, full, fetch)
        if entry is None:
            self._raise_lacking(full)
            entry = cast("Entry[T]", await asyncio.shield(self._flight(field, full, fetch)))
            if entry.stale:  # another replica's
                self._refresh(field, full, fetch, entry)
        _note(field, entry)
        return entry

    def _raise_lacking(self, full: Key) -> None:
        """Raise again what is remembered of a fetch that failed."""
        until, failure = self._lacking.get(full, (0.0, None))
        if failure is None:
            return
        if self._clock() < until:
            raise failure.with_traceback(None)
        del self._lacking[full]

    def _kept(
        self, field: Field[T], full: Key, fetch: Callable[[], Awaitable[T]]
    ) -> Entry[T] | None:
        """Return what may be given now; if that is stale, its successor is being fetched."""
        kept = cast("Entry[T] | None", self._entries.get(full))
        now = self._clock()
        if kept is None or now >= max(kept.expires, kept.until):
            return None
        if now < kept.expires:
            self.hits += 1
            self._entries.move_to_end(full)
            return kept
        if kept.failed_at is not None and not field.stale_if_error:
            return None  # a fresh value of another venue comes before a stale one of this
        self._refresh(field, full, fetch, kept)
        self.stale += 1
        return replace(kept, stale=True)

    def _refresh(
        self, field: Field[T], full: Key, fetch: Callable[[], Awaitable[T]], kept: Entry[T]
    ) -> None:
        waits = kept.failed_at is not None and self._clock() < kept.failed_at + _TRY_AGAIN
        if full in self._flights or waits or self._refreshes >= _MOST_REFRESHES:
            return
        self._refreshes += 1
        unhurried = haste.set(REFRESH)  # tasks begin with a copy of what is set
        try:
            self._flight(field, full, fetch).add_done_callback(self._refreshed)
        finally:
            haste.reset(unhurried)

    def _refreshed(self, _: asyncio.Task[Entry[Any]]) -> None:
        self._refreshes -= 1

    def _flight(
        self, field: Field[T], full: Key, fetch: Callable[[], Awaitable[T]]
    ) -> asyncio.Task[Entry[Any]]:
        """Return the fetch that runs, or begin one."""
        flight = self._flights.get(full)
        if flight is None:
            self.misses += 1
            flight = asyncio.ensure_future(self._fetch(field, full, fetch))
            self._flights[full] = flight
            flight.add_done_callback(lambda done: self._landed(field, full, done))
        return flight

    async def _fetch(
        self, field: Field[T], full: Key, fetch: Callable[[], Awaitable[T]]
    ) -> Entry[T]:
        if self.store is None or field.shape is None:
            entry = await self._made(field, fetch)
        else:
            least = self._least(self._entries.get(full))
            make = functools.partial(self._made, field, fetch)
            entry = await in_turn(self.store, field, full[1:], make, least=least)
        self._keep(full, entry)
        return entry

    def _least(self, kept: Entry[Any] | None) -> float:
        """Return how long a shared entry must be good for: who has a stale one wants it fresh."""
        if kept is None or self._clock() >= kept.until:
            return 0.0
        return kept.until - kept.expires

    async def _made(self, field: Field[T], fetch: Callable[[], Awaitable[T]]) -> Entry[T]:
        """Fetch; the value is as old as the oldest kept one that it was made of."""
        made_of = _Oldest()
        _made_of.set(made_of)  # of this task alone: contexts are copied
        value = await fetch()
        now = self._clock()
        expires = now + field.lifetime_of(value)
        return Entry(value, min(now, made_of.stored), expires, expires + field.stale_of(value))

    def _keep(self, full: Key, entry: Entry[Any]) -> None:
        self._entries[full] = entry
        self._entries.move_to_end(full)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)
        self._sweep(self._clock())

    def _sweep(self, now: float) -> None:
        if now < self._swept + _SWEEP_EVERY:
            return
        self._swept = now
        past = [key for key, kept in self._entries.items() if now >= max(kept.expires, kept.until)]
        for key in past:
            del self._entries[key]
        for key in [key for key, (until, _) in self._lacking.items() if now >= until]:
            del self._lacking[key]

    def kept(self) -> int:
        """Return how many values are kept."""
        return len(self._entries)

    def _landed(self, field: Field[Any], full: Key, flight: asyncio.Task[Entry[Any]]) -> None:
        self._flights.pop(full, None)
        # all askers may have left: the failure counts as seen
        failure = None if flight.cancelled() else flight.exception()
        if failure is None:
            return
        seconds = field.lacking(failure)
        if seconds > 0 and len(self._lacking) < self._size:
            self._lacking[full] = (self._clock() + seconds, failure)
        kept = self._entries.get(full)
        if kept is not None:
            self._entries[full] = replace(kept, failed_at=self._clock())

    def now(self) -> float:
        """Return the cache's time: what an `Entry`'s times are measured in."""
        return self._clock()

    async def close(self) -> None:
        """End the fetches that still run."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        if self.store is not None:
            await self.store.close()


def _note(field: Field[Any], entry: Entry[Any]) -> None:
    made_of = _made_of.get()
    if made_of is not None and field.dated:
        made_of.stored = min(made_of.stored, entry.stored)
