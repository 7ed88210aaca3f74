"""report.html: one page that a person reads in a minute, and that needs nothing but itself.

On top is the verdict, then the record to walk through (`botproof/report/record.py` and the scripts
in `static`), opened at the first finding; then the checks, charts, and how to see it again.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from botproof.budgets import Budgets
from botproof.checks.golden_files import read_approved
from botproof.checks.judging import Judging, JudgingSettings
from botproof.counting import several
from botproof.history import (
    FreshStart,
    History,
    ProcessExited,
    ProcessReady,
    ProcessStarted,
    Run,
    describe_exit,
)
from botproof.report import limits, trend
from botproof.report import page as parts
from botproof.report.charts import Chart, draw
from botproof.report.depth import Paper, flames_in, papers_for
from botproof.report.plots import latency_charts, memory_charts, starvation_charts
from botproof.report.record import as_record
from botproof.verdict import CheckResult, Verdict, combine

_SIGNS = {
    Verdict.PASS: "✓",
    Verdict.FAIL: "✗",
    Verdict.INCONCLUSIVE: "?",
    Verdict.ERROR: "!",
}
_SCRIPTS = {"profile": "memory_profiles/run.py", "leak": "memory_profiles/leak.py"}
"""What makes the runs again that are no gates."""

_MEANING = {
    Verdict.PASS: "Every check passed, each with enough evidence.",
    Verdict.FAIL: "Do not ship this build.",
    Verdict.INCONCLUSIVE: "No check failed, but the evidence does not do for PASS.",
    Verdict.ERROR: "The harness itself failed: nothing can be said about the build.",
}


def write_html(
    directory: Path,
    results: Sequence[CheckResult],
    history: History,
    budgets: Budgets,
    duration_s: float,
) -> None:
    """Write `report.html` into `directory`, with what lies beside it: papers about memory, logs."""
    directory.mkdir(parents=True, exist_ok=True)
    page = as_html(
        results,
        history,
        budgets,
        duration_s,
        papers=papers_for(directory),
        flames=flames_in(directory, directory),
        logs=directory / "logs",
        runs=trend.read_trend(directory, history.run),
    )
    (directory / "report.html").write_text(page, encoding="utf-8")


def as_html(
    results: Sequence[CheckResult],
    history: History,
    budgets: Budgets,
    duration_s: float,
    *,
    papers: Sequence[Paper] = (),
    flames: Mapping[str, str] | None = None,
    logs: Path | None = None,
    runs: Sequence[trend.Line] = (),
) -> str:
    """Return the page. Everything from the run is escaped. `flames` are links to flame graphs of
    its own run, by process; `papers` are results of other runs that belong beside it; `logs` is
    where the logs of its processes lie, `runs` are the ones before it."""
    verdict = combine(result.verdict for result in results)
    record = as_record(history, results, judging_of(history.run, budgets), logs)
    history = history.counted()
    run = history.run
    body = "".join(
        [
            _header(verdict, results, run, duration_s),
            walk(record),
            _fresh_starts(history),
            _checks(results, record),
            _charts("Latency", latency_charts(history, budgets)),
            _charts("Starvation", starvation_charts(history)),
            _charts("Memory", memory_charts(history, budgets)),
            _flames(flames or {}),
            "".join(map(_paper, papers)),
            limits.as_html(results, history),
            trend.as_html(runs),
            _again(results, run),
            _about(history, run),
        ]
    )
    return document(f"botproof: {verdict.value}", body)


def document(title: str, body: str, *, live: str = "") -> str:
    """Return a whole page around `body`; a `live` one asks this path for its record
    again and again."""
    asks = f' data-live="{_e(live)}"' if live else ""
    return (
        f'<!doctype html>\n<html lang="en"{asks}><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{parts.policy(live=bool(live))}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_e(title)}</title><style>{parts.style()}</style></head>"
        f"<body><main>{body}</main><script>{parts.script()}</script></body></html>\n"
    )


def walk(record: parts.Json | None) -> str:
    """Return the record, to be walked through, and what stands there until it is opened."""
    held = ""
    if record is not None:
        text, _ = parts.packed(record)
        held = f'<script type="text/plain" id="record">{text}</script>'
    said = "The record is opened by JavaScript. All else on this page is whole without it."
    return f'<p id="walk-state" class="facts" role="status">{said}</p>{parts.skeleton()}{held}'


def judging_of(run: Run | None, budgets: Budgets) -> Judging:
    """Return what the run was judged by, as far as it is known: golden files may lie
    elsewhere now."""
    settings = JudgingSettings.recorded_in(run)
    judging = Judging.of(settings, read_approved(Path(settings.golden_dir)))
    return replace(judging, budgets=budgets)


def _e(text: object) -> str:
    return html.escape(str(text))


def _header(
    verdict: Verdict, results: Sequence[CheckResult], run: Run | None, duration_s: float
) -> str:
    blamed = [result for result in results if result.verdict is verdict]
    worst = "" if verdict is Verdict.PASS or not blamed else _headline(blamed[0])
    modes = f" in {' and '.join(run.modes)}" if run is not None and run.modes else ""
    facts = [f"{several(len(results), 'check')}{modes}", f"{duration_s:.0f} s"]
    if run is not None:
        facts += [_moment(run.started_at), run.config]
    said, meaning = f"<span>{_SIGNS[verdict]}</span> {verdict.value}", _MEANING[verdict]
    if not results:
        said = "not judged"
        meaning = "The record does not say how it is to be judged: it is shown as it is."
    return (
        f'<header class="{verdict.value}"><h1 class="verdict">{said}</h1>'
        f'{worst}<p class="why">{meaning}{_beside(blamed) if worst else ""}</p>'
        f'<p class="facts">{" · ".join(_e(fact) for fact in facts if fact)}</p>'
        f'<nav class="chips">{"".join(map(_chip, results))}</nav></header>'
    )


def _fresh_starts(history: History) -> str:
    """Return what the harness itself spoilt and made good by starting the stack once more."""
    starts = history.of(FreshStart)
    if not starts:
        return ""
    lines = "".join(
        f"<li><b>{_e(event.stack)}</b> was started afresh: {_e(event.reason)}</li>"
        for event in starts
    )
    said = "The harness itself failed, not the bot; what it saw before is kept and not judged."
    return f'<section><h2>Started afresh</h2><p class="facts">{said}</p><ul>{lines}</ul></section>'


def _headline(result: CheckResult) -> str:
    """Return what is worst: checks stand in the order in which they matter."""
    return f'<p class="worst">{_e(result.check)}: {_e(result.measurement)}</p>'


def _beside(blamed: Sequence[CheckResult]) -> str:
    """Return which checks say the same as the one of the headline."""
    names = ", ".join(result.check for result in blamed[1:])
    return _e(f" {blamed[0].verdict.value} as well: {names}.") if names else ""


def _moment(iso: str) -> str:
    return iso.replace("T", " ").replace("+00:00", " UTC")


def _chip(result: CheckResult) -> str:
    sign = _SIGNS[result.verdict]
    return (
        f'<a class="{result.verdict.value}" href="#{_anchor(result)}">{sign} {_e(result.check)}</a>'
    )


def _anchor(result: CheckResult) -> str:
    return _e(result.check).replace(" ", "-")


def _checks(results: Sequence[CheckResult], record: parts.Json) -> str:
    first: dict[str, int] = {}
    for number, moment in enumerate(record["moments"], start=1):
        first.setdefault(moment["check"], number)
    cards = "".join(_check(each, first.get(each.check, 0)) for each in _worst_first(results))
    return f'<section><h2>Checks</h2><div class="checks">{cards}</div></section>'


def _worst_first(results: Sequence[CheckResult]) -> list[CheckResult]:
    return sorted(results, key=lambda result: -result.verdict.rank)


def _check(result: CheckResult, finding: int = 0) -> str:
    verdict = result.verdict
    see = f' <a href="#finding={finding}">see it in the record</a>' if finding else ""
    source = f' <span class="source">{_e(result.source)}</span>' if result.source else ""
    return (
        f'<article class="{verdict.value}" id="{_anchor(result)}">'
        f'<h3><span class="badge">{_SIGNS[verdict]} {verdict.value}</span> '
        f"{_e(result.check)}{see}</h3>"
        f'<p class="measured">{_e(result.measurement)}</p>'
        f'<p class="budget">Budget: {_e(result.budget)}.{source}</p>'
        f"{_margin(result)}{_evidence(result)}</article>"
    )


def _margin(result: CheckResult) -> str:
    if result.used is None:
        return ""
    percent = 100 * result.used
    said = f"{percent:.0f} % of the budget used, {100 - percent:.0f} % left"
    if percent >= 100:
        said = f"{result.used:.3g} times the budget"
    return (
        f'<svg class="margin" role="img" aria-label="{percent:.0f} % of the budget used">'
        f'<rect width="{min(percent, 100):.1f}%" height="6"/></svg>'
        f'<p class="left">{said}</p>'
    )


def _evidence(result: CheckResult) -> str:
    passed = result.verdict is Verdict.PASS
    lines = list(result.evidence)
    if not passed:
        lines.append(f"least evidence: {result.least_evidence}")
    if not lines:
        return ""
    opened = "" if passed else " open"
    body = _block(f"Evidence of {result.check}", "\n".join(map(_marked, lines)))
    return f"<details{opened}><summary>Evidence</summary>{body}{_files(result)}</details>"


def _block(label: str, lines: str) -> str:
    """Return lines that may be larger than their place: reached and scrolled by
    keyboard, with a name."""
    return f'<pre role="group" aria-label="{_e(label)}" tabindex="0">{lines}</pre>'


def _files(result: CheckResult) -> str:
    """Return links to evidence that is too long for this page; the files lie beside it."""
    links = (
        f'<a href="{html.escape(quote(name), quote=True)}">{_e(name)}</a> '
        f"({several(len(text.splitlines()), 'line')})"
        for name, text in result.files.items()
    )
    listed = ", ".join(links)
    return f'<p class="facts">The whole: {listed}</p>' if listed else ""


def _marked(line: str) -> str:
    """Return a line of evidence; what a diff adds or takes away has its colour."""
    if line.startswith("+") and not line.startswith("+++"):
        return f"<ins>{_e(line)}</ins>"
    if line.startswith("-") and not line.startswith("---"):
        return f"<del>{_e(line)}</del>"
    return _e(line)


def _charts(title: str, charts: Sequence[Chart]) -> str:
    if not charts:
        return ""
    return (
        f'<section><h2>{title}</h2><div class="charts">{"".join(map(draw, charts))}</div></section>'
    )


def _flames(flames: Mapping[str, str]) -> str:
    """Return links to flame graphs: what each process held at its peak."""
    if not flames:
        return ""
    links = " · ".join(
        f'<a href="{html.escape(link, quote=True)}">{_e(process)}</a>'
        for process, link in flames.items()
    )
    return f'<p class="flames">Flame graphs of the peak: {links}</p>'


def _paper(paper: Paper) -> str:
    """Return the results of another run. They do not decide the verdict of this page,
    and say so."""
    when = f" of {_moment(paper.when)}" if paper.when else ""
    cards = "".join(map(_check, _worst_first(paper.results)))
    return (
        f"<section><h2>Memory: {_e(paper.title)}</h2>"
        f'<p class="facts">A run of its own{_e(when)}: no part of the verdict above.</p>'
        f'{_flames(paper.flames)}<div class="checks">{cards}</div></section>'
    )


def _again(results: Sequence[CheckResult], run: Run | None) -> str:
    commands = "\n".join(_e(command) for command in reproduce(results, run))
    block = _block("Commands that show it again", commands)
    return f"<section><h2>To see it again</h2>{block}</section>"


def reproduce(results: Sequence[CheckResult], run: Run | None) -> Iterator[str]:
    """Yield the commands that make the same run, single checks of it, and the verdict, again."""
    run = run or Run(t=0.0)
    script = _SCRIPTS.get(run.command)
    if script is not None:
        yield f"python {script}"
        return
    gate = f"botproof gate --config {run.config or 'botproof.toml'}"
    gate += "".join(f" --mode {mode}" for mode in run.chosen_modes)
    if run.images:
        gate += " --image " + ",".join(f"{name}={image}" for name, image in run.images.items())
    yield gate
    blamed = [r.check for r in results if r.verdict is not Verdict.PASS and r.check != "harness"]
    if blamed:
        yield f"{gate} --only {','.join(blamed)}"
    yield "botproof judge history.jsonl    # beside this page: the same verdict, nothing is started"
    if "golden" in blamed:
        yield "botproof golden diff            # what differs from the approved replies"


def _about(history: History, run: Run | None) -> str:
    rows = "".join(
        f"<tr><td>{_e(stack)}</td><td>{_e(process)}</td><td>{ready}</td><td>{_e(end)}</td></tr>"
        for stack, process, ready, end in _lifetimes(history)
    )
    processes = (
        "<table><thead><tr><th>mode</th><th>process</th><th>ready after</th><th>end</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>"
        if rows
        else ""
    )
    facts = {} if run is None else {"botproof": run.botproof, **run.machine, "seed": run.seed}
    images = {event.image: event.image_id for event in history.of(ProcessStarted) if event.image}
    facts |= {f"image {image}": identity for image, identity in images.items()}
    machine = " · ".join(f"{_e(key)} {_e(value)}" for key, value in facts.items() if value != "")
    return (
        f"<section><details><summary>Processes and machine</summary>{processes}"
        f'<p class="facts">{machine}</p></details></section>'
    )


def _lifetimes(history: History) -> Iterator[tuple[str, str, str, str]]:
    ended = {(event.stack, event.process): event for event in history.of(ProcessExited)}
    for event in history.of(ProcessReady):
        end = ended.get((event.stack, event.process))
        how = "-" if end is None else f"{describe_exit(end.code)}, {end.after_s:.1f} s"
        yield event.stack, event.process, f"{event.after_s:.1f} s", how
