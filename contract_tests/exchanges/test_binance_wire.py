"""Binance's wire format, as its documentation has it."""

from decimal import Decimal

import pytest

from botproof.doubles.exchanges.binance_common import WEIGHT
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR
from botproof.doubles.exchanges.wire import decimal_text, ratio_text

pytestmark = pytest.mark.anyio

SPOT = "binance/spot/api/v3"
FUTURES = "binance/futures/fapi/v1"


@pytest.mark.parametrize(
    ("number", "places", "least", "text"),
    [
        (9500010, 2, 0, "95000.10"),
        (12, 5, 8, "0.00012000"),
        (7, -3, 0, "7000"),
        (-5, 1, 3, "-0.500"),
        (0, 2, 0, "0.00"),
    ],
)
def test_decimals_are_exact(number, places, least, text):
    assert decimal_text(number, places, least) == text


def test_ratios_round_half_away_from_zero():
    assert ratio_text(2, 3, 3) == "0.667"
    assert ratio_text(-1, 8, 2) == "-0.13"
    assert ratio_text(1, 0, 2) == "0.00"


async def test_spot_ticker_has_the_documented_fields_and_the_truth(exchanges, market, now):
    body = (await exchanges.get(f"{SPOT}/ticker/24hr", symbol="BTCUSDT")).json()
    day = market.fold("BTC", "spot", now - DAY, now)
    assert set(body) == {
        *("symbol", "priceChange", "priceChangePercent", "weightedAvgPrice", "prevClosePrice"),
        *("lastPrice", "lastQty", "bidPrice", "bidQty", "askPrice", "askQty", "openPrice"),
        *("highPrice", "lowPrice", "volume", "quoteVolume", "openTime", "closeTime"),
        *("firstId", "lastId", "count"),
    }
    assert Decimal(body["lastPrice"]) == Decimal(day.close).scaleb(-2)
    assert Decimal(body["volume"]) == Decimal(day.lots * WEIGHT).scaleb(-5)
    assert Decimal(body["quoteVolume"]) == Decimal(day.turnover * WEIGHT).scaleb(-7)
    assert body["count"] == day.trades
    average = Decimal(body["quoteVolume"]) / Decimal(body["volume"])
    assert abs(Decimal(body["weightedAvgPrice"]) - average) < Decimal("0.00000001")
    assert len(body["lastPrice"].split(".")[1]) == 8


async def test_a_window_of_the_callers_choice_is_told_from_a_whole_minute_on(
    exchanges, market, now
):
    asked = {"symbol": "BTCUSDT", "windowSize": "2h"}
    body = (await exchanges.get(f"{SPOT}/ticker", **asked)).json()
    start = (now - 2 * HOUR) // 60_000 * 60_000
    window = market.fold("BTC", "spot", start, now)
    assert (body["openTime"], body["closeTime"]) == (start, now)
    assert Decimal(body["openPrice"]) == Decimal(window.open).scaleb(-2)
    assert body["count"] == window.trades
    assert set(body) == {
        *("symbol", "priceChange", "priceChangePercent", "weightedAvgPrice", "openPrice"),
        *("highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume", "openTime", "closeTime"),
        *("firstId", "lastId", "count"),
    }
    short = (await exchanges.get(f"{SPOT}/ticker", **asked, type="MINI")).json()
    assert set(body) - set(short) == {"priceChange", "priceChangePercent", "weightedAvgPrice"}


@pytest.mark.parametrize(
    ("query", "code"),
    [({}, -1102), ({"symbol": "BTCUSDT", "windowSize": "60m"}, -1100), ({"symbol": "NO"}, -1121)],
)
async def test_a_window_that_binance_does_not_have_is_refused(exchanges, query, code):
    answer = await exchanges.get(f"{SPOT}/ticker", **query)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_the_average_price_is_that_of_five_minutes(exchanges, market, now):
    body = (await exchanges.get(f"{SPOT}/avgPrice", symbol="BTCUSDT")).json()
    window = market.fold("BTC", "spot", now - 5 * 60_000, now)
    assert set(body) == {"mins", "price", "closeTime"}
    assert body["mins"] == 5
    assert Decimal(window.low).scaleb(-2) <= Decimal(body["price"])
    assert Decimal(body["price"]) <= Decimal(window.high).scaleb(-2)


@pytest.mark.parametrize("side", [SPOT, FUTURES])
async def test_prices_and_books_agree(exchanges, side):
    price = (await exchanges.get(f"{side}/ticker/price", symbol="BTCUSDT")).json()
    book = (await exchanges.get(f"{side}/ticker/bookTicker", symbol="BTCUSDT")).json()
    assert Decimal(book["bidPrice"]) < Decimal(book["askPrice"]) == Decimal(price["price"])
    assert len((await exchanges.get(f"{side}/ticker/bookTicker")).json()) > 5


