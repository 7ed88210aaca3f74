"""A double's clock: real time, and a hand that can move it.

What waits on it ends early when the clock is moved: no test waits for a retry in real time.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

from botproof.doubles.kit.errors import ControlError


class Timer:
    """Something to be done at a time of the clock."""

    __slots__ = ("callback", "cancelled", "due")

    def __init__(self, due: float, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Leave it undone."""
        self.cancelled = True


class Clock:
    """Time since the epoch, going on with real time, plus what it was moved by.

    It counts `per_second`: seconds, or the milliseconds of an exchange. One that `may_go_back` can
    also be set back, or be stopped at a moment: what is a function of time alone does not mind.
    """

    __slots__ = (
        "_handle", "_order", "_per_second", "_start", "_stopped", "_timers", "may_go_back", "moved"
    )  # fmt: skip

    def __init__(
        self, *, per_second: int = 1, stopped_at: float | None = None, may_go_back: bool = False
    ) -> None:
        self._per_second = per_second
        self._stopped = stopped_at
        self._start = time.time() - time.monotonic()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._handle: asyncio.TimerHandle | None = None
        self.may_go_back = may_go_back
        self.moved = 0.0
        """Seconds."""

    def now(self) -> float:
        """Return the time, in what the clock counts."""
        moved = self.moved * self._per_second
        if self._stopped is not None:
            return self._stopped + moved
        return (self._start + time.monotonic()) * self._per_second + moved

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
        timer = self.at(self.now() + seconds * self._per_second, done.set)
        try:
            await done.wait()
        finally:
            timer.cancel()

    def advance(self, seconds: float) -> None:
        """Move the clock; what became due is done at once. Raises ControlError for going back where
        it may not.
        """
        if seconds < 0 and not self.may_go_back:
            raise ControlError(f"the clock only goes forward; asked to move by {seconds} s")
        self.moved += seconds
        self._ring()

    def stop_at(self, moment: float) -> None:
        """Stop at one moment. Raises ControlError where the clock may not go back."""
        if not self.may_go_back:
            raise ControlError('this clock is not stopped; "advance" moves it')
        self._stopped, self.moved = moment, 0.0
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
            wait = max(0.0, self._timers[0][0] - self.now()) / self._per_second
            self._handle = asyncio.get_running_loop().call_later(wait, self._ring)

    def _ring(self) -> None:
        now = self.now()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if not timer.cancelled:
                timer.callback()
        self._arm()
