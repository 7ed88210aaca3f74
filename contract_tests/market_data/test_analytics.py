"""Rankings, spikes, CVD, scans, analyses and open interest against the market's truth."""

import math
import statistics
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.scenario import Scenario, ScenarioKind
from contract_tests.market_data.weights import WEIGHTS
from reference_bot.market_data import service, waiting
from reference_bot.market_data.indicators import atr, bollinger, rsi, vwap
from reference_bot.market_data.settings import KNOWN_VENUES
from reference_bot.market_data.venues.base import Candle

pytestmark = pytest.mark.anyio

EVERY = ",".join(KNOWN_VENUES)


def truth(market, base, kind, interval, count, now):  # noqa: PLR0917 - a row of a table
    """The last closed candles, in floats of base units and USDT, of the smallest venue."""
    tick = market.coins[base].tick(kind)
    last = now // interval * interval
    price, lot = 10.0**-tick.price, 10.0**-tick.lot
    rows = []
    for start in range(last - count * interval, last, interval):
        c = market.fold(base, kind, start, start + interval)
        rows.append(
            Candle(
                start,
                start + interval,
                c.open * price,
                c.high * price,
                c.low * price,
                c.close * price,
                c.lots * lot,
                c.turnover * lot * price,
                c.buy_lots * lot,
                c.buy_turnover * lot * price,
            )
        )
    return rows


# -- indicators against their definitions, written differently ----------------------------------


def test_rsi_is_wilders(market, now):
    candles = truth(market, "BTC", "perp", BLOCK, 97, now)
    closes = [candle.close for candle in candles]
    moves = [b - a for a, b in pairwise(closes)]
    up = sum(m for m in moves[:14] if m > 0) / 14
    down = -sum(m for m in moves[:14] if m < 0) / 14
    for move in moves[14:]:
        up = (up * 13 + max(move, 0)) / 14
        down = (down * 13 + max(-move, 0)) / 14
    assert rsi(candles) == pytest.approx(100 - 100 / (1 + up / down))


def test_atr_is_wilders(market, now):
    candles = truth(market, "ETH", "spot", BLOCK, 97, now)
    true = [
        max(b.high - b.low, abs(b.high - a.close), abs(b.low - a.close))
        for a, b in pairwise(candles)
    ]
    mean = sum(true[:14]) / 14
    for value in true[14:]:
        mean = (mean * 13 + value) / 14
    assert atr(candles) == pytest.approx(mean)


def test_bollinger_is_twenty_closes_and_two_deviations(market, now):
    candles = truth(market, "SOL", "spot", BLOCK, 30, now)
    closes = [candle.close for candle in candles[-20:]]
    bands, mean, spread = bollinger(candles), statistics.fmean(closes), statistics.pstdev(closes)
    assert bands.middle == pytest.approx(mean)
    assert bands.upper == pytest.approx(mean + 2 * spread)
    assert bands.lower == pytest.approx(mean - 2 * spread)
    assert bands.position == pytest.approx((closes[-1] - bands.lower) / (4 * spread))


def test_indicators_need_their_data(market, now):
    candles = truth(market, "SOL", "spot", BLOCK, 14, now)
    assert rsi(candles) is atr(candles) is None
    assert bollinger(candles) is None
    assert vwap([]) is None


def flat(n, close=5.0, volume=0.0):
    return Candle(n, n + 1, close, close, close, close, volume, volume * close, 0.0, 0.0)


def test_a_market_that_does_not_move_has_no_rsi():
    candles = [flat(n) for n in range(40)]
    assert rsi(candles) is None
    assert atr(candles) == 0
    assert bollinger(candles).position is None
    assert vwap(candles) is None


@given(st.lists(st.floats(min_value=1e-6, max_value=1e6), min_size=30, max_size=60))
def test_indicators_are_bounded_and_finite(closes):
    candles = [
        Candle(n, n + 1, close, close * 1.01, close * 0.99, close, 1.0, close, 0.5, close / 2)
        for n, close in enumerate(closes)
    ]
    index, bands = rsi(candles), bollinger(candles)
    assert index is None or 0 <= index <= 100
    true_range = atr(candles)
    assert true_range is not None
    assert true_range >= 0
    assert bands.lower <= bands.middle <= bands.upper
    assert min(closes) * 0.999 <= vwap(candles) <= max(closes) * 1.001


