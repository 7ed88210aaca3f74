"""One load over Locust's own master and two workers: one schedule, one verdict."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from botproof.doubles.messages import Handler, Request, Response, Transport, json_response
from botproof.sequential import SequentialErrorRate
from botproof.targets.reserved import Ports

GOOD = json_response({"success": True, "data": {}})
SCRIPT = Path(__file__).parents[2] / "load" / "price.py"
Host = Callable[[Handler], str]
Locust = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def two_workers() -> Iterator[tuple[str, ...]]:
    """Locust's options for two workers and a port of their own to talk over."""
    ports = Ports()
    port = str(ports.free())
    yield ("--processes", "2", "--master-port", port, "--master-bind-port", port)
    ports.close()


@pytest.mark.slow
def test_two_workers_pass_a_good_host_and_send_each_arrival_once(
    host: Host, locust: Locust, two_workers: tuple[str, ...], tmp_path: Path
) -> None:
    log = tmp_path / "requests.jsonl"
    asked: Counter[str] = Counter()

    def answer(request: Request) -> Response:
        asked[request.path] += 1
        return GOOD

    run = locust(
        "price",
        # So few that three processes which have to share their processors with others keep up.
        *("--host", host(answer), "--rate", "50", *two_workers, "--error-budget", "0.01"),
        *("--request-log", str(log), "--max-requests", "2400", "--latency-budget", "30"),
    )

    assert run.returncode == 0, run.stderr
    assert "verdict: PASS" in run.stderr
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines = [line for line in lines if "held_s" not in line]
    alone = SequentialErrorRate(0.01, cap=2_400).required()
    assert len(lines) >= (alone or 0) > 0  # what a single process would have needed
    # one schedule dealt out, not one for each worker: no intended time comes twice …
    assert len({round(line["intended"], 4) for line in lines}) == len(lines)
    # … and every fifth of all arrivals asks for the bare price, whoever sends it
    assert asked["/price"] == pytest.approx(asked.total() / 5, rel=0.1)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (json_response({"success": False}, 502), "HTTP 502"),
        (Response(transport=Transport.RESET), "no answer"),
    ],
    ids=["status", "reset"],
)
def test_two_workers_fail_a_bad_host_and_name_the_reason(
    host: Host, locust: Locust, two_workers: tuple[str, ...], bad: Response, said: str
) -> None:
    count = 0

    def answer(_: Request) -> Response:
        nonlocal count
        count += 1
        return bad if count % 50 == 0 else GOOD

    run = locust("price", "--host", host(answer), "--rate", "50", *two_workers)
    assert run.returncode == 1, run.stderr
    assert "verdict: FAIL" in run.stderr
    assert said in run.stderr


def test_two_workers_fail_a_host_that_never_answers(
    host: Host, locust: Locust, two_workers: tuple[str, ...]
) -> None:
    silent = host(lambda _: Response(transport=Transport.SILENT))
    # So few that three processes which have to share their processors with others keep up.
    run = locust("price", "--host", silent, *two_workers, "--rate", "20", "--run-time", "40s")
    assert run.returncode == 1, run.stderr
    assert "no answer within" in run.stderr


AT_THE_END = """
import sys
from types import SimpleNamespace
import locust
import gevent
from botproof.workloads.distributed import Workers
from botproof.workloads.load_run import Limits, LoadRun

# number, name, intended, finished, status, error, timed_out, unsent: as a worker packs them
LAST = [[n, "/price", 30.0, 36.0, 0, "no answer", True, False] for n in range(3_000, 3_050)]


class Runner:
    def __init__(self):
        nodes = {"a": SimpleNamespace(id="a", state="running")}
        nodes["b"] = SimpleNamespace(id="b", state="running")
        self.clients = SimpleNamespace(all=list(nodes.values()), get=nodes.get)

    def register_message(self, name, listener):
        self.listener = listener

    def send_message(self, name, data, worker):
        gevent.spawn_later(0.2, self.answer, worker)

    def answer(self, worker):
        if worker == "b" and "lost" in sys.argv:
            self.clients.get("b").state = "missing"
            return
        told = {"botproof_outcomes": LAST if worker == "b" else []}
        self.listener(environment=None, msg=SimpleNamespace(node_id=worker, data=told))


run = LoadRun(Limits(2.0, 0.001, 5.0, 24_000), 0.0, iter(()))
workers = Workers(Runner(), run, lambda: None)
for number in range(3_000):
    good = [number, "/price", number / 100, number / 100, 200, ""]
    workers._take("a", {"botproof_outcomes": [good]})
workers.hear_out()
run.time_is_up()
print(run.verdict().value, run.failures, run.broken)
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("", "FAIL 50"),
        ("lost", "ERROR 0 worker b was lost, and what it had sent is not known"),
    ],
    ids=["told", "lost"],
)
def test_nothing_is_judged_before_each_worker_has_told_what_it_knows(how: str, said: str) -> None:
    """A host that falls silent shortly before the end is seen only in the last reports."""
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END, how],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout.strip() == said, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("killed", [1, 2], ids=["one", "all"])
def test_a_lost_worker_is_an_error_because_its_outcomes_are_unknown(
    host: Host, two_workers: tuple[str, ...], killed: int
) -> None:
    """A worker that is killed must not turn into fewer, all good, requests."""
    answered = threading.Event()

    def answer(request: Request) -> Response:
        # The probe before the load asks /health, when no worker is there yet.
        if request.path != "/health":
            answered.set()
        return GOOD

    command = [sys.executable, "-m", "locust", "-f", str(SCRIPT), "--headless", *two_workers]
    with subprocess.Popen(
        [*command, "--host", host(answer), "--rate", "20", "--run-time", "60s"],
        stderr=subprocess.PIPE,
        text=True,
    ) as master:
        assert answered.wait(600)
        for worker in psutil.Process(master.pid).children()[:killed]:
            worker.kill()
        _, said = master.communicate(timeout=600)
    assert master.returncode == 3, said
    assert "was lost, and what it had sent is not known" in said
