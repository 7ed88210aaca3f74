"""Every venue tells the same market: its figures, normalised, are the truth times its weight."""

import pytest

from botproof.doubles.exchanges import hyperliquid
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR
from contract_tests.market_data.weights import WEIGHTS
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.settings import KNOWN_VENUES
from reference_bot.market_data.symbols import Pair

pytestmark = pytest.mark.anyio

EVERY = ",".join(KNOWN_VENUES)
ROUNDED_CHANGE = {"gate"}  # tells the change in percent with two decimals
MARK_AS_VALUE = 1e-5  # values told with the mark price's decimals


@pytest.fixture
async def venues(open_stack):
    async with open_stack(EXCHANGES=EVERY) as stack:
        yield stack


def test_every_venue_has_a_weight_of_its_own():
    assert sorted(WEIGHTS) == sorted(KNOWN_VENUES)
    assert len(set(WEIGHTS.values())) == len(WEIGHTS)


@pytest.mark.parametrize("venue", KNOWN_VENUES)
@pytest.mark.parametrize(
    ("base", "kind"),
    [(base, kind) for base in ("BTC", "SHIB", "BLZ", "XRP") for kind in ("spot", "perp")]
    + [("BONK", "perp")],
)
async def test_ticker_and_candles_are_the_truth(  # noqa: PLR0917 - fixtures and parameters
    venues, market, now, venue, base, kind
):
    if venue == "hyperliquid" and kind == "spot" and base != "BTC":
        pytest.skip("not applicable: Hyperliquid lists four spot pairs")
    answer = await venues.ask("/price", symbol=base, market=kind, exchange=venue)
    block = answer.json()["data"]
    tick, weight = market.coins[base].tick(kind), WEIGHTS[venue]
    price, lot = 10.0**-tick.price, 10.0**-tick.lot * weight
    day = market.fold(base, kind, now - DAY, now)
    assert block["price"] == pytest.approx(day.close * price, rel=1e-12)
    assert block["volume_24h"] == pytest.approx(day.lots * lot, rel=1e-12)
    change = 100 * (day.close - day.open) / day.open
    assert block["change_24h_pct"] == pytest.approx(
        change, abs=0.0051 if venue in ROUNDED_CHANGE else 1e-9
    )
    if venue == "okx" and kind == "perp":
        assert block["turnover_24h"] is None
    else:
        assert block["turnover_24h"] == pytest.approx(day.turnover * price * lot, rel=1e-12)
    if venue == "hyperliquid":
        assert block["high_24h"] is block["low_24h"] is None
    else:
        assert block["high_24h"] == pytest.approx(day.high * price, rel=1e-12)
    closed = now // BLOCK * BLOCK
    volumes = [
        market.fold(base, kind, closed - n * BLOCK, closed - (n - 1) * BLOCK).lots
        for n in range(1, 98)
    ]
    assert block["activity"]["ratio"] == pytest.approx(96 * volumes[0] / sum(volumes[1:]))


