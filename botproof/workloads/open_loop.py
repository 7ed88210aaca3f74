"""An open-loop run inside Locust that judges itself; what every script in `load/` is built on.

Import this from a Locust script only: importing Locust patches the standard library for gevent.

A script calls `install()` and subclasses `OpenLoopUser` with one `ask`. Arrivals come from one
schedule that all users draw from; latency counts from the intended time; an answer later than the
latency budget is a failure, and so is one that never comes. The run ends by itself: at the first
verdict of the sequential test, at `--max-requests`, or at Locust's own `--run-time`. Locust's exit
code is then the verdict's (0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 ERROR), because its own says 0 when a
server never answers.
"""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar
from urllib.parse import urlsplit

import gevent
import msgspec
from locust import FastHttpUser, events, task

from botproof.stats import SequentialErrorRate, judge_error_rate, percentile
from botproof.verdict import Verdict
from botproof.workloads.arrivals import arrivals

log = logging.getLogger("botproof.load")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished request. Times are monotonic seconds; `error` is empty for a success."""

    name: str
    intended: float
    finished: float
    status: int
    error: str

    @property
    def latency(self) -> float:
        """Seconds from the intended send time to the whole answer."""
        return self.finished - self.intended


@dataclass(slots=True)
class Run:
    """What one load run has seen so far, and what it makes of it."""

    latency_budget: float
    error_budget: float
    max_requests: int
    request_log: IO[bytes] | None
    due: Any
    started: float
    drawn: int = 0
    latencies: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    ended: str = ""

    @property
    def requests(self) -> int:
        return len(self.latencies)

    @property
    def failures(self) -> int:
        return self.errors.total()

    def next_arrival(self) -> float | None:
        """The intended time of the next request, or None once the cap is reached."""
        if self.drawn >= self.max_requests:
            return None
        self.drawn += 1
        return self.started + float(next(self.due))

    def record(self, outcome: Outcome) -> None:
        error = outcome.error
        if not error and outcome.latency > self.latency_budget:
            error = f"answered after more than {self.latency_budget:g} s"
        self.latencies.append(outcome.latency)
        if error:
            self.errors[error] += 1
        if self.request_log:
            self.request_log.write(msgspec.json.encode(_log_line(outcome, error)) + b"\n")

    def record_overdue(self, now: float) -> None:
        """Count as failed what was due for longer than the budget and found no free user."""
        while (due := self.next_arrival()) is not None and due <= now - self.latency_budget:
            self.record(Outcome("overdue", due, now, 0, "never sent: every user was still waiting"))

    def verdict(self) -> Verdict:
        return SequentialErrorRate(self.error_budget).judge(self.requests, self.failures)


def _log_line(outcome: Outcome, error: str) -> dict[str, object]:
    return {
        "t": outcome.finished,
        "intended": outcome.intended,
        "latency_s": round(outcome.latency, 6),
        "name": outcome.name,
        "ok": not error,
        "status": outcome.status,
        "error": error,
    }


class OpenLoopUser(FastHttpUser):
    """A connection that sends the next arrival of the shared schedule, over and over."""

    abstract = True
    run_state: ClassVar[Run]
    # A later answer is a failure already; waiting longer would only tie the user up.
    network_timeout = 2.0
    connection_timeout = 2.0

    def ask(self) -> tuple[str, int, str]:
        """Send one request; give its name, the HTTP status (0: none) and an error or ''."""
        raise NotImplementedError

    @task
    def next_request(self) -> None:
        run = self.run_state
        intended = run.next_arrival()
        if intended is None:
            self.wait_for_the_last(run)
            return
        gevent.sleep(max(0.0, intended - time.monotonic()))
        name, status, error = self.ask()
        run.record(Outcome(name, intended, time.monotonic(), status, error))
        verdict = run.verdict()
        if verdict is not Verdict.INCONCLUSIVE:
            _end(self.environment, run, f"the evidence is enough for {verdict.value}")

    def wait_for_the_last(self, run: Run) -> None:
        """The cap is drawn: end the run once every request of it has its outcome."""
        if run.requests >= run.drawn:
            _end(self.environment, run, f"the cap of {run.max_requests:,} requests is reached")
        gevent.sleep(0.05)

    def post(self, path: str, body: dict[str, object]) -> tuple[str, int, str]:
        """POST JSON and judge the answer by status and by its own `success` field."""
        with self.client.post(path, json=body, catch_response=True, name=path) as response:
            error = _error_of(response)
            if error:
                response.failure(error)
            else:
                response.success()
            return path, int(response.status_code or 0), error


def _error_of(response: Any) -> str:
    if not response.status_code:
        return _no_answer(response.error)
    if response.status_code != 200:
        return f"HTTP {response.status_code}"
    try:
        answer = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return "HTTP 200, but the body is not JSON"
    if not isinstance(answer, dict) or answer.get("success") is not True:
        return 'HTTP 200, but no "success": true'
    return ""


def _no_answer(error: BaseException | None) -> str:
    # geventhttpclient says RetriesExceeded when its network timeout has passed.
    name = type(error).__name__
    if isinstance(error, TimeoutError) or name == "RetriesExceeded":
        return f"no answer within {OpenLoopUser.network_timeout:g} s"
    return f"no answer: {name}"


def _end(environment: Any, run: Run, reason: str) -> None:
    if run.ended:
        return
    run.ended = reason
    # Not from here: this is a user's greenlet, which quitting would wait for.
    gevent.spawn(environment.runner.quit)


def install() -> None:
    """Add the options, start the clock with the test, and let the verdict be the exit code."""
    events.init_command_line_parser.add_listener(_add_options)  # type: ignore[no-untyped-call]  # Locust's own
    events.init.add_listener(_check)  # type: ignore[no-untyped-call]  # Locust's own
    events.test_start.add_listener(_start)  # type: ignore[no-untyped-call]  # Locust's own
    events.quitting.add_listener(_judge)  # type: ignore[no-untyped-call]  # Locust's own


def _add_options(parser: Any) -> None:
    parser.set_defaults(num_users=50, spawn_rate=50)
    group = parser.add_argument_group("open loop and budgets (botproof)")
    group.add_argument("--rate", type=float, default=150, help="requests a second (150)")
    group.add_argument(
        "--arrivals", choices=("constant", "poisson"), default="constant", help="their spacing"
    )
    group.add_argument("--seed", type=int, default=0, help="seed of the Poisson arrivals (0)")
    group.add_argument(
        "--max-requests", type=int, default=12_000, help="give up undecided after these (12000)"
    )
    group.add_argument(
        "--latency-budget", type=float, default=2.0, help="seconds; a later answer is a failure (2)"
    )
    group.add_argument(
        "--error-budget", type=float, default=0.001, help="tolerated share of failures (0.001)"
    )
    group.add_argument(
        "--request-log",
        env_var="BOTPROOF_REQUEST_LOG",
        default="",
        help="write a JSON line for each request to this file",
    )


def _start(environment: Any, **_: Any) -> None:
    options = environment.parsed_options
    request_log = Path(options.request_log).open("wb") if options.request_log else None  # noqa: SIM115 - closed in _judge, when Locust quits
    OpenLoopUser.network_timeout = OpenLoopUser.connection_timeout = options.latency_budget
    OpenLoopUser.run_state = Run(
        latency_budget=options.latency_budget,
        error_budget=options.error_budget,
        max_requests=options.max_requests,
        request_log=request_log,
        due=arrivals(options.rate, options.arrivals, options.seed),
        started=time.monotonic(),
    )


def _check(environment: Any, **_: Any) -> None:
    """Refuse options that make no sense before anything is sent, with the exit code of ERROR."""
    problems = _option_problems(environment.parsed_options)
    if problems:
        print("load: " + "\nload: ".join(problems), file=sys.stderr)
        sys.exit(Verdict.ERROR.exit_code)


def _option_problems(options: Any) -> list[str]:
    problems = []
    # With the web page, the host may still be typed in there.
    if options.headless and urlsplit(options.host or "").scheme not in {"http", "https"}:
        problems.append(f"--host is {options.host!r}; it must be like http://127.0.0.1:8001")
    if not options.rate > 0:
        problems.append(f"--rate is {options.rate}; it must be above 0 requests a second")
    if options.max_requests < 1:
        problems.append(f"--max-requests is {options.max_requests}; it must be at least 1")
    if not options.latency_budget > 0:
        problems.append(f"--latency-budget is {options.latency_budget}; it must be above 0 seconds")
    if not 0 < options.error_budget < 1:
        problems.append(f"--error-budget is {options.error_budget}; it must be between 0 and 1")
    return problems


def _judge(environment: Any, **_: Any) -> None:
    run: Run | None = getattr(OpenLoopUser, "run_state", None)
    if run is None:
        environment.process_exit_code = Verdict.ERROR.exit_code
        return
    if not run.ended:
        run.record_overdue(time.monotonic())
    if run.request_log:
        run.request_log.close()
    verdict = run.verdict()
    environment.process_exit_code = verdict.exit_code
    log.info("%s", _summary(run, verdict))


def _summary(run: Run, verdict: Verdict) -> str:
    rate = judge_error_rate(run.requests, run.failures, run.error_budget)
    needed = SequentialErrorRate(run.error_budget).required()
    lines = [
        f"verdict: {verdict.value} ({run.ended or 'the run was ended from outside'})",
        f"  errors and replies over {run.latency_budget:g} s: {rate.describe()}",
    ]
    if run.latencies:
        quantiles = ((f"p{100 * q:g}", percentile(run.latencies, q)) for q in (0.5, 0.99, 0.999))
        text = ", ".join(f"{name} {1000 * value:.1f} ms" for name, value in quantiles)
        lines.append(f"  latency from the intended time: {text}")
    lines += [f"  {count:,} x {error}" for error, count in run.errors.most_common(5)]
    if verdict is Verdict.INCONCLUSIVE:
        lines.append(f"  PASS needs {needed:,} requests without a failure: give it more time")
    return "\n".join(lines)
