"""One seeded market, as pure functions of (seed, coin, time).

Nothing here knows a venue, a wire format or a clock: whoever asks says which moment it is. The same
question gets the same answer in any process, in any order, so a venue, a test and a truth endpoint
can each compute it for themselves.

The truth is *trades*. A candle, a ticker and a volume are folds over trades, in integers (price in
ticks, quantity in lots), so every figure derived from them can be checked exactly. Open interest,
funding, the accounts that are long, mark and index price are paths of their own.

Times are epoch milliseconds. A coin has up to three books: ``spot``, ``perp`` (margined in
USDT) and ``inverse`` (margined in the coin). A lot of an inverse book is a number of dollars, and
what a trade settles in coins is rounded to 1e-8 of one, as venues do; its turnover counts those.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from random import Random
from typing import Literal, TypeVar

from botproof.doubles.exchanges.hours import Hours, is_open

__all__ = [
    "BLOCK",
    "COINS",
    "DAY",
    "FOREX",
    "HOUR",
    "KINDS",
    "MINUTE",
    "OTHERS",
    "SETTLED",
    "Candle",
    "Coin",
    "Kind",
    "Market",
    "Scenario",
    "ScenarioKind",
    "Tick",
    "Trade",
    "synthetic_coins",
]

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BLOCK = 15 * MINUTE
"""Trades are drawn a quarter of an hour at a time: the candle that everyone asks for is one draw.
"""

_SPAN = 16 * BLOCK

Kind = Literal["spot", "perp", "inverse"]
KINDS: tuple[Kind, ...] = ("spot", "perp", "inverse")
SETTLED = 8
"""Decimal places of the coins that an inverse book settles in."""

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_TICK_OFFSET = 1  # no price is below one tick


@dataclass(frozen=True, slots=True)
class Tick:
    """The grid of a book, as decimal places of the base unit; negative places are powers of ten.

    SHIB's perpetual moves in thousands, so its ``lot`` is -3: one lot is 1,000 SHIB. Of an inverse
    book the unit is the dollar: -2 is a contract of 100 USD.
    """

    price: int
    lot: int


@dataclass(frozen=True, slots=True)
class Coin:
    """What is traded against USDT, and in an inverse book against dollars; with ``hours`` a
    currency pair or metal in its own quote.

    ``asset`` says what it is where that is no coin, ``ticker`` what venues call it where that is
    not ``base``, ``venues`` who lists it, where that are not all that list its kind.

    ``price`` is what the path swings around, ``swing`` the size of a usual day (0.03 = 3 %),
    ``turnover`` a usual day's spot turnover in USDT on the smallest venue, ``funding_hours`` the
    interval on venues that set one a symbol.
    """

    base: str
    price: float
    turnover: float
    spot: Tick | None
    perp: Tick | None
    swing: float = 0.03
    funding_hours: int = 8
    trades: int = 48
    hours: Hours = "always"
    inverse: Tick | None = None
    asset: str = "coin"
    ticker: str = ""
    venues: frozenset[str] | None = None

    @property
    def name(self) -> str:
        """What venues call it."""
        return self.ticker or self.base

    def on(self, venue: str) -> bool:
        """Tell whether a venue lists it."""
        return self.venues is None or venue in self.venues

    def book(self, kind: Kind) -> Tick | None:
        """Return the grid of one book; None when the coin has no such book."""
        return {"spot": self.spot, "perp": self.perp, "inverse": self.inverse}[kind]

    def tick(self, kind: Kind) -> Tick:
        """Return the grid of one book; LookupError when the coin has no such book."""
        tick = self.book(kind)
        if tick is None:
            raise LookupError(f"{self.base} has no {kind} book")
        return tick


class ScenarioKind(Enum):
    """The extreme markets to choose from."""

    CRASH = "crash"
    SPIKE = "spike"
    QUIET = "quiet"
    MISSING = "missing"
    NEW_LISTING = "new_listing"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something out of the ordinary that happens to one coin from the moment ``at`` on."""

    kind: ScenarioKind
    at: int

    def price(self, time: int) -> float:
        """Return the addition to the logarithm of the price."""
        since = (time - self.at) / HOUR
        if since <= 0:
            return 0.0
        if (
            self.kind is ScenarioKind.CRASH
        ):  # a third is lost in an hour, half of that comes back in six
            fall = -0.43 * min(1.0, since)
            return fall + 0.2 * min(1.0, max(0.0, since - 1) / 6)
        if self.kind is ScenarioKind.SPIKE:  # up in one quarter of an hour, fading over a day
            return 0.17 * min(1.0, since * 4) * math.exp(-max(0.0, since - 0.25) / 12)
        return 0.0

    def volume(self, time: int) -> float:
        """Return the factor on what is traded."""
        since = (time - self.at) / HOUR
        if since < 0:
            return 1.0
        if self.kind is ScenarioKind.CRASH:
            return 1 + 9 * math.exp(-since / 1.5)
        if self.kind is ScenarioKind.SPIKE:
            return 1 + 11 * math.exp(-since / 0.5)
        return 0.02 if self.kind is ScenarioKind.QUIET else 1.0

    def tilt(self, time: int) -> float:
        """Return the addition to the share of takers who buy."""
        since = (time - self.at) / HOUR
        if since < 0:
            return 0.0
        if self.kind is ScenarioKind.CRASH:
            return -0.3 * math.exp(-since / 2)
        return 0.3 * math.exp(-since) if self.kind is ScenarioKind.SPIKE else 0.0


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade: ``price`` in ticks, ``lots`` in lots, ``buy`` when the taker bought."""

    id: int
    time: int
    price: int
    lots: int
    buy: bool


@dataclass(frozen=True, slots=True)
class Candle:
    """Trades of ``[start, end)`` folded: prices in ticks, volumes in lots, turnovers in ticks x
    lots, of an inverse book in 1e-8 of the coin.
    """

    start: int
    end: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    buy_lots: int = 0
    turnover: int = 0
    buy_turnover: int = 0
    trades: int = 0
    first_id: int = -1
    last_id: int = -1


_Value = TypeVar("_Value")


@dataclass(slots=True)
class _Memory:
    """The last ``size`` answers: the functions are pure, so forgetting costs time and nothing
    else.
    """

    size: int
    entries: OrderedDict[Hashable, object] = field(default_factory=OrderedDict)
    closed: bool = False
    # The double draws in a thread while others may ask; the same value drawn twice does no harm.
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: Hashable, make: Callable[[], _Value]) -> _Value:
        with self.lock:
            if key in self.entries:
                self.entries.move_to_end(key)
                return self.entries[key]  # type: ignore[return-value]  # one memory holds one kind of value
        if self.closed:
            raise MarketClosedError
        value = make()
        with self.lock:
            self.entries[key] = value
            if len(self.entries) > self.size:
                self.entries.popitem(last=False)
        return value


def _key(*parts: object) -> int:
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def _mix(key: int, index: int) -> int:
    """Splitmix64: neighbouring indexes give unrelated numbers."""
    z = (key + index * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def _noise(key: int, time: int, period: int) -> float:
    """Smooth noise in -1…1 that turns about once a ``period``."""
    index, rest = divmod(time, period)
    f = rest / period
    f = f * f * (3 - 2 * f)
    left = _mix(key, index) / 2**63 - 1
    right = _mix(key, index + 1) / 2**63 - 1
    return left + (right - left) * f


def _octaves(key: int, time: int, octaves: Iterable[tuple[int, float]]) -> float:
    return sum(size * _noise(key + n, time, period) for n, (period, size) in enumerate(octaves))


_PRICE = (
    (30 * DAY, 1.5),
    (7 * DAY, 1.0),
    (2 * DAY, 0.7),
    (12 * HOUR, 0.45),
    (3 * HOUR, 0.25),
    (45 * MINUTE, 0.12),
)
_ACTIVITY = ((DAY, 0.3), (3 * HOUR, 0.35), (20 * MINUTE, 0.45))
_BIAS = ((DAY, 0.07), (4 * HOUR, 0.07), (30 * MINUTE, 0.1))
_INTEREST = ((10 * DAY, 0.1), (DAY, 0.05), (5 * HOUR, 0.02), (40 * MINUTE, 0.006))
_FUNDING = ((5 * DAY, 0.00022), (9 * HOUR, 0.00018))
_ACCOUNTS = ((4 * DAY, 0.09), (10 * HOUR, 0.04), (HOUR, 0.012))
_BASIS = ((DAY, 0.0006), (2 * HOUR, 0.0003))


class MarketClosedError(Exception):
    """The market was closed while something was being drawn."""


class Market:
    """The market of one seed. ``scenarios`` maps a coin's base to what happens to it.

    Every answer is a pure function of the arguments and of (seed, scenarios); what is kept between
    calls is a memory of earlier answers only.
    """

    def __init__(
        self,
        seed: int,
        coins: Iterable[Coin] = (),
        scenarios: Mapping[str, Scenario] | None = None,
    ) -> None:
        self.seed = seed
        self.coins = {coin.base: coin for coin in (coins or COINS + FOREX + OTHERS)}
        self.scenarios = dict(scenarios or {})
        unknown = sorted(self.scenarios.keys() - self.coins.keys())
        if unknown:
            raise ValueError(
                f"scenarios for coins that the market does not have: {', '.join(unknown)}"
            )
        self._keys: dict[tuple[str, ...], int] = {}
        self._levels = _Memory(200_000)
        # room for a day of every book, and for the ends of that day
        self._trades = _Memory(max(2_000, 8 * len(self.coins)))
        self._blocks = _Memory(max(65_000, 250 * len(self.coins)))
        self._spans = _Memory(max(6_000, 16 * len(self.coins)))

    def with_scenario(self, base: str, scenario: Scenario | None) -> Market:
        """Return the same market with something else happening to one coin (None: nothing)."""
        scenarios = {name: value for name, value in self.scenarios.items() if name != base}
        if scenario is not None:
            scenarios[base] = scenario
        other = Market(self.seed, self.coins.values(), scenarios)
        # what was drawn for the other coins is the same there: the memories know the scenario
        other._levels, other._trades = self._levels, self._trades
        other._blocks, other._spans = self._blocks, self._spans
        return other

    def close(self) -> None:
        """Break off what is being drawn, in another thread, with `MarketClosedError`."""
        self._blocks.closed = True

    # -- paths ---------------------------------------------------------------------------------

    def listed_at(self, base: str) -> int:
        """Return when the coin's books opened: 0 unless the scenario lists it later."""
        scenario = self.scenarios.get(base)
        return scenario.at if scenario and scenario.kind is ScenarioKind.NEW_LISTING else 0

    def fair_price(self, base: str, kind: Kind, time: int) -> float:
        """Return the path that trades scatter around, in USDT."""
        return math.exp(self._level(base, kind, time))

    def index_price(self, base: str, time: int) -> float:
        """Return the index that funding is measured against: the spot path."""
        return self.fair_price(base, "spot", time)

    def mark_price(self, base: str, time: int, kind: Kind = "perp") -> float:
        """Return the fair price of a perpetual."""
        return self.fair_price(base, kind, time)

    def open_interest(self, base: str, time: int, kind: Kind = "perp") -> int:
        """Return the open contracts of the smallest venue, in lots of the book."""
        if time < self.listed_at(base):
            return 0
        coin = self.coins[base]
        size = 1.6 * coin.turnover / coin.price if kind == "perp" else 0.5 * coin.turnover
        level = _octaves(self._stream(base, *_named(kind, "interest")), time, _INTEREST)
        return max(1, round(size * math.exp(level) * 10.0 ** coin.tick(kind).lot))

    def funding_rate(self, base: str, settles_at: int, hours: int, kind: Kind = "perp") -> int:
        """Return the rate paid at a settlement that closes an interval of ``hours``, in 1e-8."""
        stream = self._stream(base, *_named(kind, "funding"))
        eight_hours = 0.0001 + _octaves(stream, settles_at, _FUNDING)
        return round(eight_hours * hours / 8 * 1e8)

    def long_accounts(self, base: str, time: int) -> int:
        """Return how many of 10,000 accounts with a position are long; the others are short."""
        share = 0.54 + _octaves(self._stream(base, "accounts"), time, _ACCOUNTS)
        return min(9_900, max(100, round(10_000 * share)))

    def _level(self, base: str, kind: Kind, time: int) -> float:
        def make() -> float:
            coin = self.coins[base]
            level = math.log(coin.price) + coin.swing * _octaves(
                self._stream(base, "price"), time, _PRICE
            )
            if kind != "spot":
                level += _octaves(self._stream(base, *_named(kind, "basis")), time, _BASIS)
            scenario = self.scenarios.get(base)
            return level + (scenario.price(time) if scenario else 0.0)

        return self._levels.get((base, self.scenarios.get(base), kind, time), make)

    def _stream(self, *name: str) -> int:
        if name not in self._keys:
            self._keys[name] = _key(self.seed, *name)
        return self._keys[name]

    # -- trades --------------------------------------------------------------------------------

    def trades(self, base: str, kind: Kind, start: int, end: int) -> Iterator[Trade]:
        """Yield the trades of ``[start, end)`` in the order in which they happened."""
        for index in range(start // BLOCK, -(-end // BLOCK)):
            for trade in self._trades_of(base, kind, index):
                if start <= trade.time < end:
                    yield trade

    def last_trade(self, base: str, kind: Kind, time: int) -> Trade | None:
        """Return the last trade before ``time``; None when the two days before it had none."""
        last = (time - 1) // BLOCK
        for index in range(last, last - 2 * DAY // BLOCK, -1):
            earlier = [t for t in self._trades_of(base, kind, index) if t.time < time]
            if earlier:
                return earlier[-1]
        return None

    def last_price(self, base: str, kind: Kind, time: int) -> int:
        """Return the last trade's price before ``time`` in ticks; the fair price without one."""
        trade = self.last_trade(base, kind, time)
        if trade is not None:
            return trade.price
        return self._ticks(self.coins[base], kind, self._level(base, kind, time))

    def _trades_of(self, base: str, kind: Kind, index: int) -> tuple[Trade, ...]:
        return self._trades.get(
            (base, self.scenarios.get(base), kind, index),
            lambda: tuple(self._draw(self.coins[base], kind, index)),
        )

    def _draw(self, coin: Coin, kind: Kind, index: int) -> Iterator[Trade]:
        """Draw one block. Every number comes from the block's own generator, so order does not
        matter.
        """
        rng = Random(  # noqa: S311 - a simulation
            _mix(self._stream(coin.base, kind, "trades"), index)
        )
        start = index * BLOCK
        if not is_open(coin.hours, start):
            return
        scenario = self.scenarios.get(coin.base)
        volume = scenario.volume(start) if scenario else 1.0
        count = int(coin.trades * min(volume, 4.0) * (0.6 + 0.8 * rng.random()))
        if not count:
            return
        first, last = (self._level(coin.base, kind, t) for t in (start, start + BLOCK))
        buyers = self._buyers(coin.base, kind, start, scenario)
        mean = self._usual_lots(coin, kind, start, math.exp(first)) * volume / count
        opens = self.listed_at(coin.base)
        for n, offset in enumerate(sorted(int(rng.random() * BLOCK) for _ in range(count))):
            scatter = coin.swing * 0.06 * (rng.random() - 0.5)
            price = first + (last - first) * offset / BLOCK + scatter
            lots = max(1, round(-math.log(1 - rng.random()) * mean))
            buy = rng.random() < buyers
            if start + offset >= opens:
                trade_id = (index << 10) + n
                ticks = self._ticks(coin, kind, price)
                yield Trade(trade_id, start + offset, ticks, lots, buy)

    def _buyers(self, base: str, kind: Kind, time: int, scenario: Scenario | None) -> float:
        bias = _octaves(self._stream(base, kind, "bias"), time, _BIAS)
        return min(0.97, max(0.03, 0.5 + bias + (scenario.tilt(time) if scenario else 0.0)))

    def _usual_lots(self, coin: Coin, kind: Kind, time: int, price: float) -> float:
        """Return what a block trades on an ordinary day: busier in the afternoon of UTC."""
        turnover = coin.turnover * (5 if kind == "perp" else 1) * BLOCK / DAY
        daily = 1 + 0.35 * math.sin((time % DAY) / DAY * 2 * math.pi - 1.9)
        level = _octaves(self._stream(coin.base, kind, "activity"), time, _ACTIVITY)
        size = turnover if kind == "inverse" else turnover / price
        return size * daily * math.exp(level) * 10.0 ** coin.tick(kind).lot

    @staticmethod
    def _ticks(coin: Coin, kind: Kind, level: float) -> int:
        return max(_TICK_OFFSET, round(math.exp(level) * 10.0 ** coin.tick(kind).price))

    # -- folds ---------------------------------------------------------------------------------

    def fold(self, base: str, kind: Kind, start: int, end: int) -> Candle:
        """Fold the trades of ``[start, end)`` into one candle.

        Without a trade it is flat at the last price before it, as venues print it.
        """
        folded = _merge(start, end, self._parts(base, kind, start, end))
        if folded is None:
            price = self.last_price(base, kind, start)
            return Candle(start, end, price, price, price, price)
        return folded

    def _parts(self, base: str, kind: Kind, start: int, end: int) -> Iterator[Candle]:
        """Cut a window into the largest pieces that are remembered."""
        at = start
        while at < end:
            if at % _SPAN == 0 and at + _SPAN <= end:
                yield self._span(base, kind, at // _SPAN)
                at += _SPAN
            elif at % BLOCK == 0 and at + BLOCK <= end:
                yield self._block(base, kind, at // BLOCK)
                at += BLOCK
            else:
                right = min((at // BLOCK + 1) * BLOCK, end)
                yield self._fold_trades(base, kind, at, right)
                at = right

    def _span(self, base: str, kind: Kind, index: int) -> Candle:
        """Fold sixteen blocks: a day of five hundred coins is asked for again and again."""
        first = index * _SPAN // BLOCK

        def fold() -> Candle:
            blocks = (self._block(base, kind, first + n) for n in range(_SPAN // BLOCK))
            start, end = index * _SPAN, (index + 1) * _SPAN
            return _merge(start, end, blocks) or Candle(start, end, 0, 0, 0, 0)

        return self._spans.get((base, self.scenarios.get(base), kind, index), fold)

    def _block(self, base: str, kind: Kind, index: int) -> Candle:
        start, end = index * BLOCK, (index + 1) * BLOCK
        return self._blocks.get(
            (base, self.scenarios.get(base), kind, index),
            lambda: self._fold_trades(base, kind, start, end),
        )

    def _fold_trades(self, base: str, kind: Kind, start: int, end: int) -> Candle:
        done = list(self.trades(base, kind, start, end))
        tick = self.coins[base].tick(kind)
        return _folded(start, end, done, _settle(tick) if kind == "inverse" else _pay)

    def candles(
        self, base: str, kind: Kind, interval: int, *, start: int, end: int, now: int
    ) -> list[Candle]:
        """Return the candles that a venue shows at ``now`` whose start is in ``[start, end]``.

        The one that is still open holds the trades so far. A candle that the scenario hides, that
        is before the listing or that has not begun is not there.
        """
        first = -(-max(start, self.listed_at(base) - interval + 1) // interval) * interval
        starts = range(first, min(end, now) + 1, interval)
        return [
            _until(at + interval, self.fold(base, kind, at, min(at + interval, now + 1)))
            for at in starts
            if not self.hidden(base, at)
        ]

    def draw(self, start: int, end: int) -> None:
        """Draw every book of ``[start, end)`` now, so that nobody waits for it later."""
        for coin in self.coins.values():
            for kind in KINDS:
                if coin.book(kind) is not None:
                    self.fold(coin.base, kind, start, end)

    def remembered(self) -> bytes:
        """What was drawn, for `recall` of a market of the same seed, coins and scenarios. Single
        trades are left out: they are soon drawn, and larger than all the rest."""
        kept = [list(memory.entries.items()) for memory in self._kept()]
        return pickle.dumps((self._identity(), kept), pickle.HIGHEST_PROTOCOL)

    def recall(self, drawn: bytes) -> bool:
        """Take in what another process has drawn; False where it was another market's. The bytes
        must be from a file of our own: they are a pickle."""
        identity, kept = pickle.loads(drawn)  # noqa: S301 - as said above
        if identity != self._identity():
            return False
        for memory, entries in zip(self._kept(), kept, strict=True):
            memory.entries.update(entries)
        return True

    def _kept(self) -> tuple[_Memory, ...]:
        return self._levels, self._blocks, self._spans

    def _identity(self) -> str:
        code = hashlib.blake2b(Path(__file__).read_bytes(), digest_size=16).hexdigest()
        # Sets are told in order: by themselves they differ from one process to the next.
        coins = [
            (replace(coin, venues=None), coin.venues and sorted(coin.venues))
            for coin in self.coins.values()
        ]
        return repr((code, self.seed, coins, sorted(self.scenarios.items())))

    def hidden(self, base: str, start: int) -> bool:
        """Tell whether the venue lost the candle that starts at ``start`` (one in eight in
        ``missing``).
        """
        scenario = self.scenarios.get(base)
        if scenario is None or scenario.kind is not ScenarioKind.MISSING or start < scenario.at:
            return False
        return _mix(self._stream(base, "hidden"), start // MINUTE) % 8 == 0


def _until(end: int, candle: Candle) -> Candle:
    """Return a candle as venues show it: it ends with its interval, open or closed."""
    return candle if candle.end == end else replace(candle, end=end)


def _named(kind: Kind, what: str) -> tuple[str, ...]:
    """Return the name of a stream: the inverse book has paths of its own."""
    return (kind, what) if kind == "inverse" else (what,)


def _pay(trade: Trade) -> int:
    """Return what a trade is worth in ticks x lots."""
    return trade.price * trade.lots


def _settle(tick: Tick) -> Callable[[Trade], int]:
    """Return how many 1e-8 of the coin a trade of an inverse book is worth."""
    scale: int = 10 ** (SETTLED + tick.price - tick.lot)

    def settled(trade: Trade) -> int:
        return (2 * trade.lots * scale + trade.price) // (2 * trade.price)

    return settled


def _merge(start: int, end: int, pieces: Iterable[Candle]) -> Candle | None:
    """Fold consecutive pieces into one candle; None when nothing was traded in any."""
    parts = [part for part in pieces if part.trades]
    if not parts:
        return None
    if len(parts) == 1 and (parts[0].start, parts[0].end) == (start, end):
        return parts[0]
    return Candle(
        start=start,
        end=end,
        open=parts[0].open,
        high=max(part.high for part in parts),
        low=min(part.low for part in parts),
        close=parts[-1].close,
        lots=sum(part.lots for part in parts),
        buy_lots=sum(part.buy_lots for part in parts),
        turnover=sum(part.turnover for part in parts),
        buy_turnover=sum(part.buy_turnover for part in parts),
        trades=sum(part.trades for part in parts),
        first_id=parts[0].first_id,
        last_id=parts[-1].last_id,
    )


def _folded(start: int, end: int, done: Sequence[Trade], worth: Callable[[Trade], int]) -> Candle:
    if not done:
        return Candle(start, end, 0, 0, 0, 0)
    bought = [trade for trade in done if trade.buy]
    prices = [trade.price for trade in done]
    return Candle(
        start=start,
        end=end,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        lots=sum(trade.lots for trade in done),
        buy_lots=sum(trade.lots for trade in bought),
        turnover=sum(map(worth, done)),
        buy_turnover=sum(map(worth, bought)),
        trades=len(done),
        first_id=done[0].id,
        last_id=done[-1].id,
    )


def _coin(  # noqa: PLR0917 - the rows of the table below
    base: str,
    price: float,
    turnover: float,
    spot: tuple[int, int] | None,
    perp: tuple[int, int] | None,
    swing: float,
    hours: int = 8,
    dollars: int = 0,
) -> Coin:
    """``dollars``: the decimal places of an inverse contract, 2 for 100 USD; 0 where none is."""
    return Coin(
        base,
        price,
        turnover,
        Tick(*spot) if spot else None,
        Tick(*perp) if perp else None,
        swing,
        hours,
        inverse=Tick(perp[0], -dollars) if perp and dollars else None,
    )


COINS: tuple[Coin, ...] = (
    _coin("BTC", 95_000.0, 2.4e8, (2, 5), (1, 3), 0.018, dollars=2),
    _coin("ETH", 3_400.0, 1.6e8, (2, 4), (2, 3), 0.025, dollars=1),
    _coin("SOL", 185.0, 9.0e7, (2, 3), (2, 2), 0.035, dollars=1),
    _coin("XRP", 2.31, 8.0e7, (4, 1), (4, 1), 0.035, dollars=1),
    _coin("BNB", 690.0, 3.0e7, (2, 3), (2, 2), 0.02),
    _coin("DOGE", 0.324, 5.0e7, (5, 0), (5, 0), 0.04, dollars=1),
    _coin("ADA", 0.89, 2.2e7, (4, 1), (4, 0), 0.035, dollars=1),
    _coin("AVAX", 37.6, 1.1e7, (2, 2), (3, 0), 0.04),
    _coin("LINK", 22.4, 1.2e7, (2, 2), (3, 2), 0.035, dollars=1),
    _coin("DOT", 6.9, 6.0e6, (3, 2), (3, 1), 0.035),
    _coin("LTC", 104.0, 8.0e6, (2, 3), (2, 3), 0.03, dollars=1),
    _coin("TRX", 0.252, 9.0e6, (4, 1), (5, 0), 0.02),
    _coin("TON", 5.4, 4.0e6, (3, 2), (4, 1), 0.03, 4),
    _coin("SUI", 4.17, 2.4e7, (4, 1), (4, 1), 0.05),
    _coin("NEAR", 5.2, 5.0e6, (3, 1), (3, 0), 0.045),
    _coin("APT", 9.1, 4.0e6, (2, 2), (4, 1), 0.045),
    _coin("ARB", 0.74, 5.0e6, (4, 1), (4, 1), 0.045),
    _coin("OP", 1.83, 4.0e6, (3, 2), (4, 1), 0.045),
    _coin("UNI", 13.2, 6.0e6, (3, 2), (3, 0), 0.04),
    _coin("AAVE", 318.0, 6.0e6, (2, 3), (2, 1), 0.04),
    _coin("ATOM", 6.4, 3.0e6, (3, 2), (3, 2), 0.035),
    _coin("FIL", 5.0, 3.0e6, (3, 2), (3, 1), 0.04),
    _coin("ETC", 26.0, 3.0e6, (2, 2), (3, 2), 0.035),
    _coin("BCH", 447.0, 4.0e6, (1, 3), (2, 3), 0.03),
    _coin("HBAR", 0.283, 7.0e6, (5, 0), (5, 0), 0.05),
    _coin("XLM", 0.41, 7.0e6, (4, 0), (5, 0), 0.045),
    _coin("INJ", 20.4, 3.0e6, (2, 2), (3, 1), 0.045, 4),
    _coin("WIF", 1.71, 6.0e6, (3, 2), (4, 1), 0.07, 4),
    _coin("SHIB", 0.0000215, 1.4e7, (8, 0), (9, -3), 0.045),
    _coin("PEPE", 0.0000174, 2.2e7, (8, 0), (10, -3), 0.06),
    _coin("BONK", 0.0000298, 9.0e6, (8, 0), (9, -3), 0.06, 4),
    _coin("PAXG", 2_652.0, 1.0e6, (2, 4), (2, 3), 0.008),
    _coin("WBTC", 94_900.0, 9.0e5, (2, 5), None, 0.018),
    _coin("HYPE", 24.6, 2.5e7, None, (3, 2), 0.06, 4),
    _coin("BLZ", 0.112, 1.2e6, (4, 1), (5, 0), 0.06, 1),
)
"""The default universe: from Bitcoin to fractions of a cent, WBTC only spot, HYPE only perpetual,
SHIB, PEPE and BONK in perpetuals of a thousand, funding every 1, 4 or 8 hours; eight of them have
an inverse book too, of 100 dollars a contract for Bitcoin and of 10 for the others."""


def _pair(symbol: str, price: float, places: int, swing: float = 0.005) -> Coin:
    hours: Hours = "metals" if symbol.startswith("X") else "forex"
    tick = Tick(places, 0)
    return Coin(symbol, price, 2.0e8, tick, None, swing, trades=24, hours=hours)


FOREX: tuple[Coin, ...] = (
    _pair("EURUSD", 1.1742, 5),
    _pair("GBPUSD", 1.3461, 5),
    _pair("AUDUSD", 0.6668, 5, 0.006),
    _pair("NZDUSD", 0.5763, 5, 0.006),
    _pair("USDJPY", 156.42, 3, 0.006),
    _pair("USDCHF", 0.7926, 5),
    _pair("USDCAD", 1.3715, 5, 0.004),
    _pair("EURGBP", 0.8723, 5, 0.003),
    _pair("EURJPY", 183.67, 3, 0.006),
    _pair("EURCHF", 0.9307, 5, 0.003),
    _pair("EURAUD", 1.761, 5),
    _pair("GBPJPY", 210.56, 3, 0.006),
    _pair("GBPCHF", 1.0669, 5, 0.004),
    _pair("AUDJPY", 104.3, 3, 0.007),
    _pair("CADJPY", 114.05, 3, 0.006),
    _pair("CHFJPY", 197.35, 3, 0.005),
    _pair("USDSGD", 1.2861, 5, 0.003),
    _pair("USDHKD", 7.7832, 4, 0.0005),
    _pair("USDCNH", 6.9795, 4, 0.002),
    _pair("USDMXN", 17.982, 4, 0.007),
    _pair("USDZAR", 16.571, 4, 0.009),
    _pair("USDTRY", 42.95, 4, 0.002),
    _pair("USDSEK", 9.2085, 4, 0.007),
    _pair("USDNOK", 10.071, 4, 0.007),
    _pair("XAUUSD", 4_325.0, 1, 0.012),
    _pair("XAGUSD", 71.4, 3, 0.02),
)
"""Currency pairs and metals, each a path of its own (crosses do not follow from the majors), with
hours. No crypto venue lists them."""


OTHERS: tuple[Coin, ...] = (
    Coin(
        "TSLA",
        412.0,
        1.5e7,
        None,
        Tick(2, 2),
        0.025,
        asset="stock",
        venues=frozenset({"binance", "bybit", "okx", "gate", "bitget"}),
    ),
    Coin(
        "XAU",
        4_325.0,
        2.0e7,
        None,
        Tick(2, 3),
        0.012,
        4,
        asset="commodity",
        venues=frozenset({"binance", "bybit"}),
    ),
    Coin("PURR", 0.142, 9.0e5, Tick(5, 0), Tick(5, 0), 0.07, venues=frozenset({"hyperliquid"})),
    Coin(
        "PURR.STOCK",
        6.4,
        4.0e5,
        None,
        Tick(3, 1),
        0.05,
        asset="stock",
        ticker="PURR",
        venues=frozenset({"bybit"}),
    ),
)
"""What is traded as a perpetual and is no coin: a stock and gold; and the coin PURR beside the
stock that Bybit lists under the same name."""


def synthetic_coins(count: int) -> tuple[Coin, ...]:
    """Return ``count`` made-up coins (``X001`` …) for scans over hundreds of symbols."""
    return tuple(
        Coin(
            base=f"X{n:03d}",
            price=10.0 ** (n % 6 - 2) * (1 + n % 7),
            turnover=2.0e5 * (1 + n % 40),
            spot=Tick(max(0, 5 - n % 6), n % 6),
            perp=Tick(max(0, 5 - n % 6), n % 6),
            swing=0.02 + 0.01 * (n % 5),
            trades=12,
        )
        for n in range(1, count + 1)
    )
