"""How many answers are made beside each other while this process has no time for more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from reference_bot.api import BUSY, Missing
from reference_bot.market_data.errors import AnswerError
from reference_bot.market_data.lateness import held_up

_LOOKED_BACK: Final = 0.5
"""Seconds, at the least, over which is told how much of its time a process had to spare."""
_NONE_TO_SPARE: Final = 0.9
"""The share of that time from which on it had none: it worked, or waited for a processor."""
_MOST: Final = 2
"""Answers that are made beside each other while there is no time to spare."""
_PATIENCE: Final = 1.0
"""Seconds that a question waits for its turn: of the 1.5 that an answer has, it needs some, too."""


class Crowd:
    """Lets questions wait that this process has no time for, and turns away who waited too long.

    Where all are let in, none is answered: each gets too little of the processor to end before its
    deadline, is asked of the next venue as well, and what was fetched for it comes to nothing.
    """

    def __init__(self) -> None:
        self._making = 0
        self._since = 0.0
        self._held = 0.0
        self._none_to_spare = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Count an answer while it is made. Raises AnswerError when its turn does not come."""
        if self._look() and self._making >= _MOST:
            await self._turn()
        self._making += 1
        try:
            yield
        finally:
            self._making -= 1
            if self._waiting:
                self._waiting.popleft().set_result(None)

    async def _turn(self) -> None:
        """Wait until another answer ends."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait({turn}, timeout=_PATIENCE)
        finally:  # also for who goes away meanwhile: a turn that nobody takes would be lost
            if turn in self._waiting:
                self._waiting.remove(turn)
        if not turn.done():
            said = "there are more questions than this service has time for"
            gap = Missing("service", "market-data", BUSY, said)
            raise AnswerError(503, BUSY, said, missing=(gap,))

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
