"""Starvation: how many seconds the machine kept the harness and the target from running.

Pure, over the `Starved` samples of a history. A figure for any stretch of time: of each sample, the
seconds in which the chain from the user to the answer could have gone on and was not let: the
harness's timers fired late, or a process of the chain (target, doubles, harness, load generator)
waited for a processor or a disk, or a hypervisor kept the processors. Waits of processes that
follow each other in the chain add up; more than the sample's own time cannot have been lost.

The target's own burning is no starvation. Where it used more of the processors than all others
together, what waited did so because of the target, and the figure is 0.

A stretch of a load is *starved throughout* when three quarters of it were withheld. That is asked
more strictly, because such stretches are left out of what is judged: a target that itself took a
quarter of the processors meanwhile, or that itself waited for a disk, is not excused.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from botproof.history import TARGETS, History, ProcessStarted, Starved

CASE_S = 0.25
"""Of a case: more than this spoils what was said. The deadline of the reference service's venue
calls is 1.5 s, its other times are above this, and an idle machine stays below a fifth of it."""
STRETCH_BY = 10.0
"""What is said has to come out the same on a machine that is this much slower."""

KEPT = "the machine kept the run from going on"
"""How a check names the machine as its reason, in its measurement."""

_MOST_OWN = 0.5
_THROUGHOUT = 0.75
"""Of a stretch. Good builds lacked what came too late at 0.75 and more, and never below 0.5."""
_MOST_OWN_THEN = 0.25
"""Of what the processors did in such a stretch. A good build under load took 0.14 at the most."""


def withheld(sample: Starved, targets: Iterable[str]) -> float:
    """Return seconds of one sample in which the machine did not let the chain go on."""
    if _own(sample, targets) > _MOST_OWN * _done(sample):
        return 0.0
    return _kept(sample, sum(sample.waited_s.values()))


def _own(sample: Starved, targets: Iterable[str]) -> float:
    return sum(sample.ran_s.get(name, 0.0) for name in targets)


def _done(sample: Starved) -> float:
    """Return processor seconds of all that ran."""
    # Ticks of 10 ms: of a sample of 100 ms, busy may be told some too low.
    return max(sample.busy_s, 0.75 * sample.over_s * sample.cpus)


def _kept(sample: Starved, waited: float) -> float:
    waits = max(sample.late_s, waited)
    stolen = sample.stolen_s / sample.cpus
    jumped = sample.over_s if sample.clock_s else 0.0
    return min(sample.over_s, max(waits + stolen, jumped))


def _surely(sample: Starved, targets: Iterable[str]) -> float:
    """Return what was withheld, without what a target waited that has itself asked for a disk."""
    own = set(targets) & set(sample.blocked)
    return _kept(sample, sum(s for name, s in sample.waited_s.items() if name not in own))


@dataclass(frozen=True, slots=True)
class Starvation:
    """The figure over time of one stack. `ends` are the ends of its samples, in order."""

    ends: tuple[float, ...] = ()
    lengths: tuple[float, ...] = ()
    figures: tuple[float, ...] = ()
    started: float = float("-inf")
    """When the first process of the target was started."""
    surely: tuple[float, ...] = ()
    """The figures without what the target itself waited for a disk."""
    own: tuple[float, ...] = ()
    """The share of what the processors did that the target took, of each sample."""

    @classmethod
    def of(cls, history: History, stack: str) -> Starvation:
        """Return what a history says of one stack; nothing measured is no starvation."""
        samples = history.of(Starved, stack=stack)
        started = history.of(ProcessStarted, stack=stack)
        own = [event for event in started if event.role in TARGETS]
        targets = {event.process for event in own}
        return cls(
            tuple(each.t for each in samples),
            tuple(each.over_s for each in samples),
            tuple(withheld(each, targets) for each in samples),
            own[0].t if own else float("-inf"),
            tuple(_surely(each, targets) for each in samples),
            tuple(_own(each, targets) / _done(each) for each in samples),
        )

    @classmethod
    def by_stack(cls, history: History) -> Mapping[str, Starvation]:
        """Of every stack of a history."""
        return {stack: cls.of(history, stack) for stack in history.stacks}

    @property
    def measured(self) -> bool:
        """Whether there is any sample."""
        return bool(self.ends)

    def between(self, begin: float, end: float) -> float:
        """Return seconds withheld in a stretch of time; of samples at its edges their share."""
        shares = self._overlaps(begin, end)
        return sum(self.figures[at] * overlap / self.lengths[at] for at, overlap in shares)

    def throughout(self, begin: float, end: float) -> bool:
        """Tell whether a stretch of time was starved throughout, for no fault of the target."""
        kept, own, over = 0.0, 0.0, 0.0
        for at, overlap in self._overlaps(begin, end) if self.surely else ():
            kept += self.surely[at] * overlap / self.lengths[at]
            own += self.own[at] * overlap
            over += overlap
        return kept >= _THROUGHOUT * (end - begin) and own <= _MOST_OWN_THEN * over

    def _overlaps(self, begin: float, end: float) -> Iterator[tuple[int, float]]:
        """Yield the samples of a stretch of time, and how many seconds of it each one covers."""
        for at in range(bisect.bisect_right(self.ends, begin), len(self.ends)):
            first = self.ends[at] - self.lengths[at]
            if first >= end:
                break
            overlap = min(self.ends[at], end) - max(first, begin)
            if overlap > 0:
                yield at, overlap

    def explains(self, begin: float, end: float, limit_s: float) -> bool:
        """Tell whether what took from `begin` to `end` would have been within the limit
        otherwise."""
        return end - begin - self.between(begin, end) < limit_s

    def seconds(self, begin: float, end: float) -> Iterator[tuple[float, float]]:
        """Yield the figure of every second from `begin` on: its begin, and seconds
        withheld in it."""
        at = begin
        while at < end:
            yield at, self.between(at, min(at + 1.0, end))
            at += 1.0
