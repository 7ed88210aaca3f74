"""Rankings by volume, and scans for what stands out of it: the markets of one venue beside each
other.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from reference_bot.api import Market, Missing, Spike, TopSymbol, TopSymbols, VolumeScan
from reference_bot.market_data.errors import AnswerError, VenueError, without_venues
from reference_bot.market_data.figures import DAY_CANDLES, activity_of, flow_of, tail
from reference_bot.market_data.keeping import Entry, Field
from reference_bot.market_data.lifetimes import FOUND_FOR, until_next_close
from reference_bot.market_data.limits import BUSY, Haste, haste
from reference_bot.market_data.parts import Part, Parts, one_section
from reference_bot.market_data.service import Answer, MarketService, asked_in_vain
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import Candles, Directory, Instrument, Ticker, Venue
from reference_bot.market_data.waiting import gather_until
from reference_bot.market_data.windows import TIMEFRAMES, lack_of

_COUNT: Final = DAY_CANDLES + 1
_SCANNED: Final = 60
_ROOM: Final = 0.2
"""Seconds that a call needs from its turn on: whose turn comes later is told to be waiting."""


class _Finding(Struct, frozen=True, array_like=True):
    """What a scan found of one symbol, and for how many seconds that holds.

    ``lack``: why it could not be told, a reason and a sentence.
    """

    spike: Spike | None
    lifetime: float
    lack: tuple[str, str] | None = None


_FINDING: Final[Field[_Finding]] = Field(
    "finding", lambda finding: finding.lifetime, shape=_Finding
)


class Rankings:
    """Answers about the markets of one venue. ``service`` finds, fetches and falls back."""

    def __init__(self, service: MarketService) -> None:
        self._service = service

    # -- rankings ------------------------------------------------------------------------------

    async def top_symbols(
        self, market: Market, limit: int, exchange: str | None
    ) -> Answer[TopSymbols]:
        """Return what is traded most: one call to one venue."""
        venue, tickers, missing, dated = await self._all_tickers(market, exchange)
        rows = [
            TopSymbol(
                rank=rank,
                symbol=str(pair),
                base=pair.base,
                price=ticker.price,
                change_24h_pct=100 * (ticker.price - ticker.open) / ticker.open,
                volume_24h=ticker.volume,
                turnover_24h=ticker.turnover,
            )
            for rank, (pair, ticker) in enumerate(_ranked(venue, tickers)[:limit], 1)
        ]
        time = max(ticker.time for ticker in tickers.values())
        answer = TopSymbols(market, venue.name, time, tuple(rows))
        return Answer(answer, 5.0, tuple(missing), dated)

    async def _all_tickers(
        self, market: Market, exchange: str | None
    ) -> tuple[Venue, dict[Pair, Ticker], list[Missing], tuple[Part, ...]]:
        service = self._service
        end, missing = service.end(), list[Missing]()
        names = service.ranking(exchange)
        for number, name in enumerate(names):
            venue = service.by_name[name]
            if missing and service.past(end):
                break
            stop = end if number == len(names) - 1 else service.share(end)
            parts = await service.fetch(name, {"tickers": service.tickers(venue, market)}, stop)
            found: dict[Pair, Ticker] | None = parts.value("tickers", dict)
            if found:
                return venue, found, [asked_in_vain(one) for one in missing], parts.dated
            missing += parts.missing or [
                Missing("tickers", name, "unavailable", f"no {market} market is listed")
            ]
        raise _unlisted("no venue could list", market, missing)

    # -- many symbols' volume ----------------------------------------------------------------------

    async def volume_scan(
        self,
        threshold_pct: float,
        timeframe: str,
        market: Market,
        limit: int,
        exchange: str | None,
    ) -> Answer[VolumeScan]:
        """Look for spikes among what is traded most: one call for the list and one a symbol.

        At most 60 symbols are looked at, so the number of calls is bounded whatever the venue
        lists. Those that the venue's rate leaves no room for until the deadline are missing as
        ``queued``; asked again, the answer has them beside what it had.
        """
        service = self._service
        end = service.end()
        venue, tickers, missing, dated = await self._all_tickers(market, exchange)
        listed = await self._listed(venue, market, end)
        ranked = [pair for pair, _ in _ranked(venue, tickers) if pair in listed][:_SCANNED]
        minutes = TIMEFRAMES[timeframe]
        outcomes = await gather_until(
            end, {str(pair): self._scanned(venue, listed[pair], minutes, end) for pair in ranked}
        )
        parts = Parts(venue.name, outcomes, "the deadline")
        found = {str(pair): parts.value(str(pair), _Finding) for pair in ranked}
        spikes = [one.spike for one in found.values() if one is not None and one.spike is not None]
        for name, one in found.items():
            if one is not None and one.lack is not None:
                parts.lack(name, *one.lack)
        if not spikes and parts.missing:
            raise _not_scanned(venue.name, outcomes, parts.missing)
        loud = [spike for spike in spikes if spike.spike_pct >= threshold_pct]
        loud.sort(key=lambda spike: spike.spike_pct, reverse=True)
        answer = VolumeScan(
            venue=venue.name,
            market=market,
            timeframe=timeframe,
            threshold_pct=threshold_pct,
            time=max(ticker.time for ticker in tickers.values()),
            scanned=len(spikes),
            spikes=tuple(loud[:limit]),
            rest_in=_rest_in(outcomes),
        )
        lacking = (*missing, *parts.missing)
        return Answer(answer, 5.0, lacking, dated + one_section("candles", parts.dated))

    async def _listed(self, venue: Venue, market: Market, end: float) -> Mapping[Pair, Instrument]:
        """Return what a venue lists now; the tickers may be of just before a change."""
        service = self._service
        parts = await service.fetch(venue.name, {market: service.directory(venue, market)}, end)
        found = parts.value(market, Directory)
        if found is None:
            raise _unlisted(f"{venue.name} could not list", market, parts.missing)
        return found.by_pair

    async def _scanned(
        self, venue: Venue, instrument: Instrument, minutes: int, end: float
    ) -> Entry[_Finding]:
        """Fetch candles and keep what they come to: a fiftieth, and a scan takes sixty."""

        async def fetch() -> _Finding:
            rest = end - asyncio.get_running_loop().time()
            haste.set(Haste(BUSY, max(0.0, rest - _ROOM)))  # of this fetch alone: it is a task
            candles = await venue.candles(instrument, minutes=minutes, count=_COUNT)
            spike = _spike(instrument.pair, candles)
            length = minutes * 60_000
            why = lack_of(venue.name, candles.closed, _COUNT, candles.as_of, length)
            lack = why if spike is None else None
            return _Finding(spike, until_next_close(candles, FOUND_FOR), lack)

        key = (venue.name, instrument.kind, instrument.symbol, str(minutes))
        return await self._service.cache.get(_FINDING, key, fetch)


def _queued(outcomes: Mapping[Any, Any]) -> list[VenueError]:
    """Return what could not be asked for yet at the rate that the venue allows."""
    failures = (one for one in outcomes.values() if isinstance(one, VenueError))
    return [one for one in failures if one.reason == "queued"]


def _rest_in(outcomes: Mapping[Any, Any]) -> float | None:
    """Return in how many seconds the venue takes the calls that it left no room for, if any."""
    return max((math.ceil(one.retry_after or 1) for one in _queued(outcomes)), default=None)


def _not_scanned(venue: str, outcomes: Mapping[Any, Any], missing: list[Missing]) -> AnswerError:
    """Return what to raise of a scan that has nothing to tell."""
    rest = _rest_in(outcomes)
    later = "" if rest is None else f": it takes no more calls before {rest:g} s are over"
    late = all(one.reason == "timeout" for one in missing)
    return AnswerError(
        504 if late else 502,
        "venue_failed",
        f"{venue} gave no candles{later}",
        missing=tuple(missing),
    )


def _ranked(venue: Venue, tickers: dict[Pair, Ticker]) -> list[tuple[Pair, Ticker]]:
    """Rank by turnover; where none is told by volume at the last price, for the order only."""
    quotes = venue.quotes

    def size(row: tuple[Pair, Ticker]) -> float:
        ticker = row[1]
        return (ticker.volume or 0.0) * ticker.price if ticker.turnover is None else ticker.turnover

    rows = [(pair, ticker) for pair, ticker in tickers.items() if pair.quote in quotes]
    return sorted(rows, key=size, reverse=True)


def _unlisted(said: str, market: Market, missing: Sequence[Missing]) -> AnswerError:
    late = all(one.reason == "timeout" for one in missing)
    return without_venues(f"{said} its {market} markets", missing, late=late)


def _spike(pair: Pair, found: Candles) -> Spike | None:
    candles = tail(found.closed, _COUNT)
    activity = activity_of(candles) if candles else None
    if candles is None or activity is None:
        return None
    last = candles[-1]
    return Spike(
        symbol=str(pair),
        base=pair.base,
        price=last.close,
        volume=last.volume or 0.0,
        mean_volume=math.fsum(candle.volume or 0.0 for candle in candles[:-1]) / DAY_CANDLES,
        ratio=activity.ratio,
        spike_pct=100 * (activity.ratio - 1),
        change_pct=100 * (last.close - last.open) / last.open,
        flow=flow_of(candles[-1:]),
    )
