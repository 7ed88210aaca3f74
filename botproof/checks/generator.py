"""Which parts of a load say nothing about the target, because the load generator could not run.

A generator that was stopped, starved of processor or busy with itself sends late and reads answers
late: it measures itself. So it watches its own timers and notes every time at which it was held up
(`history.GeneratorHeld`). Time is cut into slots of half a second. Where the generator was held up
for more than half of the time in which a request could have been answered as it should, the slot in
which the request was due is spoilt. *All* requests that were due in spoilt slots are left out, good
and bad ones: leaving out only the late ones would make a bad target look good. More requests are
sent in their place.

In slots that are not spoilt smaller delays remain. An answer that is late by less than the
generator was held up meanwhile is `UNSURE`: PASS counts it as a failure, FAIL does not. So is half
an answer that took long, or that came soon after the generator was held up: a machine that was
busy lets what the target waits for come too late, and the target may give that again from memory.
"""

from __future__ import annotations

import bisect
import enum
import math
from collections.abc import Iterable, Iterator

from botproof.budgets import CAP
from botproof.history import GeneratorHeld, History, LoadPlanned, Request, RequestFailure

SLOT_S = 0.5
_SPOILT_SHARE = 0.5
_SLOW_SHARE = 0.5
HALF_BEFORE_S = 5.0
"""Half an answer may be remembered, and be given again for so long after what it came of."""
HALF_WITHHELD_S = 1.0
"""So much that was withheld until then may have made it; of a shorter time as large a share."""
_OUT_OF_ORDER_S = 60.0
"""Times are sorted by their ends; no longer one hides another of several processes."""


class Grade(enum.Enum):
    """What one request of the load says about the target."""

    GOOD = "good"
    FAILED = "failed"
    UNSURE = "unsure"
    SPOILT = "spoilt"


class HeldTimes:
    """The times at which a load generator was held up. `budget_s` is the latency budget, `since`
    when it began to watch itself."""

    def __init__(self, budget_s: float, since: float = -math.inf) -> None:
        self._budget_s = budget_s
        self._since = since
        self._reach = math.ceil(budget_s / SLOT_S)
        self._held: dict[int, float] = {}
        self._spoilt: set[int] = set()
        self._times: list[tuple[float, float]] = []

    @classmethod
    def of(cls, history: History, budget_s: float, stack: str | None = None) -> HeldTimes:
        """Return what a history (or one stack of it) says."""
        times = cls(budget_s)
        for event in history.of(GeneratorHeld, stack=stack):
            times.add(event.t - event.held_s, event.t, event.share)
        return times

    def add(self, start: float, end: float, share: float = 1.0) -> set[int]:
        """Note that the generator could not run between two times, in seconds; or, of several
        processes that send, the one with this share of the load.

        Gives the slots that are spoilt by it and were not before.
        """
        bisect.insort(self._times, (end, start))
        first, last = slot_of(start), slot_of(end)
        for slot in range(first, last + 1):
            inside = min(end, (slot + 1) * SLOT_S) - max(start, slot * SLOT_S)
            self._held[slot] = self._held.get(slot, 0.0) + share * inside
        found = set(self._with_too_much(first - self._reach, last)) - self._spoilt
        self._spoilt |= found
        return found

    def _with_too_much(self, first: int, last: int) -> Iterator[int]:
        """Yield slots, from `first` to `last`, of which the generator was held up too long while
        what was due in them was waiting."""
        held, reach = self._held.get, self._reach
        waiting = sum(held(slot, 0.0) for slot in range(first, first + reach))
        for slot in range(first, last + 1):
            waiting += held(slot + reach, 0.0)
            if waiting > _SPOILT_SHARE * self._budget_s:
                yield slot
            waiting -= held(slot, 0.0)

    def is_spoilt(self, due: float) -> bool:
        """Tell whether a request that was due then is no evidence."""
        return slot_of(due) in self._spoilt

    def within(self, start: float, end: float) -> float:
        """Return for how many of the seconds between two times the generator was held up."""
        total = 0.0
        for until, since in self._times[bisect.bisect_left(self._times, (start, 0.0)) :]:
            if since > end + _OUT_OF_ORDER_S:
                break
            total += max(0.0, min(end, until) - max(start, since))
        return min(total, max(0.0, end - start))

    def grade(self, due: float, latency_s: float, *, failed: bool, late: bool) -> Grade:
        """Return what a request says that was due at `due`: `late` if it is to be blamed for its
        latency alone, `failed` if it has failed whatever its latency is."""
        if self.is_spoilt(due):
            return Grade.SPOILT
        if failed:
            return Grade.FAILED
        if not late:
            return Grade.GOOD
        return Grade.FAILED if self.surely_over(due, latency_s, self._budget_s) else Grade.UNSURE

    def judge(
        self, due: float, latency_s: float, *, failed: bool, failure: RequestFailure, late: bool
    ) -> Grade:
        """Return the grade of a request; of one that has `failed`, `failure` says how."""
        by_time = failure == "timed_out" and late
        grade = self.grade(due, latency_s, failed=failed and not by_time, late=late)
        incomplete = grade is Grade.FAILED and failure == "incomplete"
        return Grade.UNSURE if incomplete and self._made_of_lateness(due, latency_s) else grade

    def _made_of_lateness(self, due: float, latency_s: float) -> bool:
        """Tell whether what half an answer lacks may have come too late for no fault of
        the target."""
        if latency_s >= _SLOW_SHARE * self._budget_s:
            return True
        start, end = max(self._since, due - HALF_BEFORE_S), due + latency_s
        enough = min(HALF_WITHHELD_S, HALF_WITHHELD_S / HALF_BEFORE_S * (end - start))
        return self.within(start, end) >= enough

    def surely_over(self, due: float, latency_s: float, limit_s: float) -> bool:
        """Tell whether a request took longer than a limit even without what the generator lost."""
        # What happened long after the limit does not excuse that there was no answer at the limit.
        held = self.within(due, due + min(latency_s, 2 * limit_s)) if self._times else 0.0
        return latency_s - held > limit_s or (not held and latency_s >= limit_s)

    def describe(self, left_out: int) -> str:
        """Return one line for a person; empty when the generator was never held up for long."""
        if not self._spoilt:
            return ""
        total = sum(end - start for end, start in self._times)
        longest = max(end - start for end, start in self._times)
        return (
            f"the load generator was held up for {total:.1f} s in all, {longest:.1f} s at the "
            f"longest: {left_out:,} requests of these times are left out, they say nothing about "
            "the target"
        )


def slot_of(seconds: float) -> int:
    """Return the slot that a time belongs to."""
    return math.floor(seconds / SLOT_S)


def grades(
    requests: Iterable[Request], held: HeldTimes, late_s: float
) -> Iterator[tuple[Request, Grade]]:
    """Yield each request with what it says about the target; from `late_s` seconds on
    it is late."""
    for request in requests:
        grade = held.judge(
            request.intended,
            request.latency_s,
            failed=not request.ok,
            failure=request.failure,
            late=request.latency_s >= late_s,
        )
        yield request, grade


def planned_cap(history: History) -> int:
    """Return for how many requests the load was planned, over all modes."""
    plans = [plan.cap for plan in history.of(LoadPlanned)]
    return max(plans) if plans else max(CAP, len(history.of(Request)))
