"""`botproof delivery` at the command line: what it refuses, what it leaves behind, how it ends."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from botproof.cli import USAGE_ERROR, main

ROOT = Path(__file__).parents[2]
PR_SET_CHILD_SUBREAPER = 36  # of <linux/prctl.h>
STOCK = ROOT / "fixtures/bots/stock_ptb/botproof.toml"


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The message of a command line that cannot be used."""
    code = main(["delivery", "--config", str(STOCK), *arguments])
    assert code == USAGE_ERROR
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--mode", "carrier_pigeon"], "--mode carrier_pigeon: is no mode of"),
        (["--updates", "0"], "--updates: is 0; it must be at least 1"),
        (["--updates", "5", "--kills", "6"], "--kills: is 6; it must be from 0 to the number"),
        (["--rate", "0"], "--rate: is 0.0; it must be above 0 updates a second"),
        (["--replicas", "0"], "--replicas: is 0; it must be at least 1"),
        (["--env", "NAME"], "--env NAME: give it as NAME=VALUE"),
        (["--redis-url", "redis://x"], "delivery.redis_env is missing"),
        (["--trouble", "redis-restart"], "--trouble redis-restart: give --redis-restart"),
        (["--trouble", "redis-evicting"], "--trouble redis-evicting: give --redis-url"),
        (["--trouble", "exchange-slow"], "has no [doubles.exchanges]"),
        (["--disk", "/no/such/place"], "--disk /no/such/place: is no directory"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_started(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert says in refused(capsys, *arguments)


def test_all_problems_are_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    text = refused(capsys, "--updates", "0", "--rate", "-1", "--env", "x")

    assert len(text.splitlines()) >= 3


def test_a_configuration_without_questions_is_told_what_to_add(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "botproof.toml"
    config.write_text('[bot]\ncommand = ["true"]\nready = "telegram"\n[modes.polling]\n')

    assert main(["delivery", "--config", str(config)]) == USAGE_ERROR
    assert 'say = ["/price {marker}"]' in capsys.readouterr().err


def command(tmp_path: Path, *arguments: str) -> list[str]:
    config = str(ROOT / "botproof.toml")
    fixed = ["--config", config, "--report-dir", str(tmp_path)]
    return [sys.executable, "-m", "botproof", "delivery", *fixed, *arguments]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_ends_with_a_table_and_its_papers(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path, "--mode", "polling", "--updates", "150", "--kills", "6"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    last = done.stdout.splitlines()[-1].split()
    assert (last[0], last[1], last[2], last[-1]) == ("polling", "160", "6", "PASS")
    (row,) = json.loads((tmp_path / "delivery.json").read_text())
    assert (row["run"], row["lost"], row["verdict"]) == ("polling", 0, "PASS")
    for name in ("history.jsonl", "verdict.json", "junit.xml", "summary.md"):
        assert (tmp_path / "polling" / name).is_file()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_bot_that_does_not_start_fails(tmp_path: Path) -> None:
    arguments = ("--updates", "10", "--kills", "0", "--env", "TELEGRAM_BOT_TOKEN=nonsense")
    done = subprocess.run(
        command(tmp_path, *arguments), cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "ended with exit code 2 before it was ready" in done.stdout


@pytest.fixture
def orphans() -> Iterator[Callable[[], list[psutil.Process]]]:
    """Processes that have lost their parent since the test began: they become ours."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
    before = psutil.Process().children()
    yield lambda: [child for child in psutil.Process().children() if child not in before]
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_sigterm_ends_a_run_with_an_error_and_leaves_no_process(
    tmp_path: Path, orphans: Callable[[], list[psutil.Process]]
) -> None:
    with subprocess.Popen(
        command(tmp_path, "--updates", "5000", "--kills", "50"),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as run:
        assert run.stdout is not None
        while " sent, " not in (line := run.stdout.readline()):
            assert line, "the run ended by itself"
        assert psutil.Process(run.pid).children()
        run.send_signal(signal.SIGTERM)
        output = run.stdout.read()

    assert run.returncode == 3, output
    assert "the run was ended by SIGTERM" in output
    _, alive = psutil.wait_procs(orphans(), timeout=60)
    assert not alive
