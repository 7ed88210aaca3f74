"""OKX: spot (BTC-USDT), swaps margined in USDT (BTC-USDT-SWAP) and in the coin (BTC-USD-SWAP), v5.

Source: OKX API v5, public data and market data, trading statistics (open interest history). Answers
come in an envelope whose ``code`` is "0"; lists begin with the newest. Swaps count contracts of
``ctVal`` x ``ctMult`` coins, inverse ones of as many dollars; the ticker of the former tells no
turnover. Candles say themselves whether they are closed. The newest row of the taker statistics is
written again for some minutes after its end.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from reference_bot.market_data.decoding import Enveloped, Rows, UsableRows
from reference_bot.market_data.errors import Reason, Refusal, RefusalError, VenueError
from reference_bot.market_data.limits import PaceRule
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import (
    COIN,
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
from reference_bot.market_data.venues.checks import (
    account_ratio,
    check_candles,
    check_fresh,
    reset_ahead,
)
from reference_bot.market_data.venues.common import (
    SPARE,
    Listed,
    OneApi,
    index,
    listed_rows,
    to_candle,
)
from reference_bot.market_data.venues.fields import Amount, Millis, Price, Rate
from reference_bot.market_data.waiting import together

T = TypeVar("T")

RATES: Final = (
    PaceRule("/api/v5/rubik/stat/taker-volume-contract", 5, 2.0, "instId"),
    PaceRule("/api/v5/rubik/stat/contracts/long-short-account-ratio-contract", 5, 2.0, "instId"),
    PaceRule("/api/v5/rubik/stat/contracts/open-interest-history", 10, 2.0, "instId"),
    PaceRule("/api/v5/public/mark-price", 10, 2.0, "instId"),
    PaceRule("/api/v5/public/open-interest", 20, 2.0, "instId"),
    PaceRule("/api/v5/public/funding-rate", 10, 2.0, "instId"),
    PaceRule("/api/v5/public/instruments", 20, 2.0, "instType"),
    PaceRule("/api/v5/market/candles", 40, 2.0),
    PaceRule("/api/v5/market/tickers", 20, 2.0),
    PaceRule("/api/v5/market/ticker", 20, 2.0),
)
"""Of one address: at some endpoints for each instrument, or for each type of them."""
_ASSETS: Final = {"1": COIN, "3": "stock", "4": "commodity", "5": "forex", "6": "bond"}

_NOT_TRADING: Final = frozenset(
    ["50047", "51021", "51022", "51024", "51027", "51028", "51029", "51030", "51155", "54072"]
)
"""Of a contract: it has been settled, is to be listed, suspended, expired, being delivered or
settled, its funding is, it may only be looked at, or is not offered in this place."""
_NOT_SERVED: Final = frozenset({"50051", "50121"})
"""This place or address is not served."""
_BARS: Final = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1H", 240: "4H", 1440: "1Dutc"}
_TYPES: Final[dict[MarketKind, str]] = {"spot": "SPOT", "perp": "SWAP", "inverse": "SWAP"}
_CONTRACT_TYPES: Final[dict[MarketKind, str]] = {"perp": "linear", "inverse": "inverse"}
_HOUR: Final = 3_600_000


class _Envelope(Struct, frozen=True):
    code: str | int
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"[]")


class _Ticker(Struct, frozen=True):
    """A row. What has not traded yet has empty texts for prices."""

    symbol: str = msgspec.field(name="instId")
    time: Millis = msgspec.field(name="ts")
    last: Amount | None = None
    open: Amount | None = msgspec.field(name="open24h", default=None)
    high: Amount | None = msgspec.field(name="high24h", default=None)
    low: Amount | None = msgspec.field(name="low24h", default=None)
    vol: Amount | None = msgspec.field(name="vol24h", default=None)
    vol_ccy: Amount | None = msgspec.field(name="volCcy24h", default=None)


class _Candle(Struct, frozen=True, array_like=True):
    start: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    vol: Amount
    vol_ccy: Amount
    vol_quote: Amount | None = None  # this column and the next came in 2022
    confirm: str = ""


class _Interest(Struct, frozen=True):
    symbol: str = msgspec.field(name="instId")
    time: Millis = msgspec.field(name="ts")
    amount: Amount | None = msgspec.field(name="oiCcy", default=None)
    contracts: Amount | None = msgspec.field(name="oi", default=None)
    value: Amount | None = msgspec.field(name="oiUsd", default=None)


class _Point(Struct, frozen=True, array_like=True):
    time: Millis
    contracts: Amount
    amount: Amount
    value: Amount | None = None


class _Takers(Struct, frozen=True, array_like=True):
    """Sold comes before bought."""

    start: Millis
    sell: Amount
    buy: Amount


class _Ratio(Struct, frozen=True, array_like=True):
    time: Millis
    ratio: Price


class _Funding(Struct, frozen=True):
    """``settles`` ends the running interval, which began at ``before``."""

    symbol: str = msgspec.field(name="instId")
    rate: Rate | None = msgspec.field(name="fundingRate", default=None)
    settles: int | None = msgspec.field(name="fundingTime", default=None)
    before: int | None = msgspec.field(name="prevFundingTime", default=None)
    after: int | None = msgspec.field(name="nextFundingTime", default=None)
    time: Millis | None = msgspec.field(name="ts", default=None)

    @property
    def hours(self) -> float:
        """Return how long the running interval is, else the next one; 0 when neither is told."""
        if not self.settles:
            return 0.0
        if self.before:
            return (self.settles - self.before) / _HOUR
        return (self.after - self.settles) / _HOUR if self.after else 0.0


class _Mark(Struct, frozen=True):
    symbol: str = msgspec.field(name="instId")
    price: Amount | None = msgspec.field(name="markPx", default=None)


class _Instrument(Struct, frozen=True, rename="camel"):
    """What is not live yet may lack the rest."""

    inst_id: str
    state: str
    base_ccy: str | None = None
    quote_ccy: str | None = None
    ct_type: str | None = None
    ct_val: Price | None = None
    ct_mult: Price | None = None
    ct_val_ccy: str | None = None
    settle_ccy: str | None = None
    inst_category: str | None = None
    rule_type: str | None = None

    @property
    def asset(self) -> str:
        """Say what the base is; older answers tell no category, of coins alone."""
        category = self.inst_category or "1"
        kind = _ASSETS.get(category, f"asset of category {category}")
        return f"pre-launch {kind}" if self.rule_type == "pre_market" else kind


def _open(envelope: _Envelope) -> msgspec.Raw:
    if str(envelope.code) == "0":
        return envelope.data
    raise RefusalError(_refusal(envelope))


def _refusal(envelope: _Envelope) -> Refusal:
    place = str(envelope.code) in _NOT_SERVED
    return Refusal(_reason(envelope), f"code {envelope.code}: {envelope.msg}", place=place)


def _reason(envelope: _Envelope) -> Reason:
    code = str(envelope.code)
    if code in ("50011", "50040", "50061"):
        return "rate_limited"
    if code in _NOT_TRADING:
        return "unavailable"
    if code in _NOT_SERVED:
        return "refused"
    unknown = code == "51000" and "inst" in envelope.msg.lower()
    return "not_listed" if unknown or code in ("51001", "51014", "51015", "54007") else "outage"


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def _rows(kind: type[T]) -> Enveloped[_Envelope, UsableRows[T]]:
    return Enveloped(_ENVELOPE, _open, Rows[T](kind))


_TICKERS = _rows(_Ticker)
_CANDLES = _rows(_Candle)
_INTEREST = _rows(_Interest)
_POINTS = _rows(_Point)
_TAKERS = _rows(_Takers)
_RATIOS = _rows(_Ratio)
_FUNDING = _rows(_Funding)
_MARK = _rows(_Mark)
_INSTRUMENTS = _rows(_Instrument)
_TIME = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(list[dict[str, msgspec.Raw]]))


def explain(_status: int, body: bytes) -> Refusal | None:
    """Read an envelope that comes with an error's status."""
    try:
        envelope = _ENVELOPE.decode(body)
    except msgspec.MsgspecError:
        return None
    refusal = _refusal(envelope)
    return None if refusal.reason == "outage" else refusal


