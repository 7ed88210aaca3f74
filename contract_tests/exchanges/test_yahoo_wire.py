"""Yahoo's chart API as the double tells it: rows, nulls, closed hours, refusals."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from botproof.doubles.exchanges.coins import COINS, FOREX
from botproof.doubles.exchanges.hours import is_open, open_until
from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR, MINUTE
from botproof.doubles.exchanges.yahoo import DELAY, quoted, single

pytestmark = pytest.mark.anyio

CHART = "yahoo/v8/finance/chart"
FRIDAY_CLOSE = 1_763_762_400_000  # 2025-11-21 22:00 UTC, 17:00 in New York
LAST_QUOTE = FRIDAY_CLOSE + HOUR // 2  # of the currencies
THURSDAY = 1_763_630_000_000  # 2025-11-20 09:13:20 UTC


async def _chart(exchanges, symbol="EURUSD=X", **query):
    answer = await exchanges.get(f"{CHART}/{symbol}", **{"interval": "15m", "range": "5d", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()["chart"]["result"][0]


def _rows(chart):
    quote = chart["indicators"]["quote"][0]
    columns = (quote[name] for name in ("open", "high", "low", "close", "volume"))
    return list(zip(chart["timestamp"], *columns, strict=True))


async def test_rows_are_the_folded_trades(exchanges, market):
    exchanges.double.clock.stop_at(THURSDAY)
    chart = await _chart(exchanges)
    rows = _rows(chart)
    assert rows[0][0] * 1000 == 1_763_078_400_000  # Friday, 14 November: five trading days
    nulls = 0
    for at, *figures in rows[:-1]:
        start = at * 1000
        truth = market.fold("EURUSD", "spot", start, min(start + BLOCK, THURSDAY))
        if start + BLOCK <= THURSDAY and not quoted(market, "EURUSD", start):
            nulls += 1
            assert figures == [None] * 5
            continue
        told = [single(x * 1e-5) for x in (truth.open, truth.high, truth.low, truth.close)]
        assert figures == [*told, 0]
    assert nulls > 0
    trade = market.last_trade("EURUSD", "spot", THURSDAY)
    assert rows[-1][0] == trade.time // 1000 == chart["meta"]["regularMarketTime"]
    assert set(rows[-1][1:5]) == {single(trade.price * 1e-5)}
    assert chart["meta"]["regularMarketPrice"] == round(trade.price * 1e-5, 4)


async def test_the_weekend_has_no_rows_and_the_price_stands(exchanges, market, now):
    assert market.fold("EURUSD", "spot", LAST_QUOTE, LAST_QUOTE + DAY).trades == 0
    chart = await _chart(exchanges)
    assert now > LAST_QUOTE
    last, live = _rows(chart)[-2:]
    assert last[0] * 1000 == LAST_QUOTE - BLOCK
    assert LAST_QUOTE - BLOCK < live[0] * 1000 < LAST_QUOTE
    assert chart["meta"]["regularMarketTime"] == live[0]


async def test_metals_are_futures_told_late(exchanges, market):
    exchanges.double.clock.stop_at(THURSDAY)
    chart = await _chart(exchanges, "GC=F")
    trade = market.last_trade("XAUUSD", "spot", THURSDAY - DELAY)
    assert chart["meta"]["instrumentType"] == "FUTURE"
    assert chart["meta"]["regularMarketTime"] == trade.time // 1000
    assert any(row[5] for row in _rows(chart))


async def test_the_list_follows_period1_too(exchanges):
    exchanges.double.clock.stop_at(THURSDAY)
    first = THURSDAY // BLOCK * BLOCK // 1000 - 3600
    chart = await _chart(exchanges, period1=first, period2=THURSDAY // 1000)
    assert len(chart["timestamp"]) == 6  # four quarters of an hour, the running one, the live one


@pytest.mark.parametrize(
    ("symbol", "query", "status", "code"),
    [
        ("NOSUCH=X", {}, 404, "Not Found"),
        ("BTCUSDT", {}, 404, "Not Found"),
        ("EURUSD=X", {"interval": "7m"}, 400, "Bad Request"),
        ("EURUSD=X", {"range": "3d"}, 422, "Unprocessable Entity"),
        ("EURUSD=X", {"interval": "1m", "range": "1mo"}, 422, "Unprocessable Entity"),
    ],
)
async def test_refusals_speak_yahoos_words(exchanges, symbol, query, status, code):
    answer = await exchanges.get(f"{CHART}/{symbol}", **{"interval": "15m", "range": "5d", **query})
    assert answer.status_code == status
    body = answer.json()["chart"]
    assert body["result"] is None
    assert body["error"]["code"] == code
    if status == 404:
        assert body["error"]["description"] == "No data found, symbol may be delisted"


@pytest.mark.parametrize("agent", ["botproof-market-data", "python-httpx/0.28", ""])
async def test_who_does_not_come_as_a_browser_does_is_refused(exchanges, agent):
    exchanges.client.headers["User-Agent"] = agent
    answer = await exchanges.get(f"{CHART}/EURUSD=X", interval="15m", range="5d")
    assert (answer.status_code, answer.text) == (429, "Edge: Too Many Requests")


async def test_no_crypto_venue_lists_a_currency_pair(exchanges):
    forex = {coin.base for coin in FOREX}
    assert not forex & {coin.base for coin in COINS}
    for path, query in (
        ("binance/spot/api/v3/exchangeInfo", {}),
        ("bybit/v5/market/instruments-info", {"category": "spot"}),
        ("okx/api/v5/public/instruments", {"instType": "SPOT"}),
        ("gate/api/v4/spot/currency_pairs", {}),
        ("bitget/api/v2/spot/public/symbols", {}),
    ):
        told = (await exchanges.get(path, **query)).text
        assert "BTC" in told
        assert "EURUSD" not in told


async def test_a_stale_answer_is_an_hour_old_in_seconds(exchanges):
    exchanges.double.clock.stop_at(THURSDAY)
    before = (await _chart(exchanges))["meta"]["regularMarketTime"]
    await exchanges.post("_double/faults", {"kind": "stale", "venue": "yahoo"})
    assert (await _chart(exchanges))["meta"]["regularMarketTime"] == before - 3600


@given(st.integers(1_500_000_000, 2_000_000_000))
@example(seconds=1_781_298_000)  # a Friday at 17:00: the week has ended, and Yahoo quotes on
def test_the_week_keeps_new_yorks_clock(seconds):
    """Against the time zone database, which the double does without."""
    try:
        local = datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo("America/New_York"))
    except ZoneInfoNotFoundError:
        pytest.skip("not applicable: no time zone database here")
    minutes = local.weekday() * 1440 + local.hour * 60 + local.minute
    forex = minutes < 4 * 1440 + 17 * 60 + 30 or minutes >= 6 * 1440 + 17 * 60
    assert is_open("forex", seconds * 1000) == forex
    if not forex:
        assert not is_open("metals", seconds * 1000)
    last = open_until("forex", seconds * 1000)
    assert is_open("forex", last if forex else last - 1)
    assert forex or not is_open("forex", last)


def test_a_break_a_day_for_metals_only():
    five_in_new_york = FRIDAY_CLOSE - DAY
    assert is_open("forex", five_in_new_york)
    assert not is_open("metals", five_in_new_york)
    assert is_open("metals", five_in_new_york + HOUR)
    assert is_open("metals", five_in_new_york - MINUTE)
