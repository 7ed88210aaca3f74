"""What market-data answers: prices, rankings, volume, analyses, open interest, accounts.

Prices and quote amounts in the quote currency, amounts in base units, percent as such, times in
epoch ms. None is what is not known.
"""

from typing import Literal

import msgspec


class Flow(msgspec.Struct, frozen=True):
    """Taker flow in a window: base units; ``turnover`` and ``delta_quote`` in quote units.

    ``delta_quote`` is None where the venue does not tell it.
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


class Activity(msgspec.Struct, frozen=True):
    """The last closed 15 m candle's volume against the mean of the 96 before it."""

    ratio: float
    level: str


class Control(msgspec.Struct, frozen=True):
    """Who takes more: ``buy_share`` is buys ÷ volume, 0 to 1."""

    side: Literal["BUYERS", "SELLERS", "BALANCED"]
    buy_share: float


class Momentum(msgspec.Struct, frozen=True):
    """The 15 m delta per volume against the 24 h one."""

    state: str
    ratio: float


class Intelligence(msgspec.Struct, frozen=True):
    """Control, momentum and activity, from the ``source`` market."""

    source: str
    control_24h: Control | None = None
    momentum: Momentum | None = None
    control_15m: Control | None = None
    activity: Activity | None = None


class Block(msgspec.Struct, frozen=True):
    """One market's ticker and flows: prices in quote, volumes in base units, percent as such.

    ``closed_since``: since when the market is closed (epoch ms); None while it trades.
    """

    venue: str
    symbol: str
    time: int
    price: float
    change_24h: float | None = None
    change_24h_pct: float | None = None
    high_24h: float | None = None
    low_24h: float | None = None
    volume_24h: float | None = None
    turnover_24h: float | None = None
    flow_24h: Flow | None = None
    flow_15m: Flow | None = None
    activity: Activity | None = None
    closed_since: int | None = None


class Change(msgspec.Struct, frozen=True):
    """Now minus then: base amount, quote value, percent of then."""

    amount: float
    value: float
    pct: float


class OpenInterest(msgspec.Struct, frozen=True):
    """``amount`` in base units, ``value`` in quote units.

    ``sides`` is ``unknown`` where nobody knows whether the venue counts one side or both.
    """

    amount: float
    value: float
    time: int
    change_24h: Change | None = None
    change_15m: Change | None = None
    sides: str = "one"


class Funding(msgspec.Struct, frozen=True):
    """``rate`` is the fraction of an interval, ``annual`` of a year; ``next_reset`` epoch ms."""

    rate: float
    interval_hours: float
    annual: float
    rate_8h: float
    next_reset: int
    pressure: str


class Accounts(msgspec.Struct, frozen=True):
    """Accounts that are long ÷ those that are short; ``long_share`` 0 to 1."""

    long_short: float
    long_share: float


class PerpBlock(Block, frozen=True):
    """A perpetual: a block with mark price, open interest, funding and its holders."""

    mark_price: float | None = None
    open_interest: OpenInterest | None = None
    funding: Funding | None = None
    accounts: Accounts | None = None


class Missing(msgspec.Struct, frozen=True):
    """A part of the answer that did not come, and why."""

    section: str
    venue: str
    reason: str
    message: str = ""


class Stale(msgspec.Struct, frozen=True):
    """A part that is given beyond its lifetime; ``age`` in seconds."""

    section: str
    venue: str
    age: float


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer may tell of itself: its gaps, its age in seconds, what of it is stale."""

    missing: tuple[Missing, ...] = ()
    age: float = 0.0
    stale: tuple[Stale, ...] = ()


class CombinedPrice(Answered, frozen=True):
    """What ``/price`` says, in figures; ``asset`` is what the base is, if that is no coin."""

    symbol: str
    base: str
    quote: str
    venue: str
    time: int
    intelligence: Intelligence | None = None
    spot: Block | None = None
    perp: PerpBlock | None = None
    asset: str = ""
    asset_name: str = ""


class TopSymbol(msgspec.Struct, frozen=True):
    """One row of what is traded most."""

    rank: int
    symbol: str
    base: str
    price: float
    change_24h_pct: float | None = None
    turnover_24h: float | None = None


class TopSymbols(Answered, frozen=True):
    """What is traded most on one venue, by turnover of 24 h."""

    market: str
    venue: str
    time: int
    symbols: tuple[TopSymbol, ...]


class Bar(msgspec.Struct, frozen=True):
    """A closed candle."""

    start: int
    end: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    turnover: float | None = None
    change_pct: float | None = None


class VolumeSpike(Answered, frozen=True):
    """The last closed candle's volume against the 96 before it."""

    symbol: str
    venue: str
    market: str
    timeframe: str
    time: int
    bar: Bar
    mean_volume: float
    spike_pct: float
    activity: Activity
    flow: Flow | None = None


