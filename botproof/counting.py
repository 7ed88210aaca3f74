"""How many of something, as a person says it."""

from __future__ import annotations

from collections.abc import Sequence


def several(count: int, one: str, many: str = "") -> str:
    """Return a count with its noun: "1 check", "2,154 checks"; `many` where an "s" does not do."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def first_of(names: Sequence[str], most: int) -> str:
    """Return at most `most` names, and how many more there are: "price, start and 2 more"."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
