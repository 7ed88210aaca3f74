"""What real venues said instead of an answer, through the adapters: bodies as they were recorded or
documented, and what each has to mean (fixtures/venues/recorded/refusals.json).
"""

from pathlib import Path

import httpx
import msgspec
import pytest

from reference_bot.api import NOT_THERE
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import VenueClient, nothing_special
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues import binance, bitget, bybit, gate, hyperliquid, okx
from reference_bot.market_data.venues.base import Instrument

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parents[2] / "fixtures" / "venues" / "recorded"
MODULES = {
    module.__name__.rsplit(".", 1)[1]: module
    for module in (binance, bybit, okx, gate, bitget, hyperliquid)
}


def refused_by(name: str, status: int, body: bytes):
    """An adapter whose venue gives one answer, whatever it is asked; and its client."""
    module = MODULES[name]
    pool = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _request: httpx.Response(status, content=body))
    )
    explain = getattr(module, "explain", nothing_special)
    client = VenueClient(name, "https://v.test", pool, 1.0, Metrics(), explain)
    if name == "binance":
        return module.Binance(client, client, client, Cache()), client
    return getattr(module, name.capitalize())(client, Cache()), client


REFUSALS = msgspec.json.decode((RECORDED / "refusals.json").read_bytes())


@pytest.mark.parametrize("told", REFUSALS, ids=lambda told: f"{told['venue']}-{told['body'][:40]}")
async def test_a_refusal_means_what_the_venue_says_by_it(told):
    name = told["venue"]
    adapter, client = refused_by(name, told["status"], told["body"].encode())
    with pytest.raises(VenueError) as caught:
        await adapter.ticker(Instrument(name, "perp", Pair("NOPE", "USDT"), "NOPEUSDT"))
    assert caught.value.reason == told["means"]
    of_the_symbol = told["means"] in NOT_THERE  # which says nothing about the venue's health
    assert client.breaker.failures == (0 if of_the_symbol else 1)


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("binance", b'{"code":-1121,"msg":"Invalid symbol."}', "not_listed"),
        ("gate", b'{"label":"CONTRACT_NOT_FOUND"}', "not_listed"),
        ("gate", b'{"label":"TOO_MANY_REQUESTS","message":""}', "rate_limited"),
    ],
)
async def test_a_refusal_with_status_200_is_one_all_the_same(name, body, reason):
    """What stands between a venue and its users may lose the status, not the body."""
    adapter, _client = refused_by(name, 200, body)
    with pytest.raises(VenueError) as caught:
        await adapter.ticker(Instrument(name, "perp", Pair("NOPE", "USDT"), "NOPEUSDT"))
    assert caught.value.reason == reason
