"""What the gates of a noise run said, as rows, as a table, and as one verdict over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from botproof.history import (
    FreshStart,
    HistoryError,
    PlayedAgain,
    PlayedOver,
    Starved,
    read_history,
)
from botproof.starvation import Starvation
from botproof.verdict import Verdict


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One gate. `starvation` is the share of its time that was withheld, 0 to 1; `explained`
    whether every check that does not pass says that the machine or a double spoilt it."""

    build: str
    state: str
    verdict: str
    reasons: tuple[str, ...]
    starvation: float | None
    fresh_starts: int
    played_again: int
    duration_s: float
    explained: bool


class _Check(msgspec.Struct):
    check: str
    verdict: str
    measurement: str = ""
    spoilt_by: str = ""


class _Document(msgspec.Struct):
    verdict: str
    checks: list[_Check]


def row_of(build: str, state: str, report_dir: Path, duration_s: float, said: str) -> Row:
    """Return the row of a gate by its papers; ERROR with the last thing it `said` where
    it left none."""
    try:
        raw = (report_dir / "verdict.json").read_bytes()
        document = msgspec.json.decode(raw, type=_Document)
    except (OSError, msgspec.DecodeError):
        document = _Document("ERROR", [_Check("harness", "ERROR", f"no verdict.json; {said}")])
    reasons = [
        f"{each.check} {each.verdict}: {each.measurement}"
        for each in document.checks
        if each.verdict != "PASS"
    ]
    starvation, fresh, again = _seen(report_dir / "history.jsonl")
    return Row(
        build=build,
        state=state,
        verdict=document.verdict,
        reasons=tuple(reasons),
        starvation=starvation,
        fresh_starts=fresh,
        played_again=again,
        duration_s=round(duration_s, 1),
        explained=all(each.spoilt_by for each in document.checks if each.verdict != "PASS"),
    )


def _seen(path: Path) -> tuple[float | None, int, int]:
    try:
        history = read_history(path)
    except HistoryError:
        return None, 0, 0
    found = Starvation.by_stack(history).values()
    over = sum(sum(each.lengths) for each in found)
    share = sum(sum(each.figures) for each in found) / over if history.of(Starved) else None
    again = sum(len(event.cases) for event in history.of(PlayedAgain))
    again += len(history.of(PlayedOver))
    return share, len(history.of(FreshStart)), again


def summary(rows: Sequence[Row]) -> str:
    """Return the table, for a person: a line for each build and state, and the reasons below."""
    lines = ["| build | machine | gates | verdicts | starvation | mended | played again | s |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for build, state in dict.fromkeys((row.build, row.state) for row in rows):
        own = [row for row in rows if (row.build, row.state) == (build, state)]
        lines.append("| " + " | ".join([build, state, *_cells(own)]) + " |")
    reasons = [
        f"- {row.build}, {row.state}: {reason}"
        for row in rows
        for reason in row.reasons
        if row.build == "good" or row.verdict == "ERROR"
    ]
    return "\n".join([*lines, *(["", *reasons] if reasons else [])]) + "\n"


def _cells(rows: Sequence[Row]) -> Iterator[str]:
    yield str(len(rows))
    yield counts(rows)
    shares = [row.starvation for row in rows if row.starvation is not None]
    yield f"{100 * min(shares):.0f} to {100 * max(shares):.0f} %" if shares else "-"
    yield str(sum(row.fresh_starts for row in rows))
    yield str(sum(row.played_again for row in rows))
    yield f"{sum(row.duration_s for row in rows) / len(rows):.0f}"


def counts(rows: Iterable[Row]) -> str:
    """Return how often each verdict was given, such as "3 PASS, 1 INCONCLUSIVE"."""
    given = [row.verdict for row in rows]
    return ", ".join(f"{given.count(name)} {name}" for name in dict.fromkeys(given))


def verdict(rows: Sequence[Row]) -> Verdict:
    """Return FAIL when a good build was called FAIL or ERROR, or INCONCLUSIVE without a reason, or
    a bad one PASS. Of nothing it is INCONCLUSIVE."""
    if not rows:
        return Verdict.INCONCLUSIVE
    wrong = [
        row
        for row in rows
        if (row.verdict == "PASS" if row.build != "good" else _wrong_about_good(row))
    ]
    return Verdict.FAIL if wrong else Verdict.PASS


def _wrong_about_good(row: Row) -> bool:
    return row.verdict in ("FAIL", "ERROR") or not row.explained
