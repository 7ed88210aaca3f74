"""What goes wrong on the side of the one who measures is never a FAIL of the host.

Each case starts a load script as a user does, against a host that is in perfect health.
"""

import asyncio
import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from botproof.doubles.messages import Handler, Request, Response, json_response
from botproof.workloads.probe import host_problem, normal_host, not_market_data, unreachable

GOOD = json_response({"success": True, "data": {}})
SCRIPT = Path(__file__).parents[2] / "load" / "price.py"
Host = Callable[[Handler], str]
Locust = Callable[..., subprocess.CompletedProcess[str]]
QUICK = ("--rate", "300", "--error-budget", "0.01")
"""A budget that some 600 requests prove."""
LIGHT = ("--rate", "50", "--error-budget", "0.05")
"""One that some 120 prove, with little to do for a machine that has other work."""


def healthy(_: Request) -> Response:
    return GOOD


def strict(request: Request) -> Response:
    """Knows its paths, as a real service does, and nothing else."""
    return (
        GOOD if request.path in {"/price", "/combined_price", "/health"} else Response(404, b"{}")
    )


@pytest.mark.slow
def test_a_generator_that_is_stopped_for_three_seconds_mends_itself(host: Host) -> None:
    """A laptop that goes to sleep, a machine that is moved, a debugger: the host did nothing."""
    asked = threading.Event()
    count = 0

    def answer(request: Request) -> Response:
        nonlocal count
        count += request.path != "/health"
        if count == 40:
            asked.set()
        return GOOD

    command = [sys.executable, "-m", "locust", "-f", str(SCRIPT), "--headless", "--only-summary"]
    with subprocess.Popen(
        [*command, "--host", host(answer), *LIGHT], stderr=subprocess.PIPE, text=True
    ) as generator:
        assert asked.wait(300)
        os.kill(generator.pid, signal.SIGSTOP)
        threading.Event().wait(3.0)  # the fault itself is a time
        os.kill(generator.pid, signal.SIGCONT)
        _, said = generator.communicate(timeout=800)
    assert generator.returncode == 0, said
    assert "failures=0" in said
    assert "the load generator was held up for" in said
    # What was due while it stood still is not sent at once afterwards, which no host has earned.
    counted = re.search(r"n=([\d,]+), .*?: ([\d,]+) requests of these times", said, re.DOTALL)
    assert counted is not None, said
    taken = sum(int(number.replace(",", "")) for number in counted.groups())
    assert taken - count > 60


def test_a_slash_at_the_end_of_the_host_changes_nothing(host: Host, locust: Locust) -> None:
    # Decided by a few, and by none that is late: the host is a thread of this busy process.
    light = ("--rate", "100", "--error-budget", "0.03")
    patiently = ("--latency-budget", "300", "--rollback-latency", "300")
    run = locust("price", "--host", f"{host(strict)}//", *light, *patiently)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda _: "http://127.0.0.1:9", "nobody listens there"),
        (lambda _: "http://market-data.invalid:8001", "no machine of the name"),
        (lambda url: url.replace("http:", "https:"), "does not speak https"),
        (lambda url: f"{url}/prices", "it is no market-data service"),
        (lambda url: url.replace("http://", ""), "it must be like http://127.0.0.1:8001"),
        (lambda url: f"{url}0000000", "Port out of range"),
    ],
    ids=["port", "name", "scheme", "path", "no-scheme", "digits"],
)
def test_a_host_that_is_mistyped_is_an_error_and_is_not_loaded(
    host: Host, locust: Locust, wrong: Callable[[str], str], said: str
) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.path)
        return strict(request)

    run = locust("price", "--host", wrong(host(answer)))
    assert run.returncode == 3, run.stderr
    assert said in run.stderr
    assert len(asked) <= 2


