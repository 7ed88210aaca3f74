"""Recording and comparing, tried against recorded files that a local server serves."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from botproof.doubles.messages import Request, Response, json_response
from botproof.doubles.server import serve

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "fixtures" / "venues" / "recorded"


@pytest.fixture(scope="module")
def script():
    path = ROOT / "scripts" / "record_venues.py"
    spec = importlib.util.spec_from_file_location("record_venues", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["record_venues"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["record_venues"]


FUTURES = "/gate/api/v4/futures/usdt"
FILES = {
    f"{FUTURES}/tickers": "gate/ar_tickers_usdt_2026-09-11.json",
    f"{FUTURES}/contract_stats": "gate/ar_contract_stats_btc_usdt_5m_2026-09-17.json",
}


async def _recorded(request: Request) -> Response:
    name = FILES.get(request.path)
    if name is None:
        return json_response({"label": "NOT_FOUND"}, 404)
    return Response(200, (RECORDED / name).read_bytes())


async def test_what_is_recorded_is_kept_and_compared(script, tmp_path, capsys):
    calls = [call for call in script.CALLS if call.of == "gate"]
    async with await serve(_recorded) as server:
        bases = {"gate": f"{server.url}/gate"}
        assert await script.record(calls, bases, tmp_path, 0.0) == 2  # one is not served here
    kept = sorted(path.name for path in (tmp_path / "gate").iterdir())
    assert kept == ["usdt_contract_stats_BTC_USDT_15m.json", "usdt_tickers_BTC_USDT.json"]
    told = json.loads((tmp_path / "gate" / kept[1]).read_text())
    assert told[0]["total_size"] == "640887002"
    printed = capsys.readouterr().out
    assert "$[0].highest_size: the double does not tell it (text)" in printed
    assert "contracts_BTC_USDT: not asked" in printed
    assert "2 calls recorded" in printed


def test_order_units_and_kinds_are_told_apart(script):
    def lines(real, told):
        return list(script.differences(real, told))

    newest = [["1789659600000", "1"], ["1789659300000", "2"]]
    assert lines(newest, newest) == []
    assert "begins with the newest, the double with the oldest" in lines(newest, newest[::-1])[0]
    assert lines({"t": 1789659600}, {"t": 1789659600000}) == [
        "$.t: the venue tells seconds, the double milliseconds"
    ]
    assert lines({"v": "1"}, {"v": 1}) == ["$.v: the venue writes a text, the double a number"]
    assert lines([["1", "2", "3"]], [["1", "2"]])[0].startswith("$[0]: rows of 3 at the venue")


def test_a_turnover_in_another_unit_is_found(script):
    coin_m = next(call for call in script.CALLS if "COIN-FUTURES" in call.query.values())
    row = ["1789659000000", "76439", "76503", "76423", "76489", "5991715", "78.3457"]
    assert script.unit(coin_m, {"data": [row]}) is None
    assert "is not" in script.unit(coin_m, {"data": [[*row[:5], row[6], row[5]]]})
