"""What venues change any day, as the exchange double tells it: each change has a defined answer."""

from typing import Any

import pytest

from reference_bot.market_data.settings import KNOWN_VENUES

pytestmark = pytest.mark.anyio

COINS = [venue for venue in KNOWN_VENUES if venue != "yahoo"]
LISTED = {
    "binance": ("/futures/fapi/v1/exchangeInfo", "underlyingType"),
    "bybit": ("/v5/market/instruments-info", "symbolType"),
    "okx": ("/api/v5/public/instruments", "instCategory"),
    "gate": ("/api/v4/futures/usdt/contracts", "contract_type"),
    "bitget": ("/api/v2/mix/market/contracts", "isRwa"),
}
"""Where each venue lists perpetuals, and by which word it says what they are of."""
STATUS = {
    "binance": "status", "bybit": "status", "okx": "state", "gate": "status",
    "bitget": "symbolStatus",
}  # fmt: skip
OPTIONAL = {
    "binance": "nextFundingTime,lastFundingRate",
    "bybit": "nextFundingTime,fundingRate,openInterest,singleOpenInterest",
    "okx": "nextFundingTime,prevFundingTime,fundingRate,oiUsd,markPx",
    "gate": "funding_next_apply,funding_rate,total_size",
    "bitget": "nextUpdate,fundingRate,markPrice",
    "hyperliquid": "funding,openInterest,midPx",
}
"""Figures of a perpetual beside its price, any of which a venue may have none of."""


async def perp(stack, coin: str = "ETH") -> dict[str, Any]:
    answer = await stack.ask("/combined_price", symbol=coin)
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


@pytest.mark.parametrize("venue", KNOWN_VENUES)
async def test_members_and_columns_that_are_new_change_nothing(open_stack, venue):
    coin = "EUR/USD" if venue == "yahoo" else "ETH"
    async with open_stack(EXCHANGES=venue) as stack:
        before = await perp(stack, coin)
    async with open_stack(EXCHANGES=venue) as stack:
        stack.fault(venue=venue, kind="added")
        after = await perp(stack, coin)
    assert {**after, "age": 0} == {**before, "age": 0}


@pytest.mark.parametrize("venue", OPTIONAL)
async def test_what_a_market_has_none_of_any_more_costs_that_part_and_no_health(open_stack, venue):
    async with open_stack(EXCHANGES=venue) as stack:
        stack.api.service.cache._entries.clear()  # Hyperliquid's one answer was read at the start
        stack.fault(venue=venue, kind="null", field=OPTIONAL[venue])
        data = await perp(stack)
        assert data["perp"]["price"] > 0
        reasons = {row["section"]: row["reason"] for row in data["missing"]}
        assert reasons["perp.funding"] == "unavailable"
        assert "bad_payload" not in reasons.values()
        service = stack.api.service.by_name[venue]
        client = service._futures if venue == "binance" else service._client
        assert client.breaker.failures == 0


@pytest.mark.parametrize("venue", [venue for venue in COINS if venue != "hyperliquid"])
async def test_a_contract_that_is_settled_in_mid_day_is_not_there_and_stops_no_other(
    open_stack, venue
):
    """It is listed for up to an hour after it is gone: the venue itself knows better."""
    ticker = {"binance": "/futures/fapi/v1/ticker", "okx": "/api/v5/market/ticker",
              "gate": "/api/v4/futures/usdt/tickers", "bitget": "/api/v2/mix/market/ticker",
              "bybit": "/v5/market/tickers"}[venue]  # fmt: skip
    async with open_stack(EXCHANGES=venue) as stack:
        stack.fault(venue=venue, kind="not_trading", path=ticker, count=1)
        answer = await stack.ask("/price", symbol="SOL", market="perp")
        assert answer.status_code in (404, 502)
        told = answer.json()["error"].get("missing", [])
        assert {row["reason"] for row in told} <= {"not_listed", "unavailable"}
        after = await stack.ask("/price", symbol="ETH", market="perp")
        assert after.json()["data"]["price"] > 0


@pytest.mark.parametrize("venue", LISTED)
async def test_a_kind_of_asset_that_nobody_knows_yet_is_in_no_ranking(open_stack, venue):
    path, word = LISTED[venue]
    async with open_stack(EXCHANGES=venue) as stack:
        stack.api.service.cache._entries.clear()  # the listing was read at the start
        stack.fault(venue=venue, kind="new_word", path=path, field=word)
        answer = await stack.ask("/top_symbols", limit=5, market="perp")
        assert answer.status_code != 200 or answer.json()["data"]["symbols"] == []
        data = await perp(stack)
        assert data["spot"]["price"] > 0
        if venue == "okx":  # the word is one of spot, too
            assert data["asset"] == "asset of category NEW_OF_2027"
            return
        assert data["perp"] is None
        [told] = [row for row in data["missing"] if row["section"] == "perp"]
        assert told["reason"] == "not_a_coin"


@pytest.mark.parametrize("venue", STATUS)
async def test_a_status_that_nobody_knows_yet_is_not_listed(open_stack, venue):
    """It may be a halt as well as a trial: what is not said to trade is not shown as trading."""
    path, _word = LISTED[venue]
    async with open_stack(EXCHANGES=venue) as stack:
        stack.api.service.cache._entries.clear()
        stack.fault(venue=venue, kind="new_word", path=path, field=STATUS[venue])
        answer = await stack.ask("/price", symbol="ETH", market="perp")
        assert answer.status_code == 404