# -- the endpoints -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["spot", "perp"])
async def test_top_symbols_are_ranked_by_turnover_in_one_call(stack, market, now, kind):
    before = len(stack.calls())
    body = (await stack.ask("/top_symbols", market=kind, limit=10)).json()["data"]
    assert len(stack.calls()) - before == 1
    turnover = {}
    for coin in market.coins.values():
        is_coin = coin.hours == "always" and coin.asset == "coin" and coin.on("binance")
        if is_coin and coin.book(kind) is not None:
            tick = coin.tick(kind)
            day = market.fold(coin.base, kind, now - DAY, now)
            turnover[coin.base] = day.turnover * 10.0 ** -(tick.price + tick.lot) * 8
    expected = sorted(turnover, key=turnover.__getitem__, reverse=True)[:10]
    assert [row["base"] for row in body["symbols"]] == expected
    assert [row["rank"] for row in body["symbols"]] == list(range(1, 11))
    assert body["symbols"][0]["turnover_24h"] == pytest.approx(turnover[expected[0]], rel=1e-12)


@pytest.mark.parametrize("venue", KNOWN_VENUES)
async def test_top_symbols_of_every_venue(open_stack, venue):
    async with open_stack(EXCHANGES=venue) as stack:
        rows = (await stack.ask("/top_symbols", market="perp", limit=3)).json()["data"]["symbols"]
        assert [row["base"] for row in rows] == ["BTC", "ETH", "SOL"]


@pytest.mark.parametrize(
    ("timeframe", "interval"), [("15m", BLOCK), ("1h", HOUR), ("5m", 5 * MINUTE)]
)
async def test_volume_spike_is_the_truth(stack, market, now, timeframe, interval):
    body = (await stack.ask("/volume_spike", symbol="SHIB", timeframe=timeframe)).json()["data"]
    candles = truth(market, "SHIB", "perp", interval, 97, now)
    mean = math.fsum(candle.volume for candle in candles[:-1]) / 96
    assert body["market"] == "perp"
    assert body["bar"]["start"] == candles[-1].start
    assert body["bar"]["volume"] == pytest.approx(8 * candles[-1].volume, rel=1e-12)
    assert body["mean_volume"] == pytest.approx(8 * mean, rel=1e-12)
    assert body["activity"]["ratio"] == pytest.approx(candles[-1].volume / mean, rel=1e-12)
    assert body["spike_pct"] == pytest.approx(100 * (candles[-1].volume / mean - 1), rel=1e-9)


@pytest.mark.parametrize(
    ("timeframe", "interval", "count", "day"),
    [
        ("1h", HOUR, 24, 24),
        ("15m", BLOCK, 96, 96),
        ("4h", 4 * HOUR, 24, 6),
        ("5m", 300_000, 288, 288),
    ],
)
async def test_cvd_is_the_sum_of_deltas(  # noqa: PLR0917 - fixtures and parameters
    stack, market, now, timeframe, interval, count, day
):
    body = (await stack.ask("/cvd", symbol="BTC", timeframe=timeframe)).json()["data"]
    candles = truth(market, "BTC", "perp", interval, count, now)
    deltas = [8 * (2 * candle.buy - candle.volume) for candle in candles]
    assert len(body["points"]) == count
    assert body["cvd"] == pytest.approx(sum(deltas), rel=1e-7)
    assert body["points"][-1]["cvd"] == pytest.approx(sum(deltas), rel=1e-7)
    assert body["cvd_24h"] == pytest.approx(sum(deltas[-day:]), rel=1e-7)
    change = 100 * (candles[-1].close / candles[0].open - 1)
    assert body["price_change_pct"] == pytest.approx(change, rel=1e-9)


async def test_cvd_of_minutes_is_not_called_24_hours(stack):
    body = (await stack.ask("/cvd", symbol="BTC", timeframe="1m")).json()["data"]
    assert body["cvd_24h"] is None
    assert len(body["points"]) == 290


async def test_cvd_takes_spot_where_there_is_no_perpetual(stack):
    assert (await stack.ask("/cvd", symbol="WBTC")).json()["data"]["market"] == "spot"
    answer = await stack.ask("/cvd", symbol="WBTC", market="perp")
    assert answer.status_code == 404


async def test_cvd_on_a_venue_without_taker_volumes_falls_back(open_stack):
    async with open_stack(EXCHANGES="bybit,binance") as stack:
        data = (await stack.ask("/cvd", symbol="BTC")).json()["data"]
        assert data["venue"] == "binance"
        assert [row["venue"] for row in data["missing"] if row["section"] == "venue"] == ["bybit"]
        answer = await stack.ask("/cvd", symbol="BTC", exchange="bybit")
        assert answer.status_code == 502
        assert answer.json()["error"]["missing"][0]["reason"] == "unavailable"


