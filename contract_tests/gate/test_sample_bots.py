"""The gate on bots that know nothing of botproof: one that passes, one that is refused."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BOTS = Path(__file__).parents[2] / "fixtures" / "bots"


class Gate:
    """One run of `botproof gate` on a sample bot."""

    def __init__(self, bot: str, folder: Path, **env: str) -> None:
        command = [sys.executable, "-m", "botproof", "gate", "--report-dir", str(folder)]
        config = BOTS / bot / "botproof.toml"
        done = subprocess.run(
            [*command, "--config", str(config)],
            cwd=folder,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        self.exit_code = done.returncode
        self.output = done.stdout
        print(done.stdout, done.stderr)
        self.verdict: dict[str, Any] = json.loads((folder / "verdict.json").read_text())

    def check(self, name: str) -> str:
        """The verdict of one check."""
        found: str = next(c["verdict"] for c in self.verdict["checks"] if c["check"] == name)
        return found

    def shows(self, left: str, right: str) -> bool:
        """Whether the two-column diff has a row with these two sides."""
        rows = [line.partition(" |") for line in self.output.splitlines()]
        return any((a.strip(), b.strip()) == (left, right) for a, bar, b in rows if bar)


def test_a_bot_that_crashes_behind_a_supervisor_is_refused_by_name(tmp_path: Path) -> None:
    """It comes back within a fraction of a second and answers everything, once."""
    gate = Gate("supervised", tmp_path)

    assert gate.exit_code == 1, gate.output
    assert gate.check("boot") == "FAIL"
    assert gate.check("golden") == "PASS"
    # A process that has hardly begun when it ends is no established one; its update is known.
    assert "delivered again: the bot asked for it once more" in gate.output


def test_the_same_bot_passes_where_it_does_not_crash(tmp_path: Path) -> None:
    gate = Gate("supervised", tmp_path, CRASHES="no")

    assert gate.check("boot") == gate.check("golden") == "PASS", gate.output


def test_a_bot_in_aiogram_passes_in_both_modes(tmp_path: Path) -> None:
    gate = Gate("aiogram_bot", tmp_path)

    assert gate.exit_code == 0, gate.output
    assert gate.check("boot") == gate.check("golden") == gate.check("parity") == "PASS"


def test_entry_points_that_drifted_apart_are_refused_with_the_difference_in_plain_sight(
    tmp_path: Path,
) -> None:
    gate = Gate("drifted", tmp_path)

    assert gate.exit_code == 1, gate.output
    assert gate.check("boot") == "PASS"  # each of them starts, is healthy, and answers
    assert gate.check("parity") == "FAIL"
    assert "3 of 5 cases differ between modes" in gate.output
    # What the webhook's entry point lacks, beside what the other one says.
    assert gate.shows("polling", "webhook")
    assert gate.shows("🧠 MARKET INTELLIGENCE", "")
    assert gate.shows("--- message", "--- nothing")
    assert "volume: /volume ETH" in gate.output
    assert "cvd: /cvd BTC" in gate.output
    # What the two have in common is not shown as a difference.
    assert "price-unknown: /price NOPE" not in gate.output


def test_a_bot_that_is_healthy_and_mute_is_shown_with_what_it_did_instead(tmp_path: Path) -> None:
    gate = Gate("mute", tmp_path)

    assert gate.exit_code == 1, gate.output
    assert gate.check("boot") == "FAIL"
    assert gate.check("golden") in {"FAIL", "INCONCLUSIVE"}  # the latter on a busy machine
    for line in (
        "raises, refused: the bot answered none of 1 updates",
        "log of bot: KeyError: 'symbol'",
        'meanwhile: 200 {"status": "healthy"}',
        "price (raises): was never answered",
        'raise KeyError("symbol")',
        "sendMessage: 400 Bad Request: can't parse entities",
    ):
        assert line in gate.output
    assert "its webhook answered HTTP 500" in gate.output
