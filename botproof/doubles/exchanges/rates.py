"""The rates that venues document for their endpoints, held against who asks.

Off unless switched on (``POST limits {"held": true}``): then a call beyond a documented rate is
refused as the venue does it. Real time counts, not the market's clock, and any window of the rate's
length. Sources: Binance spot and derivatives (general info, LIMITS: weight of a minute), Bybit v5
(rate limit: 600 in 5 s of one address), OKX v5 and Bitget (at each endpoint), Gate API v4 (200 in
10 s for each public endpoint), Hyperliquid (1,200 of weight a minute).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from botproof.doubles.exchanges.limits import weight_of

__all__ = ["HeldRates", "Rate"]

_QUESTION: Final = 20
"""Weight of most questions to Hyperliquid."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls to paths that begin with ``prefix`` have a weight of ``most`` in any ``seconds``.

    ``each``: every path has a limit of its own.
    """

    prefix: str
    most: int
    seconds: float
    each: bool = False


_RATES: Final[Mapping[str, tuple[Rate, ...]]] = {
    "binance": (
        Rate("/futures/futures/data/", 1000, 300.0),
        Rate("/futures/fapi/v1/funding", 500, 300.0),
        Rate("/spot/", 6000, 60.0),
        Rate("/futures/", 2400, 60.0),
        Rate("/coin/", 2400, 60.0),
    ),
    "bybit": (Rate("/v5/", 600, 5.0),),
    "okx": (
        Rate("/api/v5/rubik/stat/contracts/open-interest-history", 10, 2.0),
        Rate("/api/v5/rubik/", 5, 2.0, each=True),
        Rate("/api/v5/public/mark-price", 10, 2.0),
        Rate("/api/v5/market/candles", 40, 2.0),
        Rate("/api/v5/public/time", 10, 2.0),
        Rate("/api/v5/public/funding-rate", 10, 2.0, each=True),
        Rate("/api/v5/", 20, 2.0, each=True),
    ),
    "gate": (Rate("/api/v4/", 200, 10.0, each=True),),
    "bitget": (
        Rate("/api/v2/mix/market/taker-buy-sell", 1, 1.0),
        Rate("/api/v2/mix/market/account-long-short", 1, 1.0),
        Rate("/api/v2/", 20, 1.0, each=True),
    ),
    "hyperliquid": (Rate("/info", 1200, 60.0),),
}


@dataclass(slots=True)
class HeldRates:
    """What was asked, by venue and limit. ``clock`` is in seconds."""

    clock: Callable[[], float]
    _asked: dict[tuple[str, str], deque[tuple[float, int]]] = field(default_factory=dict)

    def too_many(self, venue: str, path: str, query: Mapping[str, str]) -> bool:
        """Count a call and tell whether it is beyond a rate; one that is does not count."""
        for rate in _RATES.get(venue, ()):
            if path.startswith(rate.prefix):
                key = (venue, path if rate.each else rate.prefix)
                return self._beyond(rate, key, _weight(venue, path, query))
        return False

    def _beyond(self, rate: Rate, key: tuple[str, str], weight: int) -> bool:
        now = self.clock()
        asked = self._asked.setdefault(key, deque())
        while asked and asked[0][0] <= now - rate.seconds:
            asked.popleft()
        if sum(one for _, one in asked) + weight > rate.most:
            return True
        asked.append((now, weight))
        return False


def _weight(venue: str, path: str, query: Mapping[str, str]) -> int:
    if venue == "binance":
        return max(1, weight_of(path, query))
    return _QUESTION if venue == "hyperliquid" else 1
