"""Yahoo's chart API, which nobody documents: ``/v8/finance/chart/{symbol}`` for forex and metals.

One answer holds ``meta`` (the last price and its time) and rows as parallel lists, times in
seconds, prices as 32-bit floats written out in full. As Yahoo really does, it

- has no rows while the market is closed, and rows of nulls where nothing was quoted,
- ends with a row stamped with the last trade's time, open = high = low = close,
- tells volume 0 for currencies, and contracts for futures,
- tells COMEX's futures ten minutes late,
- refuses a User-Agent that does not begin as a browser's does (429, in plain text). Which ones
  Yahoo takes it tells nobody; some of these, too, were refused at times.

Left out: 52-week figures, ``tradingPeriods``, corporate events. Days begin at midnight UTC. Shares,
indices, other futures, other paths (``getcrumb``, ``quoteSummary``), and intervals and ranges of
Yahoo's that have no rows here are refused as what only this double does not know.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

from botproof.doubles.exchanges.coins import Coin
from botproof.doubles.exchanges.hours import is_open, open_until
from botproof.doubles.exchanges.market import Candle, Market, Trade
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.wire import Call, Refusal
from botproof.doubles.messages import Response, json_response

DELAY: Final = 10 * MINUTE
"""By so much COMEX's prices come late."""

_CHART = "/v8/finance/chart/"
_PAIR = "=X"
_FUTURES = {"XAUUSD": "GC=F", "XAGUSD": "SI=F"}
_NAMES = {"XAUUSD": "Gold", "XAGUSD": "Silver"}
_INTERVALS = {
    "1m": MINUTE,
    "2m": 2 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": BLOCK,
    "30m": 2 * BLOCK,
    "60m": HOUR,
    "90m": 90 * MINUTE,
    "1h": HOUR,
    "4h": 4 * HOUR,
    "1d": DAY,
}
_KNOWN = "1m, 2m, 5m, 15m, 30m, 60m, 90m, 1h, 4h, 1d, 5d, 1wk, 1mo, 3mo"
_TRADING_DAYS = {"1d": 1, "5d": 5}
_SPANS = {"1mo": 31, "3mo": 92, "6mo": 183, "1y": 366, "2y": 731}
_RANGES = ("1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max")
_MINUTES_REACH = 8  # days for which Yahoo tells the minutes
_INTRADAY_REACH = 60  # and days for which it tells what is shorter than an hour


def listed(market: Market) -> dict[str, Coin]:
    """Return what Yahoo lists here, by its symbol."""
    return {
        _FUTURES.get(coin.base, f"{coin.base}{_PAIR}"): coin
        for coin in market.coins.values()
        if coin.hours != "always"
    }


def quoted(market: Market, base: str, start: int) -> bool:
    """Tell whether the row that begins at ``start`` has figures: one in 61 has none."""
    return zlib.crc32(f"{base} {start}".encode()) % 61 != 0 and not market.hidden(base, start)


def single(value: float) -> float:
    """Return a price as Yahoo tells it: through a 32-bit float."""
    return float(struct.unpack("f", struct.pack("f", value))[0])


@dataclass(frozen=True, slots=True)
class _Chart:
    """One question, and what Yahoo knows at that moment: ``now`` is the venue's, less the delay."""

    market: Market
    symbol: str
    coin: Coin
    now: int
    interval: int
    start: int

    def price(self, ticks: int) -> float:
        return single(ticks * 10.0 ** -self.coin.tick("spot").price)

    def last(self) -> Trade:
        until = open_until(self.coin.hours, self.now)
        trade = self.market.last_trade(self.coin.base, "spot", until)
        if trade is None:
            raise _refuse(404, "Not Found", "No data found, symbol may be delisted")
        return trade

    def fold(self, start: int, end: int) -> Candle:
        return self.market.fold(self.coin.base, "spot", start, end)


def _refuse(status: int, code: str, description: str) -> Refusal:
    error = {"code": code, "description": description}
    return Refusal(status, {"chart": {"result": None, "error": error}})


def _ask(market: Market, call: Call) -> _Chart:
    symbol = unquote(call.path.removeprefix(_CHART))
    coin = listed(market).get(symbol) if call.path.startswith(_CHART) else None
    if coin is None:
        refusal = _refuse(404, "Not Found", "No data found, symbol may be delisted")
        pair = call.path.startswith(_CHART) and symbol.endswith(_PAIR)
        raise refusal if pair else refusal.unserved()  # Yahoo has shares, coins and indices, too
    name = call.query.get("interval", "1d")
    if name not in _INTERVALS:
        text = f"Invalid input - interval={name} is not supported. Valid intervals: [{_KNOWN}]"
        refusal = _refuse(400, "Bad Request", text)
        raise refusal.unserved() if name in _KNOWN.split(", ") else refusal
    now = call.now - (DELAY if coin.hours == "metals" else 0)
    start = _start(call, coin, now)
    _check_reach(name, _INTERVALS[name], start, now)
    return _Chart(market, symbol, coin, now, _INTERVALS[name], start)


