"""Yahoo's chart API: currencies, and metals as COMEX's nearest future.

Public, but documented nowhere: what is known comes from what others read and wrote down (see
docs/venues.md). ``/v8/finance/chart/{symbol}`` answers with the last price and its time in
``meta`` and with rows as parallel lists; times in seconds. Rows of nulls were not quoted, a last
row stamped with the last price's own time is no candle, and COMEX's prices come ten minutes late.
Volumes are 0 for currencies, and of futures not complete within a day: none are given on. Order
flow, open interest, funding and a list of all tickers are not offered.
"""

from __future__ import annotations

import itertools
from typing import Final

import msgspec
from msgspec import Struct

from reference_bot.market_data.errors import Reason, Refusal, VenueError
from reference_bot.market_data.forex import LISTED, Hours, closed_since, hours_of, rests
from reference_bot.market_data.http import Reply
from reference_bot.market_data.keeping import Field
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import (
    Candle,
    Candles,
    Directory,
    FundingNow,
    Instrument,
    InterestPoint,
    MarketKind,
    Ticker,
)
from reference_bot.market_data.venues.checks import STALE_AFTER, check_candles
from reference_bot.market_data.venues.common import OneApi, to_candle
from reference_bot.market_data.venues.fields import Price, Seconds

_CHART: Final = "/v8/finance/chart/"
_FUTURES: Final = {Pair("XAU", "USD"): "GC=F", Pair("XAG", "USD"): "SI=F"}
# by minutes: Yahoo's name, and a range that holds a hundred candles even on a Monday morning
_INTERVALS: Final = {
    1: ("1m", "5d"),
    5: ("5m", "5d"),
    15: ("15m", "5d"),
    30: ("30m", "5d"),
    60: ("60m", "1mo"),
    240: ("60m", "1mo"),  # made of hours here
    1440: ("1d", "6mo"),
}
_QUARTER: Final = 15
_MADE_OF_HOURS: Final = 240
_HIGHEST: Final = 1e12
_DAY: Final = 86_400_000
_DELAY: Final[dict[Hours, int]] = {"forex": 0, "metals": 600_000}
_HALF_HOUR: Final = 1_800_000
"""By so much the week of foreign exchange itself ends before Yahoo's last quotes."""
_EARLY: Final[dict[Hours, int]] = {"forex": _HALF_HOUR + STALE_AFTER, "metals": 6 * 3_600_000}
"""How long before the close the last price of a week may be: COMEX ends some weeks early."""


class _Meta(Struct, frozen=True):
    time: Seconds = msgspec.field(name="regularMarketTime")
    price: Price = msgspec.field(name="regularMarketPrice")


class _Quote(Struct, frozen=True):
    open: list[float | str | None] = []
    high: list[float | str | None] = []
    low: list[float | str | None] = []
    close: list[float | str | None] = []


class _Indicators(Struct, frozen=True):
    quote: list[_Quote]


class _Result(Struct, frozen=True):
    meta: _Meta
    indicators: _Indicators
    timestamp: list[Seconds] = []


class _Error(Struct, frozen=True):
    code: str
    description: str = ""


class _Chart(Struct, frozen=True):
    result: list[_Result] | None = None
    error: _Error | None = None


class _Answer(Struct, frozen=True):
    chart: _Chart


class _Row(Struct, frozen=True):
    start: int
    open: float
    high: float
    low: float
    close: float


_ANSWER = msgspec.json.Decoder(_Answer)

# price and quarter-hour candles are one answer: whoever asks at the same time shares it
_SHARED: Final[Field[Reply[_Answer]]] = Field("yahoo.chart", 2.0)


def explain(status: int, body: bytes) -> Refusal | None:
    """Read ``{"chart": {"result": null, "error": {"code": "Not Found", ...}}}``."""
    if status == 429:
        return Refusal("rate_limited", "too many calls, or Yahoo refuses this YAHOO_USER_AGENT")
    try:
        error = _ANSWER.decode(body).chart.error
    except msgspec.MsgspecError:
        return None
    if error is None:
        return None
    reason: Reason = "refused" if status < 500 else "outage"
    if error.code == "Not Found":
        reason = "not_listed"
    return Refusal(reason, f"{error.code}: {error.description}")


