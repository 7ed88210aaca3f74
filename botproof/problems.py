"""Errors that the person at the command line can put right."""

from __future__ import annotations

from pathlib import Path


class UsageError(Exception):
    """A command cannot be carried out as it was given. The message is for the user as it is."""


def write_text(path: Path, text: str) -> None:
    """Write a file that the user asked for. Raises UsageError: it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
