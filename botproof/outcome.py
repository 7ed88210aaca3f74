"""A run of the harness that ends in a verdict: recorded first, then judged from its record."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botproof import history
from botproof.checks.judging import Check, Judging, JudgingSettings, run_checks
from botproof.history import History, HistoryWriter
from botproof.open_files import as_a_service_has
from botproof.problems import UsageError
from botproof.targets.recorder import Recorder
from botproof.targets.session import interruptible
from botproof.verdict import CheckResult, Verdict, combine

_PAPERS = ("verdict.json", "verdict.intoto.json", "junit.xml", "summary.md", "report.html")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A judged run."""

    verdict: Verdict
    results: Sequence[CheckResult]
    history: History
    duration_s: float
    report_dir: Path

    def result(self, check: str) -> CheckResult:
        """Return what one check says; KeyError when it is not among them."""
        for result in self.results:
            if result.check == check:
                return result
        raise KeyError(check)


def record_and_judge(
    report_dir: Path,
    *,
    about: Callable[[float], history.Run],
    run: Callable[[Recorder], Coroutine[Any, Any, None]],
    judge: Callable[[History], Sequence[CheckResult]],
) -> Outcome:
    """Record ``run`` in ``report_dir``/history.jsonl and judge the record.

    What an earlier run left there is gone from the start: should this one be killed, nobody takes
    the old verdict for its own. ``about`` makes the first line, given when the run began. Ctrl-C,
    SIGTERM and SIGHUP end the run as an ERROR. Never raises for what
    goes wrong in ``run``: that is in the history, and in the verdict.
    """
    as_a_service_has()  # here already: where it is refused, the old papers stay
    started = history.now()
    path = report_dir / "history.jsonl"
    try:
        opened = HistoryWriter(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
    with opened as writer:
        discard_papers(report_dir)
        shutil.rmtree(report_dir / "logs", ignore_errors=True)
        recorder = Recorder(writer)
        recorder.record(about(started))
        asyncio.run(interruptible(run(recorder), recorder))
        recorder.end()
    record = recorder.history()
    results = judge(record)
    return Outcome(
        verdict=combine(result.verdict for result in results),
        results=results,
        history=record,
        duration_s=history.now() - started,
        report_dir=report_dir,
    )


def discard_papers(report_dir: Path) -> None:
    """Remove every verdict that was written there."""
    for name in _PAPERS:
        (report_dir / name).unlink(missing_ok=True)


def judge_by(name: str, check: Check) -> Callable[[History], list[CheckResult]]:
    """Judge by one check only, with the settings that the history was recorded with."""

    def judge(record: History) -> list[CheckResult]:
        judging = Judging.of(JudgingSettings.recorded_in(record.run), {})
        return run_checks({name: check}, (name,), record, judging)

    return judge