def test_http_to_a_host_that_speaks_https_is_told_apart() -> None:
    """Such a server hangs up, as a sick one may: hence a second look."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with contextlib.suppress(OSError):  # the listening socket is closed at the end
                while True:
                    accepted, _ = listening.accept()
                    with contextlib.suppress(OSError), accepted:
                        context.wrap_socket(accepted, server_side=True).close()

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert "speaks https, not http" in not_market_data(url, "BTC")
        listening.shutdown(socket.SHUT_RDWR)


def test_hosts_as_people_write_them() -> None:
    assert normal_host(" http://h:1/ ") == "http://h:1"
    assert host_problem("http://h:1/api/") == ""
    for wrong in (
        None,
        "",
        "h:1",
        "ftp://h",
        "http://",
        "http://h:1?x",
        "http://h:x",
        "http://a b",
    ):
        assert "it must" in host_problem(wrong), wrong


def test_a_sick_host_is_not_taken_for_a_wrong_one(host: Host) -> None:
    """It lost its health page, or its prices, or says 500 to everything: it is still the target."""
    for sick in (
        lambda request: Response(404, b"{}") if request.path == "/health" else GOOD,
        lambda request: GOOD if request.path == "/health" else Response(404, b"{}"),
        lambda _: Response(500, b"{}"),
    ):
        assert not_market_data(host(sick), "BTC") == ""
    assert unreachable(host(healthy)) == ""


def script(tmp_path: Path, *lines: str) -> list[str]:
    """A load script of somebody's own, as the command that runs it."""
    path = tmp_path / "own.py"
    path.write_text("\n".join(lines))
    return [sys.executable, "-m", "locust", "-f", str(path), "--headless", "--only-summary"]


HEAD = (
    "from botproof.workloads.open_loop import OpenLoopUser, Plan, install",
    "def fail(*_):",
    "    raise KeyError('symbol')",
)
ASKER = (
    "class Asker(OpenLoopUser):",
    "    def ask(self, number):",
    "        return self.post('/price', {})",
)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            (
                *HEAD,
                "install()",
                *ASKER[:2],
                "        return fail() if number == 7 else self.post('/price', {})",
            ),
            "the load script raised KeyError: 'symbol' at",
        ),
        ((*HEAD, "install(Plan(watch=fail))", *ASKER), "the load script raised KeyError"),
        ((*HEAD, "install(Plan(judge=fail))", *ASKER), "the verdict could not be made"),
        ((*HEAD, "install(Plan(notes=fail))", *ASKER), "the verdict could not be made"),
        ((*HEAD, "install(Plan(due=fail))", *ASKER), "the load could not be started"),
        (
            (*HEAD, "install(Plan(due=lambda _: map(fail, [0, 1])))", *ASKER),
            "the load script raised KeyError",
        ),
        (
            (*HEAD, "install()", *ASKER, "    def on_start(self):", "        fail()"),
            "the load script raised KeyError",
        ),
        ((*HEAD, "install()", "fail()", *ASKER), "ERROR"),
    ],
    ids=["ask", "watch", "judge", "notes", "due", "due-later", "on_start", "import"],
)
def test_a_script_that_raises_is_an_error(
    host: Host, tmp_path: Path, lines: tuple[str, ...], said: str
) -> None:
    run = subprocess.run(
        [*script(tmp_path, *lines), "--host", host(healthy), "--max-requests", "50"],
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert run.returncode == 3, run.stderr
    assert said in run.stderr
    assert "verdict: FAIL" not in run.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--request-log", "/dev/full"), "No space left on device"),
        (("--request-log", "/nowhere/requests.jsonl"), "No such file or directory"),
        (("--histogram", "/dev/full"), "No space left on device"),
        (("--nosuch",), "unrecognized arguments"),
        (("--rate", "quick"), "invalid float value"),
    ],
    ids=["full-disk", "no-directory", "full-disk-at-the-end", "option", "value"],
)
def test_a_disk_or_an_option_is_an_error(
    host: Host, locust: Locust, arguments: tuple[str, ...], said: str
) -> None:
    run = locust("price", "--host", host(healthy), *QUICK, *arguments)
    assert run.returncode == 3, run.stderr
    assert said in run.stderr


def test_a_worker_that_never_comes_is_an_error(host: Host, locust: Locust) -> None:
    workers = ("--master", "--expect-workers", "2", "--expect-workers-max-wait", "1")
    run = locust("price", "--host", host(healthy), *workers, "--master-bind-port", "0")
    assert run.returncode == 3, run.stderr
    assert "Gave up waiting for workers to connect" in run.stderr


@pytest.mark.slow
def test_a_generator_without_files_left_is_an_error(host: Host, tmp_path: Path) -> None:
    """Each connection takes a file; the host never saw those that could not be opened."""
    limited = ("import resource", "resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))")
    asker = ("class Asker(OpenLoopUser):", "    def ask(self, number):")
    ask = "        return self.post('/price', {})"

    async def answer(_: Request) -> Response:
        await asyncio.sleep(0.5)  # so that many connections are open at a time
        return GOOD

    command = script(tmp_path, *HEAD, "install()", *limited, *asker, ask)
    run = subprocess.run(
        [*command, "--host", host(answer), "--rate", "200", "--max-requests", "400"],
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert run.returncode == 3, run.stderr
    assert "Too many open files" in run.stderr
