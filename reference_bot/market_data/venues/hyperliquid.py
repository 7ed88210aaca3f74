"""Hyperliquid: perpetuals and spot pairs, margined and quoted in USDC.

Source: Hyperliquid docs, API, info endpoint (perpetuals, spot). One path, ``POST /info``; the
question is in the body. The contexts of all coins come in one answer, which is shared for a second.
Prices are mid prices; high, low, a history of open interest and taker volumes are not offered.
Funding is hourly; ``predictedFundings`` tells the next reset. A leading ``k`` means a thousand
coins.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from reference_bot.market_data.cache import Cache, Field
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import Decodes, Reply, VenueClient
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import (
    Candles,
    Directory,
    FundingNow,
    Instrument,
    InterestPoint,
    MarketKind,
    Ticker,
)
from reference_bot.market_data.venues.checks import check_candles
from reference_bot.market_data.venues.common import OneApi, to_candle
from reference_bot.market_data.venues.fields import Amount, Millis, Price, Rate
from reference_bot.market_data.waiting import together

__all__ = ["Hyperliquid"]

_INTERVALS: Final = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1440: "1d"}


class _Coin(Struct, frozen=True, rename="camel"):
    name: str
    is_delisted: bool = False


class _Meta(Struct, frozen=True):
    universe: list[_Coin]


class _Context(Struct, frozen=True, rename="camel"):
    day_ntl_vlm: Amount
    prev_day_px: Amount  # zero of what was not traded yet
    day_base_vlm: Amount
    mark_px: Price
    mid_px: Price | None = None
    open_interest: Amount | None = None
    funding: Rate | None = None


class _Perps(Struct, frozen=True, array_like=True):
    meta: _Meta
    contexts: list[_Context]


class _Token(Struct, frozen=True):
    name: str
    index: int


class _SpotPair(Struct, frozen=True):
    name: str
    tokens: tuple[int, int]


class _SpotMeta(Struct, frozen=True):
    universe: list[_SpotPair]
    tokens: list[_Token]


class _SpotContext(_Context, frozen=True, kw_only=True):
    coin: str


class _Spots(Struct, frozen=True, array_like=True):
    meta: _SpotMeta
    contexts: list[_SpotContext]


class _Candle(Struct, frozen=True):
    start: Millis = msgspec.field(name="t")
    last: Millis = msgspec.field(name="T")
    open: Price = msgspec.field(name="o")
    high: Price = msgspec.field(name="h")
    low: Price = msgspec.field(name="l")
    close: Price = msgspec.field(name="c")
    volume: Amount = msgspec.field(name="v")


class _Prediction(Struct, frozen=True, rename="camel"):
    next_funding_time: Millis
    funding_interval_hours: float = 1.0


_PERPS = msgspec.json.Decoder(_Perps, strict=False)
_SPOTS = msgspec.json.Decoder(_Spots, strict=False)
_CANDLES = msgspec.json.Decoder(list[_Candle], strict=False)
_PREDICTED = msgspec.json.Decoder(list[tuple[str, list[tuple[str, _Prediction | None]]]])
_MIDS = msgspec.json.Decoder(dict[str, str])

_PERP_STATE: Final[Field[Reply[_Perps]]] = Field("hyperliquid.perps", 1.0)
_SPOT_STATE: Final[Field[Reply[_Spots]]] = Field("hyperliquid.spots", 1.0)
_FUNDING: Final[Field[dict[str, _Prediction]]] = Field("hyperliquid.predicted", 5.0)


class Hyperliquid(OneApi):
    """The venue. ``cache`` lets all coins share one answer."""

    name = "hyperliquid"
    quotes: tuple[str, ...] = ("USDC",)

    def __init__(self, client: VenueClient, cache: Cache) -> None:
        super().__init__(client)
        self._cache = cache

    async def ping(self) -> None:
        """Return when the API tells its mid prices."""
        await self._ask({"type": "allMids"}, _MIDS)

    async def directory(self, kind: MarketKind) -> Directory:
        """Read what trades; spot pairs by the names of their tokens."""
        if kind == "perp":
            rows = [
                (_coin(one.name), one.name)
                for one in (await self._perps()).value.meta.universe
                if not one.is_delisted
            ]
            return Directory(
                {
                    Pair(base, "USDC"): Instrument(self.name, kind, Pair(base, "USDC"), name, unit)
                    for (base, unit), name in rows
                }
            )
        meta = (await self._spots()).value.meta
        names = {token.index: token.name.upper() for token in meta.tokens}
        found: dict[Pair, Instrument] = {}
        for one in meta.universe:
            base, quote = (names.get(index, "") for index in one.tokens)
            if base and quote:
                pair = Pair(base, quote)
                found[pair] = Instrument(self.name, kind, pair, one.name)
        return Directory(found)

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the mid price and the last 24 hours."""
        found = await self._context(instrument)
        if found.prev_day_px <= 0:
            text = f"/info: {instrument.symbol} has no price of 24 h ago"
            raise VenueError(self.name, "unavailable", text)
        return self._told(found, instrument.unit)

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the mid prices and the last 24 hours of all coins."""
        contexts: dict[str, _Context]
        if kind == "spot":
            contexts = {one.coin: one for one in (await self._spots()).value.contexts}
        else:
            perps = (await self._perps()).value
            pairs = zip(perps.meta.universe, perps.contexts, strict=False)
            contexts = {coin.name: context for coin, context in pairs}
        return {
            instrument.pair: self._told(contexts[name], instrument.unit)
            for name, instrument in listed.by_symbol().items()
            if name in contexts and contexts[name].prev_day_px > 0
        }

    def _told(self, found: _Context, unit: float) -> Ticker:
        return Ticker(
            time=self._client.now(),
            price=(found.mid_px or found.mark_px) / unit,
            open=found.prev_day_px / unit,
            high=None,
            low=None,
            volume=found.day_base_vlm * unit,
            turnover=found.day_ntl_vlm,
        )

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read candles up to the venue's own time."""
        length, now = minutes * 60_000, self._client.now()
        reply = await self._candles_until(now, instrument, minutes, count)
        if reply.as_of is not None and abs(reply.as_of - now) > length:
            # Our clock was set since the venue last told its own: the times were not its present.
            reply = await self._candles_until(reply.as_of, instrument, minutes, count)
        unit = instrument.unit
        candles = [
            to_candle(
                row, row.start, row.last + 1, volume=row.volume * unit, turnover=None, unit=unit
            )
            for row in reply.value
        ]
        return check_candles(self.name, "/info candleSnapshot", candles, reply.as_of, minutes)

    async def _candles_until(
        self, now: int, instrument: Instrument, minutes: int, count: int
    ) -> Reply[list[_Candle]]:
        length = minutes * 60_000
        wish = {
            "coin": instrument.symbol,
            "interval": _INTERVALS[minutes],
            "startTime": now - (count + 2) * length,
            "endTime": now + length,
        }
        return await self._ask({"type": "candleSnapshot", "req": wish}, _CANDLES)

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open interest, which comes with the contexts."""
        found = await self._context(instrument)
        if found.open_interest is None:
            raise VenueError(self.name, "bad_payload", "metaAndAssetCtxs: no openInterest")
        amount = found.open_interest * instrument.unit
        return InterestPoint(self._client.now(), amount, None)

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running interval, and beside it when it ends."""
        found, predicted = await together(
            self._context(instrument), self._cache.get(_FUNDING, (), self._predicted)
        )
        prediction = predicted.value.get(instrument.symbol)
        if found.funding is None or prediction is None:
            raise VenueError(
                self.name, "bad_payload", f"predictedFundings: nothing about {instrument.symbol}"
            )
        return FundingNow(
            time=self._client.now(),
            rate=found.funding,
            interval_hours=prediction.funding_interval_hours,
            next_reset=prediction.next_funding_time,
            mark_price=found.mark_px / instrument.unit,
        )

    async def _predicted(self) -> dict[str, _Prediction]:
        reply = await self._ask({"type": "predictedFundings"}, _PREDICTED)
        return {
            coin: prediction
            for coin, venues in reply.value
            for venue, prediction in venues
            if venue == "HlPerp" and prediction is not None
        }

    async def _context(self, instrument: Instrument) -> _Context:
        if instrument.kind == "spot":
            for context in (await self._spots()).value.contexts:
                if context.coin == instrument.symbol:
                    return context
        else:
            perps = (await self._perps()).value
            pairs = zip(perps.meta.universe, perps.contexts, strict=False)
            for coin, found in pairs:
                if coin.name == instrument.symbol:
                    return found
        raise VenueError(self.name, "bad_payload", f"/info: nothing about {instrument.symbol}")

    async def _perps(self) -> Reply[_Perps]:
        question = {"type": "metaAndAssetCtxs"}
        entry = await self._cache.get(_PERP_STATE, (), lambda: self._ask(question, _PERPS))
        return entry.value

    async def _spots(self) -> Reply[_Spots]:
        question = {"type": "spotMetaAndAssetCtxs"}
        entry = await self._cache.get(_SPOT_STATE, (), lambda: self._ask(question, _SPOTS))
        return entry.value

    async def _ask(self, question: dict[str, Any], decoder: Decodes[Any]) -> Reply[Any]:
        body = msgspec.json.encode(question)
        return await self._client.get("/info", decoder, method="POST", body=body)


def _coin(name: str) -> tuple[str, float]:
    """Return the coin behind a name: kPEPE is a thousand PEPE."""
    if len(name) > 1 and name[0] == "k" and name[1:].isupper():
        return name[1:], 1000.0
    return name.upper(), 1.0
