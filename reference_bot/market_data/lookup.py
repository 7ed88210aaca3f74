"""What a symbol may mean at a venue, and what the venue lists of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reference_bot.api import Missing
from reference_bot.market_data.errors import AnswerError
from reference_bot.market_data.forex import forex_pair
from reference_bot.market_data.symbols import Pair, SpellingError, parse_symbol
from reference_bot.market_data.venues.base import COIN, Instrument, MarketKind, Venue


@dataclass(slots=True)
class Found:
    """What a venue lists of the pair that was meant. ``failures``: what could not be looked up."""

    venue: Venue
    pair: Pair
    instruments: dict[MarketKind, Instrument]
    looked_up: tuple[MarketKind, ...] = ()
    failures: list[Missing] = field(default_factory=list)
    known: set[Pair] = field(default_factory=set)

    def any_market(self) -> Instrument | None:
        """Return the perpetual, or else spot."""
        return self.instruments.get("perp") or self.instruments.get("spot")

    @property
    def asset(self) -> str:
        """What the base is here; all instruments are of the same."""
        return next((one.asset for one in self.instruments.values()), COIN)

    @property
    def what_it_is(self) -> dict[str, Any]:
        """Members of an answer that say what the base is, where it is no coin."""
        if self.asset == COIN:
            return {}
        named = next((one.name for one in self.instruments.values() if one.name), "")
        return {"asset": self.asset} | ({"asset_name": named} if named else {})

    def leave_out_no_coins(self) -> None:
        """Leave out what is no coin where another market of the same name is one, and say so."""
        if not any(one.asset == COIN for one in self.instruments.values()):
            return
        for kind, one in list(self.instruments.items()):
            if one.asset != COIN:
                del self.instruments[kind]
                self.looked_up = tuple(other for other in self.looked_up if other != kind)
                what = not_a_coin(one)
                self.failures.append(Missing(kind, self.venue.name, "not_a_coin", what))


def read_symbol(symbol: str, venue: Venue) -> tuple[Pair, ...]:
    """Return the pairs of a venue that a symbol may mean, the likeliest first.

    Raises AnswerError for what cannot be a symbol.
    """
    pair = forex_pair(symbol)
    if venue.currencies and pair is not None:
        return (pair,)
    try:
        read = [pair for quote in venue.quotes for pair in parse_symbol(symbol, quote=quote)]
    except SpellingError as error:
        raise AnswerError(422, "bad_request", str(error), field="symbol") from None
    return tuple(dict.fromkeys(read))


def in_dollars(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Return what contracts that are margined in the coin are called: whatever quote was meant,
    theirs is the dollar.
    """
    return tuple(dict.fromkeys(Pair(pair.base, "USD") for pair in pairs))


def not_a_coin(one: Instrument) -> str:
    """Say what an instrument is that has a coin's name."""
    named = f" ({one.name})" if one.name else ""
    return f"{one.symbol} on {one.venue} is a {one.asset}{named}, not the coin"
