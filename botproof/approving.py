"""`botproof golden diff|approve`: what differs from the approved replies, and approving a run's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from botproof.checks import golden_files, own_signals
from botproof.checks.golden import diff as golden_diff
from botproof.checks.golden_files import Received
from botproof.problems import UsageError

_NOT_ALWAYS_SEEN = frozenset({own_signals.CASE})
"""Files of what a run need not show: not every run watches what the bot sends by itself."""
Ask = Callable[[str], bool]
"""Asks a person a question that is answered by yes or no."""


def diff(replies: Mapping[str, Received], directory: Path) -> int:
    """Print what differs; 1 when anything does, or cannot be right whatever was approved."""
    approved = golden_files.read_approved(directory)
    lines: list[str] = []
    for name, one in replies.items():
        if one.refused:
            lines.append(f"{name}: {one.refused}")
        for stack, text in one.texts.items():
            lines += golden_diff(name, stack, approved.get(name, ""), text)
    lines += [
        f"{name}: approved, but the run has no such case"
        for name in approved
        if name not in replies and name not in _NOT_ALWAYS_SEEN
    ]
    print("\n".join(lines) if lines else "every reply equals its approved file")
    return 1 if lines else 0


def approve(
    replies: Mapping[str, Received],
    directory: Path,
    *,
    accept_errors: bool = False,
    ask: Ask | None = None,
) -> int:
    """Make what a run sent the approved replies; 1 when some of it could not be approved.

    Refused are replies that never came, came in part, or had more messages than they should. What
    reads like an error is approved with `accept_errors`, or when `ask` says yes; without a terminal
    there is nobody to ask. Raises UsageError while the modes disagree.
    """
    refused = {name: one.refused for name, one in replies.items() if one.refused}
    disagreeing = [n for n, one in replies.items() if one.conflict and n not in refused]
    if disagreeing:
        raise UsageError(
            "the modes disagree, so nothing was approved (see parity in the last gate): "
            + ", ".join(disagreeing)
        )
    texts = {n: next(iter(one.texts.values())) for n, one in replies.items() if n not in refused}
    before = golden_files.read_approved(directory)
    doubts = {n: replies[n].doubt for n in texts if replies[n].doubt and texts[n] != before.get(n)}
    left = {} if accept_errors or not doubts or _agreed(doubts, ask) else doubts
    kept = {name: text for name, text in texts.items() if name not in left}
    left_alone = frozenset({*refused, *left, *_NOT_ALWAYS_SEEN})
    written, removed = golden_files.write_approved(directory, kept, left_alone)
    for name in written:
        print(f"approved {name}")
    for name in removed:
        print(f"removed  {name}: no case uses it")
    for name, reason in refused.items():
        print(f"refused  {name}: {reason}")
    for name, line in left.items():
        print(f"left out {name}: it reads like an error: {line}")
    print(f"{len(kept)} approved replies in {directory}, {len(written)} of them changed")
    if refused:
        print(
            f"{len(refused)} refused: mend the bot; where silence is right, give the case "
            'expect = "silence"; where an answer has several messages, say how many by `replies`'
        )
    if left:
        print(
            f"{len(left)} left out: if this is what users are to read, "
            "run `botproof golden approve --accept-errors`"
        )
    return 1 if refused or left else 0


def _agreed(doubts: Mapping[str, str], ask: Ask | None) -> bool:
    if ask is None:
        return False
    print("These replies read like errors or apologies:")
    for name, line in doubts.items():
        print(f"  {name}: {line}")
    them = "it" if len(doubts) == 1 else f"these {len(doubts)}"
    return ask(f"Is this what users are to read? Approve {them}, too? [y/N] ")


def terminal() -> Ask | None:
    """Return somebody at the terminal, None when nobody sits there."""
    return _ask if sys.stdin.isatty() and sys.stdout.isatty() else None


def _ask(question: str) -> bool:
    try:
        return input(question).strip().casefold() in ("y", "yes")
    except EOFError:
        return False
