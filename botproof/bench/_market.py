"""The parts that market-data's benchmarks are played with: the service, its venues, a ccxt client.

Each is a process. The service and its rival run in an interpreter of their own choosing: production
installs less than this one has, and ccxt needs an environment of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

import httpx
import psutil

from botproof.bench import CannotMeasureError
from botproof.bench._processes import started

CRYPTO_VENUES: Final = ("binance", "bybit", "okx", "gate", "bitget", "hyperliquid")
_PARTS: Final = 9
_READY_WITHIN: Final = 60.0
_HAS_CCXT: Final = "import importlib.util, sys; sys.exit(importlib.util.find_spec('ccxt') is None)"


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process holds, in MB (10^6 bytes)."""

    rss: float
    pss: float
    anonymous: float

    @classmethod
    def of(cls, process: psutil.Process) -> Memory:
        """Read it from /proc."""
        rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
        kb = {line.split()[0]: int(line.split()[1]) for line in rollup if line.endswith(" kB")}
        return cls(*(kb[name] * 1024 / 1e6 for name in ("Rss:", "Pss:", "Anonymous:")))


@dataclass(frozen=True, slots=True)
class Service:
    """A running market-data; `ready_after` is in seconds from its start."""

    client: httpx.Client
    url: str
    process: psutil.Process
    ready_after: float

    def ask(self, symbol: str) -> httpx.Response:
        """Ask for a combined price. Raises CannotMeasureError when the answer is not whole."""
        answer = self.client.post("/combined_price", json={"symbol": symbol})
        if answer.status_code != 200 or answer.json()["data"]["missing"]:
            raise CannotMeasureError(f"the answer is not whole: {answer.text[:300]}")
        return answer

    def memory(self) -> Memory:
        """Return what it holds now."""
        return Memory.of(self.process)


@contextlib.contextmanager
def service(
    double: str, *, python: str = sys.executable, exchanges: Sequence[str] = ("binance",)
) -> Iterator[Service]:
    """Start market-data in front of the double; back when /ready says 200."""
    environment = {
        **os.environ,
        "BINANCE_SPOT_URL": f"{double}/binance/spot",
        "BINANCE_FUTURES_URL": f"{double}/binance/futures",
        "BINANCE_COIN_FUTURES_URL": f"{double}/binance/coin",
        **{f"{venue.upper()}_URL": f"{double}/{venue}" for venue in CRYPTO_VENUES[1:]},
        "EXCHANGES": ",".join(exchanges),
        "MARKET_DATA_PORT": "0",
    }
    command = (python, "-m", "reference_bot.market_data")
    began = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stderr is not None  # noqa: S101 - it was asked for
            url = f"http://127.0.0.1:{_port(process.stderr)}"
            with httpx.Client(base_url=url, trust_env=False, timeout=30) as client:
                while (answer := client.get("/ready")).status_code != 200:
                    if time.perf_counter() - began > _READY_WITHIN:
                        raise CannotMeasureError(f"market-data is not ready: {answer.text[:300]}")
                    time.sleep(0.02)
                ready = time.perf_counter() - began
                yield Service(client, url, psutil.Process(process.pid), ready)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _port(log: IO[bytes]) -> int:
    """Return where the service says that it listens."""
    line = log.readline()
    try:
        return int(json.loads(line)["port"])
    except (ValueError, KeyError):
        raise CannotMeasureError(f"market-data does not start: {line.decode().strip()}") from None


@dataclass(slots=True)
class Double:
    """The control interface of the exchange double."""

    url: str
    _client: httpx.Client = field(init=False)
    _seen: int = 0

    def __post_init__(self) -> None:
        self._client = httpx.Client(base_url=self.url, trust_env=False, timeout=60)

    def calls(self) -> list[dict[str, Any]]:
        """Return the calls since the last time that this was asked."""
        answer = self._client.get("/_double/transcript", params={"after": self._seen}).json()
        self._seen = answer["result"]["next"]
        return [event for event in answer["result"]["events"] if event["type"] == "venue_call"]

    def delay(self, seconds: float) -> None:
        """Let every venue take that long, from now on."""
        self._client.delete("/_double/faults").raise_for_status()
        if seconds:
            self._post("faults", {"kind": "delay", "seconds": seconds})

    def hold_rates(self) -> None:
        """Refuse calls beyond the rates that the venues document."""
        self._post("limits", {"held": True})

    def advance(self, seconds: float) -> None:
        """Move the market's clock ahead, and let all that was traded until then be drawn."""
        self._post("clock", {"advance": seconds})
        for path in ("spot/api/v3/ticker/24hr", "futures/fapi/v1/ticker/24hr"):
            self._client.get(f"/binance/{path}").raise_for_status()

    def draw(self, coins: Sequence[str]) -> None:
        """Let the double draw its market, so that nobody waits for that while being measured."""
        for coin in coins:
            for kind in ("spot", "perp"):
                query = {"base": coin, "kind": kind, "limit": 110}
                self._client.get("/_double/truth/candles", params=query).raise_for_status()

    def _post(self, path: str, body: Mapping[str, Any]) -> None:
        self._client.post(f"/_double/{path}", json=body).raise_for_status()

    @classmethod
    @contextlib.contextmanager
    def started(cls, *arguments: str) -> Iterator[Double]:
        """Start one."""
        with started("botproof.doubles.exchanges.cli", *arguments) as process:
            double = cls(process.url)
            try:
                yield double
            finally:
                double._client.close()


@dataclass(frozen=True, slots=True)
class Rival:
    """A running process of ccxt's asynchronous client, with its markets loaded."""

    process: psutil.Process
    pipe: subprocess.Popen[str]
    ready_after: float

    def ask(self, symbol: str, askers: int = 1) -> None:
        """Let it read all that a combined price is made of, for so many askers at once."""
        assert self.pipe.stdin is not None  # noqa: S101 - it was asked for
        assert self.pipe.stdout is not None  # noqa: S101 - as above
        print(json.dumps({"symbol": symbol, "askers": askers}), file=self.pipe.stdin, flush=True)
        line = self.pipe.stdout.readline()
        if not line or json.loads(line)["parts"] != _PARTS:
            raise CannotMeasureError(f"ccxt did not read everything: {line.strip() or 'it ended'}")

    def memory(self) -> Memory:
        """Return what it holds now."""
        return Memory.of(self.process)


@contextlib.contextmanager
def rival(double: str, *, python: str) -> Iterator[Rival | None]:
    """Start the ccxt client in front of the double; None where that interpreter has no ccxt."""
    if subprocess.run([python, "-c", _HAS_CCXT], check=False).returncode:
        yield None
        return
    script = str(Path(__file__).with_name("_ccxt_reads.py"))
    began = time.perf_counter()
    with subprocess.Popen(
        [python, "-P", script, double], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it was asked for
            if not process.stdout.readline():
                raise CannotMeasureError("the ccxt client ended before its markets were loaded")
            ready = time.perf_counter() - began
            yield Rival(psutil.Process(process.pid), process, ready)
        finally:
            process.terminate()
            process.wait(timeout=10)
