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


@pytest.mark.parametrize(("delisted", "there"), [(1_780_963_200, True), (1_780_000_000, False),
                                                 (0, True), (None, True)])  # fmt: skip
async def test_gate_tells_ahead_when_a_contract_goes(delisted, there):
    """DEGO_USDT in June 2026: ``status`` trading, ``in_delisting`` false, and a ``delisted_time``
    to come (the pull request of another client, extrema_infra 45).
    """
    row = {"name": "DEGO_USDT", "type": "direct", "quanto_multiplier": "0.1", "status": "trading",
           "in_delisting": False, "delisted_time": delisted, "contract_type": ""}  # fmt: skip
    path = "/api/v4/futures/usdt/contracts"
    venue = adapter(gate, {path: msgspec.json.encode([row])}, 1_780_500_000_000)
    assert (Pair("DEGO", "USDT") in (await venue.directory("perp")).by_pair) is there


async def test_bitgets_pairs_of_march_2024_and_their_states():
    """bbgo's test data (get_symbols_request): BTCUSDT was ``gray`` in that answer."""
    rows = [
        {"symbol": f"{base}USDT", "baseCoin": base, "quoteCoin": "USDT", "status": status,
         "minTradeUSDT": "5", "areaSymbol": "no"}
        for base, status in (("ETH", "online"), ("BTC", "gray"), ("SPONGE", "offline"))
    ]  # fmt: skip
    told = msgspec.json.encode({"code": "00000", "msg": "success", "data": rows})
    venue = adapter(bitget, {"/api/v2/spot/public/symbols": told}, 1_709_620_645_000)
    assert list((await venue.directory("spot")).by_pair) == [Pair("ETH", "USDT")]


@pytest.mark.parametrize(
    ("kind", "symbol", "base", "quote", "word", "asset"),
    [
        ("spot", "AAPLUSDT", "AAPL", "USDT", "xstocks", "stock"),
        ("perp", "TSLAUSDT", "TSLA", "USDT", "stock", "stock"),
        ("inverse", "BRENTUSD", "BRENT", "USD", "commodity", "commodity"),
    ],
)
async def test_bybits_words_for_what_is_no_coin_on_each_side(  # noqa: PLR0917 - parameters
    kind, symbol, base, quote, word, asset
):
    """nautilus_trader's test data (http_get_instruments_*): a page ends with a cursor of null."""
    types = {"perp": {"contractType": "LinearPerpetual", "fundingInterval": 480},
             "inverse": {"contractType": "InversePerpetual", "fundingInterval": 480}}  # fmt: skip
    row = {"symbol": symbol, "baseCoin": base, "quoteCoin": quote, "status": "Trading",
           "symbolType": word, **types.get(kind, {})}  # fmt: skip
    told = {"retCode": 0, "retMsg": "OK", "result": {"nextPageCursor": None, "list": [row]}}
    answers = {"/v5/market/instruments-info": msgspec.json.encode(told)}
    listed = await adapter(bybit, answers, 1_700_000_000_000).directory(kind)
    [one] = listed.by_pair.values()
    assert (one.symbol, one.asset, one.hours) == (symbol, asset, None if kind == "spot" else 8.0)
    assert not listed.coins().by_pair


async def test_an_inverse_swap_of_okx_of_2023_is_one_of_a_coin():
    """The row of OKX.Api's issue 7, April 2023: no ``ruleType`` and no ``instCategory`` yet."""
    row = {"instId": "BTC-USD-SWAP", "instType": "SWAP", "instFamily": "BTC-USD", "category": "1",
           "ctType": "inverse", "ctVal": "100", "ctMult": "1", "ctValCcy": "USD", "baseCcy": "",
           "quoteCcy": "", "settleCcy": "BTC", "state": "live", "expTime": ""}  # fmt: skip
    told = msgspec.json.encode({"code": "0", "msg": "", "data": [row]})
    venue = adapter(okx, {"/api/v5/public/instruments": told}, 1_682_700_000_000)
    [one] = (await venue.directory("inverse")).coins().by_pair.values()
    assert (str(one.pair), one.unit) == ("BTC/USD", 100.0)
    assert not (await venue.directory("perp")).by_pair


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


# -- the present -------------------------------------------------------------------------------


