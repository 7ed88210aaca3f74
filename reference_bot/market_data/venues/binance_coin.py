"""Binance's coin-margined perpetuals (dapi.binance.com).

Source: derivatives/coin-margined-futures, market data. Sizes count contracts of ``contractSize``
dollars; coins stand beside them where Binance tells them (``baseVolume``, index 7 and 10 of a
kline, ``sumOpenInterestValue``). What is asked about one symbol is answered with a list of one.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from reference_bot.market_data.cache import Cache
from reference_bot.market_data.decoding import Inside, One, Rows
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import Reply, VenueClient
from reference_bot.market_data.keeping import Field
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import (
    Candle,
    Candles,
    Directory,
    FundingNow,
    Instrument,
    InterestPoint,
    Ticker,
)
from reference_bot.market_data.venues.binance_funding import Intervals
from reference_bot.market_data.venues.checks import check_candles, check_fresh, reset_ahead
from reference_bot.market_data.venues.common import SPARE, about, listed_rows
from reference_bot.market_data.venues.fields import Amount, Millis, Price, Rate
from reference_bot.market_data.waiting import together

_INTERVALS: Final = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1440: "1d"}


class _Ticker(Struct, frozen=True, rename="camel"):
    symbol: str
    close_time: Millis
    last_price: Amount  # zero of what no longer trades
    open_price: Amount
    high_price: Amount
    low_price: Amount
    volume: Amount
    base_volume: Amount


class _Kline(Struct, frozen=True, array_like=True):
    open_time: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    contracts: Amount
    close_time: Millis
    coins: Amount
    trades: float | str | None  # not read
    taker_buy: Amount
    taker_buy_coins: Amount


class _Symbol(Struct, frozen=True, rename="camel"):
    symbol: str
    contract_status: str
    contract_type: str
    contract_size: Price
    base_asset: str
    quote_asset: str


class _Info(Struct, frozen=True):
    symbols: msgspec.Raw


class _OpenInterest(Struct, frozen=True, rename="camel"):
    open_interest: Amount
    time: Millis


class _InterestPoint(Struct, frozen=True, rename="camel"):
    sum_open_interest: Amount
    sum_open_interest_value: Amount
    timestamp: Millis


class _Premium(Struct, frozen=True, rename="camel"):
    """What has no funding, a delivery contract, has an empty rate and a next reset of 0; what is
    settled has a mark price of 0.
    """

    symbol: str
    mark_price: Amount
    time: Millis
    last_funding_rate: Rate | None = None
    next_funding_time: int | None = None


_TICKERS = Rows[_Ticker](_Ticker)
_KLINES = Rows[_Kline](_Kline)
_INFO = msgspec.json.Decoder(_Info)
_SYMBOLS = Rows[_Symbol](_Symbol)
_OPEN_INTEREST = One[_OpenInterest](_OpenInterest)
_INTEREST_POINTS = Rows[_InterestPoint](_InterestPoint)
_PREMIUM = Rows[_Premium](_Premium)


# open interest and funding both need it: whoever asks at the same time shares one call
_NOW: Final[Field[Reply[list[_Premium]]]] = Field("binance.coin_premium", 1.0)


class BinanceCoin:
    """This side of the venue; an instrument's ``unit`` is a contract's dollars."""

    def __init__(self, client: VenueClient, cache: Cache) -> None:
        self._client = client
        self._cache = cache
        self._name = client.venue
        self._intervals = Intervals(client, "/dapi/v1", cache)

    async def directory(self) -> Directory:
        """Read the perpetual contracts that trade."""
        info = await self._client.get("/dapi/v1/exchangeInfo", Inside(_INFO, "symbols", _SYMBOLS))
        found: dict[Pair, Instrument] = {}
        for one in info.value:
            if one.contract_status == "TRADING" and one.contract_type == "PERPETUAL":
                pair = Pair(one.base_asset, one.quote_asset)
                found[pair] = Instrument(self._name, "inverse", pair, one.symbol, one.contract_size)
        return Directory(found)

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the rolling 24 hours."""
        path = "/dapi/v1/ticker/24hr"
        reply = await self._client.get(path, _TICKERS, {"symbol": instrument.symbol})
        found = about(self._name, path, reply.value, instrument.symbol)
        if not (found.last_price and found.open_price):
            text = f"{path}: {instrument.symbol} has no price, or none of 24 h ago"
            raise VenueError(self._name, "unavailable", text)
        check_fresh(self._name, path, "closeTime", found.close_time, reply.as_of)
        return _ticker(found, instrument)

    async def tickers(self, listed: Directory) -> dict[Pair, Ticker]:
        """Read the rolling 24 hours of all contracts (request weight 40)."""
        path = "/dapi/v1/ticker/24hr"
        reply = await self._client.get(path, _TICKERS)
        newest = max(row.close_time for row in listed_rows(self._name, path, reply.value))
        check_fresh(self._name, path, "closeTime", newest, reply.as_of)
        known = listed.by_symbol()
        return {
            known[row.symbol].pair: _ticker(row, known[row.symbol])
            for row in reply.value
            if row.symbol in known and row.last_price > 0 and row.open_price > 0
        }

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read klines; volumes in coins, turnovers in dollars."""
        path = "/dapi/v1/klines"
        params: dict[str, str | int] = {
            "symbol": instrument.symbol,
            "interval": _INTERVALS[minutes],
            "limit": count + SPARE,
        }
        reply = await self._client.get(path, _KLINES, params)
        candles = [_candle(kline, instrument.unit) for kline in reply.value]
        return check_candles(self._client, path, candles, reply.as_of, minutes)

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open contracts, and beside them the mark price, which makes coins of them."""
        path = "/dapi/v1/openInterest"
        reply, premium = await together(
            self._client.get(path, _OPEN_INTEREST, {"symbol": instrument.symbol}),
            self._premium(instrument),
        )
        found = reply.value
        check_fresh(self._name, path, "time", found.time, reply.as_of)
        if not premium.mark_price:
            raise VenueError(self._name, "unavailable", f"{path}: there is no mark price")
        dollars = found.open_interest * instrument.unit
        return InterestPoint(found.time, dollars / premium.mark_price, dollars)

    async def open_interest_history(self, instrument: Instrument) -> tuple[InterestPoint, ...]:
        """Read five-minute points of a little over 24 hours."""
        params: dict[str, str | int] = {
            "pair": instrument.symbol.removesuffix("_PERP"),
            "contractType": "PERPETUAL",
            "period": "5m",
            "limit": 292,
        }
        path = "/futures/data/openInterestHist"
        reply = await self._client.get(path, _INTEREST_POINTS, params)
        return tuple(
            InterestPoint(
                point.timestamp,
                point.sum_open_interest_value,
                point.sum_open_interest * instrument.unit,
            )
            for point in sorted(reply.value, key=lambda point: point.timestamp)
        )

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running rate, and beside it the interval."""
        path, symbol = "/dapi/v1/premiumIndex", instrument.symbol
        found, known = await together(self._premium(instrument), self._intervals.known(symbol))
        if found.last_funding_rate is None or not found.next_funding_time:
            raise VenueError(self._name, "unavailable", f"{path}: {symbol} has no funding")
        hours = await self._intervals.hours(symbol, known, found.next_funding_time)
        reset = reset_ahead(self._name, path, found.next_funding_time, found.time, hours)
        mark = found.mark_price or None
        return FundingNow(found.time, found.last_funding_rate, hours, reset, mark)

    async def warm(self) -> None:
        """Read ahead what every request about funding needs."""
        await self._intervals.warm()

    async def _premium(self, instrument: Instrument) -> _Premium:
        path = "/dapi/v1/premiumIndex"
        symbol = instrument.symbol
        entry = await self._cache.get(
            _NOW, (symbol,), lambda: self._client.get(path, _PREMIUM, {"symbol": symbol})
        )
        found = about(self._name, path, entry.value.value, symbol)
        if found.next_funding_time:  # the time of what is delivered stands still
            check_fresh(self._name, path, "time", found.time, entry.value.as_of)
        return found


def _ticker(found: _Ticker, instrument: Instrument) -> Ticker:
    return Ticker(
        time=found.close_time,
        price=found.last_price,
        open=found.open_price,
        high=found.high_price or None,
        low=found.low_price or None,
        volume=found.base_volume,
        turnover=found.volume * instrument.unit,
    )


def _candle(kline: _Kline, dollars: float) -> Candle:
    return Candle(
        start=kline.open_time,
        end=kline.close_time + 1,
        open=kline.open,
        high=kline.high,
        low=kline.low,
        close=kline.close,
        volume=kline.coins,
        turnover=kline.contracts * dollars,
        buy=kline.taker_buy_coins,
        buy_turnover=kline.taker_buy * dollars,
    )
