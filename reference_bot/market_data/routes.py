"""The questions that can be asked over HTTP, as a table: path, request, answer, who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from pydantic import BaseModel

from reference_bot.account_api import Balance, Pnl, Positions
from reference_bot.api import (
    Analysis,
    Block,
    CombinedPrice,
    Cvd,
    ForexPairs,
    MultiInterest,
    PerpBlock,
    TopSymbols,
    VolumeScan,
    VolumeSpike,
)
from reference_bot.market_data import requests as asks
from reference_bot.market_data.service import Answer

if TYPE_CHECKING:
    from reference_bot.market_data.facade import Api


@dataclass(frozen=True, slots=True)
class Route:
    """One POST endpoint. ``answers`` are the structs that its data may be.

    ``stale_if_error``: its last good answer is given when no venue can be asked.
    """

    path: str
    tag: str
    summary: str
    request: type[BaseModel]
    answers: tuple[type[Struct], ...]
    ask: Callable[[Api, Any], Awaitable[Answer[Any]]]
    statuses: tuple[int, ...] = (404, 422, 502, 503, 504)
    stale_if_error: bool = True


ROUTES: tuple[Route, ...] = (
    Route(
        "/combined_price",
        "prices",
        "Spot and perpetual of a pair, with what takers did, open interest and funding.",
        asks.CombinedPriceRequest,
        (CombinedPrice,),
        lambda api, query: api.service.combined_price(query.symbol, query.exchange),
    ),
    Route(
        "/price",
        "prices",
        "One market of a pair.",
        asks.PriceRequest,
        (PerpBlock, Block),
        lambda api, query: api.service.price(query.symbol, query.market, query.exchange),
    ),
    Route(
        "/top_symbols",
        "rankings",
        "What is traded most, by turnover of 24 h.",
        asks.TopSymbolsRequest,
        (TopSymbols,),
        lambda api, query: api.rankings.top_symbols(query.market, query.limit, query.exchange),
        (422, 502, 503, 504),
    ),
    Route(
        "/volume_spike",
        "volume",
        "The last closed candle's volume against the 96 before it.",
        asks.VolumeSpikeRequest,
        (VolumeSpike,),
        lambda api, query: api.analytics.volume_spike(
            query.symbol, query.timeframe, query.market, query.exchange
        ),
    ),
    Route(
        "/cvd",
        "volume",
        "Cumulative volume delta: what takers bought less what they sold.",
        asks.CvdRequest,
        (Cvd,),
        lambda api, query: api.analytics.cvd(
            query.symbol, query.timeframe, query.market, query.exchange
        ),
    ),
    Route(
        "/volume_scan",
        "volume",
        "Spikes among the 60 symbols that are traded most.",
        asks.VolumeScanRequest,
        (VolumeScan,),
        lambda api, query: api.rankings.volume_scan(
            query.threshold_pct, query.timeframe, query.market, query.limit, query.exchange
        ),
        (422, 502, 503, 504),
    ),
    Route(
        "/comprehensive_analysis",
        "analysis",
        "Price, indicators, volume, positions, and what they add up to.",
        asks.AnalysisRequest,
        (Analysis,),
        lambda api, query: api.analytics.analysis(query.symbol, query.timeframe, query.exchange),
    ),
    Route(
        "/multi_oi",
        "analysis",
        "Open interest of one coin on every venue, and its sum.",
        asks.MultiOiRequest,
        (MultiInterest,),
        lambda api, query: api.analytics.multi_oi(query.symbol),
    ),
    Route(
        "/forex_pairs",
        "rankings",
        "The currency pairs and metals that can be asked for.",
        asks.ForexPairsRequest,
        (ForexPairs,),
        lambda api, _: api.service.forex_pairs(),
        (422,),
    ),
    Route(
        "/balance",
        "account",
        "What the account holds: spot and futures.",
        asks.AccountRequest,
        (Balance,),
        lambda api, _: api.account.balance(),
        (403, 422, 502, 503, 504),
        stale_if_error=False,  # what one holds now, or nothing
    ),
    Route(
        "/positions",
        "account",
        "The account's open positions.",
        asks.AccountRequest,
        (Positions,),
        lambda api, _: api.account.positions(),
        (403, 422, 502, 503, 504),
        stale_if_error=False,  # what one holds now, or nothing
    ),
    Route(
        "/pnl",
        "account",
        "What the account gained and paid: realised, funding, commission.",
        asks.PnlRequest,
        (Pnl,),
        lambda api, query: api.account.pnl(query.days),
        (403, 422, 502, 503, 504),
        stale_if_error=False,  # what one holds now, or nothing
    ),
)
