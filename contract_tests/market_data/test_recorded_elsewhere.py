"""What further projects keep of the venues' answers, and the venues' documents show, through the
adapters: rows as they stand there, each with where it is from.
"""

from typing import Any

import msgspec
import pytest

from contract_tests.market_data.recorded import BTC, adapter, inverse, perp
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues import binance, bitget, bybit, gate, hyperliquid, okx
from reference_bot.market_data.venues.base import Directory, Instrument

pytestmark = pytest.mark.anyio


# -- listings ----------------------------------------------------------------------------------

QUOTED = {
    # seen by others on 8 August 2026, where a split by the usual quotes went wrong
    "BTCU": ("BTC", "U"),
    "XRPRLUSD": ("XRP", "RLUSD"),
    "EUREURI": ("EUR", "EURI"),
    # one of each quote in exchangeInfo of 12 October 2021 (cryptofeed's sample data)
    "ETHBTC": ("ETH", "BTC"),
    "QTUMETH": ("QTUM", "ETH"),
    "VENBNB": ("VEN", "BNB"),
    "BTCTUSD": ("BTC", "TUSD"),
    "BNBPAX": ("BNB", "PAX"),
    "BNBUSDC": ("BNB", "USDC"),
    "TRXXRP": ("TRX", "XRP"),
    "BNBUSDS": ("BNB", "USDS"),
    "BTTTRX": ("BTT", "TRX"),
    "BUSDNGN": ("BUSD", "NGN"),
    "BTCRUB": ("BTC", "RUB"),
    "BTCTRY": ("BTC", "TRY"),
    "BTCEUR": ("BTC", "EUR"),
    "BTCZAR": ("BTC", "ZAR"),
    "BTCBKRW": ("BTC", "BKRW"),
    "BTCIDRT": ("BTC", "IDRT"),
    "BTCGBP": ("BTC", "GBP"),
    "BTCUAH": ("BTC", "UAH"),
    "BTCBIDR": ("BTC", "BIDR"),
    "BTCAUD": ("BTC", "AUD"),
    "BTCDAI": ("BTC", "DAI"),
    "BTCBRL": ("BTC", "BRL"),
    "BUSDBVND": ("BUSD", "BVND"),
    "BTCVAI": ("BTC", "VAI"),
    "BTCGYEN": ("BTC", "GYEN"),
    "BTCUSDP": ("BTC", "USDP"),
}


async def test_binances_spot_pairs_are_split_by_its_own_quotes():
    rows = [{"symbol": symbol, "price": "1"} for symbol in QUOTED]
    answers = {"/api/v3/ticker/price": msgspec.json.encode(rows)}
    listed = await adapter(binance, answers, 1_786_147_200_000).directory("spot")
    assert {one.symbol: (pair.base, pair.quote) for pair, one in listed.by_pair.items()} == QUOTED


async def test_a_pair_whose_quote_is_not_known_is_left_out_not_guessed():
    told = b'[{"symbol":"BTCXYZUSD","price":"1"},{"symbol":"BTCUSDT","price":"1"}]'
    listed = await adapter(binance, {"/api/v3/ticker/price": told}, 1_786_147_200_000).directory(
        "spot"
    )
    assert list(listed.by_pair) == [BTC]


EMPTY = [
    (binance, "/api/v3/ticker/24hr", b"[]", "spot"),
    (binance, "/fapi/v1/ticker/24hr", b"[]", "perp"),
    (binance, "/dapi/v1/ticker/24hr", b"[]", "inverse"),
    (bybit, "/v5/market/tickers", b'{"retCode":0,"result":{"list":[]},"time":1786147200000}',
     "perp"),
    (okx, "/api/v5/market/tickers", b'{"code":"0","msg":"","data":[]}', "perp"),
    (bitget, "/api/v2/mix/market/tickers", b'{"code":"00000","msg":"success","data":[]}', "perp"),
    (gate, "/api/v4/futures/usdt/tickers", b"[]", "perp"),
    (gate, "/api/v4/spot/tickers", b"[]", "spot"),
]  # fmt: skip


