"""Binance's wire format: spot under ``/spot`` and USDT-margined futures under ``/futures``;
coin-margined futures, under ``/coin``, are told by `binance_coin`.

Field names, decimals as text, error bodies and statuses are those of Binance's public documentation
(binance-spot-api-docs, rest-api; derivatives/usds-margined-futures). `docs/venues.md` lists sources
and where the documentation and the live service differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from botproof.doubles.exchanges.binance_account import ACCOUNT_PATHS, account_answer
from botproof.doubles.exchanges.binance_coin import PREFIX as COIN
from botproof.doubles.exchanges.binance_coin import WEIGHT, coin_answer
from botproof.doubles.exchanges.coins import Kind
from botproof.doubles.exchanges.market import Candle, Market
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.wire import Call, Refusal, decimal_text, integer, ratio_text
from botproof.doubles.server import Response, json_response

__all__ = ["WEIGHT", "Binance", "Listing", "listings"]

_THOUSANDS = frozenset({"SHIB", "PEPE", "BONK"})  # perpetuals of a thousand: 1000SHIBUSDT
_USDC_SPOT = frozenset({"BTC", "ETH", "SOL"})

_INTERVALS = {
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": BLOCK,
    "30m": 30 * MINUTE,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "8h": 8 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
}
_AVERAGED = 5
"""Minutes that the average price is told over."""
_WINDOWS = {"m": (MINUTE, 59), "h": (HOUR, 23), "d": (DAY, 7)}
_NOT_IN_MINI = ("priceChange", "priceChangePercent", "weightedAvgPrice")
_PERIODS = {
    name: _INTERVALS[name] for name in ["5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"]
}


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol of Binance; a unit of it holds 10^``thousands`` of the coin."""

    symbol: str
    base: str
    quote: str
    kind: Kind
    weight: int
    thousands: int
    price_places: int
    lot_places: int
    kind_of_asset: str = "coin"

    @property
    def asset(self) -> str:
        """Binance's name of the base asset: 1000SHIB where the symbol counts thousands."""
        return f"1000{self.base}" if self.thousands else self.base

    def price(self, ticks: int, least: int = 0) -> str:
        """Write a price."""
        return decimal_text(ticks, self.price_places, least)

    def quantity(self, lots: int, least: int = 0) -> str:
        """Write a quantity of this venue: the market's lots times its weight."""
        return decimal_text(lots * self.weight, self.lot_places, least)

    def turnover(self, product: int, least: int = 0) -> str:
        """Write a turnover: ticks x lots of the market times the weight."""
        return decimal_text(product * self.weight, self.price_places + self.lot_places, least)


def listings(market: Market, kind: Kind) -> dict[str, Listing]:
    """Return the symbols of one side of Binance, by name."""
    found: dict[str, Listing] = {}
    for coin in market.coins.values():
        tick = coin.book(kind)
        if tick is None or coin.hours != "always" or not coin.on("binance"):
            continue
        thousands = 3 if kind == "perp" and coin.base in _THOUSANDS else 0
        quotes = [("USDT", WEIGHT)]
        if kind == "spot" and coin.base in _USDC_SPOT:
            quotes.append(("USDC", 1))
        for quote, weight in quotes:
            listing = Listing(
                symbol=f"{'1000' if thousands else ''}{coin.base}{quote}",
                base=coin.base,
                quote=quote,
                kind=kind,
                weight=weight,
                thousands=thousands,
                price_places=tick.price - thousands,
                lot_places=tick.lot + thousands,
                kind_of_asset=coin.asset,
            )
            found[listing.symbol] = listing
    return found


def _refuse(code: int, message: str, status: int = 400) -> Refusal:
    return Refusal(status, {"code": code, "msg": message})


_NOT_FOUND = Response(
    404, b"<html><body><h2>404 Not found</h2></body></html>", "text/html", served=False
)


