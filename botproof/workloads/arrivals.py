"""When requests are due: an open-loop schedule, fixed before the first answer is known.

A closed loop waits for a slow answer before it asks again: a server that freezes for three seconds
costs it one slow sample and hides the hundreds that real users would have suffered ("coordinated
omission", Gil Tene). Here every arrival has its intended time, and latency counts from that.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Literal

Kind = Literal["constant", "poisson"]


def arrivals(rate: float, kind: Kind = "constant", seed: int = 0) -> Iterator[float]:
    """Intended send times, in seconds from the start, without end and never decreasing.

    `rate` is in requests a second. `constant` spaces them evenly; `poisson` draws exponential gaps
    with the mean 1/rate from `seed`, as independent users would arrive. Raises ValueError unless
    the rate is above zero.
    """
    if not rate > 0:
        raise ValueError(f"the rate is {rate}; it must be above 0 requests a second")
    return _constant(rate) if kind == "constant" else _poisson(rate, random.Random(seed))  # noqa: S311 - a schedule, not a secret


def _constant(rate: float) -> Iterator[float]:
    number = 0
    while True:
        yield number / rate  # not a running sum: rounding errors would add up over a soak
        number += 1


def _poisson(rate: float, rng: random.Random) -> Iterator[float]:
    due = 0.0
    while True:
        due += rng.expovariate(rate)
        yield due
