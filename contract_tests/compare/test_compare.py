"""Comparing two builds: the statistics, the verdicts, and two real pairs."""

import json
import math
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import sleep

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from botproof.compare.judge import judge, page
from botproof.compare.run import Measured, order
from botproof.compare.sides import Side, side
from botproof.compare.stats import compare
from botproof.problems import UsageError
from botproof.verdict import Verdict

ROOT = Path(__file__).parents[2]
values = st.lists(st.floats(0.1, 1_000), min_size=3, max_size=9)


@given(st.lists(st.integers(1, 10_000), min_size=6, max_size=16, unique=True), st.integers(3, 8))
def test_the_exact_p_is_the_one_that_others_compute(numbers: list[int], cut: int) -> None:
    a, b = numbers[: min(cut, len(numbers) - 3)], numbers[min(cut, len(numbers) - 3) :]
    expected = mannwhitneyu(a, b, alternative="two-sided", method="exact").pvalue
    assert compare(a, b).p == pytest.approx(expected)


def test_a_published_interval() -> None:
    """Hollander & Wolfe, table 4.1: permeability of the human chorioamnion (shift of B)."""
    term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    weeks = [1.15, 0.88, 0.90, 0.74, 1.21]
    found = compare(weeks, term)
    assert found.p == pytest.approx(0.2544, abs=2e-4)
    assert found.larger == pytest.approx(35 / 50)


def test_too_few_runs_for_the_confidence_have_no_interval() -> None:
    found = compare([1, 2, 3], [4, 5, 6], alpha=0.05)
    assert (found.low, found.high) == (0, math.inf)
    assert found.judge(0.1) is Verdict.INCONCLUSIVE


@given(values, values, st.floats(0.1, 10))
def test_the_unit_does_not_matter_and_swapping_inverts(
    a: list[float], b: list[float], unit: float
) -> None:
    one = compare(a, b)
    other = compare([unit * each for each in a], [unit * each for each in b])
    swapped = compare(b, a)
    assert one.ratio == pytest.approx(other.ratio)
    assert one.ratio == pytest.approx(1 / swapped.ratio)
    assert one.low == pytest.approx(1 / swapped.high if math.isfinite(swapped.high) else 0)
    assert one.low <= one.ratio * 1.000001
    assert one.ratio <= one.high * 1.000001


def test_the_interval_holds_what_it_promises() -> None:
    """A true ratio of 1.2 lies inside in 95 of 100 comparisons of 8 runs, or a little more."""
    rng = random.Random(7)  # noqa: S311 - noise, not a secret
    inside = 0
    for _ in range(2_000):
        a = [rng.lognormvariate(0, 0.3) for _ in range(8)]
        b = [1.2 * rng.lognormvariate(0, 0.3) for _ in range(8)]
        found = compare(a, b)
        inside += found.low <= 1.2 <= found.high
    assert 0.94 < inside / 2_000 < 0.965


