"""What happens by itself at a time: polls close, bans and live locations end.

`plan` notes it, and the kind's handler does it when the time comes. A handler looks again whether
it still holds: a ban may have been lifted, a poll stopped, a message deleted meanwhile.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from botproof.doubles.telegram.context import Core, Turn
from botproof.doubles.telegram.world import Bot

HANDLERS: dict[str, Callable[..., None]] = {}
"""By kind: `handler(turn, *about)`. The modules that keep the state put theirs here."""


def plan(core: Core, bot: Bot, when: float, kind: str, *about: object) -> None:
    """Have `HANDLERS[kind](turn, *about)` called at `when`."""
    bot.planned += 1
    heapq.heappush(bot.agenda, (when, bot.planned, kind, about))
    core.timers_moved = True


def due(bot: Bot) -> float | None:
    """Return when the next thing happens."""
    return bot.agenda[0][0] if bot.agenda else None


def run(core: Core, bot: Bot, now: float) -> None:
    """Do what has become due by `now`, each at its own time."""
    while bot.agenda and bot.agenda[0][0] <= now:
        when, _, kind, about = heapq.heappop(bot.agenda)
        HANDLERS[kind](Turn(core, bot, max(when, 0.0)), *about)
        core.timers_moved = True
