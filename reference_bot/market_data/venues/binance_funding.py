"""How long Binance's funding intervals are, on either side of its futures."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from reference_bot.market_data.cache import Cache, Field
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import VenueClient
from reference_bot.market_data.venues.fields import Millis

__all__ = ["Intervals"]

_HOUR: Final = 3_600_000


class _FundingInfo(Struct, frozen=True, rename="camel"):
    symbol: str
    funding_interval_hours: Annotated[int, Meta(ge=1, le=24)]


class _FundingRate(Struct, frozen=True, rename="camel"):
    funding_time: Millis


_FUNDING_INFO = msgspec.json.Decoder(list[_FundingInfo])
_FUNDING_RATES = msgspec.json.Decoder(list[_FundingRate])

_LISTED: Final[Field[dict[str, int]]] = Field(
    "binance.funding_info", 3600.0, stale=86_400.0, lasting=True, dated=False, shape=dict[str, int]
)
_MEASURED: Final[Field[float]] = Field(
    "binance.funding_interval", 3600.0, stale=86_400.0, lasting=True, dated=False, shape=float
)


class Intervals:
    """The intervals of one API; ``prefix`` is the path that its questions begin with."""

    def __init__(self, client: VenueClient, prefix: str, cache: Cache) -> None:
        self._client = client
        self._prefix = prefix
        self._cache = cache

    async def hours(self, symbol: str) -> float:
        """Return the interval's hours.

        fundingInfo lists only symbols whose interval was adjusted; for the others the distance
        between the last two settlements tells it.
        """
        listed = await self._cache.get(_LISTED, (self._prefix,), self._adjusted)
        hours = listed.value.get(symbol)
        if hours is not None:
            return float(hours)
        measured = await self._cache.get(_MEASURED, (symbol,), lambda: self._measured(symbol))
        return measured.value

    async def warm(self) -> None:
        """Read ahead what every request about funding needs."""
        await self._cache.get(_LISTED, (self._prefix,), self._adjusted)

    async def _adjusted(self) -> dict[str, int]:
        reply = await self._client.get(f"{self._prefix}/fundingInfo", _FUNDING_INFO)
        return {info.symbol: info.funding_interval_hours for info in reply.value}

    async def _measured(self, symbol: str) -> float:
        path, name = f"{self._prefix}/fundingRate", self._client.venue
        reply = await self._client.get(path, _FUNDING_RATES, {"symbol": symbol, "limit": 2})
        times = [settled.funding_time for settled in reply.value]
        if len(times) < 2:
            raise VenueError(
                name, "unavailable", f"{path}: the interval is unknown before two settlements"
            )
        hours = round((times[-1] - times[-2]) / _HOUR)  # stamped some milliseconds late
        if not 1 <= hours <= 24:
            raise VenueError(
                name, "bad_payload", f"{path}: settlements {hours} h apart; expected 1 to 24"
            )
        return float(hours)
