"""Every figure of the answers against the market's truth, which is known exactly."""

from decimal import Decimal

import pytest

from botproof.doubles.exchanges.binance import WEIGHT
from botproof.doubles.exchanges.market import BLOCK, DAY, HOUR, MINUTE, Scenario, ScenarioKind

pytestmark = pytest.mark.anyio

EXACT = 1e-11  # what is left after parsing decimals into floats and adding 96 of them


def exactly(value):
    return pytest.approx(float(value), rel=EXACT)


def _expected_flow(market, base, kind, start, end):
    folded, tick = market.fold(base, kind, start, end), market.coins[base].tick(kind)
    lots = Decimal(WEIGHT).scaleb(-tick.lot)
    value = Decimal(WEIGHT).scaleb(-tick.lot - tick.price)
    buy, sell = folded.buy_lots * lots, (folded.lots - folded.buy_lots) * lots
    return {
        "start": start,
        "end": end,
        "buy": exactly(buy),
        "sell": exactly(sell),
        "volume": exactly(folded.lots * lots),
        "turnover": exactly(folded.turnover * value),
        "delta": pytest.approx(float(buy - sell), rel=1e-7),
        "delta_quote": pytest.approx(
            float((2 * folded.buy_turnover - folded.turnover) * value), rel=1e-7
        ),
        "long_short": exactly(buy / sell),
    }


@pytest.mark.parametrize("base", ["BTC", "SHIB", "XRP"])
@pytest.mark.parametrize("kind", ["spot", "perp"])
async def test_block_is_the_truth(stack, market, now, base, kind):
    block = (await stack.ask("/combined_price", symbol=base)).json()["data"][kind]
    tick = market.coins[base].tick(kind)
    price, lot = Decimal(1).scaleb(-tick.price), Decimal(WEIGHT).scaleb(-tick.lot)
    day = market.fold(base, kind, now - DAY, now)
    closed = now // BLOCK * BLOCK
    assert block["price"] == exactly(day.close * price)
    assert block["high_24h"] == exactly(day.high * price)
    assert block["low_24h"] == exactly(day.low * price)
    assert block["volume_24h"] == exactly(day.lots * lot)
    assert block["turnover_24h"] == exactly(day.turnover * price * lot)
    assert block["change_24h"] == pytest.approx(float((day.close - day.open) * price), rel=1e-7)
    assert block["change_24h_pct"] == pytest.approx(
        100 * (day.close - day.open) / day.open, rel=1e-7
    )
    assert block["flow_24h"] == _expected_flow(market, base, kind, closed - DAY, closed)
    assert block["flow_15m"] == _expected_flow(market, base, kind, closed - BLOCK, closed)
    volumes = [
        market.fold(base, kind, closed - n * BLOCK, closed - (n - 1) * BLOCK).lots
        for n in range(1, 98)
    ]
    assert block["activity"]["ratio"] == exactly(Decimal(96 * volumes[0]) / sum(volumes[1:]))


@pytest.mark.parametrize("base", ["BTC", "SHIB"])
async def test_open_interest_is_now_minus_then(stack, market, now, base):
    found = (await stack.ask("/price", symbol=base, market="perp")).json()["data"]["open_interest"]
    unit = Decimal(WEIGHT).scaleb(-market.coins[base].tick("perp").lot)

    def amount(at):
        return float(market.open_interest(base, at) * unit)

    def value(at):
        return amount(at) * market.mark_price(base, at)

    assert found["amount"] == exactly(amount(now))
    assert found["value"] == pytest.approx(value(now), rel=1e-6)
    for name, back in (("change_24h", DAY), ("change_15m", 15 * MINUTE)):
        then = (now - back) // (5 * MINUTE) * 5 * MINUTE
        assert found[name] == {
            "amount": pytest.approx(amount(now) - amount(then), rel=1e-7),
            "value": pytest.approx(value(now) - value(then), rel=1e-3),
            "pct": pytest.approx(100 * (amount(now) / amount(then) - 1), rel=1e-6),
        }


