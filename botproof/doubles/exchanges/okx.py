"""OKX's v5 wire format: spot (BTC-USDT), swaps margined in USDT (BTC-USDT-SWAP) and in the coin
(BTC-USD-SWAP).

Every answer is ``{"code": "0", "msg": "", "data": [...]}``; lists begin with the newest; swaps
count contracts of ``ctVal`` coins, inverse ones of ``ctVal`` dollars.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from botproof.doubles.exchanges.coins import KINDS, Kind, Tick
from botproof.doubles.exchanges.kit import (
    Ask,
    Listing,
    Routes,
    list_coins,
    newest_first,
    still_written,
)
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.wire import Call, Refusal
from botproof.doubles.messages import Response

WEIGHT: Final = 5

_CONTRACTS = {
    "BTC": Fraction(1, 100),
    "ETH": Fraction(1, 10),
    "XRP": Fraction(100),
    "DOGE": Fraction(1000),
    "ADA": Fraction(100),
    "TRX": Fraction(1000),
    "SHIB": Fraction(1_000_000),
    "PEPE": Fraction(10_000_000),
    "BONK": Fraction(100_000),
}
_CATEGORIES = {"coin": "1", "stock": "3", "commodity": "4"}
_SWAPS: Final[tuple[Kind, ...]] = ("perp", "inverse")
_TYPES: Final[dict[str, tuple[Kind, ...]]] = {"SPOT": ("spot",), "SWAP": _SWAPS}
_EMPTY_TYPES = ("MARGIN", "FUTURES", "OPTION", "EVENTS")
"""Types of instruments that OKX has and this double lists nothing of."""
_BARS = {
    **{f"{minutes}m": minutes * MINUTE for minutes in (1, 3, 5, 15, 30)},
    **{f"{hours}H": hours * HOUR for hours in (1, 2, 4)},
    "6Hutc": 6 * HOUR,
    "12Hutc": 12 * HOUR,
    "1Dutc": DAY,
}
_PERIODS = {
    "5m": 5 * MINUTE,
    "15m": BLOCK,
    "30m": 2 * BLOCK,
    "1H": HOUR,
    "2H": 2 * HOUR,
    "4H": 4 * HOUR,
    "6Hutc": 6 * HOUR,
    "12Hutc": 12 * HOUR,
    "1Dutc": DAY,
}
"""The trading statistics' periods that begin with a day of UTC."""


def listings(market: Market, kind: Kind) -> dict[str, Listing]:
    """Return OKX's instruments of one type."""

    def make(base: str, tick: Tick) -> Listing:
        if kind == "spot":
            return Listing(f"{base}-USDT", base, "USDT", kind, WEIGHT, tick)
        if kind == "inverse":
            dollars = Fraction(10) ** -tick.lot
            return Listing(f"{base}-USD-SWAP", base, "USD", kind, WEIGHT, tick, contract=dollars)
        contract = _CONTRACTS.get(base, Fraction(1))
        return Listing(f"{base}-USDT-SWAP", base, "USDT", kind, WEIGHT, tick, contract=contract)

    return list_coins(market, "okx", kind, make)


def _data(rows: list[Any]) -> dict[str, Any]:
    return {"code": "0", "msg": "", "data": rows}


def _refuse(code: str, message: str, status: int = 200) -> Refusal:
    return Refusal(status, {"code": code, "msg": message, "data": []})


def _wrong(name: str) -> Refusal:
    """Return how OKX refuses a parameter's value: by status 400 (error codes, 51000)."""
    return _refuse("51000", f"Parameter {name} error", 400)


def _needed(ask: Ask, name: str) -> str:
    """Return a parameter that has to be sent (error codes, 50014)."""
    if not ask.text(name):
        raise _refuse("50014", f"Parameter {name} can not be empty.", 400)
    return ask.text(name)


def _all(ask: Ask, *kinds: Kind) -> dict[str, Listing]:
    return {
        name: one for kind in kinds for name, one in ask.open(listings(ask.market, kind)).items()
    }


def _one(ask: Ask, name: str = "instId") -> Listing:
    symbol = _needed(ask, name)
    found = _all(ask, *KINDS).get(symbol)
    if found is None:
        raise _refuse("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")
    return found


def _type(ask: Ask) -> tuple[Kind, ...]:
    kind = _needed(ask, "instType")
    if kind in _EMPTY_TYPES:
        return ()
    if kind not in _TYPES:
        raise _wrong("instType")
    return _TYPES[kind]


def _time(ask: Ask) -> Any:
    return _data([{"ts": str(ask.now)}])


def _ticker(ask: Ask) -> Any:
    return _data([_ticker_row(ask, _one(ask))])


def _tickers(ask: Ask) -> Any:
    return _data([_ticker_row(ask, one) for one in _all(ask, *_type(ask)).values()])


