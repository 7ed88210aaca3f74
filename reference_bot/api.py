"""What market-data answers with: the one contract between it and the bot, or whoever else asks.

Times are epoch milliseconds, volumes and open interest are in units of the base asset, prices,
turnover and values in the quote asset. Every number is finite; what is not known is null and stands
in ``missing``. How old the oldest kept part is stands in ``age``, what is beyond its lifetime in
``stale``; both are those of the moment of sending.

The service always writes what may be null; a reader takes it for null where it is not there.
It passes over members that it does not know, and takes words that it does not know as they are: an
older bot goes on answering when the service has learned a new one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, get_args

from msgspec import UNSET, Meta, Struct, UnsetType

Level = Literal["EXTREME", "HIGH", "ABOVE AVG", "NORMAL", "LOW"]
Market = Literal["spot", "perp"]
Margin = Literal["stable", "coin"]
Pressure = Literal["long_squeeze", "long_pressure", "balanced", "short_pressure", "short_squeeze"]
Takers = Literal["BUYERS", "SELLERS", "BALANCED"]
Pace = Literal["ACCELERATING", "STEADY", "DECELERATING"]
Sides = Literal["unknown"]
Trend = Literal["RISING", "FALLING", "FLAT"]
Divergence = Literal["bullish", "bearish"]
Bias = Literal["bullish", "bearish", "neutral"]
PositionSide = Literal["LONG", "SHORT"]

if not TYPE_CHECKING:

    def _any_word(words: Any) -> Any:
        """Take any word: those that are known stand in the API's description; whoever
        reads takes others, too."""
        return Annotated[str, Meta(extra_json_schema={"enum": sorted(get_args(words))})]

    Level, Market, Margin = _any_word(Level), _any_word(Market), _any_word(Margin)
    Pressure, Takers, Pace = _any_word(Pressure), _any_word(Takers), _any_word(Pace)
    Sides, Trend, Divergence = _any_word(Sides), _any_word(Trend), _any_word(Divergence)
    Bias, PositionSide = _any_word(Bias), _any_word(PositionSide)

ACTIVITY_LEVELS: Final[tuple[tuple[float, Level], ...]] = (
    (3.0, "EXTREME"),
    (2.0, "HIGH"),
    (1.5, "ABOVE AVG"),
)
"""An activity above such a ratio has this level, the first that fits."""
LOW_ACTIVITY: Final = 0.5
"""An activity below it is ``LOW``; what is between is ``NORMAL``."""

GAP: Final = "gap"
"""The reason of what lacks because a venue has a hole in its candles."""
NEW: Final = "new"
"""The reason of what lacks because a market is younger than the window."""
LATE: Final = "late"
"""The reason of what is told, but only up to the last period that a venue has told to its end."""
BUSY: Final = "busy"
"""The reason of what lacks because the service itself has no time for it, and that error's code."""
UNAVAILABLE: Final = "unavailable"
NOT_THERE: Final = frozenset({"not_listed", UNAVAILABLE})
"""Reasons that say that a venue does not have what was asked for."""
PERMANENT: Final = NOT_THERE | {"not_a_coin", GAP, NEW, LATE, "unmeasured"}
"""Reasons that no outage is behind: asking again soon does not change them."""
OTHER_VENUE: Final = "venue"
"""The section under which a venue is named that was asked first and could not answer."""


class Stale(Struct, frozen=True):
    """A part that is given beyond its lifetime; ``age`` in seconds since its venue told it."""

    section: str
    venue: str
    age: float


class Missing(Struct, frozen=True):
    """A part that is not in the answer, and why: ``reason`` is a word, ``message`` a sentence."""

    section: str
    venue: str
    reason: str
    message: str


class AnswerData(Struct, frozen=True, kw_only=True):
    """What every answer tells of itself: what it lacks, its age in seconds, what of it is stale.

    Written when it is sent. Unset before, and in an answer that is a part of another one.
    """

    missing: tuple[Missing, ...] | UnsetType = UNSET
    age: float | UnsetType = UNSET
    stale: tuple[Stale, ...] | UnsetType = UNSET

    @property
    def gaps(self) -> tuple[Missing, ...]:
        """What is missing; empty where that is not told."""
        return self.missing or ()


class Flow(Struct, frozen=True):
    """What takers did in ``[start, end)``. ``long_short`` is buy / sell, 99.9 at the most.

    ``delta_quote`` is null where a venue tells what takers bought in base units only.
    """

    start: int
    end: int
    buy: float
    sell: float
    delta: float
    delta_quote: float | None
    volume: float
    turnover: float
    long_short: float | None


