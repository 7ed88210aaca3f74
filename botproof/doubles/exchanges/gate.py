"""Gate.io's v4 wire format: spot (BTC_USDT), perpetuals settled in USDT (``futures/usdt``) and in
Bitcoin (``futures/btc``: BTC_USD alone).

Bare JSON without an envelope; times are in seconds; futures sizes count contracts of
``quanto_multiplier`` coins, where that is 0 of one dollar. Errors: HTTP 4xx with ``{"label",
"message"}``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from botproof.doubles.exchanges.coins import Kind, Tick
from botproof.doubles.exchanges.kit import (
    Ask,
    Listing,
    Routes,
    currencies,
    exact,
    list_coins,
    still_written,
    two_sided,
)
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.wire import Call, Refusal, ratio_text
from botproof.doubles.messages import Response

WEIGHT: Final = 2

_USDT, _BTC = "/api/v4/futures/usdt", "/api/v4/futures/btc"
_TYPES = {"coin": "", "stock": "stocks", "commodity": "metals"}
_INTERVALS = {
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": BLOCK,
    "30m": 2 * BLOCK,
    "1h": HOUR,
    "4h": 4 * HOUR,
    "8h": 8 * HOUR,
    "1d": DAY,
}


def listings(market: Market, kind: Kind) -> dict[str, Listing]:
    """Return Gate's pairs or contracts: a contract is a lot, for BTC a tenth of one."""

    def make(base: str, tick: Tick) -> Listing | None:
        if kind == "inverse":
            found = Listing(f"{base}_USD", base, "USD", kind, WEIGHT, tick)
            return found if base == "BTC" else None
        lot = Fraction(10) ** -tick.lot
        contract = Fraction(1) if kind == "spot" else lot / 10 if base == "BTC" else lot
        return Listing(f"{base}_USDT", base, "USDT", kind, WEIGHT, tick, contract=contract)

    return list_coins(market, "gate", kind, make)


def _refuse(label: str, message: str, status: int = 400) -> Refusal:
    return Refusal(status, {"label": label, "message": message})


def _spot(ask: Ask) -> dict[str, Listing]:
    return ask.open(listings(ask.market, "spot"))


def _futures(ask: Ask) -> dict[str, Listing]:
    kind: Kind = "inverse" if ask.call.path.startswith(_BTC) else "perp"
    return ask.open(listings(ask.market, kind))


def _needed(ask: Ask, name: str) -> str:
    """Return a parameter that has to be sent (error handling, label list)."""
    if not ask.text(name):
        raise _refuse("MISSING_REQUIRED_PARAM", f"Missing required parameter: {name}")
    return ask.text(name)


def _pair(ask: Ask) -> Listing:
    name = _needed(ask, "currency_pair")
    known = _spot(ask)
    if name not in known:
        raise _refuse("INVALID_CURRENCY_PAIR", f"Invalid currency pair {name}")
    return known[name]


def _contract(ask: Ask) -> Listing:
    name = _needed(ask, "contract")
    known = _futures(ask)
    if name not in known:
        raise _refuse("CONTRACT_NOT_FOUND", "CONTRACT_NOT_FOUND")
    return known[name]


def _time(ask: Ask) -> Any:
    return {"server_time": ask.now}


def _pairs(ask: Ask) -> Any:
    return [
        {
            "id": one.symbol,
            "base": one.base,
            "base_name": one.base,
            "quote": "USDT",
            "quote_name": "Tether",
            "fee": "0.2",
            "min_base_amount": one.quantity(1),
            "min_quote_amount": "3",
            "amount_precision": max(0, one.tick.lot),
            "precision": one.tick.price,
            "trade_status": "tradable",
            "sell_start": 0,
            "buy_start": 0,
            "delisting_time": 0,
            "type": "normal",
            "trade_url": "",
            "st_tag": False,
        }
        for one in _spot(ask).values()
    ]


def _nothing(_: Ask) -> Any:
    """List nothing where Gate has margin pairs, dated futures and options, and this double none:
    clients that load all markets ask for them.
    """
    return []


def _currencies(ask: Ask) -> Any:
    return [
        {
            "currency": name,
            "name": "Tether" if name == "USDT" else name,
            "delisted": False,
            "withdraw_disabled": False,
            "withdraw_delayed": False,
            "deposit_disabled": False,
            "trade_disabled": False,
            "fixed_rate": "",
            "chain": name,
            "chains": [
                {
                    "name": name,
                    "addr": "",
                    "withdraw_disabled": False,
                    "withdraw_delayed": False,
                    "deposit_disabled": False,
                }
            ],
        }
        for name in currencies(_spot(ask).values())
    ]


