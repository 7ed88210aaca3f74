"""The slots of the clock: one round of auto-signals each. Pure: time is passed in.

A slot is named by the second it begins at (epoch), a multiple of the interval. So every process
that ever asks gives a moment the same slot: a restart neither skips one nor makes one twice.
"""

import math


def slot_at(now: float, interval: int) -> int:
    """Return the slot that ``now`` (epoch seconds) lies in; ``interval`` in seconds.

    >>> slot_at(7199.9, 3600), slot_at(7200.0, 3600)
    (3600, 7200)
    """
    second = math.floor(now)
    return second - second % interval


def until_next(now: float, interval: int) -> float:
    """Return seconds from ``now`` to the next slot: more than 0, at most ``interval``."""
    return slot_at(now, interval) + interval - now