@pytest.mark.parametrize(("base", "hours"), [("BTC", 8), ("TON", 4), ("BLZ", 1)])
async def test_funding_has_the_venues_own_interval(stack, market, now, base, hours):
    funding = (await stack.ask("/price", symbol=base, market="perp")).json()["data"]["funding"]
    settles = (now // (hours * HOUR) + 1) * hours * HOUR
    rate = market.funding_rate(base, settles, hours) / 1e8
    assert funding["interval_hours"] == hours
    assert funding["next_reset"] == settles
    assert funding["rate"] == exactly(rate)
    assert funding["annual"] == exactly(rate * 8760 / hours)
    assert funding["rate_8h"] == exactly(rate * 8 / hours)


async def test_intelligence_reads_the_perpetual(stack):
    data = (await stack.ask("/combined_price", symbol="ETH")).json()["data"]
    day, quarter = data["perp"]["flow_24h"], data["perp"]["flow_15m"]
    reading = data["intelligence"]
    assert reading["source"] == "perp"
    assert reading["control_24h"]["buy_share"] == exactly(day["buy"] / day["volume"])
    assert reading["control_15m"]["buy_share"] == exactly(quarter["buy"] / quarter["volume"])
    ratio = (quarter["delta"] / quarter["volume"]) / (day["delta"] / day["volume"])
    assert reading["momentum"]["ratio"] == pytest.approx(ratio, rel=1e-9)
    assert reading["activity"] == data["perp"]["activity"]


async def test_one_market_only_says_so(stack):
    spot_only = (await stack.ask("/combined_price", symbol="WBTC")).json()["data"]
    assert spot_only["perp"] is None
    assert spot_only["intelligence"]["source"] == "spot"
    assert [(one["section"], one["reason"]) for one in spot_only["missing"]] == [
        ("perp", "not_listed")
    ]
    perp_only = (await stack.ask("/combined_price", symbol="HYPE")).json()["data"]
    assert perp_only["spot"] is None
    assert [(one["section"], one["reason"]) for one in perp_only["missing"]] == [
        ("spot", "not_listed")
    ]


async def test_lost_candles_leave_out_the_figures_that_need_them(stack, now):
    stack.double.market = stack.double.market.with_scenario(
        "ETH", Scenario(ScenarioKind.MISSING, now - DAY)
    )
    data = (await stack.ask("/combined_price", symbol="ETH")).json()["data"]
    assert data["spot"]["price"] > 0
    assert data["spot"]["flow_24h"] is None
    assert data["spot"]["activity"] is None
    reasons = {one["section"]: one["message"] for one in data["missing"]}
    assert "of the last 97 candles of 15 m are missing" in reasons["spot.candles"]


async def test_a_new_listing_has_no_24_hours(stack, now):
    stack.double.market = stack.double.market.with_scenario(
        "ETH", Scenario(ScenarioKind.NEW_LISTING, now - 3 * HOUR)
    )
    data = (await stack.ask("/combined_price", symbol="ETH")).json()["data"]
    assert data["perp"]["flow_24h"] is None
    assert data["perp"]["flow_15m"] is not None
    assert data["perp"]["open_interest"]["change_24h"] is None
    assert data["perp"]["open_interest"]["change_15m"] is not None
    assert "perp.open_interest" in {one["section"] for one in data["missing"]}


@pytest.mark.parametrize("kind", [ScenarioKind.CRASH, ScenarioKind.SPIKE, ScenarioKind.QUIET])
async def test_extreme_markets_give_finite_answers(stack, now, kind):
    stack.double.market = stack.double.market.with_scenario("ETH", Scenario(kind, now - HOUR))
    answer = await stack.ask("/combined_price", symbol="ETH")
    assert answer.status_code == 200
    assert b"NaN" not in answer.content
    assert answer.json()["data"]["missing"] == []
    if kind is ScenarioKind.CRASH:
        assert answer.json()["data"]["intelligence"]["control_24h"]["buy_share"] < 0.5
