"""door: what comes to the bot besides ordinary updates does no harm, and nobody gets in by it.

A finding is what a stranger can bring about, or what a user loses. What only Telegram itself could
bring about is told and not held against the bot.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from urllib.parse import urlsplit

from botproof.checks.doubt import looks_like_an_error
from botproof.checks.found import Found
from botproof.checks.gone import asked_at, gone
from botproof.checks.judging import Judging
from botproof.checks.replies import lines_of
from botproof.checks.together import crossed
from botproof.counting import several
from botproof.excerpts import one_line
from botproof.history import REFUSED_ANSWER, AskedTogether, DoorAsked, History
from botproof.verdict import CheckResult, judged
from botproof.webhook_abuse import BODIES, WRONG_SECRETS

_UNGUESSABLE = re.compile(r"[A-Za-z0-9_:%-]{24,}")
_SHOWN = 80
_UNANSWERED = (
    "no ordinary update was answered, so nothing follows from silence. "
    "Whoever asks here is among {users}; a bot of one owner answers none of them"
)
_PEOPLE = {
    "named": "Escape each name, as all that comes from outside",
    "newer": "Ids have up to 52 bits: keep them in 64",
}
"""Users that others are unlike, and what to do about it."""
_AFTERWARDS = {
    "away": "Telegram fails for a moment now and then: wait a little, a little longer each time, "
    "and go on",
    "ready": "What one failed call has set the next good one has to take back: whoever watches it "
    "ends the bot, or sends no more updates to it",
    "silent": "Give each call of Telegram a limit of time, and let no other chat wait for it",
    "held": "Keep the answer, and send it again after retry_after",
    "quoted": "A quote that a user wrote became a part of a statement, and so can anything else "
    "that somebody writes. Give it as a parameter (`?`, `%s`), or as one of a list of arguments, "
    "never within the text",
    "tapped": "What a button stands for has to outlive the process, and what waits at a start is "
    "to be answered, taps as well as messages",
    "unserved": "What was not there at the start is to be asked again: after a restart of the "
    "machine a service is there later than the bot",
}
"""What is asked after Telegram was away, over a restart or with quotes, and what to do about it."""
_LISTS = {
    "nobody": ("an empty allow-list", "Let an empty list mean nobody"),
    "unlisted": (
        "an allow-list that is not set",
        "Let a variable that is not there mean nobody, or refuse to start",
    ),
}
"""Allow-lists of nobody: how they are called, and what to do where they let everybody in."""

Asked = Mapping[str, DoorAsked]


def check(history: History, judging: Judging) -> CheckResult:
    """Judge what came of each question at the door, mode by mode."""
    stacks = _asked(history)
    findings = [each.text for each in findings_of(history, judging)]
    gaps = list(_gaps(history, stacks))
    summary = [
        f"{stack}: {_shown(one)}" for stack, asked in stacks.items() for one in asked.values()
    ]
    return CheckResult(
        check="door",
        verdict=judged(findings, gaps),
        budget="nonsense does no harm, strangers stay outside, each update is answered once",
        measurement=_measurement(findings, gaps, stacks),
        least_evidence="an answer to an ordinary update in each mode",
        evidence=(*findings, *gaps, *lines_of(summary, 40)),
        source="docs/checks.md",
    )


def findings_of(history: History, judging: Judging) -> list[Found]:
    """Return what was wrong at the door, mode by mode, and then what was asked at one moment."""
    found = [
        Found(each.event, f"{stack}: {each.text}")
        for stack, asked in _asked(history).items()
        for each in _of_stack(history, stack, asked, judging)
    ]
    return [*found, *_together(history, judging)]


def _asked(history: History) -> dict[str, dict[str, DoorAsked]]:
    stacks: dict[str, dict[str, DoorAsked]] = {}
    for event in history.of(DoorAsked):
        stacks.setdefault(event.stack, {})[event.what] = event
    return stacks


def _of_stack(history: History, stack: str, asked: Asked, judging: Judging) -> Iterator[Found]:
    """Yield what was wrong in a stack: what ended the bot first, and nothing of the silence
    after that."""
    ends = gone(history, stack)
    last: list[DoorAsked] = []
    for end in ends:
        if one := asked_at(end, [*asked.values()]):
            last.append(one)
            yield Found(
                one,
                f"{one.sent} → the bot ended with {end.how}, {end.end.t - (one.asked or 0.0):.1f} "
                "s later, for everybody. Catch what handling one update raises, write it to the "
                "log, and go on with the next. `boot` shows its log",
            )
    there = {
        what: one
        for what, one in asked.items()
        if one not in last and not any(one.asked and end.covers(one.asked) for end in ends)
    }
    yield from _findings(there, judging)


def _measurement(findings: Sequence[str], gaps: Sequence[str], stacks: Mapping[str, Asked]) -> str:
    if findings:
        return findings[0]
    if gaps:
        return gaps[0]
    asked = sum(map(len, stacks.values()))
    hooks = [stack for stack, each in stacks.items() if any(one.url for one in each.values())]
    where = f"webhook in {', '.join(hooks)}" if hooks else "no mode has a webhook"
    return f"{several(asked, 'question')}; {where}"


def _gaps(history: History, stacks: Mapping[str, Asked]) -> Iterator[str]:
    for mode in history.modes_without(stacks):
        ended = _ended(history, mode)
        yield f"{mode}: {ended or 'nothing was asked at the door'}"
    for stack, asked in stacks.items():
        if not any(one.answers for one in asked.values()):
            yield f"{stack}: {_ended(history, stack) or _UNANSWERED}"
    if not stacks and not history.modes:
        yield "nothing was asked at the door"


def _ended(history: History, stack: str) -> str:
    """Say that the bot was gone when it was to be asked; "" where it was there."""
    if not (ends := gone(history, stack)):
        return ""
    return f"the bot had ended with {ends[0].how} before it was asked here: `boot` says more"


def _findings(asked: Asked, judging: Judging) -> Iterator[Found]:
    yield from _first(asked, judging)
    yield from _no_longer(asked)
    yield from _first_late(asked, judging.budgets["reply_time_s"].limit)
    yield from _strangers(asked)
    yield from _bodies(asked)
    yield from _once(asked)
    yield from _ordinary(asked, judging.budgets["rollback_latency_s"].limit)
    yield from _nobody(asked, judging)
    yield from _health(asked)


def _first(asked: Asked, judging: Judging) -> Iterator[Found]:
    """Yield what is answered otherwise than later: the first update is answered as the same is
    later. Where the later answers are not alike, it is one that an error follows."""
    first, later = asked.get("first"), [asked[w] for w in ("again", "after") if w in asked]
    if first is None:
        return
    said = _plainly(first, judging)
    told = [(one, _plainly(one, judging)) for one in later if one.answers]
    alike = len({answers for _, answers in told}) == 1
    otherwise = (
        one
        for one, answers in told
        if (answers != said if alike else _then_an_error(said, answers))
    )
    for one in islice(otherwise, 1):
        yield Found(
            first,
            f"the first update after the start is answered otherwise than the same later: "
            f"{first.sent} → {_said(first)}; later → {_said(one)}. What the first request "
            "makes (a connection, an event loop, a client) has to serve it and every later one",
        )


_LATER = ("again", "repeated", "midst", "aside", "after", "named", "newer")


def _later(asked: Asked) -> list[DoorAsked]:
    """Return what was asked in the ordinary way after the conversation."""
    return [asked[what] for what in _LATER if what in asked]


def _no_longer(asked: Asked) -> Iterator[Found]:
    """Yield that nobody is answered after the conversation, neither a new user nor the one whose
    first update was: one that answers its owner alone still answers that one."""
    first, again, repeated = (asked.get(what) for what in ("first", "again", "repeated"))
    if first is None or again is None or repeated is None or not first.answers:
        return
    if not any(one.answers for one in _later(asked)):
        yield Found(
            again,
            f"{again.sent} → silence, by whomever it is asked, where the first update was "
            f"answered: {_said(first)}. What handles updates has ended since, or waits for ever, "
            "though the process goes on: `boot` tells what the log says. Catch what one update "
            "raises, and end the process where that cannot be",
        )


def _first_late(asked: Asked, limit: float) -> Iterator[Found]:
    """Yield that the first update took long, where the same is answered in time later."""
    first, again = asked.get("first"), asked.get("again")
    if first is None or again is None or not (first.answers and again.answers):
        return
    if first.after_s >= limit > again.after_s:
        yield Found(
            first,
            f"{first.sent} → answered after {first.after_s:.1f} s, over {limit:g} s, and later "
            f"after {again.after_s:.1f} s. Say that the bot is ready when it is: import and "
            "connect before that",
        )


def _plainly(one: DoorAsked, judging: Judging) -> tuple[str, ...]:
    return tuple(map(judging.rules.normalise, one.answers))


def _then_an_error(first: tuple[str, ...], later: tuple[str, ...]) -> bool:
    more = later[len(first) :]
    return bool(first) and later[: len(first)] == first and any(map(looks_like_an_error, more))


def _strangers(asked: Asked) -> Iterator[Found]:
    hooks = [one for one in asked.values() if one.url]
    if not hooks:
        return
    path = urlsplit(hooks[-1].url).path
    for what in WRONG_SECRETS:
        one = asked.get(what)
        if one is None or not one.answers:
            continue
        if one.declared:
            yield Found(
                one,
                f"{one.sent}, though setWebhook declared one → HTTP {one.status}, and it was "
                f"answered: {_said(one)}. Compare the header X-Telegram-Bot-Api-Secret-Token "
                "before anything else, and refuse with 401 or 403",
            )
        elif not _UNGUESSABLE.search(path):
            yield Found(
                one,
                f"none is declared: setWebhook was called without secret_token, and the path "
                f"{path} can be guessed. {one.sent} → HTTP {one.status}, and it was answered: "
                f"{_said(one)}. So anybody can write as any user; set secret_token and compare it",
            )


def _bodies(asked: Asked) -> Iterator[Found]:
    for what in BODIES:
        one = asked.get(what)
        if one is None:
            continue
        if one.error:
            yield Found(one, f"{one.sent} → no answer: {one.error}")
        elif (one.status or 0) >= 500 and not one.declared:
            yield Found(
                one,
                f"{one.sent} → HTTP {one.status}, and anybody may send it, as no secret is "
                "declared. Refuse with 400 (413 for what is too large)",
            )
    again, after = asked.get("again"), asked.get("after")
    if again is not None and after is not None and again.answers and not after.answers:
        what = f"HTTP {after.status}" if after.status else after.error or "silence"
        yield Found(
            after, f"after what is listed here the bot no longer answers: {after.sent} → {what}"
        )


def _once(asked: Asked) -> Iterator[Found]:
    twice, again = asked.get("twice"), asked.get("again")
    if twice is None or again is None or not again.answers:
        return
    once, repeat = Counter(again.answers), Counter(twice.answers)
    repeated = any(repeat[text] > times for text, times in once.items())
    if repeated or len(twice.answers) >= 2 * len(again.answers):
        yield Found(
            twice,
            f"{twice.sent} → {len(twice.answers)} messages, where one gets {len(again.answers)}. "
            "Telegram sends an update again whenever an answer was late or lost: remember "
            "update_id, and answer each once",
        )


def _in_conversation(asked: Asked) -> bool:
    """Tell whether the first answer began a conversation: its next step is answered as to nobody
    who stands outside of it, and until then the bot may well not take its beginning again."""
    midst, aside = asked.get("midst"), asked.get("aside")
    if midst is None or aside is None:
        return False
    return bool(midst.answers) and Counter(midst.answers) != Counter(aside.answers)


def _ordinary(asked: Asked, limit: float) -> Iterator[Found]:
    """Yield what any user may do, and gets no answer to; where others are answered."""
    again, repeated, hung = asked.get("again"), asked.get("repeated"), asked.get("hung")
    if again is None or not again.answers:
        return
    if repeated is not None and not repeated.answers and not _in_conversation(asked):
        yield Found(
            repeated,
            f"whoever asks the same once more gets nothing: {repeated.sent} → silence. Know an "
            "update that comes twice by its update_id; a question may be asked twice",
        )
    for what, advice in _PEOPLE.items():
        one = asked.get(what)
        if one is not None and not one.answers:
            yield Found(
                one, f"{one.sent} → {one.error or 'silence'}, where others are answered. {advice}"
            )
    longest = asked.get("longest")
    if longest is not None and longest.error:
        yield Found(
            longest,
            f"{longest.sent} → {longest.error}. Show a few letters of what somebody wrote, and "
            "split what is over 4,096",
        )
    for what, advice in _AFTERWARDS.items():
        one = asked.get(what)
        if one is not None and one.error:
            yield Found(one, f"{one.sent} → {one.error}. {advice}")
    if hung is not None and (hung.error or hung.after_s >= limit):
        came = hung.error or f"an answer after {hung.after_s:.1f} s, over {limit:g} s"
        yield Found(
            hung,
            f"{hung.sent} → {came}. Give each call of a service a limit of time, and say then "
            "that there are no figures",
        )
    yield from _long(asked)


def _long(asked: Asked) -> Iterator[Found]:
    """Yield that a text as long as Telegram lets it be is not taken."""
    long = asked.get("long")
    if long is not None and not 200 <= (long.status or 0) < 300:
        came = long.error or f"HTTP {long.status}"
        do = "take bodies of a megabyte"
        if REFUSED_ANSWER in came:  # the body was taken: what came of it is wrong
            do = "show a few letters of it, and end no request by what Telegram refuses"
        yield Found(
            long,
            f"{long.sent} → {came.rstrip('.')}. Telegram sends it again and again, and holds back "
            f"what its chat says next; {do}",
        )


def _together(history: History, judging: Judging) -> Iterator[Found]:
    """Yield what was answered as somebody else's question, where that was so each time."""
    moments: dict[str, dict[int, list[AskedTogether]]] = {}
    for event in history.of(AskedTogether):
        moments.setdefault(event.stack, {}).setdefault(event.burst, []).append(event)
    for stack, bursts in moments.items():
        found = [list(crossed(asked, judging.rules)) for asked in bursts.values()]
        if len(found) > 1 and all(found):
            yield Found(
                found[-1][0].event,
                f"{stack}: {found[-1][0].text} ({len(found[-1])} of {len(bursts[max(bursts)])} "
                "questions). What a question is about belongs into variables of its own handler, "
                "and into the key of whatever is shared or kept",
            )


