"""Yahoo: parsed strictly, true to the market to the last figure, honest while it is closed.

ccxt knows no Yahoo: there is no client that nobody here wrote to compare with. Expected figures are
made here, from the market's own trades and with arithmetic of the test's own.
"""

import json
import math
from itertools import pairwise

import pytest

from botproof.doubles.exchanges.periods import BLOCK, DAY, HOUR
from botproof.doubles.exchanges.yahoo import DELAY, quoted, single
from reference_bot.market_data.forex import LISTED
from reference_bot.market_data.symbols import Pair

pytestmark = pytest.mark.anyio

FRIDAY_CLOSE = 1_763_762_400_000  # 2025-11-21 22:00 UTC, of the metals
LAST_QUOTE = FRIDAY_CLOSE + HOUR // 2  # of the currencies
THURSDAY = 1_763_630_000_000  # 2025-11-20 09:13:20 UTC
MONDAY = 1_763_971_400_000  # 2025-11-24 08:03:20 UTC
EXACT = 1e-11


@pytest.fixture
async def yahoo(open_stack):
    async with open_stack(EXCHANGES="binance,yahoo") as stack:
        stack.double.clock.stop_at(THURSDAY)
        yield stack


def _candles(market, base, until, count, places):
    """Return the last rows that Yahoo has figures for, as (start, open, high, low, close)."""
    found: list[tuple[float, ...]] = []
    start = until // BLOCK * BLOCK
    while len(found) < count:
        start -= BLOCK
        folded = market.fold(base, "spot", start, start + BLOCK)
        if folded.trades and quoted(market, base, start):
            prices = (folded.open, folded.high, folded.low, folded.close)
            found.append((start, *(single(price * 10.0**-places) for price in prices)))
    return found[::-1]


def _wilder(values):
    mean = math.fsum(values[:14]) / 14
    for value in values[14:]:
        mean = (mean * 13 + value) / 14
    return mean


