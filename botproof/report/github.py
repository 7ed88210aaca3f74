"""What a run says to GitHub Actions: annotations at the lines concerned, and the job's summary.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from botproof.report.moments import Moment
from botproof.verdict import CheckResult, Verdict

MOST: Final = 10
"""GitHub shows ten errors and ten warnings of a step, and drops the rest."""

_SUMMARY: Final = "GITHUB_STEP_SUMMARY"
_WORKSPACE: Final = "GITHUB_WORKSPACE"
_SUMMARY_BYTES: Final = 1_000_000  # GitHub takes 1 MiB
_LEVELS: Final = {Verdict.FAIL: "error", Verdict.ERROR: "error", Verdict.INCONCLUSIVE: "warning"}
_BUDGETS: Final[Mapping[str, tuple[str, ...]]] = {
    "latency": ("reply_time_s",),
    "errors": ("error_rate_pct",),
    "rollback": ("rollback_latency_s",),
    "memory": ("fleet_memory_mb", "market_data_memory_mb"),
    "boot": ("start_s", "stop_s"),
}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a finding can be put right: botproof.toml and the approved replies."""

    config: Path
    golden_dir: Path
    workspace: Path

    @classmethod
    def of(cls, config: Path, golden_dir: Path) -> Sources:
        """Return where sources are: paths on GitHub are relative to the repository,
        which `$GITHUB_WORKSPACE` names."""
        return cls(config, golden_dir, Path(os.environ.get(_WORKSPACE) or Path.cwd()))

    def place(self, check: str, case: str) -> tuple[str, int]:
        """Return file and line of what a finding is about: the approved reply, the case, the
        budget, the table of the check."""
        approved = self.golden_dir / f"{case}.txt"
        if check == "golden" and case and approved.is_file():
            return self._relative(approved), 1
        try:
            lines = self.config.read_text(encoding="utf-8").splitlines()
        except OSError:
            lines = []
        wanted = [rf'\s*name\s*=\s*"{re.escape(case)}"'] if case else []
        wanted += [rf"\s*{name}\s*=" for name in _BUDGETS.get(check, ())]
        wanted += [rf"\s*\[{re.escape(check)}\]", r"\s*\[gate\]"]
        for pattern in wanted:
            for number, line in enumerate(lines, start=1):
                if re.match(pattern, line):
                    return self._relative(self.config), number
        return self._relative(self.config), 1

    def _relative(self, path: Path) -> str:
        absolute, workspace = path.absolute(), self.workspace.absolute()
        inside = absolute.is_relative_to(workspace)
        return str(absolute.relative_to(workspace) if inside else absolute)


def annotate(
    results: Iterable[CheckResult], moments: Sequence[Moment], sources: Sources
) -> Iterator[str]:
    """Yield a line for each finding, at most ten of a level; a check without a moment has its
    headline.

    Checks take turns, so that one with many findings does not hide the others.
    """
    left = dict.fromkeys(_LEVELS.values(), MOST)
    ordered = sorted(results, key=lambda each: -each.verdict.rank)
    queues: list[list[Moment | None]] = [
        [*(m for m in moments if m.check == result.check)] or [None] for result in ordered
    ]
    for turn in range(MOST):
        for result, queue in zip(ordered, queues, strict=True):
            level = _LEVELS.get(result.verdict)
            if level is None or turn >= len(queue) or not left[level]:
                continue
            left[level] -= 1
            moment = queue[turn]
            file, line = sources.place(result.check, moment.case if moment else "")
            stack = f" in {moment.stack}" if moment and moment.stack else ""
            said = moment.text if moment else result.measurement
            title = f"botproof: {result.check} is {result.verdict.value}{stack}"
            text = said if turn else f"{result.measurement}\n{said}"
            yield (
                f"::{level} file={_property(file)},line={line},title={_property(title)}"
                f"::{_data(text)}"
            )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


class Muted:
    """Between `begin` and `end` GitHub takes no commands from what is printed: bots and logs could
    hold some. The word that ends it is nobody's to guess."""

    def __init__(self) -> None:
        word = secrets.token_hex(16)
        self.begin = f"::stop-commands::{word}"
        self.end = f"::{word}::"


def write_summary(report_dir: Path) -> str:
    """Add summary.md to the job's summary; what was wrong where it could not be, "" otherwise."""
    target = os.environ.get(_SUMMARY)
    if not target:
        return f"${_SUMMARY} is not set: there is no job to add a summary to"
    text = (report_dir / "summary.md").read_bytes()
    if len(text) > _SUMMARY_BYTES:
        text = text[:_SUMMARY_BYTES] + b"\n\n(cut here: GitHub takes no more)\n"
    with Path(target).open("ab") as file:
        file.write(text)
    return ""
