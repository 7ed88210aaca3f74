"""`botproof delivery`: is anything lost, repeated or reordered when the bot is killed?"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import shlex
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

from botproof.config import Config, Scalar, load_config
from botproof.delivery.options import DeliveryOptions
from botproof.delivery.report import Named, print_table, write_table
from botproof.delivery.run import run_delivery
from botproof.faults.troubles import EXCHANGE_FAULTS, TROUBLES
from botproof.problems import UsageError
from botproof.report.files import write_reports
from botproof.report.terminal import Progress, print_results
from botproof.verdict import combine

_REDIS_ENV = "BOTPROOF_REDIS_URL"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `botproof delivery`."""
    parser.add_argument(
        "--config", metavar="FILE", type=Path, default=Path("botproof.toml"), help="(botproof.toml)"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--mode", metavar="MODE", action="append", help="run this mode; may be repeated (the first)"
    )
    which.add_argument(
        "--all-doors",
        action="store_true",
        help="run every mode, without Redis and, where a Redis is given, with it",
    )
    parser.add_argument("--updates", type=int, default=5000, metavar="N", help="(5000)")
    parser.add_argument("--kills", type=int, default=50, metavar="K", help="SIGKILLs (50)")
    parser.add_argument("--rate", type=float, default=45.0, help="updates a second (45)")
    parser.add_argument("--chats", type=int, default=0, help="(as botproof.toml says)")
    parser.add_argument("--replicas", type=int, default=1, help="bot processes side by side (1)")
    parser.add_argument("--seed", type=int, default=1, help="of the kills and the workload (1)")
    parser.add_argument(
        "--drain",
        type=float,
        default=60.0,
        metavar="S",
        help="give up S seconds after the last new answer (60)",
    )
    parser.add_argument(
        "--env", action="append", default=[], metavar="NAME=VALUE", help="for the bot; repeatable"
    )
    parser.add_argument(
        "--redis-url",
        default=os.environ.get(_REDIS_ENV, ""),
        metavar="URL",
        help=f"a Redis for the bot, in the variable that delivery.redis_env names (${_REDIS_ENV})",
    )
    parser.add_argument(
        "--trouble", action="append", default=[], choices=sorted(TROUBLES), help="repeatable"
    )
    parser.add_argument(
        "--disk", type=Path, metavar="DIR", help="full-disk fills this small file system"
    )
    parser.add_argument(
        "--redis-restart", metavar="COMMAND", help="what redis-restart runs, such as 'docker ...'"
    )
    parser.add_argument("--report-dir", type=Path, metavar="DIR", help="(reports/delivery)")
    parser.add_argument("--keep", action="store_true", help="keep scratch directories")


def run(arguments: argparse.Namespace) -> int:
    """Run what was asked for, one run after the other; the exit code of the worst verdict."""
    config = load_config(arguments.config)
    progress = Progress()
    outcomes: list[Named] = []
    report_dir = arguments.report_dir or arguments.config.resolve().parent / "reports/delivery"
    for options in list(_plan(arguments, config, report_dir, progress)):
        outcome = run_delivery(options)
        outcomes.append((options.name, outcome))
        run_of = outcome.history.run
        write_reports(outcome.report_dir, outcome.results, run_of, outcome.duration_s)
        print_results(outcome.results, duration_s=outcome.duration_s, report_dir=outcome.report_dir)
    write_table(report_dir / "delivery.json", outcomes)
    print_table(outcomes)
    return combine(outcome.verdict for _, outcome in outcomes).exit_code


def _plan(
    arguments: argparse.Namespace, config: Config, report_dir: Path, say: Callable[[str], None]
) -> Iterator[DeliveryOptions]:
    _refuse(arguments, config)
    env = dict(_pair(text) for text in arguments.env)
    for mode, store, store_env in _runs(arguments, config):
        label = f"{mode}-{store}" if store else mode
        yield DeliveryOptions(
            config=config,
            config_path=arguments.config,
            report_dir=report_dir / label,
            mode=mode,
            updates=arguments.updates,
            kills=arguments.kills,
            seed=arguments.seed,
            rate=arguments.rate,
            chats=arguments.chats,
            replicas=arguments.replicas,
            drain_s=arguments.drain,
            env={**env, **store_env},
            troubles=tuple(arguments.trouble),
            disk=arguments.disk,
            restart_redis=_command(arguments.redis_restart),
            label=label,
            keep=arguments.keep,
            say=say,
        )


