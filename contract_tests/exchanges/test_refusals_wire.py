"""How venues refuse what they document as wrong: status and code, by each one's error list."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

OKX, BITGET, GATE, BYBIT = "okx/api/v5", "bitget/api/v2", "gate/api/v4", "bybit/v5"
FAPI = "binance/futures/fapi/v1"

# OKX: error codes, 50014 and 51000 (400), 51001 (200). Bitget: error codes, 40019, 40034. Gate.io:
# label list; "limit conflicts with from and to". Bybit: 10001, where a parameter is required.
# Binance: -1102, -1120, -1121, -1130.
REFUSED = [
    (f"{OKX}/market/ticker", {}, 400, "50014"),
    (f"{OKX}/market/ticker", {"instId": "NOPE-USDT"}, 200, "51001"),
    (f"{OKX}/market/candles", {"instId": "BTC-USDT", "bar": "7m"}, 400, "51000"),
    (f"{OKX}/public/instruments", {}, 400, "50014"),
    (f"{OKX}/public/instruments", {"instType": "NOPE"}, 400, "51000"),
    (f"{OKX}/public/funding-rate", {}, 400, "50014"),
    (f"{OKX}/rubik/stat/taker-volume-contract", {"instId": "BTC-USDT-SWAP", "unit": "3"}, 400,
     "51000"),
    (f"{BITGET}/mix/market/ticker", {"productType": "USDT-FUTURES"}, 400, "40019"),
    (f"{BITGET}/mix/market/taker-buy-sell", {"period": "5m"}, 400, "40019"),
    (f"{BITGET}/spot/market/tickers", {"symbol": "NOPEUSDT"}, 400, "40034"),
    (f"{GATE}/spot/candlesticks", {"interval": "1h"}, 400, "MISSING_REQUIRED_PARAM"),
    (f"{GATE}/futures/usdt/contract_stats", {}, 400, "MISSING_REQUIRED_PARAM"),
    (f"{GATE}/spot/candlesticks", {"currency_pair": "BTC_USDT", "from": 1, "limit": 5}, 400,
     "INVALID_PARAM_VALUE"),
    (f"{GATE}/futures/usdt/candlesticks", {"contract": "BTC_USDT", "to": 1763780000, "limit": 5},
     400, "INVALID_PARAM_VALUE"),
    (f"{GATE}/futures/usdt/tickers", {"contract": "NOPE_USDT"}, 400, "CONTRACT_NOT_FOUND"),
    (f"{BYBIT}/market/tickers", {"symbol": "BTCUSDT"}, 200, 10001),
    (f"{BYBIT}/market/instruments-info", {}, 200, 10001),
    (f"{BYBIT}/market/kline", {"interval": "15"}, 200, 10001),
    (f"{FAPI}/klines", {"interval": "1h"}, 400, -1102),
    (f"{FAPI}/klines", {"symbol": "BTCUSDT", "interval": "7m"}, 400, -1120),
    (f"{FAPI}/openInterest", {"symbol": "NOPEUSDT"}, 400, -1121),
    ("binance/futures/futures/data/openInterestHist",
     {"symbol": "BTCUSDT", "period": "5m", "limit": 501}, 400, -1130),
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "query", "status", "code"), REFUSED, ids=lambda value: str(value)[-40:]
)
async def test_what_is_wrong_is_refused_as_the_venue_documents_it(
    exchanges: Any, path: str, query: dict[str, Any], status: int, code: str | int
) -> None:
    told = await exchanges.get(path, **query)
    body = told.json()
    found = body.get("code", body.get("label", body.get("retCode")))
    assert (told.status_code, found) == (status, code)


async def test_bybits_candles_alone_are_linear_where_no_category_is_sent(exchanges: Any) -> None:
    """Get Kline: "When category is not passed, use linear by default"."""
    query = {"symbol": "BTCUSDT", "interval": "15", "limit": 2}
    told = (await exchanges.get(f"{BYBIT}/market/kline", **query)).json()
    assert (told["retCode"], told["result"]["category"]) == (0, "linear")


async def test_gates_contracts_give_two_thousand_candles_of_a_time(exchanges: Any) -> None:
    """Futures: "Maximum of 2000 points are returned in one query"; spot: 1000."""
    since = {"interval": "1m", "from": 1763780000 - 3000 * 60}
    path, pair = f"{GATE}/futures/usdt/candlesticks", f"{GATE}/spot/candlesticks"
    contracts = (await exchanges.get(path, contract="BTC_USDT", **since)).json()
    spot = (await exchanges.get(pair, currency_pair="BTC_USDT", **since)).json()
    assert (len(contracts), len(spot)) == (2000, 1000)