def _ticker_row(ask: Ask, one: Listing) -> dict[str, str]:
    day = ask.day(one)
    spot = one.kind == "spot"
    return {
        "instType": "SPOT" if spot else "SWAP",
        "instId": one.symbol,
        "last": one.price(day.close),
        "lastSz": one.contracts(1),
        "askPx": one.price(day.close),
        "askSz": one.contracts(100),
        "bidPx": one.price(max(1, day.close - 1)),
        "bidSz": one.contracts(100),
        "open24h": one.price(day.open),
        "high24h": one.price(day.high),
        "low24h": one.price(day.low),
        # of spot the volumes in base and in quote, of swaps in contracts and in base
        "vol24h": one.contracts(day.lots),
        "volCcy24h": one.turnover(day.turnover) if spot else one.volumes(day.lots, day.turnover)[0],
        "ts": str(ask.now),
        "sodUtc0": one.price(day.open),
        "sodUtc8": one.price(day.open),
    }


def _candles(ask: Ask) -> Any:
    one = _one(ask)
    interval = _BARS.get(ask.text("bar", "1m"))
    if interval is None:
        raise _wrong("bar").unserved()
    # `after` is the end, `before` the start: both in the sense of paging backwards. By `before`
    # alone the latest are told, not those that follow it.
    candles = ask.candles(
        one,
        interval,
        limit=min(ask.whole("limit", 100), 300),
        end=ask.whole("after", 0) - 1 if ask.whole("after", 0) else 0,
    )
    before = ask.whole("before", 0)
    rows = [
        [
            str(candle.start),
            *(one.price(p) for p in (candle.open, candle.high, candle.low, candle.close)),
            one.contracts(candle.lots),
            one.volumes(candle.lots, candle.turnover)[1 if one.kind == "spot" else 0],
            one.volumes(candle.lots, candle.turnover)[1],
            "1" if candle.end <= ask.now else "0",
        ]
        for candle in candles
        if candle.start > before
    ]
    return _data(newest_first(rows))


def _open_interest(ask: Ask) -> Any:
    chosen = [_one(ask)] if ask.text("instId") else list(_all(ask, *_SWAPS).values())
    return _data([_interest_row(ask, one) for one in chosen])


def _interest_row(ask: Ask, one: Listing) -> dict[str, str]:
    contracts, coins, dollars = _held(ask, one, ask.now)
    return {
        "instType": "SWAP",
        "instId": one.symbol,
        "oi": contracts,
        "oiCcy": coins,
        "oiUsd": dollars,
        "ts": str(ask.now),
    }


def _held(ask: Ask, one: Listing, at: int) -> tuple[str, str, str]:
    """Write the open interest in contracts, coins and dollars."""
    lots = ask.interest(one, at)
    coins, dollars = one.in_both_units(lots, ask.mark(one, at))
    return one.contracts(lots), coins, f"{dollars:.8f}"


def _swap_and_period(ask: Ask) -> tuple[Listing, int]:
    one = _one(ask)
    interval = _PERIODS.get(ask.text("period", "5m"))
    if interval is None:
        raise _wrong("period")
    if one.kind == "spot":
        raise _wrong("instId")
    return one, interval


def _account_ratio(ask: Ask) -> Any:
    one, interval = _swap_and_period(ask)
    rows = []
    for at in ask.points(one, interval, limit=min(ask.whole("limit", 100), 100)):
        long, short = ask.accounts(one, at)
        rows.append([str(at), f"{long / short:.16f}"])
    return _data(newest_first(rows))


