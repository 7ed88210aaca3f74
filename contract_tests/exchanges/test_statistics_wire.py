"""Long/short accounts and taker volumes: one truth, at five venues' paths, in their units."""

from decimal import Decimal
from fractions import Fraction
from urllib.parse import unquote

import pytest

from botproof.doubles.exchanges import bitget, gate, okx
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import BLOCK, HOUR, MINUTE
from botproof.doubles.exchanges.scenario import Scenario, ScenarioKind

pytestmark = pytest.mark.anyio

FIVE = 5 * MINUTE


@pytest.fixture
def newest(now):
    """The newest point of a history of five minutes."""
    return now // FIVE * FIVE


def test_accounts_are_shares_of_ten_thousand_and_move(now):
    market = Market(7)
    shares = [market.long_accounts("BTC", now - n * HOUR) for n in range(48)]
    assert all(100 <= share <= 9_900 for share in shares)
    assert len(set(shares)) > 40
    assert market.long_accounts("ETH", now) != market.long_accounts("BTC", now)


async def test_binance_tells_both_shares_and_their_ratio(exchanges, market, newest):
    path = "binance/futures/futures/data/globalLongShortAccountRatio"
    rows = (await exchanges.get(path, symbol="1000SHIBUSDT", period="5m", limit=3)).json()
    assert [row["timestamp"] for row in rows] == [newest - 2 * FIVE, newest - FIVE, newest]
    long = market.long_accounts("SHIB", newest)
    last = rows[-1]
    assert Decimal(last["longAccount"]) == Decimal(long).scaleb(-4)
    assert Decimal(last["longAccount"]) + Decimal(last["shortAccount"]) == 1
    assert float(last["longShortRatio"]) == pytest.approx(long / (10_000 - long), abs=5e-5)
    assert last["symbol"] == "1000SHIBUSDT"
    assert (await exchanges.get(path, symbol="BTCUSDT", period="7m")).status_code == 400


async def test_bybit_begins_with_the_newest(exchanges, market, newest):
    query = {"category": "linear", "symbol": "BTCUSDT", "period": "5min", "limit": 2}
    body = (await exchanges.get("bybit/v5/market/account-ratio", **query)).json()
    first, second = body["result"]["list"]
    assert (first["timestamp"], second["timestamp"]) == (str(newest), str(newest - FIVE))
    long = market.long_accounts("BTC", newest)
    assert (first["buyRatio"], first["sellRatio"]) == (f"0.{long:04}", f"0.{10_000 - long:04}")
    spot = query | {"category": "spot"}
    assert (await exchanges.get("bybit/v5/market/account-ratio", **spot)).json()["retCode"] == 10001


@pytest.mark.parametrize(
    ("path", "period"), [("account-ratio", "period"), ("open-interest", "intervalTime")]
)
async def test_bybits_histories_go_on_by_a_cursor(exchanges, newest, path, period):
    """The cursor is told as it stands in an address: ``lastid%3D…%26lasttime%3D1780617600``."""
    query = {"category": "linear", "symbol": "BTCUSDT", period: "5min", "limit": 2}
    page = (await exchanges.get(f"bybit/v5/market/{path}", **query)).json()["result"]
    cursor = page["nextPageCursor"]
    assert cursor == f"lastid%3D0%26lasttime%3D{(newest - FIVE) // 1000}"
    more = query | {"cursor": unquote(cursor)}
    older = (await exchanges.get(f"bybit/v5/market/{path}", **more)).json()["result"]["list"]
    assert older[0]["timestamp"] == str(newest - 2 * FIVE)
    wrong = (await exchanges.get(f"bybit/v5/market/{path}", **query, cursor=cursor)).json()
    assert wrong["retCode"] == 10001, "escaped twice, it is another one"


async def test_okx_tells_the_ratio_alone(exchanges, market, newest):
    path = "okx/api/v5/rubik/stat/contracts/long-short-account-ratio-contract"
    body = (await exchanges.get(path, instId="BTC-USDT-SWAP", period="5m", limit=1)).json()
    long = market.long_accounts("BTC", newest)
    [[time, ratio]] = body["data"]
    assert time == str(newest)
    assert float(ratio) == pytest.approx(long / (10_000 - long))
    spot = (await exchanges.get(path, instId="BTC-USDT", period="5m")).json()
    assert spot["code"] == "51000"


async def test_bitget_takes_no_product_and_no_limit(exchanges, market, newest):
    path = "bitget/api/v2/mix/market/account-long-short"
    rows = (await exchanges.get(path, symbol="BTCUSDT", period="5m", limit=1)).json()["data"]
    assert len(rows) == 30
    long = market.long_accounts("BTC", newest)
    assert (rows[-1]["ts"], rows[-1]["longAccountRatio"]) == (str(newest), f"0.{long:04}")