@pytest.mark.parametrize(
    ("symbol", "base", "places", "hint", "late"),
    [
        ("EUR/USD", "EURUSD", 5, 4, 0),
        ("usdjpy", "USDJPY", 3, 3, 0),
        ("gold", "XAUUSD", 1, 1, DELAY),
        ("XAG-USD", "XAGUSD", 3, 3, DELAY),
    ],
)
@pytest.mark.parametrize("now", [THURSDAY, MONDAY], ids=["Thursday", "Monday"])
async def test_every_figure_is_the_truth(  # noqa: PLR0917 - fixtures and parameters
    yahoo, market, now, symbol, base, places, hint, late
):
    yahoo.double.clock.stop_at(now)
    answer = await yahoo.ask("/comprehensive_analysis", symbol=symbol)
    data = answer.json()["data"]
    block, technical = data["price"]["spot"], data["technical"]
    trade = market.last_trade(base, "spot", now - late)
    time, price = trade.time // 1000 * 1000, round(trade.price * 10.0**-places, hint)
    assert (block["time"], block["price"], block["closed_since"]) == (time, price, None)
    rows = _candles(market, base, now - late, 200, places)
    before = [row for row in rows if row[0] + BLOCK <= time - DAY]
    running = market.fold(base, "spot", (now - late) // BLOCK * BLOCK, now - late)
    since = [row[1:] for row in rows if row[0] + BLOCK > time - DAY]
    since.append([single(x * 10.0**-places) for x in (running.open, running.high, running.low)])
    assert block["change_24h"] == pytest.approx(price - before[-1][4], rel=EXACT)
    change = 100 * (price - before[-1][4]) / before[-1][4]
    assert block["change_24h_pct"] == pytest.approx(change, rel=EXACT)
    assert block["high_24h"] == max(price, *(row[1] for row in since))
    assert block["low_24h"] == min(price, *(row[2] for row in since))
    _same_technicals(technical, data["closes"], rows[-97:])


def _same_technicals(technical, closes, rows):
    told = [row[4] for row in rows]
    assert closes == told
    moves = [after - before for before, after in pairwise(told)]
    gain = _wilder([max(0.0, move) for move in moves])
    loss = _wilder([max(0.0, -move) for move in moves])
    assert technical["rsi_14"] == pytest.approx(100 - 100 / (1 + gain / loss), rel=1e-9)
    ranges = [
        max(row[2] - row[3], abs(row[2] - close), abs(row[3] - close))
        for row, close in zip(rows[1:], told, strict=False)
    ]
    assert technical["atr_14"] == pytest.approx(_wilder(ranges), rel=1e-9)
    mean = math.fsum(told[-20:]) / 20
    deviation = math.sqrt(math.fsum((close - mean) ** 2 for close in told[-20:]) / 20)
    assert technical["bollinger"]["upper"] == pytest.approx(mean + 2 * deviation, rel=1e-9)


async def test_a_monday_compares_with_friday(yahoo, market):
    """24 h before Monday morning nothing was traded: the price then was Friday's last."""
    yahoo.double.clock.stop_at(MONDAY)
    block = (await yahoo.ask("/price", symbol="GBPUSD")).json()["data"]
    last = _candles(market, "GBPUSD", LAST_QUOTE, 1, 5)[0]
    assert last[0] >= LAST_QUOTE - 2 * BLOCK
    assert block["price"] - block["change_24h"] == pytest.approx(last[4], rel=EXACT)


@pytest.mark.parametrize(("symbol", "close"), [("EUR/USD", LAST_QUOTE), ("XAU/USD", FRIDAY_CLOSE)])
async def test_a_closed_market_says_so_and_keeps_its_last_day(yahoo, now, symbol, close):
    yahoo.double.clock.stop_at(now)
    data = (await yahoo.ask("/combined_price", symbol=symbol)).json()["data"]
    block = data["spot"]
    assert block["closed_since"] == close
    assert close - HOUR < data["time"] == block["time"] < close
    yahoo.double.clock.stop_at(now + DAY)
    yahoo.api.cache._entries.clear()
    assert (await yahoo.ask("/combined_price", symbol=symbol)).json()["data"] == data


async def test_the_last_price_of_a_week_is_no_candle_of_its_own(yahoo, market, now):
    yahoo.double.clock.stop_at(now)
    data = (await yahoo.ask("/comprehensive_analysis", symbol="EUR/USD")).json()["data"]
    rows = _candles(market, "EURUSD", LAST_QUOTE, 97, 5)
    _same_technicals(data["technical"], data["closes"], rows)


async def test_metals_rest_for_an_hour_a_day_and_currencies_do_not(yahoo):
    break_ = FRIDAY_CLOSE - DAY
    yahoo.double.clock.stop_at(break_ + HOUR // 2)
    gold = (await yahoo.ask("/price", symbol="gold")).json()["data"]
    euro = (await yahoo.ask("/price", symbol="EURUSD")).json()["data"]
    assert (gold["closed_since"], euro["closed_since"]) == (break_, None)


async def test_what_yahoo_does_not_tell_is_null(yahoo):
    data = (await yahoo.ask("/combined_price", symbol="EUR/USD")).json()["data"]
    block = data["spot"]
    assert data["perp"] is data["intelligence"] is None
    for name in ("volume_24h", "turnover_24h", "flow_24h", "flow_15m", "activity"):
        assert block[name] is None
    reasons = {(row["section"], row["reason"]) for row in data["missing"]}
    assert reasons == {("spot.candles", "unavailable"), ("perp", "not_listed")}
    body = (await yahoo.ask("/comprehensive_analysis", symbol="EUR/USD")).json()["data"]
    assert body["volume"] is body["cvd"] is body["technical"]["vwap_24h"] is None


@pytest.mark.parametrize("pair", LISTED, ids=str)
async def test_every_listed_pair_has_a_price(yahoo, pair):
    data = (await yahoo.ask("/combined_price", symbol=str(pair))).json()["data"]
    assert (data["symbol"], data["venue"]) == (str(pair), "yahoo")


# -- who is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize("exchanges", ["binance,yahoo", "yahoo,binance"])
async def test_each_kind_goes_to_its_own_venue_whatever_the_order(open_stack, exchanges):
    async with open_stack(EXCHANGES=exchanges) as stack:
        for symbol, venue in (("BTC", "binance"), ("EUR/USD", "yahoo"), ("gold", "yahoo")):
            before = len(stack.double.events)
            data = (await stack.ask("/combined_price", symbol=symbol)).json()["data"]
            assert data["venue"] == venue
            assert {event["venue"] for event in list(stack.double.events)[before:]} == {venue}
        rows = (await stack.ask("/top_symbols", limit=3)).json()["data"]
        assert (rows["venue"], rows["missing"]) == ("binance", [])
        multi = (await stack.ask("/multi_oi", symbol="BTC")).json()["data"]
        assert "yahoo" not in json.dumps(multi)


async def test_coins_never_fall_back_to_yahoo(open_stack):
    async with open_stack(EXCHANGES="binance,yahoo") as stack:
        stack.fault(venue="binance", kind="error", status=503)
        answer = await stack.ask("/combined_price", symbol="BTC")
        assert answer.status_code == 502
        assert {row["venue"] for row in answer.json()["error"]["missing"]} == {"binance"}


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (
            "/multi_oi",
            {"symbol": "EUR/USD"},
            "EUR/USD is a forex pair: there is no open interest of it here.",
        ),
        ("/cvd", {"symbol": "gold"}, "XAU/USD is a metal: nobody publishes its order flow"),
        (
            "/volume_spike",
            {"symbol": "EURUSD"},
            "EUR/USD is a forex pair: nobody publishes its volume.",
        ),
        ("/price", {"symbol": "EURUSD", "market": "perp"}, "there is no perpetual of it"),
    ],
)
async def test_questions_about_coins_say_why_they_have_no_answer(yahoo, path, body, words):
    before = len(yahoo.calls())
    answer = await yahoo.ask(path, **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "not_offered")
    assert words in error["message"]
    assert len(yahoo.calls()) == before


