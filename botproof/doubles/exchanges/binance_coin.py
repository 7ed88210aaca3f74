"""Binance's wire format of coin-margined futures, under ``/coin`` (dapi.binance.com).

Contracts of 100 USD (BTC) or 10 USD; volumes and open interest count contracts, and the coins stand
beside them. Questions about one symbol are answered with a list of one. Field names are those of
derivatives/coin-margined-futures in Binance's public documentation.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from botproof.doubles.exchanges.binance_common import WEIGHT, exchange_info, needed, refuse
from botproof.doubles.exchanges.coins import SETTLED, Tick
from botproof.doubles.exchanges.kit import Ask, Listing, Routes, list_coins
from botproof.doubles.exchanges.market import Candle, Market
from botproof.doubles.exchanges.periods import DAY, HOUR, INTERVALS
from botproof.doubles.exchanges.wire import Call, Refusal, decimal_text, ratio_text
from botproof.doubles.messages import Response

PREFIX: Final = "/coin"


def coin_listings(market: Market) -> dict[str, Listing]:
    """Return the perpetual contracts by name; ``contract`` is dollars."""
    return list_coins(market, "binance", "inverse", _listing)


def _listing(base: str, tick: Tick) -> Listing:
    dollars = Fraction(10) ** -tick.lot
    symbol = f"{base}USD_PERP"
    return Listing(symbol, base, "USD", "inverse", WEIGHT, tick, contract=dollars)


def _known(ask: Ask) -> dict[str, Listing]:
    return ask.open(coin_listings(ask.market))


def _one(ask: Ask) -> Listing:
    found = _known(ask).get(needed(ask, "symbol"))
    if found is None:
        raise refuse(-1121, "Invalid symbol.")
    return found


def _chosen(ask: Ask) -> list[Listing]:
    return [_one(ask)] if ask.text("symbol") else list(_known(ask).values())


def _interval(ask: Ask, name: str) -> int:
    interval = INTERVALS.get(needed(ask, name))
    if interval is None:
        raise refuse(-1120, f"Invalid {name}.")
    return interval


def _pair(one: Listing) -> str:
    return f"{one.base}USD"


def _ping(_: Ask) -> Any:
    return {}


def _time(ask: Ask) -> Any:
    return {"serverTime": ask.now}


def _info(ask: Ask) -> Any:
    return {
        **exchange_info(ask.now, 2400),
        "symbols": [_symbol(one) for one in _known(ask).values()],
    }


def _symbol(one: Listing) -> dict[str, Any]:
    tick = one.price(1)
    return {
        "symbol": one.symbol,
        "pair": _pair(one),
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1597042800000,
        "contractStatus": "TRADING",
        "contractSize": int(one.contract),
        "marginAsset": one.base,
        "maintMarginPercent": "2.5000",
        "requiredMarginPercent": "5.0000",
        "baseAsset": one.base,
        "quoteAsset": "USD",
        "pricePrecision": one.tick.price,
        "quantityPrecision": 0,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "equalQtyPrecision": 4,
        "maxMoveOrderLimit": 10000,
        "triggerProtect": "0.0500",
        "liquidationFee": "0.015000",
        "marketTakeBound": "0.05",
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "4520958",
                "tickSize": tick,
            },
            {"filterType": "LOT_SIZE", "minQty": "1", "maxQty": "1000000", "stepSize": "1"},
            {"filterType": "MARKET_LOT_SIZE", "minQty": "1", "maxQty": "60000", "stepSize": "1"},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


def _ticker(ask: Ask) -> Any:
    return [_ticker_row(ask, one) for one in _chosen(ask)]


def _ticker_row(ask: Ask, one: Listing) -> dict[str, Any]:
    day = ask.day(one)
    change = day.close - day.open
    return {
        "symbol": one.symbol,
        "pair": _pair(one),
        "priceChange": decimal_text(change, one.tick.price),
        "priceChangePercent": ratio_text(100 * change, day.open, 3),
        # what a coin cost on average: dollars through coins
        "weightedAvgPrice": ratio_text(
            day.lots * 10 ** (SETTLED - one.tick.lot), day.turnover, one.tick.price
        ),
        "lastPrice": one.price(day.close),
        "lastQty": one.contracts(1),
        "openPrice": one.price(day.open),
        "highPrice": one.price(day.high),
        "lowPrice": one.price(day.low),
        "volume": one.contracts(day.lots),
        "baseVolume": one.volumes(day.lots, day.turnover)[0],
        "openTime": ask.now - DAY,
        "closeTime": ask.now,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }


def _klines(ask: Ask) -> Any:
    one = _one(ask)
    candles = ask.candles(
        one,
        _interval(ask, "interval"),
        limit=min(ask.whole("limit", 500), 1500),
        start=ask.whole("startTime", 0),
        end=ask.whole("endTime", 0),
    )
    return [_kline(one, candle) for candle in candles]


def _kline(one: Listing, candle: Candle) -> list[Any]:
    return [
        candle.start,
        *(one.price(p) for p in (candle.open, candle.high, candle.low, candle.close)),
        one.contracts(candle.lots),
        candle.end - 1,
        one.volumes(candle.lots, candle.turnover)[0],
        candle.trades,
        one.contracts(candle.buy_lots),
        one.turnover(candle.buy_turnover),
        "0",
    ]


def _open_interest(ask: Ask) -> Any:
    one = _one(ask)
    return {
        "symbol": one.symbol,
        "pair": _pair(one),
        "openInterest": one.contracts(ask.interest(one)),
        "contractType": "PERPETUAL",
        "time": ask.now,
    }


def _history(ask: Ask) -> Any:
    """Answer by pair and contract type: of this path alone Binance names no symbol."""
    known = {_pair(one): one for one in _known(ask).values()}
    one = known.get(needed(ask, "pair"))
    if one is None:
        raise refuse(-1121, "Invalid symbol.")
    if needed(ask, "contractType") not in ("PERPETUAL", "ALL"):
        return []
    points = ask.points(
        one,
        _interval(ask, "period"),
        limit=min(ask.whole("limit", 30), 500),
        first=ask.whole("startTime", 0),
        last=ask.whole("endTime", 0),
    )
    return [_point(ask, one, at) for at in points]


def _point(ask: Ask, one: Listing, at: int) -> dict[str, Any]:
    lots = ask.interest(one, at)
    return {
        "pair": _pair(one),
        "contractType": "PERPETUAL",
        "sumOpenInterest": one.contracts(lots),
        "sumOpenInterestValue": f"{one.value(lots, ask.mark(one, at)):.8f}",  # in coins
        "timestamp": at,
    }


def _premium_index(ask: Ask) -> Any:
    return [_premium(ask, one) for one in _chosen(ask)]


def _premium(ask: Ask, one: Listing) -> dict[str, Any]:
    rate, settles = ask.funding(one, ask.hours(one))
    index = f"{ask.market.index_price(one.base, ask.now):.8f}"
    return {
        "symbol": one.symbol,
        "pair": _pair(one),
        "markPrice": f"{ask.mark(one):.8f}",
        "indexPrice": index,
        "estimatedSettlePrice": index,
        "lastFundingRate": rate,
        "interestRate": "0.00010000",
        "nextFundingTime": settles,
        "time": ask.now,
    }


def _funding_info(ask: Ask) -> Any:
    """List the symbols whose interval was adjusted, as on the other side of futures."""
    return [
        {
            "symbol": one.symbol,
            "adjustedFundingRateCap": "0.02500000",
            "adjustedFundingRateFloor": "-0.02500000",
            "fundingIntervalHours": ask.hours(one),
            "disclaimer": False,
        }
        for one in _known(ask).values()
        if ask.hours(one) != 8
    ]


def _funding_rates(ask: Ask) -> Any:
    one = _one(ask)
    hours = ask.hours(one)
    points = ask.points(
        one,
        hours * HOUR,
        limit=min(ask.whole("limit", 100), 1000),
        first=ask.whole("startTime", 0),
        last=ask.whole("endTime", 0),
    )
    return [
        {"symbol": one.symbol, "fundingTime": at, "fundingRate": ask.settled_rate(one, at, hours)}
        for at in points
    ]


_ROUTES = Routes(
    {
        f"{PREFIX}/dapi/v1/ping": _ping,
        f"{PREFIX}/dapi/v1/time": _time,
        f"{PREFIX}/dapi/v1/exchangeInfo": _info,
        f"{PREFIX}/dapi/v1/ticker/24hr": _ticker,
        f"{PREFIX}/dapi/v1/klines": _klines,
        f"{PREFIX}/dapi/v1/openInterest": _open_interest,
        f"{PREFIX}/dapi/v1/premiumIndex": _premium_index,
        f"{PREFIX}/dapi/v1/fundingInfo": _funding_info,
        f"{PREFIX}/dapi/v1/fundingRate": _funding_rates,
        f"{PREFIX}/futures/data/openInterestHist": _history,
    },
    lambda path: Refusal(404, {"code": -5000, "msg": f"Path {path}, Method GET is invalid"}),
)


def coin_answer(market: Market, call: Call) -> Response:
    """Answer one call to a path that begins with `PREFIX`."""
    return _ROUTES.answer(market, call)
