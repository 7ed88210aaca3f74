"""When markets trade that close: the week of foreign exchange and of COMEX's metals.

Both keep the wall clock of New York: foreign exchange from Sunday 17:00 to Friday 17:30 (its week
ends at 17:00; Yahoo quotes it for half an hour more), metals from Sunday 18:00 to Friday 17:00 with
an hour's break at 17:00 every day. Holidays are not simulated. Pure functions of the time, in epoch
ms.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, Literal

Hours = Literal["always", "forex", "metals"]

_QUARTER: Final = 900_000
_STANDARD: Final = timedelta(hours=5)
_SUMMER: Final = timedelta(hours=4)
_FRIDAY: Final = 4
_SATURDAY: Final = 5
_SUNDAY: Final = 6


def is_open(hours: Hours, time: int) -> bool:
    """Tell whether a market trades at ``time``.

    >>> is_open("forex", 1_763_764_199_000), is_open("forex", 1_763_764_200_000)
    (True, False)
    >>> is_open("metals", 1_763_762_399_000), is_open("metals", 1_763_762_400_000)
    (True, False)
    """
    if hours == "always":
        return True
    local = _new_york(datetime.fromtimestamp(time / 1000, UTC))
    day, hour = local.weekday(), local.hour
    opens = 17 if hours == "forex" else 18
    if day == _SATURDAY:
        return False
    if day == _SUNDAY:
        return hour >= opens
    if day == _FRIDAY:
        return hour < 17 or (hours == "forex" and hour == 17 and local.minute < 30)
    return hours == "forex" or hour != 17


def open_until(hours: Hours, time: int) -> int:
    """Return the last moment up to ``time`` at which the market traded or stopped trading.

    Openings and closings fall on quarters of an hour.
    """
    if is_open(hours, time):
        return time
    at = time // _QUARTER * _QUARTER
    while not is_open(hours, at - 1):
        at -= _QUARTER
    return at


def _new_york(utc: datetime) -> datetime:
    """Return the wall clock: summer time from March's second Sunday to November's first, 02:00."""
    begins = _first_sunday(utc.year, 3) + timedelta(days=7, hours=7)
    ends = _first_sunday(utc.year, 11) + timedelta(hours=6)
    return utc - (_SUMMER if begins <= utc < ends else _STANDARD)


@lru_cache(16)
def _first_sunday(year: int, month: int) -> datetime:
    first = datetime(year, month, 1, tzinfo=UTC)
    return first + timedelta(days=(_SUNDAY - first.weekday()) % 7)
