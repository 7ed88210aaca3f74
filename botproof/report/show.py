"""`botproof show`: the page of a run that was recorded earlier, of whatever kind."""

from __future__ import annotations

import argparse
import html
import tempfile
import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from botproof.checks.golden_files import read_approved
from botproof.checks.judging import Judging, JudgingSettings, harness_result, run_checks
from botproof.checks.registry import CHECKS
from botproof.counting import several
from botproof.history import CasePlayed, Event, History, Request, read_history
from botproof.problems import UsageError, write_text
from botproof.report import rollout_page, trend
from botproof.report.depth import flames_in, papers_for
from botproof.report.html import as_html, document, walk
from botproof.report.moments import Moment, differences
from botproof.report.record import as_record
from botproof.rollout.record import JOURNAL, describe, read
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
        "--mode", metavar="MODE", help="of two runs: the mode (the one in which most cases differ)"
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
        pairs = beside(record, other, arguments.mode or "")
        pair = max(pairs, key=lambda each: len(each.differences))
        said = "; ".join(each.summary for each in pairs)
        page = _page_of_two(pair, said, (path, second))
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
    print("\n".join(describe(rollout)))
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
    judging: Judging
    differences: Sequence[Moment]

    @property
    def summary(self) -> str:
        """How many cases were answered differently, in words."""
        cases = {case.case for case in self.history.of(CasePlayed)}
        every = several(len(cases), "case")
        return f"{self.mode}: {len(self.differences)} of {every} answered differently"


def beside(first: History, second: History, mode: str = "") -> list[Pair]:
    """Return two runs in one record for each mode that both have, or for this one alone. Raises
    UsageError where they have no such mode in common."""
    modes = [[own.mode_of(stack) for stack in own.stacks] for own in (first, second)]
    common = [name for name in dict.fromkeys(modes[0]) if name in modes[1]]
    if not common or (mode and mode not in common):
        known = [", ".join(dict.fromkeys(own)) or "no mode" for own in modes]
        wrong = f"--mode {mode}: is not in both runs" if mode else "no mode is in both runs"
        raise UsageError(f"{wrong}; the first has {known[0]}, the second {known[1]}")
    return [_pair(first, second, each) for each in ([mode] if mode else common)]


def _pair(first: History, second: History, mode: str) -> Pair:
    names = (f"{mode}, first run", f"{mode}, second run")
    events: list[Event] = [first.run] if first.run else []
    for name, own in zip(names, (first, second), strict=True):
        stack = next(stack for stack in own.stacks if own.mode_of(stack) == mode)
        kept = [event for event in own.counted() if event.stack == stack]
        shift = first.events[0].t - kept[0].t
        events += [_moved(event, name, shift) for event in kept]
    record = History(events)
    judging = Judging.of(JudgingSettings.recorded_in(record.run), {})
    return Pair(record, mode, names, judging, differences(record, judging))


def _moved(event: Event, stack: str, shift: float) -> Event:
    if isinstance(event, Request):
        event = msgspec.structs.replace(event, intended=event.intended + shift)
    return msgspec.structs.replace(event, stack=stack, t=event.t + shift)


def _page_of_two(pair: Pair, said: str, paths: tuple[Path, Path]) -> str:
    logs = {
        stack: path.parent / "logs" / pair.mode
        for stack, path in zip(pair.stacks, paths, strict=True)
    }
    record = as_record(pair.history, [], pair.judging, logs, moments=pair.differences)
    where = " · ".join(html.escape(str(path)) for path in paths)
    head = (
        '<header><h1 class="verdict">Two runs beside each other</h1>'
        f'<p class="why">{html.escape(said)}</p><p class="facts">{where}</p></header>'
    )
    return document("botproof: two runs", head + walk(record))


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
