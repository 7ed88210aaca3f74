"""parity: what the bot sends does not depend on the mode that it runs in."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest

from rich.cells import chop_cells, set_cell_size

from botproof.chats import Turn
from botproof.checks.judging import Judging
from botproof.checks.replies import lines_of, read_turns, render
from botproof.history import BotApiCall, History
from botproof.verdict import CheckResult, Verdict

_WIDTH = 48
_UNCOMPARED = frozenset(
    {"getUpdates", "getMe", "setWebhook", "deleteWebhook", "getWebhookInfo", "close", "logOut"}
)
"""Calls by which the modes must differ, or that say nothing to a user."""


def check(history: History, judging: Judging) -> CheckResult:
    """Compare the answers of every mode with those of the first, case by case."""
    answers = read_turns(history, judging.rules)
    played = {stack: by_case for stack, by_case in answers.items() if by_case}
    run = history.run
    wanted = set(run.modes) if run is not None else set()
    if len(played) < 2 or not wanted <= {history.mode_of(stack) for stack in played}:
        names = f"only {', '.join(played)}" if played else "no mode"
        return _result(Verdict.INCONCLUSIVE, f"{names} played the workload", ())
    first, *others = played
    differences: list[str] = []
    compared = 0
    for other in others:
        compared += len(played[first].keys() & played[other].keys())
        differences += _compare(played[first], played[other], (first, other), judging)
        differences += _compare_settings(history, first, other)
    if not compared:
        return _result(Verdict.INCONCLUSIVE, "the modes have no case in common", ())
    if differences:
        cases = sum(not line.startswith(" ") for line in differences)
        measured = f"{cases} of {compared} cases differ between modes"
        return _result(Verdict.FAIL, measured, tuple(differences))
    if not any(answer.messages for by_case in played.values() for answer in by_case.values()):
        return _result(Verdict.INCONCLUSIVE, "no mode answered anything", ())
    return _result(Verdict.PASS, f"{compared} cases, the same in {' and '.join(played)}", ())


def _result(verdict: Verdict, measurement: str, evidence: tuple[str, ...]) -> CheckResult:
    return CheckResult(
        check="parity",
        verdict=verdict,
        budget="0 differences between modes",
        measurement=measurement,
        least_evidence="two modes with one case in common, and an answer",
        evidence=lines_of(evidence, 60),
        source="docs/gate.md",
    )


def _compare(
    left: Mapping[str, Turn],
    right: Mapping[str, Turn],
    stacks: tuple[str, str],
    judging: Judging,
) -> Iterator[str]:
    for name in dict.fromkeys((*left, *right)):
        texts = [
            render(side[name], judging.rules) if name in side else "(never sent)\n"
            for side in (left, right)
        ]
        if texts[0] != texts[1]:
            yield f"{name}: {_title(left.get(name) or right.get(name))}"
            yield from two_columns(texts[0], texts[1], stacks)


def _title(answer: Turn | None) -> str:
    return answer.case.title if answer is not None else ""


def _compare_settings(history: History, left: str, right: str) -> Iterator[str]:
    """Calls that concern the bot as a whole, such as the list of its commands."""
    texts = ["\n".join(sorted(set(_settings(history, stack)))) for stack in (left, right)]
    if texts[0] != texts[1]:
        yield "calls that concern the whole bot:"
        yield from two_columns(texts[0], texts[1], (left, right))


def _settings(history: History, stack: str) -> Iterator[str]:
    for call in history.of(BotApiCall, stack=stack):
        if call.method.startswith("set") and call.method not in _UNCOMPARED:
            yield f"{call.method} {json.dumps(call.params, sort_keys=True, ensure_ascii=False)}"


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
