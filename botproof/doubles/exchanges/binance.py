"""Binance's wire format: spot under ``/spot`` and USDT-margined futures under ``/futures``;
coin-margined futures, under ``/coin``, are told by `binance_coin`.

Field names, decimals as text, error bodies and statuses are those of Binance's public documentation
(binance-spot-api-docs, rest-api; derivatives/usds-margined-futures). `docs/venues.md` lists sources
and where the documentation and the live service differ.
"""

from __future__ import annotations

from collections.abc import Callable

from botproof.doubles.exchanges.binance_account import ACCOUNT_PATHS, account_answer
from botproof.doubles.exchanges.binance_coin import PREFIX as COIN
from botproof.doubles.exchanges.binance_coin import coin_answer
from botproof.doubles.exchanges.binance_common import (
    BinanceAsk,
    book_ticker,
    klines,
    ping,
    server_time,
)
from botproof.doubles.exchanges.binance_futures import (
    account_ratio,
    funding_info,
    funding_rates,
    futures_info,
    futures_price,
    futures_ticker,
    open_interest,
    open_interest_history,
    premium_index,
)
from botproof.doubles.exchanges.binance_spot import (
    average_price,
    spot_info,
    spot_price,
    spot_ticker,
    window_ticker,
)
from botproof.doubles.exchanges.coins import Kind
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.wire import Call, Refusal
from botproof.doubles.messages import Response, json_response

_NOT_FOUND = Response(
    404, b"<html><body><h2>404 Not found</h2></body></html>", "text/html", served=False
)
_ROUTES: dict[str, tuple[Kind, Callable[[BinanceAsk], object]]] = {
    "/spot/api/v3/ping": ("spot", ping),
    "/spot/api/v3/time": ("spot", server_time),
    "/spot/api/v3/exchangeInfo": ("spot", spot_info),
    "/spot/api/v3/ticker/24hr": ("spot", spot_ticker),
    "/spot/api/v3/ticker/price": ("spot", spot_price),
    "/spot/api/v3/ticker": ("spot", window_ticker),
    "/spot/api/v3/ticker/bookTicker": ("spot", book_ticker),
    "/spot/api/v3/avgPrice": ("spot", average_price),
    "/spot/api/v3/klines": ("spot", klines),
    "/futures/fapi/v1/ping": ("perp", ping),
    "/futures/fapi/v1/time": ("perp", server_time),
    "/futures/fapi/v1/exchangeInfo": ("perp", futures_info),
    "/futures/fapi/v1/ticker/24hr": ("perp", futures_ticker),
    "/futures/fapi/v1/ticker/price": ("perp", futures_price),
    "/futures/fapi/v2/ticker/price": ("perp", futures_price),
    "/futures/fapi/v1/ticker/bookTicker": ("perp", book_ticker),
    "/futures/fapi/v1/klines": ("perp", klines),
    "/futures/fapi/v1/openInterest": ("perp", open_interest),
    "/futures/fapi/v1/premiumIndex": ("perp", premium_index),
    "/futures/fapi/v1/fundingInfo": ("perp", funding_info),
    "/futures/fapi/v1/fundingRate": ("perp", funding_rates),
    "/futures/futures/data/openInterestHist": ("perp", open_interest_history),
    "/futures/futures/data/globalLongShortAccountRatio": ("perp", account_ratio),
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
            return json_response(handle(BinanceAsk(market, call, kind)))
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
