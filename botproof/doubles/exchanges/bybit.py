"""Bybit's v5 wire format: ``/v5/market/...`` for spot, USDT perpetuals (``linear``) and perpetuals
margined in the coin (``inverse``: BTCUSD, contracts of one dollar, so that sizes are in dollars and
turnovers in coins).

Every answer is HTTP 200 in an envelope ``{"retCode", "retMsg", "result", "retExtInfo", "time"}``;
lists begin with the newest. SHIB's perpetual is SHIB1000USDT, PEPE's and BONK's begin with the
thousand.
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from botproof.doubles.exchanges.coins import Kind, Tick
from botproof.doubles.exchanges.kit import Ask, Listing, Routes, list_coins, newest_first, two_sided
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.wire import Call, Refusal, decimal_text, ratio_text
from botproof.doubles.messages import Response

WEIGHT: Final = 4

_THOUSANDS = {"SHIB": "SHIB1000", "PEPE": "1000PEPE", "BONK": "1000BONK"}
_FULL_NAMES = {"TSLA": "Tesla Inc", "PURR.STOCK": "Hyperliquid Strategies Inc"}
_INTERVALS = {
    **{str(minutes): minutes * MINUTE for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": DAY,
}
_KINDS: dict[str, Kind] = {"spot": "spot", "linear": "perp", "inverse": "inverse"}
_EMPTY_CATEGORIES = frozenset({"option"})
"""Categories that Bybit has and this double lists nothing of."""
_PERIODS = {
    "5min": 5 * MINUTE,
    "15min": BLOCK,
    "30min": 2 * BLOCK,
    "1h": HOUR,
    "4h": 4 * HOUR,
    "1d": DAY,
}


def listings(market: Market, kind: Kind) -> dict[str, Listing]:
    """Return Bybit's symbols of one category."""

    def make(base: str, tick: Tick) -> Listing:
        if kind == "inverse":
            return Listing(f"{base}USD", base, "USD", kind, WEIGHT, tick)
        thousands = kind == "perp" and base in _THOUSANDS
        asset = _THOUSANDS[base] if thousands else base
        unit = 1000 if thousands else 1
        return Listing(f"{asset}USDT", base, "USDT", kind, WEIGHT, tick, unit)

    return list_coins(market, "bybit", kind, make)


def _refuse(code: int, message: str, now: int) -> Refusal:
    return Refusal(200, _envelope({}, now, code, message))


_CURSOR = re.compile(r"first=(\d{1,6})&last=\d{1,6}")
_OLDER = re.compile(r"lastid=\d{1,12}&lasttime=(\d{1,12})")


def _envelope(result: Any, now: int, code: int = 0, message: str = "OK") -> dict[str, Any]:
    return {"retCode": code, "retMsg": message, "result": result, "retExtInfo": {}, "time": now}


def _category(ask: Ask, default: str = "") -> tuple[str, Kind, dict[str, Listing]]:
    """Return what a category has. Candles alone may be asked for without one: it is linear then."""
    category = ask.text("category", default)
    kind = _KINDS.get(category)
    if category in _EMPTY_CATEGORIES:
        return category, "spot", {}
    if kind is None:
        raise _refuse(10001, f"params error: category {category} is not served here", ask.now)
    return category, kind, ask.open(listings(ask.market, kind))


def _one(ask: Ask, known: dict[str, Listing]) -> Listing:
    symbol = ask.text("symbol")
    if symbol not in known:
        raise _refuse(10001, "params error: Symbol Invalid", ask.now)
    return known[symbol]


