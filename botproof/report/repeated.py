"""Several gates in a row on one build: a row each, so that a verdict that wavers is seen.

A check that is right 19 times and red once is no check of the build. `botproof gate --repeat N`
plays the same gate N times and tells of each what it measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from botproof.budgets import MB
from botproof.checks.memory import loaded
from botproof.counting import several
from botproof.history import Request
from botproof.outcome import Outcome
from botproof.stats import percentile, upper_bound
from botproof.verdict import Verdict, combine

_QUANTILES = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one gate measured. Latencies are those of the load, milliseconds; memory is the largest
    that each process was judged by in any mode, MB. None: nothing was measured.

    `error_bound_pct` is the one-sided 95 % upper bound of the share of failed requests.
    """

    number: int
    verdict: Verdict
    blamed: tuple[str, ...]
    duration_s: float
    requests: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    p999_ms: float | None = None
    error_bound_pct: float | None = None
    memory_mb: Mapping[str, float] = {}


def row(number: int, outcome: Outcome) -> Row:
    """Return one gate as a row; `number` counts from 1."""
    requests = outcome.history.of(Request)
    latencies = [request.latency_s for request in requests]
    errors = next((each for each in outcome.results if each.check == "errors"), None)
    counted = errors.data if errors is not None else {}
    n = int(counted.get("n", 0))
    worst = outcome.verdict
    return Row(
        number=number,
        verdict=worst,
        blamed=tuple(
            each.check
            for each in outcome.results
            if each.verdict is worst and worst is not Verdict.PASS
        ),
        duration_s=round(outcome.duration_s, 1),
        requests=len(requests),
        **{
            name: round(1_000 * percentile(latencies, q), 2) if latencies else None
            for name, q in _QUANTILES.items()
        },
        error_bound_pct=round(100 * upper_bound(n, int(counted["failures"])), 4) if n else None,
        memory_mb=_memory(outcome),
    )


def _memory(outcome: Outcome) -> dict[str, float]:
    largest: dict[str, int] = {}
    for stack in outcome.history.stacks:
        for sample in loaded(outcome.history, stack):
            largest[sample.process] = max(largest.get(sample.process, 0), sample.judged)
    return {process: round(size / MB, 1) for process, size in sorted(largest.items())}


def table(rows: Sequence[Row]) -> Table:
    """Return the rows for a terminal."""
    processes = list(dict.fromkeys(name for each in rows for name in each.memory_mb))
    shown = Table(pad_edge=False)
    shown.add_column("gate", justify="right", no_wrap=True)
    shown.add_column("verdict")
    for name in _headings(processes):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in rows:
        shown.add_row(str(each.number), Text(_verdict(each)), *_cells(each, processes))
    return shown


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the same as a Markdown table, with the verdict over all as its first line."""
    processes = list(dict.fromkeys(name for each in rows for name in each.memory_mb))
    heads = ["gate", "verdict", *_headings(processes)]
    lines = [
        f"# {summary(rows)}",
        "",
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
    ]
    lines += [
        f"| {' | '.join([str(each.number), _verdict(each), *_cells(each, processes)])} |"
        for each in rows
    ]
    return "\n".join(lines) + "\n"


def summary(rows: Sequence[Row]) -> str:
    """Return how often each verdict was given, the worst first."""
    worst_first = sorted(Verdict, key=lambda verdict: -verdict.rank)
    counts = {each: sum(row.verdict is each for row in rows) for each in worst_first}
    tally = ", ".join(f"{count} {verdict.value}" for verdict, count in counts.items() if count)
    return f"{several(len(rows), 'gate')}: {tally}"


def write(directory: Path, rows: Sequence[Row]) -> None:
    """Write `repeated.json` and `repeated.md` into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    worst = combine(each.verdict for each in rows)
    document = {"verdict": worst.value, "exit_code": worst.exit_code, "gates": rows}
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    (directory / "repeated.json").write_bytes(text + b"\n")
    (directory / "repeated.md").write_text(as_markdown(rows), encoding="utf-8")


def _verdict(each: Row) -> str:
    return each.verdict.value + (f" ({', '.join(each.blamed)})" if each.blamed else "")


def _headings(processes: Sequence[str]) -> list[str]:
    measured = ["s", "requests", "p50 ms", "p99 ms", "p99.9 ms", "errors < %"]
    return [*measured, *(f"{process} MB" for process in processes)]


def _cells(each: Row, processes: Sequence[str]) -> list[str]:
    known = [
        f"{each.duration_s:.0f}",
        f"{each.requests:,}",
        *(_number(value, "1f") for value in (each.p50_ms, each.p99_ms, each.p999_ms)),
        _number(each.error_bound_pct, "3f"),
    ]
    return [*known, *(_number(each.memory_mb.get(name), "1f") for name in processes)]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:.{form}}"
