"""`locust -f load/price.py` as a user starts it, against good hosts and bad ones."""

import asyncio
import itertools
import json
import re
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from botproof.doubles.messages import Handler, Request, Response, Transport, json_response
from botproof.stats import percentile

GOOD = json_response({"success": True, "data": {}})
Host = Callable[[Handler], str]
Locust = Callable[..., subprocess.CompletedProcess[str]]
SLOWLY = ("--rate", "20")
"""Enough for a FAIL in seconds, and little to send: a generator that has to share its processors
with ten others keeps up."""
PATIENTLY = ("--latency-budget", "300", "--rollback-latency", "300")
"""For what is not about time: the host is a thread of this process, and as slow as the machine; and
no moment in which the load generator was held up is left out."""


def every(number: int, bad: Response) -> Handler:
    """A handler whose every `number`th answer is `bad`."""
    count = 0

    def answer(_: Request) -> Response:
        nonlocal count
        count += 1
        return bad if count % number == 0 else GOOD

    return answer


@pytest.mark.slow
def test_a_good_host_passes_with_enough_evidence_and_logs_every_request(
    host: Host, tmp_path: Path, locust: Locust
) -> None:
    log = tmp_path / "requests.jsonl"
    asked: list[object] = []

    def answer(request: Request) -> Response:
        asked.append((request.path, json.loads(request.body)["symbol"]))
        return GOOD

    run = locust(
        *("price", "--host", host(answer), "--rate", "500", "--request-log", str(log)),
        *PATIENTLY,
    )

    assert run.returncode == 0, run.stderr
    assert "verdict: PASS" in run.stderr
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines = [line for line in lines if "held_s" not in line]
    assert len(lines) >= 4_308  # what the sequential test needs without a failure
    assert all(line["ok"] and line["status"] == 200 for line in lines)
    assert {("/price", "DOGE"), ("/combined_price", "BTC")} <= set(asked)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (json_response({"success": False}, 502), "HTTP 502"),
        (json_response({"success": False}), 'HTTP 200, but no "success": true'),
        (Response(body=b"<html>", content_type="text/html"), "the body is not JSON"),
        (Response(transport=Transport.RESET), "no answer"),
    ],
    ids=["status", "success-false", "html", "reset"],
)
def test_two_percent_bad_answers_fail_and_are_named(
    host: Host, bad: Response, said: str, locust: Locust
) -> None:
    run = locust("price", "--host", host(every(50, bad)), "--rate", "50", *PATIENTLY)
    assert run.returncode == 1, run.stderr
    assert "verdict: FAIL" in run.stderr
    assert said in run.stderr


def test_a_host_that_never_answers_fails(host: Host, locust: Locust) -> None:
    run = locust("price", "--host", host(lambda _: Response(transport=Transport.SILENT)), *SLOWLY)
    assert run.returncode == 1, run.stderr
    assert "no answer within 6 s" in run.stderr


def test_a_host_that_dies_during_the_load_fails(locust: Locust) -> None:
    """The gate knows that the host was there: who asks nobody now asks a dead one."""
    run = locust("price", "--host", "http://127.0.0.1:9", "--no-probe", *SLOWLY, *PATIENTLY)
    assert run.returncode == 1, run.stderr
    assert "ConnectionRefusedError" in run.stderr


def test_a_host_that_freezes_for_three_seconds_shows_in_the_99th_percentile(
    host: Host, tmp_path: Path, locust: Locust
) -> None:
    """The stall hits everyone who was due in it, not only the few whose connection waited."""
    log = tmp_path / "requests.jsonl"
    count = 0
    frozen_until = 0.0

    async def answer(_: Request) -> Response:
        nonlocal count, frozen_until
        loop = asyncio.get_running_loop()
        count += 1
        if count == 100:
            frozen_until = loop.time() + 3
        await asyncio.sleep(max(0.0, frozen_until - loop.time()))
        return GOOD

    run = locust(
        "price",
        *("--host", host(answer), "--rate", "100", "--users", "20"),
        *("--max-requests", "700", "--request-log", str(log)),
        *PATIENTLY,
    )

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines = [line for line in lines if "held_s" not in line]
    # 100 a second were due for three seconds; a closed loop of 20 users would report 20 of them,
    # and its 99th percentile would be as good as ever
    assert sum(line["latency_s"] > 1 for line in lines) > 150
    assert percentile([line["latency_s"] for line in lines], 0.99) > 2
    assert run.returncode == 2, "700 good requests prove nothing about 0.1 %"
    assert "INCONCLUSIVE" in run.stderr
    assert "the load is too short" in run.stderr or "too close" in run.stderr


def test_a_row_of_requests_over_five_seconds_fails_whatever_the_error_rate(
    host: Host, locust: Locust
) -> None:
    """The roll-back rule stands beside the error budget: four in a row are enough.

    More than four are slow here: the first and the last may change places on the way.
    """
    count = 0

    async def answer(_: Request) -> Response:
        nonlocal count
        count += 1
        # So long that they took over 5 s without what the generator may be held up meanwhile.
        await asyncio.sleep(14.0 if 40 < count <= 54 else 0)
        return GOOD

    run = locust(
        "price",
        *("--host", host(answer), "--rate", "20", "--arrivals", "constant"),
        *("--max-requests", "200", "--latency-budget", "300"),
    )
    assert run.returncode == 1, run.stderr
    found = re.search(r"at most (\d+) in a row over 5 s", run.stderr)
    assert found is not None, run.stderr
    assert int(found[1]) >= 4
    assert "failures=0" in run.stderr


def test_a_run_cut_short_counts_what_nobody_could_send(host: Host, locust: Locust) -> None:
    """All users are stuck: the arrivals that waited longer than the budget have failed too."""
    asked = itertools.count(1)
    all_stuck = threading.Event()

    def stuck(_: Request) -> Response:
        if next(asked) == 50:
            threading.Timer(4.0, all_stuck.set).start()  # more come meanwhile than there are users
        return Response(transport=Transport.SILENT)

    run = locust(
        *("price", "--host", host(stuck), "--users", "2", "--rate", "50", "--no-probe"),
        *("--latency-budget", "1", "--error-budget", "0.9"),
        ended_by=all_stuck,
    )
    assert "2 users would be too few: 50 are started" in run.stderr
    assert "never sent: every user was still waiting" in run.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--host is None; it must be like http://127.0.0.1:8001"),
        (["--host", "http://127.0.0.1:9", "--rate", "0"], "--rate is 0.0; it must be above 0"),
        (["--host", "http://127.0.0.1:9", "--error-budget", "1"], "--error-budget is 1.0"),
    ],
)
def test_options_that_make_no_sense_are_an_error_not_a_verdict(
    arguments: list[str], said: str, locust: Locust
) -> None:
    run = locust("price", *arguments)
    assert run.returncode == 3
    assert said in run.stderr
    assert "verdict" not in run.stderr
