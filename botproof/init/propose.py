"""What two plays of the same cases tell: what each answer is, and what differs for no reason.

A figure or a time that differed becomes a rule (`[[replies.normalise]]`); an answer whose words
differed cannot be pinned. Only what was seen is proposed; nothing is judged.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from botproof.chats import Message, Turn
from botproof.config import Case, Normaliser
from botproof.excerpts import one_line
from botproof.history import BotApiCall

_FIGURE = re.compile(r"\d+(?:[.,:/-]\d+)*")
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?\Z")
_DATE = re.compile(r"(?:\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./]\d{4})\Z")
_HEX = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{12,}\b")
_CONTEXT = 24
_CLOCK_PATTERN = r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?"


@dataclass(slots=True)
class Proposal:
    """One case as it is proposed: `note` says why it is as it is, or what a person has to ask."""

    case: Case
    note: str = ""
    shows: str = ""
    """The begin of its answer, for whoever reads the file."""


@dataclass(slots=True)
class Proposals:
    """All that two plays tell."""

    cases: list[Proposal] = field(default_factory=list)
    normalisers: list[Normaliser] = field(default_factory=list)
    acknowledgement: str = ""
    left_out: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    slowest: str = ""


def propose(
    cases: Sequence[Case],
    first: Mapping[str, Turn],
    second: Mapping[str, Turn],
    calls: Iterable[BotApiCall],
    today: datetime.datetime,
    *,
    meanwhile: Mapping[str, str] = MappingProxyType({}),
    to_record: Collection[str] = (),
) -> Proposals:
    """Return what to write of these cases, played twice. `calls` are those of both plays, `today`
    is the time of the second one; `meanwhile` says, by case, what else happened that an answer may
    have been missing for: such a silence is not proposed. `to_record` are cases that are to be
    answered once what they ask for has been recorded."""
    found = Proposals()
    edited = {case.name for case in cases if case.kind == "callback_query"}
    found.acknowledgement = _acknowledgement(first, second, list(calls), edited)
    for case in cases:
        one, other = first.get(case.name), second.get(case.name)
        if one is None or other is None:
            continue
        if case.name in to_record and not one.answers and not other.answers:
            found.cases.append(Proposal(case, "not answered: it asked for what no double has"))
        elif case.name in meanwhile and not one.answers and not other.answers:
            found.left_out.append(
                f"{case.say!r} was answered by nothing while {meanwhile[case.name]}"
            )
        else:
            _one_case(found, case, one, other, today)
    return found


def _one_case(
    found: Proposals, case: Case, one: Turn, other: Turn, today: datetime.datetime
) -> None:
    said, again = _said(one, found.acknowledgement), _said(other, found.acknowledgement)
    if len(said) != len(again):
        found.left_out.append(
            f"{case.say!r} was answered by {_count(len(said))} in the first play and by "
            f"{_count(len(again))} in the second"
        )
        return
    _note_slowest(found, case, (one, other))
    if said:
        found.cases.append(_answered(found, case, said, again, today))
    elif case.kind == "callback_query":
        found.left_out.append(f"the tap on {case.say!r} was answered by nothing in both plays")
    else:
        silent = msgspec.structs.replace(case, expect="silence")
        found.cases.append(Proposal(silent, "it answered nothing to this"))


def _note_slowest(found: Proposals, case: Case, turns: Iterable[Turn]) -> None:
    for turn in turns:
        time = max((m.answered_at or m.sent_at for m in turn.answers), default=turn.case.t)
        if time - turn.case.t > found.slowest_s:
            found.slowest_s, found.slowest = time - turn.case.t, case.say


def _answered(
    found: Proposals,
    case: Case,
    said: Sequence[Message],
    again: Sequence[Message],
    today: datetime.datetime,
) -> Proposal:
    shows = one_line(said[0].text, 70) or said[0].method
    if len(said) > 1:
        case = msgspec.structs.replace(case, replies=len(said))
    rules: list[Normaliser] = []
    for left, right in zip(said, again, strict=True):
        differs = differing(left.text, right.text)
        if differs is None or left.method != right.method:
            note = "its answer was another one the second time, in more than figures: not pinned"
            return Proposal(msgspec.structs.replace(case, golden=False), note, shows)
        rules += differs + of_the_clock(right.text, today)
    known = {each.pattern for each in found.normalisers}
    for rule in rules:
        if rule.pattern not in known:
            known.add(rule.pattern)
            found.normalisers.append(rule)
    return Proposal(case, shows=shows)


def _escaped(text: str) -> str:
    """Escape as `re.escape` does, but a person can read it: spaces stay spaces."""
    return re.sub(r"([.^$*+?{}\[\]\\|()])", r"\\\1", text)


def _count(messages: int) -> str:
    return {0: "nothing", 1: "one message"}.get(messages, f"{messages} messages")


def _said(turn: Turn, acknowledgement: str) -> list[Message]:
    answers = turn.answers
    if not acknowledgement:
        return answers
    return [m for m in answers if not re.search(acknowledgement, m.text)]


def _acknowledgement(
    first: Mapping[str, Turn],
    second: Mapping[str, Turn],
    calls: Sequence[BotApiCall],
    edited: set[str],
) -> str:
    """Return a pattern of the messages that the bot itself changed into its answer, or
    took back."""
    texts: list[str] = []
    for turn in (*first.values(), *second.values()):
        if turn.case.case in edited:
            continue
        for message in turn.acts:
            if message.is_message and (message.edits or not message.standing):
                sent = [c for c in calls if c.t == message.sent_at and c.method == message.method]
                texts += [str(call.params.get("text", "")) for call in sent]
    texts = [text for text in texts if text]
    if not texts:
        return ""
    common = _common(texts)
    if not common.strip():
        return "^(" + "|".join(sorted({_escaped(text[:20]) for text in texts})) + ")"
    return "^" + _escaped(common[:20].rstrip() if len(set(texts)) > 1 else common[:30])


def _common(texts: Sequence[str]) -> str:
    """Return what all of them begin with."""
    length = 0
    for signs in zip(*texts, strict=False):
        if len(set(signs)) > 1:
            break
        length += 1
    return texts[0][:length]


def differing(one: str, other: str) -> list[Normaliser] | None:
    """Return rules for the figures in which two texts differ; None when they differ in more."""
    if one == other:
        return []
    rules: list[Normaliser] = []
    first, second = _HEX.sub("(id)", one), _HEX.sub("(id)", other)
    if (first, second) != (one, other) and _HEX.findall(one) != _HEX.findall(other):
        why = "ids that are others each time"
        rules.append(Normaliser(pattern=_HEX.pattern, replace="(id)", why=why))
        one, other = first, second
    if _FIGURE.sub("0", one) != _FIGURE.sub("0", other):
        return None
    for left, right in zip(_FIGURE.finditer(one), _FIGURE.finditer(other), strict=True):
        if left.group() != right.group():
            rules.append(_rule(one, left, "it differed between two plays of the same questions"))
    return rules


def of_the_clock(text: str, now: datetime.datetime) -> list[Normaliser]:
    """Return rules for what looks like the time or the date of the answer itself."""
    local = datetime.datetime.fromtimestamp(now.timestamp()).astimezone()
    moments = [at + datetime.timedelta(minutes=by) for at in (now, local) for by in (-2, -1, 0, 1)]
    clocks = {f"{at:%H:%M}" for at in moments} | {f"{at.hour}:{at:%M}" for at in moments}
    dates = {
        at.strftime(form)
        for at in moments
        for form in ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d")
    }
    rules = []
    for found in _FIGURE.finditer(text):
        word = found.group()
        if (
            _CLOCK.match(word)
            and word[: word.rfind(":") if word.count(":") > 1 else None] in clocks
        ):
            rules.append(_rule(text, found, "the time of the answer"))
        elif word in dates:
            rules.append(_rule(text, found, "the date of the answer"))
    return rules


def _rule(text: str, found: re.Match[str], why: str) -> Normaliser:
    """Return a rule for a figure where it stands: with what is left and right of it in its line."""
    word = found.group()
    begin = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    left = text[begin : found.start()][-_CONTEXT:]
    right = text[found.end() : end if end >= 0 else None][:_CONTEXT]
    left = _FIGURE.split(left)[-1]
    right = _FIGURE.split(right)[0]
    if _CLOCK.match(word):
        pattern, name = _CLOCK_PATTERN, "(time)"
    elif _DATE.match(word):
        pattern, name = r"[\d./-]{8,10}", "(date)"
    else:
        pattern, name = r"\d+(?:[.,:/-]\d+)*", "(figure)"
    left_pattern, right_pattern = _escaped(left), _escaped(right)
    if not left.strip() and not right.strip():
        left_pattern, right_pattern = "^" + left_pattern, right_pattern + "$"
    replace = f"{left}{name}{right}".replace("\\", r"\\")
    return Normaliser(pattern=left_pattern + pattern + right_pattern, replace=replace, why=why)