@pytest.mark.parametrize(("module", "path", "body", "kind"), EMPTY, ids=lambda one: str(one)[-30:])
async def test_a_list_of_no_tickers_is_no_price_of_1970(module, path, body, kind):
    venue = adapter(module, {path: body}, 1_786_147_200_000)
    with pytest.raises(VenueError, match="the list is empty") as caught:
        await venue.tickers(kind, Directory())
    assert caught.value.reason == "unavailable"


async def test_coins_and_contexts_of_different_number_are_not_put_together():
    """Hyperliquid joins them by position: one that is missing would shift all others (the tests of
    a recorder of August 2026)."""
    told = b'[{"universe":[{"name":"BTC"},{"name":"ETH"}]},[{"funding":"0.001","markPx":"64000"}]]'
    venue = adapter(hyperliquid, {"/info": told}, 1_786_147_200_000)
    with pytest.raises(VenueError, match="2 coins are listed, 1 contexts told") as caught:
        await venue.directory("perp")
    assert caught.value.reason == "bad_payload"


async def test_a_token_of_hyperliquid_is_the_coin_by_its_id_not_by_its_name():
    """BTC's spot market has a token UBTC; a token PUMP was traded at 0.0001406 while the coin,
    UPUMP, was at 0.0054887 (ccxt's issue 27017, October 2025; ids by Unit's token metadata). Token
    indices have gaps: 479 stood at position 459 of 464 (go-trader's issue 831, June 2026). Two
    tokens may have one name: the one that is traded counts.
    """
    universe: list[dict[str, Any]] = [
        {"name": "PURR/USDC", "tokens": [1, 0], "index": 0},
        {"name": "@20", "tokens": [20, 0], "index": 20},
        {"name": "@142", "tokens": [197, 0], "index": 142},
        {"name": "@188", "tokens": [299, 0], "index": 188},
        {"name": "@7", "tokens": [7, 0], "index": 7},
        {"name": "@367", "tokens": [479, 0], "index": 367},
        {"name": "@400", "tokens": [600, 0], "index": 400},
    ]
    tokens = [
        {"name": "USDC", "index": 0, "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054"},
        {"name": "PURR", "index": 1, "tokenId": "0xc1fb593aeffbeb02f85e0308e9956a90"},
        {"name": "PUMP", "index": 20, "tokenId": "0x01"},
        {"name": "WARS", "index": 7, "tokenId": "0x02"},
        {"name": "UBTC", "index": 197, "tokenId": "0x8f254b963e8468305d409b33aa137c67"},
        {"name": "UPUMP", "index": 299, "tokenId": "0x544e60f98a36d7b22c0fb5824b84f795"},
        {"name": "WARS", "index": 479, "tokenId": "0x03"},
    ]
    prices = {"@20": "0.0001406", "@188": "0.0054887", "@142": "110000.0", "@367": "0.36"}
    paid = {"@7": "0.0", "@367": "36.0"}
    contexts = [
        {"coin": one["name"], "midPx": prices.get(one["name"]), "markPx": "0.1",
         "prevDayPx": "0.1", "dayNtlVlm": paid.get(one["name"], "1.0")}
        for one in universe
    ]  # fmt: skip
    told = msgspec.json.encode([{"universe": universe, "tokens": tokens}, contexts])
    venue = adapter(hyperliquid, {"/info": told}, 1_760_100_000_000)
    listed = await venue.directory("spot")
    assert {str(pair): one.symbol for pair, one in listed.by_pair.items()} == {
        "PURR/USDC": "PURR/USDC",
        "BTC/USDC": "@142",
        "PUMP/USDC": "@188",
        "WARS/USDC": "@367",
    }
    pump = listed.by_pair[Pair("PUMP", "USDC")]
    assert (await venue.ticker(pump)).price == 0.0054887


# -- candles and histories ---------------------------------------------------------------------


