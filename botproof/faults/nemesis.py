"""Carries out a schedule of faults while the workload goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from botproof.faults.schedule import Strike, Window
from botproof.faults.troubles import Trouble

OnVictim = Callable[[int], Awaitable[None]]
Note = Callable[[Window, str], None]


class Nemesis:
    """Told of each update sent, it strikes and troubles as planned, and puts everything right.

    `aim(victim)` waits for a good moment, a short while at most; `kill(victim)` kills a process and
    starts it again; `note(window, edge)` records a trouble's "begin" and "end".
    """

    def __init__(
        self,
        strikes: Sequence[Strike],
        windows: Sequence[Window],
        *,
        troubles: Mapping[str, Trouble],
        aim: OnVictim,
        kill: OnVictim,
        note: Note,
    ) -> None:
        self._strikes = strikes
        self._windows = windows
        self._troubles = troubles
        self._aim = aim
        self._kill = kill
        self._note = note
        self._sent = 0
        self._moved = asyncio.Condition()

    async def sent(self, number: int) -> None:
        """Note that so many updates have been sent by now."""
        async with self._moved:
            self._sent = number
            self._moved.notify_all()

    async def run(self) -> None:
        """Do all that is planned. Cancelled, it ends the trouble that holds."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._strike_all())
            group.create_task(self._trouble_all())

    async def _strike_all(self) -> None:
        for strike in self._strikes:
            await self._until(strike.after)
            if strike.aimed:
                await self._aim(strike.victim)
            await asyncio.sleep(strike.wait_s)
            await self._kill(strike.victim)

    async def _trouble_all(self) -> None:
        for window in self._windows:
            await self._until(window.begin)
            async with AsyncExitStack() as undo:
                trouble = self._troubles[window.name]
                undo.callback(self._note, window, "end")
                undo.push_async_callback(trouble.end)
                self._note(window, "begin")
                await trouble.begin()
                await self._until(window.end)

    async def _until(self, number: int) -> None:
        async with self._moved:
            await self._moved.wait_for(lambda: self._sent >= number)
