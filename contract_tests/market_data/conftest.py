"""market-data in this process, between its callers and an exchange double on a real socket."""

import asyncio
import fcntl
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from botproof.doubles.exchanges.coins import KINDS
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import BLOCK
from botproof.doubles.exchanges.server import ExchangeDouble
from botproof.doubles.server import serve
from reference_bot.market_data import facade, interests
from reference_bot.market_data.app import make_app
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.facade import Api
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.settings import KNOWN_VENUES, load
from reference_bot.market_data.wiring import open_api

NOW = 1_763_780_000_000  # 2025-11-22 02:53:20 UTC
SEED = 7
IDLE_S = 0.01
"""What was sent over a loopback address is there at once: after so long nothing is under way."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The service's HTTP face, and the double behind it."""

    double: ExchangeDouble
    client: httpx.AsyncClient
    api: Api
    url: str

    async def ask(self, path: str, **body: Any) -> httpx.Response:
        return await self.client.post(path, json=body)

    def fault(self, **fault: Any) -> None:
        """Program a fault at the double."""
        from botproof.doubles.exchanges.faults import ExchangeFault  # noqa: PLC0415 - only where used

        self.double.faults.add(ExchangeFault(**fault))

    def calls(self) -> list[str]:
        """The paths that venues were asked for, in order."""
        return [event["path"] for event in self.double.events if event["type"] == "venue_call"]


@pytest.fixture
def now() -> int:
    return NOW


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """One for all tests: it is pure, and remembers what it drew.

    A day is drawn here, so that no test's deadline pays for it.
    """
    made = Market(SEED)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        draw_a_day(made)
        return made
    kept = tmp_path_factory.getbasetemp().parent / "market"  # of this run, for all its workers
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists():
            made._blocks.entries.update(pickle.loads(kept.read_bytes()))  # noqa: S301 - our own
        else:
            draw_a_day(made)
            kept.write_bytes(pickle.dumps(made._blocks.entries))
    return made


def draw_a_day(market: Market) -> None:
    for coin in market.coins.values():
        for kind in KINDS:
            if coin.book(kind) is not None:
                market.fold(coin.base, kind, NOW - 100 * BLOCK, NOW)


@pytest.fixture(scope="session")
def idle_apps() -> list[FastAPI]:
    """Applications that no stack uses now: making one takes as long as many a test."""
    return []


@pytest.fixture
def open_stack(
    market: Market, idle_apps: list[FastAPI], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AbstractAsyncContextManager[Stack]]:
    """A stack with settings of one's own; directories are read before the test begins."""
    monkeypatch.setattr(facade, "_PING_WITHIN", 30.0)  # as with the deadline below
    monkeypatch.setattr(interests, "_GRACE", 30.0)

    @asynccontextmanager
    async def opened(*, warm: bool = True, **settings: str) -> AsyncIterator[Stack]:
        double = ExchangeDouble(market, now=NOW)
        async with aclosing(double), await serve(double.handle) as server:
            environment = {
                "BINANCE_SPOT_URL": f"{server.url}/binance/spot",
                "BINANCE_FUTURES_URL": f"{server.url}/binance/futures",
                "BINANCE_COIN_FUTURES_URL": f"{server.url}/binance/coin",
                **{
                    f"{venue.upper()}_URL": f"{server.url}/{venue}"
                    for venue in {*KNOWN_VENUES, "yahoo"} - {"binance"}
                },
                "EXCHANGES": "binance",
                "DEADLINE_SECONDS": "30",  # a busy machine is not what is tested
                **settings,
            }
            async with open_api(load(environment), Metrics()) as api, borrowed(idle_apps) as app:
                if "REDIS_URL" not in settings and api.cache._clock is time.monotonic:
                    stop_the_clock(api.cache)
                if warm:
                    await api.service.warm()
                app.state.api = api
                transport = httpx.ASGITransport(app, raise_app_exceptions=False)
                async with httpx.AsyncClient(
                    transport=transport, base_url="http://market-data"
                ) as client:
                    yield Stack(double, client, api, server.url)

    return opened


