"""The approved replies on disk: one text file a case, named after it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from botproof.checks.judging import Judging
from botproof.checks.replies import read_turns, render
from botproof.history import History

SUFFIX = ".txt"


def read_approved(directory: Path) -> dict[str, str]:
    """Name of the case → approved reply. Empty when the directory does not exist."""
    return {
        path.stem: path.read_text(encoding="utf-8") for path in sorted(directory.glob(f"*{SUFFIX}"))
    }


def received(history: History, judging: Judging) -> dict[str, dict[str, str]]:
    """Name of the case → stack → what was received, of every case that a file can pin."""
    found: dict[str, dict[str, str]] = {}
    for stack, turns in read_turns(history, judging.rules).items():
        for name, turn in turns.items():
            if turn.case.expect == "reply" and turn.case.golden:
                found.setdefault(name, {})[stack] = render(turn, judging.rules)
    return found


def conflicts(replies: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Cases whose modes disagree: neither reply can be approved before they agree."""
    return [name for name, by_stack in replies.items() if len(set(by_stack.values())) > 1]


def write_approved(directory: Path, replies: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Make `replies` the approved ones; names of the files written and of those removed."""
    directory.mkdir(parents=True, exist_ok=True)
    before = read_approved(directory)
    written = [name for name, text in replies.items() if before.get(name) != text]
    for name in written:
        (directory / f"{name}{SUFFIX}").write_text(replies[name], encoding="utf-8")
    removed = sorted(set(before) - set(replies))
    for name in removed:
        (directory / f"{name}{SUFFIX}").unlink()
    return written, removed
