"""latency: every command is answered in time, and so is the load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from botproof.chats import Turn
from botproof.checks.errors import judge_in_order
from botproof.checks.generator import Grade, HeldTimes, planned_cap
from botproof.checks.judging import Judging
from botproof.checks.replies import lines_of
from botproof.checks.reply_times import ReplyTimes, acknowledged_s
from botproof.checks.shortcomings import in_doubles
from botproof.counting import several
from botproof.history import History, Request
from botproof.sequential import FAIL_SHARES, SequentialErrorRate
from botproof.stats import judge_error_rate, percentile
from botproof.verdict import CheckResult, Verdict, combine

_MOST = 12
_TAIL = 0.01
"""Requests of the load that may be late: "p99 below the limit", proved at 95 % confidence."""


def check(history: History, judging: Judging) -> CheckResult:
    """Judge reply times from the user's "send", and the tail of the load's latency."""
    budget = judging.budgets["reply_time_s"]
    times = ReplyTimes(history, judging.rules, budget.limit)
    turns = [
        turn
        for by_case in times.turns.values()
        for turn in by_case.values()
        if turn.case.expect == "reply"
    ]
    replies, reply_text, reply_lines = _replies(turns, budget.limit, history)
    held = HeldTimes.of(history, budget.limit)
    requests = [each for each in history.of(Request) if not held.is_spoilt(each.intended)]
    test = SequentialErrorRate(_TAIL, planned_cap(history), alpha_fail=FAIL_SHARES["latency tail"])
    load, load_text, load_lines = _load(requests, budget.limit, held, test)
    return CheckResult(
        check="latency",
        verdict=combine((replies, load)),
        budget=f"{budget.describe()}; p99 of the load < {budget.limit:g} {budget.unit}",
        measurement=f"{reply_text}; {load_text}",
        least_evidence=(
            f"an answer in each mode; {test.required() or test.cap:,} requests of load for its p99"
        ),
        evidence=(*reply_lines, *_played_again(times, history), *load_lines),
        source=budget.source,
        data={"slowest_by_command": _slowest_by_command(turns)},
        used=_used(turns, requests, budget.limit),
    )


def _used(turns: list[Turn], requests: list[Request], limit: float) -> float | None:
    """Return the slowest reply or the p99 of the load, whichever is nearer to the limit."""
    seconds = [turn.reply_time_s for turn in turns if turn.reply_time_s is not None]
    if requests:
        seconds.append(percentile([request.latency_s for request in requests], 1 - _TAIL))
    return max(seconds) / limit if seconds else None


def _replies(
    turns: list[Turn], limit: float, history: History
) -> tuple[Verdict, str, tuple[str, ...]]:
    if not turns:
        return Verdict.INCONCLUSIVE, "no reply was asked for", ()
    never = [turn for turn in turns if turn.reply_time_s is None]
    late = [turn for turn in turns if (turn.reply_time_s or 0.0) >= limit]
    if never or late:
        replies = several(len(late), "reply", "replies")
        text = f"{replies} late and {len(never)} missing, of {len(turns)}"
        latest = sorted(late, key=lambda turn: -(turn.reply_time_s or 0.0))
        lines = (
            *lines_of([f"{_name(turn)}: {_time(turn, history)}" for turn in latest], _MOST),
            *lines_of([f"{_name(turn)}: no answer" for turn in never], _MOST),
        )
        return Verdict.FAIL, text, lines
    spinning = [turn for turn in turns if acknowledged_s(turn) >= limit]
    if spinning:
        replies = several(len(turns), "reply", "replies")
        text = f"{several(len(spinning), 'tap')} acknowledged late, of {replies}"
        late_taps = [
            f"{_name(turn)}: answerCallbackQuery came after {acknowledged_s(turn):.2f} s: until "
            "then the button turns, and people tap again"
            for turn in spinning
        ]
        return Verdict.FAIL, text, lines_of(late_taps, _MOST)
    times = [turn.reply_time_s or 0.0 for turn in turns]
    slowest = sorted(turns, key=lambda turn: -(turn.reply_time_s or 0.0))[:3]
    text = (
        f"slowest of {len(times)} replies {max(times):.2f} s, median {percentile(times, 0.5):.2f} s"
    )
    unseen = history.modes_without({turn.case.stack for turn in turns})
    if unseen:
        return Verdict.INCONCLUSIVE, f"{text}; nothing was asked in {', '.join(unseen)}", ()
    lines = tuple(f"{_name(turn)}: {_time(turn, history)}" for turn in slowest)
    return Verdict.PASS, text, lines


def _played_again(times: ReplyTimes, history: History) -> tuple[str, ...]:
    """Return which replies are judged by a later playing, and why."""
    lines = [
        f"{_name(first)}: {_time(first, history) if first.answered else 'no answer'} at first, "
        f"for no fault of the target; {_time(later, history)} when it was played again, alone"
        for first, later in times.replaced
    ]
    return tuple(lines_of(lines, _MOST))


def _time(turn: Turn, history: History) -> str:
    """Return how long the reply took, and how much of it is not the target's but the double's."""
    seconds = turn.reply_time_s or 0.0
    start = turn.case.t
    double = in_doubles(history, turn.case.stack, start, start + seconds)
    apart = f", of which the exchange double took {double:.2f} s" if double >= 0.01 else ""
    return f"{seconds:.2f} s{apart}"


def _name(turn: Turn) -> str:
    return f"{turn.case.case} ({turn.case.stack}) {turn.case.title}"


def _load(
    requests: list[Request], limit: float, held: HeldTimes, test: SequentialErrorRate
) -> tuple[Verdict, str, tuple[str, ...]]:
    if not requests:
        return Verdict.INCONCLUSIVE, "no load was recorded", ()
    graded = [_grade(request, limit, held) for request in requests]
    late = graded.count(Grade.FAILED)
    judged = judge_error_rate(len(requests), late, _TAIL)
    quantiles = _quantiles(requests)
    text = f"load of {several(len(requests), 'request')} p99 {quantiles['p99']:.0f} ms"
    spread = ", ".join(f"{name} {value:.0f} ms" for name, value in quantiles.items())
    share = (
        f"{late:,} of {len(requests):,} not answered in {limit:g} s; "
        f"95 % bounds of that share {100 * judged.lower:.3g} % to {100 * judged.upper:.3g} %"
    )
    verdict = judge_in_order(test, graded, over=True)
    return verdict, text, (f"load: {spread}", f"load: {share}")


def _grade(request: Request, limit: float, held: HeldTimes) -> Grade:
    never = not request.ok and not request.status and request.latency_s < limit
    late = request.latency_s >= limit
    return held.grade(request.intended, request.latency_s, failed=never, late=late)


def _quantiles(requests: Iterable[Request]) -> Mapping[str, float]:
    latencies = [1000 * request.latency_s for request in requests]
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {name: percentile(latencies, share) for name, share in shares.items()}


def _slowest_by_command(turns: Iterable[Turn]) -> dict[str, float]:
    slowest: dict[str, float] = {}
    for turn in turns:
        seconds = turn.reply_time_s
        if seconds is not None:
            command = turn.case.command or turn.case.case
            slowest[command] = max(slowest.get(command, 0.0), round(seconds, 4))
    return slowest
