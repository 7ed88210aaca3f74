"""What the younger venues share: listings, figures as exact text, and one way to route calls."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from botproof.doubles.exchanges.coins import SETTLED, Kind, Tick
from botproof.doubles.exchanges.market import Candle, Market
from botproof.doubles.exchanges.periods import DAY, HOUR
from botproof.doubles.exchanges.wire import Call, Refusal, decimal_text
from botproof.doubles.messages import Response, json_response

RATE_PLACES = 8
REWRITTEN = 150_000
_SUMS = ("lots", "buy_lots", "turnover", "buy_turnover")


def exact(value: Fraction, count: int = 1) -> str:
    """Write ``count`` times a fraction whose decimals end.

    >>> exact(Fraction(5, 4)), exact(Fraction(300)), exact(Fraction(-1, 8), 6)
    ('1.25', '300', '-0.75')
    """
    digits, places = _decimal(value)
    text = decimal_text(count * digits, places)
    return text.rstrip("0").rstrip(".") if places else text


@functools.cache
def _decimal(value: Fraction) -> tuple[int, int]:
    """Return the digits of a fraction and how many of them are decimals."""
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
        if places > 40:
            raise ValueError(f"{value} has no end as a decimal")
    return int(value * 10**places), places


@functools.cache
def _share(number: int, places: int, divisor: Fraction | int) -> Fraction:
    """Return ``number`` x 10^-``places`` / ``divisor``: what one lot or tick is of something."""
    return number * _power(-places) / divisor


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol of one venue.

    ``unit`` is how many coins one of the venue's base asset is (1000 for 1000SHIB), ``contract``
    how many coins one contract is, of an inverse one how many dollars, ``weight`` how many times
    the smallest venue's volume trades here.
    """

    symbol: str
    base: str
    quote: str
    kind: Kind
    weight: int
    tick: Tick
    unit: int = 1
    contract: Fraction = Fraction(1)
    asset: str = "coin"

    @property
    def name(self) -> str:
        """What venues call the base: two things may have one name."""
        return self.base.partition(".")[0]

    def price(self, ticks: int) -> str:
        """Write a price of one base asset."""
        return exact(_share(self.unit, self.tick.price, 1), ticks)

    def coins(self, lots: int) -> Fraction:
        """Return a quantity in coins, of an inverse contract in dollars."""
        return lots * self.weight * _power(-self.tick.lot)

    def quantity(self, lots: int) -> str:
        """Write a quantity in the venue's base asset, of an inverse contract in dollars."""
        return exact(_share(self.weight, self.tick.lot, self.unit), lots)

    def contracts(self, lots: int) -> str:
        """Write a quantity in contracts."""
        return exact(_share(self.weight, self.tick.lot, self.contract), lots)

    def turnover(self, product: int) -> str:
        """Write a turnover: in the quote asset, of an inverse contract in coins."""
        places = SETTLED if self.kind == "inverse" else self.tick.price + self.tick.lot
        return exact(_share(self.weight, places, 1), product)

    def volumes(self, lots: int, product: int) -> tuple[str, str]:
        """Write a candle's ``lots`` and ``turnover`` in coins and in the quote asset, whatever the
        contract counts.
        """
        volumes = self.quantity(lots), self.turnover(product)
        return volumes[::-1] if self.kind == "inverse" else volumes

    def value(self, lots: int, price: float) -> float:
        """Return what a quantity is worth at the price of a coin: in the quote asset, of an inverse
        contract in coins.
        """
        size = float(self.coins(lots))
        return size / price if self.kind == "inverse" else size * price

    def in_both_units(self, lots: int, price: float) -> tuple[str, float]:
        """Return an open interest in coins, as text, and in the quote asset."""
        if self.kind == "inverse":
            return repr(self.value(lots, price)), float(self.coins(lots))
        return self.quantity(lots), self.value(lots, price)


def _power(places: int) -> Fraction:
    return Fraction(10) ** places


def list_coins(
    market: Market, venue: str, kind: Kind, make: Callable[[str, Tick], Listing | None]
) -> dict[str, Listing]:
    """Return by symbol what ``make`` lists of what has this book and is traded at the venue."""
    found: dict[str, Listing] = {}
    for coin in market.coins.values():
        if coin.hours != "always" or not coin.on(venue):  # no crypto venue lists currency pairs
            continue
        tick = coin.book(kind)
        listing = None if tick is None else make(coin.name, tick)
        if listing is not None:
            found[listing.symbol] = replace(listing, base=coin.base, asset=coin.asset)
    return found


def two_sided(lots: int) -> int:
    """Return an open interest as venues count it that add longs and shorts."""
    return 2 * lots


