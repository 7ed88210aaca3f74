"""Lengths of time in milliseconds."""

from __future__ import annotations

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BLOCK = 15 * MINUTE
"""Trades are drawn a quarter of an hour at a time: the candle that everyone asks for is one draw.
"""
INTERVALS = {
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": BLOCK,
    "30m": 2 * BLOCK,
    "1h": HOUR,
    "4h": 4 * HOUR,
    "1d": DAY,
}
"""Lengths of candles by the names that Binance and Hyperliquid share."""