@dataclass(frozen=True, slots=True)
class _Ask:
    """One call with what it is about."""

    market: Market
    call: Call
    kind: Kind

    @property
    def now(self) -> int:
        return self.call.now

    def symbols(self) -> dict[str, Listing]:
        opened = listings(self.market, self.kind)
        return {
            name: one for name, one in opened.items() if self.market.listed_at(one.base) <= self.now
        }

    def text(self, name: str) -> str:
        value = self.call.query.get(name, "")
        if not value:
            raise _refuse(
                -1102,
                f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
            )
        return value

    def number(self, name: str) -> int | None:
        try:
            return integer(self.call.query.get(name))
        except ValueError:
            raise _refuse(
                -1100,
                f"Illegal characters found in parameter '{name}'; "
                "legal range is '^[0-9]{1,20}$'.",
            ) from None

    def listing(self) -> Listing:
        found = self.symbols().get(self.text("symbol"))
        if found is None:
            raise _refuse(-1121, "Invalid symbol.")
        return found

    def selected(self) -> tuple[bool, list[Listing]]:
        """Return whether one symbol was asked for, and the listings meant."""
        if "symbol" in self.call.query:
            return True, [self.listing()]
        every = self.symbols()
        if "symbols" not in self.call.query or self.kind == "perp":
            return False, list(every.values())
        try:
            names = msgspec.json.decode(self.call.query["symbols"], type=list[str])
        except msgspec.MsgspecError:
            raise _refuse(-1100, "Illegal characters found in parameter 'symbols'.") from None
        if any(name not in every for name in names):
            raise _refuse(-1121, "Invalid symbol.")
        return False, [every[name] for name in names]

    def one_or_all(self, make: Callable[[Listing], dict[str, Any]]) -> object:
        alone, chosen = self.selected()
        return make(chosen[0]) if alone else [make(one) for one in chosen]

    def limit(self, default: int, most: int) -> int:
        limit = self.number("limit")
        if limit is None:
            return default
        if self.kind == "perp" and not 1 <= limit <= most:
            raise _refuse(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(max(limit, 1), most)


# -- both sides ------------------------------------------------------------------------------


def _ping(_: _Ask) -> object:
    return {}


def _time(ask: _Ask) -> object:
    return {"serverTime": ask.now}


def _kline(listing: Listing, candle: Candle) -> list[Any]:
    least = 8 if listing.kind == "spot" else 0
    return [
        candle.start,
        *(
            listing.price(ticks, least)
            for ticks in (candle.open, candle.high, candle.low, candle.close)
        ),
        listing.quantity(candle.lots, least),
        candle.end - 1,
        listing.turnover(candle.turnover, least),
        candle.trades,
        listing.quantity(candle.buy_lots, least),
        listing.turnover(candle.buy_turnover, least),
        "0",
    ]


def _klines(ask: _Ask) -> object:
    listing = ask.listing()
    interval = _INTERVALS.get(ask.text("interval"))
    if interval is None:
        raise _refuse(-1120, "Invalid interval.").unserved()
    limit = ask.limit(500, 1000 if ask.kind == "spot" else 1500)
    start, end = ask.number("startTime"), ask.number("endTime")
    if start is None:
        last = (ask.now if end is None else min(end, ask.now)) // interval * interval
        first = last - (limit - 1) * interval
    else:
        first = start
        last = first + limit * interval - 1
        last = last if end is None else min(last, end)
    candles = ask.market.candles(
        listing.base, ask.kind, interval, start=first, end=last, now=ask.now
    )
    return [_kline(listing, candle) for candle in candles[:limit]]


def _weighted(listing: Listing, window: Candle, places: int) -> str:
    return ratio_text(
        window.turnover * 10 ** max(0, -listing.price_places),
        window.lots * 10 ** max(0, listing.price_places),
        places,
    )


def _ticker(ask: _Ask, listing: Listing, start: int | None = None) -> dict[str, Any]:
    """Tell what happened since a moment, else in the last 24 hours."""
    market, now = ask.market, ask.now
    start = now - DAY if start is None else start
    day = market.fold(listing.base, ask.kind, start, now)
    last = market.last_trade(listing.base, ask.kind, now)
    least = 8 if ask.kind == "spot" else 0
    price_places = max(least, listing.price_places)
    change = day.close - day.open
    return {
        "symbol": listing.symbol,
        "priceChange": listing.price(change, least),
        "priceChangePercent": ratio_text(100 * change, day.open, 3),
        "weightedAvgPrice": _weighted(listing, day, price_places),
        "lastPrice": listing.price(day.close, least),
        "lastQty": listing.quantity(last.lots if last else 0, least),
        "openPrice": listing.price(day.open, least),
        "highPrice": listing.price(day.high, least),
        "lowPrice": listing.price(day.low, least),
        "volume": listing.quantity(day.lots, least),
        "quoteVolume": listing.turnover(day.turnover, least),
        "openTime": start,
        "closeTime": now,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }


# -- spot ------------------------------------------------------------------------------------


def _spot_ticker(ask: _Ask) -> object:
    def make(listing: Listing) -> dict[str, Any]:
        ticker = _ticker(ask, listing)
        before = ask.market.last_price(listing.base, "spot", ask.now - DAY)
        last = ask.market.last_price(listing.base, "spot", ask.now)
        return ticker | {
            "prevClosePrice": listing.price(before, 8),
            "bidPrice": listing.price(max(1, last - 1), 8),
            "bidQty": listing.quantity(100, 8),
            "askPrice": listing.price(last, 8),
            "askQty": listing.quantity(100, 8),
        }

    return ask.one_or_all(make)


def _spot_price(ask: _Ask) -> object:
    def make(listing: Listing) -> dict[str, Any]:
        last = ask.market.last_price(listing.base, "spot", ask.now)
        return {"symbol": listing.symbol, "price": listing.price(last, 8)}

    return ask.one_or_all(make)


def _average_price(ask: _Ask) -> object:
    listing = ask.listing()
    last = ask.market.last_trade(listing.base, "spot", ask.now)
    lately = ask.market.fold(listing.base, "spot", ask.now - _AVERAGED * MINUTE, ask.now)
    return {
        "mins": _AVERAGED,
        "price": _weighted(listing, lately, 8) if lately.trades else listing.price(lately.close, 8),
        "closeTime": last.time if last else ask.now,
    }


def _book_ticker(ask: _Ask) -> object:
    def make(listing: Listing) -> dict[str, Any]:
        least = 8 if ask.kind == "spot" else 0
        last = ask.market.last_price(listing.base, ask.kind, ask.now)
        found = {
            "symbol": listing.symbol,
            "bidPrice": listing.price(max(1, last - 1), least),
            "bidQty": listing.quantity(100, least),
            "askPrice": listing.price(last, least),
            "askQty": listing.quantity(100, least),
        }
        return found if ask.kind == "spot" else found | {"time": ask.now}

    return ask.one_or_all(make)


def _window_ticker(ask: _Ask) -> object:
    """Tell what a window of the caller's choice came to; it begins with a whole minute."""
    if not ("symbol" in ask.call.query or "symbols" in ask.call.query):
        ask.text("symbol")
    found = re.fullmatch(r"(\d{1,2})([mhd])", ask.call.query.get("windowSize", "1d"))
    unit, most = _WINDOWS[found[2]] if found else (0, 0)
    if not found or not 1 <= int(found[1]) <= most:
        raise _refuse(-1100, "Illegal characters found in parameter 'windowSize'.")
    start = (ask.now - int(found[1]) * unit) // MINUTE * MINUTE

    def make(listing: Listing) -> dict[str, Any]:
        whole = _ticker(ask, listing, start)
        left_out = {"lastQty", *(_NOT_IN_MINI if ask.call.query.get("type") == "MINI" else ())}
        return {name: value for name, value in whole.items() if name not in left_out}

    return ask.one_or_all(make)


def _spot_symbol(listing: Listing) -> dict[str, Any]:
    tick = decimal_text(1, listing.price_places, 8)
    lot = decimal_text(1, listing.lot_places, 8)
    return {
        "symbol": listing.symbol,
        "status": "TRADING",
        "baseAsset": listing.asset,
        "baseAssetPrecision": 8,
        "quoteAsset": listing.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "pegInstructionsAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "1000000.00000000",
                "tickSize": tick,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": lot,
                "maxQty": "9000000000.00000000",
                "stepSize": lot,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _spot_info(ask: _Ask) -> object:
    _, chosen = ask.selected()
    return {
        "timezone": "UTC",
        "serverTime": ask.now,
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": 6000,
            }
        ],
        "exchangeFilters": [],
        "symbols": [_spot_symbol(listing) for listing in chosen],
    }


