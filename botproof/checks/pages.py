"""What a process says of itself over HTTP, and whether it is so.

A roll-out goes on, and a proxy sends users, as soon as the health check is green: one that is green
before the bot takes updates has them wait, or loses them where the old instance is stopped.
"""

from __future__ import annotations

from collections.abc import Iterator

from botproof.checks.found import Found
from botproof.config import BOT
from botproof.history import History, PortsSeen, ProcessReady, UpdateDelivered, UpdateInjected
from botproof.starvation import Starvation


def ready_too_early(history: History, stack: str, limit: float) -> Iterator[Found]:
    """Say that the first update waited for so long, although the bot had said that it was ready.

    What the machine withheld meanwhile is not counted.
    """
    ready = [each for each in history.of(ProcessReady, stack=stack) if each.process == BOT]
    sent = [each for each in history.of(UpdateInjected, stack=stack) if ready]
    first = next((each for each in sent if each.t >= ready[0].t), None)
    tries = history.of(UpdateDelivered, stack=stack)
    began = [
        each.t - each.duration_s for each in tries if first and each.update_id == first.update_id
    ]
    if first is None or not began:
        return
    waited = min(began) - first.t
    if waited - Starvation.of(history, stack).between(first.t, min(began)) >= limit:
        yield Found(
            first,
            f"bot said that it was ready, and took no update for {waited:.1f} s after that: its "
            "health check is green too early",
        )


def failing_pages(history: History, stack: str) -> Iterator[Found]:
    """Yield the pages that answer with an error of the process's own."""
    for seen in history.of(PortsSeen, stack=stack):
        for page in seen.failing:
            yield Found(seen, f"{page} answers HTTP 500: it fails, and its log says why")