class Activity(Struct, frozen=True):
    """The last closed 15 m candle's volume / the mean of the 96 before it."""

    ratio: float
    level: Level


class Control(Struct, frozen=True):
    """Who took more: ``buy_share`` is the takers' buys / volume, 0 to 1."""

    side: Takers
    buy_share: float


class Momentum(Struct, frozen=True):
    """Delta per volume of the last closed 15 m candle / that of 24 h; negative: the other
    direction.
    """

    state: Pace
    ratio: float


class Change(Struct, frozen=True):
    """Now - then: in base units, what these are worth at the price now, and in percent of then."""

    amount: float
    value: float
    pct: float


class OpenInterest(Struct, frozen=True, kw_only=True):
    """Open contracts of one venue, counted on one side; ``value`` at the mark price.

    ``sides`` is set where it is not known whether the venue counts one side or both.
    """

    amount: float
    value: float
    change_24h: Change | None = None
    change_15m: Change | None = None
    time: int
    sides: Sides | UnsetType = UNSET


class Funding(Struct, frozen=True):
    """The rate of the running interval as a fraction; ``annual`` = rate x 8760 / interval hours."""

    rate: float
    interval_hours: float
    annual: float
    rate_8h: float
    next_reset: int
    pressure: Pressure


class Accounts(Struct, frozen=True):
    """Accounts with a long position / those with a short one, whatever the size of either.

    ``long_share`` is 0 to 1; the venue counts every ``period_minutes``, last at ``time``.
    """

    long_short: float
    long_share: float
    time: int
    period_minutes: int


class Block(AnswerData, frozen=True):
    """One market of one venue, in its own spelling; null is what the venue does not tell.

    A flow ends at the newest period that the venue has told to its end. ``closed_since``: since
    when the market is closed, null while it trades. While it is closed ``time`` is that of the last
    price, and the 24 h end there. ``asset`` and ``asset_name`` are set, as in `CombinedPrice`, in
    an answer about this market alone where the base is no coin.
    """

    venue: str
    symbol: str
    time: int
    price: float
    change_24h: float
    change_24h_pct: float
    high_24h: float | None = None
    low_24h: float | None = None
    volume_24h: float | None = None
    turnover_24h: float | None = None
    flow_24h: Flow | None = None
    flow_15m: Flow | None = None
    activity: Activity | None = None
    closed_since: int | None = None
    asset: str | UnsetType = UNSET
    asset_name: str | UnsetType = UNSET


class PerpBlock(Block, frozen=True):
    """One perpetual of one venue."""

    mark_price: float | None = None
    open_interest: OpenInterest | None = None
    funding: Funding | None = None
    accounts: Accounts | None = None


class Intelligence(Struct, frozen=True):
    """The reading of the market, from the perpetual where there is one."""

    source: Market
    control_24h: Control | None = None
    momentum: Momentum | None = None
    control_15m: Control | None = None
    activity: Activity | None = None


class CombinedPrice(AnswerData, frozen=True):
    """Spot and perpetual of one pair on one venue. ``time`` is the venue's, of the newest datum.

    ``asset`` is set where the base is no coin: ``stock``, ``commodity``, ``pre-launch coin``, or
    the venue's own word; ``asset_name`` is its full name, where the venue tells it.
    """

    symbol: str
    base: str
    quote: str
    venue: str
    time: int
    intelligence: Intelligence | None = None
    spot: Block | None = None
    perp: PerpBlock | None = None
    asset: str | UnsetType = UNSET
    asset_name: str | UnsetType = UNSET


class TopSymbol(Struct, frozen=True):
    """One row of the list of what is traded most."""

    rank: int
    symbol: str
    base: str
    price: float
    change_24h_pct: float
    volume_24h: float | None = None
    turnover_24h: float | None = None


class TopSymbols(AnswerData, frozen=True):
    """What is traded most on one venue, by turnover of 24 h."""

    market: Market
    venue: str
    time: int
    symbols: tuple[TopSymbol, ...]


class Bar(Struct, frozen=True, kw_only=True):
    """A closed candle."""

    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float | None = None
    change_pct: float


class VolumeSpike(AnswerData, frozen=True):
    """The last closed candle's volume against the 96 before it."""

    symbol: str
    venue: str
    market: Market
    timeframe: str
    time: int
    bar: Bar
    mean_volume: float
    spike_pct: float
    activity: Activity
    flow: Flow | None = None