def _taker_volume(ask: Ask) -> Any:
    one, interval = _swap_and_period(ask)
    unit = ask.text("unit", "1")
    if unit not in ("0", "1", "2"):
        raise _wrong("unit")

    def write(lots: int, product: int) -> str:
        if unit == "1":
            return one.contracts(lots)
        return one.volumes(lots, product)[int(unit) // 2]

    rows = [
        [
            str(candle.start),
            write(candle.lots - candle.buy_lots, candle.turnover - candle.buy_turnover),
            write(candle.buy_lots, candle.buy_turnover),
        ]
        for row in ask.candles(one, interval, limit=min(ask.whole("limit", 100), 100))
        for candle in [still_written(row, ask.now)]
    ]
    return _data(newest_first(rows))


def _interest_history(ask: Ask) -> Any:
    one, interval = _swap_and_period(ask)
    points = ask.points(one, interval, limit=min(ask.whole("limit", 100), 100))
    rows = [[str(at), *_held(ask, one, at)] for at in points]
    return _data(newest_first(rows))


def _funding_rate(ask: Ask) -> Any:
    one = _one(ask)
    hours = ask.hours(one)
    rate, settles = ask.funding(one, hours)
    return _data(
        [
            {
                "instType": "SWAP",
                "instId": one.symbol,
                "method": "current_period",
                "formulaType": "noRate",
                "fundingRate": rate,
                "nextFundingRate": "",
                "fundingTime": str(settles),
                "nextFundingTime": str(settles + hours * HOUR),
                "prevFundingTime": str(settles - hours * HOUR),
                "minFundingRate": "-0.015",
                "maxFundingRate": "0.015",
                "interestRate": "0.0001",
                "impactValue": "20000.0000000000000000",
                "settState": "settled",
                "settFundingRate": ask.settled_rate(one, settles - hours * HOUR, hours),
                "premium": "0.0001",
                "ts": str(ask.now),
            }
        ]
    )


def _mark_price(ask: Ask) -> Any:
    chosen = [_one(ask)] if ask.text("instId") else list(_all(ask, *_SWAPS).values())
    return _data(
        [
            {
                "instType": "SWAP",
                "instId": one.symbol,
                "markPx": f"{ask.mark(one):.12f}",
                "ts": str(ask.now),
            }
            for one in chosen
        ]
    )


def _instruments(ask: Ask) -> Any:
    known = _all(ask, *_type(ask))
    wanted = ask.text("instId")
    if wanted and wanted not in known:
        _one(ask)
    rows: list[dict[str, Any]] = [
        _instrument(one) for name, one in known.items() if wanted in ("", name)
    ]
    if not wanted and "perp" in _type(ask):  # what is announced lacks most fields
        rows.append({"instId": "ETH-USD_UM-SWAP", "instType": "SWAP", "state": "preopen"})
    return _data(rows)


def _instrument(one: Listing) -> dict[str, Any]:
    spot, inverse = one.kind == "spot", one.kind == "inverse"
    family = f"{one.base}-{one.quote}"
    return {
        "alias": "",
        "instType": "SPOT" if spot else "SWAP",
        "instId": one.symbol,
        "uly": "" if spot else family,
        "instFamily": "" if spot else family,
        "category": "1",
        "baseCcy": one.base if spot else "",
        "quoteCcy": "USDT" if spot else "",
        "settleCcy": "" if spot else one.base if inverse else "USDT",
        "ctVal": "" if spot else _ct_val(one),
        "ctMult": "" if spot else "1",
        "ctValCcy": "" if spot else "USD" if inverse else one.base,
        "ctType": "" if spot else "inverse" if inverse else "linear",
        "optType": "",
        "stk": "",
        "listTime": "1606468572000",
        "expTime": "",
        "lever": "10" if spot else "100",
        "tickSz": one.price(1),
        "lotSz": _lot_size(one),
        "minSz": _lot_size(one),
        "state": "live",
        "maxLmtSz": "9999999999",
        "maxMktSz": "1000000",
        "ruleType": "normal",
        "instIdCode": 1,
        "instCategory": _CATEGORIES[one.asset],
        "tradeQuoteCcyList": [],
        "upcChg": [],
    }


def _ct_val(one: Listing) -> str:
    contract = one.contract
    return str(contract.numerator) if contract.denominator == 1 else str(float(contract))


def _lot_size(one: Listing) -> str:
    single = Listing(one.symbol, one.base, one.quote, one.kind, 1, one.tick, 1, one.contract)
    return single.contracts(1)


_ROUTES = Routes(
    {
        "/api/v5/public/time": _time,
        "/api/v5/public/instruments": _instruments,
        "/api/v5/public/open-interest": _open_interest,
        "/api/v5/public/funding-rate": _funding_rate,
        "/api/v5/public/mark-price": _mark_price,
        "/api/v5/market/ticker": _ticker,
        "/api/v5/market/tickers": _tickers,
        "/api/v5/market/candles": _candles,
        "/api/v5/market/history-candles": _candles,
        "/api/v5/rubik/stat/contracts/open-interest-history": _interest_history,
        "/api/v5/rubik/stat/contracts/long-short-account-ratio-contract": _account_ratio,
        "/api/v5/rubik/stat/taker-volume-contract": _taker_volume,
    },
    lambda _: Refusal(404, {"msg": "Invalid request URL", "code": "50404", "data": []}),
)


class Okx:
    """The venue, as the exchange double serves it."""

    name = "okx"

    def answer(self, market: Market, call: Call) -> Response:
        """Answer one call."""
        return _ROUTES.answer(market, call)

    def error(self, status: int) -> object:
        """Return OKX's error body for a status."""
        code, message = {
            429: ("50011", "Too Many Requests"),
            503: ("50001", "Service temporarily unavailable. Please try again later."),
        }.get(status, ("50026", "System error. Try again later"))
        return {"code": code, "msg": message, "data": []}
