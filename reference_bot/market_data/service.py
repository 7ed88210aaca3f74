"""The service: asks the venues' parts beside each other and makes answers of what came.

Knows no HTTP. Whatever did not come is named in the answer; figures come from `figures` alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from msgspec import structs

from reference_bot.api import (
    OTHER_VENUE,
    Block,
    CombinedPrice,
    ForexPairs,
    Missing,
    PerpBlock,
)
from reference_bot.market_data.blocks import block, intelligence, perp_block
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.errors import AnswerError, VenueError, without_venues
from reference_bot.market_data.figures import DAY_CANDLES
from reference_bot.market_data.forex import forex_pair, hours_of, near_pairs
from reference_bot.market_data.keeping import Entry
from reference_bot.market_data.lifetimes import (
    ACCOUNTS,
    CANDLES,
    DIRECTORY,
    FUNDING,
    HISTORY,
    INTEREST,
    TAKERS,
    TICKER,
    TICKERS,
)
from reference_bot.market_data.lookup import Found, in_dollars, read_symbol
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.parts import Part, Parts
from reference_bot.market_data.symbols import Pair, near_matches, parse_symbol
from reference_bot.market_data.takers import fill_takers
from reference_bot.market_data.venues.base import (
    COIN,
    Candles,
    Directory,
    FundingNow,
    Instrument,
    InterestPoint,
    MarketKind,
    Ticker,
    Venue,
)
from reference_bot.market_data.waiting import gather_until

T = TypeVar("T")
Jobs = dict[str, Coroutine[Any, Any, Entry[Any]]]

_FIRST_SHARE: Final = 0.6
"""How much of the remaining time a venue gets while another one could still be asked."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """An answer, for how many seconds it may be given to others, what it had to leave out, and
    what it was made of.
    """

    data: T
    lifetime: float
    missing: tuple[Missing, ...] = ()
    parts: tuple[Part, ...] = ()


class MarketService:
    """Answers questions about pairs from venues in their configured order.

    ``deadline`` in seconds bounds every request: what has not come by then is reported missing.
    """

    def __init__(
        self, venues: Sequence[Venue], cache: Cache, metrics: Metrics, *, deadline: float
    ) -> None:
        self.by_name = {venue.name: venue for venue in venues}
        self.cache = cache
        self._metrics = metrics
        self._deadline = deadline

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues in fallback order."""
        return tuple(self.by_name)

    # -- answers -------------------------------------------------------------------------------

    async def combined_price(self, symbol: str, exchange: str | None) -> Answer[CombinedPrice]:
        """Return spot and perpetual of a pair; AnswerError when there is nothing to return."""
        return await self.first(symbol, exchange, ("spot", "perp"), self.everything, combined)

    async def price(
        self, symbol: str, market: MarketKind, exchange: str | None
    ) -> Answer[Block | PerpBlock]:
        """Return one market of a pair; AnswerError when its ticker cannot be had."""

        if market == "perp":
            for_coins_only(symbol, "there is no perpetual of it here")

        def build(found: Found, parts: Parts) -> Block | PerpBlock | None:
            instrument = found.instruments.get(market)
            if market == "spot":
                made = block(parts, instrument)
            else:
                made = perp_block(parts, instrument, found.venue.interest_sides["perp"])
            return None if made is None else structs.replace(made, **found.what_it_is)

        return await self.first(symbol, exchange, (market,), self.everything, build)

    async def forex_pairs(self) -> Answer[ForexPairs]:
        """Return the currency pairs and metals of the venue that tells them."""
        for venue in self.by_name.values():
            if venue.currencies:
                listed = (await self.directory(venue, "spot")).value.by_pair
                return Answer(ForexPairs(venue.name, tuple(map(str, listed))), 3600.0)
        return Answer(ForexPairs(None, ()), 3600.0)

    async def reachable(self, within: float) -> dict[str, str]:
        """Ask every venue for a sign of life; by name ``ok`` or what went wrong."""
        end = asyncio.get_running_loop().time() + within
        outcomes = await gather_until(
            end, {name: venue.ping() for name, venue in self.by_name.items()}
        )
        return {name: _sign_of_life(outcome) for name, outcome in outcomes.items()}

    async def warm(self) -> None:
        """Read ahead the directories, and what else is kept for long."""
        venues = tuple(self.by_name.values())
        await asyncio.gather(
            *(self.directory(venue, kind) for venue in venues for kind in venue.kinds),
            *(venue.warm() for venue in venues),
            return_exceptions=True,  # a venue that is down must not keep the service down
        )

    # -- one venue after the other ---------------------------------------------------------------

    async def first(
        self,
        symbol: str,
        exchange: str | None,
        kinds: Iterable[MarketKind],
        jobs: Callable[[Found], Jobs],
        build: Callable[[Found, Parts], T | None],
        *,
        needs_all: bool = True,
    ) -> Answer[T]:
        """Return what ``build`` makes of the first venue that has something to make it of.

        A venue where the name is no coin's (a stock, a metal) is asked only when no other one
        answers. Venues that came before it and could not answer stand in the answer's ``missing``
        under the section `OTHER_VENUE`. With ``needs_all`` a kind of market that a venue does not
        list counts as missing. Raises AnswerError when no venue could.
        """
        kinds = tuple(kinds)
        names = self.about(symbol, exchange)
        end = self.end()
        earlier: list[Missing] = []
        known: set[Pair] = set()
        queue = [(name, False) for name in names]
        while queue:
            name, last_resort = queue.pop(0)
            if earlier and self.past(end):
                earlier.append(self._no_time_for(name))
                continue
            stop = self.share(end) if queue else end
            found = await self.look_up(self.by_name[name], symbol, kinds, stop)
            known |= found.known
            if not found.instruments:
                earlier += found.failures
                continue
            if found.asset != COIN and not last_resort:
                queue.append((name, True))
                continue
            parts = await self.fetch(name, jobs(found), stop)
            data = build(found, parts)
            if needs_all:
                self._complete(parts, found)
            if data is not None:
                parts.missing += _overruled(earlier)
                self._count(parts.missing)
                return Answer(data, self._lifetime(parts), tuple(parts.missing), parts.dated)
            if not parts.missing:
                parts.lack("data", "unavailable", "there is not enough to answer from")
            earlier += parts.missing
        self._count(earlier)
        pairs = any(venue.currencies for venue in self.by_name.values())
        raise _no_answer(symbol, names, earlier, known, near_pairs(symbol) if pairs else ())

    def chosen(self, exchange: str | None) -> list[str]:
        """Return the venues to ask; AnswerError when the wanted one is not among those in use."""
        if exchange is None:
            return list(self.by_name)
        if exchange not in self.by_name:
            known = ", ".join(self.by_name)
            text = f"{exchange!r} is no exchange here; use {known}"
            raise AnswerError(422, "bad_request", text, field="exchange")
        return [exchange]

    def about(self, symbol: str, exchange: str | None) -> list[str]:
        """Return the venues to ask about a symbol, in order: those that tell its kind.

        Raises AnswerError when there is none.
        """
        names, pair = self.chosen(exchange), forex_pair(symbol)
        fitting = [name for name in names if self.by_name[name].currencies == (pair is not None)]
        if fitting:
            return fitting
        if pair is not None and hours_of(pair) == "metals":
            return names  # some exchanges have perpetuals of gold and silver
        asked, has = ", ".join(names), "has" if len(names) == 1 else "have"
        if pair is None:
            text = f"{symbol.strip()} is not a forex pair, and {asked} {has} nothing else."
        else:
            text = f"{pair} is {_kind_of(pair)}, and {asked} {has} coins only."
        raise AnswerError(
            404,
            "not_offered",
            text,
            field="symbol",
            near=near_pairs(symbol) if pair is None else (),
        )

    def ranking(self, exchange: str | None) -> list[str]:
        """Return the venues whose markets can be ranked by volume; AnswerError without any."""
        names = self.chosen(exchange)
        telling = [name for name in names if not self.by_name[name].currencies]
        if not telling:
            text = f"{', '.join(names)} tells no volumes: there is nothing to rank by"
            raise AnswerError(422, "bad_request", text, field="exchange")
        return telling

    async def look_up(
        self, venue: Venue, symbol: str, kinds: Iterable[MarketKind], end: float
    ) -> Found:
        """Return what a venue lists of a symbol; AnswerError when it is none."""
        candidates = read_symbol(symbol, venue)
        if tuple(kinds) == ("inverse",):
            candidates = in_dollars(candidates)
        outcomes = await gather_until(end, {kind: self.directory(venue, kind) for kind in kinds})
        parts = Parts(venue.name, outcomes, self._deadline_text)
        listed: dict[MarketKind, Mapping[Pair, Instrument]] = {
            kind: entry.value.by_pair
            for kind, entry in outcomes.items()
            if isinstance(entry, Entry)
        }
        for pair in candidates:
            instruments = {kind: pairs[pair] for kind, pairs in listed.items() if pair in pairs}
            if instruments:
                found = Found(venue, pair, instruments, tuple(listed), parts.missing)
                found.leave_out_no_coins()
                return found
        known = {
            pair for pairs in listed.values() for pair, one in pairs.items() if one.asset == COIN
        }
        return Found(venue, candidates[0], {}, tuple(listed), parts.missing, known)

    async def directory(self, venue: Venue, kind: MarketKind) -> Entry[Directory]:
        """Return what a venue lists, kept for an hour."""
        return await self.cache.get(DIRECTORY, (venue.name, kind), lambda: venue.directory(kind))

    # -- fetching ------------------------------------------------------------------------------

    def everything(self, found: Found) -> Jobs:
        """Return the fetches for all that a price answer tells."""
        venue, jobs = found.venue, self.of_perp(found)
        for kind, instrument in found.instruments.items():
            jobs[f"{kind}.ticker"] = self.ticker(venue, instrument)
            jobs[f"{kind}.candles"] = self.candles(venue, instrument)
            jobs |= self.takers(venue, instrument)
        perp = found.instruments.get("perp")
        if perp is not None:
            jobs["perp.accounts"] = self.cache.get(
                ACCOUNTS, _key(perp), lambda: venue.account_ratio(perp)
            )
        return jobs

    def of_perp(self, found: Found) -> Jobs:
        """Return the fetches for what only a perpetual has."""
        perp = found.instruments.get("perp")
        return {} if perp is None else self.of_contract(found.venue, perp)

    def of_contract(self, venue: Venue, contract: Instrument) -> Jobs:
        """Return the fetches for what only a perpetual has, of either margin."""
        key, kind = _key(contract), contract.kind
        return {
            f"{kind}.open_interest": self.cache.get(
                INTEREST, key, lambda: venue.open_interest(contract)
            ),
            f"{kind}.open_interest.history": self.cache.get(
                HISTORY, key, lambda: venue.open_interest_history(contract)
            ),
            f"{kind}.funding": self.cache.get(FUNDING, key, lambda: venue.funding(contract)),
        }

    async def ticker(self, venue: Venue, instrument: Instrument) -> Entry[Ticker]:
        """Fetch a ticker."""
        return await self.cache.get(TICKER, _key(instrument), lambda: venue.ticker(instrument))

    async def candles(
        self, venue: Venue, instrument: Instrument, minutes: int = 15, count: int = DAY_CANDLES + 1
    ) -> Entry[Candles]:
        """Fetch closed candles."""
        return await self.cache.get(
            CANDLES,
            (*_key(instrument), str(minutes), str(count)),
            lambda: venue.candles(instrument, minutes=minutes, count=count),
        )

    def takers(
        self, venue: Venue, instrument: Instrument, minutes: int = 15, least: int = 1
    ) -> Jobs:
        """Return the fetch of the taker volumes, where they are told apart from candles, and of
        ``least`` periods.
        """
        offered = instrument.kind == "perp" and minutes in venue.taker_minutes
        if not offered or least > venue.taker_periods:
            return {}
        key = (*_key(instrument), str(minutes))
        return {
            "perp.takers": self.cache.get(
                TAKERS, key, lambda: venue.taker_volumes(instrument, minutes)
            )
        }

    async def tickers(self, venue: Venue, kind: MarketKind) -> Entry[dict[Pair, Ticker]]:
        """Fetch the tickers of all symbols in one call."""

        async def fetch() -> dict[Pair, Ticker]:
            listed = await self.directory(venue, kind)
            return await venue.tickers(kind, listed.value.coins())

        return await self.cache.get(TICKERS, (venue.name, kind), fetch)

    async def fetch(self, name: str, jobs: Jobs, end: float) -> Parts:
        """Run fetches beside each other until ``end``."""
        parts = Parts(name, await gather_until(end, jobs), self._deadline_text)
        fill_takers(parts)
        return parts

    def end(self) -> float:
        """Return the deadline of a request that begins now, by the loop's clock."""
        return asyncio.get_running_loop().time() + self._deadline

    def share(self, end: float) -> float:
        """Return when the next venue is asked, if this one has not answered."""
        now = asyncio.get_running_loop().time()
        return now + _FIRST_SHARE * max(0.0, end - now)

    def past(self, end: float) -> bool:
        """Tell whether a deadline is over: who is asked then is asked in vain, and of those who
        ask next the time is taken.
        """
        return asyncio.get_running_loop().time() >= end

    def _no_time_for(self, name: str) -> Missing:
        return Missing("data", name, "timeout", f"not asked: {self._deadline_text} was over")

    @property
    def _deadline_text(self) -> str:
        return f"the deadline of {self._deadline:g} s"

    # -- afterwards ----------------------------------------------------------------------------

    @staticmethod
    def _complete(parts: Parts, found: Found) -> None:
        """Note what the venue does not list, and what could not be looked up."""
        for kind in found.looked_up:
            if kind not in found.instruments:
                parts.lack(kind, "not_listed", f"{found.pair} has no {kind} market here")
        parts.missing += found.failures

    def _count(self, missing: Iterable[Missing]) -> None:
        for one in missing:
            self._metrics.missing(one.venue, one.reason)

    def _lifetime(self, parts: Parts) -> float:
        """Return how long an answer lives: as long as its shortest part."""
        expires = min((entry.expires for entry in parts.entries), default=0.0)
        return max(0.0, expires - self.cache.now())


