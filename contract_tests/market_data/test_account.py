"""Signed questions: true figures with keys, a clear refusal without, and no key in any word."""

import logging

import pytest

from botproof.doubles.exchanges.binance_account import (
    ACCOUNT_PATHS,
    KEY,
    POSITIONS,
    SECRET,
    WALLET,
    entry_price,
)
from reference_bot.market_data.settings import SettingsError, load

pytestmark = pytest.mark.anyio

KEYS = {"BINANCE_API_KEY": KEY, "BINANCE_API_SECRET": SECRET}
QUESTIONS = ["/balance", "/positions", "/pnl"]


@pytest.fixture
async def account(open_stack):
    async with open_stack(**KEYS) as stack:
        yield stack


async def test_positions_follow_the_market(account, market, now):
    data = (await account.ask("/positions")).json()["data"]
    assert [row["base"] for row in data["positions"]] == ["BTC", "ETH"]
    total = 0.0
    for row in data["positions"]:
        amount = POSITIONS[row["base"]]
        entry = entry_price(market, row["base"], now)
        gain = amount * (market.mark_price(row["base"], now) - entry)
        total += gain
        assert row["side"] == ("LONG" if amount > 0 else "SHORT")
        assert row["amount"] == amount
        assert row["unrealised"] == pytest.approx(gain, abs=1e-6)
        assert row["unrealised_pct"] == pytest.approx(100 * gain / (abs(amount) * entry), abs=1e-6)
    assert data["unrealised"] == pytest.approx(total, abs=1e-6)
    assert data["testnet"] is False


async def test_balance_is_what_there_is(account):
    data = (await account.ask("/balance")).json()["data"]
    assert {row["asset"]: row["total"] for row in data["spot"]} == {
        "BTC": pytest.approx(0.15),
        "USDT": 2500.5,
    }
    [usdt] = data["futures"]
    assert usdt["total"] == WALLET
    assert usdt["available"] == pytest.approx(0.8 * WALLET)
    assert data["missing"] == []


async def test_pnl_adds_up_without_what_was_transferred(account):
    data = (await account.ask("/pnl", days=7)).json()["data"]
    assert data["realised"] == pytest.approx(123.45)
    assert data["commission"] < 0
    assert data["net"] == pytest.approx(data["realised"] + data["funding"] + data["commission"])
    assert data["other"] == pytest.approx(0)
    assert data["complete"] is True
    assert data["entries"] == 10  # a transfer is read, and no profit
    assert data["unrealised"] is not None


async def test_income_in_another_asset_is_named_and_not_counted_as_dollars(account, monkeypatch):
    """Fees paid in BNB, and what contracts quoted in a coin gain, come in that coin."""
    before = (await account.ask("/pnl", days=7)).json()["data"]
    told = ACCOUNT_PATHS["/futures/fapi/v1/income"]

    def income(asked):
        fee = {"symbol": "BTCUSDT", "incomeType": "COMMISSION", "income": "-0.02000000"}
        gain = {"symbol": "ETHUSDC", "incomeType": "REALIZED_PNL", "income": "7.00000000"}
        at = asked.now - 1
        return [
            *told(asked),
            fee | {"asset": "BNB", "time": at},
            gain | {"asset": "USDC", "time": at},
        ]

    monkeypatch.setitem(ACCOUNT_PATHS, "/futures/fapi/v1/income", income)
    account.api.cache._entries.clear()
    data = (await account.ask("/pnl", days=7)).json()["data"]
    assert data["commission"] == pytest.approx(before["commission"])
    assert data["realised"] == pytest.approx(before["realised"] + 7)
    assert data["net"] == pytest.approx(before["net"] + 7)
    assert data["entries"] == before["entries"] + 2
    [row] = data["missing"]
    assert (row["section"], row["reason"]) == ("income", "unavailable")
    assert "-0.02 BNB" in row["message"]


