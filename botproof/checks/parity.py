"""parity: what the bot sends does not depend on the mode that it runs in."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import msgspec
from rich.cells import chop_cells, set_cell_size

from botproof.chats import Turn
from botproof.checks.judging import Judging
from botproof.checks.own_settings import own_settings
from botproof.checks.replies import render, settled_chats
from botproof.checks.why import Reasons
from botproof.counting import first_of, several
from botproof.history import History
from botproof.verdict import CheckResult, Verdict

FILE = "parity.txt"
"""Where the whole of the differences is written, beside the report."""

_MOST_LINES = 100
_MOST_OF_ONE = 12
_AGAINST_EARLIER = "0 differences from the earlier run"
_HOW_TO_KEEP = (
    "keep the history.jsonl of a run that was right: cp reports/gate/history.jsonl earlier.jsonl",
    'and name it in botproof.toml: [parity] against = "earlier.jsonl"',
)
_WHOLE_BOT = "calls that concern the whole bot"
_WIDTH = 48
_HEADLINE_NAMES = 2


@dataclass(frozen=True, slots=True)
class _Side:
    """What was played in one stack, and what it said of the bot as a whole."""

    name: str
    turns: Mapping[str, Turn]
    settings: str
    reasons: Reasons


def check(history: History, judging: Judging) -> CheckResult:
    """Compare the answers of every mode with those of the first, case by case; those of a bot that
    has one mode with those of an earlier run."""
    sides = _sides(history, judging)
    run = history.run
    one_mode = run is not None and len(run.modes) == 1 and not run.chosen_modes
    if len(sides) == 1 and one_mode:
        return _with_earlier(sides[0], history.mode_of(sides[0].name), judging)
    if len(sides) < 2 or history.modes_without(side.name for side in sides):
        return _result(Verdict.INCONCLUSIVE, _only(sides))
    return _compared(sides, judging)


def _only(sides: Sequence[_Side]) -> str:
    names = f"only {', '.join(side.name for side in sides)}" if sides else "no mode"
    return f"{names} played the workload"


def _sides(history: History, judging: Judging) -> list[_Side]:
    return [
        _Side(
            stack,
            one.turns,
            own_settings(history, stack, judging.rules),
            Reasons(history, stack, one),
        )
        for stack, one in settled_chats(history, judging.rules).items()
        if one.turns
    ]


def _with_earlier(now: _Side, mode: str, judging: Judging) -> CheckResult:
    """Compare a bot with one mode with itself, as it was in a run that was kept."""
    if judging.earlier is None:
        said = f"{_only([now])}; one mode is compared with an earlier run, and none is there"
        result = _result(Verdict.INCONCLUSIVE, said)
        return msgspec.structs.replace(result, evidence=_HOW_TO_KEEP)
    earlier = judging.earlier.counted()
    then = [side for side in _sides(earlier, judging) if earlier.mode_of(side.name) == mode]
    if not then:
        return _result(Verdict.INCONCLUSIVE, f"the run to compare with did not play {mode}")
    day = earlier.run.started_at[:16].replace("T", " ") if earlier.run is not None else ""
    known = then[0].turns.keys() & now.turns.keys()
    # What only one of the runs asked is no difference of the bot's.
    sides = [
        replace(side, name=name, turns={case: side.turns[case] for case in known})
        for side, name in ((then[0], f"the run of {day}".strip()), (now, now.name))
    ]
    result = _compared(sides, judging)
    new = len(now.turns) - len(known)
    added = f"; {several(new, 'case is', 'cases are')} not in that run" if new else ""
    said = f"compared with an earlier run, for there is one mode: {result.measurement}{added}"
    return msgspec.structs.replace(result, measurement=said, budget=_AGAINST_EARLIER)


def _compared(sides: Sequence[_Side], judging: Judging) -> CheckResult:
    first, *others = sides
    compared = {name for other in others for name in first.turns.keys() & other.turns.keys()}
    if not compared:
        return _result(Verdict.INCONCLUSIVE, "the modes have no case in common")
    cases = [each for other in others for each in _compare(first, other, judging)]
    settings = [each for other in others for each in _compare_settings(first, other)]
    if cases or settings:
        measured = _measure({case.name for case in cases}, compared, bool(settings))
        return _result(Verdict.FAIL, measured, (*cases, *settings))
    if not any(turn.messages for side in sides for turn in side.turns.values()):
        return _result(Verdict.INCONCLUSIVE, "no mode answered anything")
    names = " and ".join(side.name for side in sides)
    return _result(Verdict.PASS, f"{several(len(compared), 'case')}, the same in {names}")


@dataclass(frozen=True, slots=True)
class _Difference:
    """One case that two modes answer differently: its name, a title, and the two columns."""

    name: str
    title: str
    rows: Sequence[str]


def _measure(differing: set[str], compared: set[str], settings: bool) -> str:
    parts = []
    if differing:
        words = "differs" if len(differing) == 1 else "differ"
        named = first_of(sorted(differing), _HEADLINE_NAMES)
        every = several(len(compared | differing), "case")
        parts.append(f"{len(differing)} of {every} {words} between modes: {named}")
    if settings:
        parts.append("what concerns the whole bot differs")
    return ", and ".join(parts)


def _result(
    verdict: Verdict, measurement: str, differences: Sequence[_Difference] = ()
) -> CheckResult:
    names = list(dict.fromkeys(each.name for each in differences))
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
        data={"differing": names} if names else {},
        files={FILE: "\n".join(whole)} if any(FILE in line for line in evidence) else {},
    )


def _evidence(differences: Sequence[_Difference]) -> Iterator[str]:
    """Yield all that differ by name, then some lines of each; the rest is in a file."""
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


def _compare(left: _Side, right: _Side, judging: Judging) -> Iterator[_Difference]:
    for name in dict.fromkeys((*left.turns, *right.turns)):
        turns = [side.turns.get(name) for side in (left, right)]
        texts = [
            "(never sent)\n" if turn is None else render(turn, judging.rules) for turn in turns
        ]
        if texts[0] != texts[1]:
            title = f"{name}: {_title(turns[0] or turns[1])}"
            rows = two_columns(texts[0], texts[1], (left.name, right.name))
            for side, turn in zip((left, right), turns, strict=True):
                if turn is not None and turn.case.expect == "reply" and not turn.answered:
                    rows += [f"  {side.name}: {line}" for line in side.reasons.missing(turn)]
            yield _Difference(name, title, rows)


def _title(turn: Turn | None) -> str:
    return turn.case.title if turn is not None else ""


def _compare_settings(left: _Side, right: _Side) -> Iterator[_Difference]:
    """Yield calls that concern the bot as a whole, such as the list of its commands."""
    if left.settings != right.settings:
        rows = two_columns(left.settings, right.settings, (left.name, right.name))
        yield _Difference(_WHOLE_BOT, f"{_WHOLE_BOT}:", rows)


def two_columns(left: str, right: str, names: tuple[str, str], width: int = _WIDTH) -> list[str]:
    """Return the lines that differ, side by side; equal lines are only counted."""
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
    """Yield one pair of lines, folded into as many rows as the longer one needs."""
    folded = zip_longest(chop_cells(left, width) or [""], chop_cells(right, width), fillvalue="")
    for before, after in folded:
        yield _row(before, after, width)


def _row(left: str, right: str, width: int) -> str:
    # In cells of the terminal: an emoji takes two.
    return f"  {set_cell_size(left, width)} | {right}".rstrip()
