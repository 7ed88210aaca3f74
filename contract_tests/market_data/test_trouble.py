"""Venues in trouble: a degraded answer that names what is missing, inside the deadline."""

import asyncio
import re

import pytest

from reference_bot.api import PERMANENT
from reference_bot.market_data.settings import KNOWN_VENUES

pytestmark = pytest.mark.anyio

TICKER = "/spot/api/v3/ticker/24hr"


def missing(answer) -> dict[str, str]:
    body = answer.json()
    rows = body["data"]["missing"] if body["success"] else body["error"]["missing"]
    return {row["section"]: row["reason"] for row in rows}


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "reset"}, "unreachable"),
        ({"kind": "half_body"}, "unreachable"),
        ({"kind": "error", "status": 500}, "outage"),
        ({"kind": "error", "status": 503}, "outage"),
        ({"kind": "error", "status": 400}, "refused"),
        ({"kind": "error", "status": 451}, "refused"),
        ({"kind": "error", "status": 429, "retry_after": 3}, "rate_limited"),
        ({"kind": "error", "status": 418}, "rate_limited"),
        ({"kind": "html"}, "bad_payload"),
        ({"kind": "truncated"}, "bad_payload"),
        ({"kind": "missing_field", "field": "lastPrice"}, "bad_payload"),
        ({"kind": "nan", "field": "lastPrice"}, "bad_payload"),
        ({"kind": "nan", "field": "volume"}, "bad_payload"),
        ({"kind": "negative", "field": "volume"}, "bad_payload"),
        ({"kind": "stale"}, "bad_payload"),
        ({"kind": "empty"}, "bad_payload"),
    ],
    ids=str,
)
async def test_a_broken_ticker_costs_its_block_only(stack, fault, reason):
    stack.fault(path=TICKER, **fault)
    answer = await stack.ask("/combined_price", symbol="BTC")
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert data["spot"] is None
    assert data["perp"]["price"] > 0
    assert data["intelligence"]["source"] == "perp"
    assert missing(answer)["spot"] == reason


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "nan", "field": "9"}, "$[0][9]"),
        ({"kind": "negative", "field": "5"}, "$[0][5]"),
        ({"kind": "missing_field", "field": "9"}, "length"),
        ({"kind": "empty"}, "no candles"),
        ({"kind": "stale"}, "ago by its own clock"),
    ],
    ids=str,
)
async def test_broken_candles_cost_the_flow_only(stack, fault, words):
    stack.fault(path="/spot/api/v3/klines", **fault)
    answer = await stack.ask("/combined_price", symbol="BTC")
    data = answer.json()["data"]
    assert data["spot"]["price"] > 0
    assert data["spot"]["flow_24h"] is None
    [row] = data["missing"]
    assert row["section"] == "spot.candles"
    assert words in row["message"]


@pytest.mark.parametrize(
    ("path", "section", "field"),
    [
        ("/futures/fapi/v1/openInterest", "perp.open_interest", "open_interest"),
        ("/futures/fapi/v1/premiumIndex", "perp.funding", "funding"),
        ("/futures/fapi/v1/fundingRate", "perp.funding", "funding"),
    ],
)
async def test_parts_of_the_perpetual_fail_alone(stack, path, section, field):
    stack.fault(path=path, kind="error", status=500)
    answer = await stack.ask("/combined_price", symbol="BTC")
    assert answer.json()["data"]["perp"][field] is None
    assert missing(answer) == {section: "outage"}


async def test_no_history_is_no_change(stack):
    stack.fault(path="/futures/futures/data/openInterestHist", kind="empty")
    answer = await stack.ask("/combined_price", symbol="BTC")
    interest = answer.json()["data"]["perp"]["open_interest"]
    assert interest["amount"] > 0
    assert interest["change_24h"] is interest["change_15m"] is None
    assert missing(answer) == {"perp.open_interest": "unavailable"}


@pytest.mark.usefixtures("time_flies")
async def test_silence_ends_at_the_deadline(open_stack):
    async with open_stack() as stack:
        stack.fault(path="/spot", kind="silent")
        # without a deadline the answer would never come
        answer = await asyncio.wait_for(stack.ask("/combined_price", symbol="BTC"), 100)
        assert answer.status_code == 200
        assert missing(answer) == {"spot": "timeout", "spot.candles": "timeout"}


async def test_all_silent_is_too_late(open_stack):
    async with open_stack(DEADLINE_SECONDS="0.2") as stack:
        stack.fault(kind="silent")
        answer = await stack.ask("/combined_price", symbol="BTC")
        assert answer.status_code == 504
        assert answer.json()["error"]["code"] == "too_late"
        assert set(missing(answer).values()) == {"timeout"}