async def test_gains_in_a_coin_are_not_added_to_dollars(account, monkeypatch):
    """ETHBTC is a perpetual among the USDT-margined ones, and settles in Bitcoin."""
    path = "/futures/fapi/v3/positionRisk"
    before = (await account.ask("/positions")).json()["data"]["unrealised"]
    told = ACCOUNT_PATHS[path]

    def positions(asked):
        rows = told(asked)
        other = {"symbol": "ETHBTC", "marginAsset": "BTC", "unRealizedProfit": "50.0"}
        return [*rows, rows[0] | other]

    monkeypatch.setitem(ACCOUNT_PATHS, path, positions)
    account.api.cache._entries.clear()
    data = (await account.ask("/positions")).json()["data"]
    assert [row["unrealised"] for row in data["positions"]].count(50.0) == 1
    assert data["unrealised"] == pytest.approx(before)
    assert (await account.ask("/pnl")).json()["data"]["unrealised"] == pytest.approx(before)


@pytest.mark.parametrize("path", QUESTIONS)
async def test_a_bug_is_not_told_as_a_slow_venue(account, monkeypatch, path):
    async def broken(*_):
        raise KeyError("a bug")

    monkeypatch.setattr(account.api.account, "_get", broken)
    monkeypatch.setattr(account.api.account, "_hear", broken)
    answer = await account.ask(path)
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"


@pytest.mark.parametrize("path", QUESTIONS)
async def test_without_keys_the_answer_is_a_clear_refusal(stack, path):
    before = len(stack.calls())
    answer = await stack.ask(path)
    assert answer.status_code == 503
    error = answer.json()["error"]
    assert error["code"] == "not_ready"
    assert "BINANCE_API_KEY" in error["message"]
    assert len(stack.calls()) == before


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize(
    ("key", "secret", "code"),
    [("someone-else", SECRET, "-2015"), (KEY, "wrong-secret-value", "-1022")],
)
async def test_keys_that_are_wrong_are_told_apart_and_never_shown(  # noqa: PLR0917 - parameters
    open_stack, caplog, path, key, secret, code
):
    caplog.set_level(logging.DEBUG)
    async with open_stack(BINANCE_API_KEY=key, BINANCE_API_SECRET=secret) as stack:
        answer = await stack.ask(path)
        assert answer.status_code == 502
        assert code in answer.text
        everything = answer.text + "".join(str(event) for event in stack.double.events)
        assert key not in answer.text
        assert secret not in everything
        for event in stack.double.events:  # which name was carried is told with a fingerprint
            assert "signature" not in str({**event, "carried": {}})


async def test_one_half_of_a_balance_is_told_without_the_other(account):
    account.fault(path="/spot/api/v3/account", kind="error", status=500)
    data = (await account.ask("/balance")).json()["data"]
    assert data["spot"] is None
    assert data["futures"]
    assert [row["section"] for row in data["missing"]] == ["spot"]


@pytest.mark.parametrize("seconds", [-60, 60])
async def test_a_clock_that_was_set_is_heard_again(account, seconds):
    assert (await account.ask("/positions")).status_code == 200
    account.double.clock.advance(seconds)
    assert (await account.ask("/pnl", days=7)).status_code == 200


async def test_the_testnet_is_asked_where_it_is_set(open_stack):
    async with open_stack(
        **KEYS,
        BINANCE_TESTNET="true",
        BINANCE_TESTNET_SPOT_URL="http://127.0.0.1:1",
        BINANCE_TESTNET_FUTURES_URL="http://127.0.0.1:1",
    ) as stack:
        answer = await stack.ask("/positions")
        assert answer.status_code == 502
        assert answer.json()["error"]["missing"][0]["reason"] == "unreachable"
        assert (await stack.ask("/price", symbol="BTC")).status_code == 200


@pytest.mark.parametrize("only", ["BINANCE_API_KEY", "BINANCE_API_SECRET"])
def test_a_key_without_its_secret_is_refused_at_start(only):
    with pytest.raises(SettingsError) as caught:
        load({only: "hush-hush-value"})
    assert "belong together" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_secrets_are_not_in_the_settings_repr():
    settings = load(KEYS)
    assert SECRET not in repr(settings)
    assert KEY not in repr(settings)
