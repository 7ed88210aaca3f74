"""Bots that are forked are processes like others, and none outlives the tests that started it."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from contract_tests.fork_server import ForkServer

NOBODY = "http://127.0.0.1:9"
SETTINGS = {
    "TELEGRAM_BOT_TOKEN": "4242:AAExampleExampleExampleExampleExample",
    "TELEGRAM_ALLOWED_USERS": "*",
    "TELEGRAM_API_BASE_URL": NOBODY,
    "MARKET_DATA_URL": NOBODY,
    "BOT_MODE": "polling",
    "WEBHOOK_PORT": "0",
}
OWNER = f"""
import sys
from pathlib import Path
from contract_tests.fork_server import ForkServer
fork_server = ForkServer()
bot = fork_server.start(Path(sys.argv[1]), {SETTINGS})
bot.stderr.readline()
print(bot.pid, flush=True)
sys.stdin.readline()
"""


def test_settings_and_exit_codes_are_a_bot_s_own(fork_server: ForkServer, tmp_path: Path) -> None:
    """The next one knows nothing of the variables of the one before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TELEGRAM_BOT_TOKEN", "of the tests, and no token")
        good = fork_server.start(tmp_path, SETTINGS)
        assert good.stderr.readline().startswith("{")
        assert good.poll() is None
        good.send_signal(signal.SIGTERM)
        assert good.wait(60) == 0
        good.stderr.close()
    wrong = fork_server.start(tmp_path, {})
    assert "TELEGRAM_BOT_TOKEN" in wrong.stderr.read()
    assert wrong.wait(60) == 2
    wrong.stderr.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_who_ended_by_a_signal_says_so(
    fork_server: ForkServer, tmp_path: Path, number: int
) -> None:
    bot = fork_server.start(tmp_path, SETTINGS)
    bot.stderr.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        bot.wait(0.0)
    bot.send_signal(number)
    assert bot.wait(60) == -number
    bot.kill()  # there is nobody left to be killed
    bot.stderr.close()


def test_who_still_runs_ends_with_the_tests(tmp_path: Path) -> None:
    with ForkServer() as fork_server:
        bot = fork_server.start(tmp_path, SETTINGS)
        bot.stderr.readline()
    assert bot.wait(60) == -signal.SIGKILL
    bot.stderr.close()


def test_who_still_runs_ends_with_tests_that_are_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as owner:
        pidfd = os.pidfd_open(int(owner.stdout.readline()))
        owner.kill()
    assert select.select([pidfd], [], [], 60)[0]
    os.close(pidfd)
