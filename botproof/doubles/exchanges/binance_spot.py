"""What only spot of Binance has: its tickers and its description of symbols."""

from __future__ import annotations

import re
from typing import Any

from botproof.doubles.exchanges.binance_common import (
    BinanceAsk,
    Listing,
    exchange_info,
    needed,
    price_change,
    refuse,
    weighted,
)
from botproof.doubles.exchanges.periods import DAY, HOUR, MINUTE
from botproof.doubles.exchanges.wire import decimal_text

_AVERAGED = 5
"""Minutes that the average price is told over."""
_WINDOWS = {"m": (MINUTE, 59), "h": (HOUR, 23), "d": (DAY, 7)}
_NOT_IN_MINI = ("priceChange", "priceChangePercent", "weightedAvgPrice")


def spot_ticker(ask: BinanceAsk) -> object:
    """Tell the last 24 hours of one symbol, or of many."""

    def make(listing: Listing) -> dict[str, Any]:
        ticker = price_change(ask, listing)
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


def spot_price(ask: BinanceAsk) -> object:
    """Tell the last price of one symbol, or of many."""

    def make(listing: Listing) -> dict[str, Any]:
        last = ask.market.last_price(listing.base, "spot", ask.now)
        return {"symbol": listing.symbol, "price": listing.price(last, 8)}

    return ask.one_or_all(make)


def average_price(ask: BinanceAsk) -> object:
    """Tell the average price of the last minutes."""
    listing = ask.listing()
    last = ask.market.last_trade(listing.base, "spot", ask.now)
    lately = ask.market.fold(listing.base, "spot", ask.now - _AVERAGED * MINUTE, ask.now)
    return {
        "mins": _AVERAGED,
        "price": weighted(listing, lately, 8) if lately.trades else listing.price(lately.close, 8),
        "closeTime": last.time if last else ask.now,
    }


def window_ticker(ask: BinanceAsk) -> object:
    """Tell what a window of the caller's choice came to; it begins with a whole minute."""
    if not ("symbol" in ask.call.query or "symbols" in ask.call.query):
        needed(ask, "symbol")
    found = re.fullmatch(r"(\d{1,2})([mhd])", ask.call.query.get("windowSize", "1d"))
    unit, most = _WINDOWS[found[2]] if found else (0, 0)
    if not found or not 1 <= int(found[1]) <= most:
        raise refuse(-1100, "Illegal characters found in parameter 'windowSize'.")
    start = (ask.now - int(found[1]) * unit) // MINUTE * MINUTE

    def make(listing: Listing) -> dict[str, Any]:
        whole = price_change(ask, listing, start)
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


def spot_info(ask: BinanceAsk) -> object:
    """Describe all symbols of spot."""
    _, chosen = ask.selected()
    return {
        **exchange_info(ask.now, 6000),
        "symbols": [_spot_symbol(listing) for listing in chosen],
    }
