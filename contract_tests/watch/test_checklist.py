"""`botproof checklist`: ticks what is measured, by the alerts' limits, and asks for the rest."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from botproof.watch.checklist import ITEMS, PHASES, Item, items, line, tick
from botproof.watch.judge import Sample
from botproof.watch.rules import RULES
from botproof.watch.settings import Settings, read

NOTHING: dict[tuple[str, str], float] = {}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    path = tmp_path / "watch.toml"
    path.write_text('[services.bot]\nhealth = "http://127.0.0.1:1/"\n')
    return read(path, {})


def test_every_phase_has_measured_and_asked_items_and_every_rule_is_known() -> None:
    names = {rule.name for rule in RULES}
    for phase in PHASES:
        items = [item for item in ITEMS if phase in item.phases]
        assert any(item.rules for item in items)
        assert any(not item.rules for item in items)
    assert {name for item in ITEMS for name in item.rules} - names == set()


@pytest.mark.parametrize(
    ("samples", "well"),
    [
        ([], None),
        ([Sample("disk_ratio", "/", 0.5)], True),
        ([Sample("disk_ratio", "/", 0.5), Sample("disk_ratio", "/data", 0.9)], False),
    ],
)
def test_an_item_is_ticked_by_the_limit_of_its_alert(
    settings: Settings, samples: list[Sample], well: bool | None
) -> None:
    assert tick(Item(("before",), "disk", ["disk"]), settings, samples, NOTHING).well is well


def test_a_counter_is_judged_by_what_it_grew_by(settings: Settings) -> None:
    item = Item(("hour",), "errors", ["errors"])
    assert tick(item, settings, [], {("errors", "bot"): 10.0}).well is True
    wrong = tick(item, settings, [], {("errors", "bot"): 11.0})
    assert line(wrong) == "[!] errors — bot: 11, limit 10"


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (Sample("answer_seconds", "question", 0.1151), "slow — question: 0.12 s, limit 5 s"),
        (
            Sample("webhook_error_age_seconds", "Telegram", 2.592e6),
            "webhook_errors — Telegram: 30 days, limit 3 min",
        ),
        (Sample("signal_age_seconds", "signals", 8000), "no_signal — signals: 2 h, limit 24 h"),
    ],
)
def test_times_are_told_as_people_tell_them(settings: Settings, sample: Sample, said: str) -> None:
    rule = said.split(maxsplit=1)[0]
    assert line(tick(Item(("day",), rule, [rule]), settings, [sample], NOTHING)) == f"[x] {said}"


@pytest.mark.parametrize(
    ("webhook", "asked"), [('webhook = "https://a.example/x"', True), ("", False)]
)
def test_a_bot_that_polls_is_asked_for_no_certificate(
    tmp_path: Path, webhook: str, asked: bool
) -> None:
    path = tmp_path / "watch.toml"
    token = "42:AAExampleExampleExampleExampleExample"
    services = '[services.bot]\nhealth = "http://127.0.0.1:1/"\n'
    path.write_text(f'{services}[telegram]\ntoken = "{token}"\n{webhook}\n')
    texts = [item.text for item in items("before", read(path, {}))]
    assert ("the certificate is valid for two weeks at least" in texts) is asked


def checklist(
    tmp_path: Path, text: str, phase: str = "before"
) -> "subprocess.CompletedProcess[str]":
    path = tmp_path / "watch.toml"
    path.write_text(text)
    command = [sys.executable, "-m", "botproof", "checklist", phase, "--config", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=800)


def test_what_is_down_is_named_and_ends_with_1(tmp_path: Path) -> None:
    done = checklist(tmp_path, '[services.bot]\nhealth = "http://127.0.0.1:1/"\n')
    assert done.returncode == 1
    assert "[!] every service answers at /health — bot: no (Connection refused)" in done.stdout
    assert "[ ] somebody who can log in to the machine is there for the next hour" in done.stdout


def test_without_a_person_what_only_a_person_knows_stays_open(tmp_path: Path, answers: Any) -> None:
    answers.by_path = {"/": (200, b"")}
    text = f'[services.bot]\nhealth = "{answers.url}/"\nready = "{answers.url}/"\n'
    done = checklist(tmp_path, text + "[rules.disk]\noff = true\n[rules.memory]\noff = true\n")
    assert done.returncode == 2, done.stdout
    assert "[x] every service answers at /health — bot: yes" in done.stdout
    assert "0 wrong" in done.stdout
