"""The bot beside a stock python-telegram-bot bot that gives the same replies.

Two hundred people ask `/price` at once, and then thirty a second ask for a while (what Telegram
lets a bot send); market-data takes 200 ms. Ours in polling and in webhook mode, with its durable
inbox and the order of each chat; the other as the library comes and with `concurrent_updates=True`.
Each measurement has a fresh bot and a fresh double, whose flood control is off: the burst would be
refused otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from botproof.bench import Aim, CannotMeasureError, Row, compare, progress
from botproof.bench._answers import Observed
from botproof.bench._bot_session import Around, Side, bot_session, service
from botproof.config import ConfigError, load_config
from botproof.stats import percentile
from botproof.targets.guarding import Guard
from botproof.targets.memory import Reading
from botproof.targets.reserved import Ports

OURS = Path("botproof.toml")
STOCK = Path("fixtures/bots/bench/botproof.toml")
MARKET_DATA = "market_data"
SAY = "/price BTC"
FIRST_CHAT = 7_000_001
BUDGET_MB = 70.0
PROCESSOR = 0.25
"""Ours ÷ the default bot's processor time a reply: a ratio that a busy machine changes little."""
FLOOD_OFF = "the double's flood control is off"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. A run is a fresh bot that gets a burst, and perhaps a stream after it.

    `slow_runs` and `stream_runs`: how many of the `runs` the one-by-one bot takes part in (a burst
    costs it 200 ms a user), and how many have a stream.
    """

    runs: int = 5
    slow_runs: int = 2
    stream_runs: int = 2
    users: int = 200
    newcomers: int = 20
    rate: float = 30.0
    stream_s: float = 20.0
    patience_s: float = 3.0
    burst_limit_s: float = 180.0


@dataclass(slots=True)
class Result:
    """What was measured of one side: a value for each run."""

    bursts: list[Observed] = field(default_factory=list)
    streams: list[Observed] = field(default_factory=list)
    memory: list[Reading] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


def run(arguments: argparse.Namespace) -> list[Row]:
    """Measure; the rows of the report."""
    plan = Plan(runs=arguments.runs)
    return rows(asyncio.run(measure(plan)), plan)


async def measure(plan: Plan) -> dict[str, Result]:
    """Measure every side in turn, `plan.runs` times; the results by the side's name.

    Raises CannotMeasureError when a bot does not answer, or when two sides answer differently.
    """
    sides = _sides()
    results = {side.name: Result() for side in sides}
    texts: dict[str, set[str]] = {side.name: set() for side in sides}
    with tempfile.TemporaryDirectory(prefix="botproof-bench-logs-") as logs:
        async with httpx.AsyncClient() as client, Guard() as guard:
            around = Around(client, guard, Ports(), Path(logs), {}, _chats(plan))
            stock = sides[-1]
            async with service(stock.config, stock.base, MARKET_DATA, around) as url:
                values = {f"url:{MARKET_DATA}": url}
                around = Around(client, guard, around.ports, Path(logs), values, around.users)
                for number, side in _turns(plan, sides):
                    stream = number < plan.stream_runs
                    progress(f"bot: run {number + 1} of {plan.runs}: {side.name}")
                    texts[side.name] |= await _one_run(
                        side, around, plan, results[side.name], stream=stream
                    )
    _same_replies(texts)
    return results


def _same_replies(texts: Mapping[str, set[str]]) -> None:
    """Raise for two bots that do not do the same work, which cannot be compared: an
    apology costs little."""
    every = set().union(*texts.values())
    if len(every) < 2:
        return
    found = "; ".join(
        f"{name}: {', '.join(sorted(text[:60] for text in said))}" for name, said in texts.items()
    )
    raise CannotMeasureError(f"there was more than one reply to {SAY}: {found}")


def _sides() -> list[Side]:
    try:
        ours, stock = load_config(OURS), load_config(STOCK)
    except ConfigError as error:
        raise CannotMeasureError(f"{error}; run it in the project's directory") from error
    return [
        *(Side(mode, ours, OURS.parent, mode) for mode in ("polling", "webhook")),
        *(Side(mode, stock, STOCK.parent, mode) for mode in ("concurrent", "default")),
    ]


def _chats(plan: Plan) -> tuple[int, ...]:
    return tuple(range(FIRST_CHAT, FIRST_CHAT + plan.users + plan.newcomers))


def _turns(plan: Plan, sides: Sequence[Side]) -> Iterator[tuple[int, Side]]:
    """Yield who is measured when: interleaved, each time in another order."""
    for number in range(plan.runs):
        first = number % len(sides)
        for side in (*sides[first:], *sides[:first]):
            if side.mode != "default" or number < plan.slow_runs:
                yield number, side


async def _one_run(
    side: Side, around: Around, plan: Plan, result: Result, *, stream: bool
) -> set[str]:
    chats, newcomers = around.users[: plan.users], around.users[plan.users :]
    async with bot_session(side, around) as session:
        await session.burst(newcomers, SAY, plan.burst_limit_s)  # also shows that the bot is ready
        before = session.cpu_s()
        result.bursts.append(await session.burst(chats, SAY, plan.burst_limit_s))
        result.cpu_ms.append((session.cpu_s() - before) * 1000 / len(chats))
        if stream:
            seen = await session.stream(
                chats, SAY, rate=plan.rate, seconds=plan.stream_s, patience_s=plan.patience_s
            )
            result.streams.append(seen)
        result.memory.append(session.memory())
        return session.texts


# --- The report -----------------------------------------------------------------------------------


def rows(results: dict[str, Result], plan: Plan) -> list[Row]:
    """Return the table: each of our modes beside each way to run the stock bot.

    Memory is the highest reading of a run, burst and stream: it is the process under load.
    """
    found: list[Row] = []
    for other, aim in (("default", 60.0), ("concurrent", 1.0)):
        for mode in ("polling", "webhook"):
            pair = results[mode], results[other]
            found += _burst(f"burst, {mode}/{other}", *pair, other, aim)
            found += _stream(mode, other, *pair, plan)
    for mode in ("polling", "webhook"):
        found += _memory(mode, results[mode], results["concurrent"])
    return found


def _each(seen: Sequence[Observed], figure: Callable[[Observed], float]) -> list[float]:
    return [figure(one) for one in seen]


def _median(seen: Observed) -> float:
    return statistics.median(seen.latencies_ms())


def _p99(seen: Observed) -> float:
    return percentile(seen.latencies_ms(), 0.99)


def _burst(what: str, ours: Result, stock: Result, other: str, aim: float) -> list[Row]:
    figures: tuple[tuple[str, str, Callable[[Observed], float], Aim | None], ...] = (
        ("replies", "1/s", Observed.rate, Aim(aim, at_most=False, of_ratio=True)),
        ("median", "ms", _median, None),
        ("p99", "ms", _p99, None),
    )
    return [
        *(
            compare(
                f"{what}: {name}",
                unit,
                _each(ours.bursts, figure),
                _each(stock.bursts, figure),
                other_is=_other_is(other),
                aim=wanted,
            )
            for name, unit, figure, wanted in figures
        ),
        compare(
            f"{what}: processor time a reply",
            "ms",
            ours.cpu_ms,
            stock.cpu_ms,
            other_is=_other_is(other),
            aim=Aim(PROCESSOR, at_most=True, of_ratio=True) if other == "default" else None,
        ),
    ]


def _stream(mode: str, other: str, ours: Result, stock: Result, plan: Plan) -> list[Row]:
    if not ours.streams:
        return []

    def kept_up(seen: Observed) -> float:
        return seen.rate_within(plan.stream_s)

    what = f"stream, {mode}/{other}"
    figures: tuple[tuple[str, str, Callable[[Observed], float]], ...] = (
        ("replies", "1/s", kept_up),
        ("median", "ms", _median),
        ("p99", "ms", _p99),
    )
    return [
        compare(
            f"{what}: {name}",
            unit,
            _each(ours.streams, figure),
            _each(stock.streams, figure),
            other_is=_other_is(other),
        )
        for name, unit, figure in figures
    ]


def _memory(mode: str, ours: Result, stock: Result) -> list[Row]:
    at_most = Aim(BUDGET_MB, at_most=True)
    figures: tuple[tuple[str, Callable[[Reading], int], Aim | None], ...] = (
        ("PSS", lambda reading: reading.pss, at_most),
        ("anonymous", lambda reading: reading.anonymous, at_most),
        ("peak RSS", lambda reading: reading.peak, None),
    )
    return [
        compare(
            f"memory, {mode}/concurrent: {name}",
            "MB",
            [figure(reading) / 1e6 for reading in ours.memory],
            [figure(reading) / 1e6 for reading in stock.memory],
            other_is=_other_is("concurrent"),
            aim=aim,
        )
        for name, figure, aim in figures
    ]


def _other_is(other: str) -> str:
    how = "as it comes" if other == "default" else "with concurrent_updates=True"
    return f"{other}: a stock python-telegram-bot bot, run_polling {how}; {FLOOD_OFF}"
