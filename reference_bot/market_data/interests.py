"""Open interest of one coin over venues, margined in stable coins and in the coin itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from msgspec import UNSET, structs

from reference_bot.api import (
    Change,
    Margin,
    MarginInterest,
    Missing,
    MultiInterest,
    VenueInterest,
)
from reference_bot.market_data.blocks import open_interest
from reference_bot.market_data.errors import AnswerError, Reason, VenueError, without_venues
from reference_bot.market_data.figures import funding_of
from reference_bot.market_data.keeping import Entry
from reference_bot.market_data.lookup import Found, not_a_coin
from reference_bot.market_data.parts import Part, Parts
from reference_bot.market_data.service import Answer, MarketService, for_coins_only
from reference_bot.market_data.symbols import Pair, near_matches, parse_symbol
from reference_bot.market_data.venues.base import (
    COIN,
    FundingNow,
    Instrument,
    MarketKind,
    Ticker,
    Venue,
)
from reference_bot.market_data.waiting import Late, gather_until

_MARGINS: Final[dict[MarketKind, Margin]] = {"perp": "stable", "inverse": "coin"}
_LIFETIME: Final = 5.0
_GRACE: Final = 0.25
"""Seconds for every venue, at the deadline, to make a row of the parts that came in time."""


@dataclass(frozen=True, slots=True)
class _Report:
    """What one venue tells about its contracts of one margin."""

    base: str
    asset: str
    contract: Instrument
    row: VenueInterest
    missing: tuple[Missing, ...]
    parts: tuple[Part, ...]


async def multi_oi(service: MarketService, symbol: str) -> Answer[MultiInterest]:
    """Return the open interest of one coin on every venue and in both margins, and what it adds up
    to. AnswerError when none told any.
    """
    for_coins_only(symbol, "there is no open interest of it here")
    end = service.end()
    asked = {
        (venue.name, kind): _told_by(service, venue, kind, symbol, end)
        for venue in service.by_name.values()
        for kind in _MARGINS
        if kind in venue.kinds and not venue.currencies
    }
    outcomes = await gather_until(end + _GRACE, asked)
    reports: list[_Report] = []
    missing: list[Missing] = []
    for (name, kind), outcome in outcomes.items():
        if isinstance(outcome, _Report):
            reports.append(outcome)
            missing += outcome.missing
        else:
            missing += _lacking(name, kind, outcome)
    if not reports:
        raise _nothing(symbol, missing, await _listed(service, end))
    reports = _of_one_asset(reports, missing)
    parts = tuple(part for one in reports for part in one.parts)
    return Answer(_summed(reports), _LIFETIME, tuple(missing), parts)


async def _told_by(
    service: MarketService, venue: Venue, kind: MarketKind, symbol: str, end: float
) -> _Report:
    found = await service.look_up(venue, symbol, (kind,), end)
    contract = found.instruments.get(kind)
    if contract is None:
        raise _not_there(found, kind)
    if venue.interest_sides[kind] == "unknown":
        text = f"{venue.name} does not say whether it counts one side or both"
        raise VenueError(venue.name, "unmeasured", text)
    jobs = service.of_contract(venue, contract)
    if kind == "perp":  # it values what is told in coins only; of inverse ones the mark price does
        jobs["perp.ticker"] = service.ticker(venue, contract)
    parts = await service.fetch(venue.name, jobs, end)
    ticker = parts.value("perp.ticker", Ticker)
    funding = parts.value(f"{kind}.funding", FundingNow)
    price = (funding and funding.mark_price) or (ticker and ticker.price) or 0.0
    interest = open_interest(parts, price, kind)
    if interest is None or interest.value <= 0:
        raise _unknown(venue.name, parts)
    row = VenueInterest(
        venue=venue.name,
        margin=_MARGINS[kind],
        symbol=contract.symbol,
        quote=found.pair.quote,
        amount=interest.amount,
        value=interest.value,
        share_pct=0.0,
        change_24h=interest.change_24h,
        change_15m=interest.change_15m,
        funding=None if funding is None else funding_of(funding),
        time=interest.time,
    )
    return _Report(
        found.pair.base, contract.asset, contract, row, tuple(parts.missing), parts.dated
    )


def _of_one_asset(reports: list[_Report], missing: list[Missing]) -> list[_Report]:
    """Return what tells of coins; of what most others are where none does. The rest is missing."""
    assets = [one.asset for one in reports]
    chosen = COIN if COIN in assets else max(assets, key=assets.count)
    for one in reports:
        if one.asset != chosen:
            section = f"{one.contract.kind}.open_interest"
            text = not_a_coin(one.contract)
            missing.append(Missing(section, one.row.venue, "not_a_coin", text))
    return [one for one in reports if one.asset == chosen]


def _not_there(found: Found, kind: MarketKind) -> VenueError:
    name = found.venue.name
    for failure in found.failures:
        return VenueError(name, cast("Reason", failure.reason), failure.message)
    return VenueError(name, "not_listed", f"{found.pair} has no {kind} market here")


def _unknown(name: str, parts: Parts) -> VenueError:
    for failed in parts.missing:
        return VenueError(name, cast("Reason", failed.reason), failed.message)
    return VenueError(name, "unavailable", "no price to value the open interest with")


def _lacking(name: str, kind: MarketKind, outcome: Any) -> list[Missing]:
    """Return what is to be told about a venue that told nothing; other errors are raised."""
    section = f"{kind}.open_interest"
    if isinstance(outcome, VenueError):
        if kind == "inverse" and outcome.reason == "not_listed":
            return []  # few coins have such contracts: that one has none is no gap
        return [Missing(section, name, outcome.reason, outcome.message)]
    if isinstance(outcome, Late):
        return [Missing(section, name, "timeout", "no answer before the deadline")]
    raise outcome


async def _listed(service: MarketService, end: float) -> set[Pair]:
    """Return what has a perpetual on any venue, as far as the listings can be had."""
    venues = [venue for venue in service.by_name.values() if "perp" in venue.kinds]
    jobs = {venue.name: service.directory(venue, "perp") for venue in venues}
    found = await gather_until(end, jobs)
    entries = [entry for entry in found.values() if isinstance(entry, Entry)]
    return {pair for entry in entries for pair in entry.value.coins().by_pair}


def _nothing(symbol: str, missing: Sequence[Missing], listed: set[Pair]) -> AnswerError:
    said = f"no venue told the open interest of {symbol.strip()}"
    reasons = {one.reason for one in missing}
    if reasons != {"not_listed"}:
        return without_venues(said, missing, late=reasons == {"timeout"})
    near = near_matches(parse_symbol(symbol)[0], listed)
    return AnswerError(
        404, "unknown_symbol", said, field="symbol", near=near, missing=tuple(missing)
    )


def _summed(reports: Sequence[_Report]) -> MultiInterest:
    rows = sorted((one.row for one in reports), key=lambda row: row.value, reverse=True)
    value = math.fsum(row.value for row in rows)
    margins = (
        _of_margin(margin, [row for row in rows if row.margin == margin], value)
        for margin in _MARGINS.values()
    )
    return MultiInterest(
        base=reports[0].base,
        time=max(row.time for row in rows),
        amount=math.fsum(row.amount for row in rows),
        value=value,
        change_24h=_changed(rows),
        by_margin=tuple(one for one in margins if one is not None),
        venues=tuple(structs.replace(row, share_pct=100 * row.value / value) for row in rows),
        asset=UNSET if reports[0].asset == COIN else reports[0].asset,
    )


def _of_margin(
    margin: Margin, rows: Sequence[VenueInterest], total: float
) -> MarginInterest | None:
    if not rows:
        return None
    value = math.fsum(row.value for row in rows)
    return MarginInterest(
        margin=margin,
        amount=math.fsum(row.amount for row in rows),
        value=value,
        share_pct=100 * value / total,
    )


def _changed(rows: Sequence[VenueInterest]) -> Change | None:
    reports = [(row.amount, row.change_24h) for row in rows if row.change_24h is not None]
    if not reports:
        return None
    amount = math.fsum(change.amount for _, change in reports)
    then = math.fsum(now - change.amount for now, change in reports)
    value = math.fsum(change.value for _, change in reports)
    return Change(amount, value, 100 * amount / then) if then > 0 else None
