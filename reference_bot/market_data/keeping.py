"""What is kept, and how long: the values that the cache and the store behind it pass about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")
Key = tuple[str, ...]

LISTED_FOR: Final = 3600.0
LISTED_STALE: Final = 86_400.0
"""Seconds for which what changes by the week is fresh, and then stale: listings, settings."""


def never(_failure: BaseException) -> float:
    """Remember no failure."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Field(Generic[T]):
    """One kind of thing that is kept. Times are in seconds, or functions of the value.

    ``lifetime``: how long it is given as fresh. ``stale``: how long after that it may still be
    given while a new one is fetched, unless that fetch has failed. ``stale_if_error``: even then.
    ``dated``: whether its age counts in the age of what is made of it; listings and settings that
    change by the month do not. ``shape`` is the value's type, for those that replicas share.
    ``lacking``: for how many seconds a failure is remembered, and not asked for again.
    """

    name: str
    lifetime: float | Callable[[T], float]
    stale: float | Callable[[T], float] = 0.0
    stale_if_error: bool = False
    dated: bool = True
    shape: Any = None
    lacking: Callable[[BaseException], float] = never

    def lifetime_of(self, value: T) -> float:
        """Return how many seconds the value is good for."""
        return self.lifetime(value) if callable(self.lifetime) else self.lifetime

    def stale_of(self, value: T) -> float:
        """Return for how many seconds more it may be given while a new one is fetched."""
        return self.stale(value) if callable(self.stale) else self.stale


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """A value and its times, by the cache's clock.

    ``stored`` is when it came from its venue, ``expires`` the end of its lifetime, ``until`` the
    end of its time as a stale one. ``stale`` tells that it was given after its lifetime.
    """

    value: T
    stored: float
    expires: float
    until: float = 0.0
    stale: bool = False
    failed_at: float | None = None