class CvdPoint(msgspec.Struct, frozen=True):
    """One candle's close and delta, and the sum of the deltas up to its end."""

    end: int
    close: float
    delta: float
    cvd: float


class Cvd(Answered, frozen=True):
    """Cumulative volume delta over closed candles; ``cvd_24h`` over 24 h whatever the timeframe."""

    symbol: str
    venue: str
    market: str
    timeframe: str
    time: int
    price: float
    cvd: float
    cvd_quote: float | None
    price_change_pct: float
    trend: str
    points: tuple[CvdPoint, ...] = ()
    cvd_24h: float | None = None
    divergence: Literal["bullish", "bearish"] | None = None


class ForexPairs(msgspec.Struct, frozen=True):
    """The currency pairs and metals that can be asked for; ``venue`` None: nobody tells them."""

    venue: str | None = None
    symbols: tuple[str, ...] = ()


class Spike(msgspec.Struct, frozen=True):
    """A symbol whose last closed candle stands out; ``ratio`` is volume ÷ mean."""

    symbol: str
    base: str
    price: float
    ratio: float
    spike_pct: float
    change_pct: float | None = None
    flow: Flow | None = None


class VolumeScan(Answered, frozen=True):
    """The symbols of one venue whose volume stands out, most first; ``scanned`` were looked at."""

    venue: str
    market: str
    timeframe: str
    threshold_pct: float
    time: int
    scanned: int
    spikes: tuple[Spike, ...]


class Bollinger(msgspec.Struct, frozen=True):
    """Bands of 20 closes and two deviations; ``position`` 0 is the lower band, 1 the upper."""

    upper: float
    lower: float
    position: float | None = None


class Technical(msgspec.Struct, frozen=True):
    """Indicators over closed candles of one timeframe; ``vwap_24h`` over 24 h."""

    close: float
    rsi_14: float | None = None
    atr_14: float | None = None
    atr_pct: float | None = None
    vwap_24h: float | None = None
    vwap_distance_pct: float | None = None
    bollinger: Bollinger | None = None


class Signal(msgspec.Struct, frozen=True):
    """One reading that counts for (positive points) or against, with the figure behind it."""

    code: str
    points: float
    figure: float


class Analysis(Answered, frozen=True):
    """Everything about one pair; ``score`` from -100 (bearish) to 100."""

    symbol: str
    venue: str
    market: str
    timeframe: str
    time: int
    price: CombinedPrice
    technical: Technical
    bias: str
    score: float
    signals: tuple[Signal, ...] = ()
    closes: tuple[float, ...] = ()
    volume: Activity | None = None
    cvd: float | None = None


class VenueInterest(msgspec.Struct, frozen=True):
    """Open interest and funding of one venue's perpetual; ``margin`` is ``stable`` or ``coin``."""

    venue: str
    margin: str
    symbol: str
    quote: str
    amount: float
    value: float
    share_pct: float
    change_24h: Change | None = None
    change_15m: Change | None = None
    funding: Funding | None = None


class MarginInterest(msgspec.Struct, frozen=True):
    """What the contracts of one margin add up to."""

    margin: str
    amount: float
    value: float
    share_pct: float


class MultiInterest(Answered, frozen=True):
    """Open interest of one coin over the venues that answered, a row for a venue and margin.

    ``asset`` is what the base is, if that is no coin.
    """

    base: str
    time: int
    amount: float
    value: float
    by_margin: tuple[MarginInterest, ...]
    venues: tuple[VenueInterest, ...]
    change_24h: Change | None = None
    asset: str = ""


class AssetBalance(msgspec.Struct, frozen=True):
    """One asset of an account; ``unrealised`` is the open profit of futures positions."""

    asset: str
    total: float
    available: float
    unrealised: float | None = None


class Balance(Answered, frozen=True):
    """What an account holds."""

    venue: str
    testnet: bool
    time: int
    spot: tuple[AssetBalance, ...] | None = None
    futures: tuple[AssetBalance, ...] | None = None


class Position(msgspec.Struct, frozen=True):
    """One open position; ``amount`` is negative when short."""

    symbol: str
    base: str
    quote: str
    side: str
    amount: float
    entry_price: float
    mark_price: float
    notional: float
    unrealised: float
    unrealised_pct: float
    liquidation_price: float | None = None


class Positions(msgspec.Struct, frozen=True):
    """The open positions, the largest first."""

    venue: str
    testnet: bool
    time: int
    positions: tuple[Position, ...]
    unrealised: float


class Pnl(Answered, frozen=True):
    """What an account gained since ``since``, in USDT; ``complete``: every entry was read."""

    venue: str
    testnet: bool
    since: int
    time: int
    realised: float
    funding: float
    commission: float
    other: float
    net: float
    complete: bool
    unrealised: float | None = None
