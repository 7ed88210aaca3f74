"""market-data: cold and warm answers, calls made for many askers, memory, time to be ready.

Venues are the exchange double, each call delayed by 150 ms where the cold answer is measured. The
other side is named in each row: the slowest single call of the same answer, a bare FastAPI endpoint
that returns the same JSON, the calls of one asker.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import psutil

from botproof.bench import Aim, CannotMeasureError, Row, compare
from botproof.bench._client import post, rate
from botproof.bench._processes import started

__all__ = ["run"]

_NOW: Final = 1_763_780_000_000
_DELAY: Final = 0.15
_COINS: Final = ("ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "AVAX", "LINK", "DOT", "LTC")
_ASKERS: Final = 100
_CALLS: Final = 4000
_CONNECTIONS: Final = 8
_BARE: Final = "a bare FastAPI endpoint that returns the same JSON"


@dataclass(frozen=True, slots=True)
class _Service:
    """A running market-data."""

    client: httpx.Client
    url: str
    process: psutil.Process
    ready_after: float

    def ask(self, symbol: str) -> httpx.Response:
        answer = self.client.post("/combined_price", json={"symbol": symbol})
        if answer.status_code != 200 or answer.json()["data"]["missing"]:
            raise CannotMeasureError(f"the answer is not whole: {answer.text[:300]}")
        return answer

    def rss_mb(self) -> float:
        return float(self.process.memory_info().rss) / 1e6


@contextlib.contextmanager
def _service(double: str) -> Iterator[_Service]:
    """Start market-data in front of the double; back when /ready says 200."""
    environment = {
        **os.environ,
        "BINANCE_SPOT_URL": f"{double}/binance/spot",
        "BINANCE_FUTURES_URL": f"{double}/binance/futures",
        "EXCHANGES": "binance",
        "MARKET_DATA_PORT": "0",
    }
    command = (sys.executable, "-m", "reference_bot.market_data")
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stderr is not None  # noqa: S101 - it was asked for
            line = process.stderr.readline()
            if not line:
                raise CannotMeasureError("market-data ended before it listened")
            url = f"http://127.0.0.1:{json.loads(line)['port']}"
            with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
                if client.get("/ready").status_code != 200:
                    raise CannotMeasureError("market-data is not ready")
                ready = time.perf_counter() - began
                yield _Service(client, url, psutil.Process(process.pid), ready)
        finally:
            process.terminate()
            process.wait(timeout=10)


class _Double:
    """The control interface of the exchange double."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=60)
        self._seen = 0

    def calls(self) -> list[dict[str, Any]]:
        """The calls since the last time that this was asked."""
        answer = self._client.get("/_double/transcript", params={"after": self._seen}).json()
        self._seen = answer["result"]["next"]
        return [event for event in answer["result"]["events"] if event["type"] == "venue_call"]

    def delay(self, seconds: float) -> None:
        self._client.delete("/_double/faults")
        if seconds:
            fault = {"kind": "delay", "seconds": seconds}
            self._client.post("/_double/faults", json=fault).raise_for_status()

    def draw(self) -> None:
        """Let the double draw its market, so that nobody waits for that while being measured."""
        for coin in ("BTC", *_COINS):
            for kind in ("spot", "perp"):
                query = {"base": coin, "kind": kind, "limit": 110}
                self._client.get("/_double/truth/candles", params=query).raise_for_status()

    def close(self) -> None:
        self._client.close()


def run(arguments: argparse.Namespace) -> list[Row]:
    """Measure; raises CannotMeasureError when an answer is not whole."""
    with started("botproof.doubles.exchanges.cli", "--seed", "7", "--now", str(_NOW)) as exchange:
        double = _Double(exchange.url)
        try:
            double.draw()
            return _measure(double, arguments.runs)
        finally:
            double.close()


