"""What the venues have in common: one API behind one client, listings by pair, bars to candles."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Final, NamedTuple, Protocol, TypeVar

from reference_bot.market_data.cache import Cache
from reference_bot.market_data.decoding import Decodes
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import VenueClient
from reference_bot.market_data.symbols import Pair, split_multiple
from reference_bot.market_data.venues.base import (
    COIN,
    AccountRatio,
    Candle,
    Directory,
    Instrument,
    InterestPoint,
    MarketKind,
    Sides,
    TakerVolumes,
)

SPARE: Final = 2
"""How many more candles are asked for than closed ones are wanted: the one that is still open, and
one for a clock that is behind. More would cost: at 100 Binance's next class of weight begins."""

_LEVERAGED: Final = re.compile(r"(.+)[2-5][LS]")
"""Bases such as BTC3L and ETH5S, which venues list among their coins."""

COIN_WORDS: Final = frozenset({"", "coin", "coins", "crypto", "cryptocurrency", "token"})
"""How venues say in lower case that a listing is a coin, those that leave it out among them."""

T = TypeVar("T")


class _Named(Protocol):
    @property
    def symbol(self) -> str: ...


N = TypeVar("N", bound=_Named)


_ONE_SIDE: Final[Mapping[MarketKind, Sides]] = {"perp": "one", "inverse": "one"}


class NoTakers:
    """A venue without taker volumes apart from candles, of which it is known that open interest
    counts one side, as it is given on.
    """

    name: str
    interest_sides: Mapping[MarketKind, Sides] = _ONE_SIDE
    taker_minutes: frozenset[int] = frozenset()
    taker_periods: int = 0

    async def taker_volumes(
        self,
        instrument: Instrument,  # noqa: ARG002 - the protocol's
        minutes: int,  # noqa: ARG002 - the protocol's
    ) -> TakerVolumes:
        """Raise: there are none."""
        raise not_offered(self.name, "taker volumes apart from candles")


class OneApi(NoTakers):
    """A venue that is one API on one host. What a subclass does not write over is not offered.

    ``cache`` lets the parts of an answer, or all coins, share one call.
    """

    quotes: tuple[str, ...] = ("USDT",)
    currencies: bool = False
    kinds: tuple[MarketKind, ...] = ("spot", "perp")
    time_path: ClassVar[str]
    """Where the API tells its time: the sign of life."""
    time_decoder: ClassVar[Decodes[Any]]

    def __init__(self, client: VenueClient, cache: Cache) -> None:
        self._client = client
        self._cache = cache
        self._statistics = client.apart()

    async def ping(self) -> None:
        """Return when the API tells its time."""
        await self._client.get(self.time_path, self.time_decoder)

    async def warm(self) -> None:
        """Do nothing: nothing is kept for long besides the directories."""

    async def open_interest_history(
        self,
        instrument: Instrument,  # noqa: ARG002 - the protocol's
    ) -> tuple[InterestPoint, ...]:
        """Raise: there is none."""
        raise not_offered(self.name, "history of open interest")

    async def account_ratio(
        self,
        instrument: Instrument,  # noqa: ARG002 - the protocol's
    ) -> AccountRatio:
        """Raise: there is none."""
        raise not_offered(self.name, "ratio of long to short accounts")

    def _first(self, path: str, rows: list[T]) -> T:
        """Return the only row of an answer about one symbol."""
        return listed_rows(self.name, path, rows)[0]

    def _about(self, path: str, rows: Sequence[N], symbol: str) -> N:
        """Return the row about a symbol, of an answer that may tell of others, too."""
        return about(self.name, path, rows, symbol)


def about(venue: str, path: str, rows: Sequence[N], symbol: str) -> N:
    """Return the row about a symbol. A list of one row is the answer to what was asked.

    Raises VenueError when there is none: the list is empty, or of others.
    """
    if len(rows) == 1:
        return rows[0]
    for row in rows:
        if row.symbol == symbol:
            return row
    what = f"nothing about {symbol}" if rows else "the list is empty"
    raise VenueError(venue, "unavailable", f"{path}: {what}")


def listed_rows(venue: str, path: str, rows: Sequence[T]) -> Sequence[T]:
    """Return the rows of an answer that has to have one; VenueError when there is none."""
    if not rows:
        raise VenueError(venue, "unavailable", f"{path}: the list is empty")
    return rows


def not_offered(venue: str, what: str) -> VenueError:
    """Return what to raise for what a venue does not have."""
    return VenueError(venue, "unavailable", f"{venue} offers no {what}")


class _Bar(Protocol):
    @property
    def open(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def close(self) -> float: ...


def to_candle(
    bar: _Bar,
    start: int,
    end: int,
    *,
    volume: float | None,
    turnover: float | None,
    unit: float = 1.0,
) -> Candle:
    """Return a candle without taker volumes; prices are divided by ``unit``, volumes given on."""
    return Candle(
        start=start,
        end=end,
        open=bar.open / unit,
        high=bar.high / unit,
        low=bar.low / unit,
        close=bar.close / unit,
        volume=volume,
        turnover=turnover,
        buy=None,
        buy_turnover=None,
    )


class Listed(NamedTuple):
    """One row of a listing: what `index` makes an instrument of."""

    symbol: str
    base: str
    quote: str
    asset: str = COIN
    name: str = ""
    hours: float | None = None
    unit: float = 1.0
    """Base units in a contract, beside those in the base's own name (1000SHIB)."""


def index(venue: str, kind: MarketKind, rows: Iterable[Listed]) -> Directory:
    """Index listings by pair.

    A coin beats what is none, and a coin of its own the same name as a multiple.
    """
    found: dict[Pair, Instrument] = {}
    told = tuple(rows)
    bases = {row.base for row in told}
    for row in told:
        if kind == "spot" and row.asset == COIN and _is_leveraged(row.base, bases):
            row = row._replace(asset="leveraged token")  # noqa: PLW2901 - the same row
        base, multiple = split_multiple(row.base) if row.asset == COIN else (row.base, 1.0)
        pair, unit = Pair(base, row.quote), multiple * row.unit
        one = Instrument(
            venue,
            kind,
            pair,
            row.symbol,
            unit,
            asset=row.asset,
            name=row.name,
            hours=row.hours,
        )
        if pair not in found or _rank(one) < _rank(found[pair]):
            found[pair] = one
    return Directory(found)


def _is_leveraged(base: str, bases: Collection[str]) -> bool:
    """Tell whether a base is a share of a fund that holds another one several times over."""
    found = _LEVERAGED.fullmatch(base)
    return found is not None and found[1] in bases


def _rank(one: Instrument) -> tuple[bool, float]:
    return one.asset != COIN, one.unit
