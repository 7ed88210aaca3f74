"""Hyperliquid's wire format: one path, ``POST /info``, with the question in the body.

Perpetuals are margined in USDC; funding is paid every hour; SHIB, PEPE and BONK are traded in
thousands as kSHIB, kPEPE and kBONK. Spot pairs other than the first are known as ``@index``; on
spot BTC is UBTC.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from botproof.doubles.exchanges.coins import BY_THE_THOUSAND, Kind, Tick
from botproof.doubles.exchanges.kit import Ask, Listing, list_coins
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import HOUR, INTERVALS
from botproof.doubles.exchanges.wire import Call, Refusal, decimal_text
from botproof.doubles.messages import Response, json_response

WEIGHT: Final = 1

_SPOT = ("PAXG", "BTC", "ETH", "SOL")
_UNIT: Final = {
    "BTC": ("UBTC", "Unit Bitcoin", "0x8f254b963e8468305d409b33aa137c67"),
    "ETH": ("UETH", "Unit Ethereum", "0xe1edd30daaf5caac3fe63569e24748da"),
    "SOL": ("USOL", "Unit Solana", "0x49b67c39f5566535de22b29b0e51e685"),
}
"""The tokens that stand for coins of other chains: name, full name, id (Unit, token metadata)."""


def listings(market: Market, kind: Kind) -> dict[str, Listing]:
    """Return Hyperliquid's coins, by the name that its questions use."""

    def make(base: str, tick: Tick) -> Listing | None:
        if kind == "perp":
            unit = 1000 if base in BY_THE_THOUSAND else 1
            name = f"k{base}" if unit > 1 else base
            return Listing(name, base, "USDC", kind, WEIGHT, tick, unit)
        if base not in _SPOT:
            return None
        index = _SPOT.index(base)
        name = f"{base}/USDC" if index == 0 else f"@{index}"
        return Listing(name, base, "USDC", kind, WEIGHT, tick)

    return list_coins(market, "hyperliquid", kind, make)


_UNPROCESSABLE = Refusal(422, "Failed to deserialize the JSON body into the target type")


def _perps(ask: Ask) -> list[Listing]:
    return list(ask.open(listings(ask.market, "perp")).values())


def _spots(ask: Ask) -> list[Listing]:
    found = ask.open(listings(ask.market, "spot"))
    return sorted(found.values(), key=lambda one: _SPOT.index(one.base))


def _meta(ask: Ask) -> dict[str, Any]:
    universe = [
        {
            "name": one.symbol,
            "szDecimals": max(0, one.tick.lot + (3 if one.unit > 1 else 0)),
            "maxLeverage": 40,
            "marginTableId": 56,
        }
        for one in _perps(ask)
    ]
    return {"universe": [*universe, _DELISTED], "marginTables": [], "collateralToken": 0}


_DELISTED = {
    "szDecimals": 1,
    "name": "MATIC",
    "maxLeverage": 20,
    "marginTableId": 20,
    "isDelisted": True,
}
"""What was delisted stays in the list, with a context of nothing (recorded)."""
_OF_DELISTED = {
    "funding": "0.0",
    "openInterest": "0.0",
    "prevDayPx": "0.37621",
    "dayNtlVlm": "0.0",
    "premium": None,
    "oraclePx": "0.3754",
    "markPx": "0.37621",
    "midPx": None,
    "impactPxs": None,
    "dayBaseVlm": "0.0",
}


def _meta_and_contexts(ask: Ask, _: dict[str, Any]) -> Any:
    return [_meta(ask), [*(_context(ask, one) for one in _perps(ask)), _OF_DELISTED]]


def _prices(ask: Ask, one: Listing) -> dict[str, Any]:
    day = ask.day(one)
    return {
        "dayNtlVlm": one.turnover(day.turnover),
        "dayBaseVlm": one.quantity(day.lots),
        "prevDayPx": one.price(day.open),
        "midPx": one.price(day.close),
    }


def _context(ask: Ask, one: Listing) -> dict[str, Any]:
    rate, _ = ask.funding(one, 1)
    mark = ask.mark(one) * one.unit
    return _prices(ask, one) | {
        "funding": rate,
        "openInterest": one.quantity(ask.interest(one)),
        "premium": "0.0001",
        "oraclePx": f"{ask.market.index_price(one.base, ask.now) * one.unit:.10f}",
        "markPx": f"{mark:.10f}",
        "impactPxs": [f"{mark:.10f}", f"{mark:.10f}"],
    }


def _spot_meta(ask: Ask) -> dict[str, Any]:
    tokens = [_token("USDC", 0, 8)] + [
        _token(one.base, number, one.tick.lot) for number, one in enumerate(_spots(ask), 1)
    ]
    universe = [
        {
            "tokens": [number, 0],
            "name": one.symbol,
            "index": number - 1,
            "isCanonical": number == 1,
        }
        for number, one in enumerate(_spots(ask), 1)
    ]
    return {"universe": universe, "tokens": tokens}


