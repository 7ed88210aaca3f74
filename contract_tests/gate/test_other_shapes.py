"""A bot that keeps state, warms up, answers by photo and edit, stays in its topic, polls only."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

KEEPER = Path(__file__).parents[2] / "fixtures" / "bots" / "keeper"


@dataclass
class Run:
    """What one command said, and the results of the checks."""

    code: int
    output: str
    checks: Mapping[str, Any]

    def said(self, check: str) -> str:
        """The verdict and the measurement of a check."""
        return f"{self.checks[check]['verdict']}: {self.checks[check]['measurement']}"

    def evidence(self, check: str) -> str:
        """What a check shows."""
        return "\n".join(self.checks[check]["evidence"])


class Keeper:
    """The bot in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        shutil.copytree(KEEPER, directory, ignore=shutil.ignore_patterns("bot.db", "golden"))

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One command of botproof there."""
        command = [sys.executable, "-m", "botproof", *words]
        env = {**os.environ, "COLUMNS": "200"}
        done = subprocess.run(
            command, cwd=self.directory, env=env, capture_output=True, text=True, check=False
        )
        print(done.stdout, done.stderr)
        return done

    def gate(self) -> Run:
        """A whole gate."""
        done = self.run("gate")
        verdict = json.loads((self.directory / "reports/gate/verdict.json").read_text())
        checks = {each["check"]: each for each in verdict["checks"]}
        return Run(done.returncode, done.stdout, checks)

    def change(self, find: str, replace: str) -> None:
        """Change botproof.toml."""
        path = self.directory / "botproof.toml"
        text = path.read_text()
        assert find in text
        path.write_text(text.replace(find, replace, 1))


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Keeper:
    return Keeper(tmp_path_factory.mktemp("keeper") / "bot")


@pytest.fixture(scope="module")
def first(keeper: Keeper) -> Run:
    """The first run, of which the replies are approved and the record is kept."""
    run = keeper.gate()
    approved = keeper.run("golden", "approve")
    assert approved.returncode == 0, approved.stdout + approved.stderr
    shutil.copy(keeper.directory / "reports/gate/history.jsonl", keeper.directory / "earlier.jsonl")
    return run


@pytest.fixture(scope="module")
def second(keeper: Keeper, first: Run) -> Run:
    """The same build, compared with the first run; it finds the first one's database."""
    assert first.code == 2
    assert (keeper.directory / "bot.db").is_file()
    keeper.change("[gate]", '[parity]\nagainst = "earlier.jsonl"\n\n[gate]')
    return keeper.gate()


def test_one_mode_has_nothing_to_be_compared_with_and_that_is_said(first: Run) -> None:
    assert first.said("parity").startswith("INCONCLUSIVE: only polling played the workload; one")
    assert '[parity] against = "earlier.jsonl"' in first.evidence("parity")


@pytest.mark.parametrize(
    ("case", "reply"),
    [
        ("start", "--- message\nVisit 1."),
        ("start-again", "--- message\nVisit 2."),
        ("symbols", "--- message\nBTC, ETH"),
        ("chart", "--- sendPhoto\nBTC, one day"),
        ("menu", "--- message\nMenu\n[More → more]"),
        ("menu-tap", "--- answerCallbackQuery\n--- editMessageText\nMore of it"),
        ("tap", "--- answerCallbackQuery\n--- editMessageText\nMore of it"),
        ("in-a-topic", "--- message in topic 7\nBTC, ETH"),
    ],
)
def test_what_is_approved_is_what_its_user_saw(
    keeper: Keeper, first: Run, case: str, reply: str
) -> None:
    assert first.code == 2
    text = (keeper.directory / "golden" / f"{case}.txt").read_text()
    assert text.split("\n", 1)[1] == f"{reply}\n"


def test_the_second_run_begins_with_nothing_and_is_the_same_as_the_first(second: Run) -> None:
    assert second.code == 0, second.output
    assert second.said("golden") == "PASS: 8 replies equal, 0 silences kept"
    assert second.said("parity").startswith("PASS: compared with an earlier run, for there is one")


def test_a_build_that_changed_is_told_from_the_kept_run(keeper: Keeper, second: Run) -> None:
    assert second.code == 0
    keeper.change("LOADING_S", 'KEEPS_TOPIC = "no"\nSUFFIX = "!"\nLOADING_S')
    changed = keeper.gate()
    assert changed.code == 1
    assert "2 of 8 cases differ" in changed.said("parity")
    assert "symbols: /symbols" in changed.evidence("parity")
    assert "was asked in topic 7 and answered in no topic" in changed.evidence("golden")


def test_a_reset_that_fails_is_the_targets_failure_with_its_words(keeper: Keeper) -> None:
    keeper.change('"bot.py", "clear"', '"no_such_script.py"')
    keeper.change('["golden", "parity"]', '["boot"]')
    failed = keeper.gate()
    assert failed.code == 1
    assert "bot_reset ended with exit code 2 before it was ready" in failed.said("boot")
    assert "no_such_script.py" in failed.evidence("boot")
