"""Lengths of time in milliseconds."""

from __future__ import annotations

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BLOCK = 15 * MINUTE
"""Trades are drawn a quarter of an hour at a time: the candle that everyone asks for is one draw.
"""
