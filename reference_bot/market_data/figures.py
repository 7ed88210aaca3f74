"""The market arithmetic: pure functions from venue data to the figures of the answers.

A figure whose data is not complete is None; nothing is estimated and nothing is NaN or infinite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from reference_bot.api import (
    ACTIVITY_LEVELS,
    LOW_ACTIVITY,
    Activity,
    Change,
    Control,
    Flow,
    Funding,
    Level,
    Momentum,
    Pressure,
)
from reference_bot.market_data.venues.base import Candle, FundingNow, InterestPoint

QUARTER: Final = 900_000
"""15 minutes in ms."""
DAY_CANDLES: Final = 96
"""Closed 15 m candles in 24 h."""
LONG_SHORT_CAP: Final = 99.9


def tail(
    candles: Sequence[Candle], count: int, *, over_gaps: bool = False
) -> Sequence[Candle] | None:
    """Return the last ``count`` candles when none between them is missing, else None.

    ``over_gaps``: what is not there was not traded, and is not missing.
    """
    window = candles[-count:] if count else []
    if len(window) < count or not window:
        return None
    if over_gaps:
        return window
    step = window[0].end - window[0].start
    whole = window[-1].start - window[0].start == (count - 1) * step
    return window if whole else None


def flow_of(window: Sequence[Candle] | None, *, spare: int = 0) -> Flow | None:
    """Return what takers did over the candles; None without candles or where it is not told.

    ``spare``: of how many candles it may be unknown; these are left out of every sum.
    """
    if not window:
        return None
    candles = [
        candle
        for candle in window
        if not (candle.buy is None or candle.turnover is None or candle.volume is None)
    ]
    if not candles or len(candles) + spare < len(window):
        return None
    bought = [candle.buy for candle in candles if candle.buy is not None]
    traded = [candle.turnover for candle in candles if candle.turnover is not None]
    volumes = [candle.volume for candle in candles if candle.volume is not None]
    buy = math.fsum(bought)
    sold = [candle.sell for candle in candles if candle.sell is not None]
    if len(sold) == len(candles):
        sell = math.fsum(sold)
        volume = buy + sell
    else:
        volume = math.fsum(volumes)
        sell = max(0.0, volume - buy)
    return Flow(
        start=window[0].start,
        end=window[-1].end,
        buy=buy,
        sell=sell,
        delta=buy - sell,
        delta_quote=_quote_delta(candles),
        volume=volume,
        turnover=math.fsum(traded),
        long_short=_long_short(buy, sell),
    )


def delta_of(candle: Candle) -> float | None:
    """Return what takers bought - what they sold, in base units; None where it is not told."""
    if candle.buy is None or candle.volume is None:
        return None
    sold = candle.volume - candle.buy if candle.sell is None else candle.sell
    return candle.buy - sold


def _quote_delta(candles: Sequence[Candle]) -> float | None:
    """Return the same of all candles in the quote asset, from turnovers that were told."""
    spent, got = [], []
    for candle in candles:
        if candle.buy_turnover is None or candle.turnover is None:
            return None
        spent.append(candle.buy_turnover)
        rest = candle.turnover - candle.buy_turnover
        got.append(rest if candle.sell_turnover is None else candle.sell_turnover)
    return math.fsum(spent) - math.fsum(got)


def _long_short(buy: float, sell: float) -> float | None:
    if buy + sell <= 0:
        return None
    if buy >= LONG_SHORT_CAP * sell:
        return LONG_SHORT_CAP
    return buy / sell


def control_of(flow: Flow | None) -> Control | None:
    """Return who was in control: 60 % or more of the volume, else balanced; None without volume."""
    if flow is None or flow.volume <= 0:
        return None
    share = min(1.0, flow.buy / flow.volume)
    if share >= 0.6:
        return Control("BUYERS", share)
    return Control("SELLERS" if share <= 0.4 else "BALANCED", share)


def momentum_of(quarter: Flow | None, day: Flow | None) -> Momentum | None:
    """Compare delta per volume of 15 m with that of 24 h; None when 24 h has no direction."""
    if quarter is None or day is None or quarter.volume <= 0 or day.volume <= 0:
        return None
    usual = day.delta / day.volume
    if usual == 0:
        return None
    ratio = quarter.delta / quarter.volume / usual
    if not math.isfinite(ratio):
        return None
    if ratio > 1.5:
        return Momentum("ACCELERATING", ratio)
    return Momentum("DECELERATING" if ratio < 0.5 else "STEADY", ratio)


def activity_of(candles: Sequence[Candle]) -> Activity | None:
    """Compare the last closed candle with the mean of the 96 before; None when one is missing, or
    where volumes are not told.
    """
    window = tail(candles, DAY_CANDLES + 1)
    volumes = [candle.volume for candle in window or () if candle.volume is not None]
    if len(volumes) <= DAY_CANDLES:
        return None
    usual = math.fsum(volumes[:-1]) / DAY_CANDLES
    ratio = volumes[-1] / usual if usual > 0 else math.inf
    return Activity(ratio, level_of(ratio)) if math.isfinite(ratio) else None


def level_of(ratio: float) -> Level:
    """Name an activity by its ratio to the usual."""
    for least, level in ACTIVITY_LEVELS:
        if ratio > least:
            return level
    return "LOW" if ratio < LOW_ACTIVITY else "NORMAL"


def point_before(
    points: Sequence[InterestPoint], moment: int, *, tolerance: int
) -> InterestPoint | None:
    """Return the newest point at or before ``moment``, unless it is over ``tolerance`` ms older."""
    earlier = [point for point in points if moment - tolerance <= point.time <= moment]
    return max(earlier, key=lambda point: point.time) if earlier else None


def change_between(
    now: InterestPoint, then: InterestPoint | None, *, in_dollars: bool = False
) -> Change | None:
    """Return now - then in units, what these are worth at the price now, and the percentage of
    *then*; None without a then to divide by.

    A difference of two values at two prices would tell of the price, and contradict the units.
    ``in_dollars``: the contracts are of dollars, so that these are the units, and coins follow.
    """
    if then is None or now.amount <= 0 or not now.value:
        return None
    price = now.value / now.amount
    if in_dollars:
        before, change = then.value or 0.0, now.value - (then.value or 0.0)
        amount, value = change / price, change
    else:
        before, change = then.amount, now.amount - then.amount
        amount, value = change, change * price
    pct = 100 * change / before if before > 0 else math.inf
    return Change(amount, value, pct) if math.isfinite(pct) else None


def funding_of(now: FundingNow) -> Funding:
    """Return the running rate with what it costs in a year and what it says about positions."""
    eight_hours = now.rate * 8 / now.interval_hours
    return Funding(
        rate=now.rate,
        interval_hours=now.interval_hours,
        annual=now.rate * 8760 / now.interval_hours,
        rate_8h=eight_hours,
        next_reset=now.next_reset,
        pressure=pressure_of(eight_hours),
    )


def pressure_of(rate_8h: float) -> Pressure:
    """Read the 8 h equivalent: who pays enough for a squeeze; +0.01 % is the baseline."""
    if rate_8h >= 0.0005:
        return "long_squeeze"
    if rate_8h >= 0.0002:
        return "long_pressure"
    if rate_8h <= -0.0005:
        return "short_squeeze"
    if rate_8h <= -0.0001:
        return "short_pressure"
    return "balanced"
