"""degradation: what is said while exchanges misbehave is true, in time, and whole again afterwards.

Judged without golden files. The same question is asked with nothing wrong, too, and that answer
tells which lines hold figures: a zero in the place of one was invented, and a figure that is there
although no exchange has answered for long has to say how old it is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from botproof.checks.figures import is_zero, labelled, plain_text, skeleton
from botproof.checks.found import Found
from botproof.checks.judging import Judging
from botproof.checks.replies import lines_of
from botproof.counting import several
from botproof.excerpts import one_line
from botproof.history import Degraded, History
from botproof.starvation import CASE_S, KEPT
from botproof.verdict import CheckResult, judged

_NO_FIGURE = re.compile(
    r"(?<![A-Za-z_])(NaN|nan|None(?! of\b| has\b| have\b| is\b| are\b| was\b)|undefined|Infinity"
    r"|-?inf|null|N/A%|\$-?nan)(?![A-Za-z_])"
)
_INSIDE = re.compile(
    r"Traceback \(most recent call last\)|File \"[^\"]+\", line \d+|\b[A-Z]\w*(?:Error|Exception)\b"
    r"|HTTPConnectionPool|<class '|\bat 0x[0-9a-f]{6,}|Max retries exceeded|<!DOCTYPE html|<html\b"
    r"|\{[\"'](?:code|msg|error|retCode|label)[\"']\s*:"
    r"|\bhttps?://(?:localhost|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|[\w-]+:\d)\S*",
    re.IGNORECASE,
)
"""What is inside: traces, names of exceptions, what an exchange said, addresses of services."""
_AGE = re.compile(
    r"\b(?:ago|old|older|stale|cached?|outdated|out of date|last known|as of|delayed|from \d"
    r"|earlier|no longer current)\b|⌛|⏱",
    re.IGNORECASE,
)
_AGE_TOLD = re.compile(
    r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|secs?|seconds?|m|mins?|minutes?|h|hours?)\s+(?:ago|old)\b",
    re.IGNORECASE,
)
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_AGE_OFF_S = 2.0
"""An answer that was under way when the exchanges went away is as much younger."""
_ZERO = re.compile(
    r"[$€£¥]\s?-?0(?:\.0+)?(?![\d.,])|(?<![\d.,])0\.0+(?![\d.,])|(?<![\d.,])0\s?(?:x\b|[A-Z]{2,}\b)"
)
"""A zero that is a price, a share or an amount; a bare 0 may be a count or a score, and 0 % a small
share that was rounded."""
_FEW_STEPS = 50
"""A share of fewer steps of its last place may be zero at another exchange."""
_NO_QUESTION = ("ended", "back", "held")
"""Stages in which nothing was asked while something was wrong."""
_SHOWN = 110
_FEWEST = 5
_OFTEN, _FEW_CALLS = 2, 50
_WHOLE = 0.8


def check(history: History, judging: Judging) -> CheckResult:
    """Judge every question of the bad times."""
    asked = history.of(Degraded)
    limit = judging.budgets["reply_time_s"].limit
    findings = [each.text for each in findings_of(history, judging)]
    kept = list(_kept(asked, limit, judging))
    gaps = [*_gaps(asked), *kept]
    bad = [one for one in asked if one.stage not in _NO_QUESTION and not one.neighbour]
    back = [one for one in asked if one.stage == "back"]
    measured = (
        f"{several(len(bad), 'question')} while "
        f"{several(len({one.fault for one in bad}), 'thing')} went wrong; whole again "
        f"after {max(map(_well_for_s, back), default=0.0):.1f} s"
    )
    return CheckResult(
        check="degradation",
        verdict=judged(findings, gaps),
        budget=(
            "no figure without a datum, old ones say their age, every reply in time, all whole "
            f"again in {judging.degradation.recover_s:g} s"
        ),
        measurement=findings[0] if findings else gaps[0] if gaps else measured,
        least_evidence="a question with figures from an exchange, asked in bad times and after",
        evidence=(*lines_of(dict.fromkeys(findings), 30), *gaps, *lines_of(_summary(asked), 24)),
        spoilt_by="machine" if kept and not findings else "",
        source="docs/checks.md",
        data={"asked": len(bad), "findings": len(findings)},
    )


def findings_of(history: History, judging: Judging) -> list[Found]:
    """Return what was wrong with an answer of the bad times, in the order in which it was asked."""
    limit = judging.budgets["reply_time_s"].limit
    return [
        Found(one, f"{one.stack}: {line}")
        for one in history.of(Degraded)
        for line in _findings(one, limit, judging)
    ]


def _findings(one: Degraded, limit: float, judging: Judging) -> Iterator[str]:
    if one.stage == "held" and one.calls > 1:
        yield (
            f"{_where(one)} the bot called {one.calls} times before that was over: Retry-After is "
            "not kept, and Telegram has such bots wait longer"
        )
    if not _was_kept(one, limit, judging):
        yield from _missing(one, limit, judging)
    if one.stage in _NO_QUESTION or one.neighbour:
        return
    where = _where(one)
    text = "\n".join(map(plain_text, one.answers))
    clean = "\n".join(map(plain_text, one.clean))
    for pattern, what in ((_NO_FIGURE, "says {} where a figure belongs"), (_INSIDE, "shows {}")):
        for found in dict.fromkeys(match[0] for match in pattern.finditer(text)):
            if found not in clean:
                line = next(each for each in text.splitlines() if found in each)
                yield f"{where} {what.format(repr(found))}: {_cut(line)}"
    yield from _invented(one, where)
    yield from _too_often(one, where)
    if one.stage == "gone":
        yield from _undated(one, where, text, judging.degradation.fresh_of(one.text))
    if one.stage == "venue":
        yield from _without(one, where, judging.degradation.depends)


def _where(one: Degraded) -> str:
    return f"{one.fault}: {one.text} →"


def _well_for_s(one: Degraded) -> float:
    """Return for how many seconds the exchanges had been well that the machine let pass."""
    return one.since_s - one.since_withheld_s


def _was_kept(one: Degraded, limit: float, judging: Judging) -> bool:
    """Tell whether a slow machine may be the reason for what is late or missing in an answer, or
    for what the whole answer was taken to be: an exchange that was late then had no part in it."""
    if one.stage == "back" and (
        one.clean_withheld_s >= limit or _well_for_s(one) < judging.degradation.recover_s
    ):
        return True
    if one.reply_s is None:
        return one.withheld_s >= limit
    otherwise_in_time = one.reply_s - one.withheld_s < limit
    return otherwise_in_time and (one.withheld_s >= CASE_S or one.reply_s >= limit)


def _missing(one: Degraded, limit: float, judging: Judging) -> Iterator[str]:
    """Yield what is late or missing in an answer: what a slow machine can bring about, too."""
    if one.stage in ("ended", "held"):
        return
    where = _where(one)
    if one.stage != "back":
        yield from _in_time(one, where, limit)
        if one.stage == "venue" and not one.neighbour:
            yield from _nothing_left(one, where, judging.degradation.depends)
        return
    lost = still_missing(one)
    if lost and one.since_s >= judging.degradation.recover_s:
        said = " | ".join(one.answers) or "nothing"
        yield (
            f"{where} not whole again {one.since_s:.0f} s after the exchanges are well: "
            f"{_cut(' | '.join(lost))} is missing; it says {_cut(said)}"
        )


def _in_time(one: Degraded, where: str, limit: float) -> Iterator[str]:
    who = "a neighbour, who only asked something simple, had to wait: " if one.neighbour else ""
    if one.reply_s is None:
        yield f"{who}{where} no answer"
    elif one.reply_s >= limit:
        yield f"{who}{where} answered after {one.reply_s:.1f} s, over {limit:g} s"


def _too_often(one: Degraded, where: str) -> Iterator[str]:
    if one.usual_calls and one.calls > max(_FEW_CALLS, _OFTEN * one.usual_calls):
        yield (
            f"{where} an exchange that fails is called again and again: {one.calls} calls of one "
            f"exchange, where as many questions took {one.usual_calls} of all exchanges"
        )


def _invented(one: Degraded, where: str) -> Iterator[str]:
    """Yield lines of zeros, where their first figure is none when nothing is wrong.

    A zero beside another figure was rounded: "Funding: 0.0000% (+0.07% annually)". So may a share
    be that is small when nothing is wrong, +0.0016 %: another exchange tells another one.
    """
    known: dict[str, bool] = {}
    for label, line, figures in labelled(one.clean):
        least = _FEW_STEPS if "%" in line else 1
        known[label] = known.get(label, True) and int(re.sub(r"\D", "", figures[0])) >= least
    for label, line, figures in labelled(one.answers):
        if known.get(label) and all(map(is_zero, figures)) and _ZERO.search(line):
            yield f"{where} a zero was invented: {_cut(line)}"


def _undated(one: Degraded, where: str, text: str, fresh_s: float) -> Iterator[str]:
    """Yield figures that nobody can have given, or that are old and do not say so."""
    wanted = [label for label, *_ in labelled(one.clean)]
    shown = [line for label, line, _ in labelled(one.answers) if label in wanted]
    if not shown:
        return
    if _AGE.search(text):
        yield from _younger(one, where, text, fresh_s)
        return
    if one.since_s >= fresh_s:
        since = f"no exchange has answered for {one.since_s:.0f} s"
        yield f"{where} shows figures, but {since}, and does not say how old: {_cut(shown[0])}"
    elif not one.datum and len(shown) >= _WHOLE * len(wanted):
        yield f"{where} shows figures that no exchange has given: {_cut(shown[0])}"


def _younger(one: Degraded, where: str, text: str, fresh_s: float) -> Iterator[str]:
    """Yield an age that cannot be: all figures are at least as old as the last answer of an
    exchange.

    Minutes and hours are rounded down, and so may seconds be.
    """
    if one.since_s < fresh_s:
        return
    for found in _AGE_TOLD.finditer(text):
        unit = _SECONDS[found["unit"][0].lower()]
        if (float(found["number"]) + 1) * unit + _AGE_OFF_S < one.since_s:
            yield (
                f"{where} says {found[0]!r}, but no exchange has answered for {one.since_s:.0f} s: "
                "the age is told too low"
            )


def _without(one: Degraded, where: str, depends: Mapping[str, Sequence[str]]) -> Iterator[str]:
    venue = one.fault.split(maxsplit=1)[0]
    for word in depends.get(venue, ()):
        for _, line, _ in labelled(one.answers):
            if word in line and not _AGE.search(line):
                yield f"{where} a figure that only {venue} can give: {_cut(line)}"


def _nothing_left(one: Degraded, where: str, depends: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield an answer without any of its figures, though other exchanges have answered such
    questions.

    A command in `depends` needs that exchange for all that it says.
    """
    venue = one.fault.split(maxsplit=1)[0]
    command = one.text.split(maxsplit=1)[0]
    others = [each for each in one.others if each != venue]
    if not one.answers or not others or command in depends.get(venue, ()):
        return
    wanted = {label for label, *_ in labelled(one.clean)}
    if wanted and not wanted & {label for label, *_ in labelled(one.answers)} and not _alike(one):
        yield (
            f"{where} nothing is left of the answer, though {', '.join(others)} could be asked: "
            f"{_cut(' | '.join(one.answers))}. If there is none without {venue}, say so: "
            f'[degradation] depends = {{ {venue} = ["{command}"] }}'
        )


