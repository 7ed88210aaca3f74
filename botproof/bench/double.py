"""The Telegram double beside a fake that a team writes by hand in aiohttp.

Calls a second over eight connections; from an injected update to the webhook, and to a waiting
getUpdates; memory after 200,000 calls, and whether it still grows in the next 200,000. The client
is this process, the servers are processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from dataclasses import dataclass, field

import msgspec

from botproof.bench import Aim, Row, compare, progress
from botproof.bench._client import Connection, connect, post, rate
from botproof.bench._processes import Measured, started
from botproof.doubles.kit.process import run as run_loop
from botproof.doubles.messages import Request, Response
from botproof.doubles.server import serve
from botproof.stats import percentile

TOKEN = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"  # noqa: S105 - made up
CALLS = 10_000
CONNECTIONS = 8
SAMPLES = 300
MANY = 200_000
OTHER = "a fake written by hand: a bare aiohttp handler that keeps no state"

_API = f"/bot{TOKEN}"
_SEND = post(f"{_API}/sendMessage", b'{"chat_id":1,"text":"Hello"}')
_INJECT = post(f"/_double/bots/{TOKEN}/updates", b'{"text":"/price btc","chat_id":1}')


@dataclass(slots=True)
class _Side:
    """What was measured of one server: one value for each run."""

    rates: list[float] = field(default_factory=list)
    webhook_median: list[float] = field(default_factory=list)
    webhook_p99: list[float] = field(default_factory=list)
    poll_median: list[float] = field(default_factory=list)
    poll_p99: list[float] = field(default_factory=list)


def run(arguments: argparse.Namespace) -> list[Row]:
    """Measure; the rows of the report."""
    with (
        started("botproof.doubles.telegram.cli", "--no-flood") as double,
        started("botproof.bench._bare_telegram") as bare,
    ):
        return run_loop(_measure(double, bare, arguments.runs))


async def _measure(double: Measured, bare: Measured, runs: int) -> list[Row]:
    ours, other = _Side(), _Side()
    for number in range(runs):
        progress(f"double: run {number + 1} of {runs}")
        for server, side in ((double, ours), (bare, other)):
            await _one_run(server, side)
    progress(f"double: memory over {2 * MANY:,} calls")
    first, second = await _memory(double)
    return [*_rows(ours, other), *_memory_rows(first, second, bare.rss_mb())]


async def _one_run(server: Measured, side: _Side) -> None:
    control = await connect(server.host, server.port)
    await control.ask(_INJECT)  # now chat 1 is there
    await control.ask(post(f"{_API}/getUpdates", b"{}"))
    await control.ask(post(f"{_API}/deleteWebhook", b'{"url":"","drop_pending_updates":true}'))
    side.rates.append(await rate(server.host, server.port, _SEND, CALLS, CONNECTIONS))
    polled = await _to_poll(server, control)
    side.poll_median.append(statistics.median(polled))
    side.poll_p99.append(percentile(polled, 0.99))
    posted = await _to_webhook(control)
    side.webhook_median.append(statistics.median(posted))
    side.webhook_p99.append(percentile(posted, 0.99))
    control.close()


async def _to_poll(server: Measured, control: Connection) -> list[float]:
    """Return milliseconds from sending an injection until a waiting getUpdates has it."""
    poller = await connect(server.host, server.port)
    offset = 0
    found: list[float] = []
    for _ in range(SAMPLES):
        body = msgspec.json.encode({"offset": offset, "timeout": 30})
        waiting = poller.ask(post(f"{_API}/getUpdates", body))
        await asyncio.sleep(0.001)  # until the poll waits at the server; it is not in the figure
        begin = time.perf_counter()
        injected = control.ask(_INJECT)
        answer = msgspec.json.decode(await waiting)
        found.append((time.perf_counter() - begin) * 1000)
        await injected
        offset = answer["result"][-1]["update_id"] + 1 if "result" in answer else 0
    poller.close()
    return found


async def _to_webhook(control: Connection) -> list[float]:
    """Return milliseconds from sending an injection until the webhook has it."""
    arrived: asyncio.Queue[float] = asyncio.Queue()

    def hook(_request: Request) -> Response:
        arrived.put_nowait(time.perf_counter())
        return Response()

    found: list[float] = []
    async with await serve(hook) as server:
        body = msgspec.json.encode({"url": f"{server.url}/hook", "drop_pending_updates": True})
        await control.ask(post(f"{_API}/setWebhook", body))
        for _ in range(SAMPLES):
            begin = time.perf_counter()
            injected = control.ask(_INJECT)
            found.append((await arrived.get() - begin) * 1000)
            await injected
        await control.ask(post(f"{_API}/deleteWebhook", b'{"url":""}'))
    return found


async def _memory(double: Measured) -> tuple[float, float]:
    """Resident megabytes after 200,000 calls, and after 200,000 more."""
    await rate(double.host, double.port, _SEND, MANY, CONNECTIONS)
    first = double.rss_mb()
    await rate(double.host, double.port, _SEND, MANY, CONNECTIONS)
    return first, double.rss_mb()


def _rows(ours: _Side, other: _Side) -> list[Row]:
    at_most_one = Aim(1.0, at_most=True)
    return [
        compare(
            "sendMessage over 8 connections",
            "calls/s",
            ours.rates,
            other.rates,
            other_is=OTHER,
            aim=Aim(5000, at_most=False),
        ),
        compare(
            "inject to webhook, median",
            "ms",
            ours.webhook_median,
            other.webhook_median,
            other_is=OTHER,
            aim=at_most_one,
        ),
        compare(
            "inject to webhook, p99", "ms", ours.webhook_p99, other.webhook_p99, other_is=OTHER
        ),
        compare(
            "inject to getUpdates, median",
            "ms",
            ours.poll_median,
            other.poll_median,
            other_is=OTHER,
        ),
        compare("inject to getUpdates, p99", "ms", ours.poll_p99, other.poll_p99, other_is=OTHER),
    ]


def _memory_rows(first: float, second: float, bare: float) -> list[Row]:
    return [
        compare(
            "resident memory after 200,000 calls",
            "MB",
            [first],
            [bare],
            other_is=OTHER,
            aim=Aim(90, at_most=True),
        ),
        compare(
            "growth in the next 200,000 calls", "MB", [second - first], aim=Aim(1, at_most=True)
        ),
    ]
