"""The gate on a bot that knows one Telegram only: nothing in it can be pointed elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BOTS = Path(__file__).parents[2] / "fixtures" / "bots" / "ten_lines"

DESCRIPTION = f"""
name = "insists on api.telegram.org"
[bot]
command = ["{{python}}", "{BOTS / "insists.py"}"]
ready = "telegram"
[bot.env]
TOKEN = "{{token}}"
[modes.polling]
[modes.polling_too]
[doubles.telegram]
by_name = true
[[workload.cases]]
name = "echo"
say = "only the name is changed"
golden = false
"""


@pytest.mark.slow
def test_an_unmodified_bot_is_judged_by_name_alone(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    (tmp_path / "botproof.toml").write_text(DESCRIPTION)
    command = [sys.executable, "-m", "botproof", "gate", "--only", "boot,parity,latency"]
    done = subprocess.run(
        [*command, "--report-dir", "report"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    lines = (tmp_path / "report" / "history.jsonl").read_text().splitlines()
    sent = [event for event in map(json.loads, lines) if event.get("method") == "sendMessage"]
    assert [event["params"]["text"] for event in sent] == ["only the name is changed"] * 2
    verdicts = json.loads((tmp_path / "report" / "verdict.json").read_text())
    found = {check["check"]: check["verdict"] for check in verdicts["checks"]}
    assert (found["boot"], found["parity"]) == ("PASS", "PASS"), done.stdout
