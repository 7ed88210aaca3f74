"""Listings that are no coins, late taker rows and missing candles, over the whole service."""

import pytest

from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR
from botproof.doubles.exchanges.scenario import Scenario, ScenarioKind

pytestmark = pytest.mark.anyio

EVERY = "binance,bybit,okx,gate,bitget,hyperliquid"


async def test_a_stock_is_named_as_one_with_its_figures(open_stack):
    async with open_stack(EXCHANGES=EVERY) as stack:
        data = (await stack.ask("/combined_price", symbol="TSLA")).json()["data"]
        assert (data["venue"], data["asset"]) == ("binance", "stock")
        assert data["perp"]["price"] > 100
        data = (await stack.ask("/combined_price", symbol="TSLA", exchange="bybit")).json()["data"]
        assert (data["asset"], data["asset_name"]) == ("stock", "Tesla Inc")
        coin = (await stack.ask("/combined_price", symbol="BTC")).json()["data"]
        assert "asset" not in coin


async def test_one_market_of_a_stock_says_what_it_is(open_stack):
    async with open_stack(EXCHANGES=EVERY) as stack:
        body = {"symbol": "TSLA", "market": "perp"}
        data = (await stack.ask("/price", exchange="bybit", **body)).json()["data"]
        assert (data["asset"], data["asset_name"]) == ("stock", "Tesla Inc")
        assert (await stack.ask("/price", **body)).json()["data"]["asset"] == "stock"
        for market in ("perp", "spot"):
            coin = (await stack.ask("/price", symbol="BTC", market=market)).json()["data"]
            assert "asset" not in coin
            assert coin["price"] > 0


async def test_rankings_hold_coins_only(open_stack):
    async with open_stack(EXCHANGES=EVERY) as stack:
        for venue in ("binance", "bybit", "okx", "gate", "bitget"):
            body = {"market": "perp", "limit": 50, "exchange": venue}
            rows = (await stack.ask("/top_symbols", **body)).json()["data"]["symbols"]
            assert not {"TSLA", "XAU", "PURR"} & {row["base"] for row in rows}


async def test_a_stock_is_not_added_to_the_coin_of_its_name(open_stack):
    async with open_stack(EXCHANGES=EVERY) as stack:
        data = (await stack.ask("/multi_oi", symbol="PURR")).json()["data"]
        assert [row["venue"] for row in data["venues"]] == ["hyperliquid"]
        [row] = [row for row in data["missing"] if row["reason"] == "not_a_coin"]
        assert row["venue"] == "bybit"
        assert "PURRUSDT on bybit is a stock (Hyperliquid Strategies Inc)" in row["message"]
        price = (await stack.ask("/combined_price", symbol="PURR")).json()["data"]
        assert price["venue"] == "hyperliquid", "the coin comes before the stock"
        alone = (await stack.ask("/combined_price", symbol="PURR", exchange="bybit")).json()["data"]
        assert alone["asset"] == "stock"


async def test_what_only_stocks_have_is_added_up_as_such(open_stack):
    async with open_stack(EXCHANGES=EVERY) as stack:
        data = (await stack.ask("/multi_oi", symbol="TSLA")).json()["data"]
        assert data["asset"] == "stock"
        venues = {row["venue"] for row in data["venues"]}
        assert venues == {"binance", "bybit", "okx", "gate"}


@pytest.mark.parametrize("venue", ["okx", "gate"])
async def test_a_row_that_is_still_written_ends_the_window_before_it(open_stack, now, venue):
    """Recorded: 636,731 contracts at first, 5,102,857 two and a half minutes after the close."""
    close = now // BLOCK * BLOCK
    async with open_stack(EXCHANGES=venue) as stack:
        stack.double.clock.stop_at(close + 60_000)
        data = (await stack.ask("/combined_price", symbol="ETH")).json()["data"]
        perp = data["perp"]
        assert (perp["flow_24h"]["start"], perp["flow_24h"]["end"]) == (
            close - BLOCK - DAY,
            close - BLOCK,
        )
        assert perp["flow_15m"]["end"] == close - BLOCK
        [late] = [row for row in data["missing"] if row["reason"] == "late"]
        assert "still writing the takers" in late["message"]
        cvd = (await stack.ask("/cvd", symbol="ETH", timeframe="15m")).json()["data"]
        assert cvd["points"][-1]["end"] == close - BLOCK
        assert len(cvd["points"]) == 96


