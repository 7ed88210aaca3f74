"""The rates that venues document for their endpoints, held against who asks.

Off unless switched on (``POST limits {"held": true}``): then a call beyond a documented rate is
refused as the venue does it. Real time counts, not the market's clock, and any window of the rate's
length. A call that waited for this process counts from the earliest moment at which it can have
come: what arrived apart is read at once after a stall, which is no fault of who asked. Sources:
Binance spot and derivatives (general info, LIMITS: weight of a minute), Bybit v5 (rate limit: 600
in 5 s of one address), OKX v5 (at each endpoint, "IP + Instrument ID" at some), Bitget (at each
endpoint), Gate API v4 (200 in 10 s for each public endpoint), Hyperliquid (1,200 of weight a
minute).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from botproof.doubles.exchanges.limits import weight_of

_BEAT: Final = 0.02
"""Seconds between two looks at whether the loop stands still."""
_RECENT: Final = 1.0
"""Seconds within which what a stall kept waiting is read."""
_BEATS: Final = int(_RECENT / _BEAT)
_QUESTION: Final = 20
"""Weight of most questions to Hyperliquid."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Calls to paths that begin with ``prefix`` have a weight of ``most`` in any ``seconds``.

    ``each``: every path has a limit of its own. ``of``: every value of this parameter has.
    """

    prefix: str
    most: int
    seconds: float
    each: bool = False
    of: str = ""


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
        Rate("/api/v5/rubik/stat/contracts/open-interest-history", 10, 2.0, of="instId"),
        Rate("/api/v5/rubik/", 5, 2.0, each=True, of="instId"),
        Rate("/api/v5/public/mark-price", 10, 2.0, of="instId"),
        Rate("/api/v5/public/open-interest", 20, 2.0, of="instId"),
        Rate("/api/v5/public/funding-rate", 10, 2.0, of="instId"),
        Rate("/api/v5/public/instruments", 20, 2.0, of="instType"),
        Rate("/api/v5/market/candles", 40, 2.0),
        Rate("/api/v5/public/time", 10, 2.0),
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


class Stalls:
    """Watches how long the running loop stands still. `stop` ends it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._late: deque[tuple[float, float]] = deque(maxlen=_BEATS)
        """When a beat came late, and by how much, in seconds."""
        self._wait()

    def _wait(self) -> None:
        self._due = self._loop.time() + _BEAT
        self._next = self._loop.call_at(self._due, self._beat)

    def _beat(self) -> None:
        now = self._loop.time()
        if now - self._due > _BEAT:
            self._late.append((now, now - self._due))
        self._wait()

    def stop(self) -> None:
        """Watch no longer."""
        self._next.cancel()

    def lately(self) -> float:
        """Return for how many seconds at the most what is read now may have been waiting."""
        now = self._loop.time()
        missed = sum(late for at, late in self._late if at > now - _RECENT)
        return missed + max(0.0, now - self._due)


def _on_time() -> float:
    return 0.0


@dataclass(slots=True)
class HeldRates:
    """What was asked, by venue and limit.

    ``clock`` is in seconds; ``stalled`` tells for how many of them a call may have been waiting.
    """

    clock: Callable[[], float]
    stalled: Callable[[], float] = _on_time
    _asked: dict[tuple[str, str, str], list[tuple[float, int]]] = field(default_factory=dict)
    """By limit the earliest moments at which calls can have come, and their weights."""

    def too_many(self, venue: str, path: str, query: Mapping[str, str]) -> bool:
        """Count a call and tell whether it is beyond a rate; one that is does not count."""
        for rate in _RATES.get(venue, ()):
            if path.startswith(rate.prefix):
                key = (venue, path if rate.each else rate.prefix, query.get(rate.of, ""))
                return self._beyond(rate, key, _weight(venue, path, query))
        return False

    def _beyond(self, rate: Rate, key: tuple[str, str, str], weight: int) -> bool:
        now = self.clock()
        asked = self._asked.get(key, ())
        recent = [one for one in asked if one[0] > now - rate.seconds]
        self._asked[key] = recent
        if sum(one for _, one in recent) + weight > rate.most:
            return True
        recent.append((now - self.stalled(), weight))
        return False


def _weight(venue: str, path: str, query: Mapping[str, str]) -> int:
    if venue == "binance":
        return max(1, weight_of(path, query))
    return _QUESTION if venue == "hyperliquid" else 1
