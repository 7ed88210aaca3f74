"""The table over several delivery runs, for a person and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from botproof.delivery.run import CHECK
from botproof.history import ProcessReady
from botproof.outcome import Outcome

Named = tuple[str, Outcome]
"""What a run is called, and how it ended."""
_COLUMNS = ("run", "updates", "kills", "at work", "lost", "repeated", "order", "restart", "time")


def print_table(outcomes: Sequence[Named]) -> None:
    """Print one line a run, to standard output."""
    print()
    print("\n".join(as_text(outcomes)))


def as_text(outcomes: Sequence[Named]) -> list[str]:
    """Return the lines of the table."""
    rows = [[*_COLUMNS, "verdict"], *(_row(name, each) for name, each in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [_line(row, widths) for row in rows]


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        text.ljust(width) if number in (0, len(row) - 1) else text.rjust(width)
        for number, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()


def _row(name: str, outcome: Outcome) -> list[str]:
    row = as_row(name, outcome)
    swapped, restart = row["out_of_order"], row["median_restart_s"]
    return [
        row["run"],
        f"{row['updates']:,}",
        f"{row['kills']:,}",
        f"{row['kills_at_work']:,}",
        f"{row['lost']:,}",
        f"{row['repeated']:,}",
        f"{swapped:,} swapped" if swapped else "kept",
        f"{restart:.2f} s",
        f"{row['duration_s']:.0f} s",
        row["verdict"],
    ]


def as_row(name: str, outcome: Outcome) -> dict[str, Any]:
    """Return the figures of one run. `median_restart_s` is from start to ready, over all starts."""
    starts = sorted(e.after_s for e in outcome.history.of(ProcessReady) if e.role == "bot")
    return {
        "run": name,
        "verdict": outcome.verdict.value,
        **outcome.result(CHECK).data,
        "median_restart_s": round(starts[len(starts) // 2], 3) if starts else 0.0,
        "duration_s": round(outcome.duration_s, 1),
    }


def write_table(path: Path, outcomes: Sequence[Named]) -> None:
    """Write a list of one object a run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [as_row(name, outcome) for name, outcome in outcomes]
    document = msgspec.json.format(msgspec.json.encode(rows))
    path.write_bytes(document + b"\n")
