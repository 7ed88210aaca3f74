"""A bot that nobody here wrote, rebuilt small: what is wrong with it is found, and nothing else.

It uses ccxt and gunicorn, which live in an environment of their own (`nox -s peers`); where they
are not installed these tests are skipped.
"""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from contract_tests.gate_run import GateRun

pytest.importorskip("ccxt", reason="needs ccxt, in an environment of its own")
pytest.importorskip("gunicorn", reason="needs gunicorn, in an environment of its own")

pytestmark = pytest.mark.timeout(900)  # one gate in three modes, one of them mute

BOT = Path(__file__).parents[2] / "fixtures" / "bots" / "two_entries"


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The verdict of one gate, by check."""
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    folder = tmp_path_factory.mktemp("two_entries") / "bot"
    shutil.copytree(BOT, folder)
    (folder / "golden").mkdir()
    price = "you: /price btc\n--- message\nBTC/USDT 95234.2\n"
    (folder / "golden" / "price.txt").write_text(price)
    start = "you: /start\n--- message\nWelcome! Try /price BTC\n"
    (folder / "golden" / "start.txt").write_text(start)
    run = GateRun(folder / "report", cwd=folder)
    assert run.exit_code == 1, run.output
    return run.checks


def lines(check: dict[str, Any], mode: str) -> str:
    return "\n".join(line for line in check["evidence"] if line.startswith(f"{mode}: "))


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("flask", "the first update after the start is answered otherwise than the same later"),
        ("flask", "none is declared: setWebhook was called without secret_token"),
        ("flask", "JSON that is no update → HTTP 500, and anybody may send it"),
        ("flask", "the same update, twice → "),
        ("polling", "an empty allow-list lets everybody in: /start by a stranger"),
        ("gunicorn", "GET /health says well (200) while nothing is answered (webhook: HTTP 500)"),
    ],
)
def test_what_comes_to_the_door_is_found_and_said(checks, mode: str, words: str) -> None:
    assert checks["door"]["verdict"] == "FAIL"
    assert words in lines(checks["door"], mode)


def test_a_bot_that_gunicorn_never_starts_is_mute(checks) -> None:
    assert checks["boot"]["verdict"] == "FAIL"
    assert "gunicorn: the bot answered none of 2 updates" in "\n".join(checks["boot"]["evidence"])


def test_an_event_loop_a_request_differs_from_polling(checks) -> None:
    assert checks["parity"]["verdict"] in {"FAIL", "INCONCLUSIVE"}  # the latter on a busy machine
    assert "An error occurred" in "\n".join(checks["parity"]["evidence"])


def test_stock_ccxt_has_its_prices_by_the_real_hosts_names(checks) -> None:
    """Nothing false is said: the doubles lack nothing, and polling's replies are the approved."""
    assert "doubles" not in checks
    assert "harness" not in checks
    golden = "\n".join(checks["golden"]["evidence"])
    assert "(polling)" not in golden
    assert "Unknown" not in golden
