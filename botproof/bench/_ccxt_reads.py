"""The obvious alternative to market-data: ccxt's asynchronous client doing the same reads.

``python _ccxt_reads.py DOUBLE_URL``, in an environment that has ccxt; nothing of this project is
imported. A line of JSON says that the markets are loaded. Then each line ``{"symbol", "askers"}``
on stdin is answered by one on stdout: the parts of the answer, once all askers have theirs. Ticker
and candles of spot and perpetual, open interest with its history, funding with its interval, and
the accounts that are long and short.

ccxt's candles have no taker volumes: what it reads is less than what market-data answers with. Its
own rate limiter is off, as market-data has none.
"""

import asyncio
import json
import sys
from typing import Any
from urllib.parse import urlsplit

import ccxt.async_support as ccxt

_CANDLES = 100
_INTEREST_POINTS = 292


def _pointed_at(value: Any, base: str) -> Any:
    """ccxt's table of URLs with every host replaced by the double."""
    if isinstance(value, dict):
        return {key: _pointed_at(inner, base) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    parts = urlsplit(value.replace("{hostname}", "venue.example"))
    side = "futures" if parts.netloc.startswith("fapi") else "spot"
    return f"{base}/binance/{side}{parts.path}"


def _client(base: str) -> Any:
    client = ccxt.binance({"timeout": 20_000, "enableRateLimit": False})
    client.urls["api"] = _pointed_at(client.urls["api"], base)
    client.options.update({"fetchMarkets": {"types": ["spot", "linear"]}, "fetchCurrencies": False})
    client.has["fetchCurrencies"] = False
    return client


async def _read(client: Any, coin: str) -> int:
    """Read what a combined price is made of; how many parts came."""
    spot, perp = f"{coin}/USDT", f"{coin}/USDT:USDT"
    parts = await asyncio.gather(
        client.fetch_ticker(spot),
        client.fetch_ohlcv(spot, "15m", limit=_CANDLES),
        client.fetch_ticker(perp),
        client.fetch_ohlcv(perp, "15m", limit=_CANDLES),
        client.fetch_open_interest(perp),
        client.fetch_open_interest_history(perp, "5m", limit=_INTEREST_POINTS),
        client.fetch_funding_rate(perp),
        client.fetch_funding_rate_history(perp, limit=2),  # how long the interval is
        client.fetch_long_short_ratio_history(perp, "5m", limit=1),
    )
    return sum(bool(part) for part in parts)


async def _main(base: str) -> None:
    client = _client(base)
    try:
        await client.load_markets()
        await client.fetch_funding_intervals()
        print(json.dumps({"ready": True}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            query = json.loads(line)
            askers = [_read(client, query["symbol"]) for _ in range(query["askers"])]
            print(json.dumps({"parts": min(await asyncio.gather(*askers))}), flush=True)
    finally:
        await client.close()


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