class Yahoo(OneApi):
    """The venue. ``cache`` lets price and candles share one call."""

    name = "yahoo"
    quotes: tuple[str, ...] = ("USD",)
    kinds: tuple[MarketKind, ...] = ("spot",)
    currencies = True

    async def ping(self) -> None:
        """Return when the API tells today's euro."""
        params = {"interval": "1d", "range": "1d"}
        await self._client.get(f"{_CHART}EURUSD=X", _ANSWER, params)

    async def directory(self, kind: MarketKind) -> Directory:
        """Return the pairs that can be asked for. Yahoo itself lists nothing."""
        if kind != "spot":
            return Directory()
        return Directory(
            {pair: Instrument(self.name, kind, pair, _symbol(pair), closes=True) for pair in LISTED}
        )

    async def ticker(self, instrument: Instrument) -> Ticker:
        """Read the last price, and make 24 hours of quarter-hour candles.

        ``open`` is the last close at or before 24 h ago: up to a quarter of an hour older while the
        market trades, of before the weekend on a Monday.
        """
        result, path, as_of = await self._chart(instrument, _QUARTER)
        price, time = result.meta.price, result.meta.time * 1000
        hours = hours_of(instrument.pair)
        closed = self._closed(path, hours, time, as_of - _DELAY[hours])
        rows = self._rows(path, result)
        before = [row.close for row in rows if row.start + _QUARTER * 60_000 <= time - _DAY]
        since = [row for row in rows if row.start + _QUARTER * 60_000 > time - _DAY]
        if not before or not since:
            raise VenueError(self.name, "unavailable", f"{path}: no prices of the last 24 h")
        return Ticker(
            time=time,
            price=price,
            open=before[-1],
            high=max(price, *(row.high for row in since)),
            low=min(price, *(row.low for row in since)),
            volume=None,
            turnover=None,
            closed_since=closed,
        )

    async def tickers(self, kind: MarketKind, listed: Directory) -> dict[Pair, Ticker]:  # noqa: ARG002 - the protocol's
        """Raise: there is no such list."""
        raise VenueError(self.name, "unavailable", "yahoo offers no list of tickers")

    async def candles(self, instrument: Instrument, *, minutes: int, count: int) -> Candles:
        """Read the rows that were quoted. Gaps between them are closed hours, or lack a quote."""
        result, path, as_of = await self._chart(instrument, minutes)
        hours, length = hours_of(instrument.pair), minutes * 60_000
        covered_to = as_of - _DELAY[hours]
        closed = self._closed(path, hours, result.meta.time * 1000, covered_to)
        candles: list[Candle] = [
            to_candle(row, row.start, row.start + length, volume=None, turnover=None)
            for row in self._rows_of(path, result, minutes)
        ]
        if closed is not None and candles:
            covered_to = min(covered_to, candles[-1].end)
        found = check_candles(self._client, path, candles, covered_to, minutes)
        return Candles(found.as_of, found.closed[-count:])

    async def open_interest(self, instrument: Instrument) -> InterestPoint:  # noqa: ARG002 - the protocol's
        """Raise: there is none."""
        raise VenueError(self.name, "unavailable", "yahoo offers no open interest")

    async def funding(self, instrument: Instrument) -> FundingNow:  # noqa: ARG002 - the protocol's
        """Raise: there is none."""
        raise VenueError(self.name, "unavailable", "yahoo offers no funding")

    async def _chart(self, instrument: Instrument, minutes: int) -> tuple[_Result, str, int]:
        """Return the chart, where it came from, and Yahoo's clock (or else the price's time)."""
        path = f"{_CHART}{instrument.symbol}"
        interval, span = _INTERVALS[minutes]
        params: dict[str, str | int] = {"interval": interval, "range": span}
        entry = await self._cache.get(
            _SHARED,
            (instrument.symbol, interval),
            lambda: self._client.get(path, _ANSWER, params),
        )
        reply = entry.value
        result = self._first(path, reply.value.chart.result or [])
        return result, path, reply.as_of or result.meta.time * 1000

    def _rows(self, path: str, result: _Result) -> list[_Row]:
        quote = self._first(path, result.indicators.quote)
        columns = (quote.open, quote.high, quote.low, quote.close)
        if not any(columns):
            return []
        if any(len(column) != len(result.timestamp) for column in columns):
            raise VenueError(self.name, "bad_payload", f"{path}: lists of different lengths")
        found: list[_Row] = []
        wrong: list[int] = []
        for at, *row in zip(result.timestamp, *columns, strict=True):
            live = at == result.meta.time and at == result.timestamp[-1]
            if live or None in row:
                continue
            prices = [one for one in row if isinstance(one, float) and 0 < one < _HIGHEST]
            if len(prices) == len(row):
                found.append(_Row(at * 1000, *prices))
            else:
                wrong.append(at)
        if wrong:
            what = f"{path}: the row of {wrong[0]} has a price that is none"
            if not found:
                raise VenueError(self.name, "bad_payload", what)
            self._client.left_out(path, len(wrong), what)
        return found

    def _rows_of(self, path: str, result: _Result, minutes: int) -> list[_Row]:
        """Return the rows of a timeframe; where Yahoo's own candles of four hours begin is told
        nowhere, so they are made of its hours, from every fourth one of UTC on.
        """
        rows = self._rows(path, result)
        return _together(rows, minutes * 60_000) if minutes == _MADE_OF_HOURS else rows

    def _closed(self, path: str, hours: Hours, time: int, covered_to: int) -> int | None:
        """Return since when the market is closed, None while it trades.

        A price that stands still while its market trades is not the present; neither is one of long
        before the close, nor one of the future.
        """
        since = closed_since(hours, covered_to)
        if since is not None and time <= since + STALE_AFTER:
            if since - time <= _EARLY[hours] or rests(since - 1 - _HALF_HOUR):
                return since
            self._stale(path, (since - time) / 1000, "before the market closed")
        if covered_to - time > STALE_AFTER:
            if rests(covered_to):
                return time
            self._stale(path, (covered_to - time) / 1000, "behind, and the market trades")
        if time - covered_to > STALE_AFTER + _DELAY[hours]:
            self._stale(path, (time - covered_to) / 1000, "ahead of Yahoo's own clock")
        return None

    def _stale(self, path: str, seconds: float, how: str) -> None:
        text = f"{path}: regularMarketTime is {seconds:.0f} s {how}"
        raise VenueError(self.name, "bad_payload", text)


def _together(rows: list[_Row], length: int) -> list[_Row]:
    """Return longer rows, of what was quoted in each ``length`` ms. The first one is left out: what
    there is may begin in the middle of it.
    """
    whole: list[_Row] = []
    for start, parts in itertools.groupby(rows, key=lambda row: row.start // length * length):
        told = tuple(parts)
        high, low = max(row.high for row in told), min(row.low for row in told)
        whole.append(_Row(start, told[0].open, high, low, told[-1].close))
    return whole[1:]


def _symbol(pair: Pair) -> str:
    return _FUTURES.get(pair, f"{pair.base}{pair.quote}=X")
