"""The double's clock: real time, and a hand that can move it forward.

What waits on it ends early when the clock is moved: no test waits for a retry in real time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

from botproof.doubles.telegram.replies import ControlError

__all__ = ["Clock", "Timer"]


class Timer:
    """Something to be done at a time of the clock."""

    __slots__ = ("callback", "cancelled", "due")

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Not to be done any more."""
        self.cancelled = True


class Clock:
    """Seconds since the epoch, going on with real time, plus what it was moved by."""

    __slots__ = ("_handle", "_loop", "_order", "_start", "_timers", "moved")

    def __init__(self, loop: asyncio.AbstractEventLoop, start: float | None = None) -> None:
        self._loop = loop
        self._start = (time.time() if start is None else start) - time.monotonic()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._handle: asyncio.TimerHandle | None = None
        self.moved = 0.0

    def now(self) -> float:
        """The time, in seconds since the epoch."""
        return self._start + time.monotonic() + self.moved

    def at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call `callback` at `when`, or soon if that has passed."""
        timer = Timer(when, callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        if self._timers[0][2] is timer:
            self._arm()
        return timer

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of this clock."""
        done = asyncio.Event()
        timer = self.at(self.now() + seconds, done.set)
        try:
            await done.wait()
        finally:
            timer.cancel()

    def advance(self, seconds: float) -> None:
        """Move the clock forward; what became due is done at once. ControlError for going back."""
        if seconds < 0:
            raise ControlError(f"the clock only goes forward; asked to move by {seconds} s")
        self.moved += seconds
        self._ring()

    def close(self) -> None:
        """Forget all timers."""
        self._timers.clear()
        if self._handle is not None:
            self._handle.cancel()

    def _arm(self) -> None:
        while self._timers and self._timers[0][2].cancelled:
            heapq.heappop(self._timers)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._timers:
            wait = max(0.0, self._timers[0][0] - self.now())
            self._handle = self._loop.call_later(wait, self._ring)

    def _ring(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.callback()
        self._arm()
