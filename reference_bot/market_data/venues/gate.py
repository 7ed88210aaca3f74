"""Gate.io: spot (BTC_USDT), perpetuals settled in USDT and in Bitcoin (BTC_USD), API v4.

Source: Gate API v4, Spot (tickers, candlesticks, currency pairs) and Futures (contracts, tickers,
candlesticks, contract stats). Times are in seconds; futures sizes count contracts of
``quanto_multiplier`` coins, of BTC_USD of one dollar (its multiplier is 0). Tickers tell no time
(the answer's ``Date`` is taken); those of futures tell the change in the price, those of spot in
percent alone, rounded to two decimals. A ticker's ``total_size`` and the ``open_interest`` of the
contract stats are the sum of both sides, twice the contract's ``position_size``; of BTC_USD they
were once one side, and what they are now is not known. One answer of the
contract stats tells the history of open interest, the ratio of accounts and what takers did; its
newest row is written again for some minutes after its end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from reference_bot.market_data.decoding import One, Rows, UsableRows
from reference_bot.market_data.errors import Refusal, VenueError
from reference_bot.market_data.http import Reply
from reference_bot.market_data.keeping import Field
from reference_bot.market_data.limits import PaceRule
from reference_bot.market_data.symbols import Pair, split_multiple
from reference_bot.market_data.venues.base import (
    COIN,
    AccountRatio,
    Candle,
    Candles,
    Directory,
    FundingNow,
    Instrument,
    InterestPoint,
    MarketKind,
    Sides,
    TakerVolume,
    TakerVolumes,
    Ticker,
)
from reference_bot.market_data.venues.checks import account_ratio, check_candles, reset_ahead
from reference_bot.market_data.venues.common import (
    COIN_WORDS,
    SPARE,
    Listed,
    OneApi,
    index,
    listed_rows,
    to_candle,
)
from reference_bot.market_data.venues.fields import Amount, Price, Rate, Seconds

RATES: Final = (
    PaceRule("/api/v4/futures/usdt/contract_stats", 200, 10.0),
    PaceRule("/api/v4/futures/usdt/candlesticks", 200, 10.0),
    PaceRule("/api/v4/futures/usdt/tickers", 200, 10.0),
    PaceRule("/api/v4/futures/usdt/contracts", 200, 10.0),
    PaceRule("/api/v4/futures/btc/contract_stats", 200, 10.0),
    PaceRule("/api/v4/futures/btc/tickers", 200, 10.0),
    PaceRule("/api/v4/futures/btc/contracts", 200, 10.0),
    PaceRule("/api/v4/spot/candlesticks", 200, 10.0),
    PaceRule("/api/v4/spot/tickers", 200, 10.0),
    PaceRule("/api/v4/spot/currency_pairs", 200, 10.0),
)
"""Of one address at each endpoint."""
_ASSETS: Final = {
    **dict.fromkeys(COIN_WORDS, COIN),
    "stocks": "stock",
    "metals": "commodity",
    "commodities": "commodity",
    "indices": "index",
}

_NAMES_MARKET: Final = re.compile(r"\b(?:contract|currency_pair)\b")
_INTERVALS: Final = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1440: "1d"}
_FUTURES: Final[dict[MarketKind, str]] = {
    "perp": "/api/v4/futures/usdt",
    "inverse": "/api/v4/futures/btc",
}
_CONTRACT_TYPES: Final[dict[MarketKind, str]] = {"perp": "direct", "inverse": "inverse"}


class _SpotTicker(Struct, frozen=True):
    symbol: str = msgspec.field(name="currency_pair")
    last: Amount | None
    change_percentage: float | None = None
    high_24h: Amount | None = None
    low_24h: Amount | None = None
    base_volume: Amount | None = None
    quote_volume: Amount | None = None
    change_price: float | None = None


class _FuturesTicker(Struct, frozen=True):
    symbol: str = msgspec.field(name="contract")
    last: Amount | None
    change_percentage: float | None = None
    high_24h: Amount | None = None
    low_24h: Amount | None = None
    volume_24h_base: Amount | None = None
    volume_24h_quote: Amount | None = None
    total_size: Amount | None = None
    mark_price: Amount | None = None
    change_price: float | None = None


class _SpotCandle(Struct, frozen=True, array_like=True):
    start: Seconds
    turnover: Amount
    close: Price
    high: Price
    low: Price
    open: Price
    volume: Amount | bool | None = None  # came in 2022; a document has "closed" in its place


class _FuturesCandle(Struct, frozen=True):
    start: Seconds = msgspec.field(name="t")
    size: Amount = msgspec.field(name="v")
    close: Price = msgspec.field(name="c")
    high: Price = msgspec.field(name="h")
    low: Price = msgspec.field(name="l")
    open: Price = msgspec.field(name="o")
    turnover: Amount | None = msgspec.field(name="sum", default=None)


class _Stat(Struct, frozen=True):
    time: Seconds
    open_interest: Amount
    open_interest_usd: Amount | None = None
    mark_price: Amount | None = None
    lsr_account: Amount | None = None
    long_taker_size: Amount | None = None
    short_taker_size: Amount | None = None


class _Contract(Struct, frozen=True):
    """What is told of a contract's funding; the next reset is 0 where there is none."""

    funding_rate: Rate | None = None
    funding_interval: Amount | None = None
    funding_next_apply: int | None = None
    mark_price: Amount | None = None