async def test_gates_document_has_candles_without_a_volume():
    """Gate API v4, *Market candlesticks*: the example's seventh column is "true"."""
    row = b'["1539852480","971519.677","0.0021724","0.0021922","0.0021724","0.0021737",%b"true"]'
    pair = Instrument("gate", "spot", BTC, "BTC_USDT")
    for volume, meant in ((b"", None), (b'"12.5",', 12.5), (b'"1",', 1.0)):
        answers = {"/api/v4/spot/candlesticks": b"[%b]" % (row % volume)}
        venue = adapter(gate, answers, 1_539_852_600_000)
        [candle] = (await venue.candles(pair, minutes=1, count=2)).closed
        assert (candle.close, candle.volume, candle.turnover) == (0.0021724, meant, 971519.677)


async def test_histories_that_are_told_in_disorder_begin_with_the_oldest():
    """Binance, COIN-M futures, *Open Interest Statistics*: the example's later row comes first."""
    told = (
        b'[{"pair":"BTCUSD","contractType":"CURRENT_QUARTER","sumOpenInterest":"20403",'
        b'"sumOpenInterestValue":"176196512.23400000","timestamp":1591261042378},'
        b'{"pair":"BTCUSD","contractType":"CURRENT_QUARTER","sumOpenInterest":"20401",'
        b'"sumOpenInterestValue":"176178704.98700000","timestamp":1583128200000}]'
    )
    path, at = "/futures/data/openInterestHist", 1_591_261_100_000
    venue = adapter(binance, {path: told}, at)
    coin = await venue.open_interest_history(inverse("binance", "BTCUSD_PERP", 100.0))
    assert [(point.time, point.value) for point in coin] == [
        (1_583_128_200_000, 2_040_100.0),
        (1_591_261_042_378, 2_040_300.0),
    ]
    stable = await venue.open_interest_history(perp("binance", "BTCUSDT"))
    assert [point.time for point in stable] == [1_583_128_200_000, 1_591_261_042_378]
    stats = b'[{"time":1674057600,"open_interest":"4"},{"time":1674056700,"open_interest":"2"}]'
    gates = adapter(gate, {"/api/v4/futures/usdt/contract_stats": stats}, 1_674_058_000_000)
    points = await gates.open_interest_history(perp("gate", "BTC_USDT"))
    assert [(point.time, point.amount) for point in points] == [
        (1_674_056_700_000, 1.0),
        (1_674_057_600_000, 2.0),
    ]


@pytest.mark.parametrize("trades", [b"null", b'"308"', b"308.0"])
async def test_what_is_not_read_of_a_candle_hides_none(trades):
    row = (
        b'[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",'
        b'1499040899999,"2434.19055334",%b,"1756.87402397","28.46694368","0"]'
    )
    venue = adapter(binance, {"/fapi/v1/klines": b"[%b]" % (row % trades)}, 1_499_041_000_000)
    [candle] = (await venue.candles(perp("binance", "BTCUSDT"), minutes=15, count=1)).closed
    assert (candle.volume, candle.buy) == (148976.11427815, 1756.87402397)


async def test_two_candles_of_okx_of_2025():
    """nautilus_trader's test data (http_get_candlesticks_full): contracts, coins, USDT."""
    told = (
        b'{"code":"0","msg":"","data":['
        b'["1747094040000","102806.1","102820.4","102806.1","102820.4","1040.37","10.4037",'
        b'"1069603.34883","1"],'
        b'["1747093980000","102806","102820.5","102783.1","102806.1","7164.04","71.6404",'
        b'"7364701.57952","1"]]}'
    )
    venue = adapter(okx, {"/api/v5/market/candles": told}, 1_747_094_100_000)
    found = await venue.candles(perp("okx", "BTC-USDT-SWAP", 0.01), minutes=1, count=2)
    assert [(one.volume, one.turnover) for one in found.closed] == [
        (71.6404, 7364701.57952),
        (10.4037, 1069603.34883),
    ]
