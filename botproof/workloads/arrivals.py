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
    """Yield intended send times, in seconds from the start, without end and never decreasing.

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


def bursts(quiet: float, peak: float, *, every_s: float, length_s: float) -> Iterator[float]:
    """Yield intended send times of a load that comes in bursts: `peak` requests a second for
    `length_s` at the end of every period of `every_s`, `quiet` requests a second in between.

    Raises ValueError unless both rates are above zero and a burst is shorter than its period.
    """
    if not (quiet > 0 and peak > 0):
        raise ValueError(f"the rates are {quiet} and {peak}; both must be above 0 a second")
    if not 0 < length_s < every_s:
        raise ValueError(f"a burst of {length_s} s does not fit into a period of {every_s} s")
    return _bursts(quiet, peak, every_s, length_s)


def _bursts(quiet: float, peak: float, every_s: float, length_s: float) -> Iterator[float]:
    calm_s = every_s - length_s
    calm, rush = round(calm_s * quiet), round(length_s * peak)
    period = 0
    while True:
        start = period * every_s
        yield from (start + number / quiet for number in range(calm))
        yield from (start + calm_s + number / peak for number in range(rush))
        period += 1


def in_burst(due: float, *, every_s: float, length_s: float) -> bool:
    """Tell whether an arrival of `bursts`, in seconds from the start, belongs to a burst."""
    return due % every_s >= every_s - length_s
