"""One bad row, limits and bans as the exchange double tells them, venue by venue."""

import re

import pytest

from reference_bot.market_data.settings import KNOWN_VENUES

pytestmark = pytest.mark.anyio

COINS = [venue for venue in KNOWN_VENUES if venue != "yahoo"]


@pytest.mark.parametrize("venue", COINS)
async def test_one_bad_row_in_every_list_costs_that_row_alone(open_stack, venue):
    async with open_stack(EXCHANGES=venue) as stack:
        whole = (await stack.ask("/top_symbols", limit=50)).json()["data"]
        stack.api.service.cache._entries.clear()
        stack.fault(venue=venue, kind="bad_row")
        answer = await stack.ask("/top_symbols", limit=50)
        assert answer.status_code == 200, answer.text
        told = answer.json()["data"]
        # the listing and the tickers lack their first rows, which may be in no ranking anyway
        assert len(told["symbols"]) >= len(whole["symbols"]) - 2 > 0
        text = stack.api.metrics.text().decode()
    found = re.search(r'market_data_rows_left_out_total\{venue="(\w+)"\} (\d+)', text)
    assert found is not None
    assert found[1] == venue
    assert int(found[2]) > 0


@pytest.mark.parametrize("venue", COINS)
@pytest.mark.parametrize("kind", ["too_many", "ban"])
async def test_who_asked_too_often_asks_no_more(open_stack, venue, kind):
    async with open_stack(EXCHANGES=venue, DEADLINE_SECONDS="30") as stack:
        stack.api.service.cache._entries.clear()  # Hyperliquid's one answer was read at the start
        stack.fault(venue=venue, kind=kind, seconds=90)
        first = await stack.ask("/top_symbols", limit=3)
        assert first.status_code == 502
        [missing] = first.json()["error"]["missing"]
        assert missing["reason"] == "rate_limited"
        before = len(stack.calls())
        again = (await stack.ask("/top_symbols", limit=3)).json()["error"]["missing"]
        assert {row["reason"] for row in again} == {"circuit_open"}
        assert len(stack.calls()) == before
        [rest] = re.findall(r"left alone for another (\d+) s", again[0]["message"])
        told = venue in ("binance", "bybit", "gate")  # these say for how long
        assert (int(rest) > 60) is told or (venue, kind) == ("bybit", "ban")


@pytest.mark.parametrize("venue", ["binance", "bybit", "gate", "bitget"])
async def test_a_limit_that_is_nearly_used_up_is_in_the_metrics(open_stack, venue):
    async with open_stack(EXCHANGES=venue) as stack:
        stack.fault(venue=venue, kind="limit_used", share=0.9)
        assert (await stack.ask("/top_symbols", limit=3)).status_code == 200
        text = stack.api.metrics.text().decode()
    used = re.findall(rf'limit_used_ratio\{{[^}}]*venue="{venue}"\}} ([\d.]+)', text)
    assert 0.9 in [pytest.approx(float(one), abs=0.01) for one in used]