async def test_volume_scan_finds_the_spike_with_bounded_calls(open_stack, now):
    at = now // BLOCK * BLOCK - BLOCK
    async with open_stack(DEADLINE_SECONDS="20") as stack:  # the double may have to draw first
        stack.double.market = stack.double.market.with_scenario(
            "DOGE", Scenario(ScenarioKind.SPIKE, at)
        )
        before = len(stack.calls())
        body = (await stack.ask("/volume_scan", threshold_pct=150)).json()["data"]
        assert len(stack.calls()) - before <= 61
    assert body["spikes"][0]["base"] == "DOGE"
    assert body["spikes"][0]["spike_pct"] > 300
    assert body["spikes"][0]["flow"]["delta"] > 0
    assert all(row["spike_pct"] >= 150 for row in body["spikes"])
    assert body["scanned"] == 34


async def test_volume_scan_names_what_it_could_not_read(open_stack):
    async with open_stack(DEADLINE_SECONDS="20") as stack:
        stack.fault(path="/futures/fapi/v1/klines", kind="html", count=2)
        body = (await stack.ask("/volume_scan", threshold_pct=0)).json()["data"]
    assert body["scanned"] == 32
    assert [row["reason"] for row in body["missing"]] == ["bad_payload"] * 2


@pytest.mark.parametrize("timeframe", ["15m", "1h"])
async def test_an_analysis_has_one_deadline(stack, monkeypatch, timeframe):
    """Whatever it is made of ends when the first thing that was asked for has to end."""
    ends: list[float] = []
    gather = waiting.gather_until

    async def noted(deadline, parts):
        ends.append(deadline)
        return await gather(deadline, parts)

    monkeypatch.setattr(service, "gather_until", noted)
    answer = await stack.ask("/comprehensive_analysis", symbol="BTC", timeframe=timeframe)
    assert answer.status_code == 200
    assert len(ends) >= 2
    assert set(ends) == {ends[0]}


async def test_analysis_of_another_timeframe_keeps_its_gaps_apart(stack):
    stack.fault(path="/futures/fapi/v1/klines", kind="error", status=500, count=1)
    data = (await stack.ask("/comprehensive_analysis", symbol="BTC", timeframe="1h")).json()["data"]
    assert [row["section"] for row in data["missing"]] == ["perp.candles"]
    of_price = [row["section"] for row in data["price"]["missing"]]
    assert of_price == (["perp.candles"] if data["price"]["perp"]["flow_24h"] is None else [])
    assert (data["technical"]["rsi_14"] is None) == (data["price"]["perp"]["flow_24h"] is not None)


async def test_analysis_agrees_with_its_parts(stack, market, now):
    body = (await stack.ask("/comprehensive_analysis", symbol="BTC")).json()["data"]
    price = (await stack.ask("/combined_price", symbol="BTC")).json()["data"]
    candles = truth(market, "BTC", "perp", BLOCK, 97, now)
    technical = body["technical"]
    # the age stands once, in the answer itself
    assert body["price"] == {k: v for k, v in price.items() if k not in ("age", "stale")}
    assert technical["rsi_14"] == pytest.approx(rsi(candles))
    assert technical["atr_14"] == pytest.approx(atr(candles))
    day = candles[-96:]
    average = math.fsum(c.turnover for c in day) / math.fsum(c.volume for c in day)
    assert technical["vwap_24h"] == pytest.approx(average)
    assert technical["bollinger"]["middle"] == pytest.approx(bollinger(candles).middle)
    assert body["volume"] == price["perp"]["activity"]
    assert body["cvd"] == pytest.approx(price["perp"]["flow_24h"]["delta"], rel=1e-9)
    assert body["score"] == pytest.approx(sum(row["points"] for row in body["signals"]))


async def test_a_crash_is_bearish(stack, now):
    stack.double.market = stack.double.market.with_scenario(
        "ETH", Scenario(ScenarioKind.CRASH, now - 2 * HOUR)
    )
    body = (await stack.ask("/comprehensive_analysis", symbol="ETH")).json()["data"]
    assert body["price"]["perp"]["change_24h_pct"] < -15
    assert body["technical"]["rsi_14"] < 50
    assert "below_vwap" in {row["code"] for row in body["signals"]}


