"""The approved replies on disk: one text file a case, named after it; and what may become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from botproof.checks import own_settings, own_signals
from botproof.checks.doubt import looks_like_an_error
from botproof.checks.golden import incomplete
from botproof.checks.judging import Judging
from botproof.checks.replies import render, settled_turns
from botproof.history import History

SUFFIX = ".txt"


@dataclass(frozen=True, slots=True)
class Received:
    """What one case was answered with. `texts` are by stack; `refused` says why no file can hold
    it; `doubt` is the line in it that looks like an error, "" where none does."""

    texts: Mapping[str, str]
    refused: str = ""
    doubt: str = ""

    @property
    def conflict(self) -> bool:
        """Whether the modes disagree: neither reply can be approved before they agree."""
        return len(set(self.texts.values())) > 1


def read_approved(directory: Path) -> dict[str, str]:
    """Name of the case → approved reply. Empty when the directory does not exist."""
    return {
        path.stem: path.read_text(encoding="utf-8") for path in sorted(directory.glob(f"*{SUFFIX}"))
    }


def received(history: History, judging: Judging) -> dict[str, Received]:
    """Name of the case → what was received, of every case that a file can pin."""
    found: dict[str, dict[str, str]] = {}
    refused: dict[str, str] = {}
    for stack, turns in settled_turns(history, judging.rules).items():
        for name, turn in turns.items():
            if turn.case.pinned:
                found.setdefault(name, {})[stack] = render(turn, judging.rules)
                wrong = incomplete(turn)
                if wrong:
                    refused.setdefault(name, f"{wrong} in {stack}")
        for name, text in (
            (own_settings.CASE, own_settings.own_settings(history, stack, judging.rules)),
            (own_signals.CASE, own_signals.own_signals(history, stack, judging.rules)),
        ):
            if text:
                found.setdefault(name, {})[stack] = text
    return {
        name: Received(texts, refused.get(name, ""), _doubt(texts)) for name, texts in found.items()
    }


def _doubt(texts: Mapping[str, str]) -> str:
    for text in texts.values():
        for line in text.splitlines()[1:]:  # the first line is what the user said
            if not line.startswith("--- ") and looks_like_an_error(line):
                return line.strip()
    return ""


def write_approved(
    directory: Path, replies: Mapping[str, str], keep: frozenset[str] = frozenset()
) -> tuple[list[str], list[str]]:
    """Make `replies` the approved ones; names of the files written and of those removed.

    Files of the names in `keep` stay as they are.
    """
    directory.mkdir(parents=True, exist_ok=True)
    before = read_approved(directory)
    written = [name for name, text in replies.items() if before.get(name) != text]
    for name in written:
        (directory / f"{name}{SUFFIX}").write_text(replies[name], encoding="utf-8")
    removed = sorted(set(before) - set(replies) - keep)
    for name in removed:
        (directory / f"{name}{SUFFIX}").unlink()
    return written, removed
