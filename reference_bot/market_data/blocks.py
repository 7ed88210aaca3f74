"""The blocks of an answer, made of the parts that came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias

from msgspec import structs

from reference_bot.api import (
    GAP,
    LATE,
    NEW,
    Accounts,
    Block,
    Intelligence,
    OpenInterest,
    PerpBlock,
)
from reference_bot.market_data.figures import (
    DAY_CANDLES,
    QUARTER,
    activity_of,
    change_between,
    control_of,
    flow_of,
    funding_of,
    momentum_of,
    point_before,
    tail,
)
from reference_bot.market_data.parts import Parts
from reference_bot.market_data.venues.base import (
    AccountRatio,
    Candle,
    Candles,
    FundingNow,
    Instrument,
    InterestPoint,
    MarketKind,
    Ticker,
)
from reference_bot.market_data.windows import lack_of, until_told

Sides: TypeAlias = Literal["one", "unknown"]

SPARE_ROWS: Final = 1
"""Candles of a day whose takers may be unknown: it is not lost for one row."""

_DAY: Final = 86_400_000
_TOLERANCE: Final = 900_000


def block(parts: Parts, instrument: Instrument | None) -> Block | None:
    """Return the block of one market; None when its ticker did not come."""
    if instrument is None:
        return None
    candles = _closed(parts, instrument)
    taken = takers_told(parts, instrument, candles, DAY_CANDLES)
    ticker = parts.value(f"{instrument.kind}.ticker", Ticker)
    if ticker is None:
        return None
    change = ticker.price - ticker.open
    return Block(
        venue=instrument.venue,
        symbol=instrument.symbol,
        time=ticker.time,
        price=ticker.price,
        change_24h=change,
        change_24h_pct=100 * change / ticker.open,
        high_24h=ticker.high,
        low_24h=ticker.low,
        volume_24h=ticker.volume,
        turnover_24h=ticker.turnover,
        flow_24h=flow_of(tail(taken, DAY_CANDLES), spare=SPARE_ROWS),
        flow_15m=flow_of(tail(taken, 1)),
        activity=activity_of(candles),
        closed_since=ticker.closed_since,
    )


def _closed(parts: Parts, instrument: Instrument) -> Sequence[Candle]:
    """Return the closed candles that came, and note when some of the last 24 h and 15 m are not
    there.
    """
    section = f"{instrument.kind}.candles"
    found = parts.value(section, Candles)
    if found is None:
        return ()
    if instrument.closes:
        note_takers(parts, instrument, found.closed[-1:])
        return ()
    last = found.as_of // QUARTER * QUARTER
    lack = lack_of(instrument.venue, found.closed, DAY_CANDLES + 1, found.as_of, QUARTER)
    if lack is not None:
        parts.lack(section, *lack)
    return found.closed if found.closed and found.closed[-1].end >= last else ()


def takers_told(
    parts: Parts, instrument: Instrument, candles: Sequence[Candle], count: int
) -> Sequence[Candle]:
    """Return the candles up to the newest one of which it is told what takers did.

    Notes when that is not the newest one of all, and of how many of the last ``count`` it is not
    told.
    """
    covered = until_told(candles)
    if len(covered) < len(candles):
        late = candles[-1]
        text = (
            f"{instrument.venue} is still writing the takers of {_clock(late.start)} to "
            f"{_clock(late.end)} UTC: flows end at {_clock(covered[-1].end)}"
        )
        parts.lack(f"{instrument.kind}.takers", LATE, text)
    note_takers(parts, instrument, covered[-count:])
    return covered


def _clock(time: int) -> str:
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%H:%M")


def note_takers(parts: Parts, instrument: Instrument, candles: Sequence[Candle]) -> None:
    """Note of how many candles it is not known what takers bought, unless their call failed."""
    unknown = sum(candle.buy is None for candle in candles)
    if not unknown or parts.lacks(f"{instrument.kind}.takers", besides=LATE):
        return
    some = "" if unknown == len(candles) else f" in {unknown} of the last {len(candles)} candles"
    what = "volumes, nor what takers bought" if instrument.closes else "what takers bought"
    text = f"{instrument.venue} does not tell {what}{some}"
    parts.lack(f"{instrument.kind}.candles", "unavailable", text)


def perp_block(parts: Parts, instrument: Instrument | None, sides: Sides) -> PerpBlock | None:
    """Return the block of a perpetual; None when its ticker did not come.

    ``sides``: whether it is known that the venue's open interest is of one side.
    """
    found = block(parts, instrument)
    if found is None:
        return None
    funding = parts.value("perp.funding", FundingNow)
    mark = funding.mark_price if funding is not None else None
    return PerpBlock(
        **{name: getattr(found, name) for name in Block.__struct_fields__},
        mark_price=mark,
        open_interest=_of_sides(open_interest(parts, mark or found.price), sides),
        funding=None if funding is None else funding_of(funding),
        accounts=_accounts(parts),
    )


def _of_sides(found: OpenInterest | None, sides: Sides) -> OpenInterest | None:
    if found is None or sides == "one":
        return found
    return structs.replace(found, sides=sides)


def _accounts(parts: Parts) -> Accounts | None:
    found = parts.value("perp.accounts", AccountRatio)
    if found is None:
        return None
    return Accounts(found.long_short, found.long_share, found.time, found.period_minutes)


def open_interest(parts: Parts, price: float, kind: MarketKind = "perp") -> OpenInterest | None:
    """Return the open interest with its changes; ``price`` values it where the venue does not."""
    section = f"{kind}.open_interest"
    found = parts.value(section, InterestPoint)
    if found is None:
        return None
    value = found.amount * price if found.value is None else found.value
    now = InterestPoint(found.time, found.amount, value)
    history = parts.value(f"{section}.history", tuple)
    points: tuple[InterestPoint, ...] = history or ()
    day = point_before(points, now.time - _DAY, tolerance=_TOLERANCE)
    quarter = point_before(points, now.time - QUARTER, tolerance=_TOLERANCE)
    if history is not None and (day is None or quarter is None):
        parts.lack(section, *_no_point(points, now.time, _DAY if day is None else QUARTER))
    return OpenInterest(
        amount=now.amount,
        value=value,
        change_24h=change_between(now, day, in_dollars=kind == "inverse"),
        change_15m=change_between(now, quarter, in_dollars=kind == "inverse"),
        time=now.time,
    )


def _no_point(points: Sequence[InterestPoint], now: int, back: int) -> tuple[str, str]:
    """Return why the history has no point of that time ago: a reason and a sentence."""
    said = f"the history has no point {'24 h' if back == _DAY else '15 m'} ago"
    if not points:
        return "unavailable", said
    began = min(point.time for point in points)
    if began > now - back:
        return NEW, f"{said}: it begins at {_clock(began)} UTC"
    return GAP, said


def intelligence(spot: Block | None, perp: Block | None) -> Intelligence | None:
    """Read the market from the perpetual's flow, or from spot's."""
    source = perp if perp is not None and perp.flow_24h is not None else spot
    if source is None or source.flow_24h is None:
        return None
    return Intelligence(
        source="perp" if source is perp else "spot",
        control_24h=control_of(source.flow_24h),
        momentum=momentum_of(source.flow_15m, source.flow_24h),
        control_15m=control_of(source.flow_15m),
        activity=source.activity,
    )