async def test_okx_tells_no_interval_before_but_the_next_one():
    """ccxt's issue 20735, January 2024: XRP-USDT-SWAP, ``nextFundingRate`` is empty."""
    told = (
        b'{"code":"0","data":[{"fundingRate":"0.0000728992871126","fundingTime":"1704816000000",'
        b'"instId":"XRP-USDT-SWAP","instType":"SWAP","maxFundingRate":"0.0075",'
        b'"method":"current_period","minFundingRate":"-0.0075","nextFundingRate":"",'
        b'"nextFundingTime":"1704844800000","settFundingRate":"0.0000558513836517",'
        b'"settState":"settled","ts":"1704802262047"}],"msg":""}'
    )
    marks = b'{"code":"0","data":[{"instId":"XRP-USDT-SWAP","markPx":"0.56","ts":"1704802262047"}]}'
    answers = {"/api/v5/public/funding-rate": told, "/api/v5/public/mark-price": marks}
    found = await adapter(okx, answers, 1_704_802_262_000).funding(perp("okx", "XRP-USDT-SWAP"))
    assert (found.rate, found.interval_hours, found.next_reset) == (
        0.0000728992871126, 8.0, 1_704_816_000_000,
    )  # fmt: skip


async def test_okxs_inverse_ticker_of_may_2021():
    """OKX v5, *Get a ticker*, the Chinese document's example: contracts of 100 dollars, coins."""
    told = (
        b'{"code":"0","msg":"","data":[{"instType":"SWAP","instId":"BTC-USD-SWAP",'
        b'"last":"56956.1","open24h":"55926","high24h":"57641.1","low24h":"54570.1",'
        b'"volCcy24h":"81137.755","vol24h":"46258703","ts":"1620289117764","sodUtc0":"55926"}]}'
    )
    venue = adapter(okx, {"/api/v5/market/ticker": told}, 1_620_289_118_000)
    found = await venue.ticker(inverse("okx", "BTC-USD-SWAP", 100.0))
    assert (found.price, found.volume, found.turnover) == (56956.1, 81137.755, 4_625_870_300.0)


async def test_gates_stats_of_january_2023():
    """ccxt's pull request 16531; what takers did is not told yet."""
    told = (
        b'[{"long_liq_amount":"0","long_liq_size":"0","long_liq_usd":"0",'
        b'"lsr_account":"1.146173969915","lsr_taker":"2.1383317821535","mark_price":"20745.57",'
        b'"open_interest":"149191056","open_interest_usd":"309505349.56219","time":"1674137400",'
        b'"top_lsr_account":"0","top_lsr_size":"0"}]'
    )
    venue = adapter(gate, {"/api/v4/futures/usdt/contract_stats": told}, 1_674_137_500_000)
    contract = perp("gate", "BTC_USDT", 0.0001)
    ratio = await venue.account_ratio(contract)
    assert (ratio.long_short, ratio.time) == (1.146173969915, 1_674_137_400_000)
    assert (await venue.taker_volumes(contract, 5)).periods == ()
    [point] = await venue.open_interest_history(contract)
    assert point.value == pytest.approx(point.amount * 20745.57, rel=1e-9), "the same measure"


async def test_gates_spot_tickers_of_september_2023():
    """XChange's test data (api_v4_spot_tickers): the change in percent alone."""
    told = (
        b'[{"currency_pair":"BTC_USDT","last":"26019.8","lowest_ask":"26019.9",'
        b'"change_percentage":"1.09","change_utc0":"0.36","base_volume":"4722.912133756",'
        b'"quote_volume":"122324034.68892","high_24h":"26202.4","low_24h":"25606.3"},'
        b'{"currency_pair":"ETH_USDT","last":"1752.96","change_percentage":"0.24",'
        b'"base_volume":"34842.614438438","quote_volume":"60887901.935971","high_24h":"1777.84",'
        b'"low_24h":"1719.5"}]'
    )
    pair = Instrument("gate", "spot", BTC, "BTC_USDT")
    venue = adapter(gate, {"/api/v4/spot/tickers": told}, 1_694_500_000_000)
    found = await venue.tickers("spot", Directory({BTC: pair}))
    assert found == {BTC: await venue.ticker(pair)}, "of several rows the one that was asked for"
    assert found[BTC].open == pytest.approx(26019.8 / 1.0109)


