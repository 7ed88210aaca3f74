"""`botproof prove`: does the gate turn red, and does it say why?"""

from __future__ import annotations

import argparse
import math
import signal
import sys
from pathlib import Path

import msgspec

from botproof.checks import golden_files
from botproof.checks.judging import Judging, JudgingSettings, run_checks
from botproof.checks.registry import CHECKS
from botproof.config import Config, load_config
from botproof.history import read_history
from botproof.problems import UsageError
from botproof.prove import prove as by_record
from botproof.prove.choosing import chosen_cases
from botproof.prove.planted import Catalogue, Planted, read_catalogue, read_wires_of_any_bot
from botproof.prove.playing import play_all
from botproof.prove.table import print_plays, write_plays
from botproof.report.terminal import Progress, print_findings
from botproof.verdict import Verdict, combine

_DEFECTS = "fixtures/defects"
_INTERRUPTED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `botproof prove`."""
    parser.add_argument(
        "--history",
        metavar="FILE",
        type=Path,
        help="the run whose record is altered (history.jsonl of the gate's report directory)",
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--play",
        action="store_true",
        help=f"start the bot with each defect of {_DEFECTS}/ (beside botproof.toml)",
    )
    which.add_argument(
        "--mine",
        action="store_true",
        help="start the bot with each defect that any bot can be given, planted into what passes "
        "between it and Telegram; its code is not touched",
    )
    parser.add_argument(
        "--defects", metavar="DIR", type=Path, help=f"play those of this directory ({_DEFECTS})"
    )
    parser.add_argument(
        "--defect",
        metavar="NAME",
        action="append",
        default=[],
        help="play only this defect, or those of this subject; may be repeated",
    )
    parser.add_argument(
        "--ci", action="store_true", help="play only the few that are marked for CI"
    )
    parser.add_argument(
        "--beside", metavar="N", type=int, default=2, help="how many plays run at once (2)"
    )
    parser.add_argument("--list", action="store_true", help="print the defects and play none")
    parser.add_argument("--report-dir", metavar="DIR", type=Path, help="(reports/prove)")


def run(arguments: argparse.Namespace) -> int:
    """Run `botproof prove`; return 0: proved; 2: nothing to prove by; 3: void."""
    wants_plays = arguments.defect or arguments.ci or arguments.list or arguments.defects
    if arguments.play or arguments.mine or wants_plays:
        return _play(arguments)
    return _by_record(arguments)


def _by_record(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    base = arguments.config.resolve().parent
    path = arguments.history or base / config.gate.report_dir / "history.jsonl"
    record = read_history(path)
    settings = JudgingSettings.of(config, str(base / config.gate.golden_dir))
    judged_by = JudgingSettings.recorded_in(record.run).checks
    judging = Judging.of(settings, golden_files.read_approved(base / config.gate.golden_dir))
    verdict = combine(r.verdict for r in run_checks(CHECKS, judged_by, record, judging))
    if verdict is not Verdict.PASS:
        print(f"{path}: its verdict is {verdict.value}; only what passes can be proved")
        return Verdict.INCONCLUSIVE.exit_code
    findings = by_record.prove(record, judging, CHECKS, asked=judged_by, budget_s=math.inf)
    print_findings(findings)
    if not any(finding.played for finding in findings):
        return Verdict.INCONCLUSIVE.exit_code
    return by_record.result_of(findings).verdict.exit_code


def _play(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    base = arguments.config.resolve().parent
    if arguments.beside < 1:
        raise UsageError(f"--beside {arguments.beside}: must be at least 1")
    if arguments.mine:
        catalogue = shortened(read_wires_of_any_bot(), config)
    else:
        catalogue = read_catalogue(arguments.defects or base / _DEFECTS)
    defects = catalogue.chosen(tuple(arguments.defect), ci=arguments.ci)
    if arguments.mine and len(config.modes) < 2:
        defects = tuple(each for each in defects if each.check != "parity")
    if not defects:
        print("no defect is left to be planted")
        return Verdict.INCONCLUSIVE.exit_code
    if arguments.list:
        _print(catalogue, defects)
        return 0
    report_dir = arguments.report_dir or base / "reports/prove"
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        plays = play_all(
            arguments.config,
            catalogue,
            defects,
            report_dir,
            beside=arguments.beside,
            any_bot=arguments.mine,
            say=Progress(),
        )
    except KeyboardInterrupt:
        print(f"ended; what was played is in {report_dir}", file=sys.stderr)
        return _INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    write_plays(report_dir / "prove.json", plays)
    print_plays(plays)
    return Verdict.ERROR.exit_code if any(play.void for play in plays) else 0


def shortened(catalogue: Catalogue, config: Config) -> Catalogue:
    """Return the catalogue with plans of few cases, in one mode where none is compared with
    another."""
    cases, first = chosen_cases(config), next(iter(config.modes))
    plans = {
        name: msgspec.structs.replace(
            plan, cases=cases, modes=plan.modes if "parity" in plan.only else (first,)
        )
        for name, plan in catalogue.plans.items()
    }
    return msgspec.structs.replace(catalogue, plans=plans)


def _print(catalogue: Catalogue, defects: tuple[Planted, ...]) -> None:
    for each in defects:
        checks = f"{each.check} ({', '.join(each.words)})"
        print(f"{each.name}: {each.story}\n    planted by {each.how}; expected of {checks}")
    print(f"{len(defects)} defects, {len(catalogue.plans)} plans")
