"""How long Binance's funding intervals are, on either side of its futures."""

from __future__ import annotations

from typing import Annotated, Final, NamedTuple

from msgspec import Meta, Struct

from reference_bot.market_data.cache import Cache
from reference_bot.market_data.decoding import Rows
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import VenueClient
from reference_bot.market_data.keeping import LISTED_FOR, LISTED_STALE, Field
from reference_bot.market_data.venues.fields import Millis

_HOUR: Final = 3_600_000
_KNOWN: Final = frozenset({1, 2, 4, 8})
"""The intervals that Binance has had: what a first settlement's distance must be."""
_LATE: Final = 60_000
"""Settlements are stamped some milliseconds after the hour."""


class _FundingInfo(Struct, frozen=True, rename="camel"):
    symbol: str
    funding_interval_hours: Annotated[int, Meta(ge=1, le=24)]


class _FundingRate(Struct, frozen=True, rename="camel"):
    funding_time: Millis


_FUNDING_INFO = Rows[_FundingInfo](_FundingInfo)
_FUNDING_RATES = Rows[_FundingRate](_FundingRate)

_LISTED: Final[Field[dict[str, int]]] = Field(
    "binance.funding_info",
    LISTED_FOR,
    stale=LISTED_STALE,
    stale_if_error=True,
    dated=False,
    shape=dict[str, int],
)
_SETTLED: Final[Field[tuple[int, ...]]] = Field(
    "binance.settlements",
    LISTED_FOR,
    stale=LISTED_STALE,
    stale_if_error=True,
    dated=False,
    shape=tuple[int, ...],
)


class Known(NamedTuple):
    """What tells an interval: the hours that are listed, or else the times of settlements."""

    hours: int | None
    settled: tuple[int, ...]


class Intervals:
    """The intervals of one API; ``prefix`` is the path that its questions begin with."""

    def __init__(self, client: VenueClient, prefix: str, cache: Cache) -> None:
        self._client = client
        self._prefix = prefix
        self._cache = cache

    async def known(self, symbol: str) -> Known:
        """Read what tells the interval, beside what tells the next reset.

        fundingInfo lists only symbols whose interval was adjusted; for the others the last
        settlements tell it.
        """
        listed = await self._cache.get(_LISTED, (self._prefix,), self._adjusted)
        hours = listed.value.get(symbol)
        return Known(hours, () if hours else await self._settlements(symbol))

    async def hours(self, symbol: str, known: Known, next_reset: int) -> float:
        """Return the hours of the interval that ends at ``next_reset``.

        What is known may be of before a change: where the reset contradicts it, the settlements
        are read anew, and the distance to the last one counts.
        """
        if known.hours is not None and next_reset % (known.hours * _HOUR) < _LATE:
            return float(known.hours)
        if len(known.settled) > 1:
            before, last = known.settled[-2:]
            hours = _hours(before, last)
            if hours == _hours(last, next_reset) and 1 <= hours <= 24:
                return float(hours)
        return self._measured(await self._settlements(symbol, str(next_reset)), next_reset)

    async def warm(self) -> None:
        """Read ahead what every request about funding needs."""
        await self._cache.get(_LISTED, (self._prefix,), self._adjusted)

    async def _adjusted(self) -> dict[str, int]:
        reply = await self._client.get(f"{self._prefix}/fundingInfo", _FUNDING_INFO)
        return {info.symbol: info.funding_interval_hours for info in reply.value}

    async def _settlements(self, symbol: str, of: str = "") -> tuple[int, ...]:
        async def read() -> tuple[int, ...]:
            params: dict[str, str | int] = {"symbol": symbol, "limit": 2}
            reply = await self._client.get(f"{self._prefix}/fundingRate", _FUNDING_RATES, params)
            return tuple(sorted(settled.funding_time for settled in reply.value))

        return (await self._cache.get(_SETTLED, (self._prefix, symbol, of), read)).value

    def _measured(self, settled: tuple[int, ...], next_reset: int) -> float:
        path, name = f"{self._prefix}/fundingRate", self._client.venue
        if not settled:
            raise VenueError(name, "new", f"{path}: the interval is unknown before a settlement")
        hours = _hours(settled[-1], next_reset)
        if len(settled) == 1 and hours not in _KNOWN:
            raise VenueError(name, "new", f"{path}: the interval is unknown before two settlements")
        if not 1 <= hours <= 24 and len(settled) > 1:  # the last one is not told yet
            hours = _hours(*settled[-2:])
        if not 1 <= hours <= 24:
            raise VenueError(
                name, "bad_payload", f"{path}: settlements {hours} h apart; expected 1 to 24"
            )
        return float(hours)


def _hours(one: int, other: int) -> int:
    """Return the hours between two settlements, which are stamped some milliseconds late."""
    return round((other - one) / _HOUR)
