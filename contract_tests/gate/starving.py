"""A story on a machine that keeps it from going on, and what a check says of it."""

from typing import Any

from botproof.checks import judging
from botproof.checks.judging import Judging
from botproof.checks.registry import CHECKS
from botproof.history import Starved
from botproof.verdict import CheckResult


def starve(story: Any, mode: str, begin: float, end: float, figure: float = 1.0) -> None:
    """The machine kept this stack from running for a part of every second."""
    at = begin
    while at < end:
        at += 0.5
        story.add(
            Starved(t=at, over_s=0.5, late_s=0.5 * figure, busy_s=1.0, cpus=2, **story.labels(mode))
        )


def judge(story: Any, judged: Judging, check: str) -> CheckResult:
    return judging.run_checks(CHECKS, [check], story.history(), judged)[-1]