class CvdPoint(Struct, frozen=True):
    """One candle's delta, and the sum of the deltas up to its end, in base units."""

    end: int
    close: float
    delta: float
    cvd: float


class Cvd(AnswerData, frozen=True, kw_only=True):
    """Cumulative volume delta over closed candles. ``cvd_24h`` is over 24 h whatever the timeframe.

    ``divergence``: ``bullish`` when the price fell while takers bought on balance, ``bearish`` when
    it rose while they sold.
    """

    symbol: str
    venue: str
    market: Market
    timeframe: str
    time: int
    price: float
    cvd: float
    cvd_quote: float | None = None
    cvd_24h: float | None = None
    price_change_pct: float
    trend: Trend
    divergence: Divergence | None = None
    points: tuple[CvdPoint, ...]


class Spike(Struct, frozen=True):
    """A symbol whose last closed candle stands out."""

    symbol: str
    base: str
    price: float
    volume: float
    mean_volume: float
    ratio: float
    spike_pct: float
    change_pct: float
    flow: Flow | None = None


class VolumeScan(AnswerData, frozen=True):
    """The most traded symbols of one venue, those first whose volume stands out most.

    ``rest_in``: the venue takes no more calls at once, and in so many seconds those for the rest.
    """

    venue: str
    market: Market
    timeframe: str
    threshold_pct: float
    time: int
    scanned: int
    spikes: tuple[Spike, ...]
    rest_in: float | None = None


class Bollinger(Struct, frozen=True):
    """Bands of 20 closes and two deviations; ``position`` 0 is the lower band, 1 the upper."""

    upper: float
    middle: float
    lower: float
    width_pct: float
    position: float | None = None


class Technical(Struct, frozen=True):
    """Indicators over closed candles of one timeframe; ``vwap`` is over 24 h."""

    close: float
    rsi_14: float | None = None
    atr_14: float | None = None
    atr_pct: float | None = None
    vwap_24h: float | None = None
    vwap_distance_pct: float | None = None
    bollinger: Bollinger | None = None


class Signal(Struct, frozen=True):
    """One reading that counts for or against, with its points and the figure behind it."""

    code: str
    points: float
    figure: float


class Analysis(AnswerData, frozen=True, kw_only=True):
    """Everything about one pair. ``score`` is the sum of the signals, -100 (bearish) to 100.

    ``closes`` are those of the candles that ``technical`` is made of, oldest first.
    """

    symbol: str
    venue: str
    market: Market
    timeframe: str
    time: int
    price: CombinedPrice
    technical: Technical
    closes: tuple[float, ...]
    volume: Activity | None = None
    cvd: float | None = None
    bias: Bias
    score: float
    signals: tuple[Signal, ...]


class ForexPairs(AnswerData, frozen=True):
    """The currency pairs and metals that can be asked for; none without a venue that tells them."""

    venue: str | None
    symbols: tuple[str, ...]


class VenueInterest(Struct, frozen=True, kw_only=True):
    """Open interest and funding of one venue's perpetual: ``amount`` in coins, ``value`` in its
    quote, dollars where it is margined in the coin.
    """

    venue: str
    margin: Margin
    symbol: str
    quote: str
    amount: float
    value: float
    share_pct: float
    change_24h: Change | None = None
    change_15m: Change | None = None
    funding: Funding | None = None
    time: int


class MarginInterest(Struct, frozen=True):
    """What the contracts of one margin add up to, and their share of the whole value."""

    margin: Margin
    amount: float
    value: float
    share_pct: float


class MultiInterest(AnswerData, frozen=True, kw_only=True):
    """Open interest of one coin over all venues that answered, one row for a venue and margin;
    ``change_24h`` over those that tell it. Counted on one side: a venue of which that is not known
    stands in ``missing``. Hyperliquid's is added up as told, as one side, where others measured
    both. ``asset`` is set when no venue lists a coin of that name.
    """

    base: str
    time: int
    amount: float
    value: float
    change_24h: Change | None = None
    by_margin: tuple[MarginInterest, ...]
    venues: tuple[VenueInterest, ...]
    asset: str | UnsetType = UNSET


class Error(Struct, frozen=True, omit_defaults=True):
    """Why there is no data; ``near`` are symbols that an unknown one may have meant."""

    code: str
    message: str
    field: str | UnsetType = UNSET
    near: tuple[str, ...] | UnsetType = UNSET
    missing: tuple[Missing, ...] | UnsetType = UNSET


class Failure(Struct, frozen=True):
    """The envelope of every answer that is not 2xx."""

    success: Literal[False]
    error: Error
