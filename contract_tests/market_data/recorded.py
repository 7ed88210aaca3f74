"""Adapters whose venue tells what was recorded, by path and at one moment."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from types import ModuleType
from typing import Any

import httpx

from reference_bot.market_data.cache import Cache
from reference_bot.market_data.http import VenueClient, nothing_special
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues import binance
from reference_bot.market_data.venues.base import Instrument

__all__ = ["BTC", "INVERSE", "adapter", "inverse", "perp"]

BTC, INVERSE = Pair("BTC", "USDT"), Pair("BTC", "USD")


def adapter(module: ModuleType, answers: Mapping[str, bytes], at: int, status: int = 200) -> Any:
    """An adapter whose venue answers by path, at one moment (epoch ms); anything else is a 404."""
    date = format_datetime(datetime.fromtimestamp(at / 1000, UTC), usegmt=True)

    def answer(request: httpx.Request) -> httpx.Response:
        told = answers.get(request.url.path)
        found = 404 if told is None else status
        return httpx.Response(found, content=told or b"{}", headers={"Date": date})

    name = module.__name__.rsplit(".", 1)[1]
    pool = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    explain = getattr(module, "explain", nothing_special)
    client = VenueClient(name, "https://v.test", pool, 1.0, Metrics(), explain)
    if module is binance:
        return module.Binance(client, client, client, Cache())
    return getattr(module, name.capitalize())(client, Cache())


def perp(venue: str, symbol: str, unit: float = 1.0, **more: Any) -> Instrument:
    return Instrument(venue, "perp", BTC, symbol, unit, **more)


def inverse(venue: str, symbol: str, unit: float = 1.0, **more: Any) -> Instrument:
    return Instrument(venue, "inverse", INVERSE, symbol, unit, **more)