def _runs(
    arguments: argparse.Namespace, config: Config
) -> Iterator[tuple[str, str, dict[str, Scalar]]]:
    """Yield mode, name of the store and the environment that chooses it, for each run."""
    modes = list(config.for_delivery().modes)
    variable = config.delivery.redis_env if config.delivery else ""
    with_redis = [("redis", {variable: arguments.redis_url})] if arguments.redis_url else []
    stores: Sequence[tuple[str, dict[str, Scalar]]] = with_redis or [("", {})]
    if arguments.all_doors:
        stores = [("embedded", {}), *with_redis]
        chosen = modes
    else:
        chosen = arguments.mode or modes[:1]
    for mode, (store, env) in itertools.product(chosen, stores):
        yield mode, store, env


def _refuse(arguments: argparse.Namespace, config: Config) -> None:
    """Say what cannot be run, before anything is started."""
    problems = [text for rule in _RULES for text in rule(arguments, config)]
    if problems:
        raise UsageError("\n".join(problems))


def _config_rules(arguments: argparse.Namespace, config: Config) -> Iterator[str]:
    modes = list(config.for_delivery().modes)
    if config.delivery is None:
        yield (
            f"{arguments.config}: has no [delivery] table; give what users ask, such as\n"
            '    [delivery]\n    say = ["/price {marker}"]'
        )
    for mode in arguments.mode or ():
        if mode not in modes:
            yield f"--mode {mode}: is no mode of {arguments.config}; known are {', '.join(modes)}"
    if arguments.redis_url and not (config.delivery and config.delivery.redis_env):
        yield f"{arguments.config}: delivery.redis_env is missing; name the bot's variable for it"
    if set(arguments.trouble) & set(EXCHANGE_FAULTS) and config.doubles.exchanges is None:
        yield f"{arguments.config}: has no [doubles.exchanges]; an exchange cannot have troubles"


def _number_rules(arguments: argparse.Namespace, _: Config) -> Iterator[str]:
    if arguments.updates < 1:
        yield f"--updates: is {arguments.updates}; it must be at least 1"
    if not 0 <= arguments.kills <= arguments.updates:
        yield f"--kills: is {arguments.kills}; it must be from 0 to the number of updates"
    if not arguments.rate > 0:
        yield f"--rate: is {arguments.rate}; it must be above 0 updates a second"
    if arguments.replicas < 1:
        yield f"--replicas: is {arguments.replicas}; it must be at least 1"


def _trouble_rules(arguments: argparse.Namespace, config: Config) -> Iterator[str]:
    for text in arguments.env:
        if "=" not in text:
            yield f"--env {text}: give it as NAME=VALUE"
    if "redis-restart" in arguments.trouble and not arguments.redis_restart:
        yield "--trouble redis-restart: give --redis-restart, the command that does it"
    said = config.delivery.say if config.delivery is not None else ()
    if "rows-damaged" in arguments.trouble and not any("{marker}" in text for text in said):
        yield f"{arguments.config}: rows-damaged finds an update by {{marker}} in [delivery] say"
    if "redis-evicting" in arguments.trouble and (arguments.all_doors or not arguments.redis_url):
        yield "--trouble redis-evicting: give --redis-url, the bot's Redis, and not --all-doors"
    if arguments.disk is not None and not arguments.disk.is_dir():
        yield f"--disk {arguments.disk}: is no directory"


_RULES = (_config_rules, _number_rules, _trouble_rules)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _command(text: str | None) -> Callable[[], Awaitable[None]] | None:
    if not text:
        return None
    words = shlex.split(text)

    async def restart() -> None:
        process = await asyncio.create_subprocess_exec(*words)
        code = await process.wait()
        if code != 0:
            raise RuntimeError(f"{words[0]} ended with exit code {code}")

    return restart
