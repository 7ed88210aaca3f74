"""Windows of candles: which of them are whole, why others are not, where takers are told. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from reference_bot.api import GAP, NEW
from reference_bot.market_data.venues.base import Candle

TIMEFRAMES: Final = {"1m": 1, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240, "1d": 1440}
"""How candles are asked for, and how many minutes they have."""
_MOST_LATE: Final = 1
"""Closed periods that may lack their takers at the end of a window."""
_TOLD: Final = 2
"""Holes that are named."""
NONE_CLOSED: Final = (NEW, "no candle is closed yet")


def until_told(candles: Sequence[Candle]) -> Sequence[Candle]:
    """Return the candles up to the newest one of which it is told what takers did.

    Venues that tell it apart write the newest period again for some minutes after its end.
    """
    for left in range(min(_MOST_LATE, len(candles) - 1) + 1):
        if candles[len(candles) - 1 - left].buy is not None:
            return candles[: len(candles) - left]
    return candles


def last_run(candles: Sequence[Candle]) -> Sequence[Candle]:
    """Return the candles at the end that follow each other without a hole."""
    start = len(candles) - 1
    while start > 0 and candles[start - 1].end == candles[start].start:
        start -= 1
    return candles[max(0, start) :]


def lack_of(
    venue: str, candles: Sequence[Candle], count: int, as_of: int, length: int
) -> tuple[str, str] | None:
    """Return why the last ``count`` candles are not all there: a reason and a sentence.

    None when they are. The last candle ends at the venue's last full period.
    """
    if not candles:
        return NONE_CLOSED
    end = as_of // length * length
    since = end - count * length
    inside = [candle for candle in candles if candle.start >= since]
    missing = count - len(inside)
    if missing <= 0 and candles[-1].end >= end:
        return None
    span = _span(length)
    if not inside or candles[-1].end < end:
        return GAP, f"{venue}: the last candle of {span} is missing"
    holes = [(one.end, two.start) for one, two in pairwise(inside) if one.end < two.start]
    what = f"{missing} of the last {count} candles of {span}"
    if inside[0].start > since and candles[0].start < since:  # the venue has older ones
        holes.insert(0, (max(since, _before(candles, since)), inside[0].start))
    if holes:
        named = " and ".join(f"from {_clock(a)} to {_clock(b)}" for a, b in holes[:_TOLD])
        more = f", and {len(holes) - _TOLD} more" if len(holes) > _TOLD else ""
        return GAP, f"{what} are missing: {venue} has none {named}{more}"
    began = _clock(inside[0].start)
    return NEW, f"{what} do not exist yet: it has traded on {venue} only since {began}"


def _before(candles: Sequence[Candle], since: int) -> int:
    return max((candle.end for candle in candles if candle.start < since), default=since)


def _span(length: int) -> str:
    minutes = length // 60_000
    return f"{minutes} m" if minutes < 60 else f"{minutes // 60} h"


def _clock(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%d %b %H:%M UTC")
