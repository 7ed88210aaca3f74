"""`botproof compare A B`."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from botproof.compare.judge import judge, page
from botproof.compare.run import CompareOptions, measure
from botproof.compare.sides import Side, side
from botproof.config import load_config
from botproof.problems import UsageError
from botproof.profiles.session import failure
from botproof.report.files import write_reports
from botproof.report.terminal import Progress, print_results
from botproof.targets.launch import BrokenHarnessError, TargetError
from botproof.targets.session import run_line
from botproof.verdict import combine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the comparison."""
    what = (
        "a commit, `.` for the working tree, the URL of a running host, or container images: "
        "image:IMAGE for every process of botproof.toml, image:NAME=IMAGE[,NAME=IMAGE] for some"
    )
    parser.add_argument("a", metavar="A", help=f"the baseline: {what}")
    parser.add_argument("b", metavar="B", help=f"what is compared with it: {what}")
    parser.add_argument("--config", type=Path, default=Path("botproof.toml"), metavar="FILE")
    parser.add_argument("--runs", type=int, default=8, help="runs of each side (8)")
    parser.add_argument("--requests", type=int, default=600, help="requests a run (600)")
    parser.add_argument("--warm-up", type=int, default=150, help="and before them (150)")
    parser.add_argument("--rate", type=float, default=150, help="requests a second (150)")
    parser.add_argument(
        "--tolerance", type=float, default=10.0, help="percent that B may be above A (10)"
    )
    parser.add_argument("--script", type=Path, help="load script of both (that of botproof.toml)")
    parser.add_argument("--report-dir", type=Path, default=Path("reports/compare"), metavar="DIR")


def run(arguments: argparse.Namespace) -> int:
    """Measure, judge, report. Exit code of the verdict."""
    if arguments.runs < 3:
        raise UsageError(f"--runs is {arguments.runs}; a comparison needs at least 3")
    progress, started = Progress(), time.monotonic()
    config = load_config(arguments.config)
    script = arguments.script or _script(arguments.config)
    options = CompareOptions(
        runs=arguments.runs,
        requests=arguments.requests,
        warm_up=arguments.warm_up,
        rate=arguments.rate,
        script=script,
        cwd=arguments.config.resolve().parent,
        report_dir=arguments.report_dir.resolve(),
        say=progress,
    )
    with tempfile.TemporaryDirectory(prefix="botproof-compare-") as scratch:
        sides = (
            side(arguments.a, arguments.config, Path(scratch)),
            side(arguments.b, arguments.config, Path(scratch)),
        )
        limit = config.resolved_budgets()["error_rate_pct"].limit / 100
        return _compare(sides, options, arguments.tolerance / 100, limit, started)


def _script(config_path: Path) -> Path:
    load = load_config(config_path).load
    if load is None:
        raise UsageError(f"{config_path}: has no [load]; name a load script with --script")
    return config_path.resolve().parent / load.script


def _compare(
    sides: tuple[Side, Side],
    options: CompareOptions,
    tolerance: float,
    error_limit: float,
    started: float,
) -> int:
    options.report_dir.mkdir(parents=True, exist_ok=True)
    about = run_line(f"compare {sides[0].name} {sides[1].name}", started)
    try:
        a, b = asyncio.run(measure(sides, options))
    except (TargetError, BrokenHarnessError) as error:
        results = [failure("compare", error)]
    else:
        results = judge(a, b, tolerance=tolerance, error_limit=error_limit)
        (options.report_dir / "compare.html").write_text(page(a, b, results), encoding="utf-8")
    taken = time.monotonic() - started
    write_reports(options.report_dir, results, about, taken)
    print_results(results, duration_s=taken, report_dir=options.report_dir)
    return combine(result.verdict for result in results).exit_code
