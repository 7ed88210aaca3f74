"""Puts the service together from its settings."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from reference_bot.market_data.app import Api
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.http import Explain, VenueClient, make_pool, nothing_special
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.service import MarketService
from reference_bot.market_data.settings import Settings
from reference_bot.market_data.slim import give_back_memory
from reference_bot.market_data.venues.base import Venue

__all__ = ["open_api"]


@asynccontextmanager
async def open_api(settings: Settings, metrics: Metrics) -> AsyncIterator[Api]:
    """Open pool, cache and venues; the directories are read ahead while requests are taken
    already.
    """
    urls = [value for name, value in settings if name.endswith("_url")]
    cache = Cache()
    async with make_pool(verify=any(url.startswith("https") for url in urls)) as pool:
        make = functools.partial(_venue, settings=settings, pool=pool, cache=cache, metrics=metrics)
        venues = [make(name) for name in settings.exchanges]
        service = MarketService(venues, cache, metrics, deadline=settings.deadline_seconds)
        warming = asyncio.create_task(_warm(service))
        try:
            yield Api(service, cache, metrics)
        finally:
            warming.cancel()
            with suppress(asyncio.CancelledError):
                await warming
            await cache.close()


async def _warm(service: MarketService) -> None:
    await service.warm()
    give_back_memory()


def _venue(
    name: str, *, settings: Settings, pool: httpx.AsyncClient, cache: Cache, metrics: Metrics
) -> Venue:
    """Return a venue. Its module is imported here, so that only those in use are."""

    def client(url: str, explain: Explain = nothing_special) -> VenueClient:
        return VenueClient(name, url, pool, settings.deadline_seconds, metrics, explain)

    match name:
        case "binance":
            from reference_bot.market_data.venues import binance  # noqa: PLC0415 - see above

            spot = client(settings.binance_spot_url, binance.explain)
            futures = client(settings.binance_futures_url, binance.explain)
            return binance.Binance(spot, futures, cache)
        case "bybit":
            from reference_bot.market_data.venues.bybit import Bybit  # noqa: PLC0415 - see above

            return Bybit(client(settings.bybit_url), cache)
        case "okx":
            from reference_bot.market_data.venues.okx import Okx  # noqa: PLC0415 - see above

            return Okx(client(settings.okx_url))
        case "gate":
            from reference_bot.market_data.venues import gate  # noqa: PLC0415 - see above

            return gate.Gate(client(settings.gate_url, gate.explain))
        case "bitget":
            from reference_bot.market_data.venues import bitget  # noqa: PLC0415 - see above

            return bitget.Bitget(client(settings.bitget_url, bitget.explain))
        case "hyperliquid":
            from reference_bot.market_data.venues.hyperliquid import (  # noqa: PLC0415 - see above
                Hyperliquid,
            )

            return Hyperliquid(client(settings.hyperliquid_url), cache)
    raise ValueError(f"no venue {name!r}")
