"""The service: asks the venues' parts beside each other and makes answers of what came.

Knows no HTTP. Whatever did not come is named in the answer; figures come from `figures` alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from reference_bot.market_data.cache import Cache, Entry, Field
from reference_bot.market_data.errors import AnswerError, VenueError
from reference_bot.market_data.figures import (
    DAY_CANDLES,
    QUARTER,
    activity_of,
    change_between,
    control_of,
    flow_of,
    funding_of,
    momentum_of,
    point_before,
    tail,
)
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.model import (
    Block,
    CombinedPrice,
    Intelligence,
    Missing,
    OpenInterest,
    PerpBlock,
)
from reference_bot.market_data.symbols import Pair, SpellingError, near_matches, parse_symbol
from reference_bot.market_data.venues.base import (
    Candle,
    Candles,
    Directory,
    FundingNow,
    Instrument,
    InterestPoint,
    MarketKind,
    Ticker,
    Venue,
)
from reference_bot.market_data.waiting import Late, gather_until

__all__ = ["LIFETIMES", "MarketService"]

T = TypeVar("T")

_DAY: Final = 86_400_000
_TOLERANCE: Final = 600_000
_PERMANENT: Final = frozenset({"not_listed", "unavailable"})


def _until_next_close(candles: Candles) -> float:
    """Closed candles stay as they are until the next one closes; a minute at the most."""
    if not candles.closed:
        return 1.0
    length = candles.closed[-1].end - candles.closed[-1].start
    return min(60.0, max(1.0, (candles.closed[-1].end + length - candles.as_of) / 1000))


TICKER: Final[Field[Ticker]] = Field("ticker", 2.0)
CANDLES: Final[Field[Candles]] = Field("candles", _until_next_close)
INTEREST: Final[Field[InterestPoint]] = Field("open_interest", 5.0)
HISTORY: Final[Field[tuple[InterestPoint, ...]]] = Field("open_interest_history", 60.0)
FUNDING: Final[Field[FundingNow]] = Field("funding", 5.0)
DIRECTORY: Final[Field[Directory]] = Field("directory", 3600.0)

LIFETIMES: Final[dict[str, str]] = {
    "ticker": "2 s",
    "candles": "until the next close, 60 s at the most",
    "open_interest": "5 s",
    "open_interest_history": "60 s",
    "funding": "5 s; the interval 1 h",
    "directory": "1 h",
}
"""How long each field may be given out again; in the API's description."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """An answer, for how many seconds it may be given to others, and what it had to leave out."""

    data: T
    lifetime: float
    missing: tuple[Missing, ...] = ()


class _Parts:
    """What came for one venue: values by part, and why the rest did not."""

    def __init__(self, venue: str, outcomes: Mapping[Any, Any], deadline_text: str) -> None:
        self.venue = venue
        self.entries: list[Entry[Any]] = []
        self.missing: list[Missing] = []
        self._values: dict[str, Any] = {}
        for name, outcome in outcomes.items():
            if isinstance(outcome, Entry):
                self.entries.append(outcome)
                self._values[name] = outcome.value
            elif isinstance(outcome, VenueError):
                self.lack(name, outcome.reason, outcome.message)
            elif isinstance(outcome, Late):
                self.lack(name, "timeout", f"no answer in {deadline_text}")
            else:
                raise outcome

    def value(self, name: str, kind: type[T]) -> T | None:
        """Return what came for a part."""
        value = self._values.get(name)
        return value if isinstance(value, kind) else None

    def lack(self, name: str, reason: str, message: str) -> None:
        """Note that a part, or something in it, is not there."""
        section = name.removesuffix(".ticker").removesuffix(".history")
        self.missing.append(Missing(section, self.venue, reason, message))


