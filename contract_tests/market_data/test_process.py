"""The real service process, against the real exchange double's process, over sockets."""

import json
import signal
import subprocess
import sys
from typing import Any

import httpx
import pytest

from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import DAY

NOW = 1_763_780_000_000


def test_figures_cross_the_sockets_unharmed(service, listening):
    with (
        service() as running,
        httpx.Client(base_url=listening(running), trust_env=False, timeout=100) as client,
    ):
        while client.get("/ready").status_code != 200:
            pass  # on a busy machine a venue may be asked again; the test's own limit ends this
        data = client.post("/combined_price", json={"symbol": "btc"}).json()["data"]
        day = Market(7).fold("BTC", "spot", NOW - DAY, NOW)
        assert data["spot"]["price"] == day.close / 100
        assert data["spot"]["volume_24h"] == pytest.approx(day.lots * 8 / 1e5)
        assert data["missing"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(service, listening, number):
    with service() as running:
        url = listening(running)
        assert httpx.get(f"{url}/health", trust_env=False, timeout=100).status_code == 200
        running.send_signal(number)
        assert running.wait(60) == 0
        rest = running.stderr.read()
        assert "Traceback" not in rest
        assert json.loads(rest.splitlines()[-1])["event"] == "stopped"


def test_a_request_under_way_is_finished_on_sigterm(service, listening, double_url):
    with service(DEADLINE_SECONDS="4") as running:
        url = listening(running)
        for kind in ("spot", "perp"):  # drawn now, the double answers all but one well in time
            query = {"base": "ETH", "kind": kind}
            truth = f"{double_url}/_double/truth/fold"
            httpx.get(truth, params=query, trust_env=False, timeout=100).raise_for_status()
        # silent: the request goes on until its deadline, well after the signal
        fault = {"kind": "silent", "path": "/spot/api/v3/ticker/24hr"}
        httpx.post(f"{double_url}/_double/faults", json=fault, trust_env=False, timeout=100)
        told = _transcript(double_url, after=0, timeout=0)["next"]
        script = (
            "import httpx,sys; print(httpx.post(sys.argv[1], json={'symbol': 'eth'}, "
            "timeout=60, trust_env=False).status_code)"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, f"{url}/combined_price"],
            stdout=subprocess.PIPE,
            text=True,
        ) as asker:
            _wait_for_call(double_url, "/spot/api/v3/ticker/24hr", told)
            running.send_signal(signal.SIGTERM)
            assert asker.stdout.read().strip() == "200"
        assert running.wait(60) == 0


def _transcript(double_url: str, **query: int) -> dict[str, Any]:
    url = f"{double_url}/_double/transcript"
    answer = httpx.get(url, params=query, timeout=100, trust_env=False)
    result: dict[str, Any] = answer.json()["result"]
    return result


def _wait_for_call(double_url: str, path: str, after: int) -> None:
    """Wait, by long poll, until the venue was asked for ``path``."""
    while True:
        result = _transcript(double_url, after=after, timeout=50)
        if any(event.get("path") == path for event in result["events"]):
            return
        assert result["events"], f"nobody asked for {path}"
        after = result["next"]


SILENT = """
import os, runpy, socket, threading
real = socket.getaddrinfo
def look_up(host, *rest, **more):
    if host in ("silent.test", b"silent.test"):
        os.write(1, b"asked\\n")  # whole, from whichever thread
        threading.Event().wait()
    return real(host, *rest, **more)
socket.getaddrinfo = look_up
runpy.run_module("reference_bot.market_data", run_name="__main__", alter_sys=True)
"""


def test_a_resolver_that_never_answers_holds_up_no_end(process, tmp_path):
    (tmp_path / "silent.py").write_text(SILENT)
    urls = dict.fromkeys(
        ("BINANCE_SPOT_URL", "BINANCE_FUTURES_URL", "BINANCE_COIN_FUTURES_URL"),
        "http://silent.test",
    )
    settings = {"MARKET_DATA_PORT": "0", "EXCHANGES": "binance", "PYTHONPATH": str(tmp_path)}
    with process("silent", cwd=tmp_path, **settings, **urls) as running:
        assert running.stdout.readline() == "asked\n"
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0


def test_wrong_settings_are_told_and_end_with_2(process, tmp_path):
    settings = {"MARKET_DATA_PORT": "many", "EXCHANGES": "mtgox"}
    with process("reference_bot.market_data", cwd=tmp_path, **settings) as running:
        _, text = running.communicate(timeout=60)
        assert running.returncode == 2
        assert "MARKET_DATA_PORT: is 'many', should be a port" in text
        assert "EXCHANGES: is 'mtgox'" in text
        assert "Traceback" not in text


def test_a_port_in_use_is_told_and_ends_with_1(service, double_url):
    port = double_url.rsplit(":", 1)[1]
    with service(MARKET_DATA_PORT=port) as running:
        _, text = running.communicate(timeout=60)
        assert running.returncode == 1
        assert json.loads(text.splitlines()[-1])["event"] == "cannot listen"