@pytest.mark.parametrize("base", ["BTC", "PEPE", "XRP"])
@pytest.mark.parametrize("unit", ["0", "1", "2"])
async def test_okx_writes_taker_volumes_in_three_units(exchanges, market, now, base, unit):
    path = "okx/api/v5/rubik/stat/taker-volume-contract"
    query = {"instId": f"{base}-USDT-SWAP", "period": "15m", "unit": unit, "limit": 3}
    rows = (await exchanges.get(path, **query)).json()["data"]
    one = okx.listings(market, "perp")[f"{base}-USDT-SWAP"]
    start = now // BLOCK * BLOCK - BLOCK
    truth = market.fold(base, "perp", start, start + BLOCK)
    time, sold, bought = rows[1]  # rows[0] is the period that is still running
    assert time == str(start)
    if unit == "2":
        scale = Fraction(okx.WEIGHT) / 10 ** (one.tick.price + one.tick.lot)
        assert Fraction(bought) == truth.buy_turnover * scale
        assert Fraction(sold) == (truth.turnover - truth.buy_turnover) * scale
    else:
        size = 1 if unit == "0" else one.contract
        assert Fraction(bought) * size == one.coins(truth.buy_lots)
        assert Fraction(sold) * size == one.coins(truth.lots - truth.buy_lots)


@pytest.mark.parametrize("base", ["BTC", "SHIB"])
async def test_gate_counts_takers_in_contracts(exchanges, market, now, base):
    path = "gate/api/v4/futures/usdt/contract_stats"
    query = {"contract": f"{base}_USDT", "interval": "15m", "limit": 2}
    before, _ = (await exchanges.get(path, **query)).json()
    one = gate.listings(market, "perp")[f"{base}_USDT"]
    start = now // BLOCK * BLOCK - BLOCK
    truth = market.fold(base, "perp", start, start + BLOCK)
    assert before["time"] * 1000 == start
    assert before["long_taker_size"] * one.contract == one.coins(truth.buy_lots)
    assert before["short_taker_size"] * one.contract == one.coins(truth.lots - truth.buy_lots)
    long = market.long_accounts(base, start)
    assert before["lsr_account"] == pytest.approx(long / (10_000 - long))


async def test_bitget_counts_takers_in_coins(exchanges, market, now):
    path = "bitget/api/v2/mix/market/taker-buy-sell"
    rows = (await exchanges.get(path, symbol="BTCUSDT", period="15m")).json()["data"]
    one = bitget.listings(market, "perp")["BTCUSDT"]
    start = now // BLOCK * BLOCK - BLOCK
    truth = market.fold("BTC", "perp", start, start + BLOCK)
    assert rows[-2]["ts"] == str(start)
    assert Fraction(rows[-2]["buyVolume"]) == one.coins(truth.buy_lots)
    assert (await exchanges.get(path, symbol="BTCUSDT", period="1H")).status_code == 400


async def test_a_lost_candle_has_no_taker_volumes_either(exchanges):
    scenario = Scenario(ScenarioKind.MISSING, 0)
    exchanges.double.market = exchanges.double.market.with_scenario("BTC", scenario)
    path = "bitget/api/v2/mix/market/taker-buy-sell"
    rows = (await exchanges.get(path, symbol="BTCUSDT", period="15m")).json()["data"]
    assert 0 < len(rows) < 100


async def test_the_truth_tells_the_accounts(exchanges, market, now):
    told = (await exchanges.get("_double/truth/accounts", base="BTC", at=now)).json()["result"]
    long = market.long_accounts("BTC", now)
    assert (told["long"], told["short"]) == (f"0.{long:04}", f"0.{10_000 - long:04}")


@pytest.mark.parametrize("path", ["candles", "history-candles"])
async def test_okxs_candles_are_told_between_two_times_newest_first(exchanges, now, path):
    """As stock ccxt asks for old ones: `before` is a millisecond early, `after` the end. OKX's
    document: "The latest data will be returned when using before individually"."""
    since = (now // MINUTE - 2_000) * MINUTE
    query = {"instId": "BTC-USDT", "bar": "1m", "limit": 5}
    whole = {**query, "before": since - 1, "after": since + 5 * MINUTE}
    rows = (await exchanges.get(f"okx/api/v5/market/{path}", **whole)).json()["data"]
    assert [int(row[0]) for row in rows] == [since + n * MINUTE for n in (4, 3, 2, 1, 0)]
    assert {len(row) for row in rows} == {9}
    assert {row[8] for row in rows} == {"1"}
    alone = {**query, "before": since}
    rows = (await exchanges.get(f"okx/api/v5/market/{path}", **alone)).json()["data"]
    assert [int(row[0]) for row in rows] == [(now // MINUTE - n) * MINUTE for n in range(5)]
    few = {**query, "before": (now // MINUTE - 2) * MINUTE}
    rows = (await exchanges.get(f"okx/api/v5/market/{path}", **few)).json()["data"]
    assert [int(row[0]) for row in rows] == [now // MINUTE * MINUTE, (now // MINUTE - 1) * MINUTE]
