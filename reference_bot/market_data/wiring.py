"""Puts the service together from its settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx

from reference_bot.market_data.app import Api
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.http import VenueClient, make_pool
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.service import MarketService
from reference_bot.market_data.settings import Settings
from reference_bot.market_data.slim import give_back_memory
from reference_bot.market_data.venues import binance
from reference_bot.market_data.venues.base import Venue

__all__ = ["open_api"]


@asynccontextmanager
async def open_api(settings: Settings, metrics: Metrics) -> AsyncIterator[Api]:
    """Open pool, cache and venues; the directories are read ahead while requests are taken
    already.
    """
    urls = (settings.binance_spot_url, settings.binance_futures_url)
    cache = Cache()
    async with make_pool(verify=any(url.startswith("https") for url in urls)) as pool:
        venues = [_venue(name, settings, pool, cache, metrics) for name in settings.exchanges]
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
    name: str, settings: Settings, pool: httpx.AsyncClient, cache: Cache, metrics: Metrics
) -> Venue:
    def client(url: str) -> VenueClient:
        return VenueClient(
            name, url, pool, settings.deadline_seconds, metrics, explain=binance.explain
        )

    return binance.Binance(
        client(settings.binance_spot_url), client(settings.binance_futures_url), cache
    )
