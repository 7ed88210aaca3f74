"""Waiting for several things under one deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Hashable, Mapping
from typing import Any, TypeVar

A = TypeVar("A")
B = TypeVar("B")
K = TypeVar("K", bound=Hashable)


class Late(Exception):  # noqa: N818 - a result, not an error: the value of what had not come in time
    """What had not come at the deadline."""


async def together(first: Awaitable[A], second: Awaitable[B]) -> tuple[A, B]:
    """Await two things beside each other; the first failure ends both."""
    one, two = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        mine, yours = await asyncio.gather(one, two)
        return mine, yours
    finally:
        for task in (one, two):
            task.cancel()
        await asyncio.gather(one, two, return_exceptions=True)


async def gather_until(
    deadline: float, parts: Mapping[K, Coroutine[Any, Any, Any]]
) -> dict[K, Any]:
    """Run ``parts`` beside each other until ``deadline`` (the loop's clock).

    Returns, by name, each part's value, the exception that it raised, or `Late`. Nothing is left
    running: what is late is cancelled.
    """
    tasks = {name: asyncio.ensure_future(part) for name, part in parts.items()}
    rest = max(0.0, deadline - asyncio.get_running_loop().time())
    try:
        if tasks:
            await asyncio.wait(tasks.values(), timeout=rest)
        return {name: _outcome(task) for name, task in tasks.items()}
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


def _outcome(task: asyncio.Task[Any]) -> Any:
    if not task.done():
        return Late()
    return task.exception() or task.result()
