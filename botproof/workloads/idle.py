"""The first question after a while, and old figures: in the modes that have no bad times.

Whoever asks first after a while may wait for what was closed meanwhile: a connection, a pool, a
sleeping process. Then no exchange answers, until what the bot remembers is old: that it says so is
asked in each mode, as each may write its answers itself. `checks/degradation.py` judges.
"""

from __future__ import annotations

import asyncio

from botproof import history
from botproof.checks.figures import labelled
from botproof.starvation import CASE_S
from botproof.targets.stack import Surroundings
from botproof.workloads.degradation import BadTimes, degradation_trial
from botproof.workloads.exchange_troubles import GONE

_IDLE_S = 6.0
"""Longer than the five seconds after which many a server and client close a connection."""
_TIMES = 3
_IDLE = f"nobody has asked anything for {_IDLE_S:g} s"


async def idle_trial(around: Surroundings, mode: str) -> None:
    """Play it in a stack of its own; recorded is what came of each question."""
    await degradation_trial(around, mode, "idle", IdleTimes)


class IdleTimes(BadTimes):
    """Asks what needs an exchange, one of it after a while, and all while no exchange answers."""

    async def times(self) -> None:
        """Play it all."""
        questions = await self._choose()
        self._stack.say(
            f"degradation: {len(questions)} questions, after a while and by old figures"
        )
        if not questions:
            return
        await self._after_a_while(max(questions, key=self._lines))
        self._good_at = began = history.now()
        fault, way = list(GONE.items())[-1]
        async with self._stack.exchanges().with_faults([{"venue": "*", **way}]):
            await asyncio.sleep(max(0.0, began + self.fresh_s - history.now()))
            await self._beside(questions, "gone", fault)

    async def _after_a_while(self, text: str) -> None:
        """Ask once nobody has asked for a while; again after a while where that was starved."""
        for _ in range(_TIMES):
            await asyncio.sleep(_IDLE_S)
            came = await self._ask([(text, "idle", _IDLE)])
            if came[0].withheld_s < CASE_S:
                break
        self._played += came

    def _lines(self, text: str) -> int:
        return len(list(labelled(self._clean[text])))
