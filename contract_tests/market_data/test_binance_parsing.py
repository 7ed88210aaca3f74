"""Binance's documented payloads through the adapter, without a network (respx)."""

from pathlib import Path

import httpx
import msgspec
import pytest
import respx

from reference_bot.market_data.cache import Cache
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import VenueClient, make_pool
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import Instrument
from reference_bot.market_data.venues.binance import Binance, explain

pytestmark = pytest.mark.anyio

FIXTURES = Path(__file__).parents[2] / "fixtures" / "venues" / "binance"
SPOT, FUTURES = "https://api.binance.com", "https://fapi.binance.com"
COIN = "https://dapi.binance.com"
DATE = {"Date": "Sat, 22 Nov 2025 02:53:18 GMT", "Content-Type": "application/json"}
BTC_SPOT = Instrument("binance", "spot", Pair("BTC", "USDT"), "BTCUSDT")
BTC_PERP = Instrument("binance", "perp", Pair("BTC", "USDT"), "BTCUSDT")
SHIB_PERP = Instrument("binance", "perp", Pair("SHIB", "USDT"), "1000SHIBUSDT", 1000.0)


def payload(name: str) -> httpx.Response:
    return httpx.Response(200, content=(FIXTURES / name).read_bytes(), headers=DATE)


@pytest.fixture
async def binance():
    metrics = Metrics()
    async with make_pool(verify=False) as pool:
        spot = VenueClient("binance", SPOT, pool, 1.0, metrics, explain)
        futures = VenueClient("binance", FUTURES, pool, 1.0, metrics, explain)
        coin = VenueClient("binance", COIN, pool, 1.0, metrics, explain)
        yield Binance(spot, futures, coin, Cache())


@pytest.fixture
def venue_api():
    with respx.mock(assert_all_called=False) as router:
        yield router


async def test_ticker(binance, venue_api):
    venue_api.get(f"{SPOT}/api/v3/ticker/24hr", params={"symbol": "BTCUSDT"}).mock(
        return_value=payload("spot_ticker_24hr.json")
    )
    ticker = await binance.ticker(BTC_SPOT)
    assert ticker.price == 94921.55
    assert ticker.open == 96134.56
    assert ticker.volume == 18094.488976
    assert ticker.turnover == 1726401525.432
    assert ticker.time == 1763779997320


async def test_thousands_become_coins(binance, venue_api):
    venue_api.get(f"{FUTURES}/fapi/v1/ticker/24hr").mock(
        return_value=payload("futures_ticker_24hr.json")
    )
    ticker = await binance.ticker(SHIB_PERP)
    assert ticker.price == pytest.approx(0.000020944)
    assert ticker.volume == pytest.approx(24858540720000)
    assert ticker.turnover == pytest.approx(511896648.40536)
    assert ticker.price * ticker.volume == pytest.approx(ticker.turnover, rel=0.05)


async def test_only_closed_candles_count(binance, venue_api):
    venue_api.get(f"{SPOT}/api/v3/klines").mock(return_value=payload("spot_klines_15m.json"))
    candles = await binance.candles(BTC_SPOT, minutes=15, count=97)
    [closed] = candles.closed
    assert (closed.start, closed.end) == (1763778600000, 1763779500000)
    assert (closed.volume, closed.buy) == (148.976, 61.09)
    assert closed.buy_turnover == 5798703.1322


async def test_without_a_clock_the_last_candle_counts_as_open(binance, venue_api):
    answer = payload("spot_klines_15m.json")
    del answer.headers["Date"]
    venue_api.get(f"{SPOT}/api/v3/klines").mock(return_value=answer)
    candles = await binance.candles(BTC_SPOT, minutes=15, count=97)
    assert len(candles.closed) == 1


async def test_open_interest_and_history(binance, venue_api):
    venue_api.get(f"{FUTURES}/fapi/v1/openInterest").mock(
        return_value=payload("futures_open_interest.json")
    )
    venue_api.get(f"{FUTURES}/futures/data/openInterestHist").mock(
        return_value=payload("futures_open_interest_hist.json")
    )
    now = await binance.open_interest(BTC_PERP)
    assert (now.time, now.amount, now.value) == (1763779997011, 10659.509, None)
    points = await binance.open_interest_history(BTC_PERP)
    assert [point.time for point in points] == [1763779500000, 1763779800000]
    assert points[0].value == 1940570784.0780998


async def test_interval_from_the_list_of_adjusted_ones(binance, venue_api):
    venue_api.get(f"{FUTURES}/fapi/v1/fundingInfo").mock(
        return_value=payload("futures_funding_info.json")
    )
    venue_api.get(f"{FUTURES}/fapi/v1/premiumIndex").mock(
        return_value=payload("futures_premium_index.json")
    )
    blz = Instrument("binance", "perp", Pair("BLZ", "USDT"), "BLZUSDT")
    assert (await binance.funding(blz)).interval_hours == 4.0


async def test_interval_from_settlements_where_it_is_not_listed(binance, venue_api):
    venue_api.get(f"{FUTURES}/fapi/v1/fundingInfo").mock(
        return_value=payload("futures_funding_info.json")
    )
    venue_api.get(f"{FUTURES}/fapi/v1/premiumIndex").mock(
        return_value=payload("futures_premium_index.json")
    )
    venue_api.get(f"{FUTURES}/fapi/v1/fundingRate").mock(
        return_value=payload("futures_funding_rate.json")
    )
    funding = await binance.funding(BTC_PERP)
    assert funding.interval_hours == 8.0
    assert funding.rate == 0.00038246
    assert funding.next_reset == 1763798400000
    assert funding.mark_price == 94793.63104562


