"""Technical indicators over closed candles, oldest first: pure functions, None without enough data.

RSI and ATR are Wilder's (New Concepts in Technical Trading Systems, 1978), with his smoothing; the
Bollinger bands are 20 closes and two population standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from reference_bot.api import Bollinger
from reference_bot.market_data.venues.base import Candle


def rsi(candles: Sequence[Candle], period: int = 14) -> float | None:
    """Return the relative strength index, 0 to 100; None where nothing moved."""
    moves = [after.close - before.close for before, after in pairwise(candles)]
    if len(moves) < period:
        return None
    gain = _wilder([max(0.0, move) for move in moves], period)
    loss = _wilder([max(0.0, -move) for move in moves], period)
    return None if gain + loss <= 0 else 100 * gain / (gain + loss)


def atr(candles: Sequence[Candle], period: int = 14) -> float | None:
    """Return the average true range, in the price's unit."""
    ranges = [
        max(after.high, before.close) - min(after.low, before.close)
        for before, after in pairwise(candles)
    ]
    return None if len(ranges) < period else _wilder(ranges, period)


def _wilder(values: Sequence[float], period: int) -> float:
    mean = math.fsum(values[:period]) / period
    for value in values[period:]:
        mean += (value - mean) / period
    return mean


def bollinger(
    candles: Sequence[Candle], period: int = 20, deviations: float = 2.0
) -> Bollinger | None:
    """Return the bands round the mean of the last closes."""
    closes = [candle.close for candle in candles[-period:]]
    if len(closes) < period:
        return None
    middle = math.fsum(closes) / period
    spread = deviations * math.sqrt(math.fsum((close - middle) ** 2 for close in closes) / period)
    position = None if spread <= 0 else (closes[-1] - (middle - spread)) / (2 * spread)
    return Bollinger(
        upper=middle + spread,
        middle=middle,
        lower=middle - spread,
        width_pct=200 * spread / middle,
        position=position,
    )


def vwap(candles: Sequence[Candle]) -> float | None:
    """Return turnover / volume; None without volume or where a venue tells none."""
    turnovers = [candle.turnover for candle in candles if candle.turnover is not None]
    volumes = [candle.volume for candle in candles if candle.volume is not None]
    if not candles or min(len(turnovers), len(volumes)) < len(candles) or sum(volumes) <= 0:
        return None
    return math.fsum(turnovers) / math.fsum(volumes)
