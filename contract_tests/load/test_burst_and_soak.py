"""`locust -f load/burst.py` and `load/soak.py` as a user starts them."""

import itertools
import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from botproof.doubles.messages import Handler, json_response
from botproof.workloads.arrivals import bursts, in_burst

GOOD = json_response({"success": True, "data": {}})
Host = Callable[[Handler], str]
Locust = Callable[..., subprocess.CompletedProcess[str]]
AS_SLOW_AS_THE_MACHINE = ("--latency-budget", "300", "--rollback-latency", "300")
"""The host is a thread of this process: nothing that is about errors or memory asks it for speed,
and no moment in which the load generator was held up is left out."""


def test_bursts_come_at_the_end_of_every_period() -> None:
    shape = {"every_s": 10.0, "length_s": 2.0}
    due = list(itertools.islice(bursts(5, 100, **shape), 3 * (8 * 5 + 200)))
    assert due == sorted(due)
    rush = [each for each in due if in_burst(each, **shape)]
    assert len(rush) == 3 * 200
    assert rush[:2] == [8.0, 8.01]
    assert rush[200] == 18.0


@pytest.mark.parametrize(
    ("rates", "shape", "said"),
    [
        ((0, 10), (10, 2), "both must be above 0"),
        ((5, 10), (2, 2), "does not fit into a period"),
    ],
)
def test_bursts_that_cannot_be_are_refused(
    rates: tuple[float, float], shape: tuple[float, float], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        bursts(*rates, every_s=shape[0], length_s=shape[1])


@pytest.mark.slow
def test_a_burst_run_waits_for_its_bursts_and_tells_them_apart(host: Host, locust: Locust) -> None:
    run = locust(
        "burst",
        *("--host", host(lambda _: GOOD), "--rate", "400", "--quiet-rate", "50"),
        *("--burst-every", "2", "--burst-length", "1", "--bursts", "3"),
        *("--error-budget", "0.01", *AS_SLOW_AS_THE_MACHINE),
    )
    assert run.returncode == 0, run.stderr
    counted = re.search(r"n=([\d,]+)", run.stderr)
    assert counted is not None
    # without waiting, 350 requests would have been enough evidence
    assert int(counted[1].replace(",", "")) >= 3 * (50 + 400)
    assert "in bursts: p50" in run.stderr
    assert "between them: p50" in run.stderr


@pytest.mark.slow
def test_a_soak_goes_on_to_its_end_and_watches_the_memory_of_a_process(
    host: Host, locust: Locust
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as idle:
        run = locust(
            "soak",
            *("--host", host(lambda _: GOOD), "--rate", "300", "--run-time", "14s"),
            *("--window", "1", "--pid", str(idle.pid)),
            *("--error-budget", "0.01", *AS_SLOW_AS_THE_MACHINE),
        )
    assert run.returncode == 0, run.stderr
    assert len(re.findall(r"soak, minute", run.stderr)) >= 10
    assert f"memory of process {idle.pid}: +0.0 kB per 1,000 requests" in run.stderr
    counted = re.search(r"n=([\d,]+)", run.stderr)
    assert counted is not None
    # 318 would have been enough evidence
    assert int(counted[1].replace(",", "")) > 1_000


@pytest.mark.slow
def test_a_soak_finds_a_process_that_keeps_a_kilobyte_of_every_request(locust: Locust) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LEAKY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as leaky:
        assert leaky.stdin is not None
        assert leaky.stdout is not None
        url = leaky.stdout.readline().strip()
        run = locust(
            "soak",
            *("--host", url, "--rate", "300", "--run-time", "14s"),
            *("--window", "1", "--pid", str(leaky.pid), *AS_SLOW_AS_THE_MACHINE),
        )
        leaky.terminate()
    assert run.returncode == 1, run.stderr
    assert f"memory of process {leaky.pid}: +1" in run.stderr


LEAKY = """
import asyncio
from botproof.doubles.messages import json_response
from botproof.doubles.server import serve

kept = [bytes(1_000) for _ in range(20_000)]  # what the start left free is used up: growth shows

def answer(request):
    kept.append(request.body.ljust(1_000, b"."))
    return json_response({"success": True, "data": {}})

async def main():
    server = await serve(answer)
    print(server.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
