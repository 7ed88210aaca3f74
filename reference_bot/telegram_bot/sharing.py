"""An answer that several people wait for at the same moment is made once."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Final, Generic, TypeVar

_JOIN_SECONDS: Final = 0.25
"""Who asks later than that after the first one gets an answer of their own: it has all the time
that an answer may take, and figures of its own moment."""
_T = TypeVar("_T")


class Shared(Generic[_T]):
    """Work under way, by what was asked. What it raises, everybody who waits for it gets."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way: dict[Hashable, tuple[asyncio.Task[_T], float]] = {}

    async def get(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Return the result of ``work``, or of the same work that somebody else has just begun.

        Whoever waits may be cancelled: the work goes on for the others.
        """
        now = self._clock()
        found = self._under_way.get(key)
        if found is None or now - found[1] > _JOIN_SECONDS:
            found = asyncio.create_task(work()), now
            self._under_way[key] = found
            found[0].add_done_callback(lambda task: self._ended(key, task))
        return await asyncio.shield(found[0])

    def _ended(self, key: Hashable, task: asyncio.Task[_T]) -> None:
        found = self._under_way.get(key)
        if found is not None and found[0] is task:
            del self._under_way[key]
        if not task.cancelled():
            task.exception()  # whoever waited has it; when nobody does, nobody is to be warned