class MarketService:
    """Answers questions about pairs from venues in their configured order.

    ``deadline`` in seconds bounds every request: what has not come by then is reported missing.
    """

    def __init__(
        self, venues: Sequence[Venue], cache: Cache, metrics: Metrics, *, deadline: float
    ) -> None:
        self._venues = {venue.name: venue for venue in venues}
        self._cache = cache
        self._metrics = metrics
        self._deadline = deadline

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues in fallback order."""
        return tuple(self._venues)

    # -- answers -------------------------------------------------------------------------------

    async def combined_price(self, symbol: str, exchange: str | None) -> Answer[CombinedPrice]:
        """Return spot and perpetual of a pair; AnswerError when there is nothing to return."""
        end = self._end()
        found = await self._find(symbol, exchange, ("spot", "perp"), end)
        parts = await self._fetch(found, end)
        spot = _block(parts, found.instruments.get("spot"))
        perp = _perp_block(parts, found.instruments.get("perp"))
        self._note(parts, found)
        if spot is None and perp is None:
            raise _nothing(found.pair, parts.missing)
        answer = CombinedPrice(
            symbol=str(found.pair),
            base=found.pair.base,
            quote=found.pair.quote,
            venue=found.venue.name,
            time=_newest(parts, spot, perp),
            intelligence=_intelligence(spot, perp),
            spot=spot,
            perp=perp,
            missing=tuple(parts.missing),
        )
        return Answer(answer, self._lifetime(parts))

    async def price(
        self, symbol: str, market: MarketKind, exchange: str | None
    ) -> Answer[Block | PerpBlock]:
        """Return one market of a pair; AnswerError when its ticker cannot be had."""
        end = self._end()
        found = await self._find(symbol, exchange, (market,), end)
        parts = await self._fetch(found, end)
        instrument = found.instruments.get(market)
        block = _block(parts, instrument) if market == "spot" else _perp_block(parts, instrument)
        self._note(parts, found)
        if block is None:
            raise _nothing(found.pair, parts.missing)
        return Answer(block, self._lifetime(parts), tuple(parts.missing))

    async def reachable(self, within: float) -> dict[str, str]:
        """Ask every venue for a sign of life; by name ``ok`` or what went wrong."""
        end = asyncio.get_running_loop().time() + within
        outcomes = await gather_until(
            end, {name: venue.ping() for name, venue in self._venues.items()}
        )
        return {name: _sign_of_life(outcome) for name, outcome in outcomes.items()}

    async def warm(self) -> None:
        """Read ahead the directories, and what else is kept for long."""
        for venue in self._venues.values():
            kinds: tuple[MarketKind, ...] = ("spot", "perp")
            await asyncio.gather(
                *(self._directory(venue, kind) for kind in kinds),
                venue.warm(),
                return_exceptions=True,  # a venue that is down must not keep the service down
            )

    # -- finding -------------------------------------------------------------------------------

    async def _find(
        self, symbol: str, exchange: str | None, kinds: Iterable[MarketKind], end: float
    ) -> _Found:
        candidates = _read(symbol)
        if exchange is not None and exchange not in self._venues:
            known = ", ".join(self._venues)
            raise AnswerError(
                422,
                "bad_request",
                f"{exchange!r} is no exchange here; use {known}",
                field="exchange",
            )
        names = [exchange] if exchange is not None else list(self._venues)
        known_pairs: set[Pair] = set()
        failures: list[Missing] = []
        for name in names:
            venue = self._venues[name]
            found = await self._look_up(venue, candidates, kinds, end)
            if found.instruments:
                return found
            known_pairs |= found.known
            failures += found.failures
        if failures:
            raise _nothing(candidates[0], failures)
        raise AnswerError(
            404,
            "unknown_symbol",
            f"{symbol.strip()} is not listed on {', '.join(names)}",
            field="symbol",
            near=near_matches(candidates[0], known_pairs),
        )

    async def _look_up(
        self, venue: Venue, candidates: Sequence[Pair], kinds: Iterable[MarketKind], end: float
    ) -> _Found:
        outcomes = await gather_until(end, {kind: self._directory(venue, kind) for kind in kinds})
        parts = _Parts(venue.name, outcomes, self._deadline_text)
        listed = {
            kind: entry.value.by_pair
            for kind, entry in outcomes.items()
            if isinstance(entry, Entry)
        }
        for pair in candidates:
            instruments = {kind: pairs[pair] for kind, pairs in listed.items() if pair in pairs}
            if instruments:
                return _Found(venue, pair, instruments, set(), parts.missing, tuple(listed))
        known = {pair for pairs in listed.values() for pair in pairs}
        return _Found(venue, candidates[0], {}, known, parts.missing, tuple(listed))

    async def _directory(self, venue: Venue, kind: MarketKind) -> Entry[Directory]:
        return await self._cache.get(DIRECTORY, (venue.name, kind), lambda: venue.directory(kind))

    # -- fetching ------------------------------------------------------------------------------

    async def _fetch(self, found: _Found, end: float) -> _Parts:
        venue = found.venue
        jobs: dict[str, Coroutine[Any, Any, Entry[Any]]] = {}
        for kind, instrument in found.instruments.items():
            jobs[f"{kind}.ticker"] = self._ticker(venue, instrument)
            jobs[f"{kind}.candles"] = self._candles(venue, instrument)
        perp = found.instruments.get("perp")
        if perp is not None:
            key = _key(perp)
            jobs["perp.open_interest"] = self._cache.get(
                INTEREST, key, lambda: venue.open_interest(perp)
            )
            jobs["perp.open_interest.history"] = self._cache.get(
                HISTORY, key, lambda: venue.open_interest_history(perp)
            )
            jobs["perp.funding"] = self._cache.get(FUNDING, key, lambda: venue.funding(perp))
        return _Parts(venue.name, await gather_until(end, jobs), self._deadline_text)

    async def _ticker(self, venue: Venue, instrument: Instrument) -> Entry[Ticker]:
        return await self._cache.get(TICKER, _key(instrument), lambda: venue.ticker(instrument))

    async def _candles(self, venue: Venue, instrument: Instrument) -> Entry[Candles]:
        return await self._cache.get(
            CANDLES,
            _key(instrument),
            lambda: venue.candles(instrument, minutes=15, count=DAY_CANDLES + 1),
        )

    def _end(self) -> float:
        return asyncio.get_running_loop().time() + self._deadline

    @property
    def _deadline_text(self) -> str:
        return f"{self._deadline:g} s"

    # -- afterwards ----------------------------------------------------------------------------

    def _note(self, parts: _Parts, found: _Found) -> None:
        """Complete and count what is missing: a market that is not listed, or could not be looked
        up.
        """
        for kind in found.looked_up:
            if kind not in found.instruments:
                parts.lack(kind, "not_listed", f"{found.pair} has no {kind} market here")
        parts.missing += found.failures
        for missing in parts.missing:
            self._metrics.missing(missing.venue, missing.reason)

    def _lifetime(self, parts: _Parts) -> float:
        """An answer lives as long as its shortest part; one with a gap is tried again soon."""
        if any(missing.reason not in _PERMANENT for missing in parts.missing):
            return 0.25
        now = min((entry.expires for entry in parts.entries), default=0.0)
        return max(0.0, now - self._cache.now())


@dataclass(frozen=True, slots=True)
class _Found:
    """What a venue lists of the pair that was meant."""

    venue: Venue
    pair: Pair
    instruments: dict[MarketKind, Instrument]
    known: set[Pair]
    failures: list[Missing]
    looked_up: tuple[MarketKind, ...]


def _key(instrument: Instrument) -> tuple[str, ...]:
    return instrument.venue, instrument.kind, instrument.symbol


def _read(symbol: str) -> tuple[Pair, ...]:
    try:
        return parse_symbol(symbol)
    except SpellingError as error:
        raise AnswerError(422, "bad_request", str(error), field="symbol") from None


def _sign_of_life(outcome: object) -> str:
    if isinstance(outcome, VenueError):
        return f"{outcome.reason}: {outcome.message}"
    return "timeout: no answer in time" if isinstance(outcome, BaseException) else "ok"


def _nothing(pair: Pair, missing: Sequence[Missing]) -> AnswerError:
    if missing and all(one.reason == "not_listed" for one in missing):
        return AnswerError(404, "unknown_symbol", missing[0].message, field="symbol", near=())
    late = bool(missing) and all(one.reason == "timeout" for one in missing)
    reasons = ", ".join(sorted({one.reason for one in missing})) or "no data"
    return AnswerError(
        504 if late else 502,
        "too_late" if late else "venue_failed",
        f"no venue could tell about {pair}: {reasons}",
        missing=tuple(missing),
    )


def _newest(parts: _Parts, *blocks: Block | None) -> int:
    dated = (
        *blocks,
        parts.value("perp.open_interest", InterestPoint),
        parts.value("perp.funding", FundingNow),
    )
    return max(one.time for one in dated if one is not None)


# -- blocks ----------------------------------------------------------------------------------


def _block(parts: _Parts, instrument: Instrument | None) -> Block | None:
    if instrument is None:
        return None
    candles = _closed(parts, instrument)
    ticker = parts.value(f"{instrument.kind}.ticker", Ticker)
    if ticker is None:
        return None
    change = ticker.price - ticker.open
    return Block(
        venue=instrument.venue,
        symbol=instrument.symbol,
        time=ticker.time,
        price=ticker.price,
        change_24h=change,
        change_24h_pct=100 * change / ticker.open,
        high_24h=ticker.high,
        low_24h=ticker.low,
        volume_24h=ticker.volume,
        turnover_24h=ticker.turnover,
        flow_24h=flow_of(tail(candles, DAY_CANDLES)),
        flow_15m=flow_of(tail(candles, 1)),
        activity=activity_of(candles),
    )


def _closed(parts: _Parts, instrument: Instrument) -> Sequence[Candle]:
    """Return the closed candles that came, and note when some of the last 24 h and 15 m are not
    there.
    """
    section = f"{instrument.kind}.candles"
    found = parts.value(section, Candles)
    if found is None:
        return ()
    last = found.as_of // QUARTER * QUARTER
    closed = found.closed
    if not closed or closed[-1].end < last:
        parts.lack(section, "unavailable", "the last 15 m candle is missing")
        return ()
    since = closed[-1].end - (DAY_CANDLES + 1) * QUARTER
    count = sum(candle.start >= since for candle in closed)
    if count < DAY_CANDLES + 1:
        text = (
            f"{DAY_CANDLES + 1 - count} of the last {DAY_CANDLES + 1} candles of 15 m are missing"
        )
        parts.lack(section, "unavailable", text)
    return closed


def _perp_block(parts: _Parts, instrument: Instrument | None) -> PerpBlock | None:
    block = _block(parts, instrument)
    if block is None:
        return None
    funding = parts.value("perp.funding", FundingNow)
    mark = funding.mark_price if funding is not None else None
    return PerpBlock(
        **{name: getattr(block, name) for name in Block.__struct_fields__},
        mark_price=mark,
        open_interest=_open_interest(parts, mark or block.price),
        funding=None if funding is None else funding_of(funding),
    )


def _open_interest(parts: _Parts, price: float) -> OpenInterest | None:
    found = parts.value("perp.open_interest", InterestPoint)
    if found is None:
        return None
    value = found.amount * price if found.value is None else found.value
    now = InterestPoint(found.time, found.amount, value)
    history = parts.value("perp.open_interest.history", tuple)
    points = history or ()
    day = point_before(points, now.time - _DAY, tolerance=_TOLERANCE)
    quarter = point_before(points, now.time - QUARTER, tolerance=_TOLERANCE)
    if history is not None and (day is None or quarter is None):
        what = "24 h" if day is None else "15 m"
        parts.lack("perp.open_interest", "unavailable", f"the history has no point {what} ago")
    return OpenInterest(
        amount=now.amount,
        value=value,
        change_24h=change_between(now, day),
        change_15m=change_between(now, quarter),
        time=now.time,
    )


def _intelligence(spot: Block | None, perp: Block | None) -> Intelligence | None:
    source = perp if perp is not None and perp.flow_24h is not None else spot
    if source is None or source.flow_24h is None:
        return None
    return Intelligence(
        source="perp" if source is perp else "spot",
        control_24h=control_of(source.flow_24h),
        momentum=momentum_of(source.flow_15m, source.flow_24h),
        control_15m=control_of(source.flow_15m),
        activity=source.activity,
    )