# -- futures ---------------------------------------------------------------------------------


def _futures_ticker(ask: _Ask) -> object:
    return ask.one_or_all(lambda listing: _ticker(ask, listing))


_UNDERLYING = {"coin": "COIN", "stock": "EQUITY", "commodity": "COMMODITY"}


def _futures_symbol(listing: Listing) -> dict[str, Any]:
    tick = decimal_text(1, listing.price_places)
    lot = decimal_text(1, listing.lot_places)
    return {
        "symbol": listing.symbol,
        "pair": listing.symbol,
        "contractType": "PERPETUAL" if listing.kind_of_asset == "coin" else "TRADIFI_PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": listing.asset,
        "quoteAsset": listing.quote,
        "marginAsset": listing.quote,
        "pricePrecision": listing.price_places,
        "quantityPrecision": max(0, listing.lot_places),
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": _UNDERLYING[listing.kind_of_asset],
        "underlyingSubType": [] if listing.kind_of_asset == "coin" else ["TradFi"],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.012500",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10000,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "1000000",
                "tickSize": tick,
            },
            {"filterType": "LOT_SIZE", "minQty": lot, "maxQty": "10000000", "stepSize": lot},
            {"filterType": "MARKET_LOT_SIZE", "minQty": lot, "maxQty": "1000000", "stepSize": lot},
            {"filterType": "MIN_NOTIONAL", "notional": "5"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _futures_price(ask: _Ask) -> object:
    def make(listing: Listing) -> dict[str, Any]:
        last = ask.market.last_price(listing.base, "perp", ask.now)
        return {"symbol": listing.symbol, "price": listing.price(last), "time": ask.now}

    return ask.one_or_all(make)


def _futures_info(ask: _Ask) -> object:
    return {
        "timezone": "UTC",
        "serverTime": ask.now,
        "futuresType": "U_MARGINED",
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": 2400,
            }
        ],
        "exchangeFilters": [],
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [_futures_symbol(listing) for listing in ask.symbols().values()],
    }


