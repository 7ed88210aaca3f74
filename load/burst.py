"""Quiet, then everybody at once, again and again: the load after a market has moved.

    locust -f load/burst.py --headless --host http://127.0.0.1:8001

Between bursts come `--quiet-rate` requests a second; at the end of every `--burst-every` seconds
come `--rate` a second for `--burst-length` seconds. PASS is not said before `--bursts` of them are
over. The exit code is that of load/price.py; the verdict tells the latencies in bursts from those
between them.
"""

from botproof.workloads.arrivals import bursts, in_burst
from botproof.workloads.load_run import Latencies, LoadRun, Outcome
from botproof.workloads.market_data import PriceAsker, add_symbols, probe
from botproof.workloads.open_loop import Plan, install

__all__ = ["PriceAsker"]  # Locust looks for the users in this module


def add_options(parser):  # type: ignore[no-untyped-def]  # locust ships no types
    add_symbols(parser)
    parser.set_defaults(rate=300)
    parser.add_argument("--quiet-rate", type=float, default=20, help="a second, between them (20)")
    parser.add_argument("--burst-every", type=float, default=10, help="seconds a period (10)")
    parser.add_argument("--burst-length", type=float, default=2, help="seconds a burst (2)")
    parser.add_argument("--bursts", type=int, default=3, help="bursts before PASS (3)")


class Story:
    """The latencies of a run, those in bursts apart from those between them."""

    def __init__(self) -> None:
        self.shape: dict[str, float] = {}
        self.inside, self.between = Latencies(), Latencies()

    def due(self, options):  # type: ignore[no-untyped-def]  # locust ships no types
        self.shape = {"every_s": options.burst_every, "length_s": options.burst_length}
        return bursts(options.quiet_rate, options.rate, **self.shape)

    def watch(self, run: LoadRun, outcome: Outcome) -> None:
        due = outcome.intended - run.started
        part = self.inside if in_burst(due, **self.shape) else self.between
        part.add(outcome.latency)

    def notes(self, _: LoadRun) -> list[str]:
        parts = (("in bursts", self.inside), ("between them", self.between))
        return [f"{name}: {part.describe()}" for name, part in parts if part.count]


def all_bursts(options) -> int:  # type: ignore[no-untyped-def]  # locust ships no types
    calm_s = options.burst_every - options.burst_length
    period = round(calm_s * options.quiet_rate) + round(options.burst_length * options.rate)
    return int(options.bursts * period)


story = Story()
install(
    Plan(
        options=add_options,
        probe=probe,
        due=story.due,
        earliest_pass=all_bursts,
        watch=story.watch,
        notes=story.notes,
    )
)