def _measure(double: _Double, runs: int) -> list[Row]:
    found: dict[str, list[float]] = {}
    other: dict[str, list[float]] = {}
    for _ in range(runs):
        with _service(double.url) as service:
            found.setdefault("ready", []).append(service.ready_after)
            _cold(double, service, found, other)
            found.setdefault("idle", []).append(service.rss_mb())
            _many(double, service, found, other)
            _warm(service, found, other)
            found.setdefault("loaded", []).append(service.rss_mb())
            pss = service.process.memory_full_info().pss
            found.setdefault("pss", []).append(pss / 1e6)
    return [
        compare(
            "cold /combined_price, venues at 150 ms",
            "s",
            found["cold"],
            other["cold"],
            other_is="the slowest single venue call of the same answer",
            aim=Aim(1.3, at_most=True, of_ratio=True),
        ),
        compare(
            "warm /combined_price",
            "answers/s",
            found["warm"],
            other["warm"],
            other_is=_BARE,
            aim=Aim(0.6, at_most=False, of_ratio=True),
        ),
        compare(
            f"venue calls for {_ASKERS} concurrent askers",
            "calls",
            found["calls"],
            other["calls"],
            other_is="the calls of one asker",
            aim=Aim(1.0, at_most=True, of_ratio=True),
        ),
        compare("start to ready", "s", found["ready"], aim=Aim(1.5, at_most=True)),
        compare("memory after eight answers", "MB RSS", found["idle"], aim=Aim(60, at_most=True)),
        compare("memory after load", "MB RSS", found["loaded"], aim=Aim(60, at_most=True)),
        compare("the same without what is shared", "MB PSS", found["pss"]),
    ]


def _cold(
    double: _Double,
    service: _Service,
    found: dict[str, list[float]],
    other: dict[str, list[float]],
) -> None:
    """Time symbols that were never asked for; the directories are there since the start."""
    service.ask("BTC")  # the funding intervals and the connections
    double.delay(_DELAY)
    for coin in _COINS[:7]:
        double.calls()
        began = time.perf_counter()
        service.ask(coin)
        found.setdefault("cold", []).append(time.perf_counter() - began)
        slowest = max(call["duration_s"] for call in double.calls())
        other.setdefault("cold", []).append(slowest)
    double.delay(0)


def _many(
    double: _Double,
    service: _Service,
    found: dict[str, list[float]],
    other: dict[str, list[float]],
) -> None:
    """Count the calls for one asker, then for many at once, of symbols not asked for before."""
    double.calls()
    service.ask(_COINS[7])
    other.setdefault("calls", []).append(len(double.calls()))
    asyncio.run(_ask_at_once(service.url, _COINS[8]))
    found.setdefault("calls", []).append(len(double.calls()))


async def _ask_at_once(url: str, symbol: str) -> None:
    limits = httpx.Limits(max_connections=_ASKERS)
    async with httpx.AsyncClient(
        base_url=url, trust_env=False, timeout=30, limits=limits
    ) as client:
        answers = await asyncio.gather(
            *(client.post("/combined_price", json={"symbol": symbol}) for _ in range(_ASKERS))
        )
    if any(answer.status_code != 200 for answer in answers):
        raise CannotMeasureError("an asker got no answer")


def _warm(service: _Service, found: dict[str, list[float]], other: dict[str, list[float]]) -> None:
    """Compare the same request on both servers, one after the other, in the same run."""
    request = post("/combined_price", b'{"symbol":"BTC"}')
    answer = service.ask("BTC")
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "answer.json"
        body.write_bytes(answer.content)
        with started("botproof.bench._bare_market_data", str(body)) as bare:
            parts = urlsplit(service.url)
            for host, port, rates in (
                (bare.host, bare.port, other.setdefault("warm", [])),
                (parts.hostname or "", parts.port or 0, found.setdefault("warm", [])),
            ):
                asyncio.run(rate(host, port, request, _CALLS // 4, _CONNECTIONS))
                rates.append(asyncio.run(rate(host, port, request, _CALLS, _CONNECTIONS)))
