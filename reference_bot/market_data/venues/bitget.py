"""Bitget: spot, USDT-M and coin-M futures (BTCUSD), API v2.

Source: Bitget API v2, spot/market, mix/market (ticker, candles, open interest, current funding
rate), spot/public symbols, mix/market contracts. Answers come in an envelope whose ``code`` is
"00000"; sizes are in coins, of 1000BONK in thousands. A history of open interest is not offered.
Taker volumes and the ratio of accounts (common, trading data) may be asked for once a second each;
they take no limit.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from reference_bot.market_data.errors import Reason, ToldError
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import (
    AccountRatio,
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
from reference_bot.market_data.venues.checks import check_account_ratio, check_candles, check_fresh
from reference_bot.market_data.venues.common import OneApi, index, to_candle
from reference_bot.market_data.venues.fields import Amount, Enveloped, Millis, Price, Rate, Share
from reference_bot.market_data.waiting import together

__all__ = ["Bitget", "explain"]

_SPOT_BARS: Final = {
    1: "1min",
    5: "5min",
    15: "15min",
    30: "30min",
    60: "1h",
    240: "4h",
    1440: "1Dutc",
}
_BARS: Final = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1H", 240: "4H", 1440: "1Dutc"}
_PERIODS: Final = {5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h"}
"""Of the trading data; its days are left out: where they begin is not documented."""
_PRODUCTS: Final[dict[MarketKind, dict[str, str | int]]] = {
    "perp": {"productType": "USDT-FUTURES"},
    "inverse": {"productType": "COIN-FUTURES"},
}


class _Envelope(Struct, frozen=True):
    code: str
    msg: str
    data: msgspec.Raw = msgspec.Raw(b"null")


class _SpotTicker(Struct, frozen=True):
    open: Price
    price: Price = msgspec.field(name="lastPr")
    high: Price = msgspec.field(name="high24h")
    low: Price = msgspec.field(name="low24h")
    volume: Amount = msgspec.field(name="baseVolume")
    turnover: Amount = msgspec.field(name="quoteVolume")
    time: Millis = msgspec.field(name="ts")


class _MixTicker(Struct, frozen=True):
    price: Price = msgspec.field(name="lastPr")
    open: Price = msgspec.field(name="open24h")
    high: Price = msgspec.field(name="high24h")
    low: Price = msgspec.field(name="low24h")
    volume: Amount = msgspec.field(name="baseVolume")
    turnover: Amount = msgspec.field(name="quoteVolume")
    mark: Price = msgspec.field(name="markPrice")
    time: Millis = msgspec.field(name="ts")


class _ListedTicker(Struct, frozen=True):
    """A row of a list; the opening price has another name on either side."""

    symbol: str
    price: Amount = msgspec.field(name="lastPr")
    high: Amount = msgspec.field(name="high24h")
    low: Amount = msgspec.field(name="low24h")
    volume: Amount = msgspec.field(name="baseVolume")
    turnover: Amount = msgspec.field(name="quoteVolume")
    time: Millis = msgspec.field(name="ts")
    open_spot: Amount = msgspec.field(name="open", default=0.0)
    open_mix: Amount = msgspec.field(name="open24h", default=0.0)

    @property
    def open(self) -> float:
        """Return the price 24 h ago; 0 when it was not traded then."""
        return self.open_spot or self.open_mix


class _SpotCandle(Struct, frozen=True, array_like=True):
    start: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Amount
    turnover_usdt: Amount
    turnover: Amount


class _MixCandle(Struct, frozen=True, array_like=True):
    start: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Amount
    turnover: Amount


class _Interest(Struct, frozen=True):
    size: Amount


class _Interests(Struct, frozen=True):
    rows: list[_Interest] = msgspec.field(name="openInterestList")
    time: Millis = msgspec.field(name="ts")


class _Takers(Struct, frozen=True, rename="camel"):
    buy_volume: Amount
    sell_volume: Amount
    ts: Millis


class _Accounts(Struct, frozen=True, rename="camel"):
    """``longShortAccountRatio`` is left alone: documented examples have it differ from these."""

    long_account_ratio: Share
    short_account_ratio: Share
    ts: Millis


class _Funding(Struct, frozen=True):
    rate: Rate = msgspec.field(name="fundingRate")
    hours: Annotated[float, Meta(gt=0, le=24)] = msgspec.field(name="fundingRateInterval")
    next_update: Millis = msgspec.field(name="nextUpdate")


class _Symbol(Struct, frozen=True, rename="camel"):
    symbol: str
    base_coin: str
    quote_coin: str
    status: str = ""
    symbol_status: str = ""
    symbol_type: str = "perpetual"


def _open(envelope: _Envelope) -> msgspec.Raw:
    if envelope.code == "00000":
        return envelope.data
    raise ToldError(*_told(envelope))


def _told(envelope: _Envelope) -> tuple[Reason, str]:
    reason: Reason = "outage"
    if envelope.code == "429":
        reason = "rate_limited"
    elif envelope.code in ("40034", "40309", "40102"):
        reason = "not_listed"
    return reason, f"code {envelope.code}: {envelope.msg}"


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_SPOT_TICKERS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_SpotTicker], strict=False))
_MIX_TICKERS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_MixTicker], strict=False))
_LISTED = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_ListedTicker], strict=False))
_SPOT_CANDLES = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_SpotCandle], strict=False))
_MIX_CANDLES = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_MixCandle], strict=False))
_INTERESTS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(_Interests, strict=False))
_TAKERS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Takers], strict=False))
_ACCOUNTS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Accounts], strict=False))
_FUNDING = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Funding], strict=False))
_SYMBOLS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Symbol]))
_TIME = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(dict[str, str]))


def explain(_status: int, body: bytes) -> tuple[Reason, str] | None:
    """Read ``{"code": "40034", "msg": ...}``; other codes are what their status says."""
    try:
        reason, message = _told(_ENVELOPE.decode(body))
    except msgspec.MsgspecError:
        return None
    return None if reason == "outage" else (reason, message)


def _ticker_of(found: _SpotTicker | _MixTicker | _ListedTicker, unit: float) -> Ticker:
    return Ticker(
        time=found.time,
        price=found.price / unit,
        open=found.open / unit,
        high=found.high / unit,
        low=found.low / unit,
        volume=found.volume * unit,
        turnover=found.turnover,
    )


class Bitget(OneApi):
    """The venue."""

    name = "bitget"
    kinds: tuple[MarketKind, ...] = ("spot", "perp", "inverse")
    time_path = "/api/v2/public/time"
    time_decoder = _TIME
    taker_minutes = frozenset(_PERIODS)

    async def directory(self, kind: MarketKind) -> Directory:
        """Read the symbols that trade."""
        if kind == "spot":
            reply = await self._client.get("/api/v2/spot/public/symbols", _SYMBOLS)
        else:
            reply = await self._client.get(
                "/api/v2/mix/market/contracts", _SYMBOLS, _PRODUCTS[kind]
            )
        return index(
            self.name,
            kind,
            (
                (one.symbol, one.base_coin, one.quote_coin)
                for one in reply.value[1]
                if (one.status == "online" or one.symbol_status == "normal")
                and one.symbol_type == "perpetual"
            ),
        )

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the rolling 24 hours."""
        found: _SpotTicker | _MixTicker
        if instrument.kind == "spot":
            path = "/api/v2/spot/market/tickers"
            spot = await self._client.get(path, _SPOT_TICKERS, {"symbol": instrument.symbol})
            found, as_of = self._first(path, spot.value[1]), spot.as_of
            check_fresh(self.name, path, "ts", found.time, as_of)
        else:
            found = await self._mix_ticker(instrument)
        return _ticker_of(found, instrument.unit)

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the rolling 24 hours of all symbols."""
        path = f"/api/v2/{'spot' if kind == 'spot' else 'mix'}/market/tickers"
        params = None if kind == "spot" else _PRODUCTS[kind]
        reply = await self._client.get(path, _LISTED, params)
        newest = max((row.time for row in reply.value[1]), default=0)
        check_fresh(self.name, path, "ts", newest, reply.as_of)
        known = listed.by_symbol()
        return {
            known[row.symbol].pair: _ticker_of(row, known[row.symbol].unit)
            for row in reply.value[1]
            if row.symbol in known and row.price > 0 and row.open > 0
        }

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read candles."""
        length = minutes * 60_000
        params: dict[str, str | int] = {"symbol": instrument.symbol, "limit": count + 3}
        rows: list[_SpotCandle] | list[_MixCandle]
        if instrument.kind == "spot":
            path = "/api/v2/spot/market/candles"
            params["granularity"] = _SPOT_BARS[minutes]
            spot = await self._client.get(path, _SPOT_CANDLES, params)
            rows, as_of = spot.value[1], spot.as_of
        else:
            path = "/api/v2/mix/market/candles"
            params |= {**_PRODUCTS[instrument.kind], "granularity": _BARS[minutes]}
            mix = await self._client.get(path, _MIX_CANDLES, params)
            rows, as_of = mix.value[1], mix.as_of
        unit = instrument.unit
        candles = [
            to_candle(
                row,
                row.start,
                row.start + length,
                volume=row.volume * unit,
                turnover=row.turnover,
                unit=unit,
            )
            for row in rows
        ]
        return check_candles(self.name, path, candles, as_of, minutes)

    async def taker_volumes(self, instrument: Instrument, minutes: int) -> TakerVolumes:
        """Read the coins that takers bought and sold."""
        params = {"symbol": instrument.symbol, "period": _PERIODS[minutes]}
        path = "/api/v2/mix/market/taker-buy-sell"
        reply = await self._statistics.get(path, _TAKERS, params)
        unit = instrument.unit
        periods = tuple(
            TakerVolume(row.ts, row.buy_volume * unit, row.sell_volume * unit)
            for row in reply.value[1]
        )
        return TakerVolumes(reply.as_of or self._client.now(), minutes * 60_000, periods)

    async def account_ratio(self, instrument: Instrument) -> AccountRatio:
        """Read the newest count."""
        params = {"symbol": instrument.symbol, "period": "5m"}
        path = "/api/v2/mix/market/account-long-short"
        reply = await self._statistics.get(path, _ACCOUNTS, params)
        rows = sorted(reply.value[1], key=lambda row: row.ts, reverse=True)
        found = self._first(path, rows)
        long, short = found.long_account_ratio, found.short_account_ratio
        ratio = AccountRatio(found.ts, long / short, long, 5)
        return check_account_ratio(self.name, path, ratio, reply.as_of)

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open interest in coins."""
        path = "/api/v2/mix/market/open-interest"
        params = {**_PRODUCTS[instrument.kind], "symbol": instrument.symbol}
        reply = await self._client.get(path, _INTERESTS, params)
        found = reply.value[1]
        check_fresh(self.name, path, "ts", found.time, reply.as_of)
        size = self._first(path, found.rows).size
        return InterestPoint(found.time, size * instrument.unit, None)

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running interval, and beside it the mark price."""
        path = "/api/v2/mix/market/current-fund-rate"
        params = {**_PRODUCTS[instrument.kind], "symbol": instrument.symbol}
        reply, ticker = await together(
            self._client.get(path, _FUNDING, params), self._mix_ticker(instrument)
        )
        found = self._first(path, reply.value[1])
        mark = ticker.mark / instrument.unit
        return FundingNow(ticker.time, found.rate, found.hours, found.next_update, mark)

    async def _mix_ticker(self, instrument: Instrument) -> _MixTicker:
        path = "/api/v2/mix/market/ticker"
        params = {**_PRODUCTS[instrument.kind], "symbol": instrument.symbol}
        reply = await self._client.get(path, _MIX_TICKERS, params)
        found = self._first(path, reply.value[1])
        check_fresh(self.name, path, "ts", found.time, reply.as_of)
        return found