def _token(base: str, index: int, decimals: int) -> dict[str, Any]:
    name, full_name, token_id = _UNIT.get(base, (base, None, f"0x{index:032x}"))
    return {
        "name": name,
        "szDecimals": max(0, decimals),
        "weiDecimals": 8,
        "index": index,
        "tokenId": token_id,
        "isCanonical": index == 0,
        "evmContract": None,
        "fullName": full_name,
        "deployerTradingFeeShare": "0.0",
    }


def _spot_meta_and_contexts(ask: Ask, _: dict[str, Any]) -> Any:
    contexts = [
        _prices(ask, one)
        | {
            "markPx": one.price(ask.day(one).close),
            "coin": one.symbol,
            "circulatingSupply": "1000000.0",
            "totalSupply": "1000000.0",
        }
        for one in _spots(ask)
    ]
    return [_spot_meta(ask), contexts]


def _candles(ask: Ask, question: dict[str, Any]) -> Any:
    request = question.get("req", {})
    known = {one.symbol: one for one in (*_perps(ask), *_spots(ask))}
    one, interval = known.get(request.get("coin")), INTERVALS.get(request.get("interval"))
    if one is None or interval is None or not isinstance(request.get("startTime"), int):
        raise _UNPROCESSABLE
    # the candle that holds startTime counts
    start = request["startTime"] // interval * interval
    end = request.get("endTime") or ask.now
    return [
        {
            "t": candle.start,
            "T": candle.end - 1,
            "s": one.symbol,
            "i": request["interval"],
            "o": one.price(candle.open),
            "c": one.price(candle.close),
            "h": one.price(candle.high),
            "l": one.price(candle.low),
            "v": one.quantity(candle.lots),
            "n": candle.trades,
        }
        for candle in ask.candles(one, interval, limit=5000, start=start, end=end)
    ]


def _predicted(ask: Ask, _: dict[str, Any]) -> Any:
    rows = []
    for one in _perps(ask):
        rate, settles = ask.funding(one, 1)
        prediction = {
            "fundingRate": rate,
            "nextFundingTime": settles
            - HOUR,  # the last full hour, in spite of its name (recorded)
            "fundingIntervalHours": 1,
        }
        # other venues' stand beside it, null where they do not list the coin
        rows.append([one.symbol, [["BinPerp", None], ["HlPerp", prediction], ["BybitPerp", None]]])
    return rows


def _funding_history(ask: Ask, question: dict[str, Any]) -> Any:
    known = {one.symbol: one for one in _perps(ask)}
    one = known.get(question.get("coin", ""))
    if one is None or not isinstance(question.get("startTime"), int):
        raise _UNPROCESSABLE
    points = ask.points(one, HOUR, limit=500, first=question["startTime"])
    return [
        {
            "coin": one.symbol,
            "fundingRate": decimal_text(ask.market.funding_rate(one.base, at, 1), 8),
            "premium": "0.0001",
            "time": at,
        }
        for at in points
    ]


def _mids(ask: Ask, _: dict[str, Any]) -> Any:
    return {one.symbol: one.price(ask.day(one).close) for one in (*_perps(ask), *_spots(ask))}


_QUESTIONS: dict[str, Callable[[Ask, dict[str, Any]], Any]] = {
    "meta": lambda ask, _: _meta(ask),
    "metaAndAssetCtxs": _meta_and_contexts,
    "spotMeta": lambda ask, _: _spot_meta(ask),
    "spotMetaAndAssetCtxs": _spot_meta_and_contexts,
    "candleSnapshot": _candles,
    "predictedFundings": _predicted,
    "fundingHistory": _funding_history,
    "allMids": _mids,
    "perpDexs": lambda _, __: [None],
}


class Hyperliquid:
    """The venue, as the exchange double serves it."""

    name = "hyperliquid"

    def answer(self, market: Market, call: Call) -> Response:
        """Answer one question."""
        if call.path != "/info" or call.method != "POST":
            return Response(404, b"", served=False)
        try:
            return json_response(self._ask(Ask(market, call)))
        except Refusal as refusal:
            return refusal.response()

    def _ask(self, ask: Ask) -> Any:
        try:
            question = msgspec.json.decode(ask.call.body, type=dict[str, Any])
        except msgspec.MsgspecError:
            raise _UNPROCESSABLE from None
        handler = _QUESTIONS.get(str(question.get("type")))
        if handler is None:
            raise _UNPROCESSABLE.unserved()
        return handler(ask, question)

    def error(self, status: int) -> object:  # noqa: ARG002 - a venue whose errors have no body
        """Return null: Hyperliquid's errors carry no JSON."""
        return None