def _alike(one: Degraded) -> bool:
    """Tell whether an answer has a line in common with the whole one: it is no apology then, but
    says something else, as a signal does that tells of no trade."""
    answer, clean = (
        {skeleton(line) for text in texts for line in text.splitlines()} - {""}
        for texts in (one.answers, one.clean)
    )
    return bool(answer & clean)


def still_missing(one: Degraded) -> list[str]:
    """Return the lines with figures that an answer still lacks when all should be whole again.

    All of them where it is an old answer, and says so; none where only few are missing.
    """
    wanted = [(label, line) for label, line, _ in labelled(one.clean)]
    if _AGE.search("\n".join(one.answers)) and not _AGE.search("\n".join(one.clean)):
        return [line for _, line in wanted]
    found = Counter(label for label, *_ in labelled(one.answers))
    if not found and _alike(one):
        return []
    lost = []
    for label, line in wanted:  # the same label may stand in several sections
        if found[label]:
            found[label] -= 1
        else:
            lost.append(line)
    return lost if len(lost) > (1 - _WHOLE) * len(wanted) else []


def _gaps(asked: Sequence[Degraded]) -> Iterator[str]:
    for one in asked:
        if one.stage == "ended":
            yield f"{one.stack}: the bot could not be asked in bad times: {one.fault}"
    if not any(one.stage == "gone" and one.clean for one in asked):
        yield (
            "no question was answered with figures from an exchange, so nothing was asked in bad "
            "times; [degradation] ask names such questions"
        )


