"""Gate.io: spot (BTC_USDT), perpetuals settled in USDT and in Bitcoin (BTC_USD), API v4.

Source: Gate API v4, Spot (tickers, candlesticks, currency pairs) and Futures (contracts, tickers,
candlesticks, contract stats). Times are in seconds; futures sizes count contracts of
``quanto_multiplier`` coins, of BTC_USD of one dollar (its multiplier is 0). Tickers tell neither a
time (the answer's ``Date`` is taken) nor the price 24 h ago, but the change in percent, rounded to
two decimals: the change follows from that. One answer of the contract stats tells the history of
open interest, the ratio of accounts and what takers did.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from reference_bot.market_data.cache import Cache, Field
from reference_bot.market_data.errors import Reason, VenueError
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
    TakerVolume,
    TakerVolumes,
    Ticker,
)
from reference_bot.market_data.venues.checks import check_account_ratio, check_candles
from reference_bot.market_data.venues.common import OneApi, to_candle
from reference_bot.market_data.venues.fields import Amount, Price, Rate, Seconds

__all__ = ["Gate", "explain"]

_INTERVALS: Final = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1440: "1d"}
_FUTURES: Final[dict[MarketKind, str]] = {
    "perp": "/api/v4/futures/usdt",
    "inverse": "/api/v4/futures/btc",
}
_CONTRACT_TYPES: Final[dict[MarketKind, str]] = {"perp": "direct", "inverse": "inverse"}


class _SpotTicker(Struct, frozen=True):
    currency_pair: str
    last: Amount
    change_percentage: float
    high_24h: Amount
    low_24h: Amount
    base_volume: Amount
    quote_volume: Amount


class _FuturesTicker(Struct, frozen=True):
    contract: str
    last: Amount
    change_percentage: float
    high_24h: Amount
    low_24h: Amount
    volume_24h_base: Amount
    volume_24h_quote: Amount
    total_size: Amount
    mark_price: Price


class _SpotCandle(Struct, frozen=True, array_like=True):
    start: Seconds
    turnover: Amount
    close: Price
    high: Price
    low: Price
    open: Price
    volume: Amount


class _FuturesCandle(Struct, frozen=True):
    start: Seconds = msgspec.field(name="t")
    size: Amount = msgspec.field(name="v")
    close: Price = msgspec.field(name="c")
    high: Price = msgspec.field(name="h")
    low: Price = msgspec.field(name="l")
    open: Price = msgspec.field(name="o")
    turnover: Amount = msgspec.field(name="sum")


class _Stat(Struct, frozen=True):
    time: Seconds
    open_interest: Amount
    open_interest_usd: Amount
    mark_price: Price
    lsr_account: Amount | None = None
    long_taker_size: Amount | None = None
    short_taker_size: Amount | None = None


class _Contract(Struct, frozen=True):
    name: str
    quanto_multiplier: Amount
    funding_rate: Rate
    funding_interval: Amount
    funding_next_apply: Seconds
    mark_price: Price
    in_delisting: bool = False
    type: str = "direct"


class _CurrencyPair(Struct, frozen=True):
    id: str
    base: str
    quote: str
    trade_status: str


class _Error(Struct, frozen=True):
    label: str
    message: str = ""


_SPOT_TICKERS = msgspec.json.Decoder(list[_SpotTicker], strict=False)
_FUTURES_TICKERS = msgspec.json.Decoder(list[_FuturesTicker], strict=False)
_SPOT_CANDLES = msgspec.json.Decoder(list[_SpotCandle], strict=False)
_FUTURES_CANDLES = msgspec.json.Decoder(list[_FuturesCandle], strict=False)
_STATS = msgspec.json.Decoder(list[_Stat], strict=False)
_CONTRACT = msgspec.json.Decoder(_Contract, strict=False)
_CONTRACTS = msgspec.json.Decoder(list[_Contract], strict=False)
_PAIRS = msgspec.json.Decoder(list[_CurrencyPair])
_TIME = msgspec.json.Decoder(dict[str, int])
_ERROR = msgspec.json.Decoder(_Error)

_STATS_NOW: Final[Field[Reply[list[_Stat]]]] = Field("gate.contract_stats", 5.0)


def explain(_status: int, body: bytes) -> tuple[Reason, str] | None:
    """Read ``{"label": "INVALID_CURRENCY_PAIR", "message": ...}``."""
    try:
        error = _ERROR.decode(body)
    except msgspec.MsgspecError:
        return None
    if error.label in ("INVALID_CURRENCY_PAIR", "INVALID_CURRENCY", "CONTRACT_NOT_FOUND"):
        return "not_listed", f"{error.label}: {error.message}"
    return None


class Gate(OneApi):
    """The venue."""

    name = "gate"
    kinds: tuple[MarketKind, ...] = ("spot", "perp", "inverse")
    time_path = "/api/v4/spot/time"
    time_decoder = _TIME
    taker_minutes = frozenset({5, 15, 30, 60, 240, 1440})

    def __init__(self, client: VenueClient, cache: Cache) -> None:
        super().__init__(client)
        self._cache = cache

    async def directory(self, kind: MarketKind) -> Directory:
        """Read what trades; ``unit`` is a contract's coins, of an inverse one a dollar."""
        if kind == "spot":
            pairs = await self._client.get("/api/v4/spot/currency_pairs", _PAIRS)
            rows = [
                (Pair(one.base, one.quote), one.id, 1.0)
                for one in pairs.value
                if one.trade_status == "tradable"
            ]
        else:
            contracts = await self._client.get(f"{_FUTURES[kind]}/contracts", _CONTRACTS)
            rows = [
                (Pair(*one.name.rsplit("_", 1)), one.name, one.quanto_multiplier or 1.0)
                for one in contracts.value
                if one.type == _CONTRACT_TYPES[kind] and not one.in_delisting
            ]
        return Directory(
            {pair: Instrument(self.name, kind, pair, name, unit) for pair, name, unit in rows}
        )

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the rolling 24 hours."""
        if instrument.kind != "spot":
            return self._ticker(await self._futures_ticker(instrument))
        path = "/api/v4/spot/tickers"
        reply = await self._client.get(path, _SPOT_TICKERS, {"currency_pair": instrument.symbol})
        return self._ticker(self._first(path, reply.value))

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the rolling 24 hours of all pairs or contracts."""
        found: dict[str, _SpotTicker | _FuturesTicker]
        if kind == "spot":
            spot = await self._client.get("/api/v4/spot/tickers", _SPOT_TICKERS)
            found = {row.currency_pair: row for row in spot.value}
        else:
            futures = await self._client.get(f"{_FUTURES[kind]}/tickers", _FUTURES_TICKERS)
            found = {row.contract: row for row in futures.value}
        known = listed.by_symbol()
        return {
            known[name].pair: self._ticker(row)
            for name, row in found.items()
            if name in known and row.last > 0
        }

    def _ticker(self, found: _SpotTicker | _FuturesTicker) -> Ticker:
        if not -100 < found.change_percentage < 1e9 or found.last <= 0:
            raise VenueError(
                self.name,
                "bad_payload",
                f"last {found.last} or change_percentage {found.change_percentage} is none",
            )
        if isinstance(found, _SpotTicker):
            volume, turnover = found.base_volume, found.quote_volume
        else:
            volume, turnover = found.volume_24h_base, found.volume_24h_quote
        return Ticker(
            time=self._client.now(),
            price=found.last,
            open=found.last / (1 + found.change_percentage / 100),
            high=found.high_24h,
            low=found.low_24h,
            volume=volume,
            turnover=turnover,
        )

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read candlesticks."""
        params: dict[str, str | int] = {"interval": _INTERVALS[minutes], "limit": count + 3}
        length = minutes * 60_000
        if instrument.kind == "spot":
            path = "/api/v4/spot/candlesticks"
            params["currency_pair"] = instrument.symbol
            spot = await self._client.get(path, _SPOT_CANDLES, params)
            candles = [_candle(row, length, row.volume) for row in spot.value]
            return check_candles(self.name, path, candles, spot.as_of, minutes)
        if instrument.kind == "inverse":
            text = "gate's candles of a contract settled in the coin count dollars, not coins"
            raise VenueError(self.name, "unavailable", text)
        path = f"{_FUTURES[instrument.kind]}/candlesticks"
        params["contract"] = instrument.symbol
        futures = await self._client.get(path, _FUTURES_CANDLES, params)
        candles = [_candle(row, length, row.size * instrument.unit) for row in futures.value]
        return check_candles(self.name, path, candles, futures.as_of, minutes)

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open contracts, which come with the ticker."""
        found = await self._futures_ticker(instrument)
        size, now = found.total_size * instrument.unit, self._client.now()
        if instrument.kind == "inverse":
            return InterestPoint(now, size / found.mark_price, size)
        return InterestPoint(now, size, None)

    async def open_interest_history(self, instrument: Instrument) -> tuple[InterestPoint, ...]:
        """Read quarter-hour points of 25 hours."""
        reply = await self._stats(instrument, 15)
        return tuple(_point(stat, instrument) for stat in reply.value)

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running interval from the contract."""
        path = f"{_FUTURES[instrument.kind]}/contracts/{instrument.symbol}"
        found = (await self._client.get(path, _CONTRACT)).value
        hours = found.funding_interval / 3600
        if not 0 < hours <= 24:
            raise VenueError(
                self.name, "bad_payload", f"{path}: funding_interval {found.funding_interval:g} s"
            )
        return FundingNow(
            time=self._client.now(),
            rate=found.funding_rate,
            interval_hours=hours,
            next_reset=found.funding_next_apply * 1000,
            mark_price=found.mark_price,
        )

    async def taker_volumes(self, instrument: Instrument, minutes: int) -> TakerVolumes:
        """Read the contracts that takers bought and sold."""
        reply, unit = await self._stats(instrument, minutes), instrument.unit
        periods = tuple(
            TakerVolume(stat.time * 1000, stat.long_taker_size * unit, stat.short_taker_size * unit)
            for stat in reply.value
            if stat.long_taker_size is not None and stat.short_taker_size is not None
        )
        return TakerVolumes(reply.as_of or self._client.now(), minutes * 60_000, periods)

    async def account_ratio(self, instrument: Instrument) -> AccountRatio:
        """Read the newest count; the shares follow from the ratio."""
        reply = await self._stats(instrument, 15)
        newest = max(reply.value, key=lambda stat: stat.time, default=None)
        if newest is None or not newest.lsr_account:
            raise VenueError(self.name, "unavailable", f"{_stats_path(instrument)}: no lsr_account")
        told = newest.lsr_account
        ratio = AccountRatio(newest.time * 1000, told, told / (1 + told), 15)
        return check_account_ratio(self.name, _stats_path(instrument), ratio, reply.as_of)

    async def _stats(self, instrument: Instrument, minutes: int) -> Reply[list[_Stat]]:
        params: dict[str, str | int] = {
            "contract": instrument.symbol,
            "interval": _INTERVALS[minutes],
            "limit": 100,
        }
        entry = await self._cache.get(
            _STATS_NOW,
            (instrument.symbol, str(minutes)),
            lambda: self._statistics.get(_stats_path(instrument), _STATS, params),
        )
        return entry.value

    async def _futures_ticker(self, instrument: Instrument) -> _FuturesTicker:
        path = f"{_FUTURES[instrument.kind]}/tickers"
        reply = await self._client.get(path, _FUTURES_TICKERS, {"contract": instrument.symbol})
        return self._first(path, reply.value)


def _stats_path(instrument: Instrument) -> str:
    return f"{_FUTURES[instrument.kind]}/contract_stats"


def _point(stat: _Stat, instrument: Instrument) -> InterestPoint:
    time, size = stat.time * 1000, stat.open_interest * instrument.unit
    if instrument.kind == "inverse":
        return InterestPoint(time, size / stat.mark_price, size)
    return InterestPoint(time, size, stat.open_interest_usd)


def _candle(row: _SpotCandle | _FuturesCandle, length: int, volume: float) -> Candle:
    start = row.start * 1000
    return to_candle(row, start, start + length, volume=volume, turnover=row.turnover)
