"""What spot and USDT-margined futures of Binance have in common: symbols, questions, candles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from botproof.doubles.exchanges.coins import BY_THE_THOUSAND, Kind
from botproof.doubles.exchanges.kit import Ask
from botproof.doubles.exchanges.market import Candle, Market
from botproof.doubles.exchanges.periods import DAY, HOUR, INTERVALS, MINUTE
from botproof.doubles.exchanges.wire import Refusal, decimal_text, integer, ratio_text

WEIGHT: Final = 8
"""How many times the smallest venue's volume and open interest Binance has, on every side."""
_USDC_SPOT = frozenset({"BTC", "ETH", "SOL"})
_INTERVALS = INTERVALS | {
    "3m": 3 * MINUTE,
    "2h": 2 * HOUR,
    "6h": 6 * HOUR,
    "8h": 8 * HOUR,
    "12h": 12 * HOUR,
}
PERIODS = {
    name: _INTERVALS[name] for name in ["5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"]
}


@dataclass(frozen=True, slots=True)
class Listing:
    """One symbol of Binance; a unit of it holds 10^``thousands`` of the coin."""

    symbol: str
    base: str
    quote: str
    kind: Kind
    weight: int
    thousands: int
    price_places: int
    lot_places: int
    kind_of_asset: str = "coin"

    @property
    def asset(self) -> str:
        """Binance's name of the base asset: 1000SHIB where the symbol counts thousands."""
        return f"1000{self.base}" if self.thousands else self.base

    def price(self, ticks: int, least: int = 0) -> str:
        """Write a price."""
        return decimal_text(ticks, self.price_places, least)

    def quantity(self, lots: int, least: int = 0) -> str:
        """Write a quantity of this venue: the market's lots times its weight."""
        return decimal_text(lots * self.weight, self.lot_places, least)

    def turnover(self, product: int, least: int = 0) -> str:
        """Write a turnover: ticks x lots of the market times the weight."""
        return decimal_text(product * self.weight, self.price_places + self.lot_places, least)


def listings(market: Market, kind: Kind) -> dict[str, Listing]:
    """Return the symbols of one side of Binance, by name."""
    found: dict[str, Listing] = {}
    for coin in market.coins.values():
        tick = coin.book(kind)
        if tick is None or coin.hours != "always" or not coin.on("binance"):
            continue
        thousands = 3 if kind == "perp" and coin.base in BY_THE_THOUSAND else 0
        quotes = [("USDT", WEIGHT)]
        if kind == "spot" and coin.base in _USDC_SPOT:
            quotes.append(("USDC", 1))
        for quote, weight in quotes:
            listing = Listing(
                symbol=f"{'1000' if thousands else ''}{coin.base}{quote}",
                base=coin.base,
                quote=quote,
                kind=kind,
                weight=weight,
                thousands=thousands,
                price_places=tick.price - thousands,
                lot_places=tick.lot + thousands,
                kind_of_asset=coin.asset,
            )
            found[listing.symbol] = listing
    return found


def refuse(code: int, message: str, status: int = 400) -> Refusal:
    """Return a refusal in Binance's form."""
    return Refusal(status, {"code": code, "msg": message})


def needed(ask: Ask, name: str) -> str:
    """Return a parameter; Refusal for one that was not sent."""
    value = ask.text(name)
    if not value:
        text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
        raise refuse(-1102, text)
    return value


