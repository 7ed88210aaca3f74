"""Hyperliquid: perpetuals and spot pairs, margined and quoted in USDC.

Source: Hyperliquid docs, API, info endpoint (perpetuals, spot). One path, ``POST /info``; the
question is in the body. The contexts of all coins come in one answer, which is shared for some
seconds: an address has 1,200 points of weight a minute, and a question costs 20. Prices are mid
prices; high, low, a history of open interest and taker volumes are not offered. Funding is hourly;
``predictedFundings`` tells the last reset, not the next. A leading ``k`` means a thousand coins.
Tokens have no name of their own: what stands for a coin of another chain is known by its id.
``openInterest`` is given on as told, as one side; others measured it as both (docs/venues.md).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct

from reference_bot.market_data.decoding import Decodes, One, Rows, UsableRows
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import Reply
from reference_bot.market_data.keeping import Field
from reference_bot.market_data.limits import PaceRule
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
from reference_bot.market_data.venues.checks import check_candles, reset_ahead
from reference_bot.market_data.venues.common import SPARE, Listed, OneApi, index, to_candle
from reference_bot.market_data.venues.fields import Amount, Millis, Price, Rate
from reference_bot.market_data.waiting import together

Hours = Annotated[float, Meta(gt=0, le=24)]

RATES: Final = (PaceRule("/info", 55, 60.0),)
"""1,200 points of weight a minute at 20 to 22 a question."""

_INTERVALS: Final = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1440: "1d"}


_UNIT: Final = {
    "0x8f254b963e8468305d409b33aa137c67": "BTC",
    "0xe1edd30daaf5caac3fe63569e24748da": "ETH",
    "0x49b67c39f5566535de22b29b0e51e685": "SOL",
    "0x544e60f98a36d7b22c0fb5824b84f795": "PUMP",
    "0x7650808198966e4285687d3deb556ccc": "FARTCOIN",
    "0x2ff71b802a6788a052c7f1a58ec863af": "SPX",
    "0xb113d34e351cf195733c98442530c099": "BONK",
    "0x2c54c60600e1d786b2dfc139a38a5a99": "XPL",
    "0x1c994ad3381d31c86c8c2d74ed89a365": "ZEC",
    "0x730fc3855fb77d2aa5a19dd7891dbe80": "AVAX",
    "0x85b8124314ae77b78b4b6f20ecd93149": "VIRTUAL",
}
"""Tokens that stand for coins of other chains, by their ids: UBTC is BTC, UFART is FARTCOIN (Unit,
mainnet token metadata)."""


class _Coin(Struct, frozen=True, rename="camel"):
    name: str
    is_delisted: bool | None = None


class _Context(Struct, frozen=True, rename="camel"):
    mark_px: Price | None = None
    day_ntl_vlm: Amount | None = None
    prev_day_px: Amount | None = None  # zero of what was not traded yet
    day_base_vlm: Amount | None = None  # came in 2024
    mid_px: Price | None = None
    open_interest: Amount | None = None
    funding: Rate | None = None

    @property
    def price(self) -> float:
        """Return the mid price, else the mark price; 0 where there is neither."""
        return self.mid_px or self.mark_px or 0.0


class _Meta(Struct, frozen=True):
    universe: msgspec.Raw
    tokens: msgspec.Raw = msgspec.Raw(b"[]")


class _State(Struct, frozen=True, array_like=True):
    meta: _Meta
    contexts: msgspec.Raw


class _Token(Struct, frozen=True):
    name: str
    index: int
    token_id: str = msgspec.field(name="tokenId", default="")

    @property
    def coin(self) -> str:
        """Return the coin that it is; "" where it only has the name of one.

        Anybody may list a token under any name, a second time, too.
        """
        unit, name = _UNIT.get(self.token_id), self.name.upper()
        return unit or ("" if name in _UNIT.values() else name)


class _SpotPair(Struct, frozen=True):
    name: str
    tokens: list[int]


class _SpotContext(_Context, frozen=True, kw_only=True):
    coin: str


class _Perps(NamedTuple):
    """The coins that are listed, and what is told of each: by position, and by name."""

    universe: UsableRows[_Coin | None]
    contexts: UsableRows[_Context | None]
    by_name: dict[str, _Context]


class _Spots(NamedTuple):
    universe: UsableRows[_SpotPair]
    tokens: UsableRows[_Token]
    contexts: UsableRows[_SpotContext]


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
    funding_interval_hours: Hours = 1.0


class _Foretold(Struct, frozen=True, array_like=True):
    venue: str
    prediction: msgspec.Raw


class _Predicted(Struct, frozen=True, array_like=True):
    coin: str
    venues: list[_Foretold]


_STATE = msgspec.json.Decoder(_State)
_COINS = Rows[_Coin | None](_Coin, aligned=True)
_CONTEXTS = Rows[_Context | None](_Context, aligned=True)
_PAIRS = Rows[_SpotPair](_SpotPair)
_TOKENS = Rows[_Token](_Token)
_SPOT_CONTEXTS = Rows[_SpotContext](_SpotContext)


class _PerpState:
    """Decodes the answer to ``metaAndAssetCtxs``."""

    def decode(self, body: bytes, /) -> _Perps:
        """Return what is listed and told."""
        state = _STATE.decode(body)
        coins, contexts = _COINS.decode(state.meta.universe), _CONTEXTS.decode(state.contexts)
        if len(coins) != len(contexts):  # they belong together by position alone
            text = f"{len(coins)} coins are listed, {len(contexts)} contexts told"
            raise msgspec.ValidationError(text)
        pairs = zip(coins, contexts, strict=True)
        by_name = {coin.name: context for coin, context in pairs if coin and context}
        return _Perps(coins, contexts, by_name)


class _SpotState:
    """Decodes the answer to ``spotMetaAndAssetCtxs``."""

    def decode(self, body: bytes, /) -> _Spots:
        """Return what is listed and told."""
        state = _STATE.decode(body)
        pairs, tokens = _PAIRS.decode(state.meta.universe), _TOKENS.decode(state.meta.tokens)
        return _Spots(pairs, tokens, _SPOT_CONTEXTS.decode(state.contexts))


_PERPS = _PerpState()
_SPOTS = _SpotState()
_CANDLES = Rows[_Candle](_Candle)
_PREDICTED = Rows[_Predicted](_Predicted)
_PREDICTION = One[_Prediction | None](_Prediction | None)
_MIDS = msgspec.json.Decoder(dict[str, str])

_PERP_STATE: Final[Field[Reply[_Perps]]] = Field("hyperliquid.perps", 2.0)
_SPOT_STATE: Final[Field[Reply[_Spots]]] = Field("hyperliquid.spots", 4.0)
_FUNDING: Final[Field[dict[str, _Prediction]]] = Field(
    "hyperliquid.predicted", 60.0, stale=3600.0, stale_if_error=True, dated=False
)
_OWN: Final = "HlPerp"
"""What Hyperliquid calls itself beside the other venues whose funding it predicts."""
_HOUR: Final = 3_600_000
_DAY: Final = 24
"""Intervals of an hour that a kept prediction may be old: the next full hour is the same."""


class Hyperliquid(OneApi):
    """The venue. ``cache`` lets all coins share one answer."""

    name = "hyperliquid"
    quotes: tuple[str, ...] = ("USDC",)

    async def ping(self) -> None:
        """Return when the API tells its mid prices."""
        await self._ask({"type": "allMids"}, _MIDS)

    async def directory(self, kind: MarketKind) -> Directory:
        """Read what trades; spot pairs by their tokens, of a name's those traded most."""
        if kind == "perp":
            rows = [
                (_coin(one.name), one.name)
                for one in (await self._perps()).value.universe
                if one is not None and not one.is_delisted
            ]
            listed = (Listed(name, base, "USDC", unit=unit) for (base, unit), name in rows)
            return index(self.name, kind, listed)
        meta = (await self._spots()).value
        names = {token.index: token.coin for token in meta.tokens}
        paid = {one.coin: one.day_ntl_vlm or 0.0 for one in meta.contexts}
        universe = sorted(meta.universe, key=lambda one: -paid.get(one.name, 0.0))
        listed = (
            Listed(one.name, names.get(one.tokens[0], ""), names.get(one.tokens[1], ""))
            for one in universe
            if len(one.tokens) > 1
        )
        return index(self.name, kind, (row for row in listed if row.base and row.quote))

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the mid price and the last 24 hours."""
        found, time = await self._context(instrument)
        if not (found.price and found.prev_day_px):
            text = f"/info: {instrument.symbol} has no price, or none of 24 h ago"
            raise VenueError(self.name, "unavailable", text)
        return self._ticker(found, instrument.unit, time)

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the mid prices and the last 24 hours of all coins."""
        contexts: dict[str, _Context]
        if kind == "spot":
            spots = await self._spots()
            contexts, time = {one.coin: one for one in spots.value.contexts}, self._time(spots)
        else:
            perps = await self._perps()
            contexts, time = perps.value.by_name, self._time(perps)
        return {
            instrument.pair: self._ticker(contexts[name], instrument.unit, time)
            for name, instrument in listed.by_symbol().items()
            if name in contexts and contexts[name].price and contexts[name].prev_day_px
        }

    def _time(self, reply: Reply[Any]) -> int:
        """Return when an answer was given: it tells no time of its own."""
        return reply.as_of or self._client.now()

    @staticmethod
    def _ticker(found: _Context, unit: float, time: int) -> Ticker:
        return Ticker(
            time=time,
            price=found.price / unit,
            open=(found.prev_day_px or 0.0) / unit,
            high=None,
            low=None,
            volume=None if found.day_base_vlm is None else found.day_base_vlm * unit,
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
        return check_candles(self._client, "/info candleSnapshot", candles, reply.as_of, minutes)

    async def _candles_until(
        self, now: int, instrument: Instrument, minutes: int, count: int
    ) -> Reply[list[_Candle]]:
        length = minutes * 60_000
        request = {
            "coin": instrument.symbol,
            "interval": _INTERVALS[minutes],
            "startTime": now - (count + SPARE) * length,
            "endTime": now + length,
        }
        return await self._ask({"type": "candleSnapshot", "req": request}, _CANDLES)

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open interest, which comes with the contexts."""
        found, time = await self._context(instrument)
        if found.open_interest is None:
            raise VenueError(self.name, "unavailable", "metaAndAssetCtxs: no openInterest")
        amount = found.open_interest * instrument.unit
        return InterestPoint(time, amount, None)

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running interval, and beside it when it ends."""
        (found, now), predicted = await together(
            self._context(instrument), self._cache.get(_FUNDING, (), self._predicted)
        )
        if found.funding is None:
            raise VenueError(
                self.name, "unavailable", f"metaAndAssetCtxs: no funding of {instrument.symbol}"
            )
        prediction = predicted.value.get(instrument.symbol)
        hours = prediction.funding_interval_hours if prediction is not None else 1.0
        last = prediction.next_funding_time if prediction is not None else now // _HOUR * _HOUR
        reset = reset_ahead(self.name, "predictedFundings", last, now, hours, intervals=_DAY)
        return FundingNow(
            time=now,
            rate=found.funding,
            interval_hours=hours,
            next_reset=reset,
            mark_price=found.mark_px / instrument.unit if found.mark_px else None,
        )

    async def _predicted(self) -> dict[str, _Prediction]:
        reply = await self._ask({"type": "predictedFundings"}, _PREDICTED)
        ours = (
            (row.coin, one.prediction)
            for row in reply.value
            for one in row.venues
            if one.venue == _OWN
        )
        return {
            coin: found
            for coin, prediction in ours
            if (found := _prediction(prediction)) is not None
        }

    async def _context(self, instrument: Instrument) -> tuple[_Context, int]:
        """Return what is told of a market, and when."""
        if instrument.kind == "spot":
            spots = await self._spots()
            for spot in spots.value.contexts:
                if spot.coin == instrument.symbol:
                    return spot, self._time(spots)
        else:
            perps = await self._perps()
            context = perps.value.by_name.get(instrument.symbol)
            if context is not None:
                return context, self._time(perps)
        raise VenueError(self.name, "unavailable", f"/info: nothing about {instrument.symbol}")

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


def _prediction(raw: msgspec.Raw) -> _Prediction | None:
    """Return one venue's prediction; None where it tells none that can be used."""
    try:
        return _PREDICTION.decode(raw)
    except msgspec.ValidationError:
        return None


def _coin(name: str) -> tuple[str, float]:
    """Return the coin behind a name: kPEPE is a thousand PEPE."""
    if len(name) > 1 and name[0] == "k" and name[1:].isupper():
        return name[1:], 1000.0
    return name.upper(), 1.0
