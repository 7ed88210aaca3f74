"""The market's truth: pure, made of trades, and extreme where it is told to be."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from botproof.doubles.exchanges.coins import COINS, synthetic_coins
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.scenario import Scenario, ScenarioKind

MARKET = Market(3)
moments = st.integers(min_value=1_600_000_000_000, max_value=1_900_000_000_000)
bases = st.sampled_from([coin.base for coin in COINS if coin.spot and coin.perp])
kinds = st.sampled_from(["spot", "perp"])


@given(base=bases, kind=kinds, start=moments, length=st.integers(0, 3 * HOUR))
@settings(max_examples=40, deadline=None)
def test_a_fold_is_the_sum_of_its_trades(base, kind, start, length):
    trades = list(MARKET.trades(base, kind, start, start + length))
    folded = MARKET.fold(base, kind, start, start + length)
    assert folded.lots == sum(trade.lots for trade in trades)
    assert folded.buy_lots == sum(trade.lots for trade in trades if trade.buy)
    assert folded.turnover == sum(trade.lots * trade.price for trade in trades)
    assert folded.trades == len(trades)
    if trades:
        assert folded.open == trades[0].price
        assert folded.close == trades[-1].price
        assert folded.high == max(trade.price for trade in trades)
        assert folded.low == min(trade.price for trade in trades)
        assert [trade.time for trade in trades] == sorted(trade.time for trade in trades)


@given(base=bases, kind=kinds, start=moments, cut=st.integers(1, 4 * BLOCK - 1))
@settings(max_examples=40, deadline=None)
def test_windows_beside_each_other_add_up(base, kind, start, cut):
    whole = MARKET.fold(base, kind, start, start + 4 * BLOCK)
    left = MARKET.fold(base, kind, start, start + cut)
    right = MARKET.fold(base, kind, start + cut, start + 4 * BLOCK)
    assert whole.lots == left.lots + right.lots
    assert whole.turnover == left.turnover + right.turnover
    assert whole.buy_turnover == left.buy_turnover + right.buy_turnover


@given(base=bases, kind=kinds, at=moments)
@settings(max_examples=20, deadline=None)
def test_the_answer_depends_on_nothing_that_was_asked_before(base, kind, at):
    fresh = Market(3)
    assert fresh.fold(base, kind, at, at + BLOCK) == MARKET.fold(base, kind, at, at + BLOCK)
    assert fresh.last_price(base, kind, at) == MARKET.last_price(base, kind, at)
    assert fresh.open_interest(base, at) == MARKET.open_interest(base, at)


def test_another_seed_is_another_market(now):
    assert Market(3).fold("BTC", "spot", now - DAY, now) != Market(4).fold(
        "BTC", "spot", now - DAY, now
    )


def test_candles_end_with_the_open_one(market, now):
    candles = market.candles("BTC", "perp", BLOCK, start=now - DAY, end=now, now=now)
    assert [candle.start % BLOCK for candle in candles] == [0] * len(candles)
    assert all(left.end == right.start for left, right in pairwise(candles))
    assert candles[-1].start <= now < candles[-1].end
    assert candles[-1].lots < market.fold("BTC", "perp", candles[-1].start, candles[-1].end).lots


@pytest.mark.parametrize("coin", COINS, ids=lambda coin: coin.base)
def test_prices_stay_near_what_the_coin_is_worth(coin, market, now):
    kind = "spot" if coin.spot else "perp"
    price = market.last_price(coin.base, kind, now) * 10.0 ** -coin.tick(kind).price
    assert coin.price / 2 < price < coin.price * 2


def _with(market, kind, at, base="ETH"):
    return market.with_scenario(base, Scenario(kind, at))


def test_a_crash_loses_a_third_within_the_hour_and_is_sold(market, now):
    crashed = _with(market, ScenarioKind.CRASH, now - HOUR)
    assert crashed.last_price("ETH", "spot", now) < 0.72 * market.last_price("ETH", "spot", now)
    hour = crashed.fold("ETH", "spot", now - HOUR, now)
    assert hour.buy_lots / hour.lots < 0.42
    assert hour.lots > 3 * market.fold("ETH", "spot", now - HOUR, now).lots


def test_a_spike_is_one_quarter_of_an_hour_of_buying(market, now):
    at = now // BLOCK * BLOCK - BLOCK
    spiked = _with(market, ScenarioKind.SPIKE, at)
    candle = spiked.fold("ETH", "perp", at, at + BLOCK)
    assert candle.close > 1.1 * candle.open
    assert candle.lots > 5 * market.fold("ETH", "perp", at, at + BLOCK).lots


def test_a_quiet_market_hardly_trades(market, now):
    quiet = _with(market, ScenarioKind.QUIET, now - DAY)
    usual = market.fold("ETH", "spot", now - DAY, now).lots
    assert quiet.fold("ETH", "spot", now - DAY, now).lots < usual / 20


def test_an_empty_window_is_flat_at_the_last_price(market, now):
    trade = market.last_trade("ETH", "spot", now)
    flat = market.fold("ETH", "spot", trade.time + 1, trade.time + 1)
    assert (flat.open, flat.high, flat.low, flat.close) == (trade.price,) * 4
    assert flat.lots == flat.trades == 0


def test_missing_candles_are_gone_from_the_list_but_not_from_the_truth(market, now):
    lossy = _with(market, ScenarioKind.MISSING, now - DAY)
    there = lossy.candles("ETH", "spot", BLOCK, start=now - DAY, end=now, now=now)
    every = market.candles("ETH", "spot", BLOCK, start=now - DAY, end=now, now=now)
    assert 0 < len(there) < len(every)
    assert lossy.fold("ETH", "spot", now - DAY, now) == market.fold("ETH", "spot", now - DAY, now)


def test_a_new_listing_has_no_past(market, now):
    at = now - 3 * HOUR - 7 * MINUTE
    new = _with(market, ScenarioKind.NEW_LISTING, at)
    candles = new.candles("ETH", "spot", BLOCK, start=now - DAY, end=now, now=now)
    assert candles[0].start <= at < candles[0].end
    assert new.fold("ETH", "spot", now - DAY, at).trades == 0
    assert new.open_interest("ETH", at - 1) == 0


def test_funding_of_a_shorter_interval_is_a_share(market, now):
    eight = market.funding_rate("BTC", now, 8)
    assert market.funding_rate("BTC", now, 4) == pytest.approx(eight / 2, abs=1)


def test_scenarios_for_unknown_coins_are_refused(now):
    with pytest.raises(ValueError, match="NOPE"):
        Market(1, scenarios={"NOPE": Scenario(ScenarioKind.CRASH, now)})


def test_synthetic_coins_trade(now):
    market = Market(1, COINS + synthetic_coins(40))
    for base in ("X001", "X040"):
        assert market.fold(base, "spot", now - HOUR, now).trades > 0
