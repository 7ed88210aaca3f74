"""Binance: spot (api.binance.com) and USDT-margined perpetuals (fapi.binance.com); for those
margined in the coin, see `binance_coin`.

Sources: binance-spot-api-docs, rest-api; derivatives/usds-margined-futures. Units: quantities are
in the symbol's base asset, which for symbols such as 1000SHIBUSDT is a thousand coins; they are
given on in coins. Klines carry what takers bought at index 9 (base) and 10 (quote).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from reference_bot.market_data.cache import Cache
from reference_bot.market_data.decoding import Inside, One, Rows
from reference_bot.market_data.errors import Reason, Refusal, VenueError
from reference_bot.market_data.http import VenueClient
from reference_bot.market_data.limits import PaceRule, TellsLimit
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
from reference_bot.market_data.venues.binance_coin import BinanceCoin
from reference_bot.market_data.venues.binance_funding import Intervals
from reference_bot.market_data.venues.checks import (
    account_ratio,
    check_candles,
    check_fresh,
    reset_ahead,
)
from reference_bot.market_data.venues.common import (
    SPARE,
    Listed,
    NoTakers,
    index,
    listed_rows,
)
from reference_bot.market_data.venues.fields import Amount, Millis, Price, Rate
from reference_bot.market_data.waiting import together

RATES: Final = (
    PaceRule("/futures/data/", 1000, 300.0),
    PaceRule("/fapi/v1/funding", 500, 300.0),
    PaceRule("/dapi/v1/funding", 500, 300.0),
)
"""Of one address: what does not count against the weight of a minute."""

_MEANT_BY: Final[dict[int, Reason]] = {
    **dict.fromkeys((-1121, -4144), "not_listed"),
    **dict.fromkeys((-1122, -4108, -4141), "unavailable"),
    -1003: "rate_limited",
    **dict.fromkeys((-1021, -1022, -2014, -2015), "refused"),
    **dict.fromkeys((1, -1001, -1006, -1007, -1016), "outage"),
}
"""By code: no such symbol or pair; its status is not the right one, or it is being delivered or
settled, or closed; asked too often; the key, signature or time of a signed call; the venue is
maintained, failed, waited for itself too long, or has no such service any more. What -1000 means
(an unknown error) its status says."""
_QUOTES: Final = (
    "FDUSD", "RLUSD", "USDT", "BUSD", "USDC", "TUSD", "USD1", "USDE", "USDP", "USDS",
    "DOGE", "EURI", "IDRT", "BIDR", "BKRW", "BVND", "GYEN", "DAI", "PAX", "UST", "VAI",
    "BTC", "ETH", "BNB", "TRX", "XRP", "SOL", "EUR", "TRY", "BRL", "GBP", "AUD", "JPY",
    "MXN", "PLN", "CZK", "RON", "ARS", "COP", "ZAR", "UAH", "RUB", "NGN", "U",
)  # fmt: skip
"""What Binance's spot pairs are quoted in, 2021 to 2026, the longest first: EUREURI is no EURE in
URI, XRPRLUSD no XRPRL in dollars, which are no quote here. The price list does not tell it."""
_PERPETUALS: Final = frozenset({"PERPETUAL", "TRADIFI_PERPETUAL"})
_INTERVALS: Final = {1: "1m", 5: "5m", 15: "15m", 30: "30m", 60: "1h", 240: "4h", 1440: "1d"}


class _Ticker(Struct, frozen=True, rename="camel"):
    """What no longer trades has prices of zero."""

    close_time: Millis
    last_price: Amount
    open_price: Amount
    high_price: Amount
    low_price: Amount
    volume: Amount
    quote_volume: Amount


class _ListedTicker(Struct, frozen=True, rename="camel"):
    """A row of the list: what no longer trades has a price of zero."""

    symbol: str
    close_time: int
    last_price: Amount
    open_price: Amount
    high_price: Amount
    low_price: Amount
    volume: Amount
    quote_volume: Amount


class _Kline(Struct, frozen=True, array_like=True):
    open_time: Millis
    open: Price
    high: Price
    low: Price
    close: Price
    volume: Amount
    close_time: Millis
    quote_volume: Amount
    trades: float | str | None  # not read
    taker_buy: Amount
    taker_buy_quote: Amount


class _SpotPrice(Struct, frozen=True):
    symbol: str


class _FuturesSymbol(Struct, frozen=True, rename="camel"):
    symbol: str
    status: str
    contract_type: str
    base_asset: str
    quote_asset: str
    underlying_type: str | None = None

    @property
    def asset(self) -> str:
        """Say what the base is; contracts on stocks and metals are another type of perpetual."""
        kind = self.underlying_type or "COIN"
        if kind.endswith("EQUITY"):
            return "stock"
        if kind == "PREMARKET":
            return "pre-launch coin" if self.contract_type == "PERPETUAL" else "pre-launch stock"
        if kind == "COIN" and self.contract_type != "PERPETUAL":
            return "traditional asset"
        return kind.lower()


class _FuturesInfo(Struct, frozen=True):
    symbols: msgspec.Raw


class _OpenInterest(Struct, frozen=True, rename="camel"):
    open_interest: Amount
    time: Millis


class _InterestPoint(Struct, frozen=True, rename="camel"):
    sum_open_interest: Amount
    sum_open_interest_value: Amount
    timestamp: Millis


class _Accounts(Struct, frozen=True, rename="camel"):
    long_account: Amount
    short_account: Amount
    timestamp: Millis


class _PremiumIndex(Struct, frozen=True, rename="camel"):
    """What has no funding (any more) has an empty rate, a next reset of 0, or a mark price of 0."""

    mark_price: Amount
    time: Millis
    last_funding_rate: Rate | None = None
    next_funding_time: int | None = None


class _Error(Struct, frozen=True):
    msg: str
    code: int = 0  # what stands before the API may leave it out


_TICKER = One[_Ticker](_Ticker)
_LISTED = Rows[_ListedTicker](_ListedTicker)
_KLINES = Rows[_Kline](_Kline)
_SPOT_PRICES = Rows[_SpotPrice](_SpotPrice)
_FUTURES_INFO = Inside(
    msgspec.json.Decoder(_FuturesInfo), "symbols", Rows[_FuturesSymbol](_FuturesSymbol)
)
_OPEN_INTEREST = One[_OpenInterest](_OpenInterest)
_INTEREST_POINTS = Rows[_InterestPoint](_InterestPoint)
_ACCOUNTS = Rows[_Accounts](_Accounts)
_PREMIUM = One[_PremiumIndex](_PremiumIndex)
_ANYTHING = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ERROR = msgspec.json.Decoder(_Error, strict=False)


def tells_weight(limit: int) -> TellsLimit:
    """Return what reads the weight that was used in this minute, of ``limit``."""

    def limit_used(headers: Mapping[str, str], as_of: int | None) -> tuple[float, float] | None:
        used = headers.get("x-mbx-used-weight-1m", "")
        if not used.isdigit():
            return None
        rest = 60.0 if as_of is None else 60.0 - as_of / 1000 % 60
        return int(used) / limit, rest

    return limit_used


def explain(_status: int, body: bytes) -> Refusal | None:
    """Read ``{"code": -1121, "msg": "Invalid symbol."}``."""
    try:
        error = _ERROR.decode(body)
    except msgspec.MsgspecError:
        return None
    reason = _MEANT_BY.get(error.code)
    if error.code in (-1100, -1130) and "'symbol'" in error.msg:
        reason = "not_listed"  # no symbol is written so
    elif not error.code and error.msg.startswith("Too many requests"):
        reason = "rate_limited"
    if reason is None:
        return None
    return Refusal(reason, f"code {error.code}: {error.msg}", error.code)


class Binance(NoTakers):
    """The venue. ``cache`` keeps what changes by the hour: which symbols have which funding
    interval.
    """

    name = "binance"
    quotes: tuple[str, ...] = ("USDT",)
    currencies = False
    kinds: tuple[MarketKind, ...] = ("spot", "perp", "inverse")

    def __init__(
        self, spot: VenueClient, futures: VenueClient, coin: VenueClient, cache: Cache
    ) -> None:
        self._spot = spot
        self._futures = futures
        self._statistics = futures.apart()
        self._coin = BinanceCoin(coin, cache)
        self._intervals = Intervals(futures, "/fapi/v1", cache)

    async def ping(self) -> None:
        """Return when the spot API answers, or else the futures API."""
        try:
            await self._spot.get("/api/v3/ping", _ANYTHING)
        except VenueError:
            await self._futures.get("/fapi/v1/ping", _ANYTHING)

    async def directory(self, kind: MarketKind) -> Directory:
        """Read the symbols that trade; for spot the price list, a tenth of exchangeInfo."""
        if kind == "inverse":
            return await self._coin.directory()
        if kind == "spot":
            prices = await self._spot.get(
                "/api/v3/ticker/price", _SPOT_PRICES, {"symbolStatus": "TRADING"}
            )
            split = (_spot(price.symbol) for price in prices.value)
            return index(self.name, kind, (one for one in split if one is not None))
        info = await self._futures.get("/fapi/v1/exchangeInfo", _FUTURES_INFO)
        return index(
            self.name,
            kind,
            (
                Listed(one.symbol, one.base_asset, one.quote_asset, one.asset)
                for one in info.value
                if one.status == "TRADING" and one.contract_type in _PERPETUALS
            ),
        )

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the rolling 24 hours."""
        if instrument.kind == "inverse":
            return await self._coin.ticker(instrument)
        path = "/api/v3/ticker/24hr" if instrument.kind == "spot" else "/fapi/v1/ticker/24hr"
        reply = await self._client(instrument).get(path, _TICKER, {"symbol": instrument.symbol})
        found, unit = reply.value, instrument.unit
        if not (found.last_price and found.open_price):
            text = f"{path}: {instrument.symbol} has no price, or none of 24 h ago"
            raise VenueError(self.name, "unavailable", text)
        check_fresh(self.name, path, "closeTime", found.close_time, reply.as_of)
        return _ticker(found, unit)

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Read the rolling 24 hours of all symbols (request weight 80 of 6,000 a minute, or 40)."""
        if kind == "inverse":
            return await self._coin.tickers(listed)
        path = "/api/v3/ticker/24hr" if kind == "spot" else "/fapi/v1/ticker/24hr"
        if kind == "spot":
            reply = await self._spot.get(path, _LISTED, {"type": "MINI"})
        else:
            reply = await self._futures.get(path, _LISTED)
        newest = max(row.close_time for row in listed_rows(self.name, path, reply.value))
        check_fresh(self.name, path, "closeTime", newest, reply.as_of)
        known = listed.by_symbol()
        return {
            known[row.symbol].pair: _ticker(row, known[row.symbol].unit)
            for row in reply.value
            if row.symbol in known and row.last_price > 0 and row.open_price > 0
        }

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read klines."""
        if instrument.kind == "inverse":
            return await self._coin.candles(instrument, minutes=minutes, count=count)
        path = "/api/v3/klines" if instrument.kind == "spot" else "/fapi/v1/klines"
        reply = await self._client(instrument).get(
            path,
            _KLINES,
            {"symbol": instrument.symbol, "interval": _INTERVALS[minutes], "limit": count + SPARE},
        )
        candles = tuple(_candle(kline, instrument.unit) for kline in reply.value)
        return check_candles(self._client(instrument), path, candles, reply.as_of, minutes)

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Read the open interest; Binance gives no value with it."""
        if instrument.kind == "inverse":
            return await self._coin.open_interest(instrument)
        reply = await self._futures.get(
            "/fapi/v1/openInterest", _OPEN_INTEREST, {"symbol": instrument.symbol}
        )
        found = reply.value
        check_fresh(self.name, "/fapi/v1/openInterest", "time", found.time, reply.as_of)
        return InterestPoint(found.time, found.open_interest * instrument.unit, None)

    async def open_interest_history(self, instrument: Instrument) -> tuple[InterestPoint, ...]:
        """Read five-minute points of a little over 24 hours."""
        if instrument.kind == "inverse":
            return await self._coin.open_interest_history(instrument)
        reply = await self._futures.get(
            "/futures/data/openInterestHist",
            _INTEREST_POINTS,
            {"symbol": instrument.symbol, "period": "5m", "limit": 292},
        )
        return tuple(
            InterestPoint(
                point.timestamp,
                point.sum_open_interest * instrument.unit,
                point.sum_open_interest_value,
            )
            for point in sorted(reply.value, key=lambda point: point.timestamp)
        )

    async def account_ratio(self, instrument: Instrument) -> AccountRatio:
        """Read the newest count; ``longShortRatio`` is the same, rounded to four decimals."""
        path = "/futures/data/globalLongShortAccountRatio"
        params: dict[str, str | int] = {"symbol": instrument.symbol, "period": "5m", "limit": 1}
        reply = await self._statistics.get(path, _ACCOUNTS, params)
        if not reply.value:
            raise VenueError(self.name, "unavailable", f"{path}: the list is empty")
        found = max(reply.value, key=lambda row: row.timestamp)
        return account_ratio(
            self._statistics,
            path,
            long=found.long_account,
            short=found.short_account,
            time=found.timestamp,
            minutes=5,
            as_of=reply.as_of,
        )

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Read the running rate, and beside it the interval."""
        if instrument.kind == "inverse":
            return await self._coin.funding(instrument)
        path = "/fapi/v1/premiumIndex"
        symbol = instrument.symbol
        reply, known = await together(
            self._futures.get(path, _PREMIUM, {"symbol": symbol}), self._intervals.known(symbol)
        )
        found = reply.value
        if found.last_funding_rate is None or not found.next_funding_time:
            raise VenueError(self.name, "unavailable", f"{path}: {symbol} has no funding")
        check_fresh(self.name, path, "time", found.time, reply.as_of)
        hours = await self._intervals.hours(symbol, known, found.next_funding_time)
        return FundingNow(
            time=found.time,
            rate=found.last_funding_rate,
            interval_hours=hours,
            next_reset=reset_ahead(self.name, path, found.next_funding_time, found.time, hours),
            mark_price=found.mark_price / instrument.unit or None,
        )

    async def warm(self) -> None:
        """Read ahead what every request about funding needs."""
        await together(self._intervals.warm(), self._coin.warm())

    def _client(self, instrument: Instrument) -> VenueClient:
        return self._spot if instrument.kind == "spot" else self._futures


def _spot(symbol: str) -> Listed | None:
    """Return the pair behind a symbol of the price list; None where its quote is not known."""
    for quote in _QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return Listed(symbol, symbol.removesuffix(quote), quote)
    return None


def _ticker(found: _Ticker | _ListedTicker, unit: float) -> Ticker:
    return Ticker(
        time=found.close_time,
        price=found.last_price / unit,
        open=found.open_price / unit,
        high=found.high_price / unit or None,
        low=found.low_price / unit or None,
        volume=found.volume * unit,
        turnover=found.quote_volume,
    )


def _candle(kline: _Kline, unit: float) -> Candle:
    return Candle(
        start=kline.open_time,
        end=kline.close_time + 1,
        open=kline.open / unit,
        high=kline.high / unit,
        low=kline.low / unit,
        close=kline.close / unit,
        volume=kline.volume * unit,
        turnover=kline.quote_volume,
        buy=kline.taker_buy * unit,
        buy_turnover=kline.taker_buy_quote,
    )
