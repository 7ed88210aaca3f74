"""The HTTP face: envelope, statuses, error shapes, description."""

import itertools
import re
import time

import msgspec
import pytest

from reference_bot import api
from reference_bot.api import CombinedPrice
from reference_bot.market_data.describe import _examples
from reference_bot.market_data.routes import ROUTES

pytestmark = pytest.mark.anyio

ENDPOINTS = ["/price", "/combined_price", "/volume_spike", "/cvd", "/comprehensive_analysis"]


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "symbol"),
        ({"symbol": ""}, "symbol"),
        ({"symbol": "x" * 41}, "symbol"),
        ({"symbol": 5}, "symbol"),
        ({"symbol": None}, "symbol"),
        ({"symbol": "B!C"}, "symbol"),
        ({"symbol": "BTC", "exchange": "kraken"}, "exchange"),
        ({"symbol": "BTC", "exchange": 1}, "exchange"),
        ({"symbol": "BTC", "surprise": 1}, "surprise"),
    ],
    ids=str,
)
async def test_bad_requests_name_the_field(stack, path, body, field):
    answer = await stack.client.post(path, json=body)
    assert answer.status_code == 422
    failure = answer.json()
    assert failure["success"] is False
    assert failure["error"]["code"] == "bad_request"
    assert failure["error"]["field"] == field


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/cvd", {"symbol": "BTC", "timeframe": "7m"}, "timeframe"),
        ("/volume_spike", {"symbol": "BTC", "market": "margin"}, "market"),
        ("/top_symbols", {"limit": 0}, "limit"),
        ("/top_symbols", {"limit": 101}, "limit"),
        ("/top_symbols", {"exchange": "kraken"}, "exchange"),
        ("/volume_scan", {"threshold_pct": -1}, "threshold_pct"),
        ("/volume_scan", {"threshold_pct": "lots"}, "threshold_pct"),
        ("/multi_oi", {"symbol": "?"}, "symbol"),
        ("/multi_oi", {"exchange": "binance"}, "exchange"),
    ],
    ids=str,
)
async def test_parameters_are_bounded_by_name(stack, path, body, field):
    answer = await stack.client.post(path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["field"] == field


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_a_body_that_is_no_json_is_a_bad_request(stack, path):
    headers = {"Content-Type": "application/json"}
    answer = await stack.client.post(path, content=b'{"symbol":', headers=headers)
    assert answer.status_code == 422
    assert "not JSON" in answer.json()["error"]["message"]


async def test_bytes_that_are_no_text_are_a_bad_request(stack):
    headers = {"Content-Type": "application/json"}
    answer = await stack.client.post("/price", content=b"\xff\xfe\x00", headers=headers)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "bad_request"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"content": b'{"symbol":"BTC"}'}, "came without a Content-Type"),
        (
            {"content": b'{"symbol":"BTC"}', "headers": {"Content-Type": "text/plain"}},
            "came with Content-Type: text/plain",
        ),
        ({"data": {"symbol": "BTC"}}, "came with Content-Type: application/x-www-form-urlencoded"),
        ({"json": ["BTC"]}, "is JSON, but no object"),
        ({}, "the request has no body"),
    ],
    ids=str,
)
async def test_a_body_that_is_no_json_object_is_told_what_to_send(stack, sent, said):
    answer = await stack.client.post("/price", **sent)
    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert said in message
    assert 'send a JSON object such as {"symbol": "BTC"}' in message
    assert message.endswith("with the header Content-Type: application/json")


async def test_market_is_one_of_two(stack):
    answer = await stack.ask("/price", symbol="BTC", market="futures")
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "market"


async def test_an_unknown_symbol_gets_near_ones(stack):
    answer = await stack.ask("/combined_price", symbol="BTX")
    error = answer.json()["error"]
    assert answer.status_code == 404
    assert error["code"] == "unknown_symbol"
    assert error["field"] == "symbol"
    assert "BTC/USDT" in error["near"]


async def test_a_market_without_the_pair_is_not_found(stack):
    answer = await stack.ask("/price", symbol="HYPE", market="spot")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "unknown_symbol"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/price", 405, "method_not_allowed"),
        ("POST", "/health", 405, "method_not_allowed"),
    ],
)
async def test_wrong_routes_keep_the_envelope(stack, method, path, status, code):
    answer = await stack.client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["success"] is False
    assert answer.json()["error"]["code"] == code


async def test_a_body_that_is_too_large_is_refused(stack):
    answer = await stack.client.post("/price", content=b" " * 70_000)
    assert answer.status_code == 413
    assert answer.json()["success"] is False


