"""Somebody else who uses the bot's token: noticed, told, and not fought for ever."""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

RIVAL_PAUSE: Final = 8.0
_TIMES: Final = 3
_WITHIN_SECONDS: Final = 600.0


class RivalError(Exception):
    """What was set has been changed by somebody else too often; it is left alone for a while."""


class Rivals:
    """Counts how often somebody else has changed what this bot had set.

    Three times in ten minutes are put right; then the bot yields. Of two that set it for each other
    one reaches the limit first, and the other one has it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque()

    def note(self) -> None:
        """Note that somebody else has changed it."""
        self._times.append(self._clock())

    def check(self, what: str) -> None:
        """Raise RivalError when it is to be left as it is."""
        while self._times and self._times[0] <= self._clock() - _WITHIN_SECONDS:
            self._times.popleft()
        if len(self._times) >= _TIMES:
            raise RivalError(
                f"{what}: this bot has put it right {_TIMES} times in ten minutes and leaves it "
                "now; stop the other program, or give one of them another token"
            )
