"""Taker volumes that are told apart from candles: put where they belong, and nowhere else."""

import pytest
from msgspec import structs

from reference_bot.market_data.figures import delta_of, flow_of
from reference_bot.market_data.keeping import Entry
from reference_bot.market_data.parts import Parts
from reference_bot.market_data.takers import fill_takers, until_next_period
from reference_bot.market_data.venues.base import Candle, Candles, TakerVolume, TakerVolumes

QUARTER = 900_000
START = 1_763_780_400_000 // QUARTER * QUARTER


def _candle(n: int, volume: float = 10.0) -> Candle:
    start = START + n * QUARTER
    return Candle(start, start + QUARTER, 100, 102, 99, 101, volume, volume * 100, None, None)


def _filled(candles, periods, length=QUARTER):
    as_of = candles[-1].end + 1
    parts = Parts(
        "okx",
        {
            "perp.candles": Entry(Candles(as_of, tuple(candles)), 0.0, 1.0),
            "perp.takers": Entry(TakerVolumes(as_of, length, tuple(periods)), 0.0, 1.0),
        },
        "the deadline",
    )
    fill_takers(parts)
    return parts.value("perp.candles", Candles).closed


def test_each_candle_gets_the_period_that_begins_with_it():
    periods = [TakerVolume(START + n * QUARTER, 6.0 - n, 4.0 + n, None, None) for n in (1, 0)]
    first, second = _filled([_candle(0), _candle(1)], periods)
    assert (first.buy, first.sell) == (6.0, 4.0)
    assert (second.buy, second.sell) == (5.0, 5.0)
    assert flow_of([first, second]).long_short == pytest.approx(11 / 9)


@pytest.mark.parametrize(
    "period",
    [
        TakerVolume(START + 60_000, 6.0, 4.0),  # begins a minute later
        TakerVolume(START + QUARTER, 6.0, 4.0),  # the next one
        TakerVolume(START, 600.0, 400.0),  # contracts where coins were expected
        TakerVolume(START, 5.0, 4.0),  # a period that was not told to its end
        TakerVolume(START, 0.0, 0.0),
    ],
)
def test_what_is_not_the_candles_is_left_out(period):
    [candle] = _filled([_candle(0)], [period])
    assert candle.buy is None
    assert flow_of([candle]) is None


def test_periods_of_another_length_are_left_out():
    [candle] = _filled([_candle(0)], [TakerVolume(START, 6.0, 4.0)], length=300_000)
    assert candle.buy is None


def test_a_candle_without_trades_takes_a_period_without_any():
    [candle] = _filled([_candle(0, volume=0.0)], [TakerVolume(START, 0.0, 0.0)])
    assert (candle.buy, delta_of(candle)) == (0.0, 0.0)


def test_what_a_venue_tells_with_its_candles_stays():
    told = structs.replace(_candle(0), buy=7.0, buy_turnover=700.0)
    assert _filled([told], [TakerVolume(START, 6.0, 4.0)]) == (told,)


def test_a_flow_in_base_units_only_has_no_quote_delta():
    [candle] = _filled([_candle(0)], [TakerVolume(START, 6.0, 4.0)])
    flow = flow_of([candle])
    assert (flow.delta, flow.delta_quote, flow.volume) == (2.0, None, 10.0)
    [candle] = _filled([_candle(0)], [TakerVolume(START, 6.0, 4.0, 603.0, 400.0)])
    assert flow_of([candle]).delta_quote == 203.0


def test_one_candle_that_is_not_told_leaves_out_the_whole_flow():
    candles = _filled([_candle(0), _candle(1)], [TakerVolume(START + QUARTER, 6.0, 4.0)])
    assert flow_of(candles) is None
    assert flow_of(candles[1:]).delta == 2.0


@pytest.mark.parametrize(
    ("since_the_close", "seconds"),
    [(0, 15.0), (179_000, 15.0), (181_000, 60.0), (880_000, 20.0), (899_000, 5.0), (905_000, 5.0)],
)
def test_they_are_kept_until_the_next_period_closes(since_the_close, seconds):
    told = TakerVolumes(START + since_the_close, QUARTER, (TakerVolume(START - QUARTER, 1, 1),))
    assert until_next_period(told) == seconds