def _open_interest(ask: _Ask) -> object:
    listing = ask.listing()
    lots = ask.market.open_interest(listing.base, ask.now)
    return {"openInterest": listing.quantity(lots), "symbol": listing.symbol, "time": ask.now}


def _points(ask: _Ask, listing: Listing) -> list[int]:
    """Return the moments of a history that the parameters ask for, oldest first."""
    period = _PERIODS.get(ask.text("period"))
    if period is None:
        raise _refuse(-1130, "Data sent for parameter 'period' is not valid.")
    limit = ask.limit(30, 500)
    first, last = ask.number("startTime") or 0, min(ask.number("endTime") or ask.now, ask.now)
    first = max(first, ask.market.listed_at(listing.base))
    latest = last // period * period
    return [at for at in range(latest - (limit - 1) * period, latest + 1, period) if at >= first]


def _open_interest_history(ask: _Ask) -> object:
    listing = ask.listing()
    return [_interest_point(ask.market, listing, at) for at in _points(ask, listing)]


def _account_ratio(ask: _Ask) -> object:
    listing = ask.listing()
    rows = []
    for at in _points(ask, listing):
        long = ask.market.long_accounts(listing.base, at)
        rows.append(
            {
                "symbol": listing.symbol,
                "longAccount": decimal_text(long, 4),
                "longShortRatio": ratio_text(long, 10_000 - long, 4),
                "shortAccount": decimal_text(10_000 - long, 4),
                "timestamp": at,
            }
        )
    return rows


def _interest_point(market: Market, listing: Listing, at: int) -> dict[str, Any]:
    lots = market.open_interest(listing.base, at)
    value = lots * listing.weight * 10.0 ** -market.coins[listing.base].tick("perp").lot
    return {
        "symbol": listing.symbol,
        "sumOpenInterest": listing.quantity(lots, 8),
        "sumOpenInterestValue": f"{value * market.mark_price(listing.base, at):.8f}",
        "CMCCirculatingSupply": "0.00000000",
        "timestamp": at,
    }


def _hours(market: Market, listing: Listing) -> int:
    return market.coins[listing.base].funding_hours


