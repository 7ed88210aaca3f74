"""Benchmarks: what is measured, beside what, against which aim; as a table and as a JSON file.

A benchmark is a module of this package with `run(arguments) -> list[Row]`; it is started with
`python -m botproof.bench NAME`. Both sides are measured in one run, interleaved. A benchmark that
cannot measure raises `CannotMeasureError`; an aim that was missed is a result like any other.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

REPORTS = Path("reports/bench")


class CannotMeasureError(RuntimeError):
    """Something that the measurement needs is not there; the text says what."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What a benchmark wants: `ours` at least or at most `limit`; with `of_ratio`, ours ÷ other."""

    limit: float
    at_most: bool
    of_ratio: bool = False

    def met(self, value: float) -> bool:
        """Tell whether `value` is as wanted."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'≤' if self.at_most else '≥'} {self.limit:g}{'×' if self.of_ratio else ''}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a benchmark: medians over the runs, with the lowest and the highest run.

    `ratio` is ours ÷ other; `other_is` says what the other side is. `aim` and `met` are None for
    what is only told.
    """

    metric: str
    unit: str
    ours: float
    ours_spread: tuple[float, float]
    other: float | None
    other_spread: tuple[float, float] | None
    other_is: str
    ratio: float | None
    aim: str | None
    met: bool | None
    runs: int


def compare(
    metric: str,
    unit: str,
    ours: Sequence[float],
    other: Sequence[float] = (),
    *,
    other_is: str = "",
    aim: Aim | None = None,
) -> Row:
    """Return a row from the values of each run. Raises CannotMeasureError without a value."""
    if not ours:
        raise CannotMeasureError(f"no run gave a value for {metric}")
    our_median = statistics.median(ours)
    other_median = statistics.median(other) if other else None
    ratio = our_median / other_median if other_median else None
    return Row(
        metric=metric,
        unit=unit,
        ours=_short(our_median),
        ours_spread=(_short(min(ours)), _short(max(ours))),
        other=None if other_median is None else _short(other_median),
        other_spread=(_short(min(other)), _short(max(other))) if other else None,
        other_is=other_is,
        ratio=None if ratio is None else _short(ratio),
        aim=None if aim is None else str(aim),
        met=None if aim is None else _met(aim, our_median, ratio),
        runs=len(ours),
    )


def _met(aim: Aim, ours: float, ratio: float | None) -> bool | None:
    if not aim.of_ratio:
        return aim.met(ours)
    return None if ratio is None else aim.met(ratio)


def _short(value: float) -> float:
    """Four significant digits: more would pretend."""
    return float(f"{value:.4g}")


def progress(said: str) -> None:
    """Say on standard error what is measured now: a run takes minutes."""
    print(said, file=sys.stderr, flush=True)


def write(name: str, rows: Sequence[Row], directory: Path = REPORTS) -> Path:
    """Write `NAME.json` and return where it is."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(list(rows)), indent=2) + b"\n")
    return path


def show(name: str, rows: Sequence[Row], console: Console | None = None) -> None:
    """Print the rows as a table."""
    table = Table("metric", "ours", "other", "ratio", "aim", "", title=f"bench: {name}")
    for row in rows:
        table.add_row(
            f"{row.metric} [dim]({row.unit})[/]",
            _with_spread(row.ours, row.ours_spread),
            _with_spread(row.other, row.other_spread),
            "" if row.ratio is None else f"{row.ratio:g}",
            row.aim or "",
            {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[row.met],
        )
    (console or Console()).print(table)
    for other in dict.fromkeys(row.other_is for row in rows if row.other_is):
        (console or Console()).print(f"other: {other}")


def _with_spread(value: float | None, spread: tuple[float, float] | None) -> str:
    if value is None or spread is None:
        return ""
    return f"{value:g} [dim]({spread[0]:g} … {spread[1]:g})[/]"
