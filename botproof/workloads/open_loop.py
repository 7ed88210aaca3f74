"""An open-loop run inside Locust that judges itself; what every script in `load/` is built on.

Import this from a Locust script only: importing Locust patches the standard library for gevent.

A script calls `install()` and subclasses `OpenLoopUser` with one `ask`. Arrivals come from one
schedule that all users draw from; latency counts from the intended time; an answer later than the
latency budget is a failure, and so is one that never comes. The run ends by itself: at the first
verdict of the sequential test, at `--max-requests`, or at Locust's own `--run-time`. Locust's exit
code is then the verdict's (0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 ERROR), because its own says 0 when a
server never answers.

What goes wrong on this side is never the target's fault: `own_faults` and `probe` tell it apart.

Distributed over Locust's own master and workers (`--processes 2`, or `--master` and `--worker`),
each worker sends its part of the one schedule and reports every outcome to the master, which
judges them as a single process would.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple

import gevent
import locust.log
import msgspec
from gevent.event import AsyncResult
from gevent.queue import LifoQueue
from locust import FastHttpUser, events, task

from botproof.history import RequestFailure
from botproof.verdict import Verdict
from botproof.workloads import distributed, load_options
from botproof.workloads.addresses import answer_addresses_at_once
from botproof.workloads.arrivals import arrivals
from botproof.workloads.expectation import shortcoming
from botproof.workloads.load_run import LoadRun, Outcome, Schedule
from botproof.workloads.own_faults import Pulse, exit_as_error, own_error, script_fault
from botproof.workloads.probe import normal_host, unreachable

GIVE_UP_S = 6.0
_OPEN_AT_THE_LATEST_S = 10.0
"""A master whose word that all users are there is lost must not keep a worker waiting."""
_PLANNED_END = 0.98
"""A run that lasted this share of --run-time was ended by it, and not by a person."""

log = logging.getLogger("botproof.load")


def _arrivals(options: Any) -> Iterable[float]:
    return arrivals(options.rate, options.arrivals, options.seed)


def _nothing(_: Any) -> int:
    return 0


def _no_options(_: Any) -> None:
    return


def _reachable(options: Any) -> str:
    return unreachable(options.host)


def _not_about_spawn_rate(record: logging.LogRecord) -> bool:
    return "spawn rate is very high" not in record.getMessage()


def _no_notes(_: LoadRun) -> list[str]:
    return []


def _unwatched(_: LoadRun, __: Outcome) -> None:
    return


@dataclass(frozen=True, slots=True)
class Plan:
    """How one script's load differs from the plain one.

    `options` adds its own to Locust's parser; `prepare` completes them when all are known; `due`
    gives the arrivals in seconds from the start, and `earliest_pass` the requests before which PASS
    is not said, by the options; `watch` is told of every outcome where the verdict is made; `judge`
    and `notes` make the verdict at the end. `probe` says, before anything is sent, why the host
    cannot be the right one ("" when it can). `reads_fields` is false where `--expect` is not the
    fields of an answer but something that the script itself adds.
    """

    options: Callable[[Any], None] = _no_options
    prepare: Callable[[Any], None] = _no_options
    due: Callable[[Any], Iterable[float]] = _arrivals
    earliest_pass: Callable[[Any], int] = _nothing
    watch: Callable[[LoadRun, Outcome], None] = _unwatched
    judge: Callable[[LoadRun], Verdict] = LoadRun.verdict
    notes: Callable[[LoadRun], list[str]] = _no_notes
    probe: Callable[[Any], str] = _reachable
    reads_fields: bool = True


class ArrivalQueue:
    """Hands the arrivals of one process's schedule to its users, each at its time.

    The user that became free last is the next to send. So a quick host sees the few connections
    that it takes, and a slow one as many as are needed to keep to the schedule.

    `check_pulse` tells the run of a hold-up that has just ended, `on_left_out` is called after each
    arrival that is not sent because of one, and `on_failure` when the schedule itself fails.
    """

    def __init__(
        self,
        run: LoadRun,
        *,
        check_pulse: Callable[[], None],
        on_left_out: Callable[[], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self._run = run
        self._check_pulse = check_pulse
        self._on_left_out = on_left_out
        self._on_failure = on_failure
        self._free: LifoQueue[AsyncResult[tuple[int, float]]] = LifoQueue()
        self._open = False

    def open(self) -> None:
        """Begin the schedule: all users are there."""
        if not self._open:
            self._open = True
            self._run.begin(time.monotonic())
            gevent.spawn(self._hand_out)

    def next_arrival(self) -> tuple[int, float]:
        """Wait for work: the number of a request, and when it was due (which is now, or was)."""
        turn: AsyncResult[tuple[int, float]] = AsyncResult()
        self._free.put(turn)
        arrival: tuple[int, float] = turn.get()
        return arrival

    def _hand_out(self) -> None:
        while True:
            turn = self._free.get()
            arrival = self._next_to_send()
            if arrival is None:
                return  # those that are out end the run
            self._run.sent(*arrival)
            turn.set(arrival)

    def _next_to_send(self) -> tuple[int, float] | None:
        """Wait until the next one is due, and leave those out that are not to be sent."""
        try:
            while (arrival := self._run.next_arrival()) is not None:
                gevent.sleep(max(0.0, arrival[1] - time.monotonic()))
                self._check_pulse()
                if not self._run.leaves_out(*arrival, time.monotonic()):
                    return arrival
                self._on_left_out()
        except Exception as problem:  # noqa: BLE001,RUF100 - the script's own schedule failed
            self._on_failure(problem)
        return None


class Answered(NamedTuple):
    """What came of one request: its name in the statistics, the HTTP status (0: none), an error or
    "", and how it failed where the run is to know that."""

    name: str
    status: int
    error: str = ""
    failure: RequestFailure = ""


class OpenLoopUser(FastHttpUser):
    """A connection that sends the next arrival of the shared schedule, over and over."""

    abstract = True
    run_state: ClassVar[LoadRun]
    arrivals: ClassVar[ArrivalQueue]
    pulse: ClassVar[Pulse]
    # Longer than the latency budget and the roll-back rule's limit: an answer that comes late is
    # told from one that never comes. Set from --give-up when the run starts.
    network_timeout = GIVE_UP_S
    connection_timeout = GIVE_UP_S

    def ask(self, number: int) -> Answered:
        """Send request `number`, and return what came of it."""
        raise NotImplementedError

    @task
    def next_request(self) -> None:
        """Send one arrival of the schedule at its time and record what came of it."""
        run = self.run_state
        number, intended = self.arrivals.next_arrival()
        try:
            answered = Answered(*self.ask(number))  # a script may return a plain tuple
        except Exception as problem:  # noqa: BLE001,RUF100 - an arrival without outcome would never end the run
            run.broken = run.broken or script_fault(problem)
            answered = Answered("failed", 0, *no_answer(problem))
        self.pulse.check()
        if not run.broken:
            name, status, error, failure = answered
            outcome = Outcome(number, name, intended, time.monotonic(), status, error, failure)
            run.record(outcome)
        end_if_finished(self.environment, run)

    def post(self, path: str, body: dict[str, object]) -> Answered:
        """POST JSON and judge the answer by status and by its own `success` field."""
        with self.client.post(path, json=body, catch_response=True, name=path) as response:
            own = own_error(getattr(response, "error", None))
            if own:
                self.run_state.broken = own
            expect = self.environment.parsed_options.expect
            error, failure = _error_of(response, path, expect, body)
            if error:
                response.failure(error)
            else:
                response.success()
            return Answered(path, int(response.status_code or 0), error, failure)


def _error_of(
    response: Any, path: str, expect: str, asked: Mapping[str, object]
) -> tuple[str, RequestFailure]:
    if not response.status_code:
        return no_answer(response.error)
    if response.status_code != 200:
        return f"HTTP {response.status_code}", ""
    try:
        answer = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return "HTTP 200, but the body is not JSON", ""
    if not isinstance(answer, dict) or answer.get("success") is not True:
        return 'HTTP 200, but no "success": true', ""
    return shortcoming(answer, path, expect, asked)


def no_answer(error: BaseException | None) -> tuple[str, RequestFailure]:
    """Say why a request has no status: the time was up, or the connection failed."""
    # geventhttpclient says RetriesExceeded when its network timeout has passed.
    name = type(error).__name__
    if isinstance(error, TimeoutError) or name == "RetriesExceeded":
        return f"no answer within {OpenLoopUser.network_timeout:g} s", "timed_out"
    return f"no answer: {name}", ""


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
    for hook, listener in (
        (events.init_command_line_parser, session.add_options),
        (events.init, session.check),
        (events.test_start, session.start),
        (events.spawning_complete, session.open),
        (events.user_error, session.script_raised),
        (events.test_stopping, session.stopping),
        (events.test_stop, session.stop),
        (events.quitting, session.conclude),
    ):
        hook.add_listener(listener)  # type: ignore[no-untyped-call]  # Locust's own


class _Session:
    """Follows Locust's events from the start of a test to its verdict."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._run: LoadRun | None = None
        self._environment: Any = None
        self._log: IO[bytes] | None = None
        self._worker: distributed.Worker | None = None
        self._workers: distributed.Workers | None = None
        self._verdict_decides = exit_as_error()

    def add_options(self, parser: Any) -> None:
        load_options.add(parser, reads_fields=self._plan.reads_fields)
        self._plan.options(parser)

    def check(self, environment: Any, **_: Any) -> None:
        """Refuse what makes no sense before anything is sent, with the exit code of ERROR."""
        options = environment.parsed_options
        if distributed.is_worker(environment):
            return  # its master's options come with the start
        self._plan.prepare(options)
        problems = load_options.problems(options)
        if not problems and options.headless:
            environment.host = options.host = normal_host(options.host)
            if not options.no_probe and (unfit := self._plan.probe(options)):
                problems.append(unfit)
        if not problems and options.request_log:
            try:
                self._log = Path(options.request_log).open("wb")  # noqa: SIM115 - closed in conclude, when Locust quits
            except OSError as error:
                problems.append(f"--request-log {options.request_log}: {error.strerror}")
        if problems:
            print("load: " + "\nload: ".join(problems), file=sys.stderr)
            sys.exit(Verdict.ERROR.exit_code)
        self._choose_users(options)

    @staticmethod
    def _choose_users(options: Any) -> None:
        enough = load_options.enough_users(options)
        if options.num_users is not None and options.num_users < enough:
            log.info("%d users would be too few: %d are started", options.num_users, enough)
        options.num_users = max(options.num_users or 0, enough)
        if not options.spawn_rate:
            # All at once, as Locust advises against for users that each do something at once.
            logging.getLogger("locust.runners").addFilter(_not_about_spawn_rate)
            options.spawn_rate = options.num_users

    def start(self, environment: Any, **_: Any) -> None:
        try:
            self._start(environment)
        except Exception:  # noqa: BLE001,RUF100 - Locust would swallow it and run on for ever
            log.exception("the load could not be started")
            gevent.spawn(environment.runner.quit)

    def _start(self, environment: Any) -> None:
        options, runner = environment.parsed_options, environment.runner
        answer_addresses_at_once()
        self._environment = environment
        environment.host = normal_host(environment.host or "")
        OpenLoopUser.network_timeout = OpenLoopUser.connection_timeout = options.give_up or max(
            GIVE_UP_S, options.latency_budget
        )
        run = LoadRun(
            limits=load_options.limits(options, self._plan.earliest_pass(options)),
            started=time.monotonic(),
            schedule=self._schedule(environment),
            sink=self._write,
            held_sink=self._write_held,
        )
        OpenLoopUser.run_state = self._run = run
        OpenLoopUser.pulse = Pulse(run.hold)
        OpenLoopUser.arrivals = ArrivalQueue(
            run,
            check_pulse=OpenLoopUser.pulse.check,
            on_left_out=lambda: end_if_finished(environment, run),
            on_failure=lambda error: self._script_failed(environment, error),
        )
        if not distributed.is_master(environment):
            gevent.spawn_later(_OPEN_AT_THE_LATEST_S, OpenLoopUser.arrivals.open)
        if distributed.is_worker(environment):
            end = partial(self.stop, environment)
            self._worker = distributed.Worker(runner, run, OpenLoopUser.pulse.check, end)
        if distributed.is_master(environment):
            OpenLoopUser.pulse.stop()  # a master that is held up delays no request
            end = partial(end_if_finished, environment, run)
            self._workers = distributed.Workers(runner, run, end)

    def open(self, **_: Any) -> None:
        if self._run is not None:
            OpenLoopUser.arrivals.open()

    def _schedule(self, environment: Any) -> Iterator[tuple[int, float]]:
        options = environment.parsed_options
        if distributed.is_master(environment):
            distributed.share_out(environment)
            return iter(())
        share, of = distributed.my_share(environment)
        return iter(Schedule(self._plan.due(options), options.max_requests, share, of))

    def _write(self, outcome: Outcome) -> None:
        if outcome.unsent:
            return
        self._write_line(_log_line(outcome))
        if self._run is not None:
            self._plan.watch(self._run, outcome)

    def _write_held(self, start: float, end: float, share: float) -> None:
        self._write_line({"t": end, "held_s": round(end - start, 6), "share": share})

    def _write_line(self, line: dict[str, object]) -> None:
        if self._log is None:
            return
        try:
            self._log.write(msgspec.json.encode(line) + b"\n")
        except OSError as error:
            self._broke(f"the request log cannot be written: {error.strerror}")

    def _broke(self, problem: str) -> None:
        if self._run is not None:
            self._run.broken = self._run.broken or problem

    def script_raised(self, exception: BaseException, **_: Any) -> None:
        """Note that a user's own code failed outside of its requests: nobody's fault
        but the script's."""
        # Locust gives a user or its tasks here, and only the former know their environment.
        self._script_failed(self._environment, exception)

    def _script_failed(self, environment: Any, error: BaseException) -> None:
        self._broke(script_fault(error) or f"the load script raised {type(error).__name__}")
        if self._run is not None:
            end_if_finished(environment, self._run)

    @staticmethod
    def stopping(**_: Any) -> None:
        """Note that ending its users holds this process up from now on, which harms no request."""
        OpenLoopUser.pulse.check()
        OpenLoopUser.pulse.stop()

    def stop(self, environment: Any, **_: Any) -> None:
        """End the test: what is overdue now will never be answered."""
        run = self._run
        if run is None:
            return
        if self._workers is not None:
            self._workers.hear_out()
            end_if_finished(environment, run)
        if run.ended:
            return
        OpenLoopUser.pulse.check()
        run.record_overdue(time.monotonic())
        if self._worker is not None:
            run.ended = "its master ended the run"
            self._worker.tell_last()
            return
        longest = environment.parsed_options.run_time
        if longest and time.monotonic() - run.started >= _PLANNED_END * float(longest):
            run.time_is_up()
            run.ended = f"the time of {longest} s is up"

    def conclude(self, environment: Any, **_: Any) -> None:
        """Make the verdict the exit code; whatever prevents that is an ERROR."""
        self._verdict_decides()
        environment.process_exit_code = Verdict.ERROR.exit_code
        if distributed.is_worker(environment):
            environment.process_exit_code = 0  # the verdict is its master's
            return
        try:
            verdict = self._judge(environment)
        except Exception:  # noqa: BLE001,RUF100 - Locust would swallow it and exit with a code of its own
            log.exception("verdict: ERROR (the verdict could not be made)")
        else:
            environment.process_exit_code = verdict.exit_code

    def _judge(self, environment: Any) -> Verdict:
        run = self._run
        if run is None:
            log.error("verdict: ERROR (nothing was started, see above)")
            return Verdict.ERROR
        self.stop(environment)
        if locust.log.unhandled_greenlet_exception:
            self._broke("something raised in the load generator, see above")
        if self._log:
            self._close(self._log)
        if environment.parsed_options.histogram:
            path = Path(environment.parsed_options.histogram)
            path.write_text(run.latencies.encoded() + "\n", encoding="ascii")
        verdict = Verdict.ERROR if run.broken else self._plan.judge(run)
        log.info("%s", run.describe(verdict, time.monotonic(), self._plan.notes(run)))
        return verdict

    def _close(self, file: IO[bytes]) -> None:
        try:
            file.close()
        except OSError as error:
            self._broke(f"the request log cannot be written: {error.strerror}")


def _log_line(outcome: Outcome) -> dict[str, object]:
    return {
        "t": outcome.finished,
        "intended": outcome.intended,
        "latency_s": round(outcome.latency, 6),
        "name": outcome.name,
        "ok": not outcome.error,
        "failure": outcome.failure,
        "status": outcome.status,
        "error": outcome.error,
    }
