"""security: nobody is told what is not theirs, no secret stands in the open, no port is left open.

A refusal is told from data by what the operator is answered to the same question: an answer that
holds the figures of his, or his words with other figures, is data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from botproof.checks.figures import skeleton
from botproof.checks.found import Found
from botproof.checks.judging import Judging
from botproof.checks.keys import astray
from botproof.checks.replies import lines_of
from botproof.counting import several
from botproof.excerpts import one_line
from botproof.history import History, KeySent, PortsSeen, SecretSeen, SecurityAsked
from botproof.verdict import CheckResult, judged

_ENOUGH = 2
"""So many of the operator's figures in an answer are no chance; one where he has no more."""
_SHOWN = 90


def check(history: History, _: Judging) -> CheckResult:
    """Judge what each who may not be told was told, and where secrets and open ports were seen."""
    asked = history.of(SecurityAsked)
    seen = history.of(PortsSeen)
    found = findings_of(history)
    findings = [each.text for each in found]
    gaps = list(dict.fromkeys(_gaps(history, asked, seen)))
    others = [one for one in asked if not one.operator]
    places = {place for one in seen for place in one.searched}
    measured = (
        f"{several(len(others), 'question')} by "
        f"{several(len({(o.who, o.path) for o in others}), 'way')}, all refused; "
        f"no secret in {several(len(places), 'place')}"
    )
    return CheckResult(
        check="security",
        verdict=judged(findings, gaps),
        budget="data for nobody but those it is for; no secret shown; no port but the declared",
        measurement=findings[0] if findings else gaps[0] if gaps else measured,
        least_evidence="a look for secrets and ports in each mode; where somebody is kept out, "
        "an answer with figures to the operator",
        evidence=(*lines_of(findings, 30), *gaps, *lines_of(_summary(asked, seen), 12)),
        source="docs/checks.md",
        data={
            "asked": len(others),
            "leaks": sum(isinstance(each.event, SecurityAsked) for each in found),
            "places": len(places),
        },
    )


def findings_of(history: History) -> list[Found]:
    """Return what is wrong, each thing once: who was told what is not theirs comes first."""
    seen = history.of(PortsSeen)
    every = [
        *_leaks(history.of(SecurityAsked)),
        *_secrets(history),
        *astray(history.of(KeySent)),
        *_ports(seen),
        *_named(seen),
    ]
    first: dict[str, Found] = {}
    for each in every:
        first.setdefault(each.text, each)
    return list(first.values())


def operators(asked: Iterable[SecurityAsked]) -> dict[str, list[SecurityAsked]]:
    """Return what the operator himself was answered, by question."""
    own: dict[str, list[SecurityAsked]] = {}
    for one in asked:
        if one.operator and one.answers:
            own.setdefault(one.text, []).append(one)
    return own


def _leaks(asked: Sequence[SecurityAsked]) -> Iterator[Found]:
    own = operators(asked)
    for one in asked:
        if one.operator or not one.answers:
            continue
        for answered in own.get(one.text, ()):
            if answered.figures and _is_data(one, answered):
                shared = [each for each in one.figures if each in answered.figures]
                what = f"the figures {', '.join(shared[:3])}" if shared else "his words"
                kind = "which is private, " if one.private else ""
                yield Found(
                    one,
                    f"{one.stack}: {one.who} was told what is the operator's: {one.text} by "
                    f"{one.path}, {kind}→ {_cut(one.answers[0])} ({what} of the operator's answer)",
                )
                break


def _is_data(one: SecurityAsked, answered: SecurityAsked) -> bool:
    shared = set(one.figures) & set(answered.figures)
    if len(shared) >= min(_ENOUGH, len(set(answered.figures))):
        return True
    return skeleton("\n".join(one.answers)) == skeleton("\n".join(answered.answers))


def _secrets(history: History) -> Iterator[Found]:
    for seen in history.of(SecretSeen):
        line = f": {_cut(seen.line)}" if seen.line else ""
        text = f"{seen.stack}: the secret {seen.secret} stands in {seen.place}{line}"
        yield Found(seen, text)


def _ports(seen: Sequence[PortsSeen]) -> Iterator[Found]:
    for one in seen:
        for port in one.beyond:
            yield Found(
                one,
                f"{one.stack}: {port} listens, and botproof.toml declares no such port. Whoever "
                "reaches the machine reaches it; bind it to 127.0.0.1, close it, or declare it by "
                "[security] ports",
            )


def _named(seen: Sequence[PortsSeen]) -> Iterator[Found]:
    """Yield pages that tell who has written. Of labels by user, Prometheus' own guide says not to
    (https://prometheus.io/docs/practices/naming/#labels)."""
    for one in seen:
        for page in one.naming:
            yield Found(
                one,
                f"{one.stack}: {page}: whoever reads it learns who writes, and a label for each "
                "user is a series of metrics for each, for ever",
            )


def _gaps(
    history: History, asked: Sequence[SecurityAsked], seen: Sequence[PortsSeen]
) -> Iterator[str]:
    for mode in history.modes_without(one.stack for one in seen):
        yield f"{mode}: nobody looked for secrets and open ports"
    if not history.modes and not seen:
        yield "nobody looked for secrets and open ports"
    for one in asked:
        if one.error:
            yield f"{one.stack}: {one.who} could not ask: {one.error}"
        elif one.operator and not one.answers:
            yield f"{one.stack}: the operator was not answered either: {one.text}"
        elif one.operator and not one.figures:
            yield (
                f"{one.stack}: {one.text} is answered to the operator without figures "
                f"({_cut(one.answers[0])}), so that data cannot be told from a refusal"
            )


def _summary(asked: Sequence[SecurityAsked], seen: Sequence[PortsSeen]) -> list[str]:
    ways: dict[str, list[str]] = {}
    for one in asked:
        if not one.operator:
            ways.setdefault(f"{one.stack}: {one.who}", []).append(one.path)
    lines = [f"{who} asked by {', '.join(dict.fromkeys(paths))}" for who, paths in ways.items()]
    if not asked:
        lines.append(
            "the bot is public as botproof.toml has it: no list holds {users}, and [workload] "
            "private names no question of the operator's"
        )
    for look in seen:
        lines.append(f"{look.stack}: listens at {', '.join(look.listening) or 'no port'}")
        lines.append(
            f"{look.stack}: looked for {', '.join(look.secrets) or 'no secret'} in "
            f"{', '.join(look.searched)}"
        )
    return lines


def _cut(text: str) -> str:
    return repr(one_line(text, _SHOWN))
