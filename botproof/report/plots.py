"""Which charts a history gives: the latency of the load, and memory over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from botproof.budgets import MB, Budgets
from botproof.calls import integer
from botproof.counting import several
from botproof.history import (
    BotApiCall,
    CasePlayed,
    History,
    MemorySample,
    ProcessStarted,
    Request,
)
from botproof.report.charts import Axis, Chart, Series, decades, linear
from botproof.starvation import CASE_S, Starvation
from botproof.stats import percentile

_MOST_POINTS = 120
_MOST_MARKS = 40
_SHARES = (0.5, 0.9, 0.99, 0.999)


def latency_charts(history: History, budgets: Budgets) -> list[Chart]:
    """Return the distribution of the load's latency in all modes, then a time line for
    each mode."""
    limit = budgets["reply_time_s"].limit
    by_stack = {
        stack: requests
        for stack in history.stacks
        if (requests := history.of(Request, stack=stack))
    }
    if not by_stack:
        return []
    every = [request.latency_s for requests in by_stack.values() for request in requests]
    y = decades(min(every), max(limit, *every), "latency", _duration)
    return [
        _distribution(by_stack, y, limit),
        *(_time_line(stack, requests, y, limit) for stack, requests in by_stack.items()),
    ]


def _distribution(by_stack: dict[str, list[Request]], y: Axis, limit: float) -> Chart:
    largest = max(len(requests) for requests in by_stack.values())
    ticks = [(_nines(share), f"{100 * share:g} %") for share in _SHARES]
    end = max(_nines(1 - 1 / (largest + 1)), _nines(0.9))
    return Chart(
        title="Distribution of the load's latency",
        x=Axis(0.0, end, [tick for tick in ticks if tick[0] <= end], "share of requests"),
        y=y,
        series=[
            Series(stack, list(_quantiles([each.latency_s for each in requests])))
            for stack, requests in by_stack.items()
        ],
        budget=(limit, f"budget {limit:g} s"),
        note="; ".join(_described(stack, requests) for stack, requests in by_stack.items()),
    )


def _nines(share: float) -> float:
    """Return where a share of requests stands: 90 % at 1, 99 % at 2, 99.9 % at 3."""
    return -math.log10(1 - share)


def _quantiles(latencies: Sequence[float]) -> Iterator[tuple[float, float]]:
    ordered = sorted(latencies)
    last = _nines(1 - 1 / (len(ordered) + 1))
    for number in range(_MOST_POINTS + 1):
        nines = last * number / _MOST_POINTS
        rank = min(len(ordered) - 1, int((1 - 10**-nines) * len(ordered)))
        yield nines, ordered[rank]


def _described(stack: str, requests: Sequence[Request]) -> str:
    latencies = [request.latency_s for request in requests]
    text = ", ".join(f"p{100 * q:g} {_duration(percentile(latencies, q))}" for q in _SHARES)
    return f"{stack}: {several(len(latencies), 'request')}, {text}, max {_duration(max(latencies))}"


def _time_line(stack: str, requests: Sequence[Request], y: Axis, limit: float) -> Chart:
    begin = min(request.intended for request in requests)
    length = max(request.intended for request in requests) - begin
    width = max(length / 60, 0.25)
    ordered = sorted(requests, key=lambda request: request.intended)
    median, slowest = [], []
    for number, group in groupby(ordered, lambda r: int((r.intended - begin) / width)):
        latencies = [request.latency_s for request in group]
        at = (number + 0.5) * width
        median.append((at, percentile(latencies, 0.5)))
        slowest.append((at, max(latencies)))
    failed = [r for r in ordered if not r.ok or r.latency_s >= limit]
    marks = [(r.intended - begin, r.latency_s, _failure(r, begin)) for r in failed[:_MOST_MARKS]]
    return Chart(
        title=f"Latency over time, {stack}",
        x=linear(0, max(length, 1.0), "seconds of load", lambda value: f"{value:g}"),
        y=y,
        series=[Series("median", median), Series("slowest", slowest, marks)],
        budget=(limit, f"budget {limit:g} s"),
        note=f"{len(failed):,} of {len(ordered):,} failed" if failed else "",
    )


def _failure(request: Request, begin: float) -> str:
    why = request.error or "too late"
    return f"{request.intended - begin:.1f} s: {why} ({_duration(request.latency_s)})"


def starvation_charts(history: History) -> list[Chart]:
    """Return what was withheld: from each case in the order of playing, and in each
    second of the load."""
    cases = [
        Series(stack, list(enumerate(own, start=1))) for stack, own in _by_case(history) if own
    ]
    charts = (
        []
        if not cases
        else [_withheld("Starvation of each case", "case, in the order of playing", cases, CASE_S)]
    )
    load = [Series(stack, own) for stack, own in _by_second(history) if own]
    if load:
        charts.append(_withheld("Starvation in each second of load", "seconds of load", load, None))
    return charts


def _by_case(history: History) -> Iterator[tuple[str, list[float]]]:
    for stack in history.stacks:
        starvation = Starvation.of(history, stack)
        played = history.of(CasePlayed, stack=stack)
        if starvation.measured:
            ends = _ends(history, stack, [case.chat_id for case in played])
            yield (
                stack,
                [
                    starvation.between(case.t, _first_after(ends[case.chat_id], case.t))
                    for case in played
                ],
            )


def _ends(history: History, stack: str, chats: Iterable[int]) -> dict[int, list[float]]:
    """Return when something was sent to each chat, in order."""
    times: dict[int, list[float]] = {chat: [] for chat in chats}
    for call in history.of(BotApiCall, stack=stack):
        times.get(integer(call.params.get("chat_id")) or 0, []).append(call.t)
    return times


def _first_after(times: Sequence[float], begin: float) -> float:
    return next((each for each in times if each > begin), begin)


def _by_second(history: History) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    for stack in history.stacks:
        requests = history.of(Request, stack=stack)
        starvation = Starvation.of(history, stack)
        if requests and starvation.measured:
            begin = min(request.intended for request in requests)
            end = max(request.t for request in requests)
            yield stack, [(at - begin, lost) for at, lost in starvation.seconds(begin, end)]


def _withheld(title: str, x: str, series: Sequence[Series], limit: float | None) -> Chart:
    longest = max(point[0] for each in series for point in each.points)
    largest = max(point[1] for each in series for point in each.points)
    sums = "; ".join(
        f"{each.name}: {sum(point[1] for point in each.points):.1f} s in all" for each in series
    )
    return Chart(
        title=title,
        x=linear(0, max(longest, 1.0), x, lambda value: f"{value:g}"),
        y=linear(0, max(largest, limit or 0.0, 0.1) * 1.08, "withheld", _duration),
        series=series,
        budget=(limit, f"starved {limit:g} s") if limit else None,
        note=f"{sums}, at most {_duration(largest)}",
    )


def memory_charts(history: History, budgets: Budgets) -> list[Chart]:
    """Return the fleet, then each process: a line for each mode, with the budget as a line."""
    samples = [sample for sample in history.of(MemorySample) if sample.requests is None]
    processes = dict.fromkeys(sample.process for sample in samples)
    charts = []
    if samples:
        limit = budgets["fleet_memory_mb"].limit
        charts.append(_memory(f"Fleet: {_kind(samples)}", history, _fleet(samples), limit))
    for process in processes:
        own = [sample for sample in samples if sample.process == process]
        budget = budgets.get(f"{process}_memory_mb")
        points = [(s.stack, s.t, s.judged / MB) for s in own]
        title = f"{process}: {_kind(own)}"
        charts.append(_memory(title, history, points, budget.limit if budget else None))
    return charts


def _kind(samples: Iterable[MemorySample]) -> str:
    """Return which ledger is judged, and so is drawn."""
    contained = {sample.working_set is not None for sample in samples}
    if len(contained) > 1:
        return "memory (PSS; containers: working set)"
    return "memory (working set)" if contained == {True} else "memory (PSS)"


def _fleet(samples: Iterable[MemorySample]) -> list[tuple[str, float, float]]:
    """Return the sums: one round of sampling shares its time, so that the processes can
    be summed."""
    sums: dict[tuple[str, float], float] = {}
    for sample in samples:
        key = (sample.stack, sample.t)
        sums[key] = sums.get(key, 0.0) + sample.judged / MB
    return [(stack, t, size) for (stack, t), size in sums.items()]


def _memory(
    title: str,
    history: History,
    points: Sequence[tuple[str, float, float]],
    limit: float | None,
) -> Chart:
    begins = {stack: _begin(history, stack) for stack, _, _ in points}
    series = [
        Series(stack, _thinned([(t - begin, size) for own, t, size in points if own == stack]))
        for stack, begin in begins.items()
    ]
    longest = max(t - begins[stack] for stack, t, _ in points)
    largest = max(size for _, _, size in points)
    top = max(largest, limit or 0.0) * 1.08
    return Chart(
        title=title,
        x=linear(0, max(longest, 1.0), "seconds from the start", lambda value: f"{value:g}"),
        y=linear(0, top, "MB", lambda value: f"{value:g} MB"),
        series=series,
        budget=(limit, f"budget {limit:g} MB") if limit else None,
        note=f"at most {largest:.1f} MB" + (f", {100 * largest / limit:.0f} %" if limit else ""),
    )


def _begin(history: History, stack: str) -> float:
    started = [event.t for event in history.of(ProcessStarted, stack=stack)]
    samples = [event.t for event in history.of(MemorySample, stack=stack)]
    return min([*started, *samples])


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return about 120 points at most: of each group the largest, so that no peak is lost."""
    width = math.ceil(len(points) / _MOST_POINTS)
    if width <= 1:
        return points
    groups = (points[at : at + width] for at in range(0, len(points), width))
    return [max(group, key=lambda point: point[1]) for group in groups]


def _duration(seconds: float) -> str:
    if not seconds:
        return "0"
    if seconds >= 1:
        return f"{seconds:.3g} s"
    if seconds >= 0.001:
        return f"{1000 * seconds:.3g} ms"
    return f"{1_000_000 * seconds:.3g} µs"
