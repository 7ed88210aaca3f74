"""rollback: the rule "over 5 s on more than 3 consecutive requests", from the ordered history.

The rule of the AWS Deployment Plan says when a running deployment is to be taken back. It is about
users in a row, so requests are ordered by the time at which they were *meant* to be sent: a server
that stands still delays everyone who came meanwhile, in whatever order their answers arrive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from botproof.checks.generator import HeldTimes
from botproof.checks.judging import Judging
from botproof.history import History, Request
from botproof.verdict import CheckResult, Verdict

MOST_IN_A_ROW = 3


@dataclass(frozen=True, slots=True)
class Streak:
    """The longest row of consecutive slow requests: how many, and the number of its first."""

    length: int
    first: int = 0

    @property
    def too_long(self) -> bool:
        """Whether the rule asks for a roll-back."""
        return self.length > MOST_IN_A_ROW


def longest_streak(numbers: Iterable[int]) -> Streak:
    """Return the longest row of consecutive numbers among the numbers of slow requests,
    in any order."""
    best, first, previous = Streak(0), 0, None
    for number in sorted(numbers):
        if previous is None or number != previous + 1:
            first = number
        previous = number
        if number - first + 1 > best.length:
            best = Streak(number - first + 1, first)
    return best


def describe_streak(streak: Streak, limit_s: float, unsure: int = 0) -> str:
    """Return one line for a person; `unsure` is the longest row when those that may be
    slow count."""
    if not streak.length and unsure:
        return f"none surely took over {limit_s:g} s; {unsure:,} in a row may have"
    if not streak.length:
        return f"no request took over {limit_s:g} s"
    return (
        f"at most {streak.length} in a row over {limit_s:g} s, from request "
        f"{streak.first + 1:,} on (roll back at more than {MOST_IN_A_ROW})"
    )


def check(history: History, judging: Judging) -> CheckResult:
    """Apply the rule to the load of every mode.

    A request that was given up before the limit, or that may be late only because the load
    generator was held up, may have been slow or not: a row that is too long only if such requests
    count makes the verdict INCONCLUSIVE.
    """
    budget = judging.budgets["rollback_latency_s"]
    limit = budget.limit
    held = HeldTimes.of(history, judging.budgets["reply_time_s"].limit)
    by_stack = {
        stack: sorted(requests, key=lambda request: request.intended)
        for stack, requests in _stacks(history, held)
    }
    sure = {stack: _longest(own, limit, held, unknown=False) for stack, own in by_stack.items()}
    maybe = {stack: _longest(own, limit, held, unknown=True) for stack, own in by_stack.items()}
    not_loaded = history.modes_without(by_stack)
    return CheckResult(
        check="rollback",
        verdict=_verdict(by_stack, sure, maybe, not_loaded=not_loaded),
        budget=f"at most {MOST_IN_A_ROW} consecutive requests over {limit:g} s",
        measurement=_measure(sure, maybe, limit),
        least_evidence=f"{MOST_IN_A_ROW + 1} requests in each mode",
        evidence=(
            *(f"{mode}: no load was recorded" for mode in not_loaded),
            *_evidence(by_stack, sure, maybe, limit),
        ),
        source=budget.source,
        data={stack: streak.length for stack, streak in sure.items()},
        used=max(streak.length for streak in sure.values()) / (MOST_IN_A_ROW + 1) if sure else None,
    )


def _stacks(history: History, held: HeldTimes) -> Iterator[tuple[str, list[Request]]]:
    """Yield the requests of each stack, without those that say nothing about the target."""
    requests = [each for each in history.of(Request) if not held.is_spoilt(each.intended)]
    for stack in dict.fromkeys(request.stack for request in requests):
        yield stack, [request for request in requests if request.stack == stack]


def _longest(
    requests: Sequence[Request], limit: float, held: HeldTimes, *, unknown: bool
) -> Streak:
    return longest_streak(
        number
        for number, request in enumerate(requests)
        if _is_slow(request, limit, held, unknown=unknown)
    )


def _is_slow(request: Request, limit: float, held: HeldTimes, *, unknown: bool) -> bool:
    if request.latency_s > limit:
        return unknown or held.surely_over(request.intended, request.latency_s, limit)
    return unknown and _was_given_up(request)


def _was_given_up(request: Request) -> bool:
    """Without a status nothing came back: what was cut off after some time might have gone on."""
    return not request.ok and request.failure == "timed_out"


def _verdict(
    by_stack: dict[str, list[Request]],
    sure: dict[str, Streak],
    maybe: dict[str, Streak],
    *,
    not_loaded: Sequence[str],
) -> Verdict:
    if any(streak.too_long for streak in sure.values()):
        return Verdict.FAIL
    short = any(len(requests) <= MOST_IN_A_ROW for requests in by_stack.values())
    if not by_stack or not_loaded or short or any(streak.too_long for streak in maybe.values()):
        return Verdict.INCONCLUSIVE
    return Verdict.PASS


def _measure(sure: dict[str, Streak], maybe: dict[str, Streak], limit: float) -> str:
    if not sure:
        return "no load was recorded"
    stack, longest = max(sure.items(), key=lambda item: item[1].length)
    where = f" ({stack})" if stack and longest.length else ""
    unsure = max(streak.length for streak in maybe.values())
    return f"{describe_streak(longest, limit, unsure)}{where}"


def _evidence(
    by_stack: dict[str, list[Request]],
    sure: dict[str, Streak],
    maybe: dict[str, Streak],
    limit: float,
) -> Iterator[str]:
    for stack, requests in by_stack.items():
        slowest = max(request.latency_s for request in requests)
        yield f"{stack or 'all'}: {len(requests):,} requests, the slowest took {slowest:.3f} s"
        streak = sure[stack]
        if streak.too_long:
            row = requests[streak.first : streak.first + 5]
            shown = ", ".join(f"{request.latency_s:.1f} s" for request in row)
            yield f"{stack or 'all'}: {streak.length} in a row: {shown} …"
        elif maybe[stack].too_long:
            yield (
                f"{stack or 'all'}: {maybe[stack].length} in a row were given up before {limit:g} "
                "s, or came later than that while the load generator was held up"
            )
