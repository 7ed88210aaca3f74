"""The questions about one symbol that need more than one price: spikes, CVD, analyses, open
interest.

Each is made of the same fetches, caches and deadlines as a price; each names what it had to leave
out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Final

from msgspec import structs

from reference_bot.api import (
    Analysis,
    Bar,
    CombinedPrice,
    Cvd,
    CvdPoint,
    Divergence,
    Market,
    Missing,
    MultiInterest,
    Technical,
    Trend,
    VolumeSpike,
)
from reference_bot.market_data.blocks import SPARE_ROWS, note_takers, takers_told
from reference_bot.market_data.figures import (
    DAY_CANDLES,
    activity_of,
    delta_of,
    flow_of,
    tail,
)
from reference_bot.market_data.indicators import atr, bollinger, rsi, vwap
from reference_bot.market_data.interests import multi_oi
from reference_bot.market_data.lookup import Found
from reference_bot.market_data.parts import CHART, Parts
from reference_bot.market_data.service import Answer, Jobs, MarketService, combined, for_coins_only
from reference_bot.market_data.signals import bias_of, signals_of
from reference_bot.market_data.takers import fill_takers
from reference_bot.market_data.venues.base import (
    Candle,
    Candles,
    Instrument,
)
from reference_bot.market_data.windows import NONE_CLOSED, TIMEFRAMES, lack_of, last_run

_DAY_MINUTES: Final = 1440
_PRICE_MINUTES: Final = 15
_COUNT: Final = DAY_CANDLES + 1
_MOST_CANDLES: Final = 290
_FLAT: Final = 0.02


class Analytics:
    """Answers made of many parts. ``service`` finds, fetches and falls back."""

    def __init__(self, service: MarketService) -> None:
        self._service = service

    # -- one symbol's volume ---------------------------------------------------------------------

    async def volume_spike(
        self, symbol: str, timeframe: str, market: Market | None, exchange: str | None
    ) -> Answer[VolumeSpike]:
        """Return how the last closed candle stands out of the 96 before it."""
        for_coins_only(symbol, "nobody publishes its volume")
        minutes = TIMEFRAMES[timeframe]

        def build(found: Found, parts: Parts) -> VolumeSpike | None:
            instrument = found.any_market()
            candles = _contiguous(parts, instrument, _COUNT)
            activity = activity_of(candles) if candles else None
            if instrument is None or candles is None or activity is None:
                return None
            usual = math.fsum(map(_volume, candles[-_COUNT:-1])) / DAY_CANDLES
            return VolumeSpike(
                symbol=str(found.pair),
                venue=found.venue.name,
                market=_market(instrument),
                timeframe=timeframe,
                time=_as_of(parts, instrument),
                bar=_bar(candles[-1]),
                mean_volume=usual,
                spike_pct=100 * (activity.ratio - 1),
                activity=activity,
                flow=flow_of(candles[-1:]),
            )

        return await self._on_one_market(symbol, market, exchange, minutes, _COUNT, build)

    async def cvd(
        self, symbol: str, timeframe: str, market: Market | None, exchange: str | None
    ) -> Answer[Cvd]:
        """Return the cumulative volume delta over the last 24 candles, or over 24 h if that is
        more.
        """
        for_coins_only(symbol, "nobody publishes its order flow, so there is no CVD")
        minutes = TIMEFRAMES[timeframe]
        day = _DAY_MINUTES // minutes
        count = min(_MOST_CANDLES, max(24, day))

        def build(found: Found, parts: Parts) -> Cvd | None:
            instrument = found.any_market()
            candles = _contiguous(parts, instrument, count, takers=True)
            flow = flow_of(candles, spare=SPARE_ROWS)
            if instrument is None or candles is None or flow is None:
                return None
            deltas = [delta_of(candle) or 0.0 for candle in candles]
            sums = list(accumulate(deltas))
            change = 100 * (candles[-1].close - candles[0].open) / candles[0].open
            whole_day = math.fsum(deltas[-day:]) if day <= len(deltas) else None
            return Cvd(
                symbol=str(found.pair),
                venue=found.venue.name,
                market=_market(instrument),
                timeframe=timeframe,
                time=_as_of(parts, instrument),
                price=candles[-1].close,
                cvd=flow.delta,
                cvd_quote=flow.delta_quote,
                cvd_24h=whole_day,
                price_change_pct=change,
                trend=_trend(flow.delta, flow.volume),
                divergence=_divergence(change, flow.delta, flow.volume),
                points=tuple(
                    CvdPoint(candle.end, candle.close, delta, total)
                    for candle, delta, total in zip(candles, deltas, sums, strict=True)
                ),
            )

        return await self._on_one_market(symbol, market, exchange, minutes, count, build, count)

    async def _on_one_market(  # noqa: PLR0917 - what every question about candles takes
        self,
        symbol: str,
        market: Market | None,
        exchange: str | None,
        minutes: int,
        count: int,
        build: Any,
        least: int = 1,
    ) -> Answer[Any]:
        def jobs(found: Found) -> Jobs:
            instrument = found.any_market()
            if instrument is None:
                return {}
            section = f"{instrument.kind}.candles"
            fetch = self._service.candles(found.venue, instrument, minutes, count)
            takers = self._service.takers(found.venue, instrument, minutes, least)
            return {section: fetch, **takers}

        kinds: tuple[Market, ...] = ("perp", "spot") if market is None else (market,)
        return await self._service.first(symbol, exchange, kinds, jobs, build, needs_all=False)

    # -- everything about one symbol
    # -----------------------------------------------------------------

    async def analysis(self, symbol: str, timeframe: str, exchange: str | None) -> Answer[Analysis]:
        """Return price, indicators, volume and what they add up to."""
        service, minutes = self._service, TIMEFRAMES[timeframe]
        of_chart: list[Missing] = []

        def jobs(found: Found) -> Jobs:
            wanted = service.everything(found)
            instrument = found.any_market()
            if instrument is None or minutes == _PRICE_MINUTES:  # then the price has them already
                return wanted
            section = f"{CHART}{instrument.kind}.candles"
            wanted[section] = service.candles(found.venue, instrument, minutes)
            takers = service.takers(found.venue, instrument, minutes)
            return wanted | {CHART + name: fetch for name, fetch in takers.items()}

        def build(found: Found, parts: Parts) -> Analysis | None:
            chart = parts if minutes == _PRICE_MINUTES else parts.chart()
            price, instrument = combined(found, parts), found.any_market()
            if price is None or instrument is None:
                return None
            if chart is not parts:
                fill_takers(chart)
            analysis = _analysis(price, instrument, chart, timeframe)
            if chart is not parts:
                of_chart[:] = chart.missing
                parts.missing += chart.missing
            return analysis

        answer = await service.first(symbol, exchange, ("spot", "perp"), jobs, build)
        of_price = tuple(one for one in answer.missing if one not in of_chart)
        price = structs.replace(answer.data.price, missing=of_price)
        data = structs.replace(answer.data, price=price)
        return Answer(data, min(answer.lifetime, 2.0), answer.missing, answer.parts)

    async def multi_oi(self, symbol: str) -> Answer[MultiInterest]:
        """Return the open interest of one coin over venues and margins; see `interests`."""
        return await multi_oi(self._service, symbol)


def _contiguous(
    parts: Parts, instrument: Instrument | None, count: int, *, takers: bool = False
) -> Sequence[Candle] | None:
    """Return the last ``count`` closed candles; None, with a note, when some are missing.

    With ``takers`` they end at the newest one of which it is told what takers did.
    """
    if instrument is None:
        return None
    section = f"{instrument.kind}.candles"
    found = parts.value(section, Candles)
    if found is None:
        return None
    if instrument.closes:
        window = tail(found.closed, count, over_gaps=True)
        if window is None:
            parts.lack(section, "unavailable", f"not all of the last {count} candles are there")
        else:
            note_takers(parts, instrument, window)
        return window
    lack = _lack(instrument, found, count)
    if lack is not None:
        parts.lack(section, *lack)
        return None
    if not takers:
        note_takers(parts, instrument, found.closed[-count:])
        return tail(found.closed, count)
    flows = takers_told(parts, instrument, found.closed, count)
    return tail(flows, count) or tail(flows, count - 1)


def _lack(instrument: Instrument, found: Candles, count: int) -> tuple[str, str] | None:
    if not found.closed:
        return NONE_CLOSED
    length = found.closed[-1].end - found.closed[-1].start
    return lack_of(instrument.venue, found.closed, count, found.as_of, length)


def _market(instrument: Instrument) -> Market:
    return "spot" if instrument.kind == "spot" else "perp"


def _as_of(parts: Parts, instrument: Instrument) -> int:
    found = parts.value(f"{instrument.kind}.candles", Candles)
    return found.as_of if found is not None else 0


def _volume(candle: Candle) -> float:
    """Return a volume that is told: an activity or a flow was made of it."""
    return candle.volume or 0.0


def _bar(candle: Candle) -> Bar:
    return Bar(
        start=candle.start,
        end=candle.end,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=_volume(candle),
        turnover=candle.turnover,
        change_pct=100 * (candle.close - candle.open) / candle.open,
    )


def _trend(delta: float, volume: float) -> Trend:
    if volume <= 0 or abs(delta) < _FLAT * volume:
        return "FLAT"
    return "RISING" if delta > 0 else "FALLING"


def _divergence(change: float, delta: float, volume: float) -> Divergence | None:
    trend = _trend(delta, volume)
    if change < 0 and trend == "RISING":
        return "bullish"
    return "bearish" if change > 0 and trend == "FALLING" else None


def _analysis(
    price: CombinedPrice, instrument: Instrument, chart: Parts, timeframe: str
) -> Analysis:
    minutes = TIMEFRAMES[timeframe]
    candles = _contiguous(chart, instrument, _COUNT) or _rest(chart, instrument)
    technical = _technical(price, _market(instrument), candles, minutes)
    day = _DAY_MINUTES // minutes
    flows = takers_told(chart, instrument, candles, len(candles)) if candles else ()
    count = min(_COUNT, max(24, day))
    flow = flow_of(tail(flows, count) or tail(flows, count - 1), spare=SPARE_ROWS)
    signals = signals_of(price, technical, flow)
    score = max(-100.0, min(100.0, math.fsum(signal.points for signal in signals)))
    return Analysis(
        symbol=price.symbol,
        venue=price.venue,
        market=_market(instrument),
        timeframe=timeframe,
        time=price.time,
        price=price,
        technical=technical,
        closes=tuple(candle.close for candle in candles),
        volume=activity_of(candles),
        cvd=None if flow is None else flow.delta,
        bias=bias_of(score),
        score=score,
        signals=signals,
    )


def _rest(parts: Parts, instrument: Instrument) -> Sequence[Candle]:
    """Return the candles since the last gap: what does not touch it can be told all the same."""
    found = parts.value(f"{instrument.kind}.candles", Candles)
    if found is None or instrument.closes or not found.closed:
        return ()
    length = found.closed[-1].end - found.closed[-1].start
    fresh = found.closed[-1].end >= found.as_of // length * length
    return last_run(found.closed) if fresh else ()


def _technical(
    price: CombinedPrice, kind: Market, candles: Sequence[Candle], minutes: int
) -> Technical:
    shown = price.perp if kind == "perp" and price.perp is not None else price.spot
    close = candles[-1].close if candles else shown.price if shown is not None else 0.0
    true_range = atr(candles)
    day = tail(candles, max(1, _DAY_MINUTES // minutes)) if candles else None
    average = vwap(day) if day else None
    return Technical(
        close=close,
        rsi_14=rsi(candles),
        atr_14=true_range,
        atr_pct=None if true_range is None else 100 * true_range / close,
        vwap_24h=average,
        vwap_distance_pct=None if average is None else 100 * (close - average) / average,
        bollinger=bollinger(candles),
    )