@pytest.mark.parametrize("venue", KNOWN_VENUES)
@pytest.mark.parametrize("base", ["BTC", "PEPE", "TON", "BONK"])
async def test_open_interest_and_funding_are_the_truth(venues, market, now, venue, base):
    answer = await venues.ask("/price", symbol=base, market="perp", exchange=venue)
    block = answer.json()["data"]
    unit = 10.0 ** -market.coins[base].tick("perp").lot * WEIGHTS[venue]
    interest, funding = block["open_interest"], block["funding"]
    amount = market.open_interest(base, now) * unit
    assert interest["amount"] == pytest.approx(amount, rel=1e-12)
    mark = market.mark_price(base, now)
    assert interest["value"] == pytest.approx(amount * mark, rel=MARK_AS_VALUE)
    hours = 1 if venue == "hyperliquid" else market.coins[base].funding_hours
    settles = (now // (hours * HOUR) + 1) * hours * HOUR
    assert funding["interval_hours"] == hours
    assert funding["next_reset"] == settles
    assert funding["rate"] == market.funding_rate(base, settles, hours) / 1e8
    if venue in ("bitget", "hyperliquid"):
        assert interest["change_24h"] is interest["change_15m"] is None
        return
    grid = 5 * 60_000 if venue == "binance" else BLOCK
    then = (now - DAY) // grid * grid
    before = market.open_interest(base, then) * unit
    assert interest["change_24h"]["amount"] == pytest.approx(amount - before, rel=1e-9)
    assert interest["change_24h"]["pct"] == pytest.approx(100 * (amount / before - 1), rel=1e-9)


@pytest.mark.parametrize("venue", ["bybit", "hyperliquid"])
async def test_what_a_venue_does_not_tell_is_unavailable(venues, venue):
    body = (await venues.ask("/price", symbol="BTC", market="perp", exchange=venue)).json()
    assert body["data"]["flow_24h"] is body["data"]["flow_15m"] is None
    reasons = {row["section"]: (row["reason"], row["message"]) for row in body["data"]["missing"]}
    assert reasons["perp.candles"][0] == "unavailable"
    assert "takers" in reasons["perp.candles"][1]


@pytest.mark.parametrize("venue", KNOWN_VENUES)
@pytest.mark.parametrize("kind", ["spot", "perp"])
async def test_the_list_of_tickers_agrees_with_the_single_ones(venues, venue, kind):
    service = venues.api.service
    one = service.by_name[venue]
    listed = (await service.directory(one, kind)).value
    tickers = await one.tickers(kind, listed)
    assert len(tickers) == len(listed.by_pair)
    for base in ("BTC", "ETH"):
        pair = Pair(base, one.quotes[0])
        single = await one.ticker(listed.by_pair[pair])
        found = tickers[pair]
        assert (found.price, found.volume, found.turnover) == (
            single.price,
            single.volume,
            single.turnover,
        )


@pytest.mark.parametrize("venue", KNOWN_VENUES)
async def test_unknown_symbols_are_unknown_everywhere(venues, venue):
    answer = await venues.ask("/price", symbol="NOSUCHCOIN", exchange=venue)
    assert answer.status_code == 404


@pytest.mark.parametrize("venue", KNOWN_VENUES)
async def test_a_delisted_symbol_is_told_apart_from_trouble(venues, venue):
    """The directory is an hour old at the most: the venue itself may know better."""
    service = venues.api.service
    one = service.by_name[venue]
    if venue == "hyperliquid":
        pytest.skip("not applicable: all coins come in one answer: there is nothing to refuse")
    instrument = (await service.directory(one, "spot")).value.by_pair[Pair("BTC", "USDT")]
    from reference_bot.market_data.errors import VenueError  # noqa: PLC0415 - only here
    from reference_bot.market_data.venues.base import Instrument  # noqa: PLC0415 - only here

    gone = Instrument(venue, "spot", instrument.pair, instrument.symbol.replace("BTC", "GONE"))
    with pytest.raises(VenueError) as caught:
        await one.ticker(gone)
    assert caught.value.reason == "not_listed"


async def test_the_default_falls_back_in_order_and_says_so(open_stack):
    async with open_stack(EXCHANGES="binance,bybit,okx") as stack:
        stack.fault(venue="binance", kind="error", status=503)
        data = (await stack.ask("/combined_price", symbol="BTC")).json()["data"]
        assert data["venue"] == "bybit"
        [told] = [row for row in data["missing"] if row["section"] == "venue"]
        assert (told["venue"], told["reason"]) == ("binance", "outage")


async def test_a_venue_that_does_not_list_the_pair_is_passed_over(open_stack):
    async with open_stack(EXCHANGES="binance,hyperliquid") as stack:
        stack.double.market = stack.double.market
        data = (await stack.ask("/price", symbol="HYPE", market="perp")).json()["data"]
        assert data["venue"] == "binance"
        data = (await stack.ask("/price", symbol="PAXG/USDC")).json()["data"]
        assert data["venue"] == "hyperliquid"


@pytest.mark.usefixtures("time_flies")
async def test_a_silent_venue_leaves_time_for_the_next(open_stack):
    async with open_stack(EXCHANGES="binance,bybit") as stack:
        stack.fault(venue="binance", kind="silent")
        data = (await stack.ask("/combined_price", symbol="BTC")).json()["data"]
        assert data["venue"] == "bybit"
        [told] = [row for row in data["missing"] if row["section"] == "venue"]
        assert told["reason"] == "timeout"


async def test_an_explicit_exchange_has_no_fallback(open_stack):
    async with open_stack(EXCHANGES="binance,bybit") as stack:
        stack.fault(venue="binance", kind="error", status=503)
        answer = await stack.ask("/combined_price", symbol="BTC", exchange="binance")
        assert answer.status_code == 502


async def test_bitgets_thousands_are_told_in_coins(venues, market, now):
    answer = await venues.ask("/price", symbol="1000BONK", market="perp", exchange="bitget")
    block = answer.json()["data"]
    assert block["symbol"] == "1000BONKUSDT"
    assert block["mark_price"] == pytest.approx(market.mark_price("BONK", now), rel=1e-6)
    closed = now // BLOCK * BLOCK
    day = market.fold("BONK", "perp", closed - BLOCK, closed)
    lot = 10.0 ** -market.coins["BONK"].tick("perp").lot * WEIGHTS["bitget"]
    assert block["flow_15m"]["buy"] == pytest.approx(day.buy_lots * lot, rel=1e-12)
    assert block["flow_15m"]["volume"] == pytest.approx(day.lots * lot, rel=1e-12)
    bitgets = venues.api.service.by_name["bitget"]
    listed = (await venues.api.service.directory(bitgets, "perp")).value
    found = (await bitgets.tickers("perp", listed))[Pair("BONK", "USDT")]
    assert (found.price, found.volume) == (block["price"], block["volume_24h"])


@pytest.mark.parametrize("kind", ["spot", "perp"])
async def test_hyperliquids_untraded_coins_cost_nobody_else(venues, monkeypatch, kind):
    """The real list has coins that were not traded a day ago: ``"prevDayPx": "0.0"``."""
    told, ask = hyperliquid._prices, venues.api.service

    def prices(asked, one):
        untraded = {"prevDayPx": "0.0", "dayNtlVlm": "0.0", "dayBaseVlm": "0.0", "midPx": None}
        return told(asked, one) | (untraded if one.base == "ETH" else {})

    monkeypatch.setattr(hyperliquid, "_prices", prices)
    venue = ask.by_name["hyperliquid"]
    listed = await venue.directory(kind)
    ask.cache._entries.clear()
    tickers = await venue.tickers(kind, listed)
    assert Pair("BTC", "USDC") in tickers
    assert Pair("ETH", "USDC") not in tickers
    with pytest.raises(VenueError) as caught:
        await venue.ticker(listed.by_pair[Pair("ETH", "USDC")])
    assert caught.value.reason == "unavailable"
    assert "24 h ago" in caught.value.message
