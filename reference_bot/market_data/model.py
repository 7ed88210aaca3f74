"""What the service answers with: the contract between it and whoever asks.

Times are epoch milliseconds, volumes and open interest are in units of the base asset, prices,
turnover and values in the quote asset. Every number is finite; what is not known is null and stands
in ``missing``.
"""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

__all__ = [
    "Activity",
    "Block",
    "Change",
    "CombinedPrice",
    "Control",
    "Error",
    "Failure",
    "Flow",
    "Funding",
    "Intelligence",
    "Level",
    "Missing",
    "Momentum",
    "OpenInterest",
    "PerpBlock",
    "Pressure",
]

Level = Literal["EXTREME", "HIGH", "ABOVE AVG", "NORMAL", "LOW"]
Pressure = Literal["long_squeeze", "long_pressure", "balanced", "short_pressure", "short_squeeze"]


class Flow(Struct, frozen=True):
    """What takers did in ``[start, end)``. ``long_short`` is buy / sell, 99.9 at the most."""

    start: int
    end: int
    buy: float
    sell: float
    delta: float
    delta_quote: float
    volume: float
    turnover: float
    long_short: float | None


class Activity(Struct, frozen=True):
    """The last closed 15 m candle's volume / the mean of the 96 before it."""

    ratio: float
    level: Level


class Control(Struct, frozen=True):
    """Who took more: ``buy_share`` is the takers' buys / volume, 0 to 1."""

    side: Literal["BUYERS", "SELLERS", "BALANCED"]
    buy_share: float


class Momentum(Struct, frozen=True):
    """Delta per volume of the last closed 15 m candle / that of 24 h; negative: the other
    direction.
    """

    state: Literal["ACCELERATING", "STEADY", "DECELERATING"]
    ratio: float


class Change(Struct, frozen=True):
    """Now - then: in base units, in quote, and in percent of then."""

    amount: float
    value: float
    pct: float


class OpenInterest(Struct, frozen=True):
    """Open contracts of one venue; ``value`` at the mark price."""

    amount: float
    value: float
    change_24h: Change | None
    change_15m: Change | None
    time: int


class Funding(Struct, frozen=True):
    """The rate of the running interval as a fraction; ``annual`` = rate x 8760 / interval hours."""

    rate: float
    interval_hours: float
    annual: float
    rate_8h: float
    next_reset: int
    pressure: Pressure


class Block(Struct, frozen=True):
    """One market of one venue, in its own spelling; null is what the venue does not tell."""

    venue: str
    symbol: str
    time: int
    price: float
    change_24h: float
    change_24h_pct: float
    high_24h: float | None
    low_24h: float | None
    volume_24h: float
    turnover_24h: float | None
    flow_24h: Flow | None
    flow_15m: Flow | None
    activity: Activity | None


class PerpBlock(Block, frozen=True):
    """One perpetual of one venue."""

    mark_price: float | None
    open_interest: OpenInterest | None
    funding: Funding | None


class Intelligence(Struct, frozen=True):
    """The reading of the market, from the perpetual where there is one."""

    source: Literal["perp", "spot"]
    control_24h: Control | None
    momentum: Momentum | None
    control_15m: Control | None
    activity: Activity | None


class Missing(Struct, frozen=True):
    """A part that is not in the answer, and why."""

    section: str
    venue: str
    reason: str
    message: str


class CombinedPrice(Struct, frozen=True):
    """Spot and perpetual of one pair on one venue. ``time`` is the venue's, of the newest datum."""

    symbol: str
    base: str
    quote: str
    venue: str
    time: int
    intelligence: Intelligence | None
    spot: Block | None
    perp: PerpBlock | None
    missing: tuple[Missing, ...]


class Error(Struct, frozen=True, omit_defaults=True):
    """Why there is no data."""

    code: str
    message: str
    field: str | UnsetType = UNSET
    near: tuple[str, ...] | UnsetType = UNSET
    missing: tuple[Missing, ...] | UnsetType = UNSET


class Failure(Struct, frozen=True):
    """The envelope of every answer that is not 2xx."""

    success: Literal[False]
    error: Error
