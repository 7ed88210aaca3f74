"""The exchange double's control interface: faults, market, clock, transcript, truth."""

from typing import Any

import httpx
import pytest

from botproof.credentials import fingerprint
from botproof.doubles.exchanges.faults import KINDS
from botproof.targets.doubles import DoubleControl
from botproof.targets.launch import BrokenHarnessError

pytestmark = pytest.mark.anyio

TICKER = "binance/spot/api/v3/ticker/24hr"


async def _ticker(exchanges):
    return await exchanges.get(TICKER, symbol="BTCUSDT")


async def _program(exchanges, **fault):
    answer = await exchanges.post("_double/faults", fault)
    assert answer.status_code == 200, answer.text
    return answer.json()["result"]["id"]


async def test_every_kind_can_be_programmed(exchanges):
    for kind in KINDS:
        await _program(exchanges, kind=kind, count=0)
    assert (await _ticker(exchanges)).status_code == 200


async def test_errors_speak_the_venues_language(exchanges):
    await _program(exchanges, kind="error", status=429, retry_after=7, count=1)
    answer = await _ticker(exchanges)
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["code"] == -1003
    assert (await _ticker(exchanges)).status_code == 200


async def test_a_fault_hits_its_path_and_venue_only(exchanges):
    await _program(exchanges, kind="html", venue="binance", path="/spot/api/v3/klines")
    assert (await _ticker(exchanges)).json()["symbol"] == "BTCUSDT"
    query = {"symbol": "BTCUSDT", "interval": "15m"}
    answer = await exchanges.get("binance/spot/api/v3/klines", **query)
    assert answer.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize("kind", ["reset", "half_body"])
async def test_transport_faults_break_the_connection(exchanges, kind):
    await _program(exchanges, kind=kind, count=1)
    with pytest.raises(httpx.TransportError):
        await _ticker(exchanges)


async def test_silence_lasts_until_the_client_leaves(exchanges):
    await _program(exchanges, kind="silent", count=1)
    with pytest.raises(httpx.ReadTimeout):
        await exchanges.client.get(
            f"{exchanges.url}/{TICKER}", timeout=httpx.Timeout(60, read=0.05)
        )


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ({"kind": "missing_field", "field": "volume"}, lambda body: "volume" not in body),
        ({"kind": "nan"}, lambda body: body["lastPrice"] == "NaN"),
        ({"kind": "negative"}, lambda body: body["volume"].startswith("-")),
        ({"kind": "stale", "seconds": 60}, lambda body: body["closeTime"] == 1_763_779_940_000),
        ({"kind": "empty"}, lambda body: body == {}),
        (
            {"kind": "clock_skew", "seconds": 60},
            lambda body: body["closeTime"] == 1_763_779_940_000,
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
async def test_payload_faults_change_what_is_said(exchanges, fault, check):
    await _program(exchanges, **fault)
    assert check((await _ticker(exchanges)).json())


async def test_truncated_json_is_half_of_it(exchanges):
    whole = (await _ticker(exchanges)).content
    await _program(exchanges, kind="truncated")
    assert (await _ticker(exchanges)).content == whole[: len(whole) // 2]


async def test_faults_are_taken_back(exchanges):
    number = await _program(exchanges, kind="error")
    await exchanges.client.delete(f"{exchanges.url}/_double/faults/{number}")
    assert (await _ticker(exchanges)).status_code == 200


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"kind": "gremlin"}, "gremlin"),
        ({"kind": "error", "probability": 2}, "probability"),
        ({"kind": "error", "colour": "red"}, "colour"),
        ({}, "kind"),
    ],
)
async def test_bad_faults_are_refused_by_name(exchanges, body, word):
    answer = await exchanges.post("_double/faults", body)
    assert answer.status_code == 400
    assert word in answer.json()["description"]


async def test_the_clock_moves_and_stops(exchanges, now):
    await exchanges.post("_double/clock", {"advance": 60})
    assert (await _ticker(exchanges)).json()["closeTime"] == now + 60_000
    await exchanges.post("_double/clock", {"set": now - 5})
    assert (await _ticker(exchanges)).json()["closeTime"] == now - 5
    await exchanges.post("_double/reset", {})
    assert (await _ticker(exchanges)).json()["closeTime"] == now


async def test_a_scenario_can_be_chosen_and_taken_back(exchanges):
    before = (await _ticker(exchanges)).json()
    await exchanges.post("_double/market", {"base": "BTC", "scenario": "crash"})
    assert float((await _ticker(exchanges)).json()["lastPrice"]) < 0.75 * float(before["lastPrice"])
    await exchanges.post("_double/market", {"base": "BTC", "scenario": None})
    assert (await _ticker(exchanges)).json() == before
    answer = await exchanges.post("_double/market", {"base": "BTC", "scenario": "boring"})
    assert answer.status_code == 400
    assert "crash" in answer.json()["description"]


async def test_the_transcript_tells_each_call_once(exchanges):
    await _ticker(exchanges)
    first = (await exchanges.get("_double/transcript")).json()["result"]
    call = first["events"][0]
    assert (call["type"], call["venue"], call["path"]) == (
        "venue_call",
        "binance",
        "/spot/api/v3/ticker/24hr",
    )
    assert call["query"] == {"symbol": "BTCUSDT"}
    assert call["status"] == 200
    rest = (await exchanges.get("_double/transcript", after=first["next"])).json()["result"]
    assert rest == {"events": [], "next": 1, "dropped": 0}