async def test_open_interest_adds_up_over_venues(open_stack, market, now):
    async with open_stack(EXCHANGES=EVERY) as stack:
        body = (await stack.ask("/multi_oi", symbol="btc")).json()["data"]
    # Bitget's is left out: it is not known whether it counts one side or both
    counted = [weight for venue, weight in WEIGHTS.items() if venue != "bitget"]
    total = market.open_interest("BTC", now) / 1e3 * sum(counted)
    [stable] = [one for one in body["by_margin"] if one["margin"] == "stable"]
    assert stable["amount"] == pytest.approx(total, rel=1e-12)
    assert {row["venue"] for row in body["venues"]} == {*KNOWN_VENUES} - {"bitget"}
    assert ("bitget", "unmeasured") in {(row["venue"], row["reason"]) for row in body["missing"]}
    assert stable["value"] == pytest.approx(total * market.mark_price("BTC", now), rel=1e-5)


async def test_open_interest_names_the_venue_that_is_missing(open_stack):
    async with open_stack(EXCHANGES="binance,bybit,okx") as stack:
        stack.fault(venue="okx", kind="error", status=503)
        body = (await stack.ask("/multi_oi", symbol="ETH")).json()["data"]
        assert {row["venue"] for row in body["venues"]} == {"binance", "bybit"}
        assert ("okx", "outage") in {(row["venue"], row["reason"]) for row in body["missing"]}
        stack.fault(kind="error", status=503)
        assert (await stack.ask("/multi_oi", symbol="SOL")).status_code == 502


async def test_open_interest_of_nothing_is_unknown(stack):
    answer = await stack.ask("/multi_oi", symbol="NOSUCHCOIN")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_symbol"
    mistyped = (await stack.ask("/multi_oi", symbol="DOGEE")).json()["error"]
    assert mistyped["near"][0] == "DOGE/USDT"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/top_symbols", {}),
        ("/volume_spike", {"symbol": "BTC"}),
        ("/cvd", {"symbol": "BTC"}),
        ("/volume_scan", {}),
        ("/comprehensive_analysis", {"symbol": "BTC"}),
        ("/multi_oi", {}),
    ],
)
async def test_all_silent_ends_at_the_deadline_everywhere(open_stack, path, body):
    async with open_stack(DEADLINE_SECONDS="0.2") as stack:
        stack.fault(kind="silent")
        answer = await stack.ask(path, **body)
        assert answer.status_code in (502, 504)
        assert answer.json()["error"]["missing"]


@pytest.mark.parametrize(
    ("path", "lacks"),
    [
        ("/futures/futures/data/openInterestHist", "perp.open_interest"),
        ("/futures/fapi/v1/premiumIndex", "perp.funding"),
    ],
)
@pytest.mark.usefixtures("time_flies")
async def test_one_late_part_does_not_cost_a_venues_open_interest(open_stack, path, lacks):
    async with open_stack() as stack:
        stack.fault(path=path, kind="silent")
        answer = await stack.ask("/multi_oi", symbol="BTC")
        assert answer.status_code == 200
        data = answer.json()["data"]
        assert [row["margin"] for row in data["venues"]].count("stable") == 1
        assert (lacks, "timeout") in [(row["section"], row["reason"]) for row in data["missing"]]


async def test_a_scan_leaves_out_what_was_delisted_meanwhile(stack):
    service = stack.api.service
    await service.tickers(service.by_name["binance"], "perp")
    listed = await service.directory(service.by_name["binance"], "perp")
    gone = next(pair for pair in listed.value.by_pair if pair.base == "BTC")
    del listed.value.by_pair[gone]
    answer = await stack.ask("/volume_scan", threshold_pct=0)
    assert answer.status_code == 200
    assert answer.json()["data"]["scanned"] > 0


async def test_a_scan_without_the_listing_is_a_venue_failure(stack):
    """Tickers may come from another replica that knows the listing."""
    service = stack.api.service
    await service.tickers(service.by_name["binance"], "perp")
    del stack.api.cache._entries["directory", "binance", "perp"]
    stack.fault(path="/futures/fapi/v1/exchangeInfo", kind="error", status=500)
    answer = await stack.ask("/volume_scan", threshold_pct=0)
    assert answer.status_code == 502
    error = answer.json()["error"]
    assert [row["reason"] for row in error["missing"]] == ["outage"]