@pytest.mark.parametrize("venue", ["okx", "gate"])
async def test_once_it_is_written_the_window_ends_with_it(open_stack, now, venue):
    close = now // BLOCK * BLOCK
    async with open_stack(EXCHANGES=venue) as stack:
        stack.double.clock.stop_at(close + 151_000)
        data = (await stack.ask("/combined_price", symbol="ETH")).json()["data"]
        assert data["perp"]["flow_15m"]["end"] == close
        assert not [row for row in data["missing"] if row["reason"] == "late"]


async def test_a_new_coin_and_a_gap_are_two_reasons(open_stack, now):
    for kind, reason, words in (
        (ScenarioKind.NEW_LISTING, "new", "has traded on binance only since 21 Nov 23:45 UTC"),
        (ScenarioKind.MISSING, "gap", "binance has none from"),
    ):
        async with open_stack() as stack:
            scenario = Scenario(kind, now - 3 * HOUR)
            stack.double.market = stack.double.market.with_scenario("ETH", scenario)
            error = (await stack.ask("/volume_spike", symbol="ETH")).json()["error"]
            assert {row["reason"] for row in error["missing"]} == {reason}
            assert words in error["missing"][0]["message"]


async def test_what_a_new_coin_lacks_does_not_exist_yet(open_stack, now):
    for since, timeframe in ((3 * HOUR, "1d"), (HOUR // 12, "15m")):  # no candle is closed yet
        async with open_stack(EXCHANGES="binance") as stack:
            scenario = Scenario(ScenarioKind.NEW_LISTING, now - since)
            stack.double.market = stack.double.market.with_scenario("ETH", scenario)
            asked = {"symbol": "ETH", "timeframe": timeframe}
            error = (await stack.ask("/volume_spike", **asked)).json()["error"]
            assert {row["reason"] for row in error["missing"]} == {"new"}
            rows = (await stack.ask("/combined_price", symbol="ETH")).json()["data"]["missing"]
            sections = {"spot.candles", "perp.candles", "perp.open_interest"}
            told = {row["section"]: row["reason"] for row in rows}
            assert {section: told.get(section) for section in sections} == dict.fromkeys(
                sections, "new"
            )
            assert told.get("perp.funding", "new") == "new"


async def test_a_scan_names_what_it_had_no_average_of(open_stack, now):
    for kind, reason in ((ScenarioKind.NEW_LISTING, "new"), (ScenarioKind.MISSING, "gap")):
        async with open_stack(EXCHANGES="binance") as stack:
            scenario = Scenario(kind, now - 3 * HOUR)
            stack.double.market = stack.double.market.with_scenario("ETH", scenario)
            data = (await stack.ask("/volume_scan", threshold_pct=0)).json()["data"]
            assert [(row["section"], row["reason"]) for row in data["missing"]] == [
                ("ETH/USDT", reason)
            ]
            assert "ETH/USDT" not in {spike["symbol"] for spike in data["spikes"]}


async def test_hyperliquids_delisted_coins_are_unknown(open_stack):
    async with open_stack(EXCHANGES="hyperliquid") as stack:
        assert (await stack.ask("/price", symbol="MATIC", market="perp")).status_code == 404


async def test_gold_is_the_perpetual_where_nobody_tells_its_price(open_stack):
    async with open_stack(EXCHANGES="binance") as stack:
        data = (await stack.ask("/combined_price", symbol="XAU")).json()["data"]
        assert (data["symbol"], data["asset"]) == ("XAU/USDT", "commodity")
    async with open_stack(EXCHANGES="okx,yahoo") as stack:
        error = (await stack.ask("/combined_price", symbol="XAU/USDT")).json()["error"]
        assert error["near"] == ["XAU/USD"]
