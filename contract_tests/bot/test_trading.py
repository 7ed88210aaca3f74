"""The signal: when it says a side, when it says no, and what it can never do."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_bot.telegram_bot.trading import NoTrade, Readings, Trade, judge

DOWN_THEN_UP = [100 - 0.1 * n for n in range(60)] + [94 + 0.6 * n for n in range(10)]
UP_THEN_DOWN = [200 - close for close in DOWN_THEN_UP]


def readings(
    closes: list[float], rsi: float | None = 50.0, atr: float | None = 0.5, delta: float = 0.0
) -> Readings:
    return Readings(closes, rsi, atr, delta)


def test_a_fresh_crossing_upwards_is_long() -> None:
    found = judge(readings(DOWN_THEN_UP, rsi=60.0, delta=5.0))
    assert isinstance(found, Trade)
    assert (found.side, found.entry) == ("LONG", DOWN_THEN_UP[-1])
    assert found.stop == pytest.approx(found.entry - 0.75)
    assert found.target == pytest.approx(found.entry + 1.5)


def test_mirrored_prices_give_the_mirrored_signal() -> None:
    up = judge(readings(DOWN_THEN_UP, rsi=60.0, delta=5.0))
    down = judge(readings(UP_THEN_DOWN, rsi=40.0, delta=-5.0))
    assert isinstance(up, Trade)
    assert isinstance(down, Trade)
    assert (down.side, down.confidence, down.age) == ("SHORT", up.confidence, up.age)


@pytest.mark.parametrize(
    ("given_readings", "reason"),
    [
        (readings([100.0] * 10), "fewer than 42 candles have closed"),
        (readings([math.nan] * 96), "fewer than 42 candles have closed"),
        (readings(DOWN_THEN_UP, rsi=None), "there is no RSI or ATR yet"),
        (readings(DOWN_THEN_UP, atr=math.inf), "there is no RSI or ATR yet"),
        (readings([100 + 0.1 * n for n in range(96)]), "EMA 9 and EMA 21 have not crossed"),
        (readings(DOWN_THEN_UP + [100.0 + n for n in range(20)]), "too late to enter"),
        (readings(DOWN_THEN_UP, atr=0.01), "too little movement, ATR is only 0.01%"),
        (readings(DOWN_THEN_UP, atr=9.0), "too volatile, ATR is"),
        (readings(DOWN_THEN_UP, rsi=75.0), "say LONG, but RSI is overbought at 75.0"),
        (readings(UP_THEN_DOWN, rsi=25.0), "say SHORT, but RSI is oversold at 25.0"),
    ],
)
def test_no_trade_says_why(given_readings: Readings, reason: str) -> None:
    found = judge(given_readings)
    assert isinstance(found, NoTrade)
    assert reason in found.reason


prices = st.floats(min_value=1e-9, max_value=1e9)


@given(
    st.lists(prices, max_size=120),
    st.none() | st.floats(0, 100),
    st.none() | st.floats(0, 1e9),
    st.floats(),
)
def test_whatever_the_candles_confidence_stays_in_bounds(
    closes: list[float], rsi: float | None, atr: float | None, delta: float
) -> None:
    found = judge(Readings(closes, rsi, atr, delta))
    if isinstance(found, Trade):
        assert 0 <= found.confidence <= 100
        assert 0 <= found.age < 8
        assert (found.target > found.entry) == (found.side == "LONG")
    else:
        assert found.reason


@given(st.lists(st.floats(90, 110), min_size=96, max_size=96), st.floats(0, 100))
def test_a_single_candle_more_never_makes_an_old_crossing_new(
    closes: list[float], rsi: float
) -> None:
    """The age grows by one with each candle, or starts over at zero."""
    first = judge(Readings(closes[:-1], rsi, 1.0, 0.0))
    second = judge(Readings(closes, rsi, 1.0, 0.0))
    if isinstance(first, Trade) and isinstance(second, Trade) and first.side == second.side:
        assert second.age == first.age + 1