def _start(call: Call, coin: Coin, now: int) -> int:
    first = call.query.get("period1", "")
    if first.isdigit():
        return int(first) * 1000
    name = call.query.get("range", "1d")
    if name in _SPANS:
        return now // DAY * DAY - _SPANS[name] * DAY
    if name not in _TRADING_DAYS:
        text = f"Invalid input - range={name}, must be one of [{', '.join(_RANGES)}]"
        refusal = _refuse(422, "Unprocessable Entity", text)
        raise refusal.unserved() if name in _RANGES else refusal
    day, left = now // DAY * DAY, _TRADING_DAYS[name]
    while True:
        left -= is_open(coin.hours, day + 12 * HOUR)
        if left == 0:
            return day
        day -= DAY


def _check_reach(name: str, interval: int, start: int, now: int) -> None:
    days = _MINUTES_REACH if interval == MINUTE else _INTRADAY_REACH
    if interval >= HOUR or now - start <= days * DAY:
        return
    text = (
        f"{name} data not available for startTime={start // 1000} and endTime={now // 1000}. "
        f"Only {days} days worth of {name} granularity data are allowed to be fetched per request."
    )
    raise _refuse(422, "Unprocessable Entity", text)


def _answer(chart: _Chart, call: Call) -> Any:
    starts, last = _starts(chart), chart.last()
    rows = [_row(chart, start) for start in starts]
    if not starts or starts[-1] // 1000 < last.time // 1000:
        price = chart.price(last.price)
        rows.append((last.time // 1000, price, price, price, price, 0))
    columns = list(zip(*rows, strict=True))
    names = ("open", "high", "low", "close", "volume")
    result = {
        "meta": _meta(chart, call, last),
        "timestamp": columns[0],
        "indicators": {"quote": [dict(zip(names, columns[1:], strict=True))]},
    }
    return {"chart": {"result": [result], "error": None}}


def _starts(chart: _Chart) -> list[int]:
    """Return when rows begin: on the interval's grid, where any of it is open, the running one
    too.
    """
    step, hours = chart.interval, chart.coin.hours
    first = -(-chart.start // step) * step
    return [
        at
        for at in range(first, chart.now, step)
        if any(is_open(hours, quarter) for quarter in range(at, min(at + step, chart.now), BLOCK))
    ]


def _row(chart: _Chart, start: int) -> tuple[int | float | None, ...]:
    at, end = start // 1000, start + chart.interval
    found = chart.fold(start, min(end, chart.now))
    if not found.trades or (end <= chart.now and not quoted(chart.market, chart.coin.base, start)):
        return (at, None, None, None, None, None)
    prices = (found.open, found.high, found.low, found.close)
    volume = found.lots if chart.coin.hours == "metals" else 0
    return (at, *(chart.price(price) for price in prices), volume)


def _meta(chart: _Chart, call: Call, last: Trade) -> dict[str, Any]:
    coin, places = chart.coin, chart.coin.tick("spot").price
    future = coin.hours == "metals"
    hint = min(places, 4)
    day = chart.fold(last.time // DAY * DAY, chart.now)
    midnight = last.time // DAY * DAY // 1000
    period = {"timezone": "GMT", "gmtoffset": 0}
    name = _NAMES.get(coin.base, f"{coin.base[:3]}/{coin.base[3:]}")
    before = chart.market.last_price(coin.base, "spot", open_until(coin.hours, chart.start))
    return {
        "currency": coin.base[3:],
        "symbol": chart.symbol,
        "exchangeName": "CMX" if future else "CCY",
        "fullExchangeName": "COMEX" if future else "CCY",
        "instrumentType": "FUTURE" if future else "CURRENCY",
        "firstTradeDate": 1_070_236_800,
        "regularMarketTime": last.time // 1000,
        "hasPrePostMarketData": False,
        "gmtoffset": 0,
        "timezone": "GMT",
        "exchangeTimezoneName": "Europe/London",
        "regularMarketPrice": round(last.price * 10.0**-places, hint),
        "regularMarketDayHigh": round(day.high * 10.0**-places, hint),
        "regularMarketDayLow": round(day.low * 10.0**-places, hint),
        "regularMarketVolume": day.lots if future else 0,
        "longName": name,
        "shortName": name,
        "chartPreviousClose": round(before * 10.0**-places, hint),
        "priceHint": hint,
        "currentTradingPeriod": {
            "pre": {**period, "start": midnight, "end": midnight},
            "regular": {**period, "start": midnight, "end": midnight + 86_340},
            "post": {**period, "start": midnight + 86_340, "end": midnight + 86_340},
        },
        "dataGranularity": call.query.get("interval", "1d"),
        "range": "" if "period1" in call.query else call.query.get("range", "1d"),
        "validRanges": list(_RANGES),
    }


class Yahoo:
    """The venue, as the exchange double serves it."""

    name = "yahoo"

    def answer(self, market: Market, call: Call) -> Response:
        """Answer one call."""
        if not call.headers.get("user-agent", "").startswith("Mozilla/"):
            return Response(429, b"Edge: Too Many Requests", "text/plain")
        try:
            return json_response(_answer(_ask(market, call), call))
        except Refusal as refusal:
            return refusal.response()

    def error(self, status: int) -> object:
        """Return Yahoo's error body for a status."""
        code = {429: "Too Many Requests", 404: "Not Found"}.get(status, "Internal Server Error")
        return {"chart": {"result": None, "error": {"code": code, "description": code}}}
