"""Replies case by case: the view of the chats (`botproof/chats.py`) that checks of cases share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from botproof.chats import Message, ReplyRules, Turn, button_label, read_chats
from botproof.history import History

_RULE = "---"


def read_turns(history: History, rules: ReplyRules) -> dict[str, dict[str, Turn]]:
    """The turns of a whole history: stack → name of the case → turn."""
    return {stack: chats.turns for stack, chats in read_chats(history, rules).items()}


def render(turn: Turn, rules: ReplyRules) -> str:
    """A reply as text, normalised: what golden files hold and parity compares.

    An acknowledgement that is meant to stay is left out beside its answer: whether it was sent
    depends on timing.
    """
    lines = [f"you: {turn.case.title}"]
    shown = turn.messages
    if rules.acknowledgement_stays and turn.answers:
        shown = [message for message in shown if not message.acknowledgement]
    for message in shown:
        about = [_RULE, "message" if message.method == "sendMessage" else message.method]
        if message.parse_mode:
            about.append(f"({message.parse_mode})")
        lines.append(" ".join(about))
        lines += rules.normalise(message.text).splitlines()
        lines += _buttons(message)
    if not shown:
        lines.append(f"{_RULE} nothing")
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _buttons(message: Message) -> list[str]:
    return ["  ".join(f"[{button_label(button)}]" for button in row) for row in message.buttons]


def title_of(payload: Mapping[str, Any]) -> str:
    """What a user did, in a few words: the text sent, or the kind of update."""
    for kind, body in payload.items():
        if isinstance(body, Mapping):
            text = body.get("text") or body.get("data") or ""
            said = f" {text}" if text else ""
            return said.strip() if kind == "message" and text else f"({kind}){said}"
    return "(empty update)"


def lines_of(items: Iterable[str], most: int) -> tuple[str, ...]:
    """At most `most` items, and a last line that says how many more there are."""
    listed = list(items)
    if len(listed) <= most:
        return tuple(listed)
    return (*listed[:most], f"… and {len(listed) - most} more")
