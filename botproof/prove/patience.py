"""How long a play may take: what the build without the defect took, and what the machine withholds.

A play that hangs has to end, and one that is only slow must not be called so.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from botproof.history import DECODER, Event, History
from botproof.starvation import Starvation

_LEAST_S = 240.0
_TIMES_THE_CONTROL = 4.0
_MOST_GRANTED = 9
_WANTED = (b'{"type":"starved"', b'{"type":"process_started"')


def base_s(control_s: float | None = None) -> float:
    """Return the seconds that a play has on an idle machine. `control_s` is how long the same took
    without a defect; None for that one itself, of which nothing is known yet."""
    if control_s is None:
        return _TIMES_THE_CONTROL * _LEAST_S
    return max(_LEAST_S, _TIMES_THE_CONTROL * control_s)


def allowed_s(base: float, withheld: float) -> float:
    """Return the seconds that it has on this machine: what was withheld on top, up to nine times
    as much."""
    return base + min(withheld, _MOST_GRANTED * base)


def withheld_s(path: Path) -> float:
    """Return how many seconds the machine has withheld from the run of a history that may still be
    written: of stacks beside each other that of the one that lost most. 0 for no history."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]  # the last one may not be whole yet
    except OSError:
        return 0.0
    events: list[Event] = [DECODER.decode(line) for line in lines if line.startswith(_WANTED)]
    history = History(events)
    if not history.events:
        return 0.0
    begin, end = history.events[0].t, history.events[-1].t
    most: defaultdict[float, float] = defaultdict(float)
    for starvation in Starvation.by_stack(history).values():
        for at, figure in starvation.seconds(begin, end):
            most[at] = max(most[at], figure)
    return sum(most.values())
