"""Every figure of the answers against the market's truth, which is known exactly."""

import statistics
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest

from botproof.doubles.exchanges.binance_common import WEIGHT
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.scenario import Scenario, ScenarioKind
from contract_tests.market_data.weights import WEIGHTS

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
            # coins at the price now: two values at two prices would contradict the coins
            "value": pytest.approx(
                (amount(now) - amount(then)) * market.mark_price(base, now), rel=1e-5
            ),
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


# -- every venue -----------------------------------------------------------------------------


EVERY = ",".join(WEIGHTS)
TAKERS_APART = ("okx", "gate", "bitget")
TAKERS = ("binance", *TAKERS_APART)
A_DAY_OF_TAKERS = ("binance", "okx", "gate")
"""Bitget tells 30 periods, whatever is asked: no day of quarters of an hour."""
IN_QUOTE = ("binance", "okx")
"""Where takers' buys are told in the quote asset as well."""
RATIOS = {"binance": 5, "bybit": 5, "okx": 5, "gate": 15, "bitget": 5}
"""How many minutes lie between two counts of the accounts."""
MINUTES = {"5m": 5, "15m": 15, "30m": 30, "1h": 60, "4h": 240}


@pytest.fixture
async def venues(open_stack):
    async with open_stack(EXCHANGES=EVERY, DEADLINE_SECONDS="20") as stack:
        yield stack


class Truth:
    """What a venue's figures must be, straight from the trades: no code of the service's."""

    def __init__(self, market, now, venue, base, kind="perp"):
        self.market, self.now, self.base, self.kind = market, now, base, kind
        self.tick, self.weight = market.coins[base].tick(kind), WEIGHTS[venue]

    def coins(self, lots):
        return lots * self.weight * Fraction(10) ** -self.tick.lot

    def quote(self, product):
        return product * self.weight * Fraction(10) ** -(self.tick.lot + self.tick.price)

    def price(self, ticks):
        return ticks * Fraction(10) ** -self.tick.price

    def takers(self, start, end):
        """Bought, sold, and the same in the quote asset, trade by trade."""
        bought = sold = spent = got = 0
        for trade in self.market.trades(self.base, self.kind, start, end):
            if trade.buy:
                bought, spent = bought + trade.lots, spent + trade.lots * trade.price
            else:
                sold, got = sold + trade.lots, got + trade.lots * trade.price
        return self.coins(bought), self.coins(sold), self.quote(spent), self.quote(got)

    def closed(self, minutes, count):
        """(start, open, high, low, close, volume, turnover) of the last closed candles."""
        length = minutes * MINUTE
        end = self.now // length * length
        rows = []
        for start in range(end - count * length, end, length):
            one = self.market.fold(self.base, self.kind, start, start + length)
            prices = [self.price(p) for p in (one.open, one.high, one.low, one.close)]
            rows.append((start, *prices, self.coins(one.lots), self.quote(one.turnover)))
        return rows


def _flow_is(flow, truth, start, end, *, in_quote):
    bought, sold, spent, got = truth.takers(start, end)
    assert (flow["start"], flow["end"]) == (start, end)
    assert flow["buy"] == exactly(bought)
    assert flow["sell"] == exactly(sold)
    assert flow["volume"] == exactly(bought + sold)
    assert flow["delta"] == pytest.approx(float(bought - sold), rel=1e-7)
    assert flow["turnover"] == exactly(spent + got)
    assert flow["long_short"] == (exactly(bought / sold) if bought + sold else None)
    if in_quote:
        assert flow["delta_quote"] == pytest.approx(float(spent - got), rel=1e-6)
    else:
        assert flow["delta_quote"] is None


