"""OKX: spot (BTC-USDT), swaps margined in USDT (BTC-USDT-SWAP) and in the coin (BTC-USD-SWAP), v5.

Source: OKX API v5, public data and market data, trading statistics (open interest history). Answers
come in an envelope whose ``code`` is "0"; lists begin with the newest. Swaps count contracts of
``ctVal`` coins, inverse ones of ``ctVal`` dollars; the ticker of the former tells no turnover.
Candles say themselves whether they are closed.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec
from msgspec import Struct

from reference_bot.market_data.errors import Reason, ToldError, VenueError
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
from reference_bot.market_data.venues.common import OneApi, to_candle
from reference_bot.market_data.venues.fields import Amount, Enveloped, Millis, Price, Rate
from reference_bot.market_data.waiting import together

__all__ = ["Okx"]

_BARS: Final = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1H", 240: "4H", 1440: "1Dutc"}
_TYPES: Final[dict[MarketKind, str]] = {"spot": "SPOT", "perp": "SWAP", "inverse": "SWAP"}
_CONTRACT_TYPES: Final[dict[MarketKind, str]] = {"perp": "linear", "inverse": "inverse"}
_HOUR: Final = 3_600_000


class _Envelope(Struct, frozen=True):
    code: str
    msg: str
    data: msgspec.Raw = msgspec.Raw(b"[]")


class _Ticker(Struct, frozen=True):
    last: Price
    open: Price = msgspec.field(name="open24h")
    high: Price = msgspec.field(name="high24h")
    low: Price = msgspec.field(name="low24h")
    vol: Amount = msgspec.field(name="vol24h")
    vol_ccy: Amount = msgspec.field(name="volCcy24h")
    time: Millis = msgspec.field(name="ts")


class _ListedTicker(Struct, frozen=True, rename="camel"):
    """A row of the list: what has not traded yet has empty texts for prices."""

    inst_id: str
    last: str
    open: str = msgspec.field(name="open24h")
    high: str = msgspec.field(name="high24h")
    low: str = msgspec.field(name="low24h")
    vol: str = msgspec.field(name="vol24h")
    vol_ccy: str = msgspec.field(name="volCcy24h")
    time: str = msgspec.field(name="ts")


class _Candle(Struct, frozen=True, array_like=True):
    start: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    vol: Amount
    vol_ccy: Amount
    vol_quote: Amount
    confirm: str


class _Interest(Struct, frozen=True):
    amount: Amount = msgspec.field(name="oiCcy")
    value: Amount = msgspec.field(name="oiUsd")
    time: Millis = msgspec.field(name="ts")


class _Point(Struct, frozen=True, array_like=True):
    time: Millis
    contracts: Amount
    amount: Amount
    value: Amount


class _Takers(Struct, frozen=True, array_like=True):
    """Sold comes before bought."""

    start: Millis
    sell: Amount
    buy: Amount


class _Ratio(Struct, frozen=True, array_like=True):
    time: Millis
    ratio: Price


class _Funding(Struct, frozen=True):
    rate: Rate = msgspec.field(name="fundingRate")
    settles: Millis = msgspec.field(name="fundingTime")
    after: Millis = msgspec.field(name="nextFundingTime")
    time: Millis = msgspec.field(name="ts")


class _Mark(Struct, frozen=True):
    price: Price = msgspec.field(name="markPx")


class _Instrument(Struct, frozen=True, rename="camel"):
    inst_id: str
    state: str
    base_ccy: str = ""
    quote_ccy: str = ""
    ct_type: str = ""
    ct_val: str = ""
    ct_val_ccy: str = ""
    settle_ccy: str = ""


def _open(envelope: _Envelope) -> msgspec.Raw:
    if envelope.code == "0":
        return envelope.data
    raise ToldError(_reason(envelope.code), f"code {envelope.code}: {envelope.msg}")


def _reason(code: str) -> Reason:
    if code in ("50011", "50061"):
        return "rate_limited"
    return "not_listed" if code == "51001" else "outage"


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_TICKER = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Ticker], strict=False))
_LISTED = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_ListedTicker]))
_CANDLES = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Candle], strict=False))
_INTEREST = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Interest], strict=False))
_POINTS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Point], strict=False))
_TAKERS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Takers], strict=False))
_RATIOS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Ratio], strict=False))
_FUNDING = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Funding], strict=False))
_MARK = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Mark], strict=False))
_INSTRUMENTS = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[_Instrument]))
_TIME = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[dict[str, str]]))


def _checked(row: _ListedTicker) -> _Ticker:
    """Read a row's texts as the numbers that they are to be."""
    return msgspec.convert(
        {
            "last": row.last,
            "open24h": row.open,
            "high24h": row.high,
            "low24h": row.low,
            "vol24h": row.vol,
            "volCcy24h": row.vol_ccy,
            "ts": row.time,
        },
        _Ticker,
        strict=False,
    )


