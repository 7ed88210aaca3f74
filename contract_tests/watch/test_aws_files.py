"""deploy/aws, as far as it can be looked at without moto; the rest: `nox -s aws`."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from botproof.watch.rules import by_name
from botproof.watch.settings import read

AWS = Path(__file__).parents[2] / "deploy/aws"


@pytest.mark.parametrize("script", sorted(AWS.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_shell_and_says_how_it_is_called(script: Path) -> None:
    assert os.access(script, os.X_OK)
    done = subprocess.run([script], capture_output=True, text=True, check=False, timeout=800)
    assert done.returncode == 64
    assert done.stderr.startswith("usage: ")


def test_the_alarms_have_the_limits_of_the_rules() -> None:
    resources = json.loads((AWS / "alarms.json").read_text())["Resources"]
    told = {
        name: (p["Threshold"], p["Period"] * p["EvaluationPeriods"])
        for name, p in ((name, resource["Properties"]) for name, resource in resources.items())
    }
    rules = by_name()
    assert told["BotproofCpu"] == (80, rules["cpu"].for_s)
    assert told["BotproofOffline"] == (1, rules["offline"].for_s)
    assert told["BotproofMemory"][0] == 80
    assert told["BotproofMemoryCritical"][0] == 90
    assert told["BotproofDisk"][0] == 85
    assert told["BotproofErrors"][0] == rules["errors"].limit
    assert told["BotproofNoSignal"][0] == rules["no_signal"].limit


def test_the_task_of_ecs_has_the_limits_and_users_of_the_fleet() -> None:
    compose = (AWS.parent / "compose.yaml").read_text()
    task = json.loads((AWS / "ecs-task.json").read_text())
    for container in task["containerDefinitions"]:
        service = re.split(rf"^  {container['name']}:$", compose, flags=re.MULTILINE)[1]
        [limit] = re.findall(r"^    mem_limit: (\d+)m$", service, re.MULTILINE)[:1]
        assert container["memory"] == int(limit)
        assert container["readonlyRootFilesystem"] is True
        assert container["linuxParameters"]["capabilities"]["drop"] == ["ALL"]
        assert "@sha256:" in container["image"]
        assert container["stopTimeout"] == 20
    assert sum(c["memory"] for c in task["containerDefinitions"]) <= int(task["memory"])


@pytest.mark.parametrize(
    ("mode", "webhook"), [("polling", ""), ("webhook", "https://b.example/webhook")]
)
def test_the_watch_of_the_instance_expects_the_webhook_of_its_mode(
    tmp_path: Path, mode: str, webhook: str
) -> None:
    told = re.findall(r'sed "(\S+ \S+ //)" \S+watch.toml', (AWS / "fleet.yaml").read_text())
    [change] = told
    command = ("sed", change.replace("$MODE", mode), str(AWS / "watch.toml"))
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (tmp_path / "watch.toml").write_text(text)
    token = "42:AAExampleExampleExampleExampleExample"
    names = {"TELEGRAM_BOT_TOKEN": token, "OPERATOR_BOT_TOKEN": token, "OPERATOR_CHAT_ID": "1"}
    found = read(tmp_path / "watch.toml", {**names, "WEBHOOK_DOMAIN": "b.example"})
    assert found.telegram is not None
    assert found.telegram.webhook == webhook
    assert found.certificate == ("b.example" if webhook else "")


def test_alarms_of_cloudwatch_can_reach_the_topic() -> None:
    """The key that AWS manages for topics lets none in, and its policy cannot be changed."""
    topic = (AWS / "fleet.yaml").read_text().partition("Type: AWS::SNS::Topic")[2]
    assert "KmsMasterKeyId:" not in topic


def test_the_bot_of_ecs_reaches_its_files_by_an_access_point() -> None:
    """The root of a file system of EFS belongs to root, and the bot is another user."""
    task = json.loads((AWS / "ecs-task.json").read_text())
    efs = [v["efsVolumeConfiguration"] for v in task["volumes"] if "efsVolumeConfiguration" in v]
    assert [each["authorizationConfig"]["accessPointId"][:5] for each in efs] == ["fsap-"]
    assert all(each["transitEncryption"] == "ENABLED" for each in efs)
    assert all("rootDirectory" not in each for each in efs)
