"""Storms: the same call of the Bot API again and again, faster than anybody can read.

Telegram asks bots not to send more than a message a second to a chat, and counts edits and chat
actions as well: who goes beyond gets 429, and all others in the chat wait with them. A call that
was refused and is made again at once brings down whoever it waits for.
Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from botproof.calls import chat_of
from botproof.history import BotApiCall, UpdateInjected

_WITHIN_S = 1.0
_CHANGES = 6
"""So often a second a message may be edited, or an action be shown in a chat, beside what comes."""
_FAILURES = 10
_ACTION = "sendChatAction"


class Storm(NamedTuple):
    """Which call was made how often within a second, the first of them at `t`."""

    what: str
    calls: int
    t: float


def storms(calls: Iterable[BotApiCall], updates: Iterable[UpdateInjected] = ()) -> Iterator[Storm]:
    """Yield which call was made too often within a second; the worst of each kind.

    An update of a chat allows one more call in that chat.
    """
    changed: defaultdict[tuple[str, int, str], list[float]] = defaultdict(list)
    failed: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for call in calls:
        if call.error_code is not None:
            what = json.dumps(dict(call.params), sort_keys=True, default=str)
            failed[f"{call.method}, which failed ({call.error_code})", what].append(call.t)
        elif call.method.startswith("editMessage"):
            message = str(call.params.get("message_id"))
            changed["editMessage of one message", chat_of(call) or 0, message].append(call.t)
        elif call.method == _ACTION:
            changed[f"{_ACTION} in one chat", chat_of(call) or 0, ""].append(call.t)
    came = _by_chat(updates)
    worst: dict[str, Storm] = {}
    for (what, chat, _), times in changed.items():
        _note(worst, _most(what, times, came.get(chat, ())), _CHANGES)
    for (what, _), times in failed.items():
        _note(worst, _most(what, times), _FAILURES)
    yield from worst.values()


def _note(worst: dict[str, Storm], storm: Storm, limit: int) -> None:
    known = worst.get(storm.what)
    if storm.calls > limit and (known is None or storm.calls > known.calls):
        worst[storm.what] = storm


def _by_chat(updates: Iterable[UpdateInjected]) -> dict[int, list[float]]:
    came: defaultdict[int, list[float]] = defaultdict(list)
    for event in updates:
        for body in event.update.values():
            message = body.get("message", body) if isinstance(body, Mapping) else None
            chat = message.get("chat") if isinstance(message, Mapping) else None
            if isinstance(chat, Mapping) and isinstance(chat.get("id"), int):
                came[chat["id"]].append(event.t)
    return {chat: sorted(times) for chat, times in came.items()}


def _most(what: str, times: list[float], came: Iterable[float] = ()) -> Storm:
    """Return how many of these calls lie within a second at the most, and since when; without one
    for each update of that second and the one before."""
    times, asked = sorted(times), list(came)
    most = Storm(what, 0, times[0])
    for first, begin in enumerate(times):
        end = bisect_left(times, begin + _WITHIN_S)
        owed = bisect_left(asked, begin + _WITHIN_S) - bisect_left(asked, begin - _WITHIN_S)
        if end - first - owed > most.calls:
            most = Storm(what, end - first - owed, begin)
    return most
