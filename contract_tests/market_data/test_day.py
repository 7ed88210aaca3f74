"""A day of a market of five hundred symbols: what is asked of the venue, and what is kept of it."""

import asyncio
import functools

import httpx
import pytest

from botproof.doubles.exchanges.coins import COINS, synthetic_coins
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import HOUR
from reference_bot.market_data import wiring
from reference_bot.market_data.cache import Cache

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(900)]

STEP = 3 * HOUR
STEPS = 8
SCANNED = 60


@pytest.fixture(scope="module")
def market() -> Market:
    """The usual coins and five hundred made-up ones."""
    return Market(7, COINS + synthetic_coins(500))


async def drawn(url: str) -> None:
    """Let the double draw what will be asked for: no deadline is to pay for that."""
    async with httpx.AsyncClient(trust_env=False, timeout=300) as client:
        await client.get(f"{url}/binance/futures/fapi/v1/ticker/24hr")


async def test_scans_of_a_day_make_a_bounded_number_of_calls(open_stack, monkeypatch):
    """The cache's clock is the market's, so that what it keeps ages as the market does."""
    moment = [0.0]
    monkeypatch.setattr(wiring, "Cache", functools.partial(Cache, clock=lambda: moment[0]))
    kept = []
    async with open_stack(DEADLINE_SECONDS="30") as stack:
        clock = stack.double.clock
        for step in range(STEPS):
            clock.advance(STEP / 1000)
            moment[0] = clock.now() / 1000
            await drawn(stack.url)
            stack.double.transcript.clear()
            scan, top = await asyncio.gather(
                stack.ask("/volume_scan", threshold_pct=0),
                stack.ask("/top_symbols", limit=100, market="perp"),
            )
            for answer in (scan.json()["data"], top.json()["data"]):
                assert not answer["missing"]
                assert not answer["stale"]
                assert answer["time"] == clock.now()
            assert scan.json()["data"]["scanned"] == SCANNED
            calls = stack.calls()
            once = [path for path in calls if not path.endswith("klines")]
            # the list once for both questions; what is listed is read anew by the hour
            assert once.count("/futures/fapi/v1/ticker/24hr") == 1, f"step {step}: {once}"
            assert len(once) <= 2
            assert len(calls) - len(once) == SCANNED
            kept.append(stack.api.cache.kept())
    # what was of use three hours ago is not kept
    assert max(kept) <= SCANNED + 10, kept
