"""What goes wrong with exchanges in bad times: in words, and as the exchange double takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SHARE = {"probability": 0.5}
_PRICES = "lastPrice,last,last_price,lastPr,price,markPrice,markPx,mark_price,indexPrice,close,c"
_VOLUMES = (
    "volume,quoteVolume,vol24h,volCcy24h,volume24h,turnover24h,baseVolume,usdtVolume,base_volume,"
    "quote_volume,volume_24h_quote,dayNtlVlm"
)
WRONG: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "half of all figures are NaN": ({"kind": "nan", "field": "*"},),
    "half of all answers are empty": ({"kind": "empty"},),
    "half of all answers lack the price": ({"kind": "missing_field", "field": _PRICES},),
    "half of all answers lack the volumes": ({"kind": "missing_field", "field": _VOLUMES},),
    "half of all volumes are negative": ({"kind": "negative"},),
    "half of all answers are an HTML page": ({"kind": "html"},),
    "half of all answers are cut off": ({"kind": "truncated"},),
    "half of all connections break in the body": ({"kind": "half_body"},),
    "half of all answers are HTTP 500": ({"kind": "error", "status": 500},),
    "half of all answers are HTTP 503": ({"kind": "error", "status": 503},),
    "half of all answers are HTTP 451": ({"kind": "error", "status": 451},),
    "half of all answers are HTTP 429 with Retry-After": (
        {"kind": "error", "status": 429, "retry_after": 1},
    ),
    "half of all answers are HTTP 418": ({"kind": "error", "status": 418, "retry_after": 1},),
    "half of all connections are reset": ({"kind": "reset"},),
    "half of all calls are never answered": ({"kind": "silent"},),
}
"""How answers go wrong one by one."""
LIMITED: Mapping[str, Mapping[str, Any]] = {
    "every exchange answers HTTP 429 with Retry-After: 1": {"status": 429, "retry_after": 1},
    "every exchange bans with HTTP 418 for a second": {"status": 418, "retry_after": 1},
}
FIRST_GONE = "{venue} answers with a page, or never"
PAGE_OR_NOTHING = ({"kind": "html", **SHARE}, {"kind": "silent"})
"""Two ways at once, for there is time for one question: what is not JSON ends more than its call
where nobody catches that, and what never comes is waited for."""
ONE_GONE: Mapping[str, Mapping[str, Any]] = {
    "{venue} never answers": {"kind": "silent"},
    "{venue} answers HTTP 503": {"kind": "error", "status": 503},
    "{venue} resets connections": {"kind": "reset"},
}
GONE: Mapping[str, Mapping[str, Any]] = {
    "no exchange answers (silence)": {"kind": "silent"},
    "no exchange answers (connections are reset)": {"kind": "reset"},
}
