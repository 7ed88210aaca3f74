"""A trading signal from closed candles: two averages that cross, filtered. Pure; nothing is fitted.

The averages are exponential ones of 9 and 21 closes. Their last crossing names the side. Filters
then say no: a crossing too long ago, a price that has run too far (RSI), a market that is too quiet
or too volatile (ATR). What passes gets a confidence from 0 to 100.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

FAST: Final = 9
SLOW: Final = 21
FRESH: Final = 8
"""Candles that a crossing may be old."""
_OVERBOUGHT: Final = 70.0
_OVERSOLD: Final = 30.0
QUIET: Final = 0.05
"""ATR in percent of a coin's price, below which costs eat what there is to gain."""
FOREX_QUIET: Final = 0.01
"""The same for currency pairs and metals, whose costs are a fraction of a coin's."""
_WILD: Final = 5.0
_STOP: Final = 1.5  # in ATR from the entry
_TARGET: Final = 3.0
_LEAST_CLOSES: Final = 2 * SLOW


@dataclass(frozen=True, slots=True)
class Readings:
    """What a signal is made from: ``closes`` oldest first, ``delta`` in base units.

    ``closed``: the market is not trading now.
    """

    closes: Sequence[float]
    rsi: float | None
    atr: float | None
    delta: float
    quiet: float = QUIET
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Trade:
    """A side with its confidence (0 to 100), and prices of entry, stop and target."""

    side: Literal["LONG", "SHORT"]
    confidence: int
    age: int
    entry: float
    stop: float
    target: float


@dataclass(frozen=True, slots=True)
class Terms:
    """What auto-signals are about: ``interval`` in seconds, ``threshold`` from 0 to 100."""

    pairs: tuple[str, ...]
    interval: int
    threshold: int


@dataclass(frozen=True, slots=True)
class NoTrade:
    """No signal, and why."""

    reason: str


def judge(readings: Readings) -> Trade | NoTrade:
    """Return the signal that ``readings`` give."""
    closes, rsi, atr = readings.closes, readings.rsi, readings.atr
    if readings.closed:
        return NoTrade("the market is closed")
    if len(closes) < _LEAST_CLOSES or not all(math.isfinite(c) and c > 0 for c in closes):
        return NoTrade(f"fewer than {_LEAST_CLOSES} candles have closed")
    if rsi is None or atr is None or not math.isfinite(rsi) or not math.isfinite(atr):
        return NoTrade("there is no RSI or ATR yet")
    gaps = _gaps(closes)
    side: Literal["LONG", "SHORT"] = "LONG" if gaps[-1] > 0 else "SHORT"
    age = _age(gaps)
    refused = (
        _late(age) or _ranging(100 * atr / closes[-1], readings.quiet) or _run_too_far(side, rsi)
    )
    if refused:
        return NoTrade(refused)
    way = 1 if side == "LONG" else -1
    return Trade(
        side,
        _confidence(way, age or 0, gaps[-1] / atr, rsi, readings.delta),
        age or 0,
        entry=closes[-1],
        stop=closes[-1] - way * _STOP * atr,
        target=closes[-1] + way * _TARGET * atr,
    )


def _gaps(closes: Sequence[float]) -> list[float]:
    """Return fast minus slow average, from the candle on at which both are there."""
    fast, slow = _averages(closes, FAST), _averages(closes, SLOW)
    return [one - other for one, other in zip(fast[SLOW - FAST :], slow, strict=True)]


def _averages(closes: Sequence[float], length: int) -> list[float]:
    average = math.fsum(closes[:length]) / length
    found = [average]
    for close in closes[length:]:
        average += (close - average) * 2 / (length + 1)
        found.append(average)
    return found


def _age(gaps: Sequence[float]) -> int | None:
    """Return the candles since the averages crossed; None when they have not."""
    for age, gap in enumerate(reversed(gaps)):
        if (gap > 0) != (gaps[-1] > 0):
            return age - 1
    return None


def _late(age: int | None) -> str | None:
    if age is None:
        return f"EMA {FAST} and EMA {SLOW} have not crossed"
    return None if age < FRESH else f"the EMAs crossed {age} candles ago, too late to enter"


def _ranging(atr_pct: float, quiet: float) -> str | None:
    if atr_pct < quiet:
        return f"too little movement, ATR is only {atr_pct:.2f}% of the price"
    return f"too volatile, ATR is {atr_pct:.2f}% of the price" if atr_pct > _WILD else None


def _run_too_far(side: str, rsi: float) -> str | None:
    if side == "LONG" and rsi >= _OVERBOUGHT:
        return f"the EMAs say LONG, but RSI is overbought at {rsi:.1f}"
    if side == "SHORT" and rsi <= _OVERSOLD:
        return f"the EMAs say SHORT, but RSI is oversold at {rsi:.1f}"
    return None


def _confidence(way: int, age: int, gap_in_atr: float, rsi: float, delta: float) -> int:
    """Return 40 for a crossing that passed, and up to 60 for what supports it."""
    fresh = 15 * (1 - age / FRESH)
    apart = 20 * min(1.0, abs(gap_in_atr))
    strength = 15 * min(1.0, max(0.0, way * (rsi - 50) / 15))
    takers = 10 if way * delta > 0 else 0
    return round(min(100.0, 40 + fresh + apart + strength + takers))
