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
    for one in history.of(SignalsWatched, stack=stack):
        if not one.steady or one.error:
            continue
        seen = history.of(SignalSeen, stack=stack)
        slots = [set(_messages(one, slot, seen, rules)) for slot in one.slots]
        every = set().union(*slots)
        agreeing = slots.count(every)  # others may lack what a kill or a slow machine kept away
        share = _MOSTLY if agreeing > 1 else _PARTLY
        if every and agreeing and not kept_from_going_on(one, share):
            return "\n".join(["the bot by itself", *sorted(every)]) + "\n"
    return ""


def _messages(
    one: SignalsWatched, slot: float, seen: list[SignalSeen], rules: ReplyRules
) -> Iterator[str]:
    for each in seen:
        if each.slot == slot and each.chat_id in one.chats and each.params:
            message = Message(each.method, {**each.params}, None, each.chat_id, "", each.t)
            lines = shown_message(message, rules)
            yield "\n".join(line.rstrip() for line in lines)
