"""`botproof parity`: is every conversation answered the same in every mode?"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from botproof.config import Config, load_config
from botproof.conversations import Conversation, ConversationError, load
from botproof.parity.run import ParityOptions, Plan, plan_of, run_parity
from botproof.parity.search import Limits
from botproof.problems import UsageError
from botproof.report.files import write_reports
from botproof.report.terminal import Progress, print_results


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `botproof parity`."""
    parser.add_argument(
        "--config", metavar="FILE", type=Path, default=Path("botproof.toml"), help="(botproof.toml)"
    )
    parser.add_argument(
        "--mode",
        metavar="MODE",
        action="append",
        default=[],
        help="compare these modes of botproof.toml, at least two; repeatable (parity.doors or all)",
    )
    _add_limits(parser)
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
    parser.add_argument(
        "--any-order",
        action="store_true",
        help="for a bot that promises no order in a chat: compare what is sent, not when",
    )
    parser.add_argument("--report-dir", type=Path, metavar="DIR", help="(reports/parity)")
    parser.add_argument("--keep", action="store_true", help="keep scratch directories")


def _add_limits(parser: argparse.ArgumentParser) -> None:
    what = "what [parity] of botproof.toml says"
    parser.add_argument(
        "--examples", type=int, metavar="N", help=f"conversations at the most ({what})"
    )
    parser.add_argument(
        "--seconds", type=float, metavar="S", help=f"stop searching after this time ({what})"
    )
    parser.add_argument(
        "--shrink-seconds",
        type=float,
        metavar="S",
        help=f"time for making a difference shorter ({what})",
    )
    parser.add_argument(
        "--seed", type=int, help=f"the same seed generates the same conversations ({what})"
    )


def run(arguments: argparse.Namespace) -> int:
    """Compare, report; the exit code of the verdict."""
    config = load_config(arguments.config).for_parity()
    if reason := config.alone_because():
        raise UsageError(
            f"{arguments.config}: modes cannot run beside each other, as here they have to: "
            f"{reason}; a port of its own is {{port:NAME}}, a database of its own lies in "
            "{scratch}"
        )
    options = ParityOptions(
        config=config,
        config_path=arguments.config,
        report_dir=arguments.report_dir or (arguments.config.parent / "reports" / "parity"),
        plan=_plan(arguments, config),
        keep=arguments.keep,
        say=Progress(),
    )
    outcome = run_parity(options)
    write_reports(outcome.report_dir, outcome.results, outcome.history.run, outcome.duration_s)
    print_results(outcome.results, duration_s=outcome.duration_s, report_dir=outcome.report_dir)
    return outcome.verdict.exit_code


def _plan(arguments: argparse.Namespace, config: Config) -> Plan:
    plan = plan_of(config)
    plan = replace(
        plan,
        modes=_modes(arguments, config),
        limits=_limits(arguments, plan.limits),
        sentinel=arguments.sentinel or plan.sentinel,
        ordered=plan.ordered and not arguments.any_order,
        only=None if arguments.replay is None else _load(arguments.replay),
    )
    if not plan.sentinel:
        raise UsageError(
            "no case of the workload is a command that is answered in a private chat: add one to "
            "botproof.toml, or give --sentinel /help"
        )
    return plan


def _limits(arguments: argparse.Namespace, limits: Limits) -> Limits:
    """Return the limits of botproof.toml with those of the command line in place."""
    names = ("examples", "seconds", "shrink_seconds", "seed")
    given = {name: getattr(arguments, name) for name in names}
    given = {name: value for name, value in given.items() if value is not None}
    for name, value in given.items():
        if name != "seed" and not value > 0:
            raise UsageError(f"--{name.replace('_', '-')} is {value:g}; it must be above 0")
    return replace(limits, **given)


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
