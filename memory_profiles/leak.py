"""Does a process grow with its requests? Rounds of a thousand, a slope with its interval.

    python memory_profiles/leak.py --report-dir reports/memory

Judged without a profiler; a process that is found to grow is then run under memray and the lines
that keep memory are named. Writes to <report-dir>/leak. The requests are described in leak.toml.
Exit code: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 ERROR.
"""

import argparse
import datetime
import sys
import time
from pathlib import Path

from botproof import history
from botproof.config import ConfigError, load_config
from botproof.profiles.leak import LeakOptions, LeakPlanError, find_leaks, read_plan
from botproof.report.files import write_reports
from botproof.report.terminal import Progress, print_results

HERE = Path(__file__).resolve().parent
USAGE_ERROR = 64


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--config", type=Path, default=HERE.parent / "botproof.toml")
    parser.add_argument("--plan", type=Path, default=HERE / "leak.toml")
    parser.add_argument("--report-dir", type=Path, default=Path("reports/memory"))
    parser.add_argument("--mode", help="mode of the bot (the first one of botproof.toml)")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        config = load_config(options.config)
        plan = read_plan(options.plan)
    except (ConfigError, LeakPlanError) as error:
        print(error, file=sys.stderr)
        return USAGE_ERROR
    report_dir = options.report_dir / "leak"
    report_dir.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    result = find_leaks(
        LeakOptions(
            config=config,
            base=options.config.resolve().parent,
            report_dir=report_dir,
            plan=plan,
            budgets=config.resolved_budgets(),
            mode=options.mode or next(iter(config.modes)),
            say=Progress(),
        )
    )
    taken = time.monotonic() - started
    about = history.Run(
        t=started,
        command="leak",
        started_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
    write_reports(report_dir, [result], about, taken)
    print_results([result], duration_s=taken, report_dir=report_dir)
    return result.verdict.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
