"""What every venue can be asked, and the neutral shapes that it answers in.

Times are epoch ms; amounts and volumes are in units of the base asset whatever the venue counts in
(contracts, thousands); prices are a unit's; what a venue does not tell is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from msgspec import Struct

from reference_bot.market_data.symbols import Pair

Sides = Literal["one", "unknown"]
MarketKind = Literal["spot", "perp", "inverse"]
"""``perp`` is margined in a stable coin, ``inverse`` in the coin itself and quoted in dollars: it
never stands in for the other.
"""


COIN: Final = "coin"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One market of one venue. ``symbol`` is the venue's spelling, ``unit`` base units in one of
    it; of an inverse contract the dollars.
    """

    venue: str
    kind: MarketKind
    pair: Pair
    symbol: str
    unit: float = 1.0
    closes: bool = False
    """Whether the market has closing hours: then candles follow each other over the gap."""
    asset: str = COIN
    """What the base is: a coin, or in a word or two something else (``stock``, ``commodity``,
    ``pre-launch coin``), which counts in no ranking and no sum.
    """
    name: str = ""
    """The base's full name, where the venue tells it."""
    hours: float | None = None
    """The funding interval, where it comes with the listing."""


@dataclass(frozen=True, slots=True)
class Directory:
    """What a venue lists in one kind of market."""

    by_pair: dict[Pair, Instrument] = field(default_factory=dict)

    def by_symbol(self) -> dict[str, Instrument]:
        """Return the same by the venue's spelling."""
        return {instrument.symbol: instrument for instrument in self.by_pair.values()}

    def coins(self) -> Directory:
        """Return what is listed of coins: rankings and sums are made of these alone."""
        return Directory({pair: one for pair, one in self.by_pair.items() if one.asset == COIN})


class Ticker(Struct, frozen=True, array_like=True):
    """The last 24 hours, rolling. ``open`` is the price 24 h ago.

    While a market is closed they are the 24 h up to its last price, at ``time``, and
    ``closed_since`` is set.
    """

    time: int
    price: float
    open: float
    high: float | None
    low: float | None
    volume: float | None
    turnover: float | None
    closed_since: int | None = None


class Candle(Struct, frozen=True, array_like=True):
    """One candle over ``[start, end)``; ``buy`` is what takers bought.

    ``sell`` is told apart where buys do not come with the candle; else it is the rest of the
    volume.
    """

    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    turnover: float | None
    buy: float | None
    buy_turnover: float | None
    sell: float | None = None
    sell_turnover: float | None = None


class Candles(Struct, frozen=True, array_like=True):
    """Closed candles, oldest first, and the venue's clock when it answered."""

    as_of: int
    closed: tuple[Candle, ...]


class TakerVolume(Struct, frozen=True, array_like=True):
    """What takers bought and sold in the period that begins at ``start``."""

    start: int
    buy: float
    sell: float
    buy_turnover: float | None = None
    sell_turnover: float | None = None


class TakerVolumes(Struct, frozen=True, array_like=True):
    """Periods of ``length`` ms in any order, the running one perhaps among them."""

    as_of: int
    length: int
    periods: tuple[TakerVolume, ...]


class AccountRatio(Struct, frozen=True, array_like=True):
    """Accounts with a long position / those with a short one, counted every ``period_minutes``."""

    time: int
    long_short: float
    long_share: float
    period_minutes: int


class InterestPoint(Struct, frozen=True, array_like=True):
    """Open interest at one moment, counted on one side: every open contract has a long and a short.

    ``value`` is in the quote asset where the venue tells it.
    """

    time: int
    amount: float
    value: float | None


class FundingNow(Struct, frozen=True, array_like=True):
    """The running funding interval; ``rate`` is a fraction of the position's value."""

    time: int
    rate: float
    interval_hours: float
    next_reset: int
    mark_price: float | None


class Venue(Protocol):
    """One exchange. Every method raises VenueError with the reason when it cannot answer."""

    name: str
    quotes: tuple[str, ...]
    """What is meant here when a symbol names no quote asset."""
    kinds: tuple[MarketKind, ...]
    """The kinds of market that the venue has."""
    taker_minutes: frozenset[int]
    """The timeframes of perpetuals in which taker volumes are told apart from candles."""
    taker_periods: int
    """How many closed periods of them are told."""
    currencies: bool
    """Whether it tells currencies and metals, and nothing else; False: coins, and nothing else."""
    interest_sides: Mapping[MarketKind, Sides]
    """Whether it is known that open interest, as given on from here, counts one side."""

    async def ping(self) -> None:
        """Return when the venue answers."""

    async def directory(self, kind: MarketKind) -> Directory:
        """Return what is listed and trading."""

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Return the rolling 24 hours."""

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:
        """Return the rolling 24 hours of all that is listed and trades, in one call."""

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Return about ``count`` closed candles of ``minutes``."""

    async def taker_volumes(self, instrument: Instrument, minutes: int) -> TakerVolumes:
        """Return what takers bought and sold in the last ``taker_periods`` periods or more."""

    async def account_ratio(self, instrument: Instrument) -> AccountRatio:
        """Return the newest ratio of long to short accounts."""

    async def open_interest(self, instrument: Instrument) -> InterestPoint:
        """Return the open interest now."""

    async def open_interest_history(self, instrument: Instrument) -> tuple[InterestPoint, ...]:
        """Return points of the last 24 hours and a little more, oldest first."""

    async def funding(self, instrument: Instrument) -> FundingNow:
        """Return the running funding interval."""

    async def warm(self) -> None:
        """Read ahead what is kept for long, so that the first request need not wait for it."""
