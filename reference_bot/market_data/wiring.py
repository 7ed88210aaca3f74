"""Puts the service together from its settings."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import httpx

from reference_bot.market_data.account import Account, Keys
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.facade import Api
from reference_bot.market_data.http import Explain, VenueClient, make_pool, nothing_special
from reference_bot.market_data.limits import Host, Pace, PaceRule, TellsLimit, no_limit_told
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.service import MarketService
from reference_bot.market_data.settings import Settings
from reference_bot.market_data.shared import Store
from reference_bot.market_data.venues.base import Venue
from reference_bot.market_data.venues.binance import explain


@asynccontextmanager
async def open_api(
    settings: Settings, metrics: Metrics, *, when_warm: Callable[[], None] | None = None
) -> AsyncIterator[Api]:
    """Open pool, cache and venues; the directories are read ahead while requests are taken
    already, and ``when_warm`` is called after that.
    """
    urls = {n: url for n, url in settings if n.endswith("_url") and isinstance(url, str)}
    called = [url for n, url in urls.items() if settings.binance_testnet or "testnet" not in n]
    cache = Cache(store=_store(settings, list(urls.values()), metrics))
    async with make_pool(verify=any(url.startswith("https") for url in called)) as pool:
        make = functools.partial(_venue, settings=settings, pool=pool, cache=cache, metrics=metrics)
        venues = [make(name) for name in settings.exchanges]
        service = MarketService(venues, cache, metrics, deadline=settings.deadline_seconds)
        warming = asyncio.create_task(_warm(service, when_warm))
        try:
            yield Api(service, _account(settings, pool, metrics), cache, metrics)
        finally:
            warming.cancel()
            with suppress(asyncio.CancelledError):
                await warming
            await cache.close()


def _store(settings: Settings, urls: Sequence[str], metrics: Metrics) -> Store | None:
    """Return what replicas share, where that is set. Only then is Redis' library imported."""
    if settings.redis_url is None:
        return None
    from reference_bot.market_data.redis_store import RedisStore  # noqa: PLC0415 - see above

    url = settings.redis_url.get_secret_value()
    return RedisStore(url, realm=urls, metrics=metrics, clock=time.monotonic)


async def _warm(service: MarketService, when_warm: Callable[[], None] | None) -> None:
    await service.warm()
    if when_warm is not None:
        when_warm()


def _account(settings: Settings, pool: httpx.AsyncClient, metrics: Metrics) -> Account:
    """Return the account, on clients of its own: its refusals say nothing about market data."""
    spot, futures = settings.binance_spot_url, settings.binance_futures_url
    if settings.binance_testnet:
        spot, futures = settings.binance_testnet_spot_url, settings.binance_testnet_futures_url
    key, secret = settings.binance_api_key, settings.binance_api_secret

    def client(url: str) -> VenueClient:
        return VenueClient("binance", url, pool, settings.deadline_seconds, metrics, explain)

    return Account(
        client(spot),
        client(futures),
        Keys(key.get_secret_value(), secret.get_secret_value()) if key and secret else None,
        testnet=settings.binance_testnet,
        deadline=settings.deadline_seconds,
    )


def _venue(  # noqa: PLR0911 - one return a venue
    name: str, *, settings: Settings, pool: httpx.AsyncClient, cache: Cache, metrics: Metrics
) -> Venue:
    """Return a venue. Its module is imported here, so that only those in use are."""

    def client(
        url: str,
        explain: Explain = nothing_special,
        tells: TellsLimit = no_limit_told,
        rates: Sequence[PaceRule] = (),
        api: str = "",
    ) -> VenueClient:
        return VenueClient(
            name,
            url,
            pool,
            settings.deadline_seconds,
            metrics,
            explain,
            host=Host(Pace(rates)),
            tells_limit=tells,
            api=api,
        )

    match name:
        case "binance":
            from reference_bot.market_data.venues import binance  # noqa: PLC0415 - see above

            explain, few = binance.explain, binance.tells_weight(2400)
            many = binance.tells_weight(6000)
            spot = client(settings.binance_spot_url, explain, many, api="spot")
            futures = client(
                settings.binance_futures_url, explain, few, binance.RATES, api="futures"
            )
            coin = client(
                settings.binance_coin_futures_url, explain, few, binance.RATES, api="coin"
            )
            return binance.Binance(spot, futures, coin, cache)
        case "bybit":
            from reference_bot.market_data.venues import bybit  # noqa: PLC0415 - see above

            tells = bybit.tells_limit
            return bybit.Bybit(client(settings.bybit_url, bybit.explain, tells, bybit.RATES), cache)
        case "okx":
            from reference_bot.market_data.venues import okx  # noqa: PLC0415 - see above

            return okx.Okx(client(settings.okx_url, okx.explain, rates=okx.RATES), cache)
        case "gate":
            from reference_bot.market_data.venues import gate  # noqa: PLC0415 - see above

            tells = gate.tells_limit
            return gate.Gate(client(settings.gate_url, gate.explain, tells, gate.RATES), cache)
        case "bitget":
            from reference_bot.market_data.venues import bitget  # noqa: PLC0415 - see above

            explain = bitget.explain
            tells = bitget.tells_limit
            return bitget.Bitget(client(settings.bitget_url, explain, tells, bitget.RATES), cache)
        case "hyperliquid":
            from reference_bot.market_data.venues import hyperliquid  # noqa: PLC0415 - see above

            url, rates = settings.hyperliquid_url, hyperliquid.RATES
            return hyperliquid.Hyperliquid(client(url, rates=rates), cache)
        case "yahoo":
            from reference_bot.market_data.venues import yahoo  # noqa: PLC0415 - see above

            chart = client(settings.yahoo_url, yahoo.explain)
            chart = replace(chart, headers={"User-Agent": settings.yahoo_user_agent})
            return yahoo.Yahoo(chart, cache)
    raise ValueError(f"no venue {name!r}")