async def test_a_defect_is_a_500_that_tells_nothing(stack, monkeypatch):
    async def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(stack.api.service), "combined_price", broken)
    answer = await stack.ask("/combined_price", symbol="BTC")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text


@pytest.mark.parametrize("symbol", ["BTC", "WBTC", "HYPE", "SHIB"])
async def test_answers_have_the_shape_of_the_model(stack, symbol):
    body = (await stack.ask("/combined_price", symbol=symbol)).json()
    assert body["success"] is True
    data = msgspec.convert(body["data"], CombinedPrice)
    assert msgspec.json.decode(msgspec.json.encode(data)) == body["data"]


async def test_numbers_are_finite_everywhere(stack):
    def walk(value):
        if isinstance(value, dict):
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)
        elif isinstance(value, float):
            assert abs(value) < 1e18

    for symbol in ("BTC", "PEPE", "BLZ"):
        walk((await stack.ask("/combined_price", symbol=symbol)).json())


async def test_latencies_are_measured_past_jumps_of_the_clock(stack, monkeypatch):
    """Whoever reads the time of day finds it hours away from where it was, at each look."""
    hours = itertools.cycle([0, -7200, 7200])
    whole, whole_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: whole() + next(hours))
    monkeypatch.setattr(time, "time_ns", lambda: whole_ns() + next(hours) * 10**9)
    began = time.monotonic()
    for _ in range(4):
        assert (await stack.ask("/price", symbol="ETH", market="spot")).status_code == 200
    took = time.monotonic() - began
    text = (await stack.client.get("/metrics")).text
    for name in ("market_data_request_seconds", "market_data_venue_call_seconds"):
        sums = re.findall(rf"^{name}_sum{{.*}} (\S+)$", text, re.MULTILINE)
        assert sums
        assert all(0 <= float(one) <= 60 + took for one in sums)


async def test_health_ready_and_metrics(stack):
    assert (await stack.client.get("/health")).json()["data"]["status"] == "alive"
    ready = (await stack.client.get("/ready")).json()["data"]
    assert ready["venues"] == {"binance": "ok"}
    assert ready["cache"] == "memory"
    await stack.ask("/price", symbol="BTC")
    text = (await stack.client.get("/metrics")).text
    assert 'market_data_request_seconds_count{route="/price",status="200"} 1.0' in text
    assert 'market_data_venue_call_seconds_count{outcome="ok",venue="binance"}' in text


async def test_readiness_is_cheap(stack):
    await stack.client.get("/ready")
    before = len(stack.calls())
    for _ in range(20):
        await stack.client.get("/ready")
    assert len(stack.calls()) == before


async def test_ready_when_only_futures_answer(stack):
    stack.fault(path="/spot", kind="error", status=451)
    assert (await stack.client.get("/ready")).status_code == 200


async def test_the_description_has_schemas_and_examples(stack):
    schema = (await stack.client.get("/openapi.json")).json()
    known = schema["components"]["schemas"]
    assert {"CombinedPrice", "PerpBlock", "Block", "Failure", "Flow"} <= known.keys()
    assert "HTTPValidationError" not in known
    post = schema["paths"]["/combined_price"]["post"]
    assert set(post["responses"]) == {"200", "404", "413", "422", "502", "503", "504"}
    assert post["responses"]["200"]["content"]["application/json"]["example"]["success"] is True

    def references(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "$ref":
                    yield inner
                else:
                    yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    for reference in references(schema):
        assert reference.rsplit("/", 1)[1] in known


def test_every_route_has_an_example_in_the_shape_of_its_answer():
    examples = _examples()
    assert set(examples) == {route.path for route in ROUTES}
    for route in ROUTES:
        msgspec.convert(examples[route.path], route.answers[0])


def test_the_error_leaves_out_what_it_does_not_know():
    failure = api.Failure(success=False, error=api.Error("bad_request", "no"))
    assert msgspec.json.encode(failure) == (
        b'{"success":false,"error":{"code":"bad_request","message":"no"}}'
    )


@pytest.mark.parametrize(
    "typed",
    ["btc,", "#btc", "[btc]", "$btc", "(BTC/USDT)", "«btc»", "btc!", "b\u200btc", "ｂｔｃ"],
)
async def test_the_door_takes_what_people_type_as_the_bot_does(stack, typed):
    answer = await stack.ask("/price", symbol=typed, market="spot")
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["symbol"] == "BTCUSDT"


@pytest.mark.parametrize("typed", ["", "#", "...", "[ ]", "btc,eth", "_", "x" * 41])
async def test_the_door_refuses_what_has_no_name(stack, typed):
    answer = await stack.ask("/price", symbol=typed, market="spot")
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == "symbol"
