"""The requests of a load without those that were due while the machine let nothing go on.

Whole half seconds are left out, chosen by what was measured of the machine alone: good and bad
requests alike, so that the share of failures among the rest is what it would be on a machine that
was not starved. More requests are sent in their place (`workloads.load`). PASS is said of the rest,
where it is enough for one; FAIL is said of all requests, as ever: what came at once and was wrong
is no matter of starvation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from botproof.checks.generator import HALF_BEFORE_S, SLOT_S, HeldTimes, slot_of
from botproof.history import History, Request
from botproof.sequential import SequentialErrorRate
from botproof.starvation import Starvation

_AROUND_S = 0.5
"""An answer is also made of what was withheld just before it was asked for, and just after."""

_LEFT = 0.25
"""Of the requests of a mode."""


@dataclass(frozen=True, slots=True)
class Unstarved:
    """A history without the requests of starved half seconds. `slots` is how many half seconds
    these are, of `of`; `requests` how many requests were due in them."""

    history: History
    slots: int
    of: int
    requests: int

    def describe(self) -> str:
        """Return one line for a person."""
        return (
            f"{self.requests:,} requests, good and bad, are left out of what passes: in "
            f"{self.slots:,} of the {self.of:,} half seconds of the load the machine kept the run "
            "from going on for three quarters of the time"
        )


def starved_slots(slots: Iterable[int], starvation: Starvation) -> set[int]:
    """Return those half seconds of a load that say nothing about the target."""
    return {slot for slot in set(slots) if _is_starved(slot, starvation)}


def _is_starved(slot: int, starvation: Starvation) -> bool:
    """Tell whether what was due then had no chance, or what is remembered from before had none."""
    begin, end = slot * SLOT_S, (slot + 1) * SLOT_S
    return any(
        starvation.throughout(begin - before, end + _AROUND_S)
        for before in (_AROUND_S, HALF_BEFORE_S)
    )


def at_slot(request: Request) -> tuple[str, int]:
    """Return the stack of a request, and the half second in which it was due."""
    return request.stack, slot_of(request.intended)


def all_starved_slots(
    requests: Iterable[Request], starvation: Mapping[str, Starvation]
) -> set[tuple[str, int]]:
    """Return the same of all stacks that requests were sent to, each with its stack."""
    due: dict[str, set[int]] = {}
    for request in requests:
        due.setdefault(request.stack, set()).add(slot_of(request.intended))
    return {
        (stack, slot)
        for stack, slots in due.items()
        for slot in starved_slots(slots, starvation.get(stack, Starvation()))
    }


def enough_for(limit: float, cap: int) -> int:
    """Return how many requests allow PASS, where none of them has failed; `limit` is a fraction."""
    return SequentialErrorRate(limit, cap).required() or cap


def is_too_little(left: int, of: int) -> bool:
    """Tell whether what is `left` of a load's requests is not judged in place of them all."""
    return left < _LEFT * of


def unstarved(
    history: History, starvation: Mapping[str, Starvation], held: HeldTimes, enough: int
) -> Unstarved | None:
    """Return what is judged of a load in place of all; None where nothing is to be left out, or too
    little were left of a mode, or fewer than `enough` requests of all (see `generator` for those
    that say nothing)."""
    requests = [each for each in history.of(Request) if not held.is_spoilt(each.intended)]
    due, starved = set(map(at_slot, requests)), all_starved_slots(requests, starvation)
    of_starved = [each for each in requests if at_slot(each) in starved]
    out = set(map(id, of_starved))
    if not out or len(requests) - len(out) < enough:
        return None
    sent, left_out = (Counter(each.stack for each in chosen) for chosen in (requests, of_starved))
    if any(is_too_little(sent[stack] - left_out[stack], sent[stack]) for stack in sent):
        return None
    kept = History(event for event in history if id(event) not in out)
    return Unstarved(kept, len(starved), len(due), len(out))
