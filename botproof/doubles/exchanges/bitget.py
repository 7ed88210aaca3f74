"""Bitget's v2 wire format: spot (BTCUSDT), USDT-M and coin-M futures (productType USDT-FUTURES, and
COIN-FUTURES with symbols such as BTCUSD).

Every answer is ``{"code": "00000", "msg": "success", "requestTime": ms, "data": ...}``; sizes are
in coins, of the perpetual 1000BONKUSDT in thousands; errors are HTTP 400 with a code.
"""

from __future__ import annotations

from typing import Any, Final

from botproof.doubles.exchanges.coins import Kind, Tick
from botproof.doubles.exchanges.kit import Ask, Listing, Routes, currencies, list_coins
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.wire import Call, Refusal, decimal_text, ratio_text
from botproof.doubles.messages import Response

WEIGHT: Final = 3
_THOUSANDS = {"BONK": "1000BONK"}
"""Perpetuals of a thousand."""

_EMPTY_PRODUCTS = frozenset({"USDC-FUTURES", "SUSDT-FUTURES", "SUSDC-FUTURES", "SCOIN-FUTURES"})
"""Products that Bitget has and this double lists nothing of."""
_PRODUCTS: Final[dict[str, Kind]] = {"USDT-FUTURES": "perp", "COIN-FUTURES": "inverse"}
_SPOT_BARS = {
    "1min": MINUTE,
    "5min": 5 * MINUTE,
    "15min": BLOCK,
    "30min": 2 * BLOCK,
    "1h": HOUR,
    "4h": 4 * HOUR,
    "1Dutc": DAY,
}
_PERIODS = {
    "5m": 5 * MINUTE,
    "15m": BLOCK,
    "30m": 2 * BLOCK,
    "1h": HOUR,
    "2h": 2 * HOUR,
    "4h": 4 * HOUR,
    "6h": 6 * HOUR,
    "12h": 12 * HOUR,
    "1d": DAY,
}
"""The trading statistics' periods: hours and days are small here."""
_STATISTICS: Final = 30
"""How many periods the trading statistics tell, whatever is asked (recorded)."""
_WITHOUT_STATISTICS: Final = frozenset({"DOGE", "BNB", "LINK", "ADA", "PEPE"})
"""Coins of which the trading statistics are empty (observed)."""
_BARS = {
    "1m": MINUTE,
    "5m": 5 * MINUTE,
    "15m": BLOCK,
    "30m": 2 * BLOCK,
    "1H": HOUR,
    "4H": 4 * HOUR,
    "1Dutc": DAY,
}


def listings(market: Market, kind: Kind) -> dict[str, Listing]:
    """Return Bitget's symbols of one kind."""

    def make(base: str, tick: Tick) -> Listing:
        quote = "USD" if kind == "inverse" else "USDT"
        thousands = kind == "perp" and base in _THOUSANDS
        asset = _THOUSANDS[base] if thousands else base
        unit = 1000 if thousands else 1
        return Listing(f"{asset}{quote}", base, quote, kind, WEIGHT, tick, unit)

    return list_coins(market, "bitget", kind, make)


def _data(ask: Ask, data: Any) -> dict[str, Any]:
    return {"code": "00000", "msg": "success", "requestTime": ask.now, "data": data}


def _refuse(ask: Ask, code: str, message: str) -> Refusal:
    return Refusal(400, {"code": code, "msg": message, "requestTime": ask.now, "data": None})


def _spot(ask: Ask) -> dict[str, Listing]:
    return ask.open(listings(ask.market, "spot"))


def _mix(ask: Ask) -> dict[str, Listing]:
    product = ask.text("productType").upper()
    if product in _EMPTY_PRODUCTS:
        return {}
    if product not in _PRODUCTS:
        raise _refuse(ask, "400172", "Parameter verification failed: productType")
    return ask.open(listings(ask.market, _PRODUCTS[product]))


