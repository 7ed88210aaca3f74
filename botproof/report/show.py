"""`botproof show`: the page of a run that was recorded earlier, of whatever kind."""

from __future__ import annotations

import argparse
import html
import tempfile
import webbrowser
from dataclasses import dataclass
from pathlib import Path

import msgspec

from botproof.checks.golden_files import read_approved
from botproof.checks.judging import Judging, JudgingSettings, harness_result, run_checks
from botproof.checks.registry import CHECKS
from botproof.counting import several
from botproof.history import Event, History, Request, read_history
from botproof.problems import UsageError, write_text
from botproof.report import rollout_page, trend
from botproof.report.depth import flames_in, papers_for
from botproof.report.html import as_html, document, walk
from botproof.report.moments import differences
from botproof.report.record import as_record
from botproof.rollout.told import JOURNAL, read, told
from botproof.verdict import CheckResult, combine

_PAGE = "show.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `botproof show`."""
    parser.add_argument(
        "history",
        type=Path,
        help="a history.jsonl, of the gate or any other run; or the directory of a roll-out, which "
        "is told in lines, and with --output as a page",
    )
    parser.add_argument(
        "other", type=Path, nargs="?", help="another run, to be shown beside it, case by case"
    )
    parser.add_argument(
        "--mode", metavar="MODE", help="of two runs: the mode (the first that both have)"
    )
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help=f"where the page goes ({_PAGE} beside it)"
    )
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def run(arguments: argparse.Namespace) -> int:
    """Judge the record as it asks to be judged, and write its page. 0; the verdict is on it.

    A roll-out has no verdict: it is told on the terminal, and has a page where one is asked for,
    since it may be under way in a directory that only it writes to.
    """
    if (arguments.history / JOURNAL).is_file():
        return _rollout(arguments)
    path, record = _read(arguments.history)
    if arguments.other is not None:
        second, other = _read(arguments.other)
        pair = beside(record, other, arguments.mode or "")
        page, said = _page_of_two(pair, (path, second))
        record = pair.history
    else:
        results = judged(record)
        page = _page(record, results, path.parent)
        said = combine(result.verdict for result in results).value if results else "not judged"
    output: Path = arguments.output or path.parent / _PAGE
    write_text(output, page)
    print(f"{output}: {said}, {len(record):,} events, {len(page.encode()) / 1000:.0f} kB")
    if arguments.open:
        webbrowser.open(output.absolute().as_uri())
    return 0


def _rollout(arguments: argparse.Namespace) -> int:
    rollout = read(arguments.history)
    print("\n".join(told(rollout)))
    output: Path | None = arguments.output
    if output is None and arguments.open:
        output = Path(tempfile.gettempdir()) / f"{rollout.name}.html"
    if output is not None:
        write_text(output, rollout_page.as_html(rollout))
        print(f"{output}: the same as a page")
    if output is not None and arguments.open:
        webbrowser.open(output.absolute().as_uri())
    return 0


def _read(path: Path) -> tuple[Path, History]:
    if not path.is_dir():
        return path, read_history(path)
    found = path / "history.jsonl"
    if not found.exists():
        raise UsageError(_nothing_to_show(path))
    return found, read_history(found)


def _nothing_to_show(directory: Path) -> str:
    rollouts = sorted(each.parent for each in directory.glob(f"*/{JOURNAL}"))
    if not rollouts:
        return (
            f"{directory}: holds neither a history.jsonl, of a gate or another run, nor a "
            f"{JOURNAL}, of a roll-out"
        )
    return (
        f"{directory}: is the state of {len(rollouts)} roll-outs; show one of them, such as the "
        f"last: botproof show {rollouts[-1]}"
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """One mode of two runs as two stacks of one record, which begin at the same time."""

    history: History
    mode: str
    stacks: tuple[str, str]


def beside(first: History, second: History, mode: str = "") -> Pair:
    """Return two runs in one record. Raises UsageError where they have no such mode in common."""
    modes = [[own.mode_of(stack) for stack in own.stacks] for own in (first, second)]
    common = [name for name in modes[0] if name in modes[1]]
    chosen = mode or (common[0] if common else "")
    if chosen not in common:
        known = [", ".join(dict.fromkeys(own)) or "no mode" for own in modes]
        wrong = f"--mode {mode}: is not in both runs" if mode else "no mode is in both runs"
        raise UsageError(f"{wrong}; the first has {known[0]}, the second {known[1]}")
    names = (f"{chosen}, first run", f"{chosen}, second run")
    events: list[Event] = [first.run] if first.run else []
    for name, own in zip(names, (first, second), strict=True):
        stack = own.stacks[modes[0 if own is first else 1].index(chosen)]
        kept = [event for event in own.counted() if event.stack == stack]
        shift = first.events[0].t - kept[0].t
        events += [_moved(event, name, shift) for event in kept]
    return Pair(History(events), chosen, names)


def _moved(event: Event, stack: str, shift: float) -> Event:
    if isinstance(event, Request):
        event = msgspec.structs.replace(event, intended=event.intended + shift)
    return msgspec.structs.replace(event, stack=stack, t=event.t + shift)


def _page_of_two(pair: Pair, paths: tuple[Path, Path]) -> tuple[str, str]:
    """Return the page, and what it shows in a few words."""
    settings = JudgingSettings.recorded_in(pair.history.run)
    judging = Judging.of(settings, {})
    found = differences(pair.history, judging)
    logs = {
        stack: path.parent / "logs" / pair.mode
        for stack, path in zip(pair.stacks, paths, strict=True)
    }
    record = as_record(pair.history, [], judging, logs, moments=found)
    count = f"{len(found)} of {several(len(record['cases']), 'case')} answered differently"
    where = " · ".join(html.escape(str(path)) for path in paths)
    head = (
        f'<header><h1 class="verdict">Two runs beside each other</h1><p class="why">{count}</p>'
        f'<p class="facts">{where}</p></header>'
    )
    return document("botproof: two runs", head + walk(record)), count


def judged(record: History) -> list[CheckResult]:
    """Return the results by the checks that the record names; where it names none that is known,
    only whether the harness failed."""
    run = record.run
    if run is None or not run.judging:
        broken = harness_result(record)
        return [broken] if broken is not None else []
    settings = JudgingSettings.recorded_in(run)
    judging = Judging.of(settings, read_approved(Path(settings.golden_dir)))
    return run_checks(CHECKS, [name for name in settings.checks if name in CHECKS], record, judging)


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
