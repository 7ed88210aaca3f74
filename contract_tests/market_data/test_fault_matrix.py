"""Every venue fault against every endpoint: a defined, degraded answer that names what is missing.

The matrix is generated from the two lists; its table is printed (``pytest -s`` or ``-rP`` shows
it).
"""

import asyncio
import logging
import math
from functools import partial
from typing import Any

import pytest

from botproof.doubles.exchanges.binance_account import KEY, SECRET
from reference_bot.market_data.settings import KNOWN_VENUES

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("time_flies")]

FAULTS: dict[str, dict[str, Any]] = {
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
ENDPOINTS: dict[str, dict[str, Any]] = {
    "/price": {"symbol": "BTC"},
    "/combined_price": {"symbol": "BTC"},
    "/top_symbols": {"limit": 3},
    "/volume_spike": {"symbol": "BTC"},
    "/cvd": {"symbol": "BTC"},
    "/volume_scan": {"threshold_pct": 0},
    "/comprehensive_analysis": {"symbol": "BTC"},
    "/multi_oi": {"symbol": "BTC"},
}
BOUND = 100.0
"""Far above the deadline: without one the answer would never come."""
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


async def _row(open_stack, fault, exchanges) -> dict[str, str]:
    cells = {}
    for path, body in ENDPOINTS.items():
        async with open_stack(EXCHANGES=exchanges) as stack:
            stack.fault(venue="binance", **fault)
            cells[path] = _cell(await asyncio.wait_for(stack.ask(path, **body), BOUND))
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
    cells = await _row(open_stack, FAULTS[name], ",".join(KNOWN_VENUES))
    for path in ("/price", "/combined_price", "/top_symbols", "/volume_spike", "/multi_oi"):
        assert cells[path].startswith("200 -"), (path, cells)


@pytest.mark.parametrize("venue", [venue for venue in KNOWN_VENUES if venue != "binance"])
@pytest.mark.parametrize(
    "name", ["reset", "503", "429 Retry-After", "HTML", "truncated JSON", "stale", "empty list"]
)
async def test_every_venue_degrades_the_same_way(open_stack, venue, name):
    async with open_stack(EXCHANGES=venue) as stack:
        stack.fault(venue=venue, **FAULTS[name])
        answer = await asyncio.wait_for(stack.ask("/combined_price", symbol="BTC"), BOUND)
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
        async with open_stack(EXCHANGES="binance,yahoo") as stack:
            stack.double.clock.stop_at(now if closed else THURSDAY)
            stack.fault(venue="yahoo", **fault)
            answer = stack.ask(path, symbol="EUR/USD")
            cells[path] = _cell(await asyncio.wait_for(answer, BOUND))
    print(f"yahoo {name:16}", *(f"{path} {cell}" for path, cell in cells.items()), sep=" | ")
    if name in ("clock skew", "negative volume"):  # the only clock there is; no volume is read
        assert set(cells.values()) <= {"200 -1", "200 -2"}
    else:
        assert set(cells.values()) == {"504" if name == "timeout" else "502"}


async def test_a_venue_recovers(open_stack):
    async with open_stack() as stack:
        stack.fault(kind="error", status=503)
        assert (await stack.ask("/price", symbol="BTC")).status_code == 502
        stack.double.faults.remove()
        for client in (stack.api.service.by_name["binance"]._spot,):
            assert client.breaker.failures > 0
            client.breaker.open_until = 0.0  # the pause is over: waiting for it would be a sleep
        assert (await stack.ask("/price", symbol="ETH")).status_code == 200
        assert client.breaker.failures == 0


# -- takers and accounts ---------------------------------------------------------------------

STATISTICS = {
    ("binance", "accounts"): ("/futures/futures/data/globalLongShortAccountRatio", "longAccount"),
    ("bybit", "accounts"): ("/v5/market/account-ratio", "buyRatio"),
    ("okx", "accounts"): ("/api/v5/rubik/stat/contracts/long-short-account-ratio-contract", "1"),
    ("okx", "takers"): ("/api/v5/rubik/stat/taker-volume-contract", "2"),
    ("gate", "accounts"): ("/api/v4/futures/usdt/contract_stats", "lsr_account"),
    ("gate", "takers"): ("/api/v4/futures/usdt/contract_stats", "long_taker_size"),
    ("bitget", "accounts"): ("/api/v2/mix/market/account-long-short", "longAccountRatio"),
    ("bitget", "takers"): ("/api/v2/mix/market/taker-buy-sell", "buyVolume"),
}
"""Where each venue tells them, and the figure in it."""
WHOLE = ("price", "volume_24h", "turnover_24h", "high_24h", "activity", "mark_price", "funding")
"""What must come all the same."""


def _at(fault, path, field):
    """The fault at one path; those about a field meet the figure itself."""
    changed = {"field": field} if fault["kind"] in ("missing_field", "nan", "negative") else {}
    return fault | {"path": path} | changed


def _without_statistic(data, what):
    """Check that a figure is left out and named; a short text for the table."""
    perp = data["perp"]
    sections = {"perp.accounts"}
    if what == "takers":
        assert perp["flow_24h"] is perp["flow_15m"] is None
        sections = {"perp.takers", "perp.candles"}
    else:
        assert perp["accounts"] is None
    told = [row for row in data["missing"] if row["section"] in sections]
    assert told
    assert all(row["reason"] and row["message"] for row in told)
    return told[0]["reason"]


@pytest.mark.parametrize("name", [name for name in FAULTS if "column" not in name])
async def test_each_fault_on_takers_and_accounts(open_stack, name):
    cells = {}
    for (venue, what), (path, field) in STATISTICS.items():
        async with open_stack(EXCHANGES=venue) as stack:
            clean = (await stack.ask("/combined_price", symbol="ETH")).json()["data"]["perp"]
            assert clean["accounts"]
            stack.api.service.cache._entries.clear()  # what is kept would hide the fault
            await stack.api.service.warm()
            stack.fault(venue=venue, **_at(FAULTS[name], path, field))
            asked = stack.ask("/combined_price", symbol="ETH")
            answer = await asyncio.wait_for(asked, BOUND)
        assert answer.status_code == 200
        data = answer.json()["data"]
        assert _finite(data)
        assert {key: data["perp"][key] for key in WHOLE} == {key: clean[key] for key in WHOLE}
        if name == "clock skew":  # true figures of an hour ago, as dated; no flow over the present
            assert data["perp"]["flow_15m"] is None or what == "accounts"
            cells[f"{venue} {what}"] = "dated"
        else:
            cells[f"{venue} {what}"] = _without_statistic(data, what)
    print(f"{name:16}", *(f"{where} {cell}" for where, cell in cells.items()), sep=" | ")


async def test_takers_that_ask_for_a_pause_do_not_stop_prices(open_stack):
    async with open_stack(EXCHANGES="bitget") as stack:
        path = "/api/v2/mix/market/taker-buy-sell"
        stack.fault(venue="bitget", path=path, kind="error", status=429, retry_after=60)
        await stack.ask("/combined_price", symbol="ETH")
        data = (await stack.ask("/combined_price", symbol="SOL")).json()["data"]
        assert data["perp"]["price"] > 0
        reasons = {row["section"]: row["reason"] for row in data["missing"]}
        assert reasons["perp.takers"] == "circuit_open"


# -- the account -----------------------------------------------------------------------------

SIGNED = {
    "/spot/api/v3/account": "free",
    "/futures/fapi/v3/balance": "balance",
    "/futures/fapi/v3/positionRisk": "markPrice",
    "/futures/fapi/v1/income": "income",
}
"""The signed paths, and a figure that each must have."""
QUESTIONS = {
    "/balance": ("/spot/api/v3/account", "/futures/fapi/v3/balance"),
    "/positions": ("/futures/fapi/v3/positionRisk",),
    "/pnl": ("/futures/fapi/v1/income", "/futures/fapi/v3/positionRisk"),
}
ACCOUNT_FAULTS = {name: fault for name, fault in FAULTS.items() if "column" not in name}
TOLD = {
    # spot cannot be owed and no price is below zero, but a wallet can be; a cost turns to "--1"
    "negative volume": {"/balance": "200 -1", "/positions": "502", "/pnl": "502"},
    "stale": dict.fromkeys(QUESTIONS, "200"),  # an account may rest for as long as it likes
    "empty list": dict.fromkeys(QUESTIONS, "200"),  # an account that has nothing
    "clock skew": dict.fromkeys(QUESTIONS, "200"),  # who signs goes by the venue's clock
}
"""Where a fault does not take the whole answer away."""


@pytest.fixture
def account_stack(open_stack):
    """A stack with the double's own account."""

    return partial(open_stack, BINANCE_API_KEY=KEY, BINANCE_API_SECRET=SECRET)


def _no_key_in(caplog, stack, *answers):
    """Neither the key nor the secret stands in an answer, a log line or the double's record."""
    logged = "".join(f"{record.getMessage()}{record.__dict__}" for record in caplog.records)
    for text in (logged, *(answer.text for answer in answers)):
        assert KEY not in text
        assert SECRET not in text
    assert SECRET not in "".join(str(event) for event in stack.double.events)
    # libraries that log URLs are kept to warnings in production; what is left shows no signature
    ours = [record for record in caplog.records if not record.name.startswith("http")]
    assert "signature" not in "".join(f"{record.__dict__}" for record in ours)


@pytest.mark.parametrize("name", ACCOUNT_FAULTS)
async def test_each_fault_on_each_account_question(account_stack, caplog, name):
    caplog.set_level(logging.DEBUG)
    fault, cells = ACCOUNT_FAULTS[name], {}
    for path, signed in QUESTIONS.items():
        async with account_stack() as stack:
            if name == "clock skew":  # a venue has one clock for all its paths
                stack.fault(venue="binance", **fault)
            else:
                for one in signed:
                    stack.fault(venue="binance", **_at(fault, one, SIGNED[one]))
            answer = await asyncio.wait_for(stack.ask(path), BOUND)
            cells[path] = _cell(answer)
            _no_key_in(caplog, stack, answer)
        if name == "empty list":  # told as nothing: no figure is made up
            values = answer.json()["data"].values()
            assert all(value == [] for value in values if isinstance(value, list))
        if name in TOLD:
            assert cells[path] == TOLD[name][path]
        else:
            assert cells[path] == ("504" if name == "timeout" else "502")
    print(f"{name:16}", *(f"{path} {cell}" for path, cell in cells.items()), sep=" | ")


@pytest.mark.parametrize("name", [name for name in ACCOUNT_FAULTS if name not in TOLD])
@pytest.mark.parametrize(
    ("question", "path", "field", "other"),
    [
        ("/balance", "/spot/api/v3/account", "spot", "futures"),
        ("/balance", "/futures/fapi/v3/balance", "futures", "spot"),
        ("/pnl", "/futures/fapi/v3/positionRisk", "unrealised", "net"),
    ],
)
async def test_one_signed_call_in_trouble_leaves_the_other(  # noqa: PLR0917 - parameters
    account_stack, caplog, name, question, path, field, other
):
    caplog.set_level(logging.DEBUG)
    async with account_stack() as stack:
        stack.fault(venue="binance", **_at(ACCOUNT_FAULTS[name], path, SIGNED[path]))
        answer = await asyncio.wait_for(stack.ask(question), BOUND)
        _no_key_in(caplog, stack, answer)
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert data[field] is None
    assert data[other]
    [told] = data["missing"]
    assert told["reason"]
    assert told["message"]


# -- contracts margined in the coin ----------------------------------------------------------------

INTEREST = {
    "binance": ("/coin/dapi/v1/openInterest", "openInterest"),
    "bybit": ("/v5/market/tickers", "openInterest"),
    "okx": ("/api/v5/public/open-interest", "oiCcy"),
}
"""Where each venue tells their open interest; Binance has a path for it alone. Gate.io's and
Bitget's count in no sum: it is not known whether they are of one side or both.
"""


@pytest.mark.parametrize("name", [name for name in FAULTS if "column" not in name])
async def test_each_fault_on_open_interest_margined_in_the_coin(open_stack, name):
    cells = {}
    for venue, (path, field) in INTEREST.items():
        async with open_stack(EXCHANGES=venue) as stack:
            stack.fault(venue=venue, **_at(FAULTS[name], path, field))
            answer = await asyncio.wait_for(stack.ask("/multi_oi", symbol="BTC"), BOUND)
        cells[venue] = _cell(answer)
        # the only clock there is; and Bybit tells one side beside both
        if name == "clock skew" or (name, venue) == ("missing field", "bybit"):
            assert _margins(answer) == ["stable", "coin"]
        elif venue == "binance" or (name, venue) == ("missing field", "okx"):
            # a linear contract of OKX is a number of coins, so that its contracts tell them too
            assert _margins(answer) == ["stable"]
            assert (venue, "inverse.open_interest") in {
                (row["venue"], row["section"]) for row in answer.json()["data"]["missing"]
            }
        else:
            assert answer.status_code in (502, 504)
    print(f"coin {name:16}", *(f"{venue} {cell}" for venue, cell in cells.items()), sep=" | ")


def _margins(answer) -> list[str]:
    return [one["margin"] for one in answer.json()["data"]["by_margin"]]
