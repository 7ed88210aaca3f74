"""What replicas share of the cache, as the cache sees it: a store that may fail at any moment.

One fetch for many askers holds over replicas, too: who finds nothing in the store and gets the turn
fetches; the others look again every few milliseconds. Nobody depends on the one who has the turn.
After a short patience each fetches as well, beside looking on, and takes what comes first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from reference_bot.market_data.keeping import Entry, Field, Key

T = TypeVar("T")

_LOOK_EVERY: Final = 0.03
_PATIENCE: Final = 0.25
"""Seconds: what an asker loses at the most when the one who has the turn was killed."""


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What a store answers. Without an ``entry``, ``turn`` says who fetches: the asker (``mine``),
    another replica (``taken``), or everybody for himself, because the store cannot tell
    (``unknown``).
    """

    entry: Entry[T] | None = None
    turn: Literal["mine", "taken", "unknown"] = "unknown"


class Store(Protocol):
    """Entries that replicas share. No method raises; an answer comes in a fraction of a second."""

    up: bool
    """Whether it answered when it was last asked."""

    async def take(self, field: Field[T], key: Key, *, least: float, turn: bool = True) -> Found[T]:
        """Return an entry that is good for more than ``least`` seconds, or else whose turn it is.

        Without ``turn`` the asker will not fetch, whatever it finds.
        """

    def put(self, field: Field[T], key: Key, entry: Entry[T]) -> None:
        """Share an entry soon, and give the turn back."""

    def give_back(self, field: Field[Any], key: Key) -> None:
        """Give the turn back soon: the fetch has failed."""

    async def reachable(self) -> bool:
        """Tell whether the store answers."""

    async def close(self) -> None:
        """Let go of it."""


async def in_turn(
    store: Store,
    field: Field[T],
    key: Key,
    make: Callable[[], Awaitable[Entry[T]]],
    *,
    least: float,
) -> Entry[T]:
    """Return an entry that some replica has made, or make it. Raises what ``make`` raises."""
    found = await store.take(field, key, least=least)
    if found.entry is not None:
        return found.entry
    if found.turn != "taken":
        return await _make_and_put(store, field, key, make)
    return await _beside_another(store, field, key, make, least)


async def _make_and_put(
    store: Store, field: Field[T], key: Key, make: Callable[[], Awaitable[Entry[T]]]
) -> Entry[T]:
    try:
        entry = await make()
    except BaseException:  # a cancelled fetch as well: the next replica has the turn
        store.give_back(field, key)
        raise
    store.put(field, key, entry)
    return entry


async def _beside_another(
    store: Store,
    field: Field[T],
    key: Key,
    make: Callable[[], Awaitable[Entry[T]]],
    least: float,
) -> Entry[T]:
    clock = asyncio.get_running_loop().time
    patient_until = clock() + _PATIENCE
    own: asyncio.Task[Entry[T]] | None = None
    try:
        while True:
            if own is None:
                await asyncio.sleep(_LOOK_EVERY)
            else:
                await asyncio.wait({own}, timeout=_LOOK_EVERY)
                if own.done():
                    return own.result()
            found = await store.take(field, key, least=least)
            if found.entry is not None:
                return found.entry
            if own is None and (found.turn != "taken" or clock() >= patient_until):
                own = asyncio.ensure_future(_make_and_put(store, field, key, make))
    finally:
        if own is not None:
            own.cancel()
            await asyncio.gather(own, return_exceptions=True)
