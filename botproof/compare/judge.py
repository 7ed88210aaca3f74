"""From measured runs to results, and to the page with the plots."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from importlib import resources
from statistics import median

from botproof.compare.run import Measured
from botproof.compare.stats import Effect, compare
from botproof.report.charts import Chart, Series, draw, linear
from botproof.stats import judge_error_rate
from botproof.verdict import CheckResult, Verdict, combine

LEAST_RUNS = 5
FAR_OUT = 5.0
"""A run of B that is so many times the largest of A is no noise of the machine, and ranks hide how
far out it is: it may be one start of ten that goes wrong."""
_ALPHA = 0.05


def judge(a: Measured, b: Measured, *, tolerance: float, error_limit: float) -> list[CheckResult]:
    """Return one result for each metric that both sides have, and one for B's failed requests.

    The metrics share the 5 % that a comparison may be wrong, so that a page of them is no
    invitation to find a difference in one.
    """
    shared = [name for name in a.values if name in b.values]
    alpha = _ALPHA / max(1, len(shared))
    results = [
        _result(name, a.values[name], b.values[name], tolerance=tolerance, alpha=alpha)
        for name in shared
    ]
    return [*results, _failures(a, b, error_limit)]


def _result(
    name: str, a: Sequence[float], b: Sequence[float], *, tolerance: float, alpha: float
) -> CheckResult:
    effect = compare(a, b, alpha)
    verdict = effect.judge(tolerance)
    if min(len(a), len(b)) < LEAST_RUNS:
        verdict = Verdict.INCONCLUSIVE
    far_out = sum(value > FAR_OUT * max(a) for value in b)
    if far_out and verdict is Verdict.PASS:
        verdict = Verdict.INCONCLUSIVE
    outliers = f"{far_out} of {len(b)} runs of B are over {FAR_OUT:g} times the largest of A"
    larger = f"a run of B is larger than one of A in {100 * effect.larger:.0f} of 100 cases"
    return CheckResult(
        check=name,
        verdict=verdict,
        budget=f"B at most {100 * tolerance:g} % above A",
        measurement=f"A {median(a):.4g}, B {median(b):.4g}: {describe(effect)}",
        least_evidence=f"{LEAST_RUNS} runs of each",
        evidence=(
            f"A: {_values(a)}",
            f"B: {_values(b)}",
            f"Mann-Whitney p = {effect.p:.3g} (two-sided); {larger}",
            *([outliers] if far_out else ()),
        ),
        source="--tolerance",
        data={"a": list(a), "b": list(b), "ratio": effect.ratio, "p": effect.p},
    )


def describe(effect: Effect) -> str:
    """Return the effect in one line: B against A, with the interval."""
    return (
        f"{_percent(effect.ratio)} ({_percent(effect.low)} to {_percent(effect.high)}, "
        f"{100 * effect.confidence:.3g} %)"
    )


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f} %"


def _values(values: Sequence[float]) -> str:
    return f"{min(values):.4g} to {max(values):.4g} in {len(values)} runs"


def _failures(a: Measured, b: Measured, limit: float) -> CheckResult:
    """Judge B's failures by the error budget; a comparison proves no error rate: it only FAILs.

    With too few requests to say anything, A and B are simply both told.
    """
    rate = judge_error_rate(b.requests, b.failures, limit)
    bad = rate.verdict is Verdict.FAIL
    return CheckResult(
        check="failed requests",
        verdict=Verdict.FAIL if bad else Verdict.PASS,
        budget=f"B's error rate not shown to be above {100 * limit:g} %",
        measurement=f"A {a.failures:,} of {a.requests:,}, B {b.failures:,} of {b.requests:,}",
        least_evidence="one run of B",
        data={"a": a.failures, "b": b.failures},
    )


def page(a: Measured, b: Measured, results: Sequence[CheckResult]) -> str:
    """Return the plots and the table as one page that needs nothing else."""
    verdict = combine(result.verdict for result in results)
    style = resources.files("botproof.report").joinpath("report.css").read_text(encoding="utf-8")
    rows = "".join(_row(result) for result in results)
    charts = "".join(draw(_chart(name, a, b)) for name in a.values if name in b.values)
    names = f"A: {html.escape(a.side.name)} · B: {html.escape(b.side.name)}"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>botproof compare: {verdict.value}</title><style>{style}</style></head><body><main>"
        f'<header class="{verdict.value}"><h1 class="verdict">{verdict.value}</h1>'
        f'<p class="why">{_MEANING[verdict]}</p><p class="facts">{names}</p></header>'
        "<section><h2>Metrics</h2><table><thead><tr><th>metric</th><th>verdict</th>"
        f"<th>medians, B against A</th></tr></thead><tbody>{rows}</tbody></table></section>"
        f'<section><h2>Run by run</h2><div class="charts">{charts}</div></section>'
        "</main></body></html>\n"
    )


_MEANING = {
    Verdict.PASS: "B is not worse than A by more than the tolerance.",
    Verdict.FAIL: "B is worse than A.",
    Verdict.INCONCLUSIVE: "The runs do not tell A and B apart well enough.",
    Verdict.ERROR: "The comparison could not be made.",
}


def _row(result: CheckResult) -> str:
    cells = (result.check, result.verdict.value, result.measurement)
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _chart(name: str, a: Measured, b: Measured) -> Chart:
    values = [*a.values[name], *b.values[name]]
    pairs = max(len(a.values[name]), len(b.values[name]))
    return Chart(
        title=name,
        x=linear(1, max(pairs, 2), "run", lambda value: f"{value:g}"),
        y=linear(0, 1.1 * max(values), name, lambda value: f"{value:g}"),
        series=[Series("A", list(_points(a, name))), Series("B", list(_points(b, name)))],
    )


def _points(side: Measured, name: str) -> Iterator[tuple[float, float]]:
    yield from ((float(number), value) for number, value in enumerate(side.values[name], start=1))
