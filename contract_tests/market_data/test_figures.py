"""The market arithmetic: the design's table, and properties that hold for any candles."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reference_bot.api import Flow
from reference_bot.market_data import figures
from reference_bot.market_data.venues.base import Candle, FundingNow, InterestPoint

QUARTER = figures.QUARTER
START = 1_763_000_100_000 // QUARTER * QUARTER

amounts = st.floats(min_value=0, max_value=1e12, allow_nan=False).map(
    lambda x: 0.0 if x < 1e-6 else x
)
shares = st.floats(min_value=0, max_value=1)


def candle(n: int, volume: float, buy: float, price: float = 100.0) -> Candle:
    start = START + n * QUARTER
    return Candle(
        start, start + QUARTER, price, price, price, price, volume, volume * price, buy, buy * price
    )


def candles_of(*volumes: float, share: float = 0.5) -> list[Candle]:
    return [candle(n, volume, volume * share) for n, volume in enumerate(volumes)]


@st.composite
def series(draw, least=1, most=100):
    rows = draw(st.lists(st.tuples(amounts, shares), min_size=least, max_size=most))
    return [candle(n, volume, volume * share) for n, (volume, share) in enumerate(rows)]


def swapped(candles):
    return [candle(n, one.volume, one.volume - one.buy) for n, one in enumerate(candles)]


@given(series())
def test_flow_adds_up_and_is_finite(candles):
    flow = figures.flow_of(candles)
    assert flow.buy + flow.sell == pytest.approx(flow.volume, rel=1e-9, abs=1e-9)
    assert flow.delta == pytest.approx(flow.buy - flow.sell, rel=1e-9, abs=1e-9)
    assert abs(flow.delta) <= flow.volume * (1 + 1e-9)
    for name in Flow.__struct_fields__:
        value = getattr(flow, name)
        assert value is None or math.isfinite(value)


@given(series())
def test_long_short_of_swapped_sides_is_the_reciprocal(candles):
    ratio = figures.flow_of(candles).long_short
    other = figures.flow_of(swapped(candles)).long_short
    assert (ratio is None) == (other is None)
    assume(ratio is not None)
    assert ratio is not None
    assert other is not None
    assert 0 <= ratio <= 99.9
    assume(1 / 99 < ratio < 99)
    assert ratio * other == pytest.approx(1, rel=1e-6)


@given(series())
def test_swapping_sides_turns_control_round(candles):
    control = figures.control_of(figures.flow_of(candles))
    other = figures.control_of(figures.flow_of(swapped(candles)))
    assert (control is None) == (other is None)
    assume(control is not None)
    assert 0 <= control.buy_share <= 1
    assert control.buy_share + other.buy_share == pytest.approx(1, abs=1e-6)


@given(series(least=97, most=120), st.floats(min_value=1e-3, max_value=1e3))
def test_activity_does_not_depend_on_the_unit(candles, factor):
    activity = figures.activity_of(candles)
    scaled = figures.activity_of([candle(n, c.volume * factor, 0) for n, c in enumerate(candles)])
    assert (activity is None) == (scaled is None)
    assume(activity is not None)
    assert activity.ratio >= 0
    assert scaled.ratio == pytest.approx(activity.ratio, rel=1e-6)


@pytest.mark.parametrize(
    ("last", "level"),
    [
        (3.01, "EXTREME"),
        (3.0, "HIGH"),
        (2.01, "HIGH"),
        (2.0, "ABOVE AVG"),
        (1.51, "ABOVE AVG"),
        (1.5, "NORMAL"),
        (0.5, "NORMAL"),
        (0.49, "LOW"),
        (0.0, "LOW"),
    ],
)
def test_activity_levels(last, level):
    activity = figures.activity_of(candles_of(*[1.0] * 96, last))
    assert (activity.ratio, activity.level) == (pytest.approx(last), level)


def test_activity_needs_every_one_of_97_candles():
    whole = candles_of(*[1.0] * 97)
    assert figures.activity_of(whole) is not None
    assert figures.activity_of(whole[1:]) is None
    assert figures.activity_of(whole[:40] + whole[41:]) is None
    assert figures.activity_of(candles_of(*[0.0] * 96, 5.0)) is None


@pytest.mark.parametrize(
    ("share", "side"),
    [(0.6, "BUYERS"), (0.59, "BALANCED"), (0.41, "BALANCED"), (0.4, "SELLERS"), (0.0, "SELLERS")],
)
def test_control_thresholds(share, side):
    assert figures.control_of(figures.flow_of(candles_of(100.0, share=share))).side == side


def test_nothing_is_made_of_no_volume():
    flow = figures.flow_of(candles_of(0.0))
    assert flow.long_short is None
    assert figures.control_of(flow) is None
    assert figures.momentum_of(flow, flow) is None
    assert figures.flow_of([]) is None
    assert figures.flow_of(None) is None


def test_one_sided_flow_is_capped():
    assert figures.flow_of(candles_of(5.0, share=1.0)).long_short == 99.9
    assert figures.flow_of(candles_of(5.0, share=0.0)).long_short == 0.0


def test_a_venue_without_taker_volumes_has_no_flow():
    silent = Candle(START, START + QUARTER, 1, 1, 1, 1, 5.0, 5.0, None, None)
    assert figures.flow_of([silent]) is None


def flow(delta: float, volume: float = 100.0) -> Flow:
    buy = (volume + delta) / 2
    return Flow(0, 1, buy, volume - buy, delta, delta, volume, volume, None)


@pytest.mark.parametrize(
    ("quarter", "state"),
    [
        (16.0, "ACCELERATING"),
        (15.0, "STEADY"),
        (5.0, "STEADY"),
        (4.9, "DECELERATING"),
        (-20.0, "DECELERATING"),
    ],
)
def test_momentum_thresholds(quarter, state):
    assert figures.momentum_of(flow(quarter), flow(10.0)).state == state
    assert figures.momentum_of(flow(-quarter), flow(-10.0)).state == state


def test_momentum_without_a_direction_is_unknown():
    assert figures.momentum_of(flow(5.0), flow(0.0)) is None


@given(
    st.floats(min_value=1e-3, max_value=1e12),
    st.floats(min_value=1e-3, max_value=1e12),
)
def test_change_is_percent_of_then(then, now):
    change = figures.change_between(InterestPoint(2, now, 2 * now), InterestPoint(1, then, then))
    assert then * (1 + change.pct / 100) == pytest.approx(now, rel=1e-6, abs=1e-3)
    assert change.value == pytest.approx(2 * change.amount)  # at the price now


def test_change_since_nothing_is_unknown():
    now = InterestPoint(2, 5.0, 5.0)
    assert figures.change_between(now, None) is None
    assert figures.change_between(now, InterestPoint(1, 0.0, 0.0)) is None


def test_the_point_before_is_the_newest_that_is_old_enough():
    points = [InterestPoint(time, 1.0, 1.0) for time in (100, 200, 300)]
    assert figures.point_before(points, 250, tolerance=100).time == 200
    assert figures.point_before(points, 300, tolerance=100).time == 300
    assert figures.point_before(points, 99, tolerance=100) is None
    assert figures.point_before(points, 500, tolerance=100) is None


def test_funding_is_annual_by_its_own_interval():
    eight = figures.funding_of(FundingNow(1, 0.000085, 8.0, 2, 1.0))
    assert eight.annual == pytest.approx(0.093075)
    hourly = figures.funding_of(FundingNow(1, 0.000085, 1.0, 2, 1.0))
    assert hourly.annual == pytest.approx(8 * eight.annual)
    assert hourly.rate_8h == pytest.approx(0.00068)


@pytest.mark.parametrize(
    ("rate", "pressure"),
    [
        (0.0005, "long_squeeze"),
        (0.00049, "long_pressure"),
        (0.0002, "long_pressure"),
        (0.00019, "balanced"),
        (0.0001, "balanced"),
        (-0.00009, "balanced"),
        (-0.0001, "short_pressure"),
        (-0.00049, "short_pressure"),
        (-0.0005, "short_squeeze"),
    ],
)
def test_pressure_levels(rate, pressure):
    assert figures.pressure_of(rate) == pressure


def test_tail_has_no_holes():
    whole = candles_of(*[1.0] * 5)
    assert figures.tail(whole, 3) == whole[2:]
    assert figures.tail(whole[:2] + whole[3:], 3) is None
    assert figures.tail(whole, 6) is None
