"""What a person sees: lines of progress while it runs, a table and the evidence at the end."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from botproof.checks.judging import HARNESS
from botproof.checks.shortcomings import DOUBLES
from botproof.prove.prove import Finding, Seen
from botproof.report.repeated import Row, summary, table
from botproof.verdict import CheckResult, Verdict, combine

_STYLES = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.ERROR: "bold magenta",
}
_PLAIN_WIDTH = 120
_EVIDENCE_OF_PASS = 3
_NOTHING_SAID = (
    "what the other checks saw in this run says nothing about the bot; "
    "their evidence is in the reports"
)


class Progress:
    """Prints lines with the seconds since the start, flushed, so that a CI log shows them live."""

    def __init__(self, out: TextIO | None = None, clock: Callable[[], float] = time.monotonic):
        self._out = out or sys.stdout
        self._clock = clock
        self._started = clock()

    def __call__(self, text: str) -> None:
        """Print one line (or several, indented below the first)."""
        elapsed = self._clock() - self._started
        first, *rest = text.splitlines() or [""]
        print(
            f"[{elapsed:6.1f} s] {first}",
            *(f"           {line}" for line in rest),
            sep="\n",
            file=self._out,
            flush=True,
        )


def print_results(
    results: Sequence[CheckResult],
    *,
    duration_s: float | None = None,
    report_dir: Path | None = None,
    console: Console | None = None,
) -> None:
    """Print the table of all checks, the evidence of each, and the verdict as the last line."""
    console = console or _console()
    console.print()
    console.print(_table(results))
    broken = [result for result in results if result.check == HARNESS]
    for result in broken or results:
        _print_evidence(console, result)
    if broken:
        console.print(Text(f"  {_NOTHING_SAID}"), soft_wrap=True)
    verdict = combine(result.verdict for result in results)
    console.print()
    line = Text.assemble("verdict: ", (verdict.value, _STYLES[verdict]))
    blamed = [r.check for r in results if r.verdict is verdict]
    if verdict is not Verdict.PASS and blamed:
        line.append(f" ({', '.join(blamed)})")
    if duration_s is not None:
        line.append(f" after {duration_s:.0f} s")
    if report_dir is not None:
        line.append(f"; reports in {report_dir}")
    console.print(line, soft_wrap=True)


def print_repeated(rows: Sequence[Row], report_dir: Path, console: Console | None = None) -> None:
    """Print the table of several gates, and how often each verdict was given as the last line."""
    console = console or _console()
    console.print()
    console.print(table(rows))
    console.print(Text(f"{summary(rows)}; reports in {report_dir}"), soft_wrap=True)


def print_findings(findings: Sequence[Finding], console: Console | None = None) -> None:
    """Print the table of planted defects: which check was to see each, and what it said."""
    console = console or _console()
    out = Table(show_lines=False, pad_edge=False)
    for name, ratio in (("defect", 2), ("check", 1), ("found", 2), ("said", 4), ("s", None)):
        out.add_column(name, ratio=ratio, no_wrap=name in {"check", "s"})
    for each in findings:
        bad = Verdict.ERROR if each.played else Verdict.INCONCLUSIVE
        style = _STYLES[Verdict.PASS if each.seen is Seen.RED else bad]
        found, said = Text(each.seen.value, style), Text(each.line)
        out.add_row(each.defect.name, each.defect.check, found, said, f"{each.seconds:.2f}")
    console.print(out)
    played = [each for each in findings if each.played]
    unseen = [each.defect.name for each in played if each.seen is not Seen.RED]
    line = f"{len(played) - len(unseen)} of {len(played)} planted defects were seen"
    if unseen:
        line = f"VOID: {line}; unseen: {', '.join(unseen)}"
    elif played:
        line += f"; an escape rate above {_escape_bound(len(played)):.0%} is refuted at 95 %"
    console.print(Text(line), soft_wrap=True)


def _escape_bound(played: int) -> float:
    """Return the one-sided 95 % Clopper-Pearson bound for none unseen of ``played``."""
    return float(1.0 - 0.05 ** (1.0 / played))


def _console() -> Console:
    # Without a terminal rich assumes 80 columns, which would fold every measurement.
    plain = not sys.stdout.isatty()
    return Console(highlight=False, width=_PLAIN_WIDTH if plain else None)


def _table(results: Sequence[CheckResult]) -> Table:
    table = Table(show_lines=False, pad_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("budget", ratio=2)
    table.add_column("measured", ratio=3)
    for result in results:
        verdict = Text(result.verdict.value, _STYLES[result.verdict])
        table.add_row(result.check, verdict, Text(result.budget), Text(result.measurement))
    return table


def _print_evidence(console: Console, result: CheckResult) -> None:
    lines = result.evidence
    if not lines:
        return
    if result.verdict is Verdict.PASS and result.check != DOUBLES:
        lines = lines[:_EVIDENCE_OF_PASS]
    console.print()
    console.print(Text.assemble((result.check, _STYLES[result.verdict])))
    for line in lines:
        console.print(Text(textwrap.indent(line, "  ")), soft_wrap=True)
    if result.verdict is Verdict.INCONCLUSIVE:
        console.print(Text(f"  least evidence: {result.least_evidence}"), soft_wrap=True)
