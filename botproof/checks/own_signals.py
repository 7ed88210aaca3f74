"""What a bot sends by itself, such as its signals: each message of a slot, with its buttons.

No case asks for it, so it has an approved file of its own, `_signals.txt`. Only where the market is
the same in every slot can it have one.
"""

from __future__ import annotations

from collections.abc import Iterator

from botproof.chats import Message, ReplyRules
from botproof.checks.replies import shown_message
from botproof.checks.signals import kept_from_going_on
from botproof.history import History, SignalSeen, SignalsWatched

_PARTLY, _MOSTLY = 0.25, 0.6
"""Of the whole watch: when the machine kept so much, one slot, or several that agree, may still not
have had everything."""
CASE = "_signals"
"""The name of its approved file; no case can be called so."""


def own_signals(history: History, stack: str, rules: ReplyRules) -> str:
    """Return what subscribers were sent in a slot, as an approved file holds it; "" where that
    cannot be told: nothing came, or too few slots had all that came in any."""
    for one, slots in _watched(history, stack, rules):
        every = set[str]().union(*slots)
        agreeing = slots.count(every)  # others may lack what a kill or a slow machine kept away
        share = _MOSTLY if agreeing > 1 else _PARTLY
        if every and agreeing and not kept_from_going_on(one, share):
            return _text(every)
    return ""


def of_one_slot(history: History, stack: str, rules: ReplyRules) -> str:
    """Return what came in the first slot without a kill, where no slot had all that came in any:
    neither a kill nor the machine kept the rest away. "" otherwise."""
    for one, slots in _watched(history, stack, rules):
        told = (
            own for slot, own in zip(one.slots, slots, strict=True) if slot not in one.restarted
        )
        first = next(told, None)
        every = set[str]().union(*slots)
        if first and every not in slots and not kept_from_going_on(one, _PARTLY):
            return _text(first)
    return ""


def _watched(
    history: History, stack: str, rules: ReplyRules
) -> Iterator[tuple[SignalsWatched, list[set[str]]]]:
    """Yield each watch that a file can be held against, with what came in each of its slots."""
    for one in history.of(SignalsWatched, stack=stack):
        if one.steady and not one.error:
            seen = history.of(SignalSeen, stack=stack)
            yield one, [set(_messages(one, slot, seen, rules)) for slot in one.slots]


def _text(messages: set[str]) -> str:
    return "\n".join(["the bot by itself", *sorted(messages)]) + "\n"


def _messages(
    one: SignalsWatched, slot: float, seen: list[SignalSeen], rules: ReplyRules
) -> Iterator[str]:
    for each in seen:
        if each.slot == slot and each.chat_id in one.chats and each.params:
            message = Message(each.method, {**each.params}, None, each.chat_id, "", each.t)
            lines = shown_message(message, rules)
            yield "\n".join(line.rstrip() for line in lines)
