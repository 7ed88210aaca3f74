"""`botproof show`: the page of a run that was recorded earlier, of whatever kind."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from botproof.checks.golden_files import read_approved
from botproof.checks.judging import Judging, JudgingSettings, run_checks
from botproof.checks.registry import EVERY
from botproof.history import History, read_history
from botproof.problems import UsageError
from botproof.report import trend
from botproof.report.depth import flames_in, papers_for
from botproof.report.html import as_html
from botproof.verdict import CheckResult, combine

_PAGE = "show.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `botproof show`."""
    parser.add_argument("history", type=Path, help="a history.jsonl, of the gate or any other run")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help=f"where the page goes ({_PAGE} beside it)"
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(arguments: argparse.Namespace) -> int:
    """Judge the record as it asks to be judged, and write its page. 0; the verdict is on it."""
    path: Path = arguments.history
    if path.is_dir():
        path /= "history.jsonl"
    record = read_history(path)
    results = judged(record)
    page = _page(record, results, path.parent)
    output: Path = arguments.output or path.parent / _PAGE
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror}") from error
    verdict = combine(result.verdict for result in results).value if results else "not judged"
    print(f"{output}: {verdict}, {len(record):,} events, {len(page.encode()) / 1000:.0f} kB")
    if arguments.open:
        webbrowser.open(output.absolute().as_uri())
    return 0


def judged(record: History) -> list[CheckResult]:
    """The results by the checks that the record names; none where it names none that is known."""
    run = record.run
    if run is None or not run.judging:
        return []
    settings = JudgingSettings.recorded_in(run)
    judging = Judging.of(settings, read_approved(Path(settings.golden_dir)))
    return run_checks(EVERY, [name for name in settings.checks if name in EVERY], record, judging)


def _page(record: History, results: list[CheckResult], directory: Path) -> str:
    run = record.run
    events = record.events
    return as_html(
        results,
        record,
        JudgingSettings.recorded_in(run).budgets,
        events[-1].t - events[0].t,
        papers=papers_for(directory),
        flames=flames_in(directory, directory),
        logs=directory / "logs",
        runs=trend.read_trend(directory, run),
    )