def _told(found: _Ticker, instrument: Instrument) -> Ticker:
    kind = instrument.kind
    turnover = {"spot": found.vol_ccy, "inverse": found.vol * instrument.unit}.get(kind)
    return Ticker(
        time=found.time,
        price=found.last,
        open=found.open,
        high=found.high,
        low=found.low,
        volume=found.vol if kind == "spot" else found.vol_ccy,
        turnover=turnover,
    )


class Okx(OneApi):
    """The venue."""

    name = "okx"
    kinds: tuple[MarketKind, ...] = ("spot", "perp", "inverse")
    time_path = "/api/v5/public/time"
    time_decoder = _TIME
    taker_minutes = frozenset({5, 15, 30, 60, 240, 1440})

    async def directory(self, kind: MarketKind) -> Directory:
        """Read the instruments that trade; ``unit`` is a contract's coins or dollars."""
        params = {"instType": _TYPES[kind]}
        reply = await self._client.get("/api/v5/public/instruments", _INSTRUMENTS, params)
        found: dict[Pair, Instrument] = {}
        for one in reply.value[1]:
            if one.state != "live":
                continue
            if kind == "spot":
                pair = Pair(one.base_ccy, one.quote_ccy)
                found[pair] = Instrument(self.name, kind, pair, one.inst_id)
            elif one.ct_type == _CONTRACT_TYPES[kind]:
                pair = Pair(one.ct_val_ccy, one.settle_ccy)
                if kind == "inverse":  # it counts dollars and settles in the coin
                    pair = Pair(pair.quote, pair.base)
                found[pair] = Instrument(self.name, kind, pair, one.inst_id, float(one.ct_val))
        return Directory(found)

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the rolling 24 hours: volumes of spot in base and quote, of swaps in base and
        contracts.
        """
        path = "/api/v5/market/ticker"
        reply = await self._client.get(path, _TICKER, {"instId": instrument.symbol})
        found = self._first(path, reply.value[1])
        check_fresh(self.name, path, "ts", found.time, reply.as_of)
        return _told(found, instrument)

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the rolling 24 hours of all instruments."""
        path = "/api/v5/market/tickers"
        reply = await self._client.get(path, _LISTED, {"instType": _TYPES[kind]})
        known = listed.by_symbol()
        try:
            found = {
                known[row.inst_id].pair: _told(_checked(row), known[row.inst_id])
                for row in reply.value[1]
                if row.inst_id in known and row.last and row.open
            }
        except msgspec.ValidationError as error:
            raise VenueError(self.name, "bad_payload", f"{path}: {error}") from None
        newest = max((ticker.time for ticker in found.values()), default=0)
        check_fresh(self.name, path, "ts", newest, reply.as_of)
        return found

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read candles, turned round to begin with the oldest."""
        path = "/api/v5/market/candles"
        params: dict[str, str | int] = {
            "instId": instrument.symbol,
            "bar": _BARS[minutes],
            "limit": min(count + 3, 300),
        }
        reply = await self._client.get(path, _CANDLES, params)
        spot, length = instrument.kind == "spot", minutes * 60_000
        rows = list(reversed(reply.value[1]))
        candles = [
            to_candle(
                row,
                row.start,
                row.start + length,
                volume=row.vol if spot else row.vol_ccy,
                turnover=row.vol_quote,
            )
            for row in rows
        ]
        checked = check_candles(self.name, path, candles, reply.as_of, minutes)
        confirmed = {row.start for row in rows if row.confirm == "1"}
        closed = tuple(candle for candle in checked.closed if candle.start in confirmed)
        return Candles(checked.as_of, closed)

    async def taker_volumes(self, instrument: Instrument, minutes: int) -> TakerVolumes:
        """Read what takers bought and sold, in coins (``unit`` 0) and beside it in USDT (2)."""
        path = "/api/v5/rubik/stat/taker-volume-contract"
        params: dict[str, str | int] = {
            "instId": instrument.symbol,
            "period": _BARS[minutes],
            "limit": 100,
        }
        coins, quote = await together(
            self._statistics.get(path, _TAKERS, params | {"unit": "0"}),
            self._statistics.get(path, _TAKERS, params | {"unit": "2"}),
        )
        spent = {row.start: row for row in quote.value[1]}
        periods = tuple(
            TakerVolume(row.start, row.buy, row.sell, spent[row.start].buy, spent[row.start].sell)
            for row in coins.value[1]
            if row.start in spent
        )
        as_of = coins.as_of or self._client.now()
        return TakerVolumes(as_of, minutes * 60_000, periods)

    async def account_ratio(self, instrument: Instrument) -> AccountRatio:
        """Read the newest count; the shares follow from the ratio."""
        path = "/api/v5/rubik/stat/contracts/long-short-account-ratio-contract"
        params: dict[str, str | int] = {"instId": instrument.symbol, "period": "5m", "limit": 1}
        reply = await self._statistics.get(path, _RATIOS, params)
        found = self._first(path, reply.value[1])
        share = found.ratio / (1 + found.ratio)
        ratio = AccountRatio(found.time, found.ratio, share, 5)
        return check_account_ratio(self.name, path, ratio, reply.as_of)

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open interest in coins and its value."""
        path = "/api/v5/public/open-interest"
        params = {"instType": "SWAP", "instId": instrument.symbol}
        reply = await self._client.get(path, _INTEREST, params)
        found = self._first(path, reply.value[1])
        check_fresh(self.name, path, "ts", found.time, reply.as_of)
        return InterestPoint(found.time, found.amount, found.value)

    async def open_interest_history(self, instrument: Instrument) -> tuple[InterestPoint, ...]:
        """Read quarter-hour points of a little over 24 hours."""
        path = "/api/v5/rubik/stat/contracts/open-interest-history"
        params: dict[str, str | int] = {
            "instId": instrument.symbol,
            "period": "15m",
            "limit": 100,
        }
        reply = await self._client.get(path, _POINTS, params)
        return tuple(
            InterestPoint(point.time, point.amount, point.value)
            for point in reversed(reply.value[1])
        )

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running interval, and beside it the mark price."""
        path = "/api/v5/public/funding-rate"
        marks = "/api/v5/public/mark-price"
        symbol = instrument.symbol
        reply, mark = await asyncio.gather(
            self._client.get(path, _FUNDING, {"instId": symbol}),
            self._client.get(marks, _MARK, {"instType": "SWAP", "instId": symbol}),
        )
        found = self._first(path, reply.value[1])
        marked = self._first(marks, mark.value[1])
        check_fresh(self.name, path, "ts", found.time, reply.as_of)
        hours = (found.after - found.settles) / _HOUR
        if not 0 < hours <= 24:
            raise VenueError(
                self.name, "bad_payload", f"{path}: settlements {hours:g} h apart; expected 1 to 24"
            )
        return FundingNow(found.time, found.rate, hours, found.settles, marked.price)