def _ticker(found: _Ticker, instrument: Instrument) -> Ticker:
    kind, turnover = instrument.kind, None
    if kind == "spot":
        turnover = found.vol_ccy
    elif kind == "inverse" and found.vol is not None:
        turnover = found.vol * instrument.unit
    return Ticker(
        time=found.time,
        price=found.last or 0.0,
        open=found.open or 0.0,
        high=found.high or None,
        low=found.low or None,
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
    taker_periods = 99

    async def directory(self, kind: MarketKind) -> Directory:
        """Read the instruments that trade; ``unit`` is a contract's coins or dollars."""
        params = {"instType": _TYPES[kind]}
        reply = await self._client.get("/api/v5/public/instruments", _INSTRUMENTS, params)
        rows = (_listed(one, kind) for one in reply.value[1] if one.state == "live")
        return index(self.name, kind, (row for row in rows if row is not None))

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the rolling 24 hours: volumes of spot in base and quote, of swaps in base and
        contracts.
        """
        path = "/api/v5/market/ticker"
        reply = await self._client.get(path, _TICKERS, {"instId": instrument.symbol})
        found = self._about(path, reply.value[1], instrument.symbol)
        check_fresh(self.name, path, "ts", found.time, reply.as_of)
        if not (found.last and found.open):
            text = f"{path}: {instrument.symbol} has no price, or none of 24 h ago"
            raise VenueError(self.name, "unavailable", text)
        return _ticker(found, instrument)

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the rolling 24 hours of all instruments."""
        path = "/api/v5/market/tickers"
        reply = await self._client.get(path, _TICKERS, {"instType": _TYPES[kind]})
        rows = listed_rows(self.name, path, reply.value[1])
        check_fresh(self.name, path, "ts", max(row.time for row in rows), reply.as_of)
        known = listed.by_symbol()
        return {
            known[row.symbol].pair: _ticker(row, known[row.symbol])
            for row in rows
            if row.symbol in known and row.last and row.open
        }

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read candles."""
        path = "/api/v5/market/candles"
        params: dict[str, str | int] = {
            "instId": instrument.symbol,
            "bar": _BARS[minutes],
            "limit": min(count + SPARE, 300),
        }
        reply = await self._client.get(path, _CANDLES, params)
        spot, length = instrument.kind == "spot", minutes * 60_000
        rows = reply.value[1]
        candles = [
            to_candle(
                row,
                row.start,
                row.start + length,
                volume=row.vol if spot else row.vol_ccy,
                turnover=row.vol_ccy if spot and row.vol_quote is None else row.vol_quote,
            )
            for row in rows
        ]
        checked = check_candles(self._client, path, candles, reply.as_of, minutes)
        newest = max(row.start for row in rows)  # what came before it is closed, whatever it says
        still_open = {row.start for row in rows if row.confirm == "0" and row.start == newest}
        closed = tuple(candle for candle in checked.closed if candle.start not in still_open)
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
        if not reply.value[1]:
            raise VenueError(self.name, "unavailable", f"{path}: the list is empty")
        found = max(reply.value[1], key=lambda row: row.time)
        return account_ratio(
            self._statistics,
            path,
            long=found.ratio,
            short=1.0,
            time=found.time,
            minutes=5,
            as_of=reply.as_of,
        )

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open interest in coins and its value."""
        path = "/api/v5/public/open-interest"
        params = {"instType": "SWAP", "instId": instrument.symbol}
        reply = await self._client.get(path, _INTEREST, params)
        found = self._about(path, reply.value[1], instrument.symbol)
        check_fresh(self.name, path, "ts", found.time, reply.as_of)
        amount = found.amount
        if amount is None and instrument.kind == "perp" and found.contracts is not None:
            amount = found.contracts * instrument.unit
        if amount is None:
            raise VenueError(self.name, "unavailable", f"{path}: no oiCcy")
        return InterestPoint(found.time, amount, found.value)

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
            for point in sorted(reply.value[1], key=lambda point: point.time)
        )

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running interval, and beside it the mark price."""
        path = "/api/v5/public/funding-rate"
        marks = "/api/v5/public/mark-price"
        symbol = instrument.symbol
        reply, mark = await together(
            self._client.get(path, _FUNDING, {"instId": symbol}),
            self._client.get(marks, _MARK, {"instType": "SWAP", "instId": symbol}),
        )
        found = self._about(path, reply.value[1], symbol)
        marked = self._about(marks, mark.value[1], symbol).price if mark.value[1] else None
        now = found.time or reply.as_of or self._client.now()
        check_fresh(self.name, path, "ts", now, reply.as_of)
        hours = found.hours
        if found.rate is None or not found.settles or not hours:
            text = f"{path}: {symbol} has no rate, no next reset or no interval"
            raise VenueError(self.name, "unavailable", text)
        if not 0 < hours <= 24:
            raise VenueError(
                self.name, "bad_payload", f"{path}: settlements {hours:g} h apart; expected 1 to 24"
            )
        reset = reset_ahead(self.name, path, found.settles, now, hours)
        return FundingNow(now, found.rate, hours, reset, marked or None)


def _listed(one: _Instrument, kind: MarketKind) -> Listed | None:
    """Return what an instrument is of the asked kind; None when it is of another one."""
    if kind == "spot":
        if not one.base_ccy or not one.quote_ccy:
            return None
        return Listed(one.inst_id, one.base_ccy, one.quote_ccy, one.asset)
    base, quote = one.ct_val_ccy, one.settle_ccy
    if one.ct_type != _CONTRACT_TYPES[kind] or not (one.ct_val and base and quote):
        return None
    if kind == "inverse":  # it counts dollars and settles in the coin
        base, quote = quote, base
    unit = one.ct_val * (one.ct_mult or 1.0)
    return Listed(one.inst_id, base, quote, one.asset, unit=unit)