class _ListedContract(Struct, frozen=True):
    """What a listing is made of, and no more: figures that cannot be used hide no contract."""

    name: str
    quanto_multiplier: Amount | None = None
    in_delisting: bool | None = None
    delisted_time: Amount | None = None  # in seconds; told ahead, while it still trades
    type: str = "direct"
    status: str | None = None
    contract_type: str | None = None
    is_pre_market: bool | None = None

    @property
    def asset(self) -> str:
        """Say what the base is: a coin has no type."""
        kind = (self.contract_type or "").lower()
        kind = _ASSETS.get(kind, kind)
        return f"pre-launch {kind}" if self.is_pre_market else kind

    def trades(self, now: int) -> bool:
        """Tell whether the contract trades at ``now`` (epoch ms), and goes on doing so; older
        answers have no status.
        """
        gone = self.delisted_time and self.delisted_time * 1000 <= now
        return not gone and not self.in_delisting and (self.status or "trading") == "trading"


class _CurrencyPair(Struct, frozen=True):
    id: str
    base: str
    quote: str
    trade_status: str
    type: str | None = None

    @property
    def asset(self) -> str:
        """Say what the base is; a pair before its market is told apart since 2025."""
        return f"pre-launch {COIN}" if self.type == "premarket" else COIN


class _Error(Struct, frozen=True):
    label: str
    message: str = ""


_SPOT_TICKERS = Rows[_SpotTicker](_SpotTicker)
_FUTURES_TICKERS = Rows[_FuturesTicker](_FuturesTicker)
_SPOT_CANDLES = Rows[_SpotCandle](_SpotCandle)
_FUTURES_CANDLES = Rows[_FuturesCandle](_FuturesCandle)
_STATS = Rows[_Stat](_Stat)
_CONTRACT = One[_Contract](_Contract)
_CONTRACTS = Rows[_ListedContract](_ListedContract)
_PAIRS = Rows[_CurrencyPair](_CurrencyPair)
_TIME = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ERROR = msgspec.json.Decoder(_Error)

_STATS_NOW: Final[Field[Reply[UsableRows[_Stat]]]] = Field("gate.contract_stats", 5.0)
# ticker and open interest are one answer: whoever asks at the same time shares it
_TICKER_NOW: Final[Field[Reply[UsableRows[_FuturesTicker]]]] = Field("gate.ticker", 1.0)


def explain(_status: int, body: bytes) -> Refusal | None:
    """Read ``{"label": "INVALID_CURRENCY_PAIR", "message": ...}``."""
    try:
        error = _ERROR.decode(body)
    except msgspec.MsgspecError:
        return None
    if error.label in ("INVALID_CURRENCY_PAIR", "INVALID_CURRENCY", "CONTRACT_NOT_FOUND"):
        return Refusal("not_listed", f"{error.label}: {error.message}")
    if error.label == "INVALID_PARAM_VALUE" and _NAMES_MARKET.search(error.message):
        return Refusal("not_listed", f"{error.label}: {error.message}")
    if error.label in ("TOO_MANY_REQUESTS", "TOO_FAST"):
        return Refusal("rate_limited", f"{error.label}: {error.message}")
    return None


def tells_limit(headers: Mapping[str, str], as_of: int | None) -> tuple[float, float] | None:
    """Read how many calls are left of those that an endpoint takes in ten seconds."""
    del as_of  # the window's end is told only once it is used up
    limit = headers.get("x-gate-ratelimit-limit", "")
    left = headers.get("x-gate-ratelimit-requests-remain", "")
    if not (limit.isdigit() and left.isdigit() and int(limit)):
        return None
    return 1 - int(left) / int(limit), 2.0