def _spot_tickers(ask: Ask) -> Any:
    chosen = [_pair(ask)] if ask.text("currency_pair") else list(_spot(ask).values())
    rows = []
    for one in chosen:
        day = ask.day(one)
        rows.append(
            {
                "currency_pair": one.symbol,
                "last": one.price(day.close),
                "lowest_ask": one.price(day.close),
                "lowest_size": one.quantity(100),
                "highest_bid": one.price(max(1, day.close - 1)),
                "highest_size": one.quantity(100),
                "change_percentage": ratio_text(100 * (day.close - day.open), day.open, 2),
                "base_volume": one.quantity(day.lots),
                "quote_volume": one.turnover(day.turnover),
                "high_24h": one.price(day.high),
                "low_24h": one.price(day.low),
            }
        )
    return rows


def _interval(ask: Ask) -> int:
    interval = _INTERVALS.get(ask.text("interval", "30m"))
    if interval is None:
        raise _refuse("INVALID_PARAM_VALUE", "Invalid interval").unserved()
    return interval


def _spot_candles(ask: Ask) -> Any:
    one, interval = _pair(ask), _interval(ask)
    return [
        [
            str(candle.start // 1000),
            one.turnover(candle.turnover),
            *(one.price(p) for p in (candle.close, candle.high, candle.low, candle.open)),
            one.quantity(candle.lots),
            "true" if candle.end <= ask.now else "false",
        ]
        for candle in _candles(ask, one, interval)
    ]


def _candles(ask: Ask, one: Listing, interval: int) -> list[Any]:
    """Return candles. A number of them beside their time is refused, as is documented."""
    times = ask.text("from") or ask.text("to")
    if times and ask.text("limit"):
        raise _refuse("INVALID_PARAM_VALUE", "limit conflicts with from and to")
    most = 1000 if one.kind == "spot" else 2000
    return list(
        ask.candles(
            one,
            interval,
            limit=most if times else min(ask.whole("limit", 100), most),
            start=ask.whole("from", 0) * 1000,
            end=ask.whole("to", 0) * 1000,
        )
    )


def _contracts(ask: Ask) -> Any:
    return [_contract_row(ask, one) for one in _futures(ask).values()]


def _one_contract(ask: Ask) -> Any:
    name = ask.call.path.rsplit("/", 1)[1]
    known = _futures(ask)
    if name not in known:
        raise _refuse("CONTRACT_NOT_FOUND", "CONTRACT_NOT_FOUND")
    return _contract_row(ask, known[name])


def _contract_row(ask: Ask, one: Listing) -> dict[str, Any]:
    hours = ask.hours(one)
    rate, settles = ask.funding(one, hours)
    return {
        "name": one.symbol,
        "type": "inverse" if one.kind == "inverse" else "direct",
        "quanto_multiplier": "0" if one.kind == "inverse" else exact(one.contract),
        "maintenance_rate": "0.005",
        "mark_type": "index",
        "last_price": one.price(ask.market.last_price(one.base, one.kind, ask.now)),
        "mark_price": f"{ask.mark(one):.12f}",
        "index_price": f"{ask.market.index_price(one.base, ask.now):.12f}",
        "funding_rate": rate,
        "funding_rate_indicative": rate,
        "funding_interval": hours * 3600,
        "funding_next_apply": settles // 1000,
        "interest_rate": "0.0003",
        "mark_price_round": one.price(1),
        "order_price_round": one.price(1),
        "order_size_min": 1,
        "order_size_max": 1000000,
        "leverage_min": "1",
        "leverage_max": "100",
        "maker_fee_rate": "-0.00005",
        "taker_fee_rate": "0.00075",
        "in_delisting": False,
        "status": "trading",
        "create_time": 1609800048,
        "launch_time": 1609800048,
        "trade_size": 1,
        # of one side; the tickers and the stats tell both
        "position_size": int(one.contracts(ask.interest(one))),
        "long_users": ask.accounts(one, ask.now)[0],
        "short_users": ask.accounts(one, ask.now)[1],
        "is_pre_market": False,
        "contract_type": _TYPES[one.asset],
        "enable_decimal": False,
    }


def _futures_tickers(ask: Ask) -> Any:
    chosen = [_contract(ask)] if ask.text("contract") else list(_futures(ask).values())
    rows = []
    for one in chosen:
        day = ask.day(one)
        rate, _ = ask.funding(one, ask.hours(one))
        coins, dollars = one.volumes(day.lots, day.turnover)
        rows.append(
            {
                "contract": one.symbol,
                "last": one.price(day.close),
                "low_24h": one.price(day.low),
                "high_24h": one.price(day.high),
                "change_percentage": ratio_text(100 * (day.close - day.open), day.open, 2),
                "change_price": one.price(day.close - day.open),
                "total_size": one.contracts(_told(one, ask.interest(one))),
                "volume_24h": one.contracts(day.lots),
                "volume_24h_base": coins,
                "volume_24h_quote": dollars,
                "volume_24h_settle": one.turnover(day.turnover),
                "mark_price": f"{ask.mark(one):.12f}",
                "funding_rate": rate,
                "funding_rate_indicative": rate,
                "index_price": f"{ask.market.index_price(one.base, ask.now):.12f}",
                "quanto_base_rate": "",
                "lowest_ask": one.price(day.close),
                "highest_bid": one.price(max(1, day.close - 1)),
            }
        )
    return rows


def _told(one: Listing, lots: int) -> int:
    """Return the open contracts as Gate counts them: both sides, of BTC_USD one (recorded in 2024;
    how it is now, nobody has recorded)."""
    return lots if one.kind == "inverse" else two_sided(lots)


def _futures_candles(ask: Ask) -> Any:
    one, interval = _contract(ask), _interval(ask)
    return [
        {
            "t": candle.start // 1000,
            "v": int(one.contracts(candle.lots)),
            "c": one.price(candle.close),
            "h": one.price(candle.high),
            "l": one.price(candle.low),
            "o": one.price(candle.open),
            "sum": one.volumes(candle.lots, candle.turnover)[1],
        }
        for candle in _candles(ask, one, interval)
    ]


def _stats(ask: Ask) -> Any:
    one, interval = _contract(ask), _interval(ask)
    points = ask.points(
        one, interval, limit=min(ask.whole("limit", 30), 100), first=ask.whole("from", 0) * 1000
    )
    return [_stat(ask, one, at, min(at + interval, ask.now + 1)) for at in points]


def _stat(ask: Ask, one: Listing, at: int, end: int) -> dict[str, Any]:
    """Tell the taker volumes of ``[at, end)``, and the state at its beginning."""
    traded = still_written(ask.market.fold(one.base, one.kind, at, end), ask.now)
    sold = traded.lots - traded.buy_lots
    long, short = ask.accounts(one, at)
    return {
        "time": at // 1000,
        "lsr_taker": traded.buy_lots / sold if sold else 0.0,
        "lsr_account": long / short,
        "long_taker_size": int(one.contracts(traded.buy_lots)),
        "short_taker_size": int(one.contracts(sold)),
        "long_users": long,
        "short_users": short,
        "long_liq_size": 0,
        "long_liq_amount": 0,
        "long_liq_usd": 0,
        "short_liq_size": 0,
        "short_liq_amount": 0,
        "short_liq_usd": 0,
        "open_interest": int(one.contracts(_told(one, ask.interest(one, at)))),
        "open_interest_usd": one.in_both_units(
            _told(one, ask.interest(one, at)), ask.mark(one, at)
        )[1],
        "top_lsr_account": 1.0,
        "top_lsr_size": 1.0,
        "mark_price": ask.mark(one, at),
    }


def _funding_rates(ask: Ask) -> Any:
    one = _contract(ask)
    hours = ask.hours(one)
    points = ask.points(one, hours * HOUR, limit=min(ask.whole("limit", 100), 1000))
    rows = [{"t": at // 1000, "r": ask.settled_rate(one, at, hours)} for at in points]
    return rows[::-1]


_CONTRACT_HANDLERS = {
    "/contracts": _contracts,
    "/tickers": _futures_tickers,
    "/candlesticks": _futures_candles,
    "/contract_stats": _stats,
    "/funding_rate": _funding_rates,
}
_HANDLERS = {
    "/api/v4/spot/time": _time,
    "/api/v4/spot/currency_pairs": _pairs,
    "/api/v4/spot/tickers": _spot_tickers,
    "/api/v4/spot/currencies": _currencies,
    "/api/v4/margin/currency_pairs": _nothing,
    "/api/v4/margin/uni/currency_pairs": _nothing,
    "/api/v4/delivery/usdt/contracts": _nothing,
    "/api/v4/delivery/usdt/tickers": _nothing,
    "/api/v4/options/underlyings": _nothing,
    "/api/v4/spot/candlesticks": _spot_candles,
    **{
        f"{settled}{path}": handler
        for settled in (_USDT, _BTC)
        for path, handler in _CONTRACT_HANDLERS.items()
    },
}


def _not_found(path: str) -> Refusal:
    return _refuse("NOT_FOUND", f"no such path {path}", 404)


_ROUTES = Routes(_HANDLERS, _not_found)
_CONTRACT_ROUTES = (f"{_USDT}/contracts/", f"{_BTC}/contracts/")


class Gate:
    """The venue, as the exchange double serves it."""

    name = "gate"

    def answer(self, market: Market, call: Call) -> Response:
        """Answer one call."""
        if call.path.startswith(_CONTRACT_ROUTES):
            return Routes({call.path: _one_contract}, _not_found).answer(market, call)
        return _ROUTES.answer(market, call)

    def error(self, status: int) -> object:
        """Return Gate's error body for a status."""
        label = "TOO_MANY_REQUESTS" if status == 429 else "SERVER_ERROR"
        return {"label": label, "message": "Request rate limited" if status == 429 else "error"}