@dataclass(frozen=True, slots=True)
class BinanceAsk(Ask):
    """A call to spot or to USDT-margined futures."""

    kind: Kind

    def symbols(self) -> dict[str, Listing]:
        opened = listings(self.market, self.kind)
        return {
            name: one for name, one in opened.items() if self.market.listed_at(one.base) <= self.now
        }

    def number(self, name: str) -> int | None:
        try:
            return integer(self.call.query.get(name))
        except ValueError:
            raise refuse(
                -1100,
                f"Illegal characters found in parameter '{name}'; "
                "legal range is '^[0-9]{1,20}$'.",
            ) from None

    def listing(self) -> Listing:
        found = self.symbols().get(needed(self, "symbol"))
        if found is None:
            raise refuse(-1121, "Invalid symbol.")
        return found

    def selected(self) -> tuple[bool, list[Listing]]:
        """Return whether one symbol was asked for, and the listings meant."""
        if "symbol" in self.call.query:
            return True, [self.listing()]
        every = self.symbols()
        if "symbols" not in self.call.query or self.kind == "perp":
            return False, list(every.values())
        try:
            names = msgspec.json.decode(self.call.query["symbols"], type=list[str])
        except msgspec.MsgspecError:
            raise refuse(-1100, "Illegal characters found in parameter 'symbols'.") from None
        if any(name not in every for name in names):
            raise refuse(-1121, "Invalid symbol.")
        return False, [every[name] for name in names]

    def one_or_all(self, make: Callable[[Listing], dict[str, Any]]) -> object:
        alone, chosen = self.selected()
        return make(chosen[0]) if alone else [make(one) for one in chosen]

    def limit(self, default: int, most: int) -> int:
        limit = self.number("limit")
        if limit is None:
            return default
        if self.kind == "perp" and not 1 <= limit <= most:
            raise refuse(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(max(limit, 1), most)


def ping(_: BinanceAsk) -> object:
    """Answer with nothing: the venue is there."""
    return {}


def server_time(ask: BinanceAsk) -> object:
    """Tell the venue's clock, in epoch milliseconds."""
    return {"serverTime": ask.now}


def _kline(listing: Listing, candle: Candle) -> list[Any]:
    least = 8 if listing.kind == "spot" else 0
    return [
        candle.start,
        *(
            listing.price(ticks, least)
            for ticks in (candle.open, candle.high, candle.low, candle.close)
        ),
        listing.quantity(candle.lots, least),
        candle.end - 1,
        listing.turnover(candle.turnover, least),
        candle.trades,
        listing.quantity(candle.buy_lots, least),
        listing.turnover(candle.buy_turnover, least),
        "0",
    ]


def klines(ask: BinanceAsk) -> object:
    """Tell candles, oldest first, the running one last."""
    listing = ask.listing()
    interval = _INTERVALS.get(needed(ask, "interval"))
    if interval is None:
        raise refuse(-1120, "Invalid interval.").unserved()
    limit = ask.limit(500, 1000 if ask.kind == "spot" else 1500)
    start, end = ask.number("startTime"), ask.number("endTime")
    if start is None:
        last = (ask.now if end is None else min(end, ask.now)) // interval * interval
        first = last - (limit - 1) * interval
    else:
        first = start
        last = first + limit * interval - 1
        last = last if end is None else min(last, end)
    candles = ask.market.candles(
        listing.base, ask.kind, interval, start=first, end=last, now=ask.now
    )
    return [_kline(listing, candle) for candle in candles[:limit]]


def weighted(listing: Listing, window: Candle, places: int) -> str:
    """Write the average price of a window, weighted by volume."""
    return ratio_text(
        window.turnover * 10 ** max(0, -listing.price_places),
        window.lots * 10 ** max(0, listing.price_places),
        places,
    )


def price_change(ask: BinanceAsk, listing: Listing, start: int | None = None) -> dict[str, Any]:
    """Tell what happened since a moment, else in the last 24 hours."""
    market, now = ask.market, ask.now
    start = now - DAY if start is None else start
    day = market.fold(listing.base, ask.kind, start, now)
    last = market.last_trade(listing.base, ask.kind, now)
    least = 8 if ask.kind == "spot" else 0
    price_places = max(least, listing.price_places)
    change = day.close - day.open
    return {
        "symbol": listing.symbol,
        "priceChange": listing.price(change, least),
        "priceChangePercent": ratio_text(100 * change, day.open, 3),
        "weightedAvgPrice": weighted(listing, day, price_places),
        "lastPrice": listing.price(day.close, least),
        "lastQty": listing.quantity(last.lots if last else 0, least),
        "openPrice": listing.price(day.open, least),
        "highPrice": listing.price(day.high, least),
        "lowPrice": listing.price(day.low, least),
        "volume": listing.quantity(day.lots, least),
        "quoteVolume": listing.turnover(day.turnover, least),
        "openTime": start,
        "closeTime": now,
        "firstId": day.first_id,
        "lastId": day.last_id,
        "count": day.trades,
    }


def book_ticker(ask: BinanceAsk) -> object:
    """Tell the best bid and ask of one symbol, or of many."""

    def make(listing: Listing) -> dict[str, Any]:
        least = 8 if ask.kind == "spot" else 0
        last = ask.market.last_price(listing.base, ask.kind, ask.now)
        found = {
            "symbol": listing.symbol,
            "bidPrice": listing.price(max(1, last - 1), least),
            "bidQty": listing.quantity(100, least),
            "askPrice": listing.price(last, least),
            "askQty": listing.quantity(100, least),
        }
        return found if ask.kind == "spot" else found | {"time": ask.now}

    return ask.one_or_all(make)


def exchange_info(now: int, most_weight: int) -> dict[str, object]:
    """Return how `exchangeInfo` begins at each host: ``most_weight`` is the limit of a minute."""
    return {
        "timezone": "UTC",
        "serverTime": now,
        "rateLimits": [
            {
                "rateLimitType": "REQUEST_WEIGHT",
                "interval": "MINUTE",
                "intervalNum": 1,
                "limit": most_weight,
            }
        ],
        "exchangeFilters": [],
    }