def _symbol(ask: Ask) -> str:
    """Return the symbol, which has to be sent (error codes, 40019)."""
    if not ask.text("symbol"):
        raise _refuse(ask, "40019", "Parameter symbol cannot be empty")
    return ask.text("symbol").upper()


def _one(ask: Ask, known: dict[str, Listing]) -> Listing:
    symbol = _symbol(ask)
    if symbol not in known:
        raise _refuse(ask, "40034", f"Parameter {symbol} does not exist")
    return known[symbol]


def _time(ask: Ask) -> Any:
    return _data(ask, {"serverTime": str(ask.now)})


def _common(ask: Ask, one: Listing) -> dict[str, str]:
    day = ask.day(one)
    coins, paid = one.volumes(day.lots, day.turnover)
    return {
        "symbol": one.symbol,
        "lastPr": one.price(day.close),
        "high24h": one.price(day.high),
        "low24h": one.price(day.low),
        "baseVolume": coins,
        "quoteVolume": paid,
        "usdtVolume": paid,
        "askPr": one.price(day.close),
        "bidPr": one.price(max(1, day.close - 1)),
        "askSz": one.quantity(100),
        "bidSz": one.quantity(100),
        "ts": str(ask.now),
        "openUtc": one.price(day.open),
        "changeUtc24h": ratio_text(day.close - day.open, day.open, 5),
        "change24h": ratio_text(day.close - day.open, day.open, 5),
    }


def _spot_tickers(ask: Ask) -> Any:
    chosen = [_one(ask, _spot(ask))] if ask.text("symbol") else list(_spot(ask).values())
    return _data(
        ask, [_common(ask, one) | {"open": one.price(ask.day(one).open)} for one in chosen]
    )


def _mix_row(ask: Ask, one: Listing) -> dict[str, str]:
    rate, _ = ask.funding(one, ask.hours(one))
    return _common(ask, one) | {
        "open24h": one.price(ask.day(one).open),
        "indexPrice": f"{ask.market.index_price(one.base, ask.now) * one.unit:.12f}",
        "markPrice": f"{ask.mark(one) * one.unit:.12f}",
        "fundingRate": rate,
        "holdingAmount": one.in_both_units(ask.interest(one), ask.mark(one))[0],
        "deliveryStartTime": "",
        "deliveryTime": "",
        "deliveryStatus": "",
    }


def _mix_ticker(ask: Ask) -> Any:
    return _data(ask, [_mix_row(ask, _one(ask, _mix(ask)))])


def _mix_tickers(ask: Ask) -> Any:
    return _data(ask, [_mix_row(ask, one) for one in _mix(ask).values()])


def _candles(ask: Ask, one: Listing, bars: dict[str, int]) -> Any:
    interval = bars.get(ask.text("granularity"))
    if interval is None:
        raise _refuse(ask, "400171", "The granularity is not supported").unserved()
    candles = ask.candles(
        one,
        interval,
        limit=min(ask.whole("limit", 100), 1000),
        start=ask.whole("startTime", 0),
        end=ask.whole("endTime", 0),
    )
    rows = []
    for candle in candles:
        coins, turnover = one.volumes(candle.lots, candle.turnover)
        amounts = [coins, turnover]
        if one.kind == "spot":
            amounts = [coins, turnover, turnover]
        elif one.kind == "inverse":  # dollars at index 5, coins at 6
            amounts = [turnover, coins]
        prices = (one.price(p) for p in (candle.open, candle.high, candle.low, candle.close))
        rows.append([str(candle.start), *prices, *amounts])
    return _data(ask, rows)


def _spot_candles(ask: Ask) -> Any:
    return _candles(ask, _one(ask, _spot(ask)), _SPOT_BARS)


def _mix_candles(ask: Ask) -> Any:
    return _candles(ask, _one(ask, _mix(ask)), _BARS)


def _open_interest(ask: Ask) -> Any:
    one = _one(ask, _mix(ask))
    size, _ = one.in_both_units(ask.interest(one), ask.mark(one))
    rows = [{"symbol": one.symbol, "size": size}]
    return _data(ask, {"openInterestList": rows, "ts": str(ask.now)})