async def test_all_broken_is_a_venue_failure(stack):
    stack.fault(kind="error", status=500)
    answer = await stack.ask("/combined_price", symbol="BTC")
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "venue_failed"


async def test_nobody_listening_is_a_venue_failure(open_stack):
    nowhere = {
        "BINANCE_SPOT_URL": "http://127.0.0.1:1",
        "BINANCE_FUTURES_URL": "http://127.0.0.1:1",
    }
    async with open_stack(**nowhere) as stack:
        answer = await stack.ask("/combined_price", symbol="BTC")
        assert answer.status_code == 502
        assert set(missing(answer).values()) == {"unreachable"}
        ready = await stack.client.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["error"]["code"] == "not_ready"
        assert (await stack.client.get("/health")).status_code == 200


async def test_one_directory_is_enough(open_stack):
    async with open_stack(warm=False) as stack:
        stack.fault(path="/futures/fapi/v1/exchangeInfo", kind="error")
        await stack.api.service.warm()
        answer = await stack.ask("/combined_price", symbol="BTC")
        assert answer.json()["data"]["spot"]["price"] > 0
        assert missing(answer)["perp"] == "outage"


async def test_a_venue_that_keeps_failing_is_left_alone(stack):
    stack.fault(path="/spot/api/v3/klines", kind="error", status=500)
    stack.fault(path=TICKER, kind="error", status=500)
    for symbol in ("BTC", "ETH", "SOL"):
        await stack.ask("/price", symbol=symbol)
    before = len(stack.calls())
    answer = await stack.ask("/price", symbol="XRP")
    assert answer.status_code == 502
    assert set(missing(answer).values()) == {"circuit_open"}
    assert len(stack.calls()) == before


async def test_retry_after_is_honoured(stack):
    stack.fault(path=TICKER, kind="error", status=429, retry_after=30, count=1)
    await stack.ask("/price", symbol="BTC")
    answer = await stack.ask("/price", symbol="ETH")
    assert missing(answer)["spot"] == "circuit_open"
    rests = re.findall(r"another (\d+) s", answer.text)
    assert rests
    assert all(20 < int(rest) <= 30 for rest in rests)


@pytest.mark.parametrize(
    ("status", "words"), [(451, "this place is not served"), (403, "it asked too often, or is not")]
)
async def test_a_refusal_says_what_it_may_mean(stack, status, words):
    """Bybit and Binance send 403 to an address that asked too often, CDNs where none is served."""
    stack.fault(path=TICKER, kind="error", status=status)
    answer = await stack.ask("/price", symbol="BTC")
    assert missing(answer) == {"spot": "refused"}
    assert f"HTTP {status}" in answer.text
    assert words in answer.text


async def test_a_wrong_symbol_does_not_open_the_circuit(stack):
    for _ in range(8):
        answer = await stack.ask("/price", symbol="NOSUCHCOIN")
        assert answer.status_code == 404
    assert (await stack.ask("/price", symbol="BTC")).status_code == 200


async def test_a_clock_that_is_wrong_but_consistent_is_the_venues_time(stack, now):
    stack.fault(kind="clock_skew", seconds=7200)
    answer = await stack.ask("/combined_price", symbol="BTC")
    assert answer.status_code == 200
    assert answer.json()["data"]["time"] == now - 7_200_000


@pytest.mark.parametrize("hours", [-7, 7])
@pytest.mark.parametrize("venue", KNOWN_VENUES)
async def test_a_clock_that_is_set_between_two_questions_costs_no_answer(
    open_stack, now, venue, hours
):
    """What a venue told of its time before says nothing any more."""
    async with open_stack(EXCHANGES=venue) as stack:
        assert (await stack.ask("/combined_price", symbol="BTC")).status_code == 200
        stack.double.clock.stop_at(now + hours * 3_600_000)
        body = (await stack.ask("/volume_spike", symbol="ETH", timeframe="5m")).json()
        assert body["success"], body
        told = body["data"]["missing"]
        assert not [row for row in told if row["reason"] not in PERMANENT], body


async def test_price_names_what_it_left_out(stack):
    stack.fault(path="/spot/api/v3/klines", kind="html")
    body = (await stack.ask("/price", symbol="BTC")).json()
    assert body["data"]["flow_24h"] is None
    assert [(row["section"], row["reason"]) for row in body["data"]["missing"]] == [
        ("spot.candles", "bad_payload")
    ]
