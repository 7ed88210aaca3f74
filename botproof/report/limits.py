"""What a run would have shown, and what it cannot show: no PASS says more than this."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence

from botproof.checks.judging import JudgingSettings
from botproof.config import ALL_CHECKS
from botproof.history import DoubleEvent, History, Run, within_reach
from botproof.prove.catalogue import read_defects
from botproof.verdict import CheckResult, Verdict

_PROVE = "prove"


def as_html(results: Sequence[CheckResult], history: History) -> str:
    """Return both lists as a section of the page."""
    items = "".join(f"<li>{html.escape(text)}</li>" for text in cannot_show(results, history))
    return (
        f'<section id="limits"><h2>What this run cannot show</h2><ul>{items}</ul>'
        f"{_caught(results)}</section>"
    )


def cannot_show(results: Sequence[CheckResult], history: History) -> Iterator[str]:
    """Yield what follows from how it was run, what was not judged, and what is true of
    every run."""
    run = history.run or Run(t=0.0)
    for result in results:
        if result.verdict is Verdict.INCONCLUSIVE:
            yield f"{result.check}: {result.measurement} (it needs {result.least_evidence})"
    if run.command == "gate":
        asked = JudgingSettings.recorded_in(run).checks
        missing = [name for name in ALL_CHECKS if name not in asked]
        if missing:
            yield f"not judged at all: {', '.join(missing)}"
        yield "what a kill in the middle of the work costs: botproof delivery"
        yield "growth over days: a gate takes minutes (nox -s memory tells it from a slope)"
    if run.chosen_modes:
        yield f"any other mode: only {', '.join(run.chosen_modes)} was run"
    yield from dict.fromkeys(filter(None, map(within_reach, history.of(DoubleEvent))))
    of_prove = next((each for each in results if each.check == _PROVE), None)
    stories = {defect.name: defect.story for defect in read_defects()}
    for name in of_prove.data.get("not_shown", ()) if of_prove else ():
        yield f"a defect such as this: {stories.get(name, name)}"
    yield (
        "what only the real Telegram and the real exchanges do: doubles answered, as far as their "
        "behaviour is known"
    )
    cpus = run.machine.get("cpus")
    where = f" with {cpus} processors" if cpus else ""
    yield f"how fast another machine is: time and memory are those of this one{where}"


def _caught(results: Sequence[CheckResult]) -> str:
    of_prove = next((each for each in results if each.check == _PROVE), None)
    if of_prove is None:
        said = (
            "Only a run that passes is proved: then defects are planted into its record, and each "
            "has to turn its check red."
        )
        return f'<h3>Which defects it would have caught</h3><p class="facts">{said}</p>'
    known = {defect.name: defect for defect in read_defects()}
    caught = [known[name] for name in of_prove.data.get("red", ()) if name in known]
    rows = "".join(
        f"<tr><td>{html.escape(each.check)}</td><td>{html.escape(each.story)}</td></tr>"
        for each in caught
    )
    return (
        f"<details><summary>Which defects it would have caught ({len(caught)})</summary><table>"
        "<thead><tr><th>check</th><th>what would have turned it red</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></details>"
    )