@pytest.mark.parametrize("path", ["/top_symbols", "/volume_scan"])
async def test_without_volumes_there_is_nothing_to_rank(yahoo, path):
    answer = await yahoo.ask(path, exchange="yahoo")
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (422, "bad_request", "exchange")
    assert "yahoo tells no volumes" in error["message"]
    schema = (await yahoo.client.get("/openapi.json")).json()["components"]["schemas"]
    for name, told in (("TopSymbolsRequest", False), ("PriceRequest", True)):
        known = schema[name]["properties"]["exchange"]["anyOf"][0]["enum"]
        assert ("yahoo" in known) == told


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"symbol": "USD/EUR"}, "not listed on yahoo"),
        ({"symbol": "EURUSX"}, "not listed on binance"),
    ],
)
async def test_unknown_pairs_are_unknown_with_what_is_near(yahoo, body, words):
    answer = await yahoo.ask("/combined_price", **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "unknown_symbol")
    assert error["near"] == ["EUR/USD"]
    assert words in error["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"symbol": "EUR/USD", "exchange": "binance"}, "binance has coins only"),
        ({"symbol": "BTC", "exchange": "yahoo"}, "yahoo has nothing else"),
    ],
)
async def test_a_venue_of_the_other_kind_says_what_it_tells(yahoo, body, words):
    answer = await yahoo.ask("/combined_price", **body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "not_offered")
    assert words in error["message"]


async def test_without_yahoo_a_currency_pair_has_nobody_to_tell_it(stack):
    answer = await stack.ask("/price", symbol="EUR/USD")
    assert answer.status_code == 404
    assert "binance has coins only" in answer.json()["error"]["message"]
    pairs = (await stack.ask("/forex_pairs")).json()["data"]
    assert (pairs["venue"], pairs["symbols"]) == (None, [])


async def test_a_refused_user_agent_is_named_with_the_setting_that_changes_it(open_stack):
    async with open_stack(EXCHANGES="yahoo", YAHOO_USER_AGENT="python-httpx/0.28") as stack:
        answer = await stack.ask("/price", symbol="EUR/USD")
        (row, *_) = answer.json()["error"]["missing"]
        assert row["reason"] == "rate_limited"
        assert "YAHOO_USER_AGENT" in row["message"]


async def test_the_pairs_are_listed(yahoo):
    data = (await yahoo.ask("/forex_pairs")).json()["data"]
    assert (data["venue"], data["symbols"]) == ("yahoo", [str(pair) for pair in LISTED])


async def test_price_and_candles_are_one_call_and_share_it(yahoo):
    before = len(yahoo.calls())
    assert (await yahoo.ask("/comprehensive_analysis", symbol="EUR/USD")).status_code == 200
    assert yahoo.calls()[before:] == ["/v8/finance/chart/EURUSD=X"]


# -- parsing -----------------------------------------------------------------------------------


async def _told(stack, change):
    """Ask for a price while the double's answer is changed by ``change``."""
    from botproof.doubles.exchanges import yahoo as told  # noqa: PLC0415 - only here
    from botproof.doubles.messages import json_response  # noqa: PLC0415 - only here

    class Changed(told.Yahoo):
        def answer(self, market, call):
            body = json.loads(super().answer(market, call).body)
            change(body)
            return json_response(body)

    stack.double._venues["yahoo"] = Changed()
    answer = await stack.ask("/price", symbol="EUR/USD")
    error = answer.json().get("error")
    return answer.status_code, error and "; ".join(row["message"] for row in error["missing"])


def _at(body, *path):
    for key in path:
        body = body[key]
    return body


