"""What venues tell of their limits: with every answer how much is used, and who asked too often.

Binance tells the weight of the running minute by API, Bybit, Gate.io and Bitget how many calls are
left of those that an address or an endpoint takes. The counts are true; nobody is refused for them:
to be refused or banned is a fault that is programmed. Sources: binance-spot-api-docs (rest-api,
LIMITS), derivatives (general info), Bybit v5 (rate limit), Gate API v4 (rate limit), Bitget (FAQ:
the rate limit that remains).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from botproof.doubles.exchanges.wire import Venue
from botproof.doubles.messages import Response, json_response

_MINUTE: Final = 60_000
_KLINES: Final = ((100, 1), (500, 2), (1001, 5))
_APIS: Final = {"/spot/": "spot", "/futures/": "futures", "/coin/": "coin"}
_ONCE_A_SECOND: Final = frozenset(
    {"/api/v2/mix/market/taker-buy-sell", "/api/v2/mix/market/account-long-short"}
)
_SINGLE: Final = {
    "/spot/api/v3/ticker/24hr": 2,
    "/spot/api/v3/ticker/price": 2,
    "/spot/api/v3/ticker": 4,
    "/spot/api/v3/ticker/bookTicker": 2,
    "/spot/api/v3/avgPrice": 2,
    "/spot/api/v3/klines": 2,
    "/spot/api/v3/exchangeInfo": 20,
    "/futures/fapi/v1/ticker/bookTicker": 2,
}
_EVERY: Final = {
    "/spot/api/v3/ticker/24hr": 80,
    "/spot/api/v3/ticker/price": 4,
    "/spot/api/v3/ticker/bookTicker": 4,
    "/futures/fapi/v1/ticker/price": 2,
    "/futures/fapi/v2/ticker/price": 2,
    "/futures/fapi/v1/ticker/bookTicker": 5,
    "/futures/fapi/v1/ticker/24hr": 40,
    "/futures/fapi/v1/premiumIndex": 10,
    "/coin/dapi/v1/ticker/24hr": 40,
    "/coin/dapi/v1/premiumIndex": 10,
}
_OF_OTHER_LIMITS: Final = ("/futures/futures/data/", "/futures/fapi/v1/funding")
"""Paths that count against limits of their own."""


def weight_of(path: str, query: Mapping[str, str]) -> int:
    """Return the weight of one call to Binance.

    >>> weight_of("/futures/fapi/v1/klines", {"limit": "99"})
    1
    >>> weight_of("/futures/fapi/v1/klines", {"limit": "100"})
    2
    """
    if path.startswith(_OF_OTHER_LIMITS):
        return 0
    if path in ("/futures/fapi/v1/klines", "/coin/dapi/v1/klines"):
        asked = int(query.get("limit") or 500)
        return next((weight for below, weight in _KLINES if asked < below), 10)
    if "symbol" not in query and path in _EVERY:
        return _EVERY[path]
    return _SINGLE.get(path, 1)


class Limits:
    """The calls of the running windows, by venue and API or endpoint."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], tuple[int, int]] = {}

    def spend(self, venue: str, what: str, now: int, window: int, weight: int) -> int:
        """Count a call in the window (ms) that holds ``now``; returns what is used of it."""
        began, used = self._used.get((venue, what), (0, 0))
        at = now // window
        used = weight + (used if began == at else 0)
        self._used[venue, what] = at, used
        return used

    def headers(self, venue: str, path: str, query: Mapping[str, str], now: int) -> dict[str, str]:
        """Count one call and return the headers that tell of it."""
        if venue == "binance":
            api = next((api for prefix, api in _APIS.items() if path.startswith(prefix)), "")
            used = self.spend(venue, api, now, _MINUTE, weight_of(path, query))
            return {"X-MBX-USED-WEIGHT-1M": str(used)}
        if venue == "bybit":
            used = self.spend(venue, "", now, 5_000, 1)
            reset = (now // 5_000 + 1) * 5_000
            return {
                "X-Bapi-Limit": "600",
                "X-Bapi-Limit-Status": str(max(0, 600 - used)),
                "X-Bapi-Limit-Reset-Timestamp": str(reset),
            }
        if venue == "gate":
            used = self.spend(venue, path, now, 10_000, 1)
            return {
                "X-Gate-RateLimit-Limit": "200",
                "X-Gate-RateLimit-Requests-Remain": str(max(0, 200 - used)),
                "X-Gate-RateLimit-Reset-Timestamp": str(now // 1000),
            }
        if venue == "bitget":
            used = self.spend(venue, path, now, 1000, 1)
            takes = 1 if path in _ONCE_A_SECOND else 20
            return {"x-mbx-used-remain-limit": str(max(0, takes - used))}
        return {}


def as_used(venue: str, path: str, share: float) -> dict[str, str]:
    """Return the headers of an answer after which this share of the limit is used."""
    left = 1 - share
    if venue == "binance":
        return {"X-MBX-USED-WEIGHT-1M": str(round(share * (6000 if "/spot/" in path else 2400)))}
    return {
        "bybit": {"X-Bapi-Limit": "600", "X-Bapi-Limit-Status": str(round(600 * left))},
        "gate": {
            "X-Gate-RateLimit-Limit": "200",
            "X-Gate-RateLimit-Requests-Remain": str(round(200 * left)),
        },
        "bitget": {"x-mbx-used-remain-limit": str(round(20 * left))},
    }.get(venue, {})


def too_many(venue: Venue, now: int, seconds: float) -> Response:
    """Return what a venue answers to whom asked too often: each its own way, for ``seconds``."""
    status = 200 if venue.name == "bybit" else 429
    headers = {
        "binance": {"Retry-After": str(round(seconds))},
        "bybit": {"X-Bapi-Limit-Reset-Timestamp": str(now + round(1000 * seconds))},
        "gate": {"X-Gate-RateLimit-Reset-Timestamp": str(round(now / 1000 + seconds))},
    }.get(venue.name, {})
    return replace(json_response(venue.error(429), status), headers=headers)


def banned(venue: Venue, now: int, seconds: float) -> Response:
    """Return what a venue answers to an address that it has banned for ``seconds``.

    Binance says until when in the text, Bybit nothing; the others have no answer of their own.
    """
    if venue.name == "binance":
        until = now + round(1000 * seconds)
        text = f"Way too much request weight used; IP banned until {until}. Please use WebSocket"
        return json_response({"code": -1003, "msg": f"{text} Streams to avoid bans."}, 418)
    if venue.name == "bybit":
        return Response(403, b"403, access too frequent. Please try it again later.", "text/plain")
    return too_many(venue, now, seconds)
