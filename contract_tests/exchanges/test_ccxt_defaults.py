"""Stock ccxt, with no option set: what it asks of a venue before anything else is served.

ccxt pins its dependencies to exact versions that differ from this project's, so it lives in an
environment of its own; where it is not installed these tests are skipped.
"""

from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest

ccxt = pytest.importorskip("ccxt", reason="needs ccxt, in an environment of its own")

pytestmark = pytest.mark.anyio

VENUES = ("binance", "bybit", "okx", "gate", "bitget", "hyperliquid")
SIDES = {"fapi": "/futures", "dapi": "/coin"}


def pointed_at(value: Any, base: str, venue: str) -> Any:
    """Return ccxt's table of URLs with every host replaced by the double, and nothing else."""
    if isinstance(value, dict):
        return {key: pointed_at(inner, base, venue) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    parts = urlsplit(value.replace("{hostname}", "venue.example"))
    side = SIDES.get(parts.netloc.partition(".")[0], "/spot") if venue == "binance" else ""
    return f"{base}/{venue}{side}{parts.path}"


def read(url: str, venue: str) -> dict[str, Any]:
    client = getattr(ccxt, venue)({"timeout": 20_000})
    client.urls["api"] = pointed_at(client.urls["api"], url, venue)
    try:
        client.load_markets()
        quote = "USDC" if venue == "hyperliquid" else "USDT"
        symbols = (f"BTC/{quote}", f"BTC/{quote}:{quote}")
        return {symbol: client.fetch_ticker(symbol)["last"] for symbol in symbols}
    finally:
        client.session.close()


@pytest.mark.parametrize("venue", VENUES)
async def test_ccxt_loads_every_market_and_prices_with_its_default_options(exchanges, venue):
    prices = await anyio.to_thread.run_sync(read, exchanges.url, venue)
    assert all(90_000 < price < 100_000 for price in prices.values()), prices
    assert [event["unserved"] for event in exchanges.double.events if event["unserved"]] == []


def old_candles(url: str, since: int) -> Any:
    client = ccxt.okx({"timeout": 20_000})
    client.urls["api"] = pointed_at(client.urls["api"], url, "okx")
    try:
        return client.fetch_ohlcv("BTC/USDT", "1m", since=since, limit=5)
    finally:
        client.session.close()


async def test_ccxt_reads_old_candles_of_okx_from_the_time_on_that_it_asks_for(exchanges, now):
    since = (now // 60_000 - 2_000) * 60_000
    rows = await anyio.to_thread.run_sync(old_candles, exchanges.url, since)
    assert [row[0] for row in rows] == [since + n * 60_000 for n in range(5)]
    paths = {event["path"] for event in exchanges.double.events}
    assert "/api/v5/market/history-candles" in paths
