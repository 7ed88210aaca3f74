"""Taker volumes that a venue tells apart from its candles, put where they belong. Pure."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from reference_bot.market_data.parts import Parts
from reference_bot.market_data.venues.base import Candle, Candles, TakerVolume, TakerVolumes

REWRITTEN: Final = 180_000
"""ms after its end within which a period may be told anew (recorded: about 150 s)."""
SOON: Final = 15.0
AT_MOST: Final = 60.0
"""Seconds for which taker volumes are kept: while a period may be told anew, and after that."""
_CLOSE_ENOUGH: Final = 0.05
"""Bought and sold must add up to the candle's volume: a unit that was misread is far from it."""


def fill_takers(parts: Parts) -> None:
    """Put the taker volumes that came into the perpetual's candles that came."""
    candles = parts.value("perp.candles", Candles)
    takers = parts.value("perp.takers", TakerVolumes)
    if candles is None or takers is None:
        return
    by_start = {period.start: period for period in takers.periods}
    closed = tuple(
        _filled(candle, by_start.get(candle.start))
        if candle.end - candle.start == takers.length
        else candle
        for candle in candles.closed
    )
    parts.put("perp.candles", Candles(candles.as_of, closed))


def _filled(candle: Candle, period: TakerVolume | None) -> Candle:
    """Return the candle with what takers did in exactly its time; as it is without that."""
    if period is None or candle.buy is not None or candle.volume is None:
        return candle
    if abs(period.buy + period.sell - candle.volume) > _CLOSE_ENOUGH * candle.volume:
        return candle
    return structs.replace(
        candle,
        buy=period.buy,
        sell=period.sell,
        buy_turnover=period.buy_turnover,
        sell_turnover=period.sell_turnover,
    )


def until_next_period(takers: TakerVolumes) -> float:
    """Return for how many seconds the newest closed period stays as it is; a minute at most.

    It is written again for some minutes after its end: then they are asked for again soon.
    """
    ends = [period.start + takers.length for period in takers.periods]
    newest = max((end for end in ends if end <= takers.as_of), default=0)
    if takers.as_of - newest < REWRITTEN:
        return SOON
    return min(AT_MOST, max(5.0, (newest + takers.length - takers.as_of) / 1000))
