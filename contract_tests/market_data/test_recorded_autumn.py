"""What others saw real venues answer in August and September 2026, through the adapters.

Rows as they stand in public repositories: in the fixtures of Bytex's adapters ("recorded from the
live venue on 2026-09-25"), in an open interest collector's notes on its probe of 2026-09-15, and in
the tests of two clients of OKX.
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from reference_bot.market_data.cache import Cache
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import VenueClient
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.symbols import Pair
from reference_bot.market_data.venues.base import Instrument
from reference_bot.market_data.venues.bybit import Bybit
from reference_bot.market_data.venues.gate import Gate
from reference_bot.market_data.venues.hyperliquid import Hyperliquid
from reference_bot.market_data.venues.okx import Okx

pytestmark = pytest.mark.anyio


def client(
    name: str, body: str, at: int, status: int = 200, **headers: str
) -> tuple[VenueClient, Metrics]:
    """A client whose venue has one answer, at one moment (epoch ms)."""
    told = {"Date": format_datetime(datetime.fromtimestamp(at / 1000, UTC), usegmt=True)}
    answer = httpx.Response(status, content=body.encode(), headers=told | headers)
    pool = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer))
    metrics = Metrics()
    return VenueClient(name, "https://v.test", pool, 1.0, metrics), metrics


def left_out(metrics: Metrics) -> bool:
    return b"market_data_rows_left_out_total{" in metrics.text()


def perp(venue: str, base: str, quote: str, symbol: str, unit: float = 1.0) -> Instrument:
    return Instrument(venue, "perp", Pair(base, quote), symbol, unit)


async def test_the_oldest_row_of_bybits_open_interest_tells_its_time_in_seconds():
    body = (
        '{"retCode":0,"retMsg":"OK","result":{"symbol":"BTCUSDT","category":"linear","list":['
        '{"openInterest":"52664.64200000","singleOpenInterest":"26332.321",'
        '"timestamp":"1789458600000"},'
        '{"openInterest":"52673.34300000","singleOpenInterest":"26336.672",'
        '"timestamp":"1789458300000"},'
        '{"openInterest":"52652.41700000","singleOpenInterest":"26326.209",'
        '"timestamp":"1789458000"}],'
        '"nextPageCursor":"lastid%3D28782110%26lasttime%3D1789458000"},'
        '"retExtInfo":{},"time":1789458642339}'
    )
    venue, metrics = client("bybit", body, 1_789_458_642_000)
    points = await Bybit(venue, Cache()).open_interest_history(
        perp("bybit", "BTC", "USDT", "BTCUSDT")
    )
    assert [(point.time, point.amount) for point in points] == [
        (1_789_458_000_000, 26326.209),
        (1_789_458_300_000, 26336.672),
        (1_789_458_600_000, 26332.321),
    ]
    assert not left_out(metrics)


async def test_a_swap_of_okx_that_is_announced_hides_no_other():
    """Its numbers are empty texts, and another client of OKX ended at its start for that."""
    body = (
        '{"code":"0","data":['
        '{"alias":"","ctVal":"","ctValCcy":"","instId":"JP225-USDT-SWAP","instIdCode":null,'
        '"instType":"SWAP","listTime":"1788926400000","lotSz":"","state":"preopen","tickSz":"",'
        '"uly":"","upcChg":[],"futureSettlement":false,"instCategory":""},'
        '{"instId":"MUU-USDT-SWAP","instType":"SWAP","instFamily":"MUU-USDT","instCategory":"3",'
        '"ruleType":"rebase_contract","state":"rebase","baseCcy":"","quoteCcy":"",'
        '"settleCcy":"USDT","ctVal":"1","ctMult":"1","ctValCcy":"MUU","expTime":""},'
        '{"instId":"BTC-USDT-SWAP","state":"live","ctType":"linear","settleCcy":"USDT",'
        '"ctVal":"0.01","ctMult":"1","ctValCcy":"BTC","instCategory":"1"}]}'
    )
    venue, metrics = client("okx", body, 1_788_000_000_000)
    listed = await Okx(venue, Cache()).directory("perp")
    assert [(one.symbol, one.unit) for one in listed.by_pair.values()] == [("BTC-USDT-SWAP", 0.01)]
    assert not left_out(metrics)


GATE_PAIRS = (
    '[{"id":"BTC_USDT","base":"BTC","base_name":"Bitcoin","quote":"USDT","trade_quotes":[],'
    '"fee":"0.2","precision":1,"trade_status":"tradable","type":"normal","st_tag":false},'
    '{"id":"POOLX_USDT","base":"POOLX","base_name":"POOLX","quote":"USDT","fee":"0.2",'
    '"trade_status":"untradable","type":"normal","market_order_max_stock":"0"},'
    '{"id":"MAG7XON_USDT","base":"MAG7XON","base_name":"MAG7XON","quote":"USDT","fee":"0.2",'
    '"trade_status":"sellable","type":"normal","market_order_max_stock":"0"}'
)


async def test_what_gate_takes_no_buyers_for_is_not_listed():
    venue, _ = client("gate", GATE_PAIRS + "]", 1_790_350_000_000)
    assert list((await Gate(venue, Cache()).directory("spot")).by_pair) == [Pair("BTC", "USDT")]


async def test_a_share_of_a_leveraged_fund_is_no_coin():
    """Gate.io lists BTC3L_USDT among its pairs; its ticker has the fund's value and leverage
    (Gate API v4, spot tickers: ``etf_net_value``, ``etf_leverage``).
    """
    told = GATE_PAIRS + (
        ',{"id":"BTC3L_USDT","base":"BTC3L","quote":"USDT","trade_status":"tradable"},'
        '{"id":"ETH5S_USDT","base":"ETH5S","quote":"USDT","trade_status":"tradable"}]'
    )
    venue, _ = client("gate", told, 1_790_350_000_000)
    listed = await Gate(venue, Cache()).directory("spot")
    assert listed.by_pair[Pair("BTC3L", "USDT")].asset == "leveraged token"
    # no ETH is listed here, so that this may be a coin's own name
    assert set(listed.coins().by_pair) == {Pair("BTC", "USDT"), Pair("ETH5S", "USDT")}


async def test_gates_contract_with_fractions_of_a_contract():
    body = (
        '[{"funding_rate_indicative":"0.001026","in_delisting":false,"order_size_min":0,'
        '"enable_decimal":true,"name":"ARIA_USDT","funding_interval":14400,"type":"direct",'
        '"funding_rate":"0.001026","mark_price":"0.03764","funding_next_apply":1790366400,'
        '"position_size":34293,"quanto_multiplier":"100","is_pre_market":false,'
        '"status":"trading","contract_type":""},'
        '{"in_delisting":false,"name":"AAPL_USDT","type":"direct","quanto_multiplier":"0.01",'
        '"is_pre_market":false,"status":"trading","contract_type":"stocks"}]'
    )
    venue, _ = client("gate", body, 1_790_359_000_000)
    listed = await Gate(venue, Cache()).directory("perp")
    assert [(one.unit, one.asset) for one in listed.by_pair.values()] == [
        (100.0, "coin"),
        (0.01, "stock"),
    ]


async def test_gates_contracts_of_both_sides_again():
    """The ticker's ``total_size`` and the contract's ``position_size`` of the same day."""
    body = (
        '[{"contract":"BTC_USDT","last":"83746.8","change_percentage":"-0.3892",'
        '"total_size":"577776862","volume_24h":"670521289","volume_24h_base":"67052.1289",'
        '"volume_24h_quote":"5615401236","mark_price":"83746.8","change_from":"24h",'
        '"change_price":"-327.2","t":1790359194966,"quanto_base_rate":"","price_type":"last"}]'
    )
    venue, _ = client("gate", body, 1_790_359_195_000)
    gate, btc = Gate(venue, Cache()), perp("gate", "BTC", "USDT", "BTC_USDT", 0.0001)
    ticker = await gate.ticker(btc)
    assert (ticker.price, round(ticker.open, 1), ticker.volume) == (83746.8, 84074.0, 67052.1289)
    interest = await gate.open_interest(btc)
    assert interest.amount == pytest.approx(28888.8431)
    assert interest.amount == pytest.approx(289_031_937 * 0.0001, rel=0.001)


async def test_an_hour_of_hyperliquid_ends_a_millisecond_before_the_next():
    """The last one was open when it was told, a minute after 18:00."""
    body = (
        '[{"t":1790352000000,"T":1790355599999,"s":"BTC","i":"1h","o":"83772.0","c":"83728.0",'
        '"h":"84114.0","l":"83700.0","v":"1753.01762","n":15687},'
        '{"t":1790355600000,"T":1790359199999,"s":"BTC","i":"1h","o":"83737.0","c":"83767.0",'
        '"h":"83977.0","l":"83600.0","v":"910.98068","n":8461},'
        '{"t":1790359200000,"T":1790362799999,"s":"BTC","i":"1h","o":"83766.0","c":"83931.0",'
        '"h":"83952.0","l":"83766.0","v":"243.50048","n":1829}]'
    )
    venue, _ = client("hyperliquid", body, 1_790_359_275_000)
    found = await Hyperliquid(venue, Cache()).candles(
        perp("hyperliquid", "BTC", "USDC", "BTC"), minutes=60, count=3
    )
    assert [(one.start, one.close, one.volume) for one in found.closed] == [
        (1_790_352_000_000, 83728.0, 1753.01762),
        (1_790_355_600_000, 83767.0, 910.98068),
    ]


@pytest.mark.parametrize(
    ("status", "headers", "reason", "pause"),
    [
        (202, {"x-amzn-waf-action": "challenge"}, "refused", 60.0),
        (405, {"x-amzn-waf-action": "captcha"}, "refused", 60.0),
        (302, {"location": "https://www.v.test/maintenance"}, "outage", None),
        (204, {}, "outage", None),
        (405, {}, "refused", None),
    ],
)
async def test_what_stands_before_a_venue_is_not_taken_for_a_fault_of_the_question(
    status: int, headers: dict[str, str], reason: str, pause: float | None
):
    """Amazon's firewall answers programs by 202 with nothing in it, or by 405 with a puzzle (AWS
    WAF, developer guide); a page of maintenance is another place.
    """
    venue, _ = client("okx", "", 1_790_359_275_000, status, **headers)
    swap: Any = perp("okx", "BTC", "USDT", "BTC-USDT-SWAP")
    with pytest.raises(VenueError) as caught:
        await Okx(venue, Cache()).ticker(swap)
    assert (caught.value.reason, caught.value.retry_after) == (reason, pause)
