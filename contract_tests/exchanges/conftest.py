"""An exchange double in this process, on a real socket, with its clock stopped."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

import httpx
import pytest

from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.server import ExchangeDouble
from botproof.doubles.server import serve

BROWSER = {"User-Agent": "Mozilla/5.0"}
NOW = 1_763_780_000_000  # 2025-11-22 02:53:20 UTC
SEED = 7


@dataclass(frozen=True, slots=True)
class Exchanges:
    """The double and a client for it."""

    double: ExchangeDouble
    url: str
    client: httpx.AsyncClient

    async def get(self, path: str, **query: str | int) -> httpx.Response:
        return await self.client.get(f"{self.url}/{path}", params=query)

    async def post(self, path: str, body: object) -> httpx.Response:
        return await self.client.post(f"{self.url}/{path}", json=body)


@pytest.fixture
def now() -> int:
    return NOW


@pytest.fixture(scope="session")
def market() -> Market:
    """One for all tests: it is pure, and remembers what it drew."""
    return Market(SEED)


@pytest.fixture
async def exchanges(market: Market) -> AsyncIterator[Exchanges]:
    double = ExchangeDouble(market, now=NOW)
    async with (
        aclosing(double),
        await serve(double.handle) as server,
        httpx.AsyncClient(trust_env=False, timeout=60, headers=BROWSER) as client,
    ):
        yield Exchanges(double, server.url, client)