RESULT = ("chart", "result", 0)
QUOTE = (*RESULT, "indicators", "quote", 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: _at(b, *RESULT, "meta").pop("regularMarketPrice"), "regularMarketPrice"),
        (lambda b: _at(b, *RESULT, "meta").update(regularMarketPrice=0), "> 0"),
        (lambda b: _at(b, *RESULT, "meta").update(regularMarketTime="soon"), "regularMarketTime"),
        (lambda b: _at(b, *QUOTE, "close").pop(), "lists of different lengths"),
        (lambda b: _at(b, "chart").update(result=[]), "the list is empty"),
        (lambda b: _at(b, "chart").update(result=None), "the list is empty"),
        (lambda b: _at(b, *RESULT, "meta").update(regularMarketTime=1_763_000_000), "behind, and"),
        (lambda b: _at(b, *RESULT, "meta").update(regularMarketTime=1_763_640_000), "ahead of"),
    ],
)
async def test_a_payload_that_is_not_as_known_is_refused(yahoo, change, words):
    status, message = await _told(yahoo, change)
    assert status == 502
    assert words in message


@pytest.mark.parametrize("value", [-1.0, 0.0, "1.1", "NaN"])
async def test_one_row_with_a_price_that_is_none_hides_no_other(yahoo, value):
    def change(body):
        _at(body, *QUOTE, "high")[3] = value

    assert await _told(yahoo, change) == (200, None)
    assert 'market_data_rows_left_out_total{venue="yahoo"}' in yahoo.api.metrics.text().decode()


async def test_nothing_but_rows_with_a_price_that_is_none_is_a_failure(yahoo):
    def every(body):
        column = _at(body, *QUOTE, "high")
        column[:] = [-1.0] * len(column)

    status, message = await _told(yahoo, every)
    assert status == 502
    assert "has a price that is none" in message


async def test_rows_of_nulls_are_left_out(yahoo):
    def change(body):
        for column in _at(body, *QUOTE).values():
            column[100:110] = [None] * 10

    assert await _told(yahoo, change) == (200, None)


async def test_without_rows_there_are_no_24_hours(yahoo):
    def change(body):
        _at(body, *RESULT).pop("timestamp")
        _at(body, *RESULT, "indicators")["quote"] = [{}]

    status, message = await _told(yahoo, change)
    assert status == 502
    assert "no prices of the last 24 h" in message


async def test_a_refusal_in_yahoos_words_is_not_listed(yahoo):
    from reference_bot.market_data.errors import VenueError  # noqa: PLC0415 - only here
    from reference_bot.market_data.venues.base import Instrument  # noqa: PLC0415 - only here

    venue = yahoo.api.service.by_name["yahoo"]
    gone = Instrument("yahoo", "spot", Pair("EUR", "XXX"), "EURXXX=X", closes=True)
    with pytest.raises(VenueError, match="symbol may be delisted") as caught:
        await venue.ticker(gone)
    assert caught.value.reason == "not_listed"


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (1_766_700_000_000, 200),  # Christmas, 22:00 the day before until 22:00: prices may rest
        (1_766_600_000_000, 502),  # Christmas Eve, not yet five in New York
        (THURSDAY, 502),
    ],
)
async def test_a_price_may_stand_still_on_a_holiday_only(yahoo, now, status):
    yahoo.double.clock.stop_at(now)
    yahoo.fault(venue="yahoo", kind="stale", seconds=7200)
    answer = await yahoo.ask("/price", symbol="EUR/USD")
    assert answer.status_code == status
    if status == 200:
        data = answer.json()["data"]
        assert data["closed_since"] == data["time"]


async def test_candles_of_four_hours_are_made_of_hours(yahoo):
    """Where Yahoo's own begin, nobody knows; hours are the same ones that it tells."""
    venue = yahoo.api.service.by_name["yahoo"]
    listed = (await venue.directory("spot")).by_pair[Pair("EUR", "USD")]
    fours = await venue.candles(listed, minutes=240, count=97)
    assert len(fours.closed) == 97
    first, last = fours.closed[0], fours.closed[-1]
    assert {candle.start % (4 * HOUR) for candle in fours.closed} == {0}
    assert {candle.end - candle.start for candle in fours.closed} == {4 * HOUR}
    assert last.end == THURSDAY // (4 * HOUR) * (4 * HOUR)
    hours = (await venue.candles(listed, minutes=60, count=600)).closed
    for four in (first, last):
        of = [hour for hour in hours if four.start <= hour.start < four.end]
        assert (four.open, four.close) == (of[0].open, of[-1].close)
        assert (four.high, four.low) == (max(o.high for o in of), min(o.low for o in of))
