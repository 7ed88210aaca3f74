"""What the venues have in common: one API behind one client, listings by pair, bars to candles."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Protocol, TypeVar

from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import Decodes, VenueClient
from reference_bot.market_data.symbols import Pair, split_multiple
from reference_bot.market_data.venues.base import (
    AccountRatio,
    Candle,
    Directory,
    Instrument,
    InterestPoint,
    MarketKind,
    TakerVolumes,
)

__all__ = ["NoTakers", "OneApi", "index", "not_offered", "to_candle"]

T = TypeVar("T")


class NoTakers:
    """A venue without taker volumes apart from candles."""

    name: str
    taker_minutes: frozenset[int] = frozenset()

    async def taker_volumes(
        self,
        instrument: Instrument,  # noqa: ARG002 - the protocol's
        minutes: int,  # noqa: ARG002 - the protocol's
    ) -> TakerVolumes:
        """Raise: there are none."""
        raise not_offered(self.name, "taker volumes apart from candles")


class OneApi(NoTakers):
    """A venue that is one API on one host. What a subclass does not write over is not offered."""

    quotes: tuple[str, ...] = ("USDT",)
    currencies: bool = False
    kinds: tuple[MarketKind, ...] = ("spot", "perp")
    time_path: ClassVar[str]
    """Where the API tells its time: the sign of life."""
    time_decoder: ClassVar[Decodes[Any]]

    def __init__(self, client: VenueClient) -> None:
        self._client = client
        self._statistics = client.apart()

    async def ping(self) -> None:
        """Return when the API tells its time."""
        await self._client.get(self.time_path, self.time_decoder)

    async def warm(self) -> None:
        """Nothing is kept for long besides the directories."""

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
        if not rows:
            raise VenueError(self.name, "bad_payload", f"{path}: the list is empty")
        return rows[0]


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


def index(venue: str, kind: MarketKind, rows: Iterable[tuple[str, str, str]]) -> Directory:
    """Index (symbol, base asset, quote) by pair.

    A coin of its own beats the same name as a multiple.
    """
    found: dict[Pair, Instrument] = {}
    for symbol, asset, quote in rows:
        base, unit = split_multiple(asset)
        pair = Pair(base, quote)
        if pair not in found or unit < found[pair].unit:
            found[pair] = Instrument(venue, kind, pair, symbol, unit)
    return Directory(found)
