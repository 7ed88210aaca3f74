"""What real venues told from 2021 to 2026, through the adapters (fixtures/venues/recorded/SOURCES).

Fields that came later are missing in these, numbers come as text and as numbers, and what is null
or empty now was so then.
"""

from pathlib import Path

import msgspec
import pytest

from contract_tests.market_data.recorded import BTC, adapter, inverse, perp
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues import binance, bitget, bybit, gate, hyperliquid, okx
from reference_bot.market_data.venues.base import Instrument

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parents[2] / "fixtures" / "venues" / "recorded"


def body(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


# -- funding -----------------------------------------------------------------------------------


def changed(name: str, **members) -> bytes:
    told = msgspec.json.decode(body(name))
    row = told["data"][0] if "data" in told else told
    row |= members
    return msgspec.json.encode(told)


async def test_binance_in_2021_told_times_as_text_and_the_interval_nowhere():
    settled = b'[{"fundingTime":1621209600005},{"fundingTime":1621238400002}]'
    answers = {
        "/fapi/v1/premiumIndex": body("binance/cx_fapi_premiumIndex_2021-05-17.json"),
        "/fapi/v1/fundingInfo": b"[]",
        "/fapi/v1/fundingRate": settled,
    }
    told = await adapter(binance, answers, 1_621_252_344_000).funding(perp("binance", "BTCUSDT"))
    assert (told.rate, told.next_reset, told.interval_hours) == (0.00063521, 1_621_267_200_000, 8)
    assert told.mark_price == 45802.81129892


@pytest.mark.parametrize(
    "members", [{"lastFundingRate": ""}, {"nextFundingTime": 0}, {"nextFundingTime": "0"}], ids=str
)
async def test_a_contract_of_binance_without_funding_is_no_trouble_of_the_venue(members):
    """A contract that is delivered or settled has a rate of "" and a next reset of 0."""
    answers = {
        "/fapi/v1/premiumIndex": changed("binance/cx_fapi_premiumIndex_2021-05-17.json", **members),
        "/fapi/v1/fundingInfo": b"[]",
        "/fapi/v1/fundingRate": b"[]",
    }
    with pytest.raises(VenueError, match="has no funding") as caught:
        await adapter(binance, answers, 1_621_252_344_000).funding(perp("binance", "BTCUSDT"))
    assert caught.value.reason == "unavailable"


@pytest.mark.parametrize(
    ("name", "at", "rate", "reset"),
    [
        ("okx/cx_funding_rate_2021-10-14.json", 1_634_250_000_000, 0.00027815, 1_634_256_000_000),
        ("okx/cx_funding_rate_btcusd_2023-11-23.json", 1_700_724_675_000, 0.0001875391284828,
         1_700_726_400_000),
    ],
)  # fmt: skip
async def test_okx_before_it_told_when_the_interval_began(name, at, rate, reset):
    marks = b'{"code":"0","data":[{"instId":"BTC-USD-SWAP","markPx":"57000.1","ts":"1"}]}'
    answers = {"/api/v5/public/funding-rate": body(name), "/api/v5/public/mark-price": marks}
    told = await adapter(okx, answers, at).funding(inverse("okx", "BTC-USD-SWAP"))
    assert (told.rate, told.next_reset, told.interval_hours) == (rate, reset, 8.0)


@pytest.mark.parametrize(
    "members",
    [{"fundingRate": ""}, {"fundingTime": ""}, {"nextFundingTime": ""}, {"fundingTime": None}],
    ids=str,
)
async def test_a_swap_of_okx_before_its_first_settlement_has_no_funding(members):
    marks = b'{"code":"0","data":[{"instId":"BTC-USD-SWAP","markPx":"","ts":"1"}]}'
    name = "okx/cx_funding_rate_2021-10-14.json"
    answers = {
        "/api/v5/public/funding-rate": changed(name, **members),
        "/api/v5/public/mark-price": marks,
    }
    with pytest.raises(VenueError, match="has no rate") as caught:
        await adapter(okx, answers, 1_634_250_000_000).funding(inverse("okx", "BTC-USD-SWAP"))
    assert caught.value.reason == "unavailable"


async def test_gates_contract_of_2021():
    path = "/api/v4/futures/usdt/contracts/BTC_USDT"
    answers = {path: body("gate/cx_contract_btc_usdt_2021-01-07.json")}
    at = 1_610_035_000_000
    told = await adapter(gate, answers, at).funding(perp("gate", "BTC_USDT", 0.0001))
    assert (told.rate, told.next_reset, told.interval_hours) == (0.002053, 1_610_035_200_000, 8.0)
    listing = {"/api/v4/futures/usdt/contracts": b"[%b]" % answers[path]}
    [one] = (await adapter(gate, listing, at).directory("perp")).by_pair.values()
    assert (one.symbol, one.unit, one.asset) == ("BTC_USDT", 0.0001, "coin")


async def test_a_listing_is_not_read_by_its_funding():
    """A contract that has none yet, or a figure that cannot be used, is listed all the same."""
    members = {"funding_next_apply": 0, "funding_rate": "NaN", "mark_price": None}
    one = changed("gate/cx_contract_btc_usdt_2021-01-07.json", **members, contract_type="crypto")
    listing = {"/api/v4/futures/usdt/contracts": b"[%b]" % one}
    listed = await adapter(gate, listing, 1_610_035_000_000).directory("perp")
    assert list(listed.coins().by_pair) == [BTC]


async def test_bitget_in_2023_told_the_reset_at_another_path():
    """A day at least is between the two recordings: the times are moved to the rate's."""
    times = changed("bitget/cx_funding_time_2025-04-23.json", nextFundingTime="1700812800000")
    ticker = changed("bitget/cx_mix_ticker_2023-11-21.json", ts="1700811542000")
    answers = {
        "/api/v2/mix/market/current-fund-rate": body("bitget/cx_current_fund_rate_2023-11-24.json"),
        "/api/v2/mix/market/funding-time": times,
        "/api/v2/mix/market/ticker": ticker,
    }
    told = await adapter(bitget, answers, 1_700_811_542_000).funding(perp("bitget", "BTCUSDT"))
    assert (told.rate, told.next_reset, told.interval_hours) == (0.000106, 1_700_812_800_000, 8.0)
    assert told.mark_price is None


@pytest.mark.parametrize("members", [{}, {"nextUpdate": "0"}, {"fundingRate": ""}], ids=str)
async def test_bitgets_rate_of_2025_and_what_may_be_empty_in_it(members):
    ticker = changed("bitget/cx_mix_ticker_2023-11-21.json", ts="1750897372000")
    rate = changed("bitget/cx_current_fund_rate_2025-06-26.json", **members)
    none = b'{"code":"00000","msg":"success","data":[{"nextFundingTime":"","ratePeriod":""}]}'
    answers = {
        "/api/v2/mix/market/current-fund-rate": rate,
        "/api/v2/mix/market/funding-time": none,
        "/api/v2/mix/market/ticker": ticker,
    }
    asked = adapter(bitget, answers, 1_750_897_372_000).funding(perp("bitget", "BTCUSDT"))
    if not members:
        told = await asked
        assert (told.rate, told.next_reset) == (0.00001, 1_750_924_800_000)
        return
    with pytest.raises(VenueError, match="has no rate") as caught:
        await asked
    assert caught.value.reason == "unavailable"


async def test_an_inverse_contract_of_bybit_in_2022():
    at = 1_672_376_496_000
    answers = {"/v5/market/tickers": body("bybit/cx_tickers_inverse_2022-12-30.json")}
    coin = inverse("bybit", "BTCUSD", hours=8.0)
    venue = adapter(bybit, answers, at)
    funding = await venue.funding(coin)
    assert (funding.rate, funding.next_reset) == (-0.001034, 1_672_387_200_000)
    held = await venue.open_interest(coin)
    assert held.value == 373504107 / 2  # the sum of both sides was all that was told
    assert held.amount == pytest.approx(22505.67 / 2, abs=0.01)
    ticker = await venue.ticker(coin)
    assert (ticker.volume, ticker.turnover) == (2352.94950046, 49337318)


async def test_hyperliquid_in_2024_told_no_volume_in_coins():
    answers = {"/info": body("hyperliquid/cx_meta_and_asset_ctxs_2024.json")}
    venue = adapter(hyperliquid, answers, 1_706_000_000_000)
    listed = await venue.directory("perp")
    [ticker] = (await venue.tickers("perp", listed)).values()
    assert (ticker.price, ticker.open, ticker.volume) == (108.05, 111.81, None)
    assert ticker.turnover == 9450588.2273


async def test_a_null_that_says_that_nothing_is_delisted_is_no_bad_row():
    """As it stands in a recording of 2026: ``"isDelisted": null`` of every coin."""
    told = msgspec.json.decode(body("hyperliquid/cx_meta_and_asset_ctxs_2024.json"))
    told[0]["universe"][0] |= {"isDelisted": None, "onlyIsolated": None}
    venue = adapter(hyperliquid, {"/info": msgspec.json.encode(told)}, 1_706_000_000_000)
    assert list((await venue.directory("perp")).by_pair) == [Pair("SOL", "USDC")]


async def test_open_interest_needs_no_price():
    """As in the tests of others (github.com/shuntatsu/Grid-trade): prices are null."""
    told = msgspec.json.decode(body("hyperliquid/cx_meta_and_asset_ctxs_2024.json"))
    told[1][0] |= {"markPx": None, "midPx": None, "openInterest": "1882.55"}
    venue = adapter(hyperliquid, {"/info": msgspec.json.encode(told)}, 1_706_000_000_000)
    coin = Instrument("hyperliquid", "perp", Pair("SOL", "USDC"), "SOL")
    assert (await venue.open_interest(coin)).amount == 1882.55
    assert await venue.tickers("perp", await venue.directory("perp")) == {}


async def test_of_several_contracts_the_one_that_was_asked_for_counts():
    """Binance, 2020: a pair has three contracts, the perpetual last; only it has funding."""
    answers = {
        "/dapi/v1/premiumIndex": body("binance/gt_dapi_premiumIndex_btcusd_2020-10-16.json"),
        "/dapi/v1/fundingInfo": b"[]",
        "/dapi/v1/fundingRate": b'[{"fundingTime":1602777600000},{"fundingTime":1602806400000}]',
    }
    venue = adapter(binance, answers, 1_602_829_101_000)
    told = await venue.funding(inverse("binance", "BTCUSD_PERP", 100.0))
    assert (told.rate, told.interval_hours) == (0.00010000, 8)
    with pytest.raises(VenueError, match="nothing about ETHUSD_PERP") as caught:
        await venue.funding(inverse("binance", "ETHUSD_PERP", 10.0))
    assert caught.value.reason == "unavailable"


async def test_a_contract_that_was_delivered_has_no_funding_and_a_time_that_stands_still():
    """Binance, October 2020: BTCUSD_200925 told a time of 25 September."""
    answers = {
        "/dapi/v1/premiumIndex": body("binance/gt_dapi_premiumIndex_btcusd_2020-10-16.json"),
        "/dapi/v1/fundingInfo": b"[]",
        "/dapi/v1/fundingRate": b"[]",
    }
    venue = adapter(binance, answers, 1_602_829_101_000)
    with pytest.raises(VenueError, match="has no funding") as caught:
        await venue.funding(inverse("binance", "BTCUSD_200925", 100.0))
    assert caught.value.reason == "unavailable"


async def test_a_contract_that_is_settled_has_a_mark_price_of_zero_and_no_funding():
    settled = {"markPrice": "0.00000000", "lastFundingRate": "", "nextFundingTime": 0}
    answers = {
        "/fapi/v1/premiumIndex": changed("binance/cx_fapi_premiumIndex_2021-05-17.json", **settled),
        "/fapi/v1/fundingInfo": b"[]",
        "/fapi/v1/fundingRate": b"[]",
    }
    venue = adapter(binance, answers, 1_621_252_344_000)
    with pytest.raises(VenueError, match="has no funding") as caught:
        await venue.funding(perp("binance", "BTCUSDT"))
    assert caught.value.reason == "unavailable"


async def test_a_rate_is_given_where_okx_tells_no_mark_price():
    answers = {
        "/api/v5/public/funding-rate": body("okx/cx_funding_rate_2021-10-14.json"),
        "/api/v5/public/mark-price": b'{"code":"0","data":[],"msg":""}',
    }
    told = await adapter(okx, answers, 1_634_250_000_000).funding(inverse("okx", "BTC-USD-SWAP"))
    assert (told.rate, told.mark_price) == (0.00027815, None)


# -- open interest -----------------------------------------------------------------------------


async def test_okx_in_2022_told_no_dollars():
    answers = {"/api/v5/public/open-interest": body("okx/cx_open_interest_2022-09-24.json")}
    swap = perp("okx", "BTC-USDT-SWAP", 0.01)
    told = await adapter(okx, answers, 1_664_005_109_000).open_interest(swap)
    assert (told.amount, told.value) == (21254.19, None)
    answers = {
        "/api/v5/public/open-interest": changed("okx/cx_open_interest_2022-09-24.json", oiCcy="")
    }
    told = await adapter(okx, answers, 1_664_005_109_000).open_interest(swap)
    assert told.amount == pytest.approx(21254.19), "contracts tell the coins, too"


async def test_gates_stats_of_2023_are_texts_and_tell_no_takers():
    answers = {
        "/api/v4/futures/usdt/contract_stats": body("gate/cx_contract_stats_2023-01-18.json")
    }
    venue = adapter(gate, answers, 1_674_057_100_000)
    contract = perp("gate", "XLM_USDT", 10.0)
    [point] = await venue.open_interest_history(contract)
    assert (point.amount, point.value) == (14258625.0, 9872386.7775 / 2)
    assert (await venue.taker_volumes(contract, 15)).periods == ()
    assert (await venue.account_ratio(contract)).long_short == 3.2808988764045


async def test_bitgets_open_interest_of_2023_with_and_without_its_time():
    name = "bitget/cx_open_interest_2023-11-24.json"
    path, at = "/api/v2/mix/market/open-interest", 1_700_866_041_000
    told = await adapter(bitget, {path: body(name)}, at).open_interest(perp("bitget", "BTCUSDT"))
    assert (told.amount, told.time) == (52234.134, 1_700_866_041_023)
    bare = b'{"code":"00000","msg":"success","data":{"openInterestList":[{"size":"37225.07"}]}}'
    told = await adapter(bitget, {path: bare}, at).open_interest(perp("bitget", "BTCUSDT"))
    assert (told.amount, told.time) == (37225.07, at)


async def test_histories_of_2022():
    told = body("binance/cx_openInterestHist_2022-01-14.json")
    venue = adapter(binance, {"/futures/data/openInterestHist": told}, 1_642_180_000_000)
    [point] = await venue.open_interest_history(perp("binance", "BTCUSDT"))
    assert (point.amount, point.value) == (75375.617, 3248828883.7125144)


# -- tickers and listings ----------------------------------------------------------------------


async def test_tickers_of_five_years():
    at = 1_753_787_874_000
    answers = {"/api/v3/ticker/24hr": body("binance/cx_spot_ticker_btcusdt_2025-07-29.json")}
    spot = Instrument("binance", "spot", BTC, "BTCUSDT")
    told = await adapter(binance, answers, at).ticker(spot)
    assert (told.price, told.time) == (118449.03, 1_753_787_874_013)

    answers = {"/dapi/v1/ticker/24hr": body("binance/cx_dapi_ticker_btcusd_perp_2021-05-25.json")}
    coin = inverse("binance", "BTCUSD_PERP", 100.0)
    told = await adapter(binance, answers, 1_621_965_287_000).ticker(coin)
    assert (told.volume, told.turnover) == (214549.95171161, 8199045100.0)

    answers = {"/api/v5/market/ticker": body("okx/cx_tickers_spot_2021-05-19.json")}
    spot = Instrument("okx", "spot", Pair("BCD", "BTC"), "BCD-BTC")
    told = await adapter(okx, answers, 1_621_441_742_000).ticker(spot)
    assert (told.price, told.volume, told.turnover) == (0.0000769, 124824.1985, 9.2877)

    answers = {"/api/v4/spot/tickers": body("gate/cx_spot_tickers_kfc_usdt_2021.json")}
    spot = Instrument("gate", "spot", Pair("KFC", "USDT"), "KFC_USDT")
    told = await adapter(gate, answers, 1_621_441_742_000).ticker(spot)
    assert told.open == pytest.approx(7.255 / 0.9882)

    answers = {"/api/v2/mix/market/ticker": body("bitget/cx_mix_ticker_2023-11-21.json")}
    told = await adapter(bitget, answers, 1_700_533_070_000).ticker(perp("bitget", "BTCUSDT"))
    assert (told.price, told.open) == (37577.2, 37235.7)


async def test_what_was_not_traded_a_day_ago_has_no_ticker_and_hides_nothing():
    """Bitget, 2023: every figure of the day is "0"."""
    name = "bitget/cx_mix_ticker_btcusd_2023-09-27.json"
    venue = adapter(bitget, {"/api/v2/mix/market/ticker": body(name)}, 1_695_794_271_000)
    with pytest.raises(VenueError, match="has no price, or none of 24 h ago") as caught:
        await venue.ticker(inverse("bitget", "BTCUSD"))
    assert caught.value.reason == "unavailable"


async def test_a_listing_of_bybit_of_2023_and_a_symbol_that_it_does_not_know():
    listing = {"/v5/market/instruments-info": body("bybit/cx_instruments_linear_2023-01-03.json")}
    listed = await adapter(bybit, listing, 1_672_712_495_000).directory("perp")
    [one] = listed.coins().by_pair.values()
    assert (one.symbol, one.hours) == ("BTCUSDT", 8.0)
    answers = {"/v5/market/tickers": body("bybit/cx_no_such_symbol_2023.json")}
    with pytest.raises(VenueError, match="symbol params err") as caught:
        await adapter(bybit, answers, 1_672_712_495_000).ticker(perp("bybit", "GONEUSDT"))
    assert caught.value.reason == "not_listed"


@pytest.mark.parametrize("rows", [b"[]", b"null"])
async def test_an_empty_list_says_nothing_about_the_venues_health(rows):
    told = b'{"retCode":0,"retMsg":"OK","result":{"category":"linear","list":%b}}' % rows
    venue = adapter(bybit, {"/v5/market/tickers": told}, 1_672_712_495_000)
    for _ in range(6):
        with pytest.raises(VenueError, match="the list is empty") as caught:
            await venue.ticker(perp("bybit", "GONEUSDT"))
        assert caught.value.reason == "unavailable"


async def test_numbers_that_a_client_wrote_down_as_texts_are_the_same_answer():
    """ccxt reads all numbers as texts: of Bybit's envelope, too."""
    told = msgspec.json.decode(body("bybit/cx_tickers_inverse_2022-12-30.json"))
    told |= {"retCode": "0", "time": str(told["time"])}
    venue = adapter(bybit, {"/v5/market/tickers": msgspec.json.encode(told)}, 1_672_376_496_000)
    assert (await venue.ticker(inverse("bybit", "BTCUSD"))).price == 16597.0


@pytest.mark.parametrize("last", ["", "0", None], ids=str)
async def test_what_has_not_been_traded_yet_has_no_price_and_is_no_trouble(last):
    told = msgspec.json.decode(body("bybit/cx_tickers_inverse_2022-12-30.json"))
    told["result"]["list"][0]["lastPrice"] = last
    answers = {"/v5/market/tickers": msgspec.json.encode(told)}
    futures = msgspec.json.decode(body("gate/cx_spot_tickers_kfc_usdt_2021.json"))
    futures[0]["last"] = last
    answers["/api/v4/spot/tickers"] = msgspec.json.encode(futures)
    pair = Instrument("gate", "spot", Pair("KFC", "USDT"), "KFC_USDT")
    for module, asked in ((bybit, inverse("bybit", "BTCUSD")), (gate, pair)):
        with pytest.raises(VenueError) as caught:
            await adapter(module, answers, 1_672_376_496_000).ticker(asked)
        assert caught.value.reason == "unavailable"


async def test_spot_candles_of_okx_before_2022_tell_the_turnover_in_the_seventh_column():
    """Two columns less; of spot ``volCcy`` counts the quote asset, of swaps coins."""
    row = '["1597026360000","3.721","3.743","3.677","3.708","8422410","22698348.04828491"]'
    answers = {"/api/v5/market/candles": b'{"code":"0","msg":"","data":[%b]}' % row.encode()}
    venue = adapter(okx, answers, 1_597_026_420_000)
    spot = Instrument("okx", "spot", BTC, "BTC-USDT")
    [candle] = (await venue.candles(spot, minutes=1, count=2)).closed
    assert (candle.volume, candle.turnover) == (8422410, 22698348.04828491)
    [candle] = (await venue.candles(perp("okx", "BTC-USDT-SWAP"), minutes=1, count=2)).closed
    assert (candle.volume, candle.turnover) == (22698348.04828491, None)


@pytest.mark.parametrize(("status", "there"), [("restrictedAPI", True), ("maintain", False),
                                               ("limit_open", False), ("off", False)])  # fmt: skip
async def test_a_contract_that_takes_no_orders_by_api_trades_all_the_same(status, there):
    """Bitget, *Get All Symbols - Contracts*: ``symbolStatus``."""
    row = {"symbol": "BTCUSDT", "baseCoin": "BTC", "quoteCoin": "USDT", "symbolStatus": status,
           "symbolType": "perpetual", "fundInterval": "8"}  # fmt: skip
    told = msgspec.json.encode({"code": "00000", "msg": "success", "data": [row]})
    venue = adapter(bitget, {"/api/v2/mix/market/contracts": told}, 1_695_793_701_000)
    assert (BTC in (await venue.directory("perp")).by_pair) is there


async def test_an_accounts_ratio_without_one_side_is_no_trouble_of_the_venue():
    """A contract that hardly anybody holds: all accounts are long."""
    rows = b'[{"symbol":"NEWUSDT","longAccount":"1.0","shortAccount":"0.0","timestamp":%d}]'
    answers = {"/futures/data/globalLongShortAccountRatio": rows % 1_726_790_400_000}
    with pytest.raises(VenueError, match="make no ratio") as caught:
        await adapter(binance, answers, 1_726_790_700_000).account_ratio(perp("binance", "NEWUSDT"))
    assert caught.value.reason == "unavailable"


async def test_a_candle_before_the_newest_is_closed_whatever_it_says_itself():
    """OKX, 2021: both rows say "0", which means that they run."""
    told = (
        b'{"code":"0","msg":"","data":['
        b'["1625097660000","33783.9","33783.9","33782.1","33782.1","0.123","0","0","0"],'
        b'["1625097600000","33528.6","33870.0","33528.6","33783.9","778.838","0","0","0"]]}'
    )
    venue = adapter(okx, {"/api/v5/market/candles": told}, 1_625_097_690_000)
    swap = perp("okx", "BTC-USDT-SWAP", 0.01)
    [candle] = (await venue.candles(swap, minutes=1, count=2)).closed
    assert candle.start == 1_625_097_600_000


async def test_an_answer_about_one_symbol_may_be_an_object_and_null_a_text():
    """Bitget, 2026: ``"cashDividendNextUpdate": "null"``; some of its answers are no list."""
    row = {"symbol": "AAPLUSDT", "fundingRate": "0.0001", "fundingRateInterval": "8",
           "nextUpdate": "1790841600000", "cashDividendNextUpdate": "null"}  # fmt: skip
    ticker = changed("bitget/cx_mix_ticker_2023-11-21.json", ts="1790839000000")
    told = msgspec.json.encode({"code": "00000", "msg": "success", "data": row})
    answers = {
        "/api/v2/mix/market/current-fund-rate": told,
        "/api/v2/mix/market/ticker": ticker,
    }
    funding = await adapter(bitget, answers, 1_790_839_000_000).funding(perp("bitget", "AAPLUSDT"))
    assert (funding.rate, funding.next_reset) == (0.0001, 1_790_841_600_000)
    answers["/api/v2/mix/market/current-fund-rate"] = told.replace(b'"1790841600000"', b'"null"')
    answers["/api/v2/mix/market/funding-time"] = b'{"code":"00000","msg":"success","data":[]}'
    with pytest.raises(VenueError) as caught:
        await adapter(bitget, answers, 1_790_839_000_000).funding(perp("bitget", "AAPLUSDT"))
    assert caught.value.reason == "unavailable"


async def test_a_million_of_a_coin_by_gates_own_name_is_the_coin():
    """Gate.io, September 2026: MBABYDOGE_USDT, a hundred in a contract, marked at 0.0003824."""
    name, futures = "MBABYDOGE_USDT", "/api/v4/futures/usdt"
    row = {"name": name, "type": "direct", "quanto_multiplier": "100", "status": "trading",
           "contract_type": "", "mark_price": "0.0003824", "funding_rate": "0.00005",
           "funding_interval": 14400, "funding_next_apply": 1789344000}  # fmt: skip
    ticker = {"contract": name, "last": "0.0004", "change_percentage": "0", "high_24h": "0.0005",
              "low_24h": "0.0003", "volume_24h_base": "7", "total_size": "40"}  # fmt: skip
    candle = {"t": 1789339500, "o": "0.0004", "h": "0.0005", "l": "0.0003", "c": "0.0004", "v": 3}
    answers = {
        f"{futures}/contracts": msgspec.json.encode([row]),
        f"{futures}/contracts/{name}": msgspec.json.encode(row),
        f"{futures}/tickers": msgspec.json.encode([ticker]),
        f"{futures}/candlesticks": msgspec.json.encode([candle]),
    }
    venue = adapter(gate, answers, 1_789_340_500_000)
    listed = await venue.directory("perp")
    one = listed.by_pair[Pair("BABYDOGE", "USDT")]
    told = await venue.ticker(one)
    assert (told.price, told.high, told.volume) == (
        pytest.approx(4e-10), pytest.approx(5e-10), 7_000_000,
    )  # fmt: skip
    assert (await venue.tickers("perp", listed))[one.pair] == told
    assert (await venue.funding(one)).mark_price == pytest.approx(3.824e-10)
    assert (await venue.open_interest(one)).amount == 20 * 100 * 1_000_000
    [closed] = (await venue.candles(one, minutes=15, count=2)).closed
    assert (closed.close, closed.volume) == (pytest.approx(4e-10), 3 * 100 * 1_000_000)


async def test_a_day_without_a_trade_has_no_highest_and_lowest_price():
    """Gate.io tells zeros beside the last price of a pair that was not traded for a day."""
    row = {"currency_pair": "KFC_USDT", "last": "7.255", "change_percentage": "0", "high_24h": "0",
           "low_24h": "0", "base_volume": "0", "quote_volume": "0"}  # fmt: skip
    answers = {"/api/v4/spot/tickers": msgspec.json.encode([row])}
    pair = Instrument("gate", "spot", Pair("KFC", "USDT"), "KFC_USDT")
    told = await adapter(gate, answers, 1_621_441_742_000).ticker(pair)
    assert (told.price, told.high, told.low, told.volume) == (7.255, None, None, 0)
