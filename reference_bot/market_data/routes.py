"""The questions that can be asked over HTTP, as a table: path, request, answer, who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from reference_bot.market_data import requests as asks
from reference_bot.market_data.service import Answer

if TYPE_CHECKING:
    from reference_bot.market_data.facade import Api

__all__ = ["ROUTES", "Route"]


@dataclass(frozen=True, slots=True)
class Route:
    """One POST endpoint. ``answers`` are the names of the structs that its data may be.

    ``stale_if_error``: its last good answer is given when no venue can be asked.
    """

    path: str
    tag: str
    summary: str
    request: type[BaseModel]
    answers: tuple[str, ...]
    ask: Callable[[Api, Any], Awaitable[Answer[Any]]]
    statuses: tuple[int, ...] = (404, 422, 502, 504)
    stale_if_error: bool = True


def _price(api: Api, query: asks.PriceRequest) -> Awaitable[Answer[Any]]:
    return api.service.price(query.symbol, query.market, query.exchange)


def _combined(api: Api, query: asks.CombinedPriceRequest) -> Awaitable[Answer[Any]]:
    return api.service.combined_price(query.symbol, query.exchange)


def _top(api: Api, query: asks.TopSymbolsRequest) -> Awaitable[Answer[Any]]:
    return api.rankings.top_symbols(query.market, query.limit, query.exchange)


def _spike(api: Api, query: asks.VolumeSpikeRequest) -> Awaitable[Answer[Any]]:
    return api.analytics.volume_spike(query.symbol, query.timeframe, query.market, query.exchange)


def _cvd(api: Api, query: asks.CvdRequest) -> Awaitable[Answer[Any]]:
    return api.analytics.cvd(query.symbol, query.timeframe, query.market, query.exchange)


def _scan(api: Api, query: asks.VolumeScanRequest) -> Awaitable[Answer[Any]]:
    return api.rankings.volume_scan(
        query.threshold_pct, query.timeframe, query.market, query.limit, query.exchange
    )


def _analysis(api: Api, query: asks.AnalysisRequest) -> Awaitable[Answer[Any]]:
    return api.analytics.analysis(query.symbol, query.timeframe, query.exchange)


def _multi_oi(api: Api, query: asks.MultiOiRequest) -> Awaitable[Answer[Any]]:
    return api.analytics.multi_oi(query.symbol)


def _forex_pairs(api: Api, _: asks.ForexPairsRequest) -> Awaitable[Answer[Any]]:
    return api.service.forex_pairs()


def _balance(api: Api, _: asks.AccountRequest) -> Awaitable[Answer[Any]]:
    return api.account.balance()


def _positions(api: Api, _: asks.AccountRequest) -> Awaitable[Answer[Any]]:
    return api.account.positions()


def _pnl(api: Api, query: asks.PnlRequest) -> Awaitable[Answer[Any]]:
    return api.account.pnl(query.days)


ROUTES: tuple[Route, ...] = (
    Route(
        "/combined_price",
        "prices",
        "Spot and perpetual of a pair, with what takers did, open interest and funding.",
        asks.CombinedPriceRequest,
        ("CombinedPrice",),
        _combined,
    ),
    Route(
        "/price",
        "prices",
        "One market of a pair.",
        asks.PriceRequest,
        ("PerpBlock", "Block"),
        _price,
    ),
    Route(
        "/top_symbols",
        "rankings",
        "What is traded most, by turnover of 24 h.",
        asks.TopSymbolsRequest,
        ("TopSymbols",),
        _top,
        (422, 502, 504),
    ),
    Route(
        "/volume_spike",
        "volume",
        "The last closed candle's volume against the 96 before it.",
        asks.VolumeSpikeRequest,
        ("VolumeSpike",),
        _spike,
    ),
    Route(
        "/cvd",
        "volume",
        "Cumulative volume delta: what takers bought less what they sold.",
        asks.CvdRequest,
        ("Cvd",),
        _cvd,
    ),
    Route(
        "/volume_scan",
        "volume",
        "Spikes among the 60 symbols that are traded most.",
        asks.VolumeScanRequest,
        ("VolumeScan",),
        _scan,
        (422, 502, 504),
    ),
    Route(
        "/comprehensive_analysis",
        "analysis",
        "Price, indicators, volume, positions, and what they add up to.",
        asks.AnalysisRequest,
        ("Analysis",),
        _analysis,
    ),
    Route(
        "/multi_oi",
        "analysis",
        "Open interest of one coin on every venue, and its sum.",
        asks.MultiOiRequest,
        ("MultiInterest",),
        _multi_oi,
    ),
    Route(
        "/forex_pairs",
        "rankings",
        "The currency pairs and metals that can be asked for.",
        asks.ForexPairsRequest,
        ("ForexPairs",),
        _forex_pairs,
        (422,),
    ),
    Route(
        "/balance",
        "account",
        "What the account holds: spot and futures.",
        asks.AccountRequest,
        ("Balance",),
        _balance,
        (403, 422, 502, 503, 504),
        stale_if_error=False,  # what one holds now, or nothing
    ),
    Route(
        "/positions",
        "account",
        "The account's open positions.",
        asks.AccountRequest,
        ("Positions",),
        _positions,
        (403, 422, 502, 503, 504),
        stale_if_error=False,  # what one holds now, or nothing
    ),
    Route(
        "/pnl",
        "account",
        "What the account gained and paid: realised, funding, commission.",
        asks.PnlRequest,
        ("Pnl",),
        _pnl,
        (403, 422, 502, 503, 504),
        stale_if_error=False,  # what one holds now, or nothing
    ),
)
