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
from pathlib import Path
from random import Random
from typing import TypeVar

from botproof.doubles.exchanges.coins import COINS, FOREX, KINDS, OTHERS, SETTLED, Coin, Kind, Tick
from botproof.doubles.exchanges.hours import is_open
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.randomness import key, mix, octaves
from botproof.doubles.exchanges.scenario import Scenario, ScenarioKind

_SPAN = 16 * BLOCK
_TICK_OFFSET = 1  # no price is below one tick
_SOURCES = ("market.py", "coins.py", "hours.py", "periods.py", "randomness.py", "scenario.py")
"""What a drawing depends on, besides the seed: a market drawn by other code is not recalled."""


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
        level = octaves(self._stream(base, *_named(kind, "interest")), time, _INTEREST)
        return max(1, round(size * math.exp(level) * 10.0 ** coin.tick(kind).lot))

    def funding_rate(self, base: str, settles_at: int, hours: int, kind: Kind = "perp") -> int:
        """Return the rate paid at a settlement that closes an interval of ``hours``, in 1e-8."""
        stream = self._stream(base, *_named(kind, "funding"))
        eight_hours = 0.0001 + octaves(stream, settles_at, _FUNDING)
        return round(eight_hours * hours / 8 * 1e8)

    def long_accounts(self, base: str, time: int) -> int:
        """Return how many of 10,000 accounts with a position are long; the others are short."""
        share = 0.54 + octaves(self._stream(base, "accounts"), time, _ACCOUNTS)
        return min(9_900, max(100, round(10_000 * share)))

    def _level(self, base: str, kind: Kind, time: int) -> float:
        def make() -> float:
            coin = self.coins[base]
            level = math.log(coin.price) + coin.swing * octaves(
                self._stream(base, "price"), time, _PRICE
            )
            if kind != "spot":
                level += octaves(self._stream(base, *_named(kind, "basis")), time, _BASIS)
            scenario = self.scenarios.get(base)
            return level + (scenario.price(time) if scenario else 0.0)

        return self._levels.get((base, self.scenarios.get(base), kind, time), make)

    def _stream(self, *name: str) -> int:
        if name not in self._keys:
            self._keys[name] = key(self.seed, *name)
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
            mix(self._stream(coin.base, kind, "trades"), index)
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
        bias = octaves(self._stream(base, kind, "bias"), time, _BIAS)
        return min(0.97, max(0.03, 0.5 + bias + (scenario.tilt(time) if scenario else 0.0)))

    def _usual_lots(self, coin: Coin, kind: Kind, time: int, price: float) -> float:
        """Return what a block trades on an ordinary day: busier in the afternoon of UTC."""
        turnover = coin.turnover * (5 if kind == "perp" else 1) * BLOCK / DAY
        daily = 1 + 0.35 * math.sin((time % DAY) / DAY * 2 * math.pi - 1.9)
        level = octaves(self._stream(coin.base, kind, "activity"), time, _ACTIVITY)
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
        """Return what was drawn, for `recall` of a market of the same seed, coins and scenarios.
        Single trades are left out: they are soon drawn, and larger than all the rest."""
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
        code = hashlib.blake2b(digest_size=16)
        for name in _SOURCES:
            code.update(Path(__file__).with_name(name).read_bytes())
        # Sets are told in order: by themselves they differ from one process to the next.
        coins = [
            (replace(coin, venues=None), coin.venues and sorted(coin.venues))
            for coin in self.coins.values()
        ]
        return repr((code.hexdigest(), self.seed, coins, sorted(self.scenarios.items())))

    def hidden(self, base: str, start: int) -> bool:
        """Tell whether the venue lost the candle that starts at ``start`` (one in eight in
        ``missing``).
        """
        scenario = self.scenarios.get(base)
        if scenario is None or scenario.kind is not ScenarioKind.MISSING or start < scenario.at:
            return False
        return mix(self._stream(base, "hidden"), start // MINUTE) % 8 == 0


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
