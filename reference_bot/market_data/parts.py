"""What came of one venue, by part, and why the rest did not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from reference_bot.market_data.cache import Entry
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.model import Missing
from reference_bot.market_data.waiting import Late

__all__ = ["Parts"]

T = TypeVar("T")


class Parts:
    """What came for one venue: values by part, and why the rest did not."""

    def __init__(self, venue: str, outcomes: Mapping[Any, Any], deadline_text: str) -> None:
        self.venue = venue
        self.entries: list[Entry[Any]] = []
        self.missing: list[Missing] = []
        self._values: dict[str, Any] = {}
        for name, outcome in outcomes.items():
            if isinstance(outcome, Entry):
                self.entries.append(outcome)
                self._values[name] = outcome.value
            elif isinstance(outcome, VenueError):
                self.lack(name, outcome.reason, outcome.message)
            elif isinstance(outcome, Late):
                self.lack(name, "timeout", f"no answer before {deadline_text}")
            else:
                raise outcome

    def value(self, name: str, kind: type[T]) -> T | None:
        """Return what came for a part."""
        value = self._values.get(name)
        return value if isinstance(value, kind) else None

    def lack(self, name: str, reason: str, message: str) -> None:
        """Note that a part, or something in it, is not there."""
        section = name.removesuffix(".ticker").removesuffix(".history")
        self.missing.append(Missing(section, self.venue, reason, message))
