"""Bybit: spot, USDT perpetuals (``linear``) and perpetuals margined in the coin (``inverse``), v5.

Source: Bybit API v5, market: Get Tickers, Get Kline, Get Open Interest, Get Instruments Info.
Answers come in an envelope whose ``retCode`` is 0; lists begin with the newest. Sizes of linear
contracts are in the symbol's base coin (SHIB1000 and 1000PEPE are a thousand coins), those of
inverse ones in dollars, with the turnover in coins. ``openInterest`` is the sum of both sides,
``singleOpenInterest``, where it is told, one of them. Taker volumes are not offered.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import unquote

import msgspec
from msgspec import Struct

from reference_bot.market_data.decoding import Enveloped, Inside, Rows, UsableRows
from reference_bot.market_data.errors import Reason, Refusal, RefusalError, VenueError
from reference_bot.market_data.http import Reply
from reference_bot.market_data.keeping import Field
from reference_bot.market_data.limits import PaceRule
from reference_bot.market_data.symbols import Pair
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
    Ticker,
)
from reference_bot.market_data.venues.checks import (
    account_ratio,
    check_candles,
    check_fresh,
    reset_ahead,
)
from reference_bot.market_data.venues.common import (
    COIN_WORDS,
    SPARE,
    Listed,
    OneApi,
    index,
    listed_rows,
    to_candle,
)
from reference_bot.market_data.venues.fields import Amount, Millis, Moment, Price, Rate, in_millis
from reference_bot.market_data.waiting import together

T = TypeVar("T")

RATES: Final = (PaceRule("/v5/", 600, 5.0),)
"""Of one address, over all endpoints."""

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


_ZONES: Final = COIN_WORDS | {"innovation", "adventure"}
_ASSETS: Final = {"etf": "ETF", "xstocks": "stock"}
_MOST_PAGES: Final = 10
_NOT_SERVED: Final = (10009, 10024)
"""This address is banned, or this place not served."""


class _Envelope(Struct, frozen=True, rename="camel"):
    ret_code: int
    ret_msg: str = ""
    time: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"{}")


class _Ticker(Struct, frozen=True):
    """A row. What has not traded yet has prices of zero; a number that there is none of is an empty
    text.
    """

    symbol: str
    last: Amount | None = msgspec.field(name="lastPrice")
    open: Amount | None = msgspec.field(name="prevPrice24h", default=None)
    high: Amount | None = msgspec.field(name="highPrice24h", default=None)
    low: Amount | None = msgspec.field(name="lowPrice24h", default=None)
    volume: Amount | None = msgspec.field(name="volume24h", default=None)
    turnover: Amount | None = msgspec.field(name="turnover24h", default=None)
    mark: Amount | None = msgspec.field(name="markPrice", default=None)
    both: Amount | None = msgspec.field(name="openInterest", default=None)
    both_value: Amount | None = msgspec.field(name="openInterestValue", default=None)
    one: Amount | None = msgspec.field(name="singleOpenInterest", default=None)
    one_value: Amount | None = msgspec.field(name="singleOpenInterestValue", default=None)
    rate: Rate | None = msgspec.field(name="fundingRate", default=None)
    next_funding: int | None = msgspec.field(name="nextFundingTime", default=None)
    hours: float | None = msgspec.field(name="fundingIntervalHour", default=None)


class _List(Struct, frozen=True, rename="camel"):
    """What every list comes in."""

    rows: msgspec.Raw = msgspec.field(name="list")
    next_page_cursor: str | None = None


class _Kline(Struct, frozen=True, array_like=True):
    start: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Amount
    turnover: Amount


class _Point(Struct, frozen=True, rename="camel"):
    """A row; the oldest of a page may tell its time in seconds, beside others in ms."""

    timestamp: Moment
    open_interest: Amount | None = None
    single_open_interest: Amount | None = None


class _Accounts(Struct, frozen=True, rename="camel"):
    buy_ratio: Amount
    sell_ratio: Amount
    timestamp: Millis


class _Symbol(Struct, frozen=True, rename="camel"):
    symbol: str
    base_coin: str
    quote_coin: str
    status: str
    contract_type: str | None = None
    symbol_type: str | None = None
    full_name: str | None = None
    is_pre_listing: bool | None = None
    funding_interval: float | None = None
    """In minutes."""

    @property
    def asset(self) -> str:
        """Say what the base is: a coin has no type, or that of a zone for young ones."""
        kind = (self.symbol_type or "").lower()
        kind = COIN if kind in _ZONES else _ASSETS.get(kind, kind)
        return f"pre-launch {kind}" if self.is_pre_listing else kind


class _Page(NamedTuple):
    """A page of the listing, and where the next one begins: told as it stands in an address,
    ``first%3D0GUSDT%26last%3DZRXUSDT``.
    """

    rows: UsableRows[_Symbol]
    cursor: str


class _Pages:
    """Decodes a page: its rows, and its cursor."""

    def decode(self, body: bytes, /) -> _Page:
        """Return the page."""
        page = _LIST.decode(body)
        return _Page(_SYMBOL_ROWS.decode(page.rows), page.next_page_cursor or "")


def _open(envelope: _Envelope) -> msgspec.Raw:
    if envelope.ret_code == 0:
        return envelope.result
    raise RefusalError(_refusal(envelope))


def _refusal(envelope: _Envelope) -> Refusal:
    message = f"retCode {envelope.ret_code}: {envelope.ret_msg}"
    return Refusal(_reason(envelope), message, place=envelope.ret_code in _NOT_SERVED)


def _reason(envelope: _Envelope) -> Reason:
    code = envelope.ret_code
    if code in (429, 10006, 10018, 10429):
        return "rate_limited"
    if code in _NOT_SERVED:
        return "refused"
    if code == 110074:  # the contract is not live
        return "unavailable"
    unknown = code == 10001 and "symbol" in envelope.ret_msg.lower()
    return "not_listed" if unknown or code in (10029, 170121) else "outage"


_ENVELOPE = msgspec.json.Decoder(_Envelope, strict=False)
_LIST = msgspec.json.Decoder(_List)
_SYMBOL_ROWS = Rows[_Symbol](_Symbol)


def _rows(kind: type[T]) -> Enveloped[_Envelope, UsableRows[T]]:
    return Enveloped(_ENVELOPE, _open, Inside(_LIST, "rows", Rows[T](kind)))


_TICKERS = _rows(_Ticker)
_KLINES = _rows(_Kline)
_POINTS = _rows(_Point)
_ACCOUNTS = _rows(_Accounts)
_SYMBOLS = Enveloped(_ENVELOPE, _open, _Pages())
_TIME = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(dict[str, msgspec.Raw]))


def explain(status: int, body: bytes) -> Refusal | None:
    """Read an envelope that comes with an error's status; 403 says that it was asked too often."""
    if status == 403 and b"frequent" in body:
        return Refusal("rate_limited", "access too frequent")
    try:
        refusal = _refusal(_ENVELOPE.decode(body))
    except msgspec.MsgspecError:
        return None
    return None if refusal.reason == "outage" else refusal


