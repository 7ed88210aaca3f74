"""One load run over Locust's own master and workers.

The master hands each worker its place in the one schedule with the start message; a worker sends
its arrivals and reports every outcome with Locust's regular reports; the master takes them in as
if it had sent the requests itself. Times travel as seconds from the start, because workers on
other machines have other clocks. At the end the master asks each worker for what it still knows,
and judges when all have told it: Locust itself gives the last reports half a second. A worker that
is lost takes outcomes with it that nobody knows: the run then ends as an ERROR.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
from locust import events
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from botproof.verdict import Verdict
from botproof.workloads.load_run import LoadRun, Outcome

_KEY = "botproof_outcomes"
_HELD = "botproof_held"
_BROKEN = "botproof_broken"
_LAST = "botproof_last"
_WATCH_S = 1.0
_LOOK_S = 0.05
_LAST_S = 60.0
"""A worker that gives a sign of life, and has not told what it knows in this time, never will."""


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


class Worker:
    """One that sends: keeps what it sees until Locust's next report to the master.

    `end` is called when the master asks for what is left to be told; it calls `tell_last`.
    """

    def __init__(
        self, runner: Any, run: LoadRun, check_pulse: Callable[[], None], end: Callable[[], None]
    ) -> None:
        self._runner, self._run, self._check_pulse = runner, run, check_pulse
        self._outcomes: list[Outcome] = []
        self._held: list[tuple[float, float]] = []
        run.sink = self._outcomes.append
        run.held_sink = lambda start, end, _: self._held.append((start, end))
        events.report_to_master.add_listener(self._report)  # type: ignore[no-untyped-call]  # Locust's own
        runner.register_message(_LAST, lambda **_: end())

    def tell_last(self) -> None:
        """Tell the master all that is not told yet; what is still on its way counts no more."""
        data: dict[str, Any] = {}
        self._fill(data)
        self._run.sink = lambda _: None
        self._runner.send_message(_LAST, data)

    def _report(self, client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 - Locust names its arguments
        self._check_pulse()
        self._fill(data)

    def _fill(self, data: dict[str, Any]) -> None:
        began = self._run.started
        data[_KEY] = [_pack(outcome.moved(-began)) for outcome in self._outcomes]
        data[_HELD] = [(start - began, end - began) for start, end in self._held]
        data[_BROKEN] = self._run.broken
        self._outcomes.clear()
        self._held.clear()


class Workers:
    """Those that send, as the master knows them: its run takes in what they report.

    `may_end` is called after each report and when one was lost, as the run may be over then.
    """

    def __init__(self, runner: Any, run: LoadRun, may_end: Callable[[], None]) -> None:
        self._runner, self._run, self._may_end = runner, run, may_end
        self._names = [client.id for client in runner.clients.all]
        self._heard_out: set[str] = set()
        self._closing = False
        events.worker_report.add_listener(self._take)  # type: ignore[no-untyped-call]  # Locust's own
        runner.register_message(_LAST, self._take_last)
        gevent.spawn(self._watch)

    def hear_out(self) -> None:
        """Wait until each worker has told what it still knows, or was lost."""
        if self._closing:
            return
        self._closing = True
        for name in self._awaited():
            self._runner.send_message(_LAST, None, name)
        until = time.monotonic() + _LAST_S
        while self._awaited() and not self._lost() and time.monotonic() < until:
            gevent.sleep(_LOOK_S)
        if missed := self._lost() or self._awaited():
            self._lose(missed[0])

    def _take(self, client_id: str, data: dict[str, Any]) -> None:  # noqa: ARG002 - Locust names its arguments
        run, share = self._run, 1 / max(1, len(self._names))
        for start, end in data.get(_HELD, ()):
            run.hold(start + run.started, end + run.started, share)
        for packed in data.get(_KEY, ()):
            run.record(Outcome(*packed).moved(run.started))
        run.broken = run.broken or data.get(_BROKEN, "")
        if not self._closing:
            self._may_end()

    def _take_last(self, msg: Any, **_: Any) -> None:
        self._take(msg.node_id, msg.data)
        self._heard_out.add(msg.node_id)

    def _awaited(self) -> list[str]:
        return [name for name in self._names if name not in self._heard_out]

    def _lost(self) -> list[str]:
        clients = self._runner.clients
        states = {name: getattr(clients.get(name), "state", STATE_MISSING) for name in self._names}
        return [name for name in self._awaited() if states[name] == STATE_MISSING]

    def _watch(self) -> None:
        while not (self._closing or self._run.ended):
            if lost := self._lost():
                self._lose(lost[0])
                self._may_end()
                return
            gevent.sleep(_WATCH_S)

    def _lose(self, name: str) -> None:
        if self._run.decided is not Verdict.FAIL:
            lost = f"worker {name} was lost, and what it had sent is not known"
            self._run.broken = self._run.broken or lost


def _pack(outcome: Outcome) -> list[object]:
    return [
        outcome.number,
        outcome.name,
        outcome.intended,
        outcome.finished,
        outcome.status,
        outcome.error,
        outcome.failure,
        outcome.unsent,
    ]
