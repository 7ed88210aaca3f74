"""What came of one venue, by part, and why the rest did not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from reference_bot.api import Missing
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.keeping import Entry
from reference_bot.market_data.waiting import Late

T = TypeVar("T")

CHART: Final = "chart."
"""Before the names of parts for a timeframe that is not the one of prices."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part that an answer was made of: when it came from its venue, by the cache's clock, and
    whether it was given beyond its lifetime.
    """

    section: str
    venue: str
    stored: float
    stale: bool = False


def one_section(section: str, parts: Iterable[Part]) -> tuple[Part, ...]:
    """Return many parts of one venue as one, as old as the oldest; none stay none."""
    every = tuple(parts)
    if not every:
        return ()
    oldest = min(part.stored for part in every)
    return (Part(section, every[0].venue, oldest, any(part.stale for part in every)),)


class Parts:
    """What came for one venue: values by part, and why the rest did not."""

    def __init__(self, venue: str, outcomes: Mapping[Any, Any], deadline_text: str) -> None:
        self.venue = venue
        self.entries: list[Entry[Any]] = []
        self.missing: list[Missing] = []
        self._dated: dict[str, Part] = {}
        self._values: dict[str, Any] = {}
        for name, outcome in outcomes.items():
            if isinstance(outcome, Entry):
                self.entries.append(outcome)
                self._values[name] = outcome.value
                self._date(name, outcome)
            elif isinstance(outcome, VenueError):
                self.lack(name, outcome.reason, outcome.message)
            elif isinstance(outcome, Late):
                self.lack(name, "timeout", f"no answer before {deadline_text}")
            else:
                raise outcome

    @property
    def dated(self) -> tuple[Part, ...]:
        """What came, by section, with its age."""
        return tuple(self._dated.values())

    def _date(self, name: str, entry: Entry[Any]) -> None:
        section = _section(name.removeprefix(CHART))
        part = Part(section, self.venue, entry.stored, entry.stale)
        known = self._dated.get(section)
        self._dated[section] = part if known is None else one_section(section, (known, part))[0]

    def value(self, name: str, kind: type[T]) -> T | None:
        """Return what came for a part."""
        value = self._values.get(name)
        return value if isinstance(value, kind) else None

    def put(self, name: str, value: object) -> None:
        """Replace what came for a part by what was made of it."""
        self._values[name] = value

    def chart(self) -> Parts:
        """Return, and no longer hold, the parts whose names begin with `CHART`, without it.

        Their entries and ages stay: they count for the whole answer.
        """
        others = Parts(self.venue, {}, "")
        for name in [name for name in self._values if name.startswith(CHART)]:
            others.put(name.removeprefix(CHART), self._values.pop(name))
        for one in [one for one in self.missing if one.section.startswith(CHART)]:
            self.missing.remove(one)
            others.lack(one.section.removeprefix(CHART), one.reason, one.message)
        return others

    def lacks(self, section: str, *, besides: str = "") -> bool:
        """Tell whether it is noted already that a section is not there, for another reason."""
        return any(
            missing.section == section and missing.reason != besides for missing in self.missing
        )

    def lack(self, name: str, reason: str, message: str) -> None:
        """Note that a part, or something in it, is not there."""
        section = _section(name)
        row = Missing(section, self.venue, reason, message)
        if row not in self.missing:
            self.missing.append(row)


def _section(name: str) -> str:
    return name.removesuffix(".ticker").removesuffix(".history")
