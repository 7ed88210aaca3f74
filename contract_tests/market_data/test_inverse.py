"""Perpetuals margined in the coin: contracts of dollars, told in coins, against the truth.

Dollars are whole numbers of the truth and checked exactly; coins are dollars through the mark
price, of which venues write at least eight decimals.
"""

import pytest

from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from contract_tests.market_data.weights import WEIGHTS
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.symbols import Pair

pytestmark = pytest.mark.anyio

STABLE = ("binance", "bybit", "okx", "gate", "hyperliquid")
SYMBOLS = {
    "binance": "{}USD_PERP",
    "bybit": "{}USD",
    "okx": "{}-USD-SWAP",
    "gate": "{}_USD",
    "bitget": "{}USD",
}
BASES = ("BTC", "ETH", "XRP", "DOGE")
LISTED = [(venue, base) for venue in SYMBOLS for base in BASES if venue != "gate" or base == "BTC"]
EVERY = ",".join((*SYMBOLS, "hyperliquid"))
COINS = 1e-7
"""What the decimals of a written mark price leave open, of the cheapest coin here."""


def dollars(market, base, at) -> int:
    """The open interest of the smallest venue in dollars, a whole number."""
    lots = market.open_interest(base, at, "inverse")
    return int(lots * 10 ** -market.coins[base].inverse.lot)


def coins(market, base, at) -> float:
    return float(dollars(market, base, at) / market.mark_price(base, at, "inverse"))


@pytest.fixture
async def venues(open_stack):
    async with open_stack(EXCHANGES=EVERY) as stack:
        yield stack


@pytest.fixture
def contract(venues):
    """A venue and what it lists under a coin."""

    async def find(venue: str, base: str):
        service = venues.api.service
        one = service.by_name[venue]
        return one, (await service.directory(one, "inverse")).value.by_pair[Pair(base, "USD")]

    return find


@pytest.mark.parametrize("venue", SYMBOLS)
async def test_what_is_listed_is_margined_in_the_coin_alone(venues, market, venue):
    service = venues.api.service
    one = service.by_name[venue]
    listed = (await service.directory(one, "inverse")).value.by_pair
    own = {base for base, coin in market.coins.items() if coin.inverse is not None}
    assert {pair.base for pair in listed} == (own if venue != "gate" else {"BTC"})
    assert {pair.quote for pair in listed} == {"USD"}
    for pair, instrument in listed.items():
        assert instrument.kind == "inverse"
        assert instrument.symbol == SYMBOLS[venue].format(pair.base)
    stable = (await service.directory(one, "perp")).value
    assert not stable.by_symbol().keys() & {one.symbol for one in listed.values()}


@pytest.mark.parametrize(("venue", "base"), LISTED)
async def test_the_ticker_is_the_truth(  # noqa: PLR0917 - fixtures and parameters
    contract, venues, market, now, venue, base
):
    one, instrument = await contract(venue, base)
    told = await one.ticker(instrument)
    tick, weight = market.coins[base].inverse, WEIGHTS[venue]
    day = market.fold(base, "inverse", now - DAY, now)
    assert told.price == pytest.approx(day.close / 10**tick.price, rel=1e-12)
    assert told.high == pytest.approx(day.high / 10**tick.price, rel=1e-12)
    assert told.low == pytest.approx(day.low / 10**tick.price, rel=1e-12)
    assert told.turnover == day.lots * 10**-tick.lot * weight
    assert told.volume == pytest.approx(day.turnover * weight / 1e8, rel=1e-12)
    listed = (await venues.api.service.directory(one, "inverse")).value
    every = await one.tickers("inverse", listed)
    assert every.keys() == listed.by_pair.keys()
    alone = every[instrument.pair]
    assert (alone.price, alone.volume, alone.turnover) == (told.price, told.volume, told.turnover)


@pytest.mark.parametrize(("venue", "base"), [(v, b) for v, b in LISTED if v != "gate"])
async def test_candles_are_the_truth(contract, market, now, venue, base):
    one, instrument = await contract(venue, base)
    told = (await one.candles(instrument, minutes=15, count=4)).closed
    tick, weight = market.coins[base].inverse, WEIGHTS[venue]
    assert told[-1].end == now // BLOCK * BLOCK
    for candle in told:
        true = market.fold(base, "inverse", candle.start, candle.end)
        assert candle.close == pytest.approx(true.close / 10**tick.price, rel=1e-12)
        assert candle.turnover == true.lots * 10**-tick.lot * weight
        assert candle.volume == pytest.approx(true.turnover * weight / 1e8, rel=1e-12)
        if venue == "binance":
            assert candle.buy == pytest.approx(true.buy_turnover * weight / 1e8, rel=1e-12)
            assert candle.buy_turnover == true.buy_lots * 10**-tick.lot * weight
        else:
            assert candle.buy is candle.buy_turnover is None