def stop_the_clock(cache: Cache) -> None:
    """On a busy machine what is kept could be too old before a test has asked for it again."""
    now = cache.now()
    cache._clock = lambda: now


@pytest.fixture
async def time_flies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop's clock stands still while anything goes on, then is where the next thing is due.

    So silence costs no time, and no deadline is too short for what does come: all that a stack is
    made of runs on this loop or, where the double draws its market, in a thread that is counted.
    """
    loop: Any = asyncio.get_running_loop()
    now, drawing = loop.time(), 0
    select, in_thread = loop._selector.select, loop.run_in_executor

    def quick_select(timeout: float | None = None) -> Any:
        nonlocal now
        if timeout is None or timeout <= 0:
            return select(timeout)
        ready = select(None if drawing else min(timeout, IDLE_S))
        if not ready:
            now += timeout
        return ready

    def drawn(_: object) -> None:
        nonlocal drawing
        drawing -= 1

    def run_in_executor(*work: Any) -> Any:
        nonlocal drawing
        drawing += 1
        made = in_thread(*work)
        made.add_done_callback(drawn)
        return made

    monkeypatch.setattr(loop, "time", lambda: now)
    monkeypatch.setattr(loop._selector, "select", quick_select)
    monkeypatch.setattr(loop, "run_in_executor", run_in_executor)


@asynccontextmanager
async def borrowed(idle: list[FastAPI]) -> AsyncIterator[FastAPI]:
    """An application for one stack, of which it knows ``state.api`` and its own description."""
    app = idle.pop() if idle else make_app(_never_opened)
    yield app
    del app.state.api
    app.openapi_schema = None
    idle.append(app)


def _never_opened() -> AbstractAsyncContextManager[Api]:
    raise AssertionError("the stack opens the service itself")


@pytest.fixture
async def stack(open_stack) -> AsyncIterator[Stack]:
    async with open_stack() as opened:
        yield opened


# -- processes -------------------------------------------------------------------------------


@contextmanager
def _process(module: str, *args: str, cwd, **environment: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", module, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.fixture
def process():
    """Start a module as a process; it is killed at the end if it still runs."""
    return _process


@pytest.fixture(scope="module")
def double_process(tmp_path_factory) -> Iterator[str]:
    """An exchange double's process, which must end cleanly on SIGTERM."""
    module, folder = "botproof.doubles.exchanges.cli", tmp_path_factory.mktemp("double")
    with _process(module, "--seed", str(SEED), "--now", str(NOW), cwd=folder) as running:
        yield json.loads(running.stdout.readline())["url"]
        running.send_signal(signal.SIGTERM)
        assert running.wait(60) == 0


@pytest.fixture
def double_url(double_process) -> Iterator[str]:
    """The double of the module's tests, without the faults of others."""
    yield double_process
    faults = f"{double_process}/_double/faults"
    httpx.delete(faults, trust_env=False, timeout=100).raise_for_status()


@pytest.fixture
def service(tmp_path, double_url):
    """Start the service's process in front of the double."""

    def start(**settings: str):
        environment = {
            "BINANCE_SPOT_URL": f"{double_url}/binance/spot",
            "BINANCE_FUTURES_URL": f"{double_url}/binance/futures",
            "BINANCE_COIN_FUTURES_URL": f"{double_url}/binance/coin",
            "MARKET_DATA_PORT": "0",
            "EXCHANGES": "binance",
            "DEADLINE_SECONDS": "30",  # a busy machine is not what is tested
            **settings,
        }
        return _process("reference_bot.market_data", cwd=tmp_path, **environment)

    return start


def _listening(running) -> str:
    for line in running.stderr:
        event = json.loads(line)
        if event["event"] == "listening":
            return f"http://127.0.0.1:{event['port']}"
    raise AssertionError("the service ended before it listened")


@pytest.fixture
def listening():
    """Wait until the service says where it listens; its URL."""
    return _listening


@pytest.fixture
def service_process(service):
    """The service's process by its URL."""

    @contextmanager
    def start(**settings: str) -> Iterator[str]:
        with service(**settings) as running:
            yield _listening(running)

    return start
