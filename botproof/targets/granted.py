"""A limit of time that a busy machine makes longer: what it withholds is waited for on top.

A target is given so many seconds to do something. Seconds in which the machine let nobody go on are
none of them, so they are added, up to nine times as long as the limit itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, Protocol

from botproof import history

MOST_GRANTED = 9
"""So many times the limit are added at the most, unless said otherwise: a machine that is ten times
slower."""


class Watched(Protocol):
    """Who knows what the machine withholds."""

    @property
    def withheld_s(self) -> float:
        """Seconds that were withheld so far."""


class Unwatched:
    """A machine that nobody measures: nothing is known to be withheld."""

    withheld_s = 0.0


class Granted:
    """`seconds` from now on, and what `watch` says that the machine withholds meanwhile."""

    def __init__(self, watch: Watched, seconds: float, most: float = MOST_GRANTED) -> None:
        self._watch = watch
        self._seconds = seconds
        self._most_s = most * seconds
        self._began = history.now()
        self._before = watch.withheld_s

    @property
    def withheld_s(self) -> float:
        """Seconds that the machine has withheld since the limit was set."""
        return self._watch.withheld_s - self._before

    @property
    def took_s(self) -> float:
        """Seconds that have passed, without those that are added to the limit."""
        added = min(self.withheld_s, self._most_s)
        return max(0.0, history.now() - self._began - added)

    @property
    def left_s(self) -> float:
        """Seconds that are left; 0 when the time is up."""
        return max(0.0, self._seconds - self.took_s)

    async def wait(self, met: Callable[[], bool], more: Callable[[], Awaitable[object]]) -> bool:
        """Wait until `met` says so; tell whether it did. `more` waits for what may change that."""
        while not met():
            if not self.left_s:
                return False
            with suppress(TimeoutError):
                async with asyncio.timeout(self.left_s):
                    await more()
        return True


async def granted_to(
    waited: Collection[asyncio.Future[Any]], watch: Watched, seconds: float
) -> bool:
    """Wait until one of these is done, or the limit is over; tell whether one is."""
    limit = Granted(watch, seconds)
    while not any(each.done() for each in waited) and limit.left_s:
        await asyncio.wait(waited, timeout=limit.left_s, return_when=asyncio.FIRST_COMPLETED)
    return any(each.done() for each in waited)
