"""parity: what the bot sends does not depend on the mode that it runs in."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.cells import chop_cells, set_cell_size

from botproof.chats import Turn
from botproof.checks.judging import Judging
from botproof.checks.own_settings import own_settings
from botproof.checks.replies import render, settled_chats
from botproof.checks.why import Reasons
from botproof.history import History
from botproof.verdict import CheckResult, Verdict

FILE = "parity.txt"
"""Where the whole of the differences is written, beside the report."""

_MOST_LINES = 100
_MOST_OF_ONE = 12
_WHOLE_BOT = "calls that concern the whole bot"
_WIDTH = 48


def check(history: History, judging: Judging) -> CheckResult:
    """Compare the answers of every mode with those of the first, case by case."""
    chats = settled_chats(history, judging.rules)
    played = {stack: one.turns for stack, one in chats.items() if one.turns}
    reasons = {stack: Reasons(history, stack, chats[stack]) for stack in played}
    run = history.run
    wanted = set(run.modes) if run is not None else set()
    if len(played) < 2 or not wanted <= {history.mode_of(stack) for stack in played}:
        names = f"only {', '.join(played)}" if played else "no mode"
        return _result(Verdict.INCONCLUSIVE, f"{names} played the workload")
    first, *others = played
    compared = {name for other in others for name in played[first].keys() & played[other].keys()}
    if not compared:
        return _result(Verdict.INCONCLUSIVE, "the modes have no case in common")
    cases = [
        difference
        for other in others
        for difference in _compare(played[first], played[other], (first, other), judging, reasons)
    ]
    settings = [
        difference
        for other in others
        for difference in _compare_settings(history, first, other, judging)
    ]
    if cases or settings:
        measured = _measure({case.name for case in cases}, compared, bool(settings))
        return _result(Verdict.FAIL, measured, (*cases, *settings))
    if not any(turn.messages for turns in played.values() for turn in turns.values()):
        return _result(Verdict.INCONCLUSIVE, "no mode answered anything")
    return _result(Verdict.PASS, f"{len(compared)} cases, the same in {' and '.join(played)}")


@dataclass(frozen=True, slots=True)
class _Difference:
    """One case that two modes answer differently: its name, a title, and the two columns."""

    name: str
    title: str
    rows: Sequence[str]


def _measure(differing: set[str], compared: set[str], settings: bool) -> str:
    parts = []
    if differing:
        parts.append(f"{len(differing)} of {len(compared | differing)} cases differ between modes")
    if settings:
        parts.append("what concerns the whole bot differs")
    return ", and ".join(parts)


def _result(
    verdict: Verdict, measurement: str, differences: Sequence[_Difference] = ()
) -> CheckResult:
    whole = [line for each in differences for line in (each.title, *each.rows, "")]
    evidence = tuple(_evidence(differences))
    return CheckResult(
        check="parity",
        verdict=verdict,
        budget="0 differences between modes",
        measurement=measurement,
        least_evidence="two modes with one case in common, and an answer",
        evidence=evidence,
        source="docs/gate.md",
        files={FILE: "\n".join(whole)} if any(FILE in line for line in evidence) else {},
    )


def _evidence(differences: Sequence[_Difference]) -> Iterator[str]:
    """All that differ by name, then some lines of each; the rest is in a file."""
    names = list(dict.fromkeys(each.name for each in differences))
    if len(names) > 1:
        yield from textwrap.wrap(", ".join(names), 100, break_on_hyphens=False)
        yield ""
    left = _MOST_LINES
    for number, each in enumerate(differences):
        if left <= 0:
            yield f"… and {len(differences) - number} more; all of them in {FILE}"
            return
        shown = each.rows if len(differences) == 1 else each.rows[:_MOST_OF_ONE]
        yield each.title
        yield from shown
        if len(shown) < len(each.rows):
            yield f"  … {len(each.rows) - len(shown)} more lines; all of them in {FILE}"
        left -= len(shown) + 1


def _compare(
    left: Mapping[str, Turn],
    right: Mapping[str, Turn],
    stacks: tuple[str, str],
    judging: Judging,
    reasons: Mapping[str, Reasons],
) -> Iterator[_Difference]:
    for name in dict.fromkeys((*left, *right)):
        texts = [
            render(side[name], judging.rules) if name in side else "(never sent)\n"
            for side in (left, right)
        ]
        if texts[0] != texts[1]:
            title = f"{name}: {_title(left.get(name) or right.get(name))}"
            rows = two_columns(texts[0], texts[1], stacks)
            for side, stack in zip((left, right), stacks, strict=True):
                turn = side.get(name)
                if turn is not None and turn.case.expect == "reply" and not turn.answered:
                    rows += [f"  {stack}: {line}" for line in reasons[stack].missing(turn)]
            yield _Difference(name, title, rows)


def _title(turn: Turn | None) -> str:
    return turn.case.title if turn is not None else ""


def _compare_settings(
    history: History, left: str, right: str, judging: Judging
) -> Iterator[_Difference]:
    """Calls that concern the bot as a whole, such as the list of its commands."""
    texts = [own_settings(history, stack, judging.rules) for stack in (left, right)]
    if texts[0] != texts[1]:
        rows = two_columns(texts[0], texts[1], (left, right))
        yield _Difference(_WHOLE_BOT, f"{_WHOLE_BOT}:", rows)


def two_columns(left: str, right: str, names: tuple[str, str], width: int = _WIDTH) -> list[str]:
    """The lines that differ, side by side; equal lines are only counted."""
    rows = [_row(names[0], names[1], width), _row("-" * width, "-" * width, width)]
    before, after = left.splitlines(), right.splitlines()
    matcher = difflib.SequenceMatcher(a=before, b=after, autojunk=False)
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            rows.append(_row(f"  ({b - a} equal)", f"  ({d - c} equal)", width))
            continue
        for number in range(max(b - a, d - c)):
            rows.extend(
                _rows(
                    before[a + number] if a + number < b else "",
                    after[c + number] if c + number < d else "",
                    width,
                )
            )
    return rows


def _rows(left: str, right: str, width: int) -> Iterator[str]:
    """One pair of lines, folded into as many rows as the longer one needs."""
    folded = zip_longest(chop_cells(left, width) or [""], chop_cells(right, width), fillvalue="")
    for before, after in folded:
        yield _row(before, after, width)


def _row(left: str, right: str, width: int) -> str:
    # In cells of the terminal: an emoji takes two.
    return f"  {set_cell_size(left, width)} | {right}".rstrip()