async def test_directories(binance, venue_api):
    venue_api.get(f"{SPOT}/api/v3/ticker/price", params={"symbolStatus": "TRADING"}).mock(
        return_value=payload("spot_ticker_price.json")
    )
    venue_api.get(f"{FUTURES}/fapi/v1/exchangeInfo").mock(
        return_value=payload("futures_exchange_info.json")
    )
    spot = (await binance.directory("spot")).by_pair
    assert spot[Pair("SATS", "USDT")].symbol == "1000SATSUSDT"
    assert spot[Pair("SATS", "USDT")].unit == 1000.0
    assert spot[Pair("ETH", "BTC")].symbol == "ETHBTC"
    perp = (await binance.directory("perp")).by_pair
    assert perp == {Pair("BTC", "USDT"): BTC_PERP, Pair("SHIB", "USDT"): SHIB_PERP}


async def test_invalid_symbol_is_not_listed(binance, venue_api):
    body = (FIXTURES / "invalid_symbol.json").read_bytes()
    venue_api.get(f"{SPOT}/api/v3/ticker/24hr").mock(
        return_value=httpx.Response(400, content=body, headers=DATE)
    )
    with pytest.raises(VenueError, match="Invalid symbol") as caught:
        await binance.ticker(BTC_SPOT)
    assert caught.value.reason == "not_listed"


def _ticker_with(**changes: object) -> bytes:
    body = msgspec.json.decode((FIXTURES / "spot_ticker_24hr.json").read_bytes())
    body.update(changes)
    return msgspec.json.encode({key: value for key, value in body.items() if value != "DROP"})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"lastPrice": "DROP"}, "lastPrice"),
        ({"lastPrice": "NaN"}, "$.lastPrice"),
        ({"lastPrice": "Infinity"}, "$.lastPrice"),
        ({"lastPrice": None}, "$.lastPrice"),
        ({"volume": "-1"}, "$.volume"),
        ({"volume": "a lot"}, "$.volume"),
        ({"closeTime": 17637}, "$.closeTime"),
        ({"closeTime": 1763700000000}, "closeTime is 79998 s behind the venue's own clock"),
        ({"closeTime": 1763790000000}, "closeTime is 10002 s ahead of the venue's own clock"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_named(binance, venue_api, changes, words):
    venue_api.get(f"{SPOT}/api/v3/ticker/24hr").mock(
        return_value=httpx.Response(200, content=_ticker_with(**changes), headers=DATE)
    )
    with pytest.raises(VenueError) as caught:
        await binance.ticker(BTC_SPOT)
    assert caught.value.reason == "bad_payload"
    assert words in caught.value.message
    assert "/api/v3/ticker/24hr" in caught.value.message


@pytest.mark.parametrize("field", ["lastPrice", "openPrice"])
async def test_what_no_longer_trades_has_no_price_and_is_no_fault(binance, venue_api, field):
    venue_api.get(f"{SPOT}/api/v3/ticker/24hr").mock(
        return_value=httpx.Response(200, content=_ticker_with(**{field: "0"}), headers=DATE)
    )
    with pytest.raises(VenueError, match="has no price, or none of 24 h ago") as caught:
        await binance.ticker(BTC_SPOT)
    assert caught.value.reason == "unavailable"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({5: "10.0", 9: "11.0"}, "takers bought more than was traded"),
        ({2: "94000.0"}, "outside of low and high"),
        ({6: 1763779499000}, "lasts 899.001 s"),
    ],
    ids=str,
)
async def test_candles_that_contradict_themselves_are_left_out(binance, venue_api, row, words):
    rows = msgspec.json.decode((FIXTURES / "spot_klines_15m.json").read_bytes())
    for index, value in row.items():
        rows[0][index] = value
    answer = httpx.Response(200, content=msgspec.json.encode(rows), headers=DATE)
    venue_api.get(f"{SPOT}/api/v3/klines").mock(return_value=answer)
    assert (await binance.candles(BTC_SPOT, minutes=15, count=97)).closed == ()  # one is still open
    only = httpx.Response(200, content=msgspec.json.encode(rows[:1]), headers=DATE)
    venue_api.get(f"{SPOT}/api/v3/klines").mock(return_value=only)
    with pytest.raises(VenueError, match=words):
        await binance.candles(BTC_SPOT, minutes=15, count=97)


async def test_candles_in_any_order_become_a_row_without_doubles(binance, venue_api):
    rows = msgspec.json.decode((FIXTURES / "spot_klines_15m.json").read_bytes())
    told = [rows[1], rows[0], rows[0]]
    answer = httpx.Response(200, content=msgspec.json.encode(told), headers=DATE)
    venue_api.get(f"{SPOT}/api/v3/klines").mock(return_value=answer)
    [closed] = (await binance.candles(BTC_SPOT, minutes=15, count=97)).closed
    assert closed.start == rows[0][0]


async def test_html_is_named_as_such(binance, venue_api):
    venue_api.get(f"{SPOT}/api/v3/ticker/24hr").mock(
        return_value=httpx.Response(200, html="<html>busy</html>")
    )
    with pytest.raises(VenueError, match="Content-Type text/html"):
        await binance.ticker(BTC_SPOT)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (httpx.ConnectError("refused"), "unreachable"),
        (httpx.RemoteProtocolError("peer closed connection"), "unreachable"),
        (httpx.ReadTimeout("slow"), "timeout"),
    ],
)
async def test_network_errors_have_their_reasons(binance, venue_api, error, reason):
    venue_api.get(f"{SPOT}/api/v3/ticker/24hr").mock(side_effect=error)
    with pytest.raises(VenueError) as caught:
        await binance.ticker(BTC_SPOT)
    assert caught.value.reason == reason
