"""What a payload must satisfy beyond its types, whichever venue it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import VenueClient
from reference_bot.market_data.venues.base import AccountRatio, Candle, Candles

STALE_AFTER: Final = 600_000
"""A datum that is ten minutes older than its venue's own clock is not the present."""
_ROUNDING: Final = 1e-9
_HOUR: Final = 3_600_000
_FURTHEST: Final = 25 * _HOUR
"""No venue's funding interval is longer than a day."""


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


def reset_ahead(
    venue: str, path: str, reset: int, now: int, hours: float, *, intervals: int = 1
) -> int:
    """Return the next funding reset after ``now``, the venue's clock in ms.

    A venue that tells a past one, or has not yet turned to the next, means whole intervals later.
    Raises VenueError when that are more than ``intervals``, and when the reset is over a day ahead.
    """
    step = round(hours * _HOUR)
    passed = (now - reset) // step + 1 if reset <= now else 0
    if passed > intervals or reset > now + _FURTHEST:
        side, gap = ("behind", now - reset) if passed else ("ahead of", reset - now)
        text = f"{path}: the next reset is {gap / 1000:.0f} s {side} the venue's own clock"
        raise VenueError(venue, "bad_payload", text)
    return reset + passed * step


def account_ratio(
    client: VenueClient,
    path: str,
    *,
    long: float,
    short: float,
    time: int,
    minutes: int,
    as_of: int | None,
) -> AccountRatio:
    """Return the ratio of accounts, from shares as fractions or in percent, or as counts.

    It is stamped with the beginning of its period and told some minutes after the end. Raises
    VenueError when a side is empty, as of a contract that hardly anybody holds, or when it is not
    of the present.
    """
    if long <= 0 or short <= 0:
        text = f"{path}: shares of {long:g} and {short:g} make no ratio"
        raise VenueError(client.venue, "unavailable", text)
    within = 2 * minutes * 60_000 + STALE_AFTER
    check_fresh(client.venue, path, "the newest count", time, as_of, within=within)
    return AccountRatio(time, long / short, long / (long + short), minutes)


def check_candles(
    client: VenueClient, path: str, given: Iterable[Candle], as_of: int | None, minutes: int
) -> Candles:
    """Return the closed candles, oldest first; those that contradict themselves are left out.

    Raises VenueError naming what is wrong when all do, and when the last one is not of the
    present. Closed is what ended by the venue's clock in the same answer; without one, all but the
    last.
    """
    length = minutes * 60_000
    candles: dict[int, Candle] = {}
    first: str | None = None
    wrong = 0
    for number, candle in enumerate(sorted(given, key=lambda one: one.start)):
        problem = _problem(candle, length)
        if problem is None:
            candles[candle.start] = candle  # told twice: the later row is the newer one
        else:
            wrong += 1
            first = first or f"{path}: candle {number}{problem}"
    if first is not None:
        if not candles:
            raise VenueError(client.venue, "bad_payload", first)
        client.left_out(path, wrong, first)
    if not candles:
        raise VenueError(client.venue, "unavailable", f"{path}: no candles")
    last = candles[max(candles)]
    clock = last.start if as_of is None else as_of
    if clock - last.end > length + STALE_AFTER:
        late = (clock - last.end) / 1000
        text = f"{path}: the last candle ended {late:.0f} s ago by its own clock"
        raise VenueError(client.venue, "bad_payload", text)
    return Candles(clock, tuple(one for one in candles.values() if one.end <= clock))


def _problem(candle: Candle, length: int) -> str | None:
    """Return what is wrong with a candle."""
    if candle.end - candle.start != length:
        lasts = (candle.end - candle.start) / 1000
        return f" lasts {lasts:g} s; expected {length / 1000:g}"
    if candle.low > min(candle.open, candle.close) or candle.high < max(candle.open, candle.close):
        return ": open or close is outside of low and high"
    volume = candle.volume
    if candle.buy is not None and volume is not None and candle.buy > volume * (1 + _ROUNDING):
        return ": takers bought more than was traded"
    return None
