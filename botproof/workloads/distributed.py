"""One load run over Locust's own master and workers.

The master hands each worker its place in the one schedule with the start message; a worker sends
its arrivals and reports every outcome with Locust's regular reports; the master takes them in as
if it had sent the requests itself. Times travel as seconds from the start, because workers on
other machines have other clocks. A worker that is lost takes outcomes with it that nobody knows:
the run then ends as an ERROR.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from locust import events
from locust.runners import STATE_MISSING, STATE_RUNNING, STATE_SPAWNING, MasterRunner, WorkerRunner

from botproof.workloads.load_run import LoadRun, Outcome

_KEY = "botproof_outcomes"
_HELD = "botproof_held"
_BROKEN = "botproof_broken"
_WATCH_S = 1.0


def is_worker(environment: Any) -> bool:
    """Tell whether this process is one of the workers of a distributed run."""
    return isinstance(environment.runner, WorkerRunner)


def is_master(environment: Any) -> bool:
    """Tell whether this process is the master of a distributed run."""
    return isinstance(environment.runner, MasterRunner)


def share_out(environment: Any) -> None:
    """Give each connected worker its place in the schedule; it travels with the options."""
    clients = sorted(client.id for client in environment.runner.clients.all)
    environment.parsed_options.schedule_shares = {name: place for place, name in enumerate(clients)}


def my_share(environment: Any) -> tuple[int, int]:
    """Return this process's place among those that send, and how many they are.

    A worker that joined after the start has no place in the schedule; its share is empty because
    the place is past the end.
    """
    if not is_worker(environment):
        return 0, 1
    shares: dict[str, int] = environment.parsed_options.schedule_shares
    place = shares.get(environment.runner.client_id, environment.parsed_options.max_requests)
    return place, len(shares)


def report_outcomes(run: LoadRun, check_pulse: Callable[[], None]) -> None:
    """Let a worker keep what it sees until Locust's next report to the master."""
    outcomes: list[Outcome] = []
    held: list[tuple[float, float]] = []

    def report(client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG001 - Locust names its arguments
        check_pulse()
        data[_KEY] = [_pack(outcome.moved(-run.started)) for outcome in outcomes]
        data[_HELD] = [(start - run.started, end - run.started) for start, end in held]
        data[_BROKEN] = run.broken
        outcomes.clear()
        held.clear()

    run.sink, run.held_sink = outcomes.append, lambda start, end, _: held.append((start, end))
    events.report_to_master.add_listener(report)  # type: ignore[no-untyped-call]  # Locust's own


def take_reports(run: LoadRun, workers: int, after_each: Callable[[], None]) -> None:
    """Let the master's run take in what the workers report."""

    def take(client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG001 - Locust names its arguments
        for start, end in data.get(_HELD, ()):
            run.hold(start + run.started, end + run.started, 1 / workers)
        for packed in data.get(_KEY, ()):
            run.record(Outcome(*packed).moved(run.started))
        run.broken = run.broken or data.get(_BROKEN, "")
        after_each()

    events.worker_report.add_listener(take)  # type: ignore[no-untyped-call]  # Locust's own


def watch_workers(runner: Any, run: LoadRun, on_loss: Callable[[], None]) -> None:
    """End the run as broken when a worker is lost while it goes on."""
    names = [client.id for client in runner.clients.all]

    def watch() -> None:
        while not run.ended:
            gevent.sleep(_WATCH_S)
            lost = [name for name in names if _is_lost(runner, name)]
            if lost and runner.state in (STATE_RUNNING, STATE_SPAWNING):
                run.broken = f"worker {lost[0]} was lost, and what it had sent is not known"
                on_loss()
                return

    gevent.spawn(watch)


def _is_lost(runner: Any, name: str) -> bool:
    client = runner.clients.get(name)
    return client is None or client.state == STATE_MISSING


def _pack(outcome: Outcome) -> list[object]:
    return [
        outcome.number,
        outcome.name,
        outcome.intended,
        outcome.finished,
        outcome.status,
        outcome.error,
        outcome.timed_out,
        outcome.unsent,
    ]
