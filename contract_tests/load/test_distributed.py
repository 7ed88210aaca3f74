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

from botproof.doubles.server import Handler, Request, Response, Transport, json_response
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
        *("--host", host(answer), "--rate", "500", *two_workers),
        *("--request-log", str(log), "--max-requests", "24000", "--latency-budget", "30"),
    )

    assert run.returncode == 0, run.stderr
    assert "verdict: PASS" in run.stderr
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines = [line for line in lines if "held_s" not in line]
    assert len(lines) >= 4_308  # what a single process would have needed
    # one schedule dealt out, not one for each worker: no intended time comes twice …
    assert len({round(line["intended"], 4) for line in lines}) == len(lines)
    # … and every fifth of all arrivals asks for the bare price, whoever sends it
    assert asked["/price"] == pytest.approx(asked.total() / 5, rel=0.02)


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


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_lost_worker_is_an_error_because_its_outcomes_are_unknown(
    host: Host, two_workers: tuple[str, ...]
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
        psutil.Process(master.pid).children()[0].kill()
        _, said = master.communicate(timeout=600)
    assert master.returncode == 3, said
    assert "was lost, and what it had sent is not known" in said