def _premium_index(ask: _Ask) -> object:
    def make(listing: Listing) -> dict[str, Any]:
        market, now = ask.market, ask.now
        hours = _hours(market, listing)
        settles = (now // (hours * HOUR) + 1) * hours * HOUR
        unit = 10.0**listing.thousands
        index = market.index_price(listing.base, now) * unit
        return {
            "symbol": listing.symbol,
            "markPrice": f"{market.mark_price(listing.base, now) * unit:.8f}",
            "indexPrice": f"{index:.8f}",
            "estimatedSettlePrice": f"{index:.8f}",
            "lastFundingRate": decimal_text(market.funding_rate(listing.base, settles, hours), 8),
            "interestRate": "0.00010000",
            "nextFundingTime": settles,
            "time": now,
        }

    return ask.one_or_all(make)


def _funding_info(ask: _Ask) -> object:
    """List the symbols whose interval was adjusted: Binance leaves out those on the usual eight
    hours.
    """
    return [
        {
            "symbol": listing.symbol,
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": _hours(ask.market, listing),
            "disclaimer": False,
        }
        for listing in ask.symbols().values()
        if _hours(ask.market, listing) != 8
    ]


def _funding_rates(ask: _Ask) -> object:
    listing = ask.listing()
    limit = ask.limit(100, 1000)
    step = _hours(ask.market, listing) * HOUR
    start, end = ask.number("startTime"), min(ask.number("endTime") or ask.now, ask.now)
    latest = end // step * step
    first = latest - (limit - 1) * step if start is None else -(-start // step) * step
    times = range(max(first, ask.market.listed_at(listing.base)), latest + 1, step)[:limit]
    return [
        {
            "symbol": listing.symbol,
            "fundingTime": at,
            "fundingRate": decimal_text(ask.market.funding_rate(listing.base, at, step // HOUR), 8),
            "markPrice": f"{ask.market.mark_price(listing.base, at) * 10**listing.thousands:.8f}",
        }
        for at in times
    ]


_ROUTES: dict[str, tuple[Kind, Callable[[_Ask], object]]] = {
    "/spot/api/v3/ping": ("spot", _ping),
    "/spot/api/v3/time": ("spot", _time),
    "/spot/api/v3/exchangeInfo": ("spot", _spot_info),
    "/spot/api/v3/ticker/24hr": ("spot", _spot_ticker),
    "/spot/api/v3/ticker/price": ("spot", _spot_price),
    "/spot/api/v3/ticker": ("spot", _window_ticker),
    "/spot/api/v3/ticker/bookTicker": ("spot", _book_ticker),
    "/spot/api/v3/avgPrice": ("spot", _average_price),
    "/spot/api/v3/klines": ("spot", _klines),
    "/futures/fapi/v1/ping": ("perp", _ping),
    "/futures/fapi/v1/time": ("perp", _time),
    "/futures/fapi/v1/exchangeInfo": ("perp", _futures_info),
    "/futures/fapi/v1/ticker/24hr": ("perp", _futures_ticker),
    "/futures/fapi/v1/ticker/price": ("perp", _futures_price),
    "/futures/fapi/v2/ticker/price": ("perp", _futures_price),
    "/futures/fapi/v1/ticker/bookTicker": ("perp", _book_ticker),
    "/futures/fapi/v1/klines": ("perp", _klines),
    "/futures/fapi/v1/openInterest": ("perp", _open_interest),
    "/futures/fapi/v1/premiumIndex": ("perp", _premium_index),
    "/futures/fapi/v1/fundingInfo": ("perp", _funding_info),
    "/futures/fapi/v1/fundingRate": ("perp", _funding_rates),
    "/futures/futures/data/openInterestHist": ("perp", _open_interest_history),
    "/futures/futures/data/globalLongShortAccountRatio": ("perp", _account_ratio),
}


class Binance:
    """The venue, as the exchange double serves it."""

    name = "binance"

    def answer(self, market: Market, call: Call) -> Response:
        """Answer one call; a path that this double does not know is Binance's 404 page."""
        try:
            if call.path in ACCOUNT_PATHS:
                return json_response(account_answer(market, call))
            if call.path.startswith(f"{COIN}/"):
                return coin_answer(market, call)
            if call.path not in _ROUTES:
                return _NOT_FOUND
            kind, handle = _ROUTES[call.path]
            return json_response(handle(_Ask(market, call, kind)))
        except Refusal as refusal:
            return refusal.response()

    def error(self, status: int) -> object:
        """Return Binance's error body for a status."""
        code, message = _ERRORS.get(
            status, (-1000, "An unknown error occurred while processing the request.")
        )
        return {"code": code, "msg": message}


_ERRORS = {
    418: (-1003, "Way too much request weight used; IP banned until 1700000000000."),
    429: (-1003, "Too many requests; current limit is 2400 requests per minute."),
    451: (0, "Service unavailable from a restricted location according to 'b. Eligibility'."),
    503: (-1008, "Server is currently overloaded with other requests. Please try again later."),
}