@pytest.mark.parametrize(
    ("a", "b", "said"), [([1, 2], [1, 2, 3], "at least 3"), ([0, 1, 2],) * 2 + ("above zero",)]
)
def test_what_cannot_be_compared_is_refused(a: list[float], b: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(a, b)


def test_turns_alternate_so_that_neither_always_comes_second() -> None:
    assert order(4) == [0, 1, 1, 0, 0, 1, 1, 0]


def measured(name: str, *latencies: float, failures: int = 0) -> Measured:
    found = Measured(Side(name, url="http://x"), {"median latency, ms": list(latencies)})
    found.requests, found.failures = 600 * len(latencies), failures
    return found


BASE = (10.0, 10.1, 10.2, 9.9, 10.3, 10.0)


@pytest.mark.parametrize(
    ("b", "verdict"),
    [
        (BASE, Verdict.PASS),
        (tuple(1.5 * each for each in BASE), Verdict.FAIL),
        (tuple(0.5 * each for each in BASE), Verdict.PASS),
        ((5.0, 20.0, 9.0, 14.0, 30.0, 8.0), Verdict.INCONCLUSIVE),
        (tuple(1.05 * each for each in BASE), Verdict.PASS),
        (tuple(3 * each for each in BASE[:4]), Verdict.INCONCLUSIVE),
    ],
    ids=["same", "half-slower", "faster", "noise", "within-tolerance", "too-few-runs"],
)
def test_the_verdict_is_about_b_being_worse(b: tuple[float, ...], verdict: Verdict) -> None:
    result = judge(measured("a", *BASE), measured("b", *b), tolerance=0.1, error_limit=0.001)[0]
    assert result.verdict is verdict, result


def test_a_b_that_fails_its_requests_fails_however_fast_it_is() -> None:
    fast = measured("b", *(0.1 * each for each in BASE), failures=40)
    results = judge(measured("a", *BASE), fast, tolerance=0.1, error_limit=0.001)
    assert [result.verdict for result in results] == [Verdict.PASS, Verdict.FAIL]
    assert results[1].measurement == "A 0 of 3,600, B 40 of 3,600"


def test_the_page_plots_every_run_and_needs_nothing_else() -> None:
    a, b = measured("<a>", *BASE), measured("b", *BASE)
    text = page(a, b, judge(a, b, tolerance=0.1, error_limit=0.001))
    assert text.count("<svg") == 1
    assert "&lt;a&gt;" in text
    assert "http" not in text.replace("http-equiv", "")


def test_what_is_neither_commit_nor_url_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no commit"):
        side("no-such-thing", ROOT / "botproof.toml", tmp_path)


Slow = Callable[[float], str]


@pytest.fixture
def service() -> Iterator[Slow]:
    """Hosts that answer each price after so many seconds."""
    servers = []

    def start(seconds: float) -> str:
        class Answer(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                sleep(seconds)
                body = b'{"success": true, "data": {}}'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def botproof_compare(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "botproof", "compare", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=800, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_slower_host_is_worse_and_by_how_much(service: Slow, tmp_path: Path) -> None:
    # Far longer than what a busy machine adds to both: that brings a ratio nearer to 1.
    done = botproof_compare(
        *(service(0.05), service(0.25), "--runs", "5", "--requests", "60", "--warm-up", "10"),
        *("--rate", "60", "--report-dir", str(tmp_path)),
    )
    assert done.returncode == 1, done.stdout + done.stderr
    document = json.loads((tmp_path / "verdict.json").read_text())
    median = document["checks"][0]
    assert (median["check"], median["verdict"]) == ("median latency, ms", "FAIL")
    assert 2 < median["data"]["ratio"] < 5.5
    assert len(median["data"]["a"]) == len(median["data"]["b"]) == 5
    assert (tmp_path / "compare.html").exists()


SERVICE = """
import http.server, os

class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b'{"success": true, "data": {}}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = answer
    def log_message(self, *_):
        pass

KEPT = bytes(range(256)) * 4096 * WEIGHT
import signal
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer)
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
"""
BOT = """
import os, signal, urllib.request
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
while True:
    urllib.request.urlopen(f"{os.environ['API']}/bot{os.environ['TOKEN']}/getUpdates?timeout=20")
"""
CONFIG = f"""
[bot]
command = ["{{python}}", "-m", "shop.bot"]
ready = "telegram"
env = {{ API = "{{url:telegram_double}}", TOKEN = "{{token}}", NO_PROXY = "*" }}

[modes.polling]

[services.shop]
command = ["{{python}}", "-m", "shop.service"]
ready = "{{url:shop}}/"
env = {{ PORT = "{{port:shop}}" }}

[load]
script = {json.dumps(str(ROOT / "load" / "price.py"))}
host = "{{url:shop}}"
"""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_commit_that_needs_more_memory_is_found(tmp_path: Path) -> None:
    """Two commits of a project of their own: the second keeps twenty megabytes."""
    project = tmp_path / "project"
    (project / "shop").mkdir(parents=True)
    (project / "botproof.toml").write_text(CONFIG)
    (project / "shop" / "__init__.py").write_text("")
    (project / "shop" / "bot.py").write_text(BOT)
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(project))
    subprocess.run([*git, "init", "-q"], check=True)
    for weight in ("0", "20"):
        (project / "shop" / "service.py").write_text(SERVICE.replace("WEIGHT", weight))
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", weight], check=True)

    done = botproof_compare(
        *("HEAD~1", "HEAD", "--runs", "5", "--requests", "40", "--warm-up", "10"),
        *("--rate", "60", "--report-dir", str(tmp_path / "report")),
        cwd=project,
    )
    document = json.loads((tmp_path / "report" / "verdict.json").read_text())
    checks = {check["check"]: check for check in document["checks"]}
    assert checks["shop PSS, MB"]["verdict"] == "FAIL", done.stdout + done.stderr
    grown = [b - a for a, b in zip(*(checks["shop PSS, MB"]["data"][k] for k in "ab"), strict=True)]
    assert all(grow == pytest.approx(20.97, abs=1.5) for grow in grown)
    assert checks["bot PSS, MB"]["verdict"] == "PASS"
    assert done.returncode == 1
