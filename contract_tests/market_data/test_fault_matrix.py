"""Every venue fault against every endpoint: a defined, degraded answer that names what is missing.

The matrix is generated from the two lists; its table is printed (``pytest -s`` or ``-rP`` shows
it).
"""

import asyncio
import math

import pytest

from reference_bot.market_data.settings import KNOWN_VENUES

pytestmark = pytest.mark.anyio

FAULTS = {
    "timeout": {"kind": "silent"},
    "reset": {"kind": "reset"},
    "half body": {"kind": "half_body"},
    "429 Retry-After": {"kind": "error", "status": 429, "retry_after": 2},
    "418": {"kind": "error", "status": 418},
    "451": {"kind": "error", "status": 451},
    "500": {"kind": "error", "status": 500},
    "503": {"kind": "error", "status": 503},
    "HTML": {"kind": "html"},
    "truncated JSON": {"kind": "truncated"},
    "missing field": {"kind": "missing_field", "field": "lastPrice"},
    "missing column": {"kind": "missing_field", "field": "9"},
    "NaN": {"kind": "nan", "field": "lastPrice"},
    "NaN column": {"kind": "nan", "field": "5"},
    "negative volume": {"kind": "negative"},
    "negative column": {"kind": "negative", "field": "5"},
    "stale": {"kind": "stale"},
    "empty list": {"kind": "empty"},
    "clock skew": {"kind": "clock_skew"},
}
ENDPOINTS = {
    "/price": {"symbol": "BTC"},
    "/combined_price": {"symbol": "BTC"},
    "/top_symbols": {"limit": 3},
    "/volume_spike": {"symbol": "BTC"},
    "/cvd": {"symbol": "BTC"},
    "/volume_scan": {"threshold_pct": 0},
    "/comprehensive_analysis": {"symbol": "BTC"},
    "/multi_oi": {"symbol": "BTC"},
}
DEADLINE = 0.4
FAILED = {"venue_failed", "too_late"}


def _finite(value):
    if isinstance(value, dict):
        return all(_finite(inner) for inner in value.values())
    if isinstance(value, list):
        return all(_finite(inner) for inner in value)
    return not isinstance(value, float) or math.isfinite(value)


def _cell(answer) -> str:
    """Judge one answer; a short text for the table."""
    body = answer.json()
    assert _finite(body)
    if answer.status_code == 200:
        gaps = body["data"].get("missing", []) or body.get("missing", [])
        return f"200 -{len(gaps)}" if gaps else "200"
    assert answer.status_code in (502, 504), answer.text
    assert body["error"]["code"] in FAILED
    assert body["error"]["missing"], "what is missing must be named"
    assert all(row["reason"] and row["message"] for row in body["error"]["missing"])
    return str(answer.status_code)


async def _row(open_stack, fault, exchanges, deadline=DEADLINE) -> dict[str, str]:
    cells = {}
    for path, body in ENDPOINTS.items():
        async with open_stack(EXCHANGES=exchanges, DEADLINE_SECONDS=str(deadline)) as stack:
            stack.fault(venue="binance", **fault)
            # no race: the bound is far above the deadline; without one the answer would never come
            cells[path] = _cell(await asyncio.wait_for(stack.ask(path, **body), 20 * DEADLINE))
    return cells


@pytest.mark.parametrize("name", FAULTS)
async def test_each_fault_on_each_endpoint(open_stack, name):
    cells = await _row(open_stack, FAULTS[name], "binance")
    print(f"{name:16}", *(f"{path} {cell}" for path, cell in cells.items()), sep=" | ")
    if FAULTS[name]["kind"] in ("silent", "reset", "error", "html", "truncated"):
        assert set(cells.values()) <= {"502", "504"}
    if (
        name == "clock skew"
    ):  # the venue's clock is wrong, but it is the only one: nothing is missing
        assert cells["/combined_price"] == "200"
    if name == "negative column":
        assert cells["/combined_price"] == "200 -2"


@pytest.mark.parametrize("name", ["timeout", "reset", "503", "HTML", "empty list"])
async def test_the_other_venues_stand_in(open_stack, name):
    # twice the default deadline: a silent venue must leave enough of it for the next
    cells = await _row(open_stack, FAULTS[name], ",".join(KNOWN_VENUES), deadline=3.0)
    for path in ("/price", "/combined_price", "/top_symbols", "/volume_spike", "/multi_oi"):
        assert cells[path].startswith("200 -"), (path, cells)


@pytest.mark.parametrize("venue", [venue for venue in KNOWN_VENUES if venue != "binance"])
@pytest.mark.parametrize(
    "name", ["reset", "503", "429 Retry-After", "HTML", "truncated JSON", "stale", "empty list"]
)
async def test_every_venue_degrades_the_same_way(open_stack, venue, name):
    async with open_stack(EXCHANGES=venue, DEADLINE_SECONDS=str(DEADLINE)) as stack:
        stack.fault(venue=venue, **FAULTS[name])
        answer = await asyncio.wait_for(stack.ask("/combined_price", symbol="BTC"), 20 * DEADLINE)
        cell = _cell(answer)
        if venue == "hyperliquid":  # one answer tells of all coins: it may be a second old
            assert cell == "502" or cell.startswith("200 -")
        elif name != "stale" or venue != "gate":  # Gate's tickers carry no time of their own
            assert cell == "502"


YAHOO_ENDPOINTS = ("/price", "/combined_price", "/comprehensive_analysis")
YAHOO_FIELDS = {"lastPrice": "regularMarketPrice", "9": "9", "5": "5"}
THURSDAY = 1_763_630_000_000


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
async def test_each_fault_on_a_currency_pair(open_stack, now, name, closed):
    fault = dict(FAULTS[name])
    if "field" in fault:
        fault["field"] = YAHOO_FIELDS[fault["field"]]
    cells = {}
    for path in YAHOO_ENDPOINTS:
        async with open_stack(EXCHANGES="binance,yahoo", DEADLINE_SECONDS="0.4") as stack:
            stack.double.clock.stop_at(now if closed else THURSDAY)
            stack.fault(venue="yahoo", **fault)
            answer = stack.ask(path, symbol="EUR/USD")
            cells[path] = _cell(await asyncio.wait_for(answer, 20 * DEADLINE))
    print(f"yahoo {name:16}", *(f"{path} {cell}" for path, cell in cells.items()), sep=" | ")
    if name in ("clock skew", "negative volume"):  # the only clock there is; no volume is read
        assert set(cells.values()) <= {"200 -1", "200 -2"}
    else:
        assert set(cells.values()) == {"504" if name == "timeout" else "502"}


async def test_a_venue_recovers(open_stack):
    async with open_stack(DEADLINE_SECONDS=str(DEADLINE)) as stack:
        stack.fault(kind="error", status=503)
        assert (await stack.ask("/price", symbol="BTC")).status_code == 502
        stack.double.faults.remove()
        for client in (stack.api.service.by_name["binance"]._spot,):
            assert client.breaker.failures > 0
            client.breaker.open_until = 0.0  # the pause is over: waiting for it would be a sleep
        assert (await stack.ask("/price", symbol="ETH")).status_code == 200
        assert client.breaker.failures == 0
