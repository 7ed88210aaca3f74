"""What a payload must satisfy beyond its types, whichever venue it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.venues.base import AccountRatio, Candle, Candles

__all__ = ["STALE_AFTER", "check_account_ratio", "check_candles", "check_fresh"]

STALE_AFTER: Final = 600_000
"""A datum that is ten minutes older than its venue's own clock is not the present."""
_ROUNDING: Final = 1e-9


def check_fresh(
    venue: str, path: str, name: str, time: int, as_of: int | None, *, within: int = STALE_AFTER
) -> None:
    """Raise VenueError when a time lies over ``within`` ms from the venue's clock, either way."""
    if as_of is None:
        return
    if abs(as_of - time) > within:
        seconds = (as_of - time) / 1000
        side = "behind" if seconds > 0 else "ahead of"
        raise VenueError(
            venue,
            "bad_payload",
            f"{path}: {name} is {abs(seconds):.0f} s {side} the venue's own clock",
        )


def check_account_ratio(
    venue: str, path: str, ratio: AccountRatio, as_of: int | None
) -> AccountRatio:
    """Return the ratio, or raise VenueError when it is not of the present.

    It is stamped with the beginning of its period and told some minutes after the end.
    """
    within = 2 * ratio.period_minutes * 60_000 + STALE_AFTER
    check_fresh(venue, path, "the newest count", ratio.time, as_of, within=within)
    return ratio


def check_candles(
    venue: str, path: str, candles: Sequence[Candle], as_of: int | None, minutes: int
) -> Candles:
    """Return the closed candles, or raise VenueError naming the candle and what is wrong with it.

    Closed is what ended by the venue's clock in the same answer; without one, all but the last.
    """
    length = minutes * 60_000
    for number, candle in enumerate(candles):
        _check_one(venue, f"{path}: candle {number}", candle, length)
        if number and candle.start <= candles[number - 1].start:
            raise VenueError(
                venue, "bad_payload", f"{path}: candle {number} is not after the one before it"
            )
    if not candles:
        raise VenueError(venue, "unavailable", f"{path}: no candles")
    clock = candles[-1].start if as_of is None else as_of
    if clock - candles[-1].end > length + STALE_AFTER:
        late = (clock - candles[-1].end) / 1000
        raise VenueError(
            venue, "bad_payload", f"{path}: the last candle ended {late:.0f} s ago by its own clock"
        )
    return Candles(clock, tuple(candle for candle in candles if candle.end <= clock))


def _check_one(venue: str, where: str, candle: Candle, length: int) -> None:
    if candle.end - candle.start != length:
        raise VenueError(
            venue,
            "bad_payload",
            f"{where} lasts {(candle.end - candle.start) / 1000:g} s; expected {length / 1000:g}",
        )
    if candle.low > min(candle.open, candle.close) or candle.high < max(candle.open, candle.close):
        raise VenueError(venue, "bad_payload", f"{where}: open or close is outside of low and high")
    volume = candle.volume
    if candle.buy is not None and volume is not None and candle.buy > volume * (1 + _ROUNDING):
        raise VenueError(venue, "bad_payload", f"{where}: takers bought more than was traded")
