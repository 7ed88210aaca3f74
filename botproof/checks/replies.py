"""Replies case by case: the view of the chats (`botproof/chats.py`) that checks of cases share."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from botproof.calls import button_label, hides_links, integer, is_reply, is_true, plain
from botproof.chats import TOAST, Chats, Message, ReplyRules, Turn, read_chats
from botproof.history import History, PlayedAgain

RULE = "---"
"""What a rendered reply is divided by: what was asked, and each message."""
_REACTION = "setMessageReaction"
_MANNERS = {"disable_notification": "silent", "protect_content": "not to be forwarded"}
"""How a message is sent, where its user notices."""


def settled_chats(history: History, rules: ReplyRules) -> dict[str, Chats]:
    """Return the chats by stack; in the place of a turn that was played again stands its last
    playing.

    What is said is judged by these; how fast it is said by `reply_times`.
    """
    chats = read_chats(history, rules)
    for event in history.of(PlayedAgain):
        again = chats.pop(event.stack, None)
        if again is not None and event.of in chats and not event.timed:
            # Its whole conversation was played: only the cases that were in doubt are replaced.
            named = {name: again.turns[name] for name in event.cases if name in again.turns}
            chats[event.of].turns.update(named)
            for turn in named.values():
                chats[event.of].chats[turn.case.chat_id] = again.chats[turn.case.chat_id]
    return chats


def settled_turns(history: History, rules: ReplyRules) -> dict[str, dict[str, Turn]]:
    """Return the turns of `settled_chats`: stack → name of the case → turn."""
    return {stack: chats.turns for stack, chats in settled_chats(history, rules).items()}


def renormalised(approved: str, rules: ReplyRules) -> str:
    """Return an approved file as it would be written by the rules of today."""
    title, *shown = re.split(rf"^(?={RULE})", approved, flags=re.MULTILINE)
    shown.sort(key=lambda each: not each.startswith(f"{RULE} {TOAST}"))
    lines = title.splitlines()
    for each in shown:
        about, *body = each.splitlines()
        lines += [about, *rules.normalise("\n".join(body)).splitlines()]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def render(turn: Turn, rules: ReplyRules) -> str:
    """Return a reply as text, normalised: what golden files hold and parity compares.

    An acknowledgement that is meant to stay is left out beside its answer: whether it was sent
    depends on timing.
    """
    lines = [f"you: {turn.case.title}"]
    shown = turn.messages
    if rules.acknowledgement_stays and turn.answers:
        shown = [message for message in shown if not message.acknowledgement]
    for message in shown:
        lines += shown_message(message, rules)
    lines += [
        f"{RULE} {act.method} {json.dumps(plain(act.params.get('reaction')), ensure_ascii=False)}"
        for act in turn.acts
        if act.method == _REACTION
    ]
    if not shown:
        lines.append(f"{RULE} nothing")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def shown_message(message: Message, rules: ReplyRules) -> list[str]:
    """Return the lines of one message: how it is sent, what it says, and its buttons."""
    about = [RULE, "message" if message.method == "sendMessage" else message.method]
    if message.parse_mode:
        about.append(f"({message.parse_mode})")
    return [
        " ".join(about + _manners(message)),
        *rules.normalise(message.text).splitlines(),
        *("  ".join(f"[{button_label(button)}]" for button in row) for row in message.buttons),
    ]


def _manners(message: Message) -> list[str]:
    params = message.params
    manners = [name for key, name in _MANNERS.items() if is_true(params.get(key))]
    manners += ["as a reply"] * is_reply(params)
    manners += ["without previews"] * hides_links(params)
    if message.topic is not None:
        # An answer to a message in a topic stands there, too, without being sent to the topic.
        sent_there = integer(params.get("message_thread_id")) is not None
        alone = "" if sent_there else " by its reply alone"
        manners.append(f"in topic {message.topic}{alone}")
    return manners


def title_of(payload: Mapping[str, Any]) -> str:
    """Return what a user did, in a few words: the text sent, or the kind of update."""
    for kind, body in payload.items():
        if isinstance(body, Mapping):
            text = body.get("text") or body.get("data") or ""
            said = f" {text}" if text else ""
            return said.strip() if kind == "message" and text else f"({kind}){said}"
    return "(empty update)"


def lines_of(items: Iterable[str], most: int, rest: str = "") -> tuple[str, ...]:
    """Return at most `most` items, and a last line that says how many more there are, with
    `rest` behind."""
    listed = list(items)
    if len(listed) <= most:
        return tuple(listed)
    return (*listed[:most], f"… and {len(listed) - most} more{rest}")