def _key(instrument: Instrument) -> tuple[str, ...]:
    return instrument.venue, instrument.kind, instrument.symbol


def for_coins_only(symbol: str, why_not: str) -> None:
    """Raise AnswerError that says why a question about coins has no answer for a currency pair."""
    pair = forex_pair(symbol)
    if pair is not None:
        text = f"{pair} is {_kind_of(pair)}: {why_not}."
        raise AnswerError(404, "not_offered", text, field="symbol")


def _kind_of(pair: Pair) -> str:
    return "a metal" if hours_of(pair) == "metals" else "a forex pair"


def _sign_of_life(outcome: object) -> str:
    if isinstance(outcome, VenueError):
        return f"{outcome.reason}: {outcome.message}"
    return "timeout: no answer in time" if isinstance(outcome, BaseException) else "ok"


def _overruled(earlier: Sequence[Missing]) -> list[Missing]:
    """Say of each venue that was asked in vain why, once."""
    first = {one.venue: one for one in reversed(earlier)}
    return [asked_in_vain(one) for one in first.values()]


def asked_in_vain(one: Missing) -> Missing:
    """Name a venue that another one stood in for, by what it lacked."""
    return Missing(OTHER_VENUE, one.venue, one.reason, f"asked first, in vain: {one.message}")


