"""A bot that answers nothing: what its webhook, its calls, its health and its log said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from botproof.chats import Chats
from botproof.checks.replies import lines_of
from botproof.checks.why import during, outcome
from botproof.history import (
    BotApiCall,
    HealthAnswered,
    History,
    LogTail,
    LogTrouble,
    UpdateDelivered,
)
from botproof.log_trouble import headline

_MOST_CALLS = 10
_MOST_LOG_LINES = 12
_MOST_TROUBLE = 5
_MOST_CASES = 6
_POLL = "getUpdates"


def about(history: History, stack: str, chats: Chats) -> Iterator[str]:
    """Yield everything that a history holds of what one stack's bot did instead of answering."""
    yield from _webhook(history, stack)
    yield from _calls(history, stack)
    yield from _health(history, stack)
    yield from trouble(history, stack, chats)
    tails = [tail for tail in history.of(LogTail, stack=stack) if tail.process == "bot"]
    for tail in tails[-1:]:
        yield f"last lines of {tail.process} ({stack}):"
        yield from (f"  {line}" for line in tail.lines[-_MOST_LOG_LINES:])


def trouble(history: History, stack: str, chats: Chats) -> tuple[str, ...]:
    """Return what the logs of a stack complained of, the same only once with how often,
    and during which cases it was."""
    said: Counter[tuple[str, str]] = Counter()
    cases: dict[tuple[str, str], dict[str, None]] = {}
    for event in history.of(LogTrouble, stack=stack):
        what = (event.process, headline(event.lines))
        said[what] += 1
        cases.setdefault(what, {}).update(dict.fromkeys(during(chats, event.t)))
    return lines_of(
        (_trouble(*what, times, list(cases[what])) for what, times in said.most_common()),
        _MOST_TROUBLE,
    )


def _trouble(process: str, line: str, times: int, cases: list[str]) -> str:
    notes = [f"{times} times"] if times > 1 else []
    if cases:
        more = ", …" if len(cases) > _MOST_CASES else ""
        notes.append(f"during {', '.join(cases[:_MOST_CASES])}{more}")
    said = f" ({', '.join(notes)})" if notes else ""
    return f"log of {process}: {line}{said}"


def _webhook(history: History, stack: str) -> Iterator[str]:
    said = Counter(
        outcome(event)
        for event in history.of(UpdateDelivered, stack=stack)
        if event.door == "webhook"
    )
    if said:
        yield f"its webhook answered: {_counted(said)}"
    polled = [e for e in history.of(UpdateDelivered, stack=stack) if e.door != "webhook"]
    if polled:
        yield f"it fetched {len(polled)} updates by getUpdates"
    if not said and not polled:
        yield "it was never handed an update: no webhook was posted to, and it asked for none"


def _calls(history: History, stack: str) -> Iterator[str]:
    calls = [call for call in history.of(BotApiCall, stack=stack) if call.method != _POLL]
    if not calls:
        yield "it called nothing of the Bot API but getUpdates"
        return
    said = Counter((call.method, _answer(call)) for call in calls)
    yield "its calls of the Bot API and the answers:"
    listed = [
        f"  {method}: {answer}{f' ({times} times)' if times > 1 else ''}"
        for (method, answer), times in said.most_common()
    ]
    yield from lines_of(listed, _MOST_CALLS)


def _answer(call: BotApiCall) -> str:
    if call.error_code is not None:
        return f"{call.error_code} {call.description or ''}".rstrip()
    return f"{call.status}" if call.status is not None else "no answer"


def _health(history: History, stack: str) -> Iterator[str]:
    for event in history.of(HealthAnswered, stack=stack):
        if event.role == "bot":
            said = f"{event.status} {' '.join(event.body.split())}".rstrip()
            yield f"GET {event.url} meanwhile: {event.error or said}"


def _counted(said: Counter[str]) -> str:
    return ", ".join(
        f"{text} ({times} times)" if times > 1 else text for text, times in said.most_common()
    )