def tells_limit(headers: Mapping[str, str], as_of: int | None) -> tuple[float, float] | None:
    """Read how many calls are left of those that an endpoint takes, and until when."""
    limit, left = headers.get("x-bapi-limit", ""), headers.get("x-bapi-limit-status", "")
    if not (limit.isdigit() and left.isdigit() and int(limit)):
        return None
    reset = headers.get("x-bapi-limit-reset-timestamp", "")
    rest = (int(reset) - as_of) / 1000 if reset.isdigit() and as_of else 1.0
    return 1 - int(left) / int(limit), min(5.0, max(1.0, rest))


# ticker, open interest and funding are one answer: whoever asks at the same time shares it
_NOW: Final[Field[Reply[tuple[_Envelope, UsableRows[_Ticker]]]]] = Field("bybit.tickers", 1.0)


class Bybit(OneApi):
    """The venue. ``cache`` lets the parts of one answer share one call."""

    name = "bybit"
    kinds: tuple[MarketKind, ...] = ("spot", "perp", "inverse")
    time_path = "/v5/market/time"
    time_decoder = _TIME

    async def directory(self, kind: MarketKind) -> Directory:
        """Read the symbols that trade, page by page."""
        params: dict[str, str | int] = {"category": _CATEGORIES[kind], "limit": 1000}
        found: list[_Symbol] = []
        asked = ""
        for _ in range(_MOST_PAGES):
            reply = await self._client.get("/v5/market/instruments-info", _SYMBOLS, params)
            page = reply.value[1]
            found += page.rows
            if not page.cursor or page.cursor == asked:
                break
            asked = page.cursor
            params["cursor"] = unquote(asked)  # httpx escapes it again: twice would be another one
        return index(
            self.name,
            kind,
            (
                Listed(
                    one.symbol,
                    one.base_coin,
                    one.quote_coin,
                    one.asset,
                    one.full_name or "",
                    (one.funding_interval or 0) / 60 or None,
                )
                for one in found
                if one.status == "Trading" and (one.contract_type or None) == _TYPES[kind]
            ),
        )

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the rolling 24 hours."""
        time, found = await self._now(instrument)
        if not (found.last and found.open):
            text = f"/v5/market/tickers: {instrument.symbol} has no price, or none of 24 h ago"
            raise VenueError(self.name, "unavailable", text)
        return _ticker(found, time, instrument)

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the rolling 24 hours of all symbols."""
        params: dict[str, str | int] = {"category": _CATEGORIES[kind]}
        reply = await self._client.get("/v5/market/tickers", _TICKERS, params)
        envelope, found = reply.value
        time = self._time(envelope, reply)
        check_fresh(self.name, "/v5/market/tickers", "time", time, reply.as_of)
        known = listed.by_symbol()
        return {
            known[row.symbol].pair: _ticker(row, time, known[row.symbol])
            for row in listed_rows(self.name, "/v5/market/tickers", found)
            if row.symbol in known and row.last and row.open
        }

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read klines."""
        path = "/v5/market/kline"
        params: dict[str, str | int] = {
            **_symbol(instrument),
            "interval": _INTERVALS[minutes],
            "limit": count + SPARE,
        }
        reply = await self._client.get(path, _KLINES, params)
        length = minutes * 60_000
        candles = [_candle(row, instrument, length) for row in reply.value[1]]
        return check_candles(self._client, path, candles, reply.as_of, minutes)

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open interest, which comes with the ticker."""
        time, found = await self._now(instrument)
        size, value = _one_side(found.one, found.both), _one_side(found.one_value, found.both_value)
        if size is None:
            raise VenueError(self.name, "unavailable", "/v5/market/tickers: no openInterest")
        if instrument.kind == "inverse":
            if not found.mark:
                raise VenueError(self.name, "unavailable", "/v5/market/tickers: no markPrice")
            return InterestPoint(time, size / found.mark, size)
        return InterestPoint(time, size * instrument.unit, value)

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
                InterestPoint(time, size / closes[time], size)
                for time, size in points
                if time in closes
            )
        return tuple(
            InterestPoint(time, size * instrument.unit, None)
            for time, size in await self._points(instrument)
        )

    async def _points(self, instrument: Instrument) -> list[tuple[int, float]]:
        """Read times and one-sided sizes in the symbol's own unit, oldest first."""
        params: dict[str, str | int] = {
            **_symbol(instrument),
            "intervalTime": "15min",
            "limit": 100,
        }
        reply = await self._client.get("/v5/market/open-interest", _POINTS, params)
        found = (
            (in_millis(row.timestamp), _one_side(row.single_open_interest, row.open_interest))
            for row in reply.value[1]
        )
        return sorted((time, size) for time, size in found if size is not None)

    async def account_ratio(self, instrument: Instrument) -> AccountRatio:
        """Read the newest count: shares of the holders that are long (buy) and short (sell)."""
        path = "/v5/market/account-ratio"
        params: dict[str, str | int] = {**_symbol(instrument), "period": "5min", "limit": 1}
        reply = await self._statistics.get(path, _ACCOUNTS, params)
        if not reply.value[1]:
            raise VenueError(self.name, "unavailable", f"{path}: the list is empty")
        found = max(reply.value[1], key=lambda row: row.timestamp)
        return account_ratio(
            self._statistics,
            path,
            long=found.buy_ratio,
            short=found.sell_ratio,
            time=found.timestamp,
            minutes=5,
            as_of=reply.as_of,
        )

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running interval, which comes with the ticker."""
        path = "/v5/market/tickers"
        time, found = await self._now(instrument)
        hours = found.hours or instrument.hours
        if found.rate is None or not found.next_funding or not hours:
            text = f"{path}: {instrument.symbol} has no rate, no next reset or no interval"
            raise VenueError(self.name, "unavailable", text)
        return FundingNow(
            time=time,
            rate=found.rate,
            interval_hours=hours,
            next_reset=reset_ahead(self.name, path, found.next_funding, time, hours),
            mark_price=found.mark / instrument.unit if found.mark else None,
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
        time = self._time(envelope, reply)
        check_fresh(self.name, path, "time", time, reply.as_of)
        return time, self._about(path, tickers, instrument.symbol)

    def _time(self, envelope: _Envelope, reply: Reply[Any]) -> int:
        """Return when an answer was given: as it tells itself, else by its ``Date``."""
        return envelope.time or reply.as_of or self._client.now()


def _one_side(one: float | None, both: float | None) -> float | None:
    """Return what is open on one side: as told, or half the sum of both."""
    if one is not None:
        return one
    return None if both is None else both / 2


def _ticker(found: _Ticker, time: int, instrument: Instrument) -> Ticker:
    unit = instrument.unit
    volume, turnover = _volumes(instrument, found.volume, found.turnover)
    return Ticker(
        time=time,
        price=(found.last or 0.0) / unit,
        open=(found.open or 0.0) / unit,
        high=found.high / unit if found.high else None,
        low=found.low / unit if found.low else None,
        volume=volume,
        turnover=turnover,
    )


def _volumes(
    instrument: Instrument, volume: float | None, turnover: float | None
) -> tuple[float | None, float | None]:
    """Return volume in coins and turnover: an inverse contract counts dollars and turns over
    coins.
    """
    if instrument.kind == "inverse":
        return turnover, volume
    return None if volume is None else volume * instrument.unit, turnover


def _candle(row: _Kline, instrument: Instrument, length: int) -> Candle:
    volume, turnover = _volumes(instrument, row.volume, row.turnover)
    end, unit = row.start + length, instrument.unit
    return to_candle(row, row.start, end, volume=volume, turnover=turnover, unit=unit)


def _symbol(instrument: Instrument) -> dict[str, str | int]:
    return {"category": _CATEGORIES[instrument.kind], "symbol": instrument.symbol}