@pytest.mark.parametrize("venue", TAKERS)
@pytest.mark.parametrize("base", ["BTC", "SHIB", "XRP"])
async def test_flows_are_the_takers_own_trades(venues, market, now, venue, base):
    data = (await venues.ask("/combined_price", symbol=base, exchange=venue)).json()["data"]
    perp, truth = data["perp"], Truth(market, now, venue, base)
    closed = now // BLOCK * BLOCK
    told = venue in IN_QUOTE
    _flow_is(perp["flow_15m"], truth, closed - BLOCK, closed, in_quote=told)
    if venue not in A_DAY_OF_TAKERS:
        assert perp["flow_24h"] is None
        [row] = [row for row in data["missing"] if row["section"] == "perp.candles"]
        assert "in 67 of the last 96 candles" in row["message"]
        return
    _flow_is(perp["flow_24h"], truth, closed - DAY, closed, in_quote=told)
    bought, sold, _, _ = truth.takers(closed - DAY, closed)
    reading = data["intelligence"]
    assert reading["source"] == "perp"
    assert reading["control_24h"]["buy_share"] == exactly(bought / (bought + sold))


@pytest.mark.parametrize("venue", TAKERS)
@pytest.mark.parametrize("timeframe", ["15m", "1h", "4h"])
async def test_cvd_is_the_running_sum_of_the_deltas(venues, market, now, venue, timeframe):
    base = "SHIB" if venue == "bitget" else "PEPE"  # Bitget has no statistics of PEPE
    question = {"symbol": base, "timeframe": timeframe, "exchange": venue}
    answer = await venues.ask("/cvd", **question)
    truth, length = Truth(market, now, venue, base), MINUTES[timeframe] * MINUTE
    count = max(24, DAY // length)
    if venue not in A_DAY_OF_TAKERS and count > 29:
        assert answer.status_code == 502
        assert "takers" in answer.json()["error"]["missing"][0]["message"]
        return
    data = answer.json()["data"]
    end = now // length * length
    total, total_quote = Fraction(0), Fraction(0)
    assert len(data["points"]) == count
    for point, start in zip(data["points"], range(end - count * length, end, length), strict=True):
        bought, sold, spent, got = truth.takers(start, start + length)
        total, total_quote = total + bought - sold, total_quote + spent - got
        assert point["end"] == start + length
        assert point["delta"] == pytest.approx(float(bought - sold), rel=1e-7)
        assert point["cvd"] == pytest.approx(float(total), rel=1e-7)
    assert data["cvd"] == pytest.approx(float(total), rel=1e-7)
    if venue in IN_QUOTE:
        assert data["cvd_quote"] == pytest.approx(float(total_quote), rel=1e-6)
    else:
        assert data["cvd_quote"] is None
    bought, sold, _, _ = truth.takers(end - DAY, end)
    assert data["cvd_24h"] == pytest.approx(float(bought - sold), rel=1e-7)


@pytest.mark.parametrize("venue", TAKERS_APART)
async def test_more_candles_than_takers_are_told_of_have_no_cvd(venues, venue):
    answer = await venues.ask("/cvd", symbol="BTC", timeframe="5m", exchange=venue)
    assert answer.status_code == 502
    [told] = answer.json()["error"]["missing"]
    assert (told["section"], told["reason"]) == ("perp.candles", "unavailable")
    assert "takers" in told["message"]


@pytest.mark.parametrize("venue", RATIOS)
@pytest.mark.parametrize("base", ["BTC", "SHIB"])
async def test_the_ratio_of_accounts_is_the_truth(venues, market, now, venue, base):
    answer = await venues.ask("/price", symbol=base, market="perp", exchange=venue)
    told, period = answer.json()["data"]["accounts"], RATIOS[venue] * MINUTE
    at = now // period * period
    long = market.long_accounts(base, at)
    assert told == {
        "long_short": exactly(Fraction(long, 10_000 - long)),
        "long_share": exactly(Fraction(long, 10_000)),
        "time": at,
        "period_minutes": RATIOS[venue],
    }


async def test_a_venue_without_a_ratio_of_accounts_says_so(venues):
    question = {"symbol": "BTC", "exchange": "hyperliquid"}
    data = (await venues.ask("/combined_price", **question)).json()["data"]
    assert data["perp"]["accounts"] is None
    [told] = [row for row in data["missing"] if row["section"] == "perp.accounts"]
    assert told["reason"] == "unavailable"


def _wilder(values, period=14):
    """Wilder's smoothing, term by term: the first mean, then 13 parts old and one part new."""
    smooth = sum(values[:period]) / period
    for value in values[period:]:
        smooth = (smooth * (period - 1) + value) / period
    return smooth


def _indicators(rows, day):
    """RSI, ATR, Bollinger bands and VWAP by their textbook formulas, in exact fractions."""
    closes = [row[4] for row in rows]
    ranges, gains, losses = [], [], []
    for before, row in pairwise(rows):
        _, _, high, low, close, *_ = row
        ranges.append(max(high - low, abs(high - before[4]), abs(low - before[4])))
        gains.append(max(close - before[4], 0))
        losses.append(max(before[4] - close, 0))
    strength = _wilder(gains) / _wilder(losses)
    middle = sum(closes[-20:]) / 20
    spread = 2 * statistics.pstdev(closes[-20:])
    within = rows[-day:]
    return {
        "rsi_14": 100 - 100 / (1 + strength),
        "atr_14": _wilder(ranges),
        "upper": float(middle) + float(spread),
        "middle": middle,
        "lower": float(middle) - float(spread),
        "vwap_24h": sum(row[6] for row in within) / sum(row[5] for row in within),
    }


def _technical_is(technical, rows, day, *, turnovers=True):
    truth = _indicators(rows, day)
    close = rows[-1][4]
    assert technical["close"] == exactly(close)
    assert technical["rsi_14"] == pytest.approx(float(truth["rsi_14"]), rel=1e-7)
    assert technical["atr_14"] == pytest.approx(float(truth["atr_14"]), rel=1e-7)
    assert technical["atr_pct"] == pytest.approx(float(100 * truth["atr_14"] / close), rel=1e-7)
    bands = technical["bollinger"]
    for name in ("upper", "middle", "lower"):
        assert bands[name] == pytest.approx(float(truth[name]), rel=1e-9)
    place = (float(close) - truth["lower"]) / (truth["upper"] - truth["lower"])
    assert bands["position"] == pytest.approx(place, rel=1e-5, abs=1e-6)
    if turnovers:
        assert technical["vwap_24h"] == exactly(truth["vwap_24h"])
        distance = float(100 * (close / truth["vwap_24h"] - 1))
        assert technical["vwap_distance_pct"] == pytest.approx(distance, rel=1e-6)
    else:
        assert technical["vwap_24h"] is None


@pytest.mark.parametrize("venue", WEIGHTS)
@pytest.mark.parametrize(("base", "timeframe"), [("BTC", "15m"), ("SHIB", "1h"), ("XRP", "5m")])
async def test_indicators_are_the_textbooks(  # noqa: PLR0917 - fixtures and parameters
    venues, market, now, venue, base, timeframe
):
    question = {"symbol": base, "timeframe": timeframe, "exchange": venue}
    data = (await venues.ask("/comprehensive_analysis", **question)).json()["data"]
    minutes = MINUTES[timeframe]
    # the service looks at 97 candles; a day of five minutes is more than that
    rows = Truth(market, now, venue, base).closed(minutes, 97)
    day = DAY // (minutes * MINUTE)
    turnovers = venue != "hyperliquid" and day <= len(rows)
    _technical_is(data["technical"], rows, day, turnovers=turnovers)
    volumes = [row[5] for row in rows]
    assert data["volume"]["ratio"] == exactly(96 * volumes[-1] / sum(volumes[:-1]))


@pytest.mark.parametrize("venue", WEIGHTS)
@pytest.mark.parametrize(("base", "hours"), [("BTC", 8), ("TON", 4), ("BLZ", 1)])
async def test_annual_funding_is_that_of_the_venues_interval(  # noqa: PLR0917 - parameters
    venues, market, now, venue, base, hours
):
    answer = await venues.ask("/price", symbol=base, market="perp", exchange=venue)
    funding = answer.json()["data"]["funding"]
    hours = 1 if venue == "hyperliquid" else hours
    settles = (now // (hours * HOUR) + 1) * hours * HOUR
    rate = Fraction(market.funding_rate(base, settles, hours), 10**8)
    assert funding["annual"] == exactly(rate * 365 * 24 / hours)


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx", "gate"])
@pytest.mark.parametrize("base", ["BTC", "PEPE"])
async def test_open_interest_changes_are_now_minus_then(venues, market, now, venue, base):
    answer = await venues.ask("/price", symbol=base, market="perp", exchange=venue)
    told, truth = answer.json()["data"]["open_interest"], Truth(market, now, venue, base)
    period = (5 if venue == "binance" else 15) * MINUTE
    present = truth.coins(market.open_interest(base, now))
    for name, back in (("change_24h", DAY), ("change_15m", 15 * MINUTE)):
        then = truth.coins(market.open_interest(base, (now - back) // period * period))
        assert told[name]["amount"] == pytest.approx(float(present - then), rel=1e-7)
        assert told[name]["pct"] == pytest.approx(float(100 * (present - then) / then), rel=1e-7)


@pytest.mark.parametrize("venue", TAKERS)
async def test_a_spike_is_told_with_its_own_takers(venues, market, now, venue):
    data = (await venues.ask("/volume_spike", symbol="SOL", exchange=venue)).json()["data"]
    truth, closed = Truth(market, now, venue, "SOL"), now // BLOCK * BLOCK
    _flow_is(data["flow"], truth, closed - BLOCK, closed, in_quote=venue in IN_QUOTE)
    volumes = [row[5] for row in truth.closed(15, 97)]
    assert data["mean_volume"] == exactly(sum(volumes[:-1]) / 96)
    assert data["activity"]["ratio"] == exactly(96 * volumes[-1] / sum(volumes[:-1]))


@pytest.mark.parametrize("venue", WEIGHTS)
@pytest.mark.parametrize("kind", [ScenarioKind.CRASH, ScenarioKind.SPIKE, ScenarioKind.QUIET])
async def test_extreme_markets_are_told_exactly(venues, now, venue, kind):
    scenario = Scenario(kind, now - HOUR)
    venues.double.market = market = venues.double.market.with_scenario("ETH", scenario)
    question = {"symbol": "ETH", "exchange": venue}
    data = (await venues.ask("/comprehensive_analysis", **question)).json()["data"]
    truth, closed = Truth(market, now, venue, "ETH"), now // BLOCK * BLOCK
    perp, rows = data["price"]["perp"], truth.closed(15, 97)
    if venue in A_DAY_OF_TAKERS:
        _flow_is(perp["flow_24h"], truth, closed - DAY, closed, in_quote=venue in IN_QUOTE)
    else:
        assert perp["flow_24h"] is None
    if venue in TAKERS:
        _flow_is(perp["flow_15m"], truth, closed - BLOCK, closed, in_quote=venue in IN_QUOTE)
    else:
        assert perp["flow_15m"] is None
    _technical_is(data["technical"], rows, 96, turnovers=venue != "hyperliquid")
    volumes = [row[5] for row in rows]
    assert perp["activity"]["ratio"] == exactly(96 * volumes[-1] / sum(volumes[:-1]))


@pytest.mark.parametrize("venue", WEIGHTS)
async def test_lost_candles_leave_out_every_figure_over_them(venues, now, venue):
    scenario = Scenario(ScenarioKind.MISSING, now - DAY)
    venues.double.market = venues.double.market.with_scenario("ETH", scenario)
    question = {"symbol": "ETH", "exchange": venue}
    data = (await venues.ask("/comprehensive_analysis", **question)).json()["data"]
    perp, technical = data["price"]["perp"], data["technical"]
    assert perp["price"] > 0
    assert perp["flow_24h"] is perp["activity"] is data["volume"] is data["cvd"] is None
    assert technical["vwap_24h"] is technical["vwap_distance_pct"] is None
    # what does not touch the last hole is told all the same
    run = len(data["closes"])
    assert (technical["rsi_14"] is None) == (run < 15)
    assert (technical["bollinger"] is None) == (run < 20)
    [gap] = [row for row in data["missing"] if row["reason"] == "gap" and "perp" in row["section"]]
    assert f"{venue} has none from" in gap["message"]
    answer = await venues.ask("/cvd", **question)
    assert answer.status_code == 502