def _no_answer(
    symbol: str,
    names: Sequence[str],
    missing: Sequence[Missing],
    known: set[Pair],
    pairs: tuple[str, ...],
) -> AnswerError:
    if all(one.reason == "not_listed" for one in missing):
        meant = parse_symbol(symbol)[0]
        return AnswerError(
            404,
            "unknown_symbol",
            f"{symbol.strip()} is not listed on {', '.join(names)}",
            field="symbol",
            near=pairs or (() if forex_pair(symbol) else near_matches(meant, known)),
        )
    late = {one.reason for one in missing} - {"not_listed"} == {"timeout"}
    reasons = ", ".join(sorted({one.reason for one in missing}))
    said = f"no venue could tell about {symbol.strip()}: {reasons}"
    return without_venues(said, missing, late=late)


def combined(found: Found, parts: Parts) -> CombinedPrice | None:
    """Return spot and perpetual of one venue; None when neither came."""
    spot = block(parts, found.instruments.get("spot"))
    contract = found.instruments.get("perp")
    perp = perp_block(parts, contract, found.venue.interest_sides["perp"])
    if spot is None and perp is None:
        return None
    return CombinedPrice(
        symbol=str(found.pair),
        base=found.pair.base,
        quote=found.pair.quote,
        venue=found.venue.name,
        time=_newest(parts, spot, perp),
        intelligence=intelligence(spot, perp),
        spot=spot,
        perp=perp,
        **found.what_it_is,
    )


def _newest(parts: Parts, *blocks: Block | None) -> int:
    dated = (
        *blocks,
        parts.value("perp.open_interest", InterestPoint),
        parts.value("perp.funding", FundingNow),
    )
    return max(one.time for one in dated if one is not None)
