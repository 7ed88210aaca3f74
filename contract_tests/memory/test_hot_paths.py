"""What one request may allocate at its highest, on the two paths that every /price takes.

Run with `pytest --memray --trace-python-allocators` in a process of its own, as `nox -s tests` and
`nox -s memory` do: each object is counted, and not the arenas of 1 MiB in which Python keeps the
small ones, of which it takes a new one whenever the last is full.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import respx

from reference_bot.api import CombinedPrice
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.http import VenueClient, make_pool
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import Instrument
from reference_bot.market_data.venues.binance import Binance, explain
from reference_bot.telegram_bot.render.price import render_price

ROOT = Path(__file__).parents[2]
SPOT = "https://api.binance.com"
BTC = Instrument("binance", "spot", Pair("BTC", "USDT"), "BTCUSDT")
DATE = {"Date": "Sat, 22 Nov 2025 02:53:18 GMT", "Content-Type": "application/json"}


@pytest.fixture(autouse=True)
def in_a_process_of_its_own(request: pytest.FixtureRequest) -> None:
    options = ("--memray", "--trace-python-allocators")
    if not all(request.config.getoption(option) for option in options):
        pytest.skip(f"not applicable: measured in a process of its own, with {' '.join(options)}")


@pytest.fixture
def combined() -> bytes:
    """A whole answer of market-data, rendered once before anything is measured."""
    examples = json.loads((ROOT / "reference_bot/market_data/examples.json").read_text())
    answer = json.dumps(examples["/combined_price"]).encode()
    render(answer)
    return answer


def render(answer: bytes) -> str:
    return render_price(msgspec.json.decode(answer, type=CombinedPrice))


@pytest.mark.limit_memory("56 KB")
def test_a_reply_is_rendered_in_little(combined: bytes) -> None:
    """Measured 40 kB, for two kilobytes of text and the answer that it is made of."""
    for _ in range(50):
        assert "BTC/USDT" in render(combined)


@pytest.fixture
async def binance() -> AsyncIterator[Binance]:
    """The adapter over a transport that answers klines, asked once before it is measured."""
    payload = (ROOT / "fixtures" / "venues" / "binance" / "spot_klines_15m.json").read_bytes()
    with respx.mock:
        answer = httpx.Response(200, content=payload, headers=DATE)
        respx.get(f"{SPOT}/api/v3/klines").mock(return_value=answer)
        async with make_pool(verify=False) as pool:
            client = VenueClient("binance", SPOT, pool, 1.0, Metrics(), explain)
            adapter = Binance(client, client, client, Cache())
            await adapter.candles(BTC, minutes=15, count=97)
            yield adapter


@pytest.mark.anyio
@pytest.mark.limit_memory("160 KB")
async def test_candles_are_read_in_little(binance: Binance, anyio_backend: Any) -> None:  # noqa: ARG001 - says which loop
    """Measured 114 kB, for five short answers: most of it is the HTTP client's."""
    for _ in range(5):
        assert (await binance.candles(BTC, minutes=15, count=97)).closed
