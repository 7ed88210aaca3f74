"""deploy/aws, as far as it can be looked at without moto; the rest: `nox -s aws`."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from botproof.watch.rules import by_name

AWS = Path(__file__).parents[2] / "deploy/aws"


@pytest.mark.parametrize("script", sorted(AWS.glob("*.sh")), ids=lambda path: path.name)
def test_a_script_is_shell_and_says_how_it_is_called(script: Path) -> None:
    assert os.access(script, os.X_OK)
    done = subprocess.run([script], capture_output=True, text=True, check=False, timeout=110)
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
