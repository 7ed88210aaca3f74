"""Bitget: spot, USDT-M and coin-M futures (BTCUSD), API v2.

Source: Bitget API v2, spot/market, mix/market (ticker, candles, open interest, current funding
rate), spot/public symbols, mix/market contracts. Answers come in an envelope whose ``code`` is
"00000"; sizes are in coins, of 1000BONK in thousands. A coin-M candle counts coins at index 6 and
dollars at index 5. A history of open interest is not offered. Taker volumes and the ratio of
accounts (common, trading data) may be asked for once a second each; they take no limit, are the
last 30 periods, and are not there for every symbol (40054).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from reference_bot.market_data.cache import Cache
from reference_bot.market_data.decoding import Enveloped, One, Rows, UsableRows
from reference_bot.market_data.errors import Reason, Refusal, RefusalError, VenueError
from reference_bot.market_data.http import VenueClient
from reference_bot.market_data.keeping import Field
from reference_bot.market_data.limits import PaceRule, no_limit_told
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
    Sides,
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

_A_SECOND: Final = 20
RATES: Final = (
    PaceRule("/api/v2/mix/market/taker-buy-sell", 1, 1.0),
    PaceRule("/api/v2/mix/market/account-long-short", 1, 1.0),
    *(
        PaceRule(path, _A_SECOND, 1.0)
        for path in (
            "/api/v2/spot/public/symbols",
            "/api/v2/spot/market/candles",
            "/api/v2/spot/market/tickers",
            "/api/v2/mix/market/contracts",
            "/api/v2/mix/market/candles",
            "/api/v2/mix/market/tickers",
            "/api/v2/mix/market/ticker",
            "/api/v2/mix/market/open-interest",
            "/api/v2/mix/market/current-fund-rate",
            "/api/v2/mix/market/funding-time",
        )
    ),
)
"""Of one address at each endpoint."""
_TRADES: Final = ("normal", "restrictedAPI")
"""Contracts that trade, those among them where no orders can be placed by the API."""
_NOT_TRADING: Final = frozenset(
    ["40054", "40308", "40844", "41113", "41114", "43115", "43120", "45043", "50004"]
)
"""Of a symbol: there are no such data, its contract or pair is maintained, offline, opens soon, or
is suspended."""
_NOT_THERE: Final = frozenset({"30032", "31019", "40034", "40072", "40102", "40309", "42016"})
_NOT_SERVED: Final = frozenset({"40000", "40018", "40100", "40103", "40104"})
"""This place or address is not served."""
_MIX_TICKER: Final = "/api/v2/mix/market/ticker"

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
    code: str | int
    msg: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")


class _Ticker(Struct, frozen=True):
    """A row; the opening price has another name on either side."""

    symbol: str
    time: Millis = msgspec.field(name="ts")
    price: Amount | None = msgspec.field(name="lastPr", default=None)
    high: Amount | None = msgspec.field(name="high24h", default=None)
    low: Amount | None = msgspec.field(name="low24h", default=None)
    volume: Amount | None = msgspec.field(name="baseVolume", default=None)
    turnover: Amount | None = msgspec.field(name="quoteVolume", default=None)
    mark: Amount | None = msgspec.field(name="markPrice", default=None)
    open_spot: Amount | None = msgspec.field(name="open", default=None)
    open_mix: Amount | None = msgspec.field(name="open24h", default=None)

    @property
    def open(self) -> float:
        """Return the price 24 h ago; 0 when it was not traded then."""
        return self.open_spot or self.open_mix or 0.0


class _SpotCandle(Struct, frozen=True, array_like=True):
    start: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Amount
    turnover_usdt: Amount
    turnover: Amount | None = None


class _MixCandle(Struct, frozen=True, array_like=True):
    start: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    fifth: Amount
    sixth: Amount


class _Interest(Struct, frozen=True):
    size: Amount
    symbol: str = ""


class _Interests(Struct, frozen=True):
    rows: list[_Interest] = msgspec.field(name="openInterestList")
    time: Millis | None = msgspec.field(name="ts", default=None)


class _Takers(Struct, frozen=True, rename="camel"):
    buy_volume: Amount
    sell_volume: Amount
    ts: Millis


class _Accounts(Struct, frozen=True, rename="camel"):
    """``longShortAccountRatio`` is left alone: documented examples have it differ from these."""

    long_account_ratio: Amount
    short_account_ratio: Amount
    ts: Millis


class _Funding(Struct, frozen=True):
    """The last two came in 2025."""

    symbol: str = ""
    rate: Rate | None = msgspec.field(name="fundingRate", default=None)
    hours: Amount | None = msgspec.field(name="fundingRateInterval", default=None)
    next_update: int | None = msgspec.field(name="nextUpdate", default=None)


class _FundingTime(Struct, frozen=True):
    symbol: str = ""
    next_update: int | None = msgspec.field(name="nextFundingTime", default=None)
    hours: Amount | None = msgspec.field(name="ratePeriod", default=None)


class _Symbol(Struct, frozen=True, rename="camel"):
    symbol: str
    base_coin: str
    quote_coin: str
    status: str | None = None
    symbol_status: str | None = None
    symbol_type: str | None = None
    is_rwa: str | bool | None = None
    fund_interval: Amount | None = None

    @property
    def asset(self) -> str:
        """Say what the base is; Bitget tells stocks and metals apart from coins, no more."""
        told = str(self.is_rwa).upper()
        return COIN if told in ("NONE", "", "NO", "FALSE") else "traditional asset"


def _open(envelope: _Envelope) -> msgspec.Raw:
    if str(envelope.code) in ("00000", "0"):
        return envelope.data
    raise RefusalError(_refusal(envelope))


def _refusal(envelope: _Envelope) -> Refusal:
    reason: Reason = "outage"
    code = str(envelope.code)
    if code in ("429", "1001", "30014", "30026", "50009"):
        reason = "rate_limited"
    elif code in _NOT_THERE:
        reason = "not_listed"
    elif code in _NOT_TRADING:
        reason = "unavailable"
    elif code in _NOT_SERVED:
        reason = "refused"
    return Refusal(reason, f"code {envelope.code}: {envelope.msg}", place=code in _NOT_SERVED)


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def _rows(kind: type[T]) -> Enveloped[_Envelope, UsableRows[T]]:
    return Enveloped(_ENVELOPE, _open, Rows[T](kind))


_TICKERS = _rows(_Ticker)
_SPOT_CANDLES = _rows(_SpotCandle)
_MIX_CANDLES = _rows(_MixCandle)
_INTERESTS = Enveloped(_ENVELOPE, _open, One[_Interests](_Interests))
_TAKERS = _rows(_Takers)
_ACCOUNTS = _rows(_Accounts)
_FUNDING = _rows(_Funding)
_FUNDING_TIME = _rows(_FundingTime)
_SYMBOLS = _rows(_Symbol)
_TIME = Enveloped(_ENVELOPE, _open, msgspec.json.Decoder(dict[str, msgspec.Raw]))


def explain(_status: int, body: bytes) -> Refusal | None:
    """Read ``{"code": "40034", "msg": ...}``; other codes are what their status says."""
    try:
        refusal = _refusal(_ENVELOPE.decode(body))
    except msgspec.MsgspecError:
        return None
    return None if refusal.reason == "outage" else refusal


def tells_limit(headers: Mapping[str, str], as_of: int | None) -> tuple[float, float] | None:
    """Read how many calls are left of the twenty that an endpoint takes in a second."""
    del as_of  # no window's end is told
    left = headers.get("x-mbx-used-remain-limit", "")
    return (max(0.0, 1 - int(left) / _A_SECOND), 1.0) if left.isdigit() else None


def _ticker_of(found: _Ticker, unit: float) -> Ticker:
    return Ticker(
        time=found.time,
        price=(found.price or 0.0) / unit,
        open=found.open / unit,
        high=found.high / unit if found.high else None,
        low=found.low / unit if found.low else None,
        volume=None if found.volume is None else found.volume * unit,
        turnover=found.turnover,
    )


# the ticker and the mark price are one answer: whoever asks at the same time shares it
_TICKER_NOW: Final[Field[_Ticker]] = Field("bitget.ticker", 1.0)


class Bitget(OneApi):
    """The venue. ``cache`` lets the parts of one answer share one call."""

    name = "bitget"
    kinds: tuple[MarketKind, ...] = ("spot", "perp", "inverse")
    time_path = "/api/v2/public/time"
    time_decoder = _TIME
    taker_minutes = frozenset(_PERIODS)
    taker_periods = 29
    interest_sides: Mapping[MarketKind, Sides] = {"perp": "unknown", "inverse": "unknown"}
    """Its document does not say what ``size`` is."""

    def __init__(self, client: VenueClient, cache: Cache) -> None:
        super().__init__(client, cache)
        # one call a second: what is left after it is none, and says nothing of the other endpoints
        self._statistics = replace(self._statistics, tells_limit=no_limit_told)

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
                Listed(
                    one.symbol,
                    one.base_coin,
                    one.quote_coin,
                    one.asset,
                    hours=one.fund_interval or None,
                )
                for one in reply.value[1]
                if (one.status == "online" or one.symbol_status in _TRADES)
                and (one.symbol_type or "perpetual") == "perpetual"
            ),
        )

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the rolling 24 hours."""
        if instrument.kind == "spot":
            path = "/api/v2/spot/market/tickers"
            found = await self._row(path, instrument.symbol, {})
        else:
            path = _MIX_TICKER
            found = await self._mix_ticker(instrument)
        if not (found.price and found.open):
            text = f"{path}: {instrument.symbol} has no price, or none of 24 h ago"
            raise VenueError(self.name, "unavailable", text)
        return _ticker_of(found, instrument.unit)

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the rolling 24 hours of all symbols."""
        path = f"/api/v2/{'spot' if kind == 'spot' else 'mix'}/market/tickers"
        params = None if kind == "spot" else _PRODUCTS[kind]
        reply = await self._client.get(path, _TICKERS, params)
        rows = listed_rows(self.name, path, reply.value[1])
        check_fresh(self.name, path, "ts", max(row.time for row in rows), reply.as_of)
        known = listed.by_symbol()
        return {
            known[row.symbol].pair: _ticker_of(row, known[row.symbol].unit)
            for row in rows
            if row.symbol in known and row.price and row.open
        }

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read candles."""
        length = minutes * 60_000
        params: dict[str, str | int] = {"symbol": instrument.symbol, "limit": count + SPARE}
        if instrument.kind == "spot":
            path = "/api/v2/spot/market/candles"
            params["granularity"] = _SPOT_BARS[minutes]
            spot = await self._client.get(path, _SPOT_CANDLES, params)
            rows = [(row, row.volume, row.turnover) for row in spot.value[1]]
            candles = [_candle(*one, length, instrument) for one in rows]
            return check_candles(self._client, path, candles, spot.as_of, minutes)
        path = "/api/v2/mix/market/candles"
        params |= {**_PRODUCTS[instrument.kind], "granularity": _BARS[minutes]}
        mix = await self._client.get(path, _MIX_CANDLES, params)
        candles = [
            _candle(row, *_volumes(row, instrument), length, instrument) for row in mix.value[1]
        ]
        return check_candles(self._client, path, candles, mix.as_of, minutes)

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
        if not reply.value[1]:
            raise VenueError(self.name, "unavailable", f"{path}: the list is empty")
        found = max(reply.value[1], key=lambda row: row.ts)
        return account_ratio(
            self._statistics,
            path,
            long=found.long_account_ratio,
            short=found.short_account_ratio,
            time=found.ts,
            minutes=5,
            as_of=reply.as_of,
        )

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open interest in coins."""
        path = "/api/v2/mix/market/open-interest"
        params = {**_PRODUCTS[instrument.kind], "symbol": instrument.symbol}
        reply = await self._client.get(path, _INTERESTS, params)
        found = reply.value[1]
        time = found.time or reply.as_of or self._client.now()
        check_fresh(self.name, path, "ts", time, reply.as_of)
        size = self._about(path, found.rows, instrument.symbol).size
        return InterestPoint(time, size * instrument.unit, None)

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running interval, and beside it the mark price."""
        path = "/api/v2/mix/market/current-fund-rate"
        params = {**_PRODUCTS[instrument.kind], "symbol": instrument.symbol}
        reply, ticker = await together(
            self._client.get(path, _FUNDING, params), self._mix_ticker(instrument)
        )
        found = self._about(path, reply.value[1], instrument.symbol)
        hours, next_update = found.hours or instrument.hours, found.next_update
        if not hours or not next_update:  # before 2025 another path told these
            path = "/api/v2/mix/market/funding-time"
            times = (await self._client.get(path, _FUNDING_TIME, params)).value[1]
            other = self._about(path, times, instrument.symbol)
            hours, next_update = other.hours, other.next_update
        if found.rate is None or not hours or not next_update:
            text = f"{path}: {instrument.symbol} has no rate, no next reset or no interval"
            raise VenueError(self.name, "unavailable", text)
        now = reply.as_of or ticker.time
        return FundingNow(
            ticker.time,
            found.rate,
            hours,
            reset_ahead(self.name, path, next_update, now, hours),
            ticker.mark / instrument.unit if ticker.mark else None,
        )

    async def _mix_ticker(self, instrument: Instrument) -> _Ticker:
        symbol, product = instrument.symbol, _PRODUCTS[instrument.kind]
        entry = await self._cache.get(
            _TICKER_NOW, (symbol,), lambda: self._row(_MIX_TICKER, symbol, product)
        )
        return entry.value

    async def _row(self, path: str, symbol: str, product: dict[str, str | int]) -> _Ticker:
        reply = await self._client.get(path, _TICKERS, {**product, "symbol": symbol})
        found = self._about(path, reply.value[1], symbol)
        check_fresh(self.name, path, "ts", found.time, reply.as_of)
        return found


def _candle(
    row: _SpotCandle | _MixCandle,
    volume: float,
    turnover: float | None,
    length: int,
    instrument: Instrument,
) -> Candle:
    unit, end = instrument.unit, row.start + length
    return to_candle(row, row.start, end, volume=volume * unit, turnover=turnover, unit=unit)


def _volumes(row: _MixCandle, instrument: Instrument) -> tuple[float, float]:
    """Return volume in coins and turnover: a coin-M candle tells dollars before coins."""
    if instrument.kind == "inverse":
        return row.sixth, row.fifth
    return row.fifth, row.sixth