def _symbol_and_period(ask: Ask) -> tuple[Listing, int]:
    """Read what the trading statistics ask for: they take no productType."""
    symbol = _symbol(ask)
    known = ask.open(listings(ask.market, "perp"))
    if symbol not in known:
        raise _refuse(ask, "40034", f"Parameter {symbol} does not exist")
    interval = _PERIODS.get(ask.text("period", "5m"))
    if interval is None:
        raise _refuse(ask, "40020", "Parameter period error")
    if known[symbol].base in _WITHOUT_STATISTICS:
        raise _refuse(ask, "40054", f"The data fetched by {symbol} is empty")
    return known[symbol], interval


def _account_ratio(ask: Ask) -> Any:
    one, interval = _symbol_and_period(ask)
    rows = []
    for at in ask.points(one, interval, limit=_STATISTICS):
        long, short = ask.accounts(one, at)
        rows.append(
            {
                "longAccountRatio": decimal_text(long, 4),
                "shortAccountRatio": decimal_text(short, 4),
                "longShortAccountRatio": ratio_text(long, short, 4),
                "ts": str(at),
            }
        )
    return _data(ask, rows)


def _taker_volume(ask: Ask) -> Any:
    one, interval = _symbol_and_period(ask)
    return _data(
        ask,
        [
            {
                "buyVolume": one.quantity(candle.buy_lots),
                "sellVolume": one.quantity(candle.lots - candle.buy_lots),
                "ts": str(candle.start),
            }
            for candle in ask.candles(one, interval, limit=_STATISTICS)
        ],
    )


def _current_rate(ask: Ask) -> Any:
    chosen = [_one(ask, _mix(ask))] if ask.text("symbol") else list(_mix(ask).values())
    rows = []
    for one in chosen:
        rate, settles = ask.funding(one, ask.hours(one))
        rows.append(
            {
                "symbol": one.symbol,
                "fundingRate": rate,
                "fundingRateInterval": str(ask.hours(one)),
                "nextUpdate": str(settles),
                "minFundingRate": "-0.003",
                "maxFundingRate": "0.003",
                "cashDividend": "",
                "cashDividendNextUpdate": "null",
            }
        )
    return _data(ask, rows)


def _funding_time(ask: Ask) -> Any:
    """Return what told the next reset before the rate did, in 2025."""
    one = _one(ask, _mix(ask))
    _, settles = ask.funding(one, ask.hours(one))
    row = {"symbol": one.symbol, "nextFundingTime": str(settles), "ratePeriod": str(ask.hours(one))}
    return _data(ask, [row])


def _rate_history(ask: Ask) -> Any:
    one = _one(ask, _mix(ask))
    hours = ask.hours(one)
    points = ask.points(one, hours * HOUR, limit=min(ask.whole("pageSize", 20), 100))
    rows = [
        {
            "symbol": one.symbol,
            "fundingRate": ask.settled_rate(one, at, hours),
            "fundingTime": str(at),
        }
        for at in points
    ]
    return _data(ask, rows[::-1])


def _symbols(ask: Ask) -> Any:
    return _data(
        ask,
        [
            {
                "symbol": one.symbol,
                "baseCoin": one.base,
                "quoteCoin": "USDT",
                "minTradeAmount": "0",
                "maxTradeAmount": "900000000000000000000",
                "takerFeeRate": "0.002",
                "makerFeeRate": "0.002",
                "pricePrecision": str(one.tick.price),
                "quantityPrecision": str(max(0, one.tick.lot)),
                "quotePrecision": "8",
                "status": "online",
                "minTradeUSDT": "1",
                "buyLimitPriceRatio": "0.05",
                "sellLimitPriceRatio": "0.05",
                "areaSymbol": "no",
            }
            for one in _spot(ask).values()
        ],
    )


