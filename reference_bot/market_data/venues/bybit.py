"""Bybit: spot, USDT perpetuals (``linear``) and perpetuals margined in the coin (``inverse``), v5.

Source: Bybit API v5, market: Get Tickers, Get Kline, Get Open Interest, Get Instruments Info.
Answers come in an envelope whose ``retCode`` is 0; lists begin with the newest. Sizes of linear
contracts are in the symbol's base coin (SHIB1000 and 1000PEPE are a thousand coins), those of
inverse ones in dollars, with the turnover in coins. Taker volumes are not offered.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from reference_bot.market_data.cache import Cache, Field
from reference_bot.market_data.errors import Reason, ToldError, VenueError
from reference_bot.market_data.http import Reply, VenueClient
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import (
    AccountRatio,
    Candle,
    Candles,
    Directory,
    FundingNow,
    Instrument,
    InterestPoint,
    MarketKind,
    Ticker,
)
from reference_bot.market_data.venues.checks import check_account_ratio, check_candles, check_fresh
from reference_bot.market_data.venues.common import OneApi, index, to_candle
from reference_bot.market_data.venues.fields import Amount, Enveloped, Millis, Price, Rate, Share
from reference_bot.market_data.waiting import together

__all__ = ["Bybit"]

_INTERVALS: Final = {1: "1", 5: "5", 15: "15", 30: "30", 60: "60", 240: "240", 1440: "D"}
_CATEGORIES: Final[dict[MarketKind, str]] = {
    "spot": "spot",
    "perp": "linear",
    "inverse": "inverse",
}
_TYPES: Final[dict[MarketKind, str | None]] = {
    "spot": None,
    "perp": "LinearPerpetual",
    "inverse": "InversePerpetual",
}


class _Envelope(Struct, frozen=True, rename="camel"):
    ret_code: int
    ret_msg: str
    time: int
    result: msgspec.Raw = msgspec.Raw(b"{}")


class _Ticker(Struct, frozen=True):
    last: Price = msgspec.field(name="lastPrice")
    open: Price = msgspec.field(name="prevPrice24h")
    high: Price = msgspec.field(name="highPrice24h")
    low: Price = msgspec.field(name="lowPrice24h")
    volume: Amount = msgspec.field(name="volume24h")
    turnover: Amount = msgspec.field(name="turnover24h")
    mark: Price | None = msgspec.field(name="markPrice", default=None)
    interest: Amount | None = msgspec.field(name="openInterest", default=None)
    interest_value: Amount | None = msgspec.field(name="openInterestValue", default=None)
    rate: Rate | None = msgspec.field(name="fundingRate", default=None)
    next_funding: Millis | None = msgspec.field(name="nextFundingTime", default=None)
    hours: float | None = msgspec.field(name="fundingIntervalHour", default=None)


class _Tickers(Struct, frozen=True):
    rows: list[_Ticker] = msgspec.field(name="list")


class _ListedTicker(Struct, frozen=True):
    """A row of the list: what has not traded yet has a price of zero."""

    symbol: str
    last: Amount = msgspec.field(name="lastPrice")
    open: Amount = msgspec.field(name="prevPrice24h")
    high: Amount = msgspec.field(name="highPrice24h")
    low: Amount = msgspec.field(name="lowPrice24h")
    volume: Amount = msgspec.field(name="volume24h")
    turnover: Amount = msgspec.field(name="turnover24h")


class _ListedTickers(Struct, frozen=True):
    rows: list[_ListedTicker] = msgspec.field(name="list")


class _Kline(Struct, frozen=True, array_like=True):
    start: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Amount
    turnover: Amount


class _Klines(Struct, frozen=True):
    rows: list[_Kline] = msgspec.field(name="list")


class _Point(Struct, frozen=True, rename="camel"):
    open_interest: Amount
    timestamp: Millis


class _Accounts(Struct, frozen=True, rename="camel"):
    buy_ratio: Share
    sell_ratio: Share
    timestamp: Millis


class _AccountRows(Struct, frozen=True):
    rows: list[_Accounts] = msgspec.field(name="list")


class _Points(Struct, frozen=True):
    rows: list[_Point] = msgspec.field(name="list")


class _Symbol(Struct, frozen=True, rename="camel"):
    symbol: str
    base_coin: str
    quote_coin: str
    status: str
    contract_type: str | None = None


class _Symbols(Struct, frozen=True):
    rows: list[_Symbol] = msgspec.field(name="list")


def _open(envelope: _Envelope) -> msgspec.Raw:
    if envelope.ret_code == 0:
        return envelope.result
    raise ToldError(_reason(envelope), f"retCode {envelope.ret_code}: {envelope.ret_msg}")


def _reason(envelope: _Envelope) -> Reason:
    if envelope.ret_code in (10006, 10018):
        return "rate_limited"
    unknown = envelope.ret_code == 10001 and "symbol" in envelope.ret_msg.lower()
    return "not_listed" if unknown else "outage"


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_TICKERS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(_Tickers, strict=False))
_LISTED = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(_ListedTickers, strict=False))
_KLINES = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(_Klines, strict=False))
_POINTS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(_Points, strict=False))
_ACCOUNTS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(_AccountRows, strict=False))
_SYMBOLS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(_Symbols))
_TIME = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(dict[str, str]))

# ticker, open interest and funding are one answer: whoever asks at the same time shares it
_NOW: Final[Field[Reply[tuple[_Envelope, _Tickers]]]] = Field("bybit.tickers", 1.0)


class Bybit(OneApi):
    """The venue. ``cache`` lets the parts of one answer share one call."""

    name = "bybit"
    kinds: tuple[MarketKind, ...] = ("spot", "perp", "inverse")
    time_path = "/v5/market/time"
    time_decoder = _TIME

    def __init__(self, client: VenueClient, cache: Cache) -> None:
        super().__init__(client)
        self._cache = cache

    async def directory(self, kind: MarketKind) -> Directory:
        """Read the symbols that trade."""
        params: dict[str, str | int] = {"category": _CATEGORIES[kind], "limit": 1000}
        reply = await self._client.get("/v5/market/instruments-info", _SYMBOLS, params)
        return index(
            self.name,
            kind,
            (
                (one.symbol, one.base_coin, one.quote_coin)
                for one in reply.value[1].rows
                if one.status == "Trading" and one.contract_type == _TYPES[kind]
            ),
        )

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the rolling 24 hours."""
        time, found = await self._now(instrument)
        return _told(found, time, instrument)

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the rolling 24 hours of all symbols."""
        params: dict[str, str | int] = {"category": _CATEGORIES[kind]}
        reply = await self._client.get("/v5/market/tickers", _LISTED, params)
        envelope, found = reply.value
        check_fresh(self.name, "/v5/market/tickers", "time", envelope.time, reply.as_of)
        known = listed.by_symbol()
        return {
            known[row.symbol].pair: _told(row, envelope.time, known[row.symbol])
            for row in found.rows
            if row.symbol in known and row.last > 0 and row.open > 0
        }

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read klines, turned round to begin with the oldest."""
        path = "/v5/market/kline"
        params: dict[str, str | int] = {
            **_symbol(instrument),
            "interval": _INTERVALS[minutes],
            "limit": count + 3,
        }
        reply = await self._client.get(path, _KLINES, params)
        length = minutes * 60_000
        candles = [_candle(row, instrument, length) for row in reversed(reply.value[1].rows)]
        return check_candles(self.name, path, candles, reply.as_of, minutes)

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open interest, which comes with the ticker."""
        time, found = await self._now(instrument)
        if found.interest is None:
            raise VenueError(self.name, "bad_payload", "/v5/market/tickers: no openInterest")
        if instrument.kind == "inverse":
            if found.mark is None:
                raise VenueError(self.name, "bad_payload", "/v5/market/tickers: no markPrice")
            return InterestPoint(time, found.interest / found.mark, found.interest)
        return InterestPoint(time, found.interest * instrument.unit, found.interest_value)

    async def open_interest_history(self, instrument: Instrument) -> tuple[InterestPoint, ...]:
        """Read quarter-hour points of a little over 24 hours; amounts only.

        Of an inverse contract Bybit tells dollars: coins are made of them at the close of the
        candle that ended then.
        """
        if instrument.kind == "inverse":
            points, candles = await together(
                self._points(instrument), self.candles(instrument, minutes=15, count=100)
            )
            closes = {candle.end: candle.close for candle in candles.closed}
            return tuple(
                InterestPoint(
                    one.timestamp, one.open_interest / closes[one.timestamp], one.open_interest
                )
                for one in points
                if one.timestamp in closes
            )
        return tuple(
            InterestPoint(point.timestamp, point.open_interest * instrument.unit, None)
            for point in await self._points(instrument)
        )

    async def _points(self, instrument: Instrument) -> list[_Point]:
        params: dict[str, str | int] = {
            **_symbol(instrument),
            "intervalTime": "15min",
            "limit": 100,
        }
        reply = await self._client.get("/v5/market/open-interest", _POINTS, params)
        return reply.value[1].rows[::-1]

    async def account_ratio(self, instrument: Instrument) -> AccountRatio:
        """Read the newest count: shares of the holders that are long (buy) and short (sell)."""
        path = "/v5/market/account-ratio"
        params: dict[str, str | int] = {**_symbol(instrument), "period": "5min", "limit": 1}
        reply = await self._statistics.get(path, _ACCOUNTS, params)
        found = self._first(path, reply.value[1].rows)
        share = found.buy_ratio
        ratio = AccountRatio(found.timestamp, share / found.sell_ratio, share, 5)
        return check_account_ratio(self.name, path, ratio, reply.as_of)

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running interval, which comes with the ticker."""
        time, found = await self._now(instrument)
        if found.rate is None or found.next_funding is None or not found.hours:
            raise VenueError(
                self.name, "bad_payload", "/v5/market/tickers: funding is not complete"
            )
        return FundingNow(
            time=time,
            rate=found.rate,
            interval_hours=found.hours,
            next_reset=found.next_funding,
            mark_price=None if found.mark is None else found.mark / instrument.unit,
        )

    async def _now(self, instrument: Instrument) -> tuple[int, _Ticker]:
        path = "/v5/market/tickers"
        entry = await self._cache.get(
            _NOW,
            (instrument.kind, instrument.symbol),
            lambda: self._client.get(path, _TICKERS, _symbol(instrument)),
        )
        reply = entry.value
        envelope, tickers = reply.value
        check_fresh(self.name, path, "time", envelope.time, reply.as_of)
        return envelope.time, self._first(path, tickers.rows)


def _told(found: _Ticker | _ListedTicker, time: int, instrument: Instrument) -> Ticker:
    unit = instrument.unit
    volume, turnover = _volumes(instrument, found.volume, found.turnover)
    return Ticker(
        time=time,
        price=found.last / unit,
        open=found.open / unit,
        high=found.high / unit,
        low=found.low / unit,
        volume=volume,
        turnover=turnover,
    )


def _volumes(instrument: Instrument, volume: float, turnover: float) -> tuple[float, float]:
    """Return volume in coins and turnover: an inverse contract counts dollars and turns over
    coins.
    """
    if instrument.kind == "inverse":
        return turnover, volume
    return volume * instrument.unit, turnover


def _candle(row: _Kline, instrument: Instrument, length: int) -> Candle:
    volume, turnover = _volumes(instrument, row.volume, row.turnover)
    end, unit = row.start + length, instrument.unit
    return to_candle(row, row.start, end, volume=volume, turnover=turnover, unit=unit)


def _symbol(instrument: Instrument) -> dict[str, str | int]:
    return {"category": _CATEGORIES[instrument.kind], "symbol": instrument.symbol}