def _kept(asked: Sequence[Degraded], limit: float, judging: Judging) -> Iterator[str]:
    """Yield what went wrong while the machine withheld so much that nobody can tell whose fault it
    was."""
    found = (
        f"{KEPT} for {_withheld_s(one):.1f} s, so this may be no fault of the bot: "
        f"{one.stack}: {line}"
        for one in asked
        if _was_kept(one, limit, judging)
        for line in _missing(one, limit, judging)
    )
    yield from islice(found, _FEWEST)


def _withheld_s(one: Degraded) -> float:
    kept = (one.withheld_s, one.clean_withheld_s, one.since_withheld_s)
    return max(kept) if one.stage == "back" else one.withheld_s


def _summary(asked: Sequence[Degraded]) -> Iterator[str]:
    """Yield of each thing that went wrong how many were asked, and what the first was told."""
    faults: dict[str, list[Degraded]] = {}
    for one in asked:
        if one.stage not in ("ended", "held") and not one.neighbour:
            faults.setdefault(one.fault, []).append(one)
    for fault, own in faults.items():
        slowest = max((one.reply_s or 0.0 for one in own), default=0.0)
        said = next((answer for one in own for answer in one.answers), "nothing")
        yield f"{fault}: {len(own)} asked, slowest {slowest:.1f} s; {own[0].text} → {_cut(said)}"


def _cut(text: str) -> str:
    return repr(one_line(plain_text(text), _SHOWN))
