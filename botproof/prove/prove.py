"""Judge the record of a good run with each defect in it, and compare with what was declared."""

from __future__ import annotations

import enum
import functools
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from botproof.checks.judging import Check, Judging, run_check
from botproof.checks.machine import name_the_machine
from botproof.history import History, Trial
from botproof.prove.alterations import ALTERATIONS
from botproof.prove.altering import Record
from botproof.prove.catalogue import Defect, read_defects
from botproof.verdict import CheckResult, Verdict

NAME = "prove"
BUDGET_S = 10.0


class Seen(enum.Enum):
    """What became of a defect."""

    RED = "red for the right reason"
    OTHER_WORDS = "red, but it does not say why"
    GREEN = "stayed green"
    NOT_SHOWN = "cannot be shown by this run"
    NOT_PLAYED = "not played: no time left"


@dataclass(frozen=True, slots=True)
class Finding:
    """A defect, and what its check said of the record with it. `line` is what it said first."""

    defect: Defect
    seen: Seen
    verdict: Verdict | None = None
    line: str = ""
    seconds: float = 0.0

    @property
    def played(self) -> bool:
        """Whether a record with the defect was judged."""
        return self.verdict is not None


def prove(
    history: History,
    judging: Judging,
    checks: Mapping[str, Check],
    *,
    asked: Collection[str],
    defects: Iterable[Defect] | None = None,
    budget_s: float = BUDGET_S,
    clock: Callable[[], float] = time.monotonic,
) -> list[Finding]:
    """Judge ``history``, which passed, with each defect in it.

    ``asked`` are the checks that judged the run: a defect of another cannot be shown by it. What
    does not fit into ``budget_s`` seconds is not played, and says so.
    """
    trials = {trial.check for trial in history.of(Trial)}

    @functools.cache
    def record(modes: str, trial: str) -> Record:
        return Record.of(history.for_check(trial), judging, every_mode=modes == "all")

    end = clock() + budget_s
    findings = []
    for defect in read_defects() if defects is None else defects:
        if defect.check not in asked:
            findings.append(Finding(defect, Seen.NOT_SHOWN))
        elif clock() >= end:
            findings.append(Finding(defect, Seen.NOT_PLAYED))
        else:
            own = record(defect.modes, defect.check if defect.check in trials else "")
            findings.append(_play(own, defect, checks[defect.check], clock))
    return findings


def _play(record: Record, defect: Defect, check: Check, clock: Callable[[], float]) -> Finding:
    began = clock()
    altered = ALTERATIONS[defect.alter](record)
    if altered is None:
        return Finding(defect, Seen.NOT_SHOWN)
    result = run_check(defect.check, check, altered.history, record.judging)
    result = name_the_machine(result, altered.history)
    said = (result.measurement, *result.evidence)
    wanted = [word.format_map(altered.chosen) for word in defect.words]
    if result.verdict is Verdict.INCONCLUSIVE and result.spoilt_by == "machine":
        seen = Seen.NOT_SHOWN  # no PASS, and for want of a machine no FAIL
    elif result.verdict is not Verdict.FAIL:
        seen = Seen.GREEN
    elif all(any(word in line for line in said) for word in wanted):
        seen = Seen.RED
    else:
        seen = Seen.OTHER_WORDS
    return Finding(defect, seen, result.verdict, result.measurement, clock() - began)


def result_of(findings: Sequence[Finding]) -> CheckResult:
    """Return the findings as a check among the others: ERROR where the judge did not turn red.

    A judge that cannot turn red is void: what it called PASS says nothing.
    """
    of = {seen: [f for f in findings if f.seen is seen] for seen in Seen}
    void = [*of[Seen.GREEN], *of[Seen.OTHER_WORDS]]
    red, played = len(of[Seen.RED]), sum(finding.played for finding in findings)
    return CheckResult(
        check=NAME,
        verdict=Verdict.ERROR if void or not red else Verdict.PASS,
        budget="this PASS would have been a FAIL with each defect that the run can show",
        measurement=(
            f"VOID: {len(void)} of {played} defects stayed unseen"
            if void
            else f"{red} defects planted into the record, each of them seen"
        ),
        least_evidence="one defect that the run can show",
        evidence=(
            *(f"{f.seen.value}: {_described(f)}; it said: {f.line}" for f in void),
            *(f"would have failed {f.defect.check}: {_described(f)}" for f in of[Seen.RED]),
            *(f"{f.seen.value}: {_described(f)}" for f in of[Seen.NOT_PLAYED]),
            *(f"{f.seen.value}: {_described(f)}" for f in of[Seen.NOT_SHOWN]),
        ),
        source="botproof/prove/defects.toml (docs/prove.md)",
        data={
            "red": [f.defect.name for f in of[Seen.RED]],
            "void": [f.defect.name for f in void],
            "not_shown": [f.defect.name for f in (*of[Seen.NOT_SHOWN], *of[Seen.NOT_PLAYED])],
            "seconds": round(sum(f.seconds for f in findings), 2),
        },
    )


def _described(finding: Finding) -> str:
    return f"{finding.defect.name} ({finding.defect.story})"