async def test_thousands_are_counted_in_thousands(exchanges, market, now):
    body = (await exchanges.get(f"{FUTURES}/ticker/24hr", symbol="1000SHIBUSDT")).json()
    day = market.fold("SHIB", "perp", now - DAY, now)
    assert Decimal(body["lastPrice"]) == Decimal(day.close).scaleb(-9) * 1000
    assert Decimal(body["volume"]) * 1000 == Decimal(day.lots * WEIGHT).scaleb(3)
    assert Decimal(body["quoteVolume"]) == Decimal(day.turnover * WEIGHT).scaleb(-6)


@pytest.mark.parametrize(("side", "kind"), [(SPOT, "spot"), (FUTURES, "perp")])
async def test_klines_are_rows_of_twelve_and_end_now(exchanges, market, now, side, kind):
    query = {"symbol": "ETHUSDT", "interval": "15m", "limit": 3}
    rows = (await exchanges.get(f"{side}/klines", **query)).json()
    assert [len(row) for row in rows] == [12, 12, 12]
    assert rows[-1][0] == now // BLOCK * BLOCK
    assert rows[-1][6] == rows[-1][0] + BLOCK - 1
    closed = market.fold("ETH", kind, rows[0][0], rows[0][0] + BLOCK)
    lot = market.coins["ETH"].tick(kind).lot
    assert Decimal(rows[0][5]) == Decimal(closed.lots * WEIGHT).scaleb(-lot)
    assert Decimal(rows[0][9]) == Decimal(closed.buy_lots * WEIGHT).scaleb(-lot)
    assert rows[0][11] == "0"


async def test_klines_from_a_start_run_forward(exchanges, now):
    start = now // HOUR * HOUR - DAY
    query = {"symbol": "BTCUSDT", "interval": "1h", "startTime": start, "limit": 5}
    rows = (await exchanges.get(f"{SPOT}/klines", **query)).json()
    assert [row[0] for row in rows] == [start + n * HOUR for n in range(5)]


async def test_open_interest_now_and_before(exchanges, market, now):
    body = (await exchanges.get(f"{FUTURES}/openInterest", symbol="BTCUSDT")).json()
    assert set(body) == {"openInterest", "symbol", "time"}
    lots = market.open_interest("BTC", now) * WEIGHT
    assert Decimal(body["openInterest"]) == Decimal(lots).scaleb(-3)
    query = {"symbol": "BTCUSDT", "period": "5m", "limit": 4}
    points = (await exchanges.get("binance/futures/futures/data/openInterestHist", **query)).json()
    assert [point["timestamp"] % 300_000 for point in points] == [0] * 4
    assert points[-1]["timestamp"] <= now < points[-1]["timestamp"] + 300_000


async def test_funding_names_only_adjusted_intervals(exchanges, now):
    infos = (await exchanges.get(f"{FUTURES}/fundingInfo")).json()
    hours = {info["symbol"]: info["fundingIntervalHours"] for info in infos}
    assert hours["TONUSDT"] == 4
    assert "BTCUSDT" not in hours
    index = (await exchanges.get(f"{FUTURES}/premiumIndex", symbol="TONUSDT")).json()
    assert now < index["nextFundingTime"] <= now + 4 * HOUR
    query = {"symbol": "BTCUSDT", "limit": 2}
    rates = (await exchanges.get(f"{FUTURES}/fundingRate", **query)).json()
    assert rates[1]["fundingTime"] - rates[0]["fundingTime"] == 8 * HOUR


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        (f"{SPOT}/klines", {"symbol": "NOPE", "interval": "15m"}, -1121),
        (f"{SPOT}/klines", {"interval": "15m"}, -1102),
        (f"{SPOT}/klines", {"symbol": "BTCUSDT", "interval": "15x"}, -1120),
        (f"{SPOT}/klines", {"symbol": "BTCUSDT", "interval": "15m", "limit": "many"}, -1100),
        (f"{FUTURES}/klines", {"symbol": "BTCUSDT", "interval": "15m", "limit": 9999}, -1130),
        (f"{FUTURES}/ticker/24hr", {"symbol": "WBTCUSDT"}, -1121),
        (f"{SPOT}/ticker/24hr", {"symbol": "HYPEUSDT"}, -1121),
    ],
)
async def test_refusals_use_binances_codes(exchanges, path, query, code):
    answer = await exchanges.get(path, **query)
    assert answer.status_code == 400
    assert answer.json()["code"] == code


async def test_the_answer_carries_the_venues_clock(exchanges):
    answer = await exchanges.get(f"{SPOT}/ping")
    assert answer.json() == {}
    assert answer.headers["date"] == "Sat, 22 Nov 2025 02:53:20 GMT"


async def test_exchange_info_lists_what_the_tickers_know(exchanges):
    for side in (SPOT, FUTURES):
        info = (await exchanges.get(f"{side}/exchangeInfo")).json()
        tickers = (await exchanges.get(f"{side}/ticker/24hr")).json()
        assert [one["symbol"] for one in info["symbols"]] == [one["symbol"] for one in tickers]


async def test_unknown_paths_are_404(exchanges):
    assert (await exchanges.get(f"{SPOT}/nothing")).status_code == 404
    assert "binance" in (await exchanges.get("kraken/x")).json()["error"]
