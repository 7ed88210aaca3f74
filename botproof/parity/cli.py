"""`botproof parity`: is every conversation answered the same in every mode?"""

from __future__ import annotations

import argparse
from pathlib import Path

from botproof.config import Config, load_config
from botproof.parity.run import ParityOptions, Plan, run_parity
from botproof.parity.search import Limits
from botproof.problems import UsageError
from botproof.report.files import write_reports
from botproof.report.terminal import Progress, print_results
from botproof.workloads.conversations import Conversation, ConversationError, load
from botproof.workloads.vocabulary import sentinel_of

_DEFAULTS = Limits()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `botproof parity`."""
    parser.add_argument(
        "--config", metavar="FILE", type=Path, default=Path("botproof.toml"), help="(botproof.toml)"
    )
    parser.add_argument(
        "--mode",
        metavar="MODE",
        action="append",
        default=[],
        help="compare these modes of botproof.toml, at least two; repeatable (all)",
    )
    parser.add_argument(
        "--examples",
        type=int,
        default=_DEFAULTS.examples,
        metavar="N",
        help=f"conversations to generate at the most ({_DEFAULTS.examples})",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=_DEFAULTS.seconds,
        metavar="S",
        help=f"stop searching after this time ({_DEFAULTS.seconds:g})",
    )
    parser.add_argument(
        "--shrink-seconds",
        type=float,
        default=_DEFAULTS.shrink_seconds,
        metavar="S",
        help=f"time for making a difference shorter ({_DEFAULTS.shrink_seconds:g})",
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=_DEFAULTS.seed,
        help=f"the same seed generates the same conversations ({_DEFAULTS.seed})",
    )
    parser.add_argument(
        "--replay",
        metavar="FILE",
        type=Path,
        help="play this saved conversation instead of generated ones",
    )
    parser.add_argument(
        "--sentinel",
        metavar="TEXT",
        default="",
        help="a command that is always answered (the first such case of the workload)",
    )
    parser.add_argument("--report-dir", type=Path, metavar="DIR", help="(reports/parity)")
    parser.add_argument("--keep", action="store_true", help="keep scratch directories")


def run(arguments: argparse.Namespace) -> int:
    """Compare, report; the exit code of the verdict."""
    config = load_config(arguments.config)
    options = ParityOptions(
        config=config,
        config_path=arguments.config,
        report_dir=arguments.report_dir or _report_dir(arguments.config),
        plan=_plan(arguments, config),
        keep=arguments.keep,
        say=Progress(),
    )
    outcome = run_parity(options)
    write_reports(outcome.report_dir, outcome.results, outcome.history.run, outcome.duration_s)
    print_results(outcome.results, duration_s=outcome.duration_s, report_dir=outcome.report_dir)
    return outcome.verdict.exit_code


def _report_dir(config_path: Path) -> Path:
    return config_path.parent / "reports" / "parity"


def _plan(arguments: argparse.Namespace, config: Config) -> Plan:
    if arguments.examples < 1:
        raise UsageError(f"--examples is {arguments.examples}; it must be at least 1")
    for name in ("seconds", "shrink_seconds"):
        if not getattr(arguments, name) > 0:
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} is {getattr(arguments, name):g}; it must be above 0")
    sentinel = arguments.sentinel or sentinel_of(config)
    if not sentinel:
        raise UsageError(
            "no case of the workload is a command that is answered in a private chat: add one to "
            "botproof.toml, or give --sentinel /help"
        )
    return Plan(
        modes=_modes(arguments, config),
        limits=Limits(
            examples=arguments.examples,
            seconds=arguments.seconds,
            shrink_seconds=arguments.shrink_seconds,
            seed=arguments.seed,
        ),
        sentinel=sentinel,
        only=None if arguments.replay is None else _load(arguments.replay),
    )


def _modes(arguments: argparse.Namespace, config: Config) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(arguments.mode)) or tuple(config.modes)
    known = ", ".join(config.modes)
    for mode in chosen:
        if mode not in config.modes:
            raise UsageError(f"--mode {mode}: is not known; botproof.toml has {known}")
    if len(chosen) < 2:
        raise UsageError(f"only {chosen[0]} is to be played: parity needs two modes of {known}")
    return chosen


def _load(path: Path) -> Conversation:
    try:
        return load(path)
    except ConversationError as error:
        raise UsageError(str(error)) from error
