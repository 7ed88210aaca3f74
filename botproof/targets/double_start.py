"""Which doubles a stack has, and the command that starts each."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from botproof.config import EXCHANGES, HTTP, TELEGRAM, Doubles
from botproof.targets import recorded_hosts
from botproof.targets.world import World


@dataclass(frozen=True, slots=True)
class DoubleStart:
    """One double: its name, its command, and what its environment has besides."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)


def doubles_to_start(
    doubles: Doubles,
    base: Path,
    world: World | None,
    drawn: Path | None,
    recording: recorded_hosts.Recording | None,
) -> Iterator[DoubleStart]:
    """Yield the doubles of a stack, Telegram's first.

    `base` is the directory of botproof.toml. `world` has the hosts that are answered by name.
    `drawn` is where the exchange double keeps the market that it draws.
    """

    def by_name(double: str) -> tuple[str, ...]:
        return world.options_of(double) if world is not None else ()

    telegram, exchanges = doubles.telegram, doubles.exchanges
    any_token = ("--any-token",) if telegram.any_token else ()
    options = ("--token", telegram.token, *any_token, *by_name(TELEGRAM), *telegram.args)
    yield DoubleStart(TELEGRAM, _command("telegram", telegram.seed, *options))
    if exchanges is not None:
        clock = () if exchanges.now is None else ("--now", str(exchanges.now))
        market = ("--drawn", str(drawn / "market")) if drawn is not None else ()
        options = (*clock, *market, *by_name(EXCHANGES), *exchanges.args)
        yield DoubleStart(EXCHANGES, _command("exchanges", exchanges.seed, *options))
    if doubles.http is not None or recording is not None:
        where = by_name(HTTP)
        options = (
            *where,
            *(recorded_hosts.PLAIN if where else ()),
            *recorded_hosts.arguments(doubles, base, recording),
        )
        env = recording.env if recording is not None else {}
        yield DoubleStart(HTTP, _command("http", 0, *options), env)


def _command(kind: str, seed: int, *options: str) -> tuple[str, ...]:
    start = (sys.executable, "-m", "botproof", "double", kind, "--port", "0")
    return (*start, "--seed", str(seed), *options)