def _time(ask: Ask) -> Any:
    second = str(ask.now // 1000)
    return _envelope({"timeSecond": second, "timeNano": f"{ask.now}000000"}, ask.now)


def _tickers(ask: Ask) -> Any:
    category, kind, known = _category(ask)
    chosen = [_one(ask, known)] if ask.text("symbol") else list(known.values())
    rows = [_ticker(ask, one) | ({} if kind == "spot" else _contract(ask, one)) for one in chosen]
    return _envelope({"category": category, "list": rows}, ask.now)


def _ticker(ask: Ask, one: Listing) -> dict[str, str]:
    day = ask.day(one)
    return {
        "symbol": one.symbol,
        "lastPrice": one.price(day.close),
        "prevPrice24h": one.price(day.open),
        "price24hPcnt": ratio_text(day.close - day.open, day.open, 6),
        "highPrice24h": one.price(day.high),
        "lowPrice24h": one.price(day.low),
        "turnover24h": one.turnover(day.turnover),
        "volume24h": one.quantity(day.lots),
        "bid1Price": one.price(max(1, day.close - 1)),
        "bid1Size": one.quantity(100),
        "ask1Price": one.price(day.close),
        "ask1Size": one.quantity(100),
    }


def _contract(ask: Ask, one: Listing) -> dict[str, str]:
    hours = ask.hours(one)
    rate, settles = ask.funding(one, hours)
    lots, mark = ask.interest(one), ask.mark(one)
    places = 8 if one.kind == "inverse" else 2
    return {
        "indexPrice": f"{ask.market.index_price(one.base, ask.now) * one.unit:.8f}",
        "markPrice": f"{mark * one.unit:.8f}",
        "openInterest": one.quantity(two_sided(lots)),
        "openInterestValue": f"{one.value(two_sided(lots), mark):.{places}f}",
        "singleOpenInterest": one.quantity(lots),
        "singleOpenInterestValue": f"{one.value(lots, mark):.{places}f}",
        "fundingRate": rate,
        "nextFundingTime": str(settles),
        "fundingIntervalHour": str(hours),
        "fundingCap": "0.005",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "basis": "",
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
        "basisRateYear": "",
    }


def _kline(ask: Ask) -> Any:
    category, _, known = _category(ask, "linear")
    one = _one(ask, known)
    interval = _INTERVALS.get(ask.text("interval"))
    if interval is None:
        raise _refuse(10001, "params error: Invalid period!", ask.now).unserved()
    candles = ask.candles(
        one,
        interval,
        limit=min(ask.whole("limit", 200), 1000),
        start=ask.whole("start", 0),
        end=ask.whole("end", 0),
    )
    rows = [
        [
            str(candle.start),
            *(one.price(p) for p in (candle.open, candle.high, candle.low, candle.close)),
            one.quantity(candle.lots),
            one.turnover(candle.turnover),
        ]
        for candle in candles
    ]
    result = {"symbol": one.symbol, "category": category, "list": newest_first(rows)}
    return _envelope(result, ask.now)


def _history(ask: Ask, one: Listing, interval: int, most: int) -> tuple[list[int], str]:
    """Return the moments of a page of a history, oldest first, and the cursor of the older ones:
    told as it stands in an address, with the oldest moment in seconds.
    """
    limit = min(max(1, ask.whole("limit", 50)), most)
    last, cursor = ask.whole("endTime", 0), ask.text("cursor")
    if cursor:
        asked = _OLDER.fullmatch(cursor)
        if asked is None:
            raise _refuse(10001, "params error: cursor is invalid", ask.now)
        last = int(asked[1]) * 1000 - 1
    points = ask.points(one, interval, limit=limit, first=ask.whole("startTime", 0), last=last)
    if len(points) < limit:
        return points, ""
    return points, quote(f"lastid=0&lasttime={points[0] // 1000}", safe="")


def _open_interest(ask: Ask) -> Any:
    category, kind, known = _category(ask)
    interval = _PERIODS.get(ask.text("intervalTime"))
    if kind == "spot" or interval is None:
        raise _refuse(10001, "params error: intervalTime or category is invalid", ask.now)
    one = _one(ask, known)
    points, more = _history(ask, one, interval, 200)
    rows = [
        {
            "openInterest": one.quantity(two_sided(ask.interest(one, at))),
            "singleOpenInterest": one.quantity(ask.interest(one, at)),
            "timestamp": str(at),
        }
        for at in points
    ]
    if rows:  # as observed in September 2026: the oldest one is told in seconds
        rows[0]["timestamp"] = str(points[0] // 1000)
    result = {"symbol": one.symbol, "category": category, "list": newest_first(rows)}
    return _envelope(result | {"nextPageCursor": more}, ask.now)


def _account_ratio(ask: Ask) -> Any:
    _, kind, known = _category(ask)
    interval = _PERIODS.get(ask.text("period"))
    if kind == "spot" or interval is None:
        raise _refuse(10001, "params error: period or category is invalid", ask.now)
    one = _one(ask, known)
    points, more = _history(ask, one, interval, 500)
    rows = []
    for at in points:
        long, short = ask.accounts(one, at)
        rows.append(
            {
                "symbol": one.symbol,
                "buyRatio": decimal_text(long, 4),
                "sellRatio": decimal_text(short, 4),
                "timestamp": str(at),
            }
        )
    return _envelope({"list": newest_first(rows), "nextPageCursor": more}, ask.now)


def _funding_history(ask: Ask) -> Any:
    category, _, known = _category(ask)
    one = _one(ask, known)
    hours = ask.hours(one)
    points = ask.points(one, hours * HOUR, limit=min(ask.whole("limit", 200), 200))
    rows = [
        {
            "symbol": one.symbol,
            "fundingRate": ask.settled_rate(one, at, hours),
            "fundingRateTimestamp": str(at),
        }
        for at in points
    ]
    return _envelope({"category": category, "list": newest_first(rows)}, ask.now)


def _instruments(ask: Ask) -> Any:
    category, kind, known = _category(ask)
    chosen = [_one(ask, known)] if ask.text("symbol") else list(known.values())
    if kind == "spot":
        rows = [_spot_instrument(ask, one) for one in chosen]
        return _envelope({"category": category, "list": rows, "nextPageCursor": ""}, ask.now)
    # pages of contracts: the cursor is told as it stands in an address
    limit = min(max(1, ask.whole("limit", 500)), 1000)
    asked = _CURSOR.fullmatch(ask.text("cursor", "first=0&last=0"))
    if asked is None:  # one that was escaped twice, say
        raise _refuse(10001, "params error: cursor is invalid", ask.now)
    first = int(asked[1])
    rows = [_contract_instrument(ask, one) for one in chosen[first : first + limit]]
    last = first + limit
    more = quote(f"first={last}&last={last + limit}", safe="") if last < len(chosen) else ""
    return _envelope({"category": category, "list": rows, "nextPageCursor": more}, ask.now)


def _spot_instrument(_: Ask, one: Listing) -> dict[str, Any]:
    return {
        "symbol": one.symbol,
        "baseCoin": one.symbol.removesuffix("USDT"),
        "quoteCoin": "USDT",
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "utaOnly",
        "stTag": "0",
        "lotSizeFilter": {
            "basePrecision": one.quantity(1),
            "quotePrecision": "0.00000001",
            "minOrderQty": one.quantity(1),
            "maxOrderQty": "100000000",
            "minOrderAmt": "5",
            "maxOrderAmt": "8000000",
        },
        "priceFilter": {"tickSize": one.price(1)},
    }


def _contract_instrument(ask: Ask, one: Listing) -> dict[str, Any]:
    inverse = one.kind == "inverse"
    lot = "1" if inverse else one.quantity(1)
    return {
        "symbol": one.symbol,
        "contractType": "InversePerpetual" if inverse else "LinearPerpetual",
        "status": "Trading",
        "baseCoin": one.symbol.removesuffix(one.quote),
        "quoteCoin": one.quote,
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": "2",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": one.price(1),
            "maxPrice": "1999999",
            "tickSize": one.price(1),
        },
        "lotSizeFilter": {
            "maxOrderQty": "1190000",
            "minOrderQty": lot,
            "qtyStep": lot,
            "minNotionalValue": "5",
        },
        "unifiedMarginTrade": not inverse,
        "fundingInterval": ask.hours(one) * 60,
        "settleCoin": one.base if inverse else "USDT",
        "copyTrading": "both",
        "isPreListing": False,
        "preListingInfo": None,
        "symbolType": "" if one.asset == "coin" else one.asset,
        "fullName": _FULL_NAMES.get(one.base, one.base),
        "marketRegion": "",
        "underlyingTicker": "",
    }


_ROUTES = Routes(
    {
        "/v5/market/time": _time,
        "/v5/market/tickers": _tickers,
        "/v5/market/kline": _kline,
        "/v5/market/open-interest": _open_interest,
        "/v5/market/account-ratio": _account_ratio,
        "/v5/market/funding/history": _funding_history,
        "/v5/market/instruments-info": _instruments,
    },
    lambda path: Refusal(404, {"error": f"Not Found: {path}"}),
)


class Bybit:
    """The venue, as the exchange double serves it."""

    name = "bybit"

    def answer(self, market: Market, call: Call) -> Response:
        """Answer one call."""
        return _ROUTES.answer(market, call)

    def error(self, status: int) -> object:
        """Return Bybit's error body for a status."""
        code = {403: 10024, 429: 10006}.get(status, 10016)
        message = "Too many visits!" if status == 429 else "Server error."
        return _envelope({}, 0, code, message)
