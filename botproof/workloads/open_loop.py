"""An open-loop run inside Locust that judges itself; what every script in `load/` is built on.

Import this from a Locust script only: importing Locust patches the standard library for gevent.

A script calls `install()` and subclasses `OpenLoopUser` with one `ask`. Arrivals come from one
schedule that all users draw from; latency counts from the intended time; an answer later than the
latency budget is a failure, and so is one that never comes. The run ends by itself: at the first
verdict of the sequential test, at `--max-requests`, or at Locust's own `--run-time`. Locust's exit
code is then the verdict's (0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 ERROR), because its own says 0 when a
server never answers.

Distributed over Locust's own master and workers (`--processes 2`, or `--master` and `--worker`),
each worker sends its part of the one schedule and reports every outcome to the master, which
judges them as a single process would.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar
from urllib.parse import urlsplit

import gevent
import msgspec
from locust import FastHttpUser, events, task

from botproof.verdict import Verdict
from botproof.workloads import distributed
from botproof.workloads.arrivals import arrivals
from botproof.workloads.load_run import Limits, LoadRun, Outcome, Schedule

GIVE_UP_S = 6.0

log = logging.getLogger("botproof.load")


def _arrivals(options: Any) -> Iterable[float]:
    return arrivals(options.rate, options.arrivals, options.seed)


def _nothing(_: Any) -> int:
    return 0


def _no_options(_: Any) -> None:
    return


def _no_notes(_: LoadRun) -> list[str]:
    return []


def _unwatched(_: LoadRun, __: Outcome) -> None:
    return


@dataclass(frozen=True, slots=True)
class Plan:
    """How one script's load differs from the plain one.

    `options` adds its own to Locust's parser; `due` gives the arrivals in seconds from the start,
    and `earliest_pass` the requests before which PASS is not said, by the options; `watch` is told
    of every outcome where the verdict is made; `judge` and `notes` make the verdict at the end.
    """

    options: Callable[[Any], None] = _no_options
    due: Callable[[Any], Iterable[float]] = _arrivals
    earliest_pass: Callable[[Any], int] = _nothing
    watch: Callable[[LoadRun, Outcome], None] = _unwatched
    judge: Callable[[LoadRun], Verdict] = LoadRun.verdict
    notes: Callable[[LoadRun], list[str]] = _no_notes


class OpenLoopUser(FastHttpUser):
    """A connection that sends the next arrival of the shared schedule, over and over."""

    abstract = True
    run_state: ClassVar[LoadRun]
    # Longer than the latency budget and the roll-back rule's limit: an answer that comes late is
    # told from one that never comes. Set from --give-up when the run starts.
    network_timeout = GIVE_UP_S
    connection_timeout = GIVE_UP_S

    def ask(self, number: int) -> tuple[str, int, str]:
        """Send request `number`; give its name, the HTTP status (0: none) and an error or ''."""
        raise NotImplementedError

    @task
    def next_request(self) -> None:
        """Send one arrival of the schedule at its time and record what came of it."""
        run = self.run_state
        arrival = run.next_arrival()
        if arrival is None:
            gevent.sleep(0.05)  # the schedule is drawn; those that are out end the run
            return
        number, intended = arrival
        gevent.sleep(max(0.0, intended - time.monotonic()))
        run.sent(number, intended)
        try:
            name, status, error = self.ask(number)
        except Exception as problem:  # noqa: BLE001,RUF100 - an arrival without outcome would never end the run
            log.warning("request %d: %r", number, problem)
            name, status, error = "failed", 0, f"no answer: {type(problem).__name__}"
        run.record(Outcome(number, name, intended, time.monotonic(), status, error))
        end_if_finished(self.environment, run)

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
        return no_answer(response.error)
    if response.status_code != 200:
        return f"HTTP {response.status_code}"
    try:
        answer = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return "HTTP 200, but the body is not JSON"
    if not isinstance(answer, dict) or answer.get("success") is not True:
        return 'HTTP 200, but no "success": true'
    return ""


def no_answer(error: BaseException | None) -> str:
    """Why a request has no status: the time was up, or the connection failed."""
    # geventhttpclient says RetriesExceeded when its network timeout has passed.
    name = type(error).__name__
    if isinstance(error, TimeoutError) or name == "RetriesExceeded":
        return f"no answer within {OpenLoopUser.network_timeout:g} s"
    return f"no answer: {name}"


def end_if_finished(environment: Any, run: LoadRun) -> None:
    """Let Locust quit once the run may end. A worker leaves that to its master."""
    if not run.finished or run.ended or distributed.is_worker(environment):
        return
    run.ended = run.finished
    # Not from here: this is a user's greenlet, which quitting would wait for.
    gevent.spawn(environment.runner.quit)


def install(plan: Plan | None = None) -> None:
    """Add the options, start the clock with the test, and let the verdict be the exit code."""
    session = _Session(plan or Plan())
    events.init_command_line_parser.add_listener(session.add_options)  # type: ignore[no-untyped-call]  # Locust's own
    events.init.add_listener(_check)  # type: ignore[no-untyped-call]  # Locust's own
    events.test_start.add_listener(session.start)  # type: ignore[no-untyped-call]  # Locust's own
    events.test_stop.add_listener(session.stop)  # type: ignore[no-untyped-call]  # Locust's own
    events.quitting.add_listener(session.judge)  # type: ignore[no-untyped-call]  # Locust's own


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
        "--whole",
        action="store_true",
        help="send all --max-requests whatever comes of them, and judge at the end",
    )
    group.add_argument(
        "--latency-budget", type=float, default=2.0, help="seconds; a later answer is a failure (2)"
    )
    group.add_argument(
        "--rollback-latency",
        type=float,
        default=5.0,
        help="seconds; more than 3 consecutive requests over it are a FAIL (5)",
    )
    group.add_argument(
        "--give-up",
        type=float,
        default=0.0,
        help="seconds after which a request counts as never answered (6, or the latency budget "
        "if that is longer)",
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
    group.add_argument(
        "--histogram",
        default="",
        help="write the latencies' HdrHistogram (V2, base64) to this file",
    )


def _check(environment: Any, **_: Any) -> None:
    """Refuse options that make no sense before anything is sent, with the exit code of ERROR."""
    if distributed.is_worker(environment):
        return  # its master's options come with the start
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
    if 0 < options.give_up < options.latency_budget:
        problems.append(
            f"--give-up is {options.give_up}; it must be at least the latency budget, "
            f"{options.latency_budget}"
        )
    if not 0 < options.error_budget < 1:
        problems.append(f"--error-budget is {options.error_budget}; it must be between 0 and 1")
    return problems


class _Session:
    """Follows Locust's events from the start of a test to its verdict."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._run: LoadRun | None = None
        self._log: IO[bytes] | None = None

    def add_options(self, parser: Any) -> None:
        _add_options(parser)
        self._plan.options(parser)

    def start(self, environment: Any, **_: Any) -> None:
        options, runner = environment.parsed_options, environment.runner
        OpenLoopUser.network_timeout = OpenLoopUser.connection_timeout = options.give_up or max(
            GIVE_UP_S, options.latency_budget
        )
        run = LoadRun(
            limits=_limits(options, self._plan),
            started=time.monotonic(),
            schedule=self._schedule(environment),
            sink=self._write,
        )
        OpenLoopUser.run_state = self._run = run
        if distributed.is_worker(environment):
            run.sink = distributed.report_outcomes(run)
            return
        if options.request_log:
            self._log = Path(options.request_log).open("wb")  # noqa: SIM115 - closed in judge, when Locust quits
        if distributed.is_master(environment):
            distributed.take_reports(run, lambda: end_if_finished(environment, run))
            distributed.watch_workers(runner, run, lambda: end_if_finished(environment, run))

    def _schedule(self, environment: Any) -> Iterator[tuple[int, float]]:
        options = environment.parsed_options
        if distributed.is_master(environment):
            distributed.share_out(environment)
            return iter(())
        share, of = distributed.my_share(environment)
        return iter(Schedule(self._plan.due(options), options.max_requests, share, of))

    def _write(self, outcome: Outcome) -> None:
        if self._log:
            self._log.write(msgspec.json.encode(_log_line(outcome)) + b"\n")
        if self._run is not None:
            self._plan.watch(self._run, outcome)

    def stop(self, **_: Any) -> None:
        """The test is over: what is overdue now will never be answered."""
        if self._run is not None and not self._run.ended:
            self._run.record_overdue(time.monotonic())

    def judge(self, environment: Any, **_: Any) -> None:
        run = self._run
        if distributed.is_worker(environment):
            environment.process_exit_code = 0  # the verdict is its master's
            return
        if run is None:
            environment.process_exit_code = Verdict.ERROR.exit_code
            return
        self.stop()
        if self._log:
            self._log.close()
        if environment.parsed_options.histogram:
            path = Path(environment.parsed_options.histogram)
            path.write_text(run.latencies.encoded() + "\n", encoding="ascii")
        verdict = self._plan.judge(run)
        environment.process_exit_code = verdict.exit_code
        log.info("%s", run.describe(verdict, time.monotonic(), self._plan.notes(run)))


def _limits(options: Any, plan: Plan) -> Limits:
    return Limits(
        latency_budget=options.latency_budget,
        error_budget=options.error_budget,
        rollback_latency=options.rollback_latency,
        cap=options.max_requests,
        earliest_pass=plan.earliest_pass(options),
        whole=options.whole,
    )


def _log_line(outcome: Outcome) -> dict[str, object]:
    return {
        "t": outcome.finished,
        "intended": outcome.intended,
        "latency_s": round(outcome.latency, 6),
        "name": outcome.name,
        "ok": not outcome.error,
        "status": outcome.status,
        "error": outcome.error,
    }
