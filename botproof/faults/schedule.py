"""When things go wrong, drawn from a seed before the run begins. Pure.

Moments are told in updates sent, not in seconds: a slow machine stretches the run, and the same
seed still strikes at the same places of the workload.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

_ACTIVE_SHARE = 0.6
_MOST_WAIT_S = 0.02
_MOST_WAIT_AIMED_S = 0.006


@dataclass(frozen=True, slots=True)
class Strike:
    """SIGKILL for one process: `wait_s` seconds after update number `after` was sent.

    An `aimed` one waits first for a moment at which the bot has something to answer. `victim` is
    the number of the replica, from 0.
    """

    after: int
    wait_s: float
    victim: int = 0
    aimed: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """A trouble holds from update number `begin` until update number `end` was sent."""

    name: str
    begin: int
    end: int


def strikes(seed: int, updates: int, kills: int, victims: int = 1) -> tuple[Strike, ...]:
    """Spread `kills` strikes over `updates` updates, one at random in each equal part.

    Every second one is aimed; the others meet the bot at work, idle or starting, as it comes. The
    short wait on top lets a strike meet any moment of the handling of an update. Raises ValueError
    when there are more kills than updates.
    """
    if not 0 <= kills <= updates:
        raise ValueError(f"{kills} kills over {updates} updates; at most one an update")
    rng = random.Random(f"strikes {seed}")  # noqa: S311 - a schedule, not a secret
    return tuple(
        _strike(
            rng,
            range(number * updates // kills, (number + 1) * updates // kills),
            victims,
            aimed=number % 2 == 1,
        )
        for number in range(kills)
    )


def _strike(rng: random.Random, part: range, victims: int, *, aimed: bool) -> Strike:
    return Strike(
        after=rng.choice(part),
        wait_s=rng.uniform(0, _MOST_WAIT_AIMED_S if aimed else _MOST_WAIT_S),
        victim=rng.randrange(victims),
        aimed=aimed,
    )


def windows(seed: int, updates: int, names: Sequence[str], rounds: int = 3) -> tuple[Window, ...]:
    """Have each of `names` hold `rounds` times, in mixed order, one at a time, with peace between.

    The last window ends before the last update is sent: nothing goes wrong for ever.
    """
    rng = random.Random(f"windows {seed}")  # noqa: S311 - a schedule, not a secret
    order: list[str] = []
    for _ in range(rounds):
        order += rng.sample(list(names), len(names))
    if not order:
        return ()
    part = updates // len(order)
    if part < 2:
        raise ValueError(
            f"{updates} updates are too few for {len(order)} troubles; at least {2 * len(order)}"
        )
    return tuple(_window(rng, name, number * part, part) for number, name in enumerate(order))


def _window(rng: random.Random, name: str, begin: int, part: int) -> Window:
    length = max(1, int(part * _ACTIVE_SHARE))
    start = rng.randrange(begin, max(begin + 1, begin + part - length))
    return Window(name, start, start + length)
