"""market-data: cold and warm answers, calls made, memory, time to be ready, and a day of scans.

Venues are the exchange double, each call delayed by 150 ms where the cold answer is measured. The
other side is named in each row: the slowest single call of the same answer, a bare FastAPI endpoint
that returns the same JSON, the calls of one asker, ccxt's asynchronous client doing the same reads.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from botproof.bench import Aim, CannotMeasureError, Row, compare, progress
from botproof.bench._client import post, rate
from botproof.bench._day import measure as measure_day
from botproof.bench._market import Double, Rival, Service, rival, service
from botproof.bench._processes import announced

_NOW: Final = 1_763_780_000_000
_DELAY: Final = 0.15
_COINS: Final = ("ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "AVAX", "LINK", "DOT", "LTC")
_COLD: Final = _COINS[:7]
_ALONE, _MANY = _COINS[7:9]
_SETTLES: Final = 1.0
"""Seconds after which a service has read its listings and given back what starting left behind."""
_ASKERS: Final = 100
_CALLS: Final = 4000
_CONNECTIONS: Final = 8
_BARE: Final = "a bare FastAPI endpoint that returns the same JSON"
_CCXT: Final = "ccxt's async client doing the same reads"
_NO_CCXT: Final = (
    "not measured: {python} has no ccxt; `nox -s bench -- market-data` installs an environment "
    "that has it, --ccxt-python names one"
)

Found = dict[str, list[float]]


def run(arguments: argparse.Namespace) -> list[Row]:
    """Measure; raises CannotMeasureError when an answer is not whole."""
    found: Found = {}
    with Double.started("--seed", "7", "--now", str(_NOW)) as double:
        double.draw(("BTC", *_COINS))
        for number in range(arguments.runs):
            progress(f"market-data: run {number + 1} of {arguments.runs}")
            with (
                service(double.url, python=arguments.service_python) as ours,
                rival(double.url, python=arguments.ccxt_python) as theirs,
            ):
                _measure(double, ours, theirs, found, arguments.service_python)
    rows = _rows(found, arguments.ccxt_python)
    return rows if arguments.no_day else rows + measure_day(arguments.service_python)


def _measure(
    double: Double, ours: Service, theirs: Rival | None, found: Found, python: str
) -> None:
    _note(found, "ready", ours.ready_after)
    time.sleep(_SETTLES)
    _note_memory(found, "idle", ours)
    if theirs is not None:
        _note(found, "ccxt ready", theirs.ready_after)
        _note_memory(found, "ccxt idle", theirs)
    _cold(double, ours, theirs, found)
    _note_memory(found, "answered", ours)
    _many(double, ours, theirs, found)
    if theirs is not None:
        _note_memory(found, "ccxt loaded", theirs)
    _warm(ours, found, python)
    _note_memory(found, "loaded", ours)


def _note(found: Found, what: str, value: float) -> None:
    found.setdefault(what, []).append(value)


def _note_memory(found: Found, what: str, process: Service | Rival) -> None:
    memory = process.memory()
    for kind in ("rss", "pss", "anonymous"):
        _note(found, f"{what} {kind}", getattr(memory, kind))


# -- what is done ------------------------------------------------------------------------------


def _cold(double: Double, ours: Service, theirs: Rival | None, found: Found) -> None:
    """Time symbols that were never asked for; the directories are there since the start.

    Both sides are asked in turn, the one first and then the other.
    """
    ours.ask("BTC")  # the funding intervals and the connections
    if theirs is not None:
        theirs.ask("BTC")
    double.delay(_DELAY)
    for number, coin in enumerate(_COLD):
        double.calls()
        sides: list[Callable[[], None]] = [lambda coin=coin: _cold_ours(double, ours, coin, found)]  # type: ignore[misc]  # a default binds the loop's value
        if theirs is not None:
            sides.append(lambda coin=coin: _cold_theirs(double, theirs, coin, found))  # type: ignore[misc]  # as above
        for side in sides if number % 2 else reversed(sides):
            side()
    double.delay(0)


def _cold_ours(double: Double, ours: Service, coin: str, found: Found) -> None:
    began = time.perf_counter()
    ours.ask(coin)
    _note(found, "cold", time.perf_counter() - began)
    calls = double.calls()
    _note(found, "slowest call", max(call["duration_s"] for call in calls))
    _note(found, "cold calls", len(calls))


def _cold_theirs(double: Double, theirs: Rival, coin: str, found: Found) -> None:
    began = time.perf_counter()
    theirs.ask(coin)
    _note(found, "ccxt cold", time.perf_counter() - began)
    _note(found, "ccxt cold calls", len(double.calls()))


def _many(double: Double, ours: Service, theirs: Rival | None, found: Found) -> None:
    """Count the calls for one asker, then for many at once, of symbols not asked for before."""
    double.calls()
    ours.ask(_ALONE)
    _note(found, "calls of one", len(double.calls()))
    began = time.perf_counter()
    asyncio.run(_ask_at_once(ours.url, _MANY))
    _note(found, "many", time.perf_counter() - began)
    _note(found, "calls of many", len(double.calls()))
    if theirs is not None:
        began = time.perf_counter()
        theirs.ask(_MANY, _ASKERS)
        _note(found, "ccxt many", time.perf_counter() - began)
        _note(found, "ccxt calls of many", len(double.calls()))


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


def _warm(ours: Service, found: Found, python: str) -> None:
    """Compare the same request on both servers, one after the other, in the same run."""
    request = post("/combined_price", b'{"symbol":"BTC"}')
    answer = ours.ask("BTC")
    script = str(Path(__file__).with_name("_bare_market_data.py"))
    with tempfile.TemporaryDirectory() as folder:
        body = Path(folder) / "answer.json"
        body.write_bytes(answer.content)
        with announced((python, "-P", script, str(body))) as bare:
            parts = urlsplit(ours.url)
            for what, host, port in (
                ("bare", bare.host, bare.port),
                ("warm", parts.hostname or "", parts.port or 0),
            ):
                asyncio.run(rate(host, port, request, _CALLS // 4, _CONNECTIONS))
                _note(found, what, asyncio.run(rate(host, port, request, _CALLS, _CONNECTIONS)))


# -- what is told ------------------------------------------------------------------------------


def _rows(found: Found, ccxt_python: str) -> list[Row]:
    rows = [
        compare(
            "cold /combined_price, venues at 150 ms",
            "s",
            found["cold"],
            found["slowest call"],
            other_is="the slowest single venue call of the same answer",
            aim=Aim(1.3, at_most=True, of_ratio=True),
        ),
        compare(
            "warm /combined_price",
            "answers/s",
            found["warm"],
            found["bare"],
            other_is=_BARE,
            aim=Aim(0.6, at_most=False, of_ratio=True),
        ),
        compare(
            f"venue calls for {_ASKERS} concurrent askers",
            "calls",
            found["calls of many"],
            found["calls of one"],
            other_is="the calls of one asker",
            aim=Aim(1.0, at_most=True, of_ratio=True),
        ),
        compare("start to ready", "s", found["ready"], aim=Aim(1.5, at_most=True)),
    ]
    for what, when in (("idle", "idle"), ("answered", "after eight answers"), ("loaded", "loaded")):
        aim = Aim(60, at_most=True)
        rows.append(compare(f"memory {when}", "MB RSS", found[f"{what} rss"], aim=aim))
    rows += [
        compare("memory loaded", "MB PSS", found["loaded pss"]),
        compare("memory loaded", "MB anonymous", found["loaded anonymous"]),
    ]
    return rows + _beside_ccxt(found, ccxt_python)


_RIVALRY: Final[Sequence[tuple[str, str, str, str]]] = (
    ("cold answer, venues at 150 ms", "s", "cold", "ccxt cold"),
    ("venue calls of a cold answer", "calls", "cold calls", "ccxt cold calls"),
    (f"{_ASKERS} concurrent askers", "s", "many", "ccxt many"),
    (f"venue calls for {_ASKERS} askers", "calls", "calls of many", "ccxt calls of many"),
    ("start to ready", "s", "ready", "ccxt ready"),
    ("memory idle", "MB RSS", "idle rss", "ccxt idle rss"),
    ("memory loaded", "MB RSS", "loaded rss", "ccxt loaded rss"),
    ("memory loaded", "MB PSS", "loaded pss", "ccxt loaded pss"),
    ("memory loaded", "MB anonymous", "loaded anonymous", "ccxt loaded anonymous"),
)
"""Beside ccxt: metric, unit, our values, its values."""


def _beside_ccxt(found: Found, python: str) -> list[Row]:
    """Return rows beside ccxt; where it is not installed they say that they were not measured."""
    rows = [
        compare(f"beside ccxt: {metric}", unit, found[mine], found.get(its, ()), other_is=_CCXT)
        for metric, unit, mine, its in _RIVALRY
    ]
    if "ccxt cold" in found:
        return rows
    return [replace(row, other_is=_NO_CCXT.format(python=Path(python).name)) for row in rows]