def still_written(candle: Candle, now: int) -> Candle:
    """Return a period as the taker statistics tell it: an eighth of it at first.

    It is written again until two and a half minutes after its end (recorded of OKX and Gate.io:
    636,731 contracts at first, then 5,102,857).
    """
    if not 0 <= now - candle.end < REWRITTEN:
        return candle
    share = {name: getattr(candle, name) // 8 for name in _SUMS}
    return replace(candle, **share)


@dataclass(frozen=True, slots=True)
class Ask:
    """One call, with the market and the venue's clock."""

    market: Market
    call: Call

    @property
    def now(self) -> int:
        """The venue's time."""
        return self.call.now

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter."""
        return self.call.query.get(name, default)

    def whole(self, name: str, default: int) -> int:
        """Return a parameter as a whole number; what is none counts as not sent."""
        text = self.call.query.get(name, "")
        return int(text) if text.isascii() and text.isdigit() else default

    def open(self, listings: Mapping[str, Listing]) -> dict[str, Listing]:
        """Return the listings that exist by now."""
        return {
            name: one
            for name, one in listings.items()
            if self.market.listed_at(one.base) <= self.now
        }

    def day(self, listing: Listing) -> Candle:
        """Return the rolling 24 hours."""
        return self.market.fold(listing.base, listing.kind, self.now - DAY, self.now)

    def candles(
        self, listing: Listing, interval: int, *, limit: int, start: int = 0, end: int = 0
    ) -> list[Candle]:
        """Return at most ``limit`` candles, oldest first: the newest, or those from ``start``."""
        first, last = slots(self.now, interval, limit=limit, start=start, end=end)
        return self.market.candles(
            listing.base, listing.kind, interval, start=first, end=last, now=self.now
        )[:limit]

    def hours(self, listing: Listing) -> int:
        """Return the funding interval."""
        return self.market.coins[listing.base].funding_hours

    def funding(self, listing: Listing, hours: int) -> tuple[str, int]:
        """Return the running rate as text and the moment at which it is settled."""
        settles = (self.now // (hours * HOUR) + 1) * hours * HOUR
        rate = self.market.funding_rate(listing.base, settles, hours, listing.kind)
        return decimal_text(rate, RATE_PLACES), settles

    def mark(self, listing: Listing, at: int | None = None) -> float:
        """Return the mark price of a coin."""
        return self.market.mark_price(listing.base, self.now if at is None else at, listing.kind)

    def interest(self, listing: Listing, at: int | None = None) -> int:
        """Return the open interest in the market's lots (of the smallest venue)."""
        return self.market.open_interest(listing.base, self.now if at is None else at, listing.kind)

    def settled_rate(self, listing: Listing, at: int, hours: int) -> str:
        """Return the rate that was paid at a settlement, as text."""
        return decimal_text(
            self.market.funding_rate(listing.base, at, hours, listing.kind), RATE_PLACES
        )

    def accounts(self, listing: Listing, at: int) -> tuple[int, int]:
        """Return how many of 10,000 accounts are long and how many short."""
        long = self.market.long_accounts(listing.base, at)
        return long, 10_000 - long

    def points(
        self, listing: Listing, interval: int, *, limit: int, first: int = 0, last: int = 0
    ) -> list[int]:
        """Return the moments of a history, oldest first."""
        latest = min(last or self.now, self.now) // interval * interval
        floor = max(first, self.market.listed_at(listing.base))
        return [
            at for at in range(latest - (limit - 1) * interval, latest + 1, interval) if at >= floor
        ]


def slots(now: int, interval: int, *, limit: int, start: int, end: int) -> tuple[int, int]:
    """Return the first and last start of the candles that are meant."""
    last = min(end or now, now)
    if start:
        return start, min(last, start + limit * interval - 1)
    last = last // interval * interval
    return last - (limit - 1) * interval, last


class Routes:
    """A venue's paths. A handler returns the body, or raises `Refusal`."""

    def __init__(
        self, handlers: Mapping[str, Callable[[Ask], Any]], not_found: Callable[[str], Refusal]
    ) -> None:
        self._handlers = dict(handlers)
        self._not_found = not_found

    def answer(self, market: Market, call: Call) -> Response:
        """Answer one call."""
        try:
            handler = self._handlers.get(call.path)
            if handler is None:
                raise self._not_found(call.path).unserved()
            return json_response(handler(Ask(market, call)))
        except Refusal as refusal:
            return refusal.response()


def currencies(listings: Iterable[Listing]) -> list[str]:
    """Return all that is traded in these markets, each once."""
    return list(dict.fromkeys(name for one in listings for name in (one.name, one.quote)))


def newest_first(rows: Iterable[Any]) -> list[Any]:
    """Return rows in the order of venues that begin with the newest."""
    return list(rows)[::-1]