def _nobody(asked: Asked, judging: Judging) -> Iterator[Found]:
    ordinary = asked.get("again") or asked.get("first")
    for what, (name, advice) in _LISTS.items():
        one = asked.get(what)
        if one is None or ordinary is None or not one.answers:
            continue
        if _plainly(one, judging) == _plainly(ordinary, judging):
            yield Found(
                one,
                f"{name} lets everybody in: {one.sent} → {_said(one)}, as a user on the list. "
                f"{advice}",
            )


def _health(asked: Asked) -> Iterator[Found]:
    health = asked.get("health")
    ordinary = [asked[what] for what in ("first", "again", "after") if what in asked]
    still = _later(asked) or ordinary
    if health is None or health.status != 200 or any(one.answers for one in still):
        return
    more = " any more" if any(one.answers for one in ordinary) else ""
    statuses = sorted({one.status for one in ordinary if one.status})
    webhook = f" (webhook: HTTP {', '.join(map(str, statuses))})" if statuses else ""
    yield Found(
        health,
        f"{health.sent} says well (200) while nothing is answered{more}{webhook}. Let it say 503 "
        "until the bot has reached Telegram and can handle an update",
    )


def _said(one: DoorAsked) -> str:
    return " | ".join(repr(one_line(text, _SHOWN)) for text in one.answers) or "silence"


def _shown(one: DoorAsked) -> str:
    came = [
        f"HTTP {one.status}" if one.status is not None else "",
        one.error,
        _said(one) if one.answers or (one.status is None and not one.error) else "",
    ]
    return f"{one.sent} → {', '.join(part for part in came if part)}"
