"""watch.toml: what it may say, and that every mistake is told at once."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from botproof.problems import UsageError
from botproof.watch.rules import RULES
from botproof.watch.settings import Settings, read, read_env_file

ROOT = Path(__file__).parents[2]
TOKEN = "42:AAExampleExampleExampleExampleExample"
Read = Callable[..., Settings]


@pytest.fixture
def settings(tmp_path: Path) -> Read:
    def load(text: str, **names: str) -> Settings:
        path = tmp_path / "watch.toml"
        path.write_text(text)
        return read(path, names)

    return load


def test_the_example_can_be_used(tmp_path: Path) -> None:
    text = (ROOT / "botproof/watch/watch.example.toml").read_text()
    (tmp_path / "watch.toml").write_text(text)
    read_settings = read(tmp_path / "watch.toml", {"TELEGRAM_BOT_TOKEN": TOKEN})
    assert [service.name for service in read_settings.services] == ["bot", "market-data"]
    assert read_settings.every_s == 30
    assert read_settings.rules == RULES


def test_every_line_of_the_example_that_is_switched_off_can_be_switched_on(tmp_path: Path) -> None:
    text = (ROOT / "botproof/watch/watch.example.toml").read_text()
    switched = re.sub(r"^# (?=\w+ = |\[)", "", text, flags=re.MULTILINE)
    assert switched.count("\n# ") < text.count("\n# ") - 10
    (tmp_path / "watch.toml").write_text(switched)
    names = ["TELEGRAM_BOT_TOKEN", "CANARY_BOT_TOKEN", "OPERATOR_BOT_TOKEN"]
    found = read(
        tmp_path / "watch.toml",
        {**dict.fromkeys(names, TOKEN), "OPERATOR_CHAT_ID": "-100", "WEBHOOK_URL": "https://a/b"},
    )
    assert found.canary is not None
    said = (ROOT / "golden/price-btc.txt").read_text()
    assert [part for part in found.canary.expect if part not in said] == []
    assert found.operator_chat == -100
    assert found.signals_metric == "bot_signal_last_timestamp_seconds"
    assert {rule.name for rule in RULES} - {rule.name for rule in found.rules} == {"venue"}


def test_every_mistake_is_told_at_once(settings: Read) -> None:
    with pytest.raises(UsageError) as caught:
        settings(
            """
            every_s = "often"
            evry = 1
            telegram_api = "telegram"
            [services.bot]
            container = "a"
            unit = "b"
            health = "http://{bott}:5000/health"
            [services.nothing]
            [telegram]
            token = "${NOBODY_SET_ME}"
            [outputs.telegram]
            token = "short"
            chat_id = "me"
            [rules.cpu]
            limit = 0.5
            clear = 0.6
            [rules.nosuch]
            """
        )
    told = str(caught.value)
    for part in (
        "every_s: must be a number, not a text",
        "evry: is unknown; did you mean every_s?",
        "telegram_api: 'telegram' is not an http:// or https:// URL",
        "services.bot: container and unit: only one of them says where it runs",
        "services.bot: {bott} is no service; known: bot, nothing",
        "services.nothing: needs container, unit, pid_file, health or ready",
        "telegram.token: the variable NOBODY_SET_ME is not set",
        "outputs.telegram.token: the value is not a bot token",
        "outputs.telegram.chat_id: must be the number of a chat",
        "rules.cpu.clear: 0.6 must be on the good side of the limit 0.5",
        "rules.nosuch: is unknown",
    ):
        assert part in told, part
    assert "short" not in told  # what may be a secret is never shown


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "services: there is none"),
        ("services = 3", "services: must be a table, not a number"),
        ("[services]\nbot = 1", "services.bot: must be a table, not a number"),
        ("a = [", "is no TOML"),
        ("[services.a]\nhealth='http://x/'\n[exchanges]", "exchanges: needs url"),
    ],
)
def test_what_is_wrong_is_named(settings: Read, text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=r"watch\.toml: ") as caught:
        settings(text)
    assert problem in str(caught.value)


def test_a_file_that_is_not_there_tells_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="botproof watch --example"):
        read(tmp_path / "watch.toml", {})


def test_a_limit_can_be_changed_and_its_end_goes_with_it(settings: Read) -> None:
    found = settings(
        "[services.a]\nhealth='http://x/'\n[rules.cpu]\nlimit = 0.4\n[rules.disk]\noff=true"
    )
    [cpu] = [rule for rule in found.rules if rule.name == "cpu"]
    assert (cpu.limit, round(cpu.clear, 3)) == (0.4, 0.35)
    assert "disk" not in {rule.name for rule in found.rules}


def test_an_env_file_is_read_as_compose_reads_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# a comment\nA=1\nexport B='two'\n\nC=\"3=4\"\nD=\n")
    assert read_env_file(path) == {"A": "1", "B": "two", "C": "3=4", "D": ""}


def test_the_settings_of_the_instance_can_be_used() -> None:
    names = dict.fromkeys(("TELEGRAM_BOT_TOKEN", "OPERATOR_BOT_TOKEN"), TOKEN)
    found = read(ROOT / "deploy/aws/watch.toml", {**names, "OPERATOR_CHAT_ID": "7"})
    assert found.statsd == "127.0.0.1:8125"
    alarms = (ROOT / "deploy/aws/alarms.json").read_text()
    looked_at = set(re.findall(r'"MetricName": "botproof_(\w+)"', alarms))
    assert set(found.statsd_figures) == looked_at