def _contracts(ask: Ask) -> Any:
    return _data(
        ask,
        [
            {
                "symbol": one.symbol,
                "baseCoin": one.symbol.removesuffix(one.quote),
                "quoteCoin": one.quote,
                "buyLimitPriceRatio": "0.05",
                "sellLimitPriceRatio": "0.05",
                "feeRateUpRatio": "0.005",
                "makerFeeRate": "0.0002",
                "takerFeeRate": "0.0006",
                "openCostUpRatio": "0.01",
                "supportMarginCoins": [one.base if one.kind == "inverse" else "USDT"],
                "minTradeNum": _least(one),
                "priceEndStep": "1",
                "volumePlace": "3" if one.kind == "inverse" else str(max(0, one.tick.lot)),
                "pricePlace": str(one.tick.price - (3 if one.unit > 1 else 0)),
                "sizeMultiplier": _least(one),
                "symbolType": "perpetual",
                "minTradeUSDT": "5",
                "symbolStatus": "normal",
                "offTime": "-1",
                "limitOpenTime": "-1",
                "deliveryTime": "",
                "launchTime": "",
                "fundInterval": str(ask.hours(one)),
                "minLever": "1",
                "maxLever": "125",
                "isRwa": "NO" if one.asset == "coin" else "YES",
            }
            for one in _mix(ask).values()
        ],
    )


def _least(one: Listing) -> str:
    """Write the smallest order, in coins."""
    return "0.001" if one.kind == "inverse" else one.quantity(1)


def _coins(ask: Ask) -> Any:
    return _data(
        ask,
        [
            {
                "coinId": str(number),
                "coin": name,
                "transfer": "true",
                "chains": [
                    {
                        "chain": name,
                        "needTag": "false",
                        "withdrawable": "true",
                        "rechargeable": "true",
                        "withdrawFee": "0.0001",
                        "extraWithdrawFee": "0",
                        "depositConfirm": "1",
                        "withdrawConfirm": "1",
                        "minDepositAmount": "0.0001",
                        "minWithdrawAmount": "0.001",
                        "browserUrl": "",
                        "contractAddress": None,
                        "withdrawStep": "0",
                        "withdrawMinScale": "8",
                        "congestion": "normal",
                    }
                ],
                "areaCoin": "no",
            }
            for number, name in enumerate(currencies(_spot(ask).values()), 1)
        ],
    )


def _no_margin(ask: Ask) -> Any:
    """List no margin market: clients that load all markets ask for them."""
    return _data(ask, [])


def _not_found(path: str) -> Refusal:
    return Refusal(404, {"code": "40404", "msg": f"Request URL NOT FOUND: {path}"})


_ROUTES = Routes(
    {
        "/api/v2/public/time": _time,
        "/api/v2/spot/public/symbols": _symbols,
        "/api/v2/spot/public/coins": _coins,
        "/api/v2/margin/currencies": _no_margin,
        "/api/v2/spot/market/tickers": _spot_tickers,
        "/api/v2/spot/market/candles": _spot_candles,
        "/api/v2/mix/market/contracts": _contracts,
        "/api/v2/mix/market/ticker": _mix_ticker,
        "/api/v2/mix/market/tickers": _mix_tickers,
        "/api/v2/mix/market/candles": _mix_candles,
        "/api/v2/mix/market/open-interest": _open_interest,
        "/api/v2/mix/market/account-long-short": _account_ratio,
        "/api/v2/mix/market/taker-buy-sell": _taker_volume,
        "/api/v2/mix/market/current-fund-rate": _current_rate,
        "/api/v2/mix/market/funding-time": _funding_time,
        "/api/v2/mix/market/history-fund-rate": _rate_history,
    },
    _not_found,
)


class Bitget:
    """The venue, as the exchange double serves it."""

    name = "bitget"

    def answer(self, market: Market, call: Call) -> Response:
        """Answer one call."""
        return _ROUTES.answer(market, call)

    def error(self, status: int) -> object:
        """Return Bitget's error body for a status."""
        code, text = (
            ("429", "Too Many Requests") if status == 429 else ("40725", "service return an error")
        )
        return {"code": code, "msg": text, "requestTime": 0, "data": None}
