"""Who allocates: both services under memray, a fixed workload, budgets by library.

    python memory_profiles/run.py --report-dir reports/memory

Writes to <report-dir>/profiles: report.html, a flame graph for each process, the captures (for
`memray table` and the like), verdict.json, junit.xml, summary.md, history.jsonl. Exit code: 0 PASS,
1 FAIL, 2 INCONCLUSIVE, 3 ERROR. The budgets, each with where it comes from, are in budgets.toml.
"""

import argparse
import sys
import time
from pathlib import Path

from botproof import history
from botproof.config import ConfigError, load_config
from botproof.profiles.budgets import ProfileBudgetError, read_budgets
from botproof.profiles.run import LOAD_REQUESTS, ProfileOptions, profile
from botproof.report.files import write_reports
from botproof.report.html import write_html
from botproof.report.terminal import Progress, print_results
from botproof.verdict import combine

HERE = Path(__file__).resolve().parent
USAGE_ERROR = 64


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", type=Path, default=HERE.parent / "botproof.toml")
    parser.add_argument("--budgets", type=Path, default=HERE / "budgets.toml")
    parser.add_argument("--report-dir", type=Path, default=Path("reports/memory"))
    parser.add_argument("--mode", help="mode of the bot (the first one of botproof.toml)")
    parser.add_argument(
        "--requests", type=int, default=LOAD_REQUESTS, help="requests of the load script (400)"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        config = load_config(options.config)
        budgets = read_budgets(options.budgets)
    except (ConfigError, ProfileBudgetError) as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    mode = options.mode or next(iter(config.modes))
    if mode not in config.modes:
        print(f"--mode {mode}: {options.config} has {', '.join(config.modes)}", file=sys.stderr)
        return USAGE_ERROR
    report_dir = options.report_dir / "profiles"
    started = time.monotonic()
    results = profile(
        ProfileOptions(
            config=config,
            base=options.config.resolve().parent,
            report_dir=report_dir,
            budgets=budgets,
            mode=mode,
            wall_s=time.time(),
            say=Progress(),
            requests=options.requests,
        )
    )
    taken = time.monotonic() - started
    about = history.read_history(report_dir / "history.jsonl").run
    write_reports(report_dir, results, about, taken)
    # Without the history: latencies and sizes under a profiler are nobody's budget.
    alone = history.History([] if about is None else [about])
    write_html(report_dir, results, alone, config.resolved_budgets(), taken)
    print_results(results, duration_s=taken, report_dir=report_dir)
    return combine(result.verdict for result in results).exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