async def test_gate_tells_no_coins_with_candles(contract):
    one, instrument = await contract("gate", "BTC")
    with pytest.raises(VenueError) as caught:
        await one.candles(instrument, minutes=15, count=4)
    assert caught.value.reason == "unavailable"


@pytest.mark.parametrize(("venue", "base"), LISTED)
async def test_open_interest_now_is_the_truth(contract, market, now, venue, base):
    one, instrument = await contract(venue, base)
    told = await one.open_interest(instrument)
    weight = WEIGHTS[venue]
    assert told.amount == pytest.approx(coins(market, base, now) * weight, rel=COINS)
    if venue == "bitget":  # it tells coins; whoever wants dollars has the mark price
        assert told.value is None
    else:
        assert told.value == dollars(market, base, now) * weight


@pytest.mark.parametrize(("venue", "base"), [(v, b) for v, b in LISTED if v != "bitget"])
async def test_the_history_of_open_interest_is_the_truth(contract, market, now, venue, base):
    one, instrument = await contract(venue, base)
    told = await one.open_interest_history(instrument)
    period = 5 * MINUTE if venue == "binance" else BLOCK
    assert told[-1].time == now // period * period
    assert told[0].time <= now - DAY
    tick, weight = market.coins[base].inverse, WEIGHTS[venue]
    for point in told[:: len(told) // 10]:
        assert point.value == dollars(market, base, point.time) * weight
        price = market.mark_price(base, point.time, "inverse")
        if venue == "bybit":  # it tells dollars alone: coins at the close of that time's candle
            true = market.fold(base, "inverse", point.time - BLOCK, point.time)
            price = true.close / 10**tick.price
        assert point.amount == pytest.approx(point.value / price, rel=COINS)


@pytest.mark.parametrize(("venue", "base"), LISTED)
async def test_funding_is_of_the_contract_itself(contract, market, now, venue, base):
    one, instrument = await contract(venue, base)
    told = await one.funding(instrument)
    settles = (now // (8 * HOUR) + 1) * 8 * HOUR
    assert told.rate == market.funding_rate(base, settles, 8, "inverse") / 1e8
    assert told.rate != market.funding_rate(base, settles, 8) / 1e8
    assert (told.interval_hours, told.next_reset) == (8, settles)
    assert told.mark_price == pytest.approx(market.mark_price(base, now, "inverse"), rel=COINS)


# -- over venues and margins -----------------------------------------------------------------------


@pytest.mark.parametrize("base", ["BTC", "XRP"])
async def test_the_total_over_venues_and_margins_is_the_truth(venues, market, now, base):
    body = (await venues.ask("/multi_oi", symbol=base.lower())).json()["data"]
    inverse = {
        venue: weight
        for venue, weight in WEIGHTS.items()
        if (venue, base) in LISTED and venue not in {"bitget", "gate"}
    }
    paid = dollars(market, base, now) * sum(inverse.values())
    held = coins(market, base, now) * sum(inverse.values())
    lot = 10.0 ** -market.coins[base].perp.lot
    # in `missing` stand Bitget's and BTC_USD: it is not known whether they count one side or both
    stable = market.open_interest(base, now) * lot * sum(WEIGHTS[venue] for venue in STABLE)
    worth = stable * market.mark_price(base, now)
    told = {one["margin"]: one for one in body["by_margin"]}
    assert list(told) == ["stable", "coin"]
    assert told["coin"]["value"] == pytest.approx(paid, rel=1e-9)
    assert told["coin"]["amount"] == pytest.approx(held, rel=COINS)
    assert told["stable"]["amount"] == pytest.approx(stable, rel=1e-12)
    assert told["stable"]["value"] == pytest.approx(worth, rel=1e-5)
    assert body["amount"] == pytest.approx(stable + held, rel=COINS)
    assert body["value"] == pytest.approx(worth + paid, rel=1e-5)
    assert told["coin"]["share_pct"] == pytest.approx(100 * paid / (worth + paid), rel=1e-4)
    assert sum(one["share_pct"] for one in body["by_margin"]) == pytest.approx(100)
    rows = {(row["venue"], row["margin"]): row for row in body["venues"]}
    assert len(rows) == len(body["venues"]) == len(STABLE) + len(inverse)
    unmeasured = {
        (row["venue"], row["section"]) for row in body["missing"] if row["reason"] == "unmeasured"
    }
    assert unmeasured == {
        ("bitget", "perp.open_interest"),
        ("bitget", "inverse.open_interest"),
        *([("gate", "inverse.open_interest")] if base == "BTC" else []),
    }
    assert sum(row["share_pct"] for row in rows.values()) == pytest.approx(100)
    values = [row["value"] for row in body["venues"]]
    assert values == sorted(values, reverse=True)
    for venue, weight in inverse.items():
        row = rows[venue, "coin"]
        assert row["quote"] == "USD"
        assert row["value"] == pytest.approx(dollars(market, base, now) * weight, rel=1e-9)
        _changed_as_in_truth(market, base, now, venue, row)


def _changed_as_in_truth(market, base, now, venue, row) -> None:
    period = 5 * MINUTE if venue == "binance" else BLOCK
    weight = WEIGHTS[venue]
    for name, back in (("change_24h", DAY), ("change_15m", BLOCK)):
        then = (now - back) // period * period
        before = dollars(market, base, then) * weight
        change = dollars(market, base, now) * weight - before
        assert row[name]["value"] == pytest.approx(change)
        # the contracts are of dollars: coins are these at the price now, so that both agree
        amount = change / market.mark_price(base, now, "inverse")
        assert row[name]["amount"] == pytest.approx(amount, rel=1e-4)
        assert row[name]["pct"] == pytest.approx(100 * change / before, rel=1e-6)


async def test_the_total_is_the_same_in_any_spelling(venues):
    every = [
        (await venues.ask("/multi_oi", symbol=text)).json()["data"]
        for text in ("BTC", "btc/usdt", "BTCUSDT", "BTC-USD")
    ]
    assert {one["base"] for one in every} == {"BTC"}
    assert len({_of_coins(one) for one in every}) == 1


def _of_coins(data) -> float:
    return float(next(one["amount"] for one in data["by_margin"] if one["margin"] == "coin"))


async def test_a_coin_without_such_contracts_has_one_margin_and_no_gap(venues):
    body = (await venues.ask("/multi_oi", symbol="PEPE")).json()["data"]
    assert [one["margin"] for one in body["by_margin"]] == ["stable"]
    assert not [one for one in body["missing"] if one["section"].startswith("inverse")]


async def test_a_venue_that_fails_on_one_margin_is_named_for_that_one(venues):
    venues.fault(venue="okx", path="/api/v5/public/open-interest", kind="error", status=503)
    venues.fault(venue="binance", path="/coin/", kind="error", status=503)
    body = (await venues.ask("/multi_oi", symbol="BTC")).json()["data"]
    rows = {(row["venue"], row["margin"]) for row in body["venues"]}
    assert ("binance", "stable") in rows
    assert not rows & {("binance", "coin"), ("okx", "stable"), ("okx", "coin")}
    gaps = {(one["venue"], one["section"]) for one in body["missing"]}
    assert {
        ("binance", "inverse.open_interest"),
        ("okx", "perp.open_interest"),
        ("okx", "inverse.open_interest"),
    } <= gaps


async def test_no_inverse_contract_stands_in_for_a_linear_one(venues):
    for path in ("/price", "/combined_price", "/volume_spike", "/cvd"):
        answer = await venues.ask(path, symbol="BTC/USD")
        assert answer.status_code == 404, path


async def test_a_venue_without_such_contracts_is_not_asked(venues):
    assert "inverse" not in venues.api.service.by_name["hyperliquid"].kinds
    body = (await venues.ask("/multi_oi", symbol="BTC")).json()["data"]
    told = {row["margin"] for row in body["venues"] if row["venue"] == "hyperliquid"}
    assert told == {"stable"}
    assert ("hyperliquid", "inverse.open_interest") not in {
        (one["venue"], one["section"]) for one in body["missing"]
    }