async def test_the_truth_is_what_the_venue_multiplies(exchanges):
    truth = (await exchanges.get("_double/truth/fold", base="BTC", kind="spot")).json()["result"]
    told = (await _ticker(exchanges)).json()
    assert float(told["volume"]) == pytest.approx(8 * float(truth["volume"]), rel=1e-12)
    assert float(told["lastPrice"]) == float(truth["close"])


@pytest.mark.parametrize("what", ["coins", "candles", "trades", "open_interest", "funding"])
async def test_every_truth_answers(exchanges, what):
    answer = (await exchanges.get(f"_double/truth/{what}", base="SHIB", kind="perp")).json()
    assert answer["ok"]
    assert answer["result"]


@pytest.mark.parametrize("query", [{"base": "NOPE"}, {"kind": "futures"}, {"start": "yesterday"}])
async def test_questions_that_make_no_sense_are_refused(exchanges, query):
    answer = await exchanges.get("_double/truth/fold", **query)
    assert answer.status_code == 400
    assert next(iter(query)) in answer.json()["description"]


async def test_faults_of_a_case_hold_until_it_is_over(exchanges):
    control = DoubleControl("exchange_double", exchanges.url, exchanges.client)
    path = "binance/spot/api/v3/time"
    faults: list[dict[str, Any]] = [
        {"kind": "error", "venue": "binance", "status": 400},
        {"kind": "html", "venue": "*"},
    ]

    async def interrupted():
        async with control.with_faults(faults):
            assert (await exchanges.get(path)).status_code == 400
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await interrupted()
    assert (await exchanges.get(path)).status_code == 200
    with pytest.raises(BrokenHarnessError, match="kind 'nonsense' is none of"):
        async with control.with_faults([faults[0], {"kind": "nonsense"}]):
            pytest.fail("there is no such fault")
    assert (await exchanges.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("path", "query", "unserved"),
    [
        ("binance/spot/api/v3/nothing", {}, "binance: GET /spot/api/v3/nothing"),
        ("binance/coin/dapi/v1/nothing", {}, "binance: GET /coin/dapi/v1/nothing"),
        ("bybit/v5/nothing", {}, "bybit: GET /v5/nothing"),
        ("gate/api/v4/nothing", {}, "gate: GET /api/v4/nothing"),
        ("okx/api/v5/nothing", {}, "okx: GET /api/v5/nothing"),
        ("bitget/api/v2/nothing", {}, "bitget: GET /api/v2/nothing"),
        ("bybit/v5/market/tickers", {"category": "option"}, ""),
        ("okx/api/v5/public/instruments", {"instType": "FUTURES"}, ""),
        ("gate/api/v4/spot/currencies", {}, ""),
        ("bitget/api/v2/spot/public/coins", {}, ""),
        ("binance/spot/api/v3/ticker/24hr", {"symbol": "NOSUCH"}, ""),
        ("yahoo/v8/finance/chart/AAPL", {}, "yahoo: GET /v8/finance/chart/AAPL"),
        ("yahoo/v8/finance/chart/%5EGSPC", {}, "yahoo: GET /v8/finance/chart/^GSPC"),
        ("yahoo/v1/test/getcrumb", {}, "yahoo: GET /v1/test/getcrumb"),
        (
            "yahoo/v8/finance/chart/EURUSD=X",
            {"interval": "1wk"},
            "yahoo: GET /v8/finance/chart/EURUSD=X",
        ),
        (
            "yahoo/v8/finance/chart/EURUSD=X",
            {"range": "5y"},
            "yahoo: GET /v8/finance/chart/EURUSD=X",
        ),
        ("yahoo/v8/finance/chart/EURUSD=X", {"range": "3d"}, ""),
        ("yahoo/v8/finance/chart/NOSUCH=X", {}, ""),
    ],
)
async def test_what_is_not_served_is_told_apart_from_what_a_venue_refuses(
    exchanges, path, query, unserved
):
    if path.startswith("yahoo"):  # which takes browsers only
        exchanges.client.headers["User-Agent"] = "Mozilla/5.0"
    await exchanges.get(path, **query)
    [event] = exchanges.double.events
    assert event["unserved"] == unserved
    assert 0 <= event["own_s"] <= event["duration_s"]


async def test_a_question_that_hyperliquid_asks_in_the_body_is_named(exchanges):
    answer = await exchanges.post("hyperliquid/info", {"type": "vaultDetails"})
    assert answer.status_code == 422
    [event] = exchanges.double.events
    assert event["unserved"] == "hyperliquid: POST /info vaultDetails"


async def test_a_delay_that_was_asked_for_is_not_the_doubles_own_time(exchanges):
    await _program(exchanges, kind="delay", seconds=0.2)
    await _ticker(exchanges)
    event = exchanges.double.events[-1]
    assert event["duration_s"] >= 0.2
    assert event["own_s"] <= event["duration_s"] - 0.2


async def test_a_key_is_recorded_by_its_fingerprint_alone(exchanges):
    exchanges.client.headers["X-MBX-APIKEY"] = "a-key-of-somebody"
    await exchanges.get("bybit/v5/market/time", api_key="a-key-of-somebody")
    [event] = exchanges.double.events
    assert event["carried"] == dict.fromkeys(
        ("x-mbx-apikey", "api_key"), fingerprint("a-key-of-somebody")
    )
    assert "a-key-of-somebody" not in str(event)
