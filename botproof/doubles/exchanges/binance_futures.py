"""What only USDT-margined futures of Binance have: open interest, funding, account ratios."""

from __future__ import annotations

from typing import Any

from botproof.doubles.exchanges.binance_common import (
    PERIODS,
    BinanceAsk,
    Listing,
    exchange_info,
    needed,
    price_change,
    refuse,
)
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import HOUR
from botproof.doubles.exchanges.wire import decimal_text, ratio_text


def futures_ticker(ask: BinanceAsk) -> object:
    """Tell the last 24 hours of one symbol, or of all."""
    return ask.one_or_all(lambda listing: price_change(ask, listing))


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


def futures_price(ask: BinanceAsk) -> object:
    """Tell the last price of one symbol, or of all."""

    def make(listing: Listing) -> dict[str, Any]:
        last = ask.market.last_price(listing.base, "perp", ask.now)
        return {"symbol": listing.symbol, "price": listing.price(last), "time": ask.now}

    return ask.one_or_all(make)


def futures_info(ask: BinanceAsk) -> object:
    """Describe all symbols of USDT-margined futures."""
    return {
        **exchange_info(ask.now, 2400),
        "futuresType": "U_MARGINED",
        "assets": [{"asset": "USDT", "marginAvailable": True, "autoAssetExchange": "-10000"}],
        "symbols": [_futures_symbol(listing) for listing in ask.symbols().values()],
    }


def open_interest(ask: BinanceAsk) -> object:
    """Tell the open interest of now, in units of the symbol."""
    listing = ask.listing()
    lots = ask.market.open_interest(listing.base, ask.now)
    return {"openInterest": listing.quantity(lots), "symbol": listing.symbol, "time": ask.now}


def _points(ask: BinanceAsk, listing: Listing) -> list[int]:
    """Return the moments of a history that the parameters ask for, oldest first."""
    period = PERIODS.get(needed(ask, "period"))
    if period is None:
        raise refuse(-1130, "Data sent for parameter 'period' is not valid.")
    limit = ask.limit(30, 500)
    first, last = ask.number("startTime") or 0, min(ask.number("endTime") or ask.now, ask.now)
    first = max(first, ask.market.listed_at(listing.base))
    latest = last // period * period
    return [at for at in range(latest - (limit - 1) * period, latest + 1, period) if at >= first]


def open_interest_history(ask: BinanceAsk) -> object:
    """Tell the open interest at the ends of past periods, oldest first."""
    listing = ask.listing()
    return [_interest_point(ask.market, listing, at) for at in _points(ask, listing)]


def account_ratio(ask: BinanceAsk) -> object:
    """Tell how many accounts are long, for each that is short, at the ends of past periods."""
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


def premium_index(ask: BinanceAsk) -> object:
    """Tell mark price, funding rate and next funding of one symbol, or of all."""

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


def funding_info(ask: BinanceAsk) -> object:
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


def funding_rates(ask: BinanceAsk) -> object:
    """Tell the funding rates of past resets, oldest first."""
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
