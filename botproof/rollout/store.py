"""The records of a fleet's roll-outs: a directory for each, of which nothing is ever changed."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from botproof.problems import UsageError
from botproof.rollout.journal import FileJournal, state_of


@dataclass(frozen=True, slots=True)
class Store:
    """Where roll-outs are recorded: a directory for each, numbered."""

    root: Path

    def all(self) -> list[Path]:
        """Return the directories, the oldest first."""
        return sorted(path for path in self.root.glob("[0-9]*") if path.is_dir())

    def open(self) -> Path | None:
        """Return the roll-out that has not ended, or None."""
        for path in reversed(self.all()):
            entries = FileJournal(path / "journal.jsonl").entries
            if entries and not state_of(entries).end:
                return path
        return None

    def expect(self, project: str) -> None:
        """Raise UsageError where these are the records of another fleet: going back would take its
        images for this one's."""
        for path in reversed(self.all()):
            plan = state_of(FileJournal(path / "journal.jsonl").entries).plan
            if plan is None:
                continue
            if plan.project not in {"", project}:
                raise UsageError(
                    f"{self.root}: holds the records of the fleet {plan.project}, and this is "
                    f"{project}; give each fleet a directory of its own by --state, or look at "
                    "--project-name"
                )
            return

    def new(self) -> Path:
        """Return a directory for the next one."""
        number = int(self.all()[-1].name.split("-")[0]) + 1 if self.all() else 1
        now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
        path = self.root / f"{number:04d}-{now}"
        path.mkdir(parents=True, mode=0o700)
        return path
