"""The runs before this one: a line a run in `reports/history/`, and the last fifty on the page."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from botproof.history import Run
from botproof.verdict import CheckResult, Verdict, combine

SHOWN: Final = 50
_DIRECTORY: Final = "history"
_REPORTS: Final = "reports"
_SIGNS: Final = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?", "ERROR": "!"}


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One run: when it began, its verdict, and of each check the verdict and how much of the budget
    it took (None where that is no number)."""

    started_at: str
    verdict: str
    duration_s: float
    checks: dict[str, tuple[str, float | None]] = {}


def note_run(
    report_dir: Path, results: Sequence[CheckResult], run: Run | None, duration_s: float
) -> None:
    """Add a line to the runs beside `report_dir`, where there are such: in a directory `reports`,
    or wherever somebody made a directory `history`. Raises OSError when it cannot be written."""
    path = _path(report_dir, run)
    if run is None or not (report_dir.parent.name == _REPORTS or path.parent.is_dir()):
        return
    line = Line(
        started_at=run.started_at,
        verdict=combine(result.verdict for result in results).value,
        duration_s=round(duration_s, 1),
        checks={
            each.check: (each.verdict.value, None if each.used is None else round(each.used, 4))
            for each in results
        },
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")


def read_trend(report_dir: Path, run: Run | None) -> list[Line]:
    """Return the last fifty runs of this command beside `report_dir`, the oldest first;
    what is no such line is left out."""
    try:
        raw = _path(report_dir, run).read_bytes().splitlines()
    except OSError:
        return []
    lines = []
    for each in raw[-SHOWN:]:
        try:
            lines.append(msgspec.json.decode(each, type=Line))
        except msgspec.MsgspecError:
            continue
    return lines


def _path(report_dir: Path, run: Run | None) -> Path:
    command = run.command if run is not None and run.command else "gate"
    return report_dir.absolute().parent / _DIRECTORY / f"{Path(command).name}.jsonl"


def as_html(lines: Sequence[Line]) -> str:
    """Return a table of the runs, newest last: a row a check, a sign a run, and the
    budget it took."""
    if len(lines) < 2:
        return ""
    names = dict.fromkeys(name for line in lines for name in line.checks)
    head = "".join(f"<th>{_e(line.started_at[5:16].replace('T', ' '))}</th>" for line in lines)
    whole = "".join(_cell(line, line.verdict, None) for line in lines)
    rows = "".join(
        f"<tr><th>{_e(name)}</th>"
        + "".join(_cell(line, *line.checks.get(name, ("", None))) for line in lines)
        + "</tr>"
        for name in names
    )
    return (
        f"<section><h2>The last {len(lines)} runs</h2>"
        '<p class="facts">The newest is the last. A number is the share of the budget, in %.</p>'
        '<div class="trend" role="region" aria-label="The last runs" tabindex="0"><table>'
        f"<thead><tr><th>run of</th>{head}</tr></thead>"
        f"<tbody><tr><th>verdict</th>{whole}</tr>{rows}</tbody></table></div></section>"
    )


def _cell(line: Line, verdict: str, used: float | None) -> str:
    if verdict not in Verdict.__members__:
        return "<td>–</td>"
    share = "" if used is None else f" {100 * used:.0f}"
    title = html.escape(f"{verdict}, {line.started_at}", quote=True)
    return f'<td class="{verdict}" title="{title}">{_SIGNS[verdict]}{share}</td>'


def _e(text: str) -> str:
    return html.escape(text)