async def test_bitgets_ticker_and_candles_of_march_2024():
    """bbgo's test data (get_ticker_request, get_k_line_request): rows of four hours."""
    told = (
        b'{"code":"00000","msg":"success","requestTime":1709626632870,"data":[{"open":"64654.54",'
        b'"symbol":"BTCUSDT","high24h":"68686.93","low24h":"64583.42","lastPr":"66554.03",'
        b'"quoteVolume":"1963568540.741927","baseVolume":"29439.351448","ts":"1709626631127"}]}'
    )
    rows = (
        b'{"code":"00000","msg":"success","data":[["1709352000000","62308.42","62308.43","61760",'
        b'"62014.17","987.377637","61283110.57046518","61283110.57046518"],["1709366400000",'
        b'"62014.17","62122.8","61648.26","61825.64","1271.183413","78680550.55539777",'
        b'"78680550.55539777"]]}'
    )
    pair = Instrument("bitget", "spot", BTC, "BTCUSDT")
    answers = {"/api/v2/spot/market/tickers": told}
    found = await adapter(bitget, answers, 1_709_626_632_000).ticker(pair)
    assert (found.price, found.open, found.volume) == (66554.03, 64654.54, 29439.351448)
    venue = adapter(bitget, {"/api/v2/spot/market/candles": rows}, 1_709_380_900_000)
    candles = (await venue.candles(pair, minutes=240, count=2)).closed
    assert [(one.close, one.volume, one.turnover) for one in candles] == [
        (62014.17, 987.377637, 61283110.57046518),
        (61825.64, 1271.183413, 78680550.55539777),
    ]


async def test_bybits_spot_ticker_of_2023_has_no_open_interest():
    """XChange's test data (getTickerSpot)."""
    told = (
        b'{"retCode":0,"retMsg":"OK","result":{"category":"spot","list":[{"symbol":"BTCUSDT",'
        b'"bid1Price":"20517.96","lastPrice":"20533.13","prevPrice24h":"20393.48",'
        b'"price24hPcnt":"0.0068","highPrice24h":"21128.12","lowPrice24h":"20318.89",'
        b'"turnover24h":"243765620.65899866","volume24h":"11801.27771",'
        b'"usdIndexPrice":"20784.12009279"}]},"retExtInfo":{},"time":1673859087947}'
    )
    pair = Instrument("bybit", "spot", BTC, "BTCUSDT")
    venue = adapter(bybit, {"/v5/market/tickers": told}, 1_673_859_088_000)
    found = await venue.ticker(pair)
    assert (found.price, found.turnover) == (20533.13, 243765620.65899866)
    with pytest.raises(VenueError, match="no openInterest"):
        await venue.open_interest(pair)


async def test_hyperliquids_bitcoin_of_december_2024():
    """ccxt's pull request 24577."""
    context = {"dayBaseVlm": "14598.15467", "dayNtlVlm": "1551602431.44650126",
               "funding": "0.00003094", "impactPxs": ["107050.0", "107051.0"],
               "markPx": "107043.0", "midPx": "107050.5", "openInterest": "9942.2624",
               "oraclePx": "106956.0", "prevDayPx": "103950.0"}  # fmt: skip
    coin = {"name": "BTC", "szDecimals": 5, "maxLeverage": 50}
    told = msgspec.json.encode([{"universe": [coin]}, [context]])
    venue = adapter(hyperliquid, {"/info": told}, 1_734_430_000_000)
    one = Instrument("hyperliquid", "perp", Pair("BTC", "USDC"), "BTC")
    found = await venue.ticker(one)
    assert (found.price, found.open, found.volume) == (107050.5, 103950.0, 14598.15467)
    assert (await venue.open_interest(one)).amount == 9942.2624


async def test_bybits_document_of_2026_tells_one_side_of_an_inverse_history():
    """Bybit v5, *Get Open Interest* (June 2026): BTCUSD in dollars, the close in coins."""
    told = (
        b'{"retCode":0,"retMsg":"OK","result":{"symbol":"BTCUSD","category":"inverse","list":['
        b'{"openInterest":"63910691.00000000","singleOpenInterest":"31955346",'
        b'"timestamp":"1780963200000"}],'
        b'"nextPageCursor":"lastid%3D19408935%26lasttime%3D1780617600"},"time":1780994051392}'
    )
    rows = (
        b'{"retCode":0,"retMsg":"OK","result":{"category":"inverse","symbol":"BTCUSD","list":['
        b'["1780962300000","80000","80100","79900","80000","268611","3.35"]]},'
        b'"time":1780963300000}'
    )
    answers = {"/v5/market/open-interest": told, "/v5/market/kline": rows}
    venue = adapter(bybit, answers, 1_780_963_300_000)
    [point] = await venue.open_interest_history(inverse("bybit", "BTCUSD"))
    assert (point.value, point.amount) == (31955346.0, 31955346.0 / 80000)
