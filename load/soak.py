"""A steady load for hours: what only time shows.

    locust -f load/soak.py --headless --host http://127.0.0.1:8001 --run-time 4h --pid 1234

Unlike load/price.py it does not end when the error rate is decided for good, only when the time is
up or the build is bad beyond doubt. It prints a line of latencies and errors every `--window`
seconds, and judges the error rate, the roll-back rule, and, for each `--pid` on this machine, the
growth of its memory for every thousand requests. Exit code as load/price.py.
"""

import math
import time

from botproof.budgets import DEFAULTS
from botproof.checks.leak import Growth, growth
from botproof.targets.memory import read_memory
from botproof.verdict import Verdict, combine
from botproof.workloads.load_run import Latencies, LoadRun, Outcome
from botproof.workloads.market_data import PriceAsker, add_symbols, probe
from botproof.workloads.open_loop import Plan, install, log

__all__ = ["PriceAsker"]  # Locust looks for the users in this module

LEAK = DEFAULTS["leak_kb_per_1000"]
_NO_CAP = 10_000_000


def add_options(parser):  # type: ignore[no-untyped-def]  # locust ships no types
    add_symbols(parser)
    parser.set_defaults(rate=50, run_time="30m", max_requests=_NO_CAP)
    parser.add_argument("--window", type=float, default=60, help="seconds a line (60)")
    parser.add_argument(
        "--pid", type=int, action="append", default=[], help="watch this process's memory"
    )
    unit = f"{LEAK.unit} per 1,000 requests ({LEAK.limit:g})"
    parser.add_argument("--leak-budget", type=float, default=LEAK.limit, help=unit)


def plan_to_the_end(options) -> None:  # type: ignore[no-untyped-def]  # locust ships no types
    """The error rate is planned for all that is sent in the time."""
    if options.run_time:
        options.max_requests = min(options.max_requests, math.ceil(options.rate * options.run_time))


class Soak:
    """What a soak sees window by window."""

    def __init__(self) -> None:
        self.window_s = 60.0
        self.ends = 0.0
        self.latencies, self.failures = Latencies(), 0
        self.points: dict[int, list[tuple[int, int]]] = {}
        self.lost: set[int] = set()
        self.limit = LEAK.limit

    def begin(self, options) -> int:  # type: ignore[no-untyped-def]  # locust ships no types
        """The whole soak has to pass, not its beginning: PASS is never said early."""
        self.window_s, self.limit = options.window, options.leak_budget
        self.points = {pid: [] for pid in options.pid}
        return int(options.max_requests)

    def watch(self, run: LoadRun, outcome: Outcome) -> None:
        self.ends = self.ends or run.started + self.window_s
        self.latencies.add(outcome.latency)
        self.failures += bool(outcome.error)
        if time.monotonic() >= self.ends:
            self.close_window(run)

    def close_window(self, run: LoadRun) -> None:
        minutes = (time.monotonic() - run.started) / 60
        text = f"{self.latencies.count:,} requests, {self.failures:,} failed"
        log.info("soak, minute %.1f: %s, %s", minutes, text, self.latencies.describe())
        for pid, points in self.points.items():
            reading = read_memory(pid)
            if reading is None:
                self.lost.add(pid)
            else:
                # It served those as well that say nothing about its speed.
                points.append((run.taken - run.unsent, reading.anonymous))
        self.latencies, self.failures = Latencies(), 0
        self.ends += self.window_s

    def growths(self) -> dict[int, Growth]:
        """Growth of each process; its first window is warming up and does not count."""
        return {pid: growth(points[1:]) for pid, points in self.points.items() if len(points) > 3}

    def judge(self, run: LoadRun) -> Verdict:
        known = self.growths()
        memory = [each.judge(1_000 * self.limit) for each in known.values()]
        missing = [Verdict.INCONCLUSIVE for pid in self.points if pid not in known]
        gone = [Verdict.FAIL for _ in self.lost]
        rate = run.decided or run.test.judge(run.requests, run.failures, unsure=run.unsure)
        rollback = Verdict.FAIL if run.streak.too_long else Verdict.PASS
        return combine([rate, rollback, *memory, *missing, *gone])

    def notes(self, _: LoadRun) -> list[str]:
        known = self.growths()
        lines = [f"memory of process {pid}: {each.describe()}" for pid, each in known.items()]
        lines += [f"memory of process {pid}: too few windows" for pid in self.points.keys() - known]
        return lines + [f"process {pid} was gone before the end" for pid in sorted(self.lost)]


soak = Soak()
install(
    Plan(
        options=add_options,
        prepare=plan_to_the_end,
        probe=probe,
        earliest_pass=soak.begin,
        watch=soak.watch,
        judge=soak.judge,
        notes=soak.notes,
    )
)