class Gate(OneApi):
    """The venue."""

    name = "gate"
    kinds: tuple[MarketKind, ...] = ("spot", "perp", "inverse")
    time_path = "/api/v4/spot/time"
    time_decoder = _TIME
    taker_minutes = frozenset({5, 15, 30, 60, 240, 1440})
    taker_periods = 99
    interest_sides: Mapping[MarketKind, Sides] = {"perp": "one", "inverse": "unknown"}
    """In April 2024 BTC_USD told one side, where contracts settled in USDT tell both by now."""

    async def directory(self, kind: MarketKind) -> Directory:
        """Read what trades; ``unit`` is a contract's coins, of an inverse one a dollar."""
        if kind == "spot":
            pairs = await self._client.get("/api/v4/spot/currency_pairs", _PAIRS)
            rows = [
                Listed(one.id, one.base, one.quote, one.asset)
                for one in pairs.value
                if one.trade_status == "tradable"
            ]
        else:
            contracts = await self._client.get(f"{_FUTURES[kind]}/contracts", _CONTRACTS)
            now = self._time(contracts)
            rows = [
                _listed(one)
                for one in contracts.value
                if one.type == _CONTRACT_TYPES[kind] and one.trades(now) and "_" in one.name
            ]
        return index(self.name, kind, rows)

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the rolling 24 hours."""
        if instrument.kind != "spot":
            found, time = await self._futures_ticker(instrument)
            return self._ticker(found, time, instrument)
        path = "/api/v4/spot/tickers"
        reply = await self._client.get(path, _SPOT_TICKERS, {"currency_pair": instrument.symbol})
        spot = self._about(path, reply.value, instrument.symbol)
        return self._ticker(spot, self._time(reply), instrument)

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the rolling 24 hours of all pairs or contracts."""
        found: dict[str, _SpotTicker | _FuturesTicker]
        if kind == "spot":
            path = "/api/v4/spot/tickers"
            spot = await self._client.get(path, _SPOT_TICKERS)
            found, time = {row.symbol: row for row in spot.value}, self._time(spot)
        else:
            path = f"{_FUTURES[kind]}/tickers"
            futures = await self._client.get(path, _FUTURES_TICKERS)
            found, time = {row.symbol: row for row in futures.value}, self._time(futures)
        listed_rows(self.name, path, tuple(found))
        known = listed.by_symbol()
        return {
            known[name].pair: self._ticker(row, time, known[name])
            for name, row in found.items()
            if name in known and _open_of(row) is not None
        }

    def _time(self, reply: Reply[Any]) -> int:
        """Return when an answer was given: it tells no time of its own."""
        return reply.as_of or self._client.now()

    def _ticker(
        self, found: _SpotTicker | _FuturesTicker, time: int, instrument: Instrument
    ) -> Ticker:
        opened = _open_of(found)
        if opened is None or not found.last:
            raise VenueError(
                self.name,
                "unavailable",
                f"last {found.last}, change_price {found.change_price} or change_percentage "
                f"{found.change_percentage} is none",
            )
        if isinstance(found, _SpotTicker):
            volume, turnover = found.base_volume, found.quote_volume
        else:
            volume, turnover = found.volume_24h_base, found.volume_24h_quote
        coins = _coins_of(instrument)
        return Ticker(
            time=time,
            price=found.last / coins,
            open=opened / coins,
            high=found.high_24h / coins if found.high_24h else None,
            low=found.low_24h / coins if found.low_24h else None,
            volume=None if volume is None else volume * coins,
            turnover=turnover,
        )

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read candlesticks."""
        params: dict[str, str | int] = {"interval": _INTERVALS[minutes], "limit": count + SPARE}
        length = minutes * 60_000
        if instrument.kind == "spot":
            path = "/api/v4/spot/candlesticks"
            params["currency_pair"] = instrument.symbol
            spot = await self._client.get(path, _SPOT_CANDLES, params)
            coins = _coins_of(instrument)
            candles = [_candle(row, length, _spot_volume(row, coins), coins) for row in spot.value]
            return check_candles(self._client, path, candles, spot.as_of, minutes)
        if instrument.kind == "inverse":
            text = "gate's candles of a contract settled in the coin count dollars, not coins"
            raise VenueError(self.name, "unavailable", text)
        path = f"{_FUTURES[instrument.kind]}/candlesticks"
        params["contract"] = instrument.symbol
        futures = await self._client.get(path, _FUTURES_CANDLES, params)
        unit, coins = instrument.unit, _coins_of(instrument)
        candles = [_candle(row, length, row.size * unit, coins) for row in futures.value]
        return check_candles(self._client, path, candles, futures.as_of, minutes)

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open contracts, which come with the ticker."""
        found, now = await self._futures_ticker(instrument)
        if found.total_size is None:
            raise VenueError(self.name, "unavailable", "tickers: no total_size")
        size = _told_once(found.total_size, instrument)
        if instrument.kind != "inverse":
            return InterestPoint(now, size, None)
        if not found.mark_price:
            raise VenueError(self.name, "unavailable", "tickers: no mark_price")
        return InterestPoint(now, size / found.mark_price, size)

    async def open_interest_history(self, instrument: Instrument) -> tuple[InterestPoint, ...]:
        """Read quarter-hour points of 25 hours."""
        reply = await self._stats(instrument, 15)
        points = (_point(stat, instrument) for stat in reply.value)
        told = (point for point in points if point is not None)
        return tuple(sorted(told, key=lambda point: point.time))

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running interval from the contract."""
        path = f"{_FUTURES[instrument.kind]}/contracts/{instrument.symbol}"
        reply = await self._client.get(path, _CONTRACT)
        found, now = reply.value, self._time(reply)
        hours = (found.funding_interval or 0.0) / 3600
        if found.funding_rate is None or not found.funding_next_apply or not hours:
            raise VenueError(self.name, "unavailable", f"{path}: there is no funding")
        if hours > 24:
            raise VenueError(
                self.name, "bad_payload", f"{path}: funding_interval {found.funding_interval} s"
            )
        return FundingNow(
            time=now,
            rate=found.funding_rate,
            interval_hours=hours,
            next_reset=reset_ahead(self.name, path, found.funding_next_apply * 1000, now, hours),
            mark_price=(found.mark_price or 0.0) / _coins_of(instrument) or None,
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
        return account_ratio(
            self._statistics,
            _stats_path(instrument),
            long=newest.lsr_account,
            short=1.0,
            time=newest.time * 1000,
            minutes=15,
            as_of=reply.as_of,
        )

    async def _stats(self, instrument: Instrument, minutes: int) -> Reply[UsableRows[_Stat]]:
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

    async def _futures_ticker(self, instrument: Instrument) -> tuple[_FuturesTicker, int]:
        path = f"{_FUTURES[instrument.kind]}/tickers"
        params = {"contract": instrument.symbol}
        entry = await self._cache.get(
            _TICKER_NOW,
            (path, instrument.symbol),
            lambda: self._client.get(path, _FUTURES_TICKERS, params),
        )
        found = self._about(path, entry.value.value, instrument.symbol)
        return found, self._time(entry.value)


def _stats_path(instrument: Instrument) -> str:
    return f"{_FUTURES[instrument.kind]}/contract_stats"


def _listed(one: _ListedContract) -> Listed:
    base, quote = one.name.rsplit("_", 1)
    return Listed(one.name, base, quote, one.asset, unit=one.quanto_multiplier or 1.0)


def _open_of(found: _SpotTicker | _FuturesTicker) -> float | None:
    """Return the price 24 h ago: by the change that is told, else by its percentage; None when
    there is none of now.
    """
    if not found.last:
        return None
    if found.change_price is not None and found.change_price < found.last:
        return found.last - found.change_price
    change = found.change_percentage
    return found.last / (1 + change / 100) if change is not None and -100 < change < 1e9 else None


def _told_once(contracts: float, instrument: Instrument) -> float:
    """Return what is open on one side, in coins; of BTC_USD what is told, in dollars."""
    return contracts * instrument.unit / (1 if instrument.kind == "inverse" else 2)


def _point(stat: _Stat, instrument: Instrument) -> InterestPoint | None:
    time, size = stat.time * 1000, _told_once(stat.open_interest, instrument)
    if instrument.kind == "inverse":
        return InterestPoint(time, size / stat.mark_price, size) if stat.mark_price else None
    return InterestPoint(time, size, stat.open_interest_usd and stat.open_interest_usd / 2)


def _coins_of(instrument: Instrument) -> float:
    """Return of how many coins Gate's prices are: a MBABYDOGE is a million of them."""
    if instrument.asset != COIN:
        return 1.0
    return split_multiple(instrument.symbol.rpartition("_")[0])[1]


def _spot_volume(row: _SpotCandle, coins: float) -> float | None:
    """Return the volume in coins; None where it is not told."""
    return None if row.volume is None or isinstance(row.volume, bool) else row.volume * coins


def _candle(
    row: _SpotCandle | _FuturesCandle, length: int, volume: float | None, coins: float
) -> Candle:
    start, turnover = row.start * 1000, row.turnover
    return to_candle(row, start, start + length, volume=volume, turnover=turnover, unit=coins)
