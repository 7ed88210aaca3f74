"""Line charts as SVG: sizes in, markup out, nothing else. Colours come from the page's CSS.

A chart is small enough for a phone (360 units wide) and several stand beside each other where
there is room. Every colour has a class (`s0`, `s1` … for series, `budget`, `bad`), so that the page
decides how it looks in the dark.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 360.0, 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 10.0, 12.0, 30.0
_SERIES_COLOURS = 4

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Series:
    """One line. `marks` are single points to be seen, such as failures, drawn in the colour for
    what is wrong, each with its text."""

    name: str
    points: Sequence[Point]
    marks: Sequence[tuple[float, float, str]] = ()


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to places: the ends, the ticks with their labels, and the name."""

    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    name: str
    logarithmic: bool = False

    def place(self, value: float) -> float:
        """Return where a value lies between the ends, 0 to 1; values beyond them lie at
        the ends."""
        low, high, at = self.low, self.high, value
        if self.logarithmic:
            low, high, at = (math.log10(max(each, 1e-9)) for each in (low, high, at))
        share = (at - low) / (high - low) if high > low else 0.0
        return min(max(share, 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its budget as a line, where it has one (value and label)."""

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    budget: tuple[float, str] | None = None
    note: str = ""


def linear(low: float, high: float, name: str, label: Callable[[float], str]) -> Axis:
    """Return an axis with about five round ticks."""
    if not high > low:
        high = low + 1
    step = _round_step((high - low) / 4)
    first = math.ceil(low / step)
    ticks = [number * step for number in range(first, math.floor(high / step) + 1)]
    return Axis(low, high, [(tick, label(tick)) for tick in ticks], name)


def _round_step(rough: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(rough))
    return power * next(each for each in (1, 2, 5, 10) if rough <= each * power)


def decades(low: float, high: float, name: str, label: Callable[[float], str]) -> Axis:
    """Return a logarithmic axis with a tick for each power of ten; both ends are widened to one."""
    first = math.floor(math.log10(max(low, 1e-9)))
    last = max(math.ceil(math.log10(max(high, 1e-9))), first + 1)
    ticks = [(10.0**power, label(10.0**power)) for power in range(first, last + 1)]
    return Axis(10.0**first, 10.0**last, ticks, name, logarithmic=True)


def draw(chart: Chart) -> str:
    """Return the chart as a figure: title, legend, SVG, note."""
    svg = "".join([*_grid(chart), *_lines(chart), *_budget(chart), *_marks(chart)])
    label = html.escape(f"{chart.title}. {chart.y.name} by {chart.x.name}.", quote=True)
    legend = _legend(chart.series) if len(chart.series) > 1 else ""
    note = f'<p class="note">{html.escape(chart.note)}</p>' if chart.note else ""
    return (
        f"<figure><figcaption>{html.escape(chart.title)}</figcaption>{legend}"
        f'<svg viewBox="0 0 {WIDTH:g} {HEIGHT:g}" role="img" aria-label="{label}">{svg}</svg>'
        f"{note}</figure>"
    )


def _legend(series: Sequence[Series]) -> str:
    items = "".join(
        f'<span><i class="s{number % _SERIES_COLOURS}"></i>{html.escape(each.name)}</span>'
        for number, each in enumerate(series)
    )
    return f'<p class="legend">{items}</p>'


def _x(chart: Chart, value: float) -> float:
    return _LEFT + chart.x.place(value) * (WIDTH - _LEFT - _RIGHT)


def _y(chart: Chart, value: float) -> float:
    return HEIGHT - _BOTTOM - chart.y.place(value) * (HEIGHT - _TOP - _BOTTOM)


def _grid(chart: Chart) -> Iterator[str]:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    for value, label in chart.y.ticks:
        y = _y(chart, value)
        yield f'<line class="grid" x1="{_LEFT:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield _text(_LEFT - 5, y + 3.5, label, "end")
    for value, label in chart.x.ticks:
        yield _text(_x(chart, value), bottom + 14, label, "middle")
    yield _text((_LEFT + right) / 2, HEIGHT - 3, chart.x.name, "middle")


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    extra = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{html.escape(text)}</text>'


def _lines(chart: Chart) -> Iterator[str]:
    for number, series in enumerate(chart.series):
        if not series.points:
            continue
        places = [f"{_x(chart, x):.1f} {_y(chart, y):.1f}" for x, y in series.points]
        # A single point has no line; a round cap makes a dot of it.
        path = " L".join(places) if len(places) > 1 else f"{places[0]} h0"
        yield (
            f'<path class="s{number % _SERIES_COLOURS}" d="M{path}">'
            f"<title>{html.escape(series.name)}</title></path>"
        )


def _budget(chart: Chart) -> Iterator[str]:
    if chart.budget is None:
        return
    value, label = chart.budget
    y, right = _y(chart, value), WIDTH - _RIGHT
    yield f'<line class="budget" x1="{_LEFT:g}" x2="{right:g}" y1="{y:.1f}" y2="{y:.1f}"/>'
    # Under the line where there is no room above it.
    above = y - 4 if y - 4 > _TOP else y + 12
    yield _text(right, above, label, "end", "budget")


def _marks(chart: Chart) -> Iterator[str]:
    for series in chart.series:
        for x, y, text in series.marks:
            yield (
                f'<circle class="bad" cx="{_x(chart, x):.1f}" cy="{_y(chart, y):.1f}" r="3">'
                f"<title>{html.escape(text)}</title></circle>"
            )
