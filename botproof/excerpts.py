"""A part of what is too long to be shown: of a line its begin, of many lines both ends."""

from __future__ import annotations

from collections.abc import Sequence


def cut(line: str, most: int) -> str:
    """Return at most `most` characters of a line; a longer one ends in "…"."""
    return line if len(line) <= most else f"{line[: most - 1]}…"


def one_line(text: str, most: int) -> str:
    """Return a text in one line of at most `most` characters, each white space one blank."""
    return cut(" ".join(text.split()), most)


def middle_left_out(
    lines: Sequence[str], most: int, *, head: int, end: int, rest: str = " …"
) -> tuple[str, ...]:
    """Return more than `most` lines as the first `head` and the last `end`; between them stands
    how many are left out, and `rest`."""
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[:head], f"… {len(lines) - head - end} lines{rest}", *lines[-end:])
