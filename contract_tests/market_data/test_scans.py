"""Scans ask no faster than a venue takes: the double holds the documented rates against them."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import httpx
import pytest

from botproof.doubles.exchanges.coins import COINS, synthetic_coins
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.rates import HeldRates

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

NOW = 1_763_780_000_000
SYMBOLS = 60
SCANNED = 60
SCANS = [
    ("binance", "perp", False),
    ("bybit", "perp", False),
    ("gate", "spot", False),
    ("okx", "perp", True),
    ("okx", "spot", True),
    ("bitget", "perp", True),
    ("bitget", "spot", True),
    ("hyperliquid", "perp", True),
]
"""Venue, market, and whether its rate leaves no room for all calls within the usual deadline."""


@pytest.fixture(scope="module")
def market() -> Market:
    """More coins than a scan looks at; each asks for one period only, so little is drawn."""
    return Market(7, COINS + synthetic_coins(SYMBOLS))


def refused(events) -> list[tuple[str, int]]:
    """The calls that were beyond a documented rate."""
    calls = (event for event in events if event["type"] == "venue_call")
    return [(call["path"], call["status"]) for call in calls if call["status"] == 429]


def waiting(data) -> set[str]:
    return {row["section"] for row in data["missing"] if row["reason"] == "queued"}


@pytest.mark.parametrize(("venue", "kind", "in_parts"), SCANS)
async def test_a_scan_is_whole_after_a_few_answers_at_any_venues_rate(
    open_stack, time_flies, venue, kind, in_parts
):
    del time_flies
    loop = asyncio.get_running_loop()
    async with open_stack(EXCHANGES=venue, DEADLINE_SECONDS="1.5") as stack:
        stack.double.rates = HeldRates(loop.time)  # on this clock nothing waits to be read
        stack.api.cache._clock = loop.time
        answers: list[dict[str, Any]] = []
        while not answers or waiting(answers[-1]):
            assert len(answers) < 5, [len(waiting(one)) for one in answers]
            if answers:
                await asyncio.sleep(answers[-1]["rest_in"])
            reply = await stack.ask(
                "/volume_scan", market=kind, threshold_pct=0, timeframe="5m", limit=60
            )
            assert reply.status_code == 200, reply.text
            answers.append(reply.json()["data"])
        assert not refused(stack.double.events)
        assert answers[-1]["missing"] == []
        assert answers[-1]["rest_in"] is None
        told = [{spike["symbol"] for spike in one["spikes"]} for one in answers]
        assert all(few <= more for few, more in pairwise(told))
        assert (len(answers) > 1) is in_parts
        if venue == "hyperliquid":
            return
        candles = [path for path in stack.calls() if "andle" in path or "kline" in path]
        assert len(candles) == SCANNED, "what was told once is not asked for again"


@pytest.mark.parametrize("venue", ["okx", pytest.param("bitget", marks=pytest.mark.slow)])
def test_the_service_keeps_to_the_rates_with_a_question_beside_the_scan(
    process, tmp_path, listening, venue
):
    """The real processes: the whole scan in one answer, where the deadline leaves time for it."""
    double = "botproof.doubles.exchanges.cli"
    arguments = ("--seed", "7", "--now", str(NOW), "--symbols", str(SYMBOLS))
    settings = {"MARKET_DATA_PORT": "0", "EXCHANGES": venue, "DEADLINE_SECONDS": "30"}
    with process(double, *arguments, cwd=tmp_path) as exchanges:
        url = json.loads(exchanges.stdout.readline())["url"]
        control = httpx.Client(base_url=f"{url}/_double", trust_env=False, timeout=100)
        address = {f"{venue.upper()}_URL": f"{url}/{venue}"}
        with (
            control,
            process("reference_bot.market_data", cwd=tmp_path, **settings, **address) as service,
            httpx.Client(base_url=listening(service), trust_env=False, timeout=100) as client,
        ):
            while client.get("/ready").status_code != 200:
                pass
            control.post("/limits", json={"held": True}).raise_for_status()
            with ThreadPoolExecutor(1) as beside:
                question = {"threshold_pct": 0, "timeframe": "5m", "market": "spot", "limit": 60}
                scan = beside.submit(client.post, "/volume_scan", json=question)
                seen = 0
                while seen < 10:  # candles of the scan are under way
                    calls = control.get("/transcript", params={"timeout": 30}).json()["result"]
                    seen = sum("candles" in one.get("path", "") for one in calls["events"])
                price = client.post("/price", json={"symbol": "BTC", "market": "spot"})
                answers = [scan.result()]
            while answers[-1].status_code != 200 or answers[-1].json()["data"]["missing"]:
                answers.append(client.post("/volume_scan", json=question))  # the machine is busy
            events = control.get("/transcript").json()["result"]["events"]
    assert not told(price, "queued"), "a question goes before the scan"
    assert answers[-1].json()["data"]["scanned"] == SCANNED
    assert not any(told(answer, "rate_limited") for answer in answers)
    assert not refused(events)


def told(answer: httpx.Response, reason: str) -> bool:
    """Whether an answer says of anything that it is missing for that reason."""
    return f'"reason":"{reason}"' in answer.text
