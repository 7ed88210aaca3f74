"""How many answers are made beside each other while this process has no time for more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from reference_bot.api import BUSY, Missing
from reference_bot.market_data.errors import AnswerError
from reference_bot.market_data.lateness import held_up

__all__ = ["Crowd"]

_LOOKED_BACK: Final = 0.5
"""Seconds, at the least, over which is told how much of its time a process had to spare."""
_NONE_TO_SPARE: Final = 0.9
"""The share of that time from which on it had none: it worked, or waited for a processor."""
_MOST: Final = 2
"""Answers that are made beside each other while there is no time to spare."""


class Crowd:
    """Turns questions away that this process has no time for.

    Where all are let in, none is answered: each gets too little of the processor to end before its
    deadline, is asked of the next venue as well, and what was fetched for it comes to nothing.
    """

    def __init__(self) -> None:
        self._making = 0
        self._since = 0.0
        self._held = 0.0
        self._none_to_spare = False

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count an answer while it is made. Raises AnswerError when there are too many already."""
        if self._look() and self._making >= _MOST:
            said = "there are more questions than this service has time for"
            gap = Missing("service", "market-data", BUSY, said)
            raise AnswerError(503, BUSY, said, missing=(gap,))
        self._making += 1
        try:
            yield
        finally:
            self._making -= 1

    def _look(self) -> bool:
        """Tell whether there is no time to spare, looked at twice a second at the most."""
        now = _now()
        passed = now - self._since
        if passed >= _LOOKED_BACK:
            held = held_up()
            self._none_to_spare = held - self._held >= _NONE_TO_SPARE * passed
            self._since, self._held = now, held
        return self._none_to_spare


def _now() -> float:
    return asyncio.get_running_loop().time()
