"""A bot that a question of `door` ends is told by which, though nothing more is asked then."""

import sys
from pathlib import Path

import pytest

from contract_tests.gate_run import GateRun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BOT = """
import json, os, signal, sys, time, urllib.request
API = os.environ["API"] + "/bot" + os.environ["TOKEN"] + "/"
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
def call(method, **fields):
    made = urllib.request.Request(API + method, json.dumps(fields).encode(),
                                  {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(made, timeout=60))["result"]
offset = 0
while True:
    try:
        updates = call("getUpdates", offset=offset, timeout=50)
    except OSError:
        time.sleep(0.3)
        continue
    for update in updates:
        offset = update["update_id"] + 1
        message = update["message"]
        if "<" in message["from"]["first_name"]:
            raise SystemExit("no such name")
        call("sendMessage", chat_id=message["chat"]["id"], text="hello")
"""
TOML = f"""
name = "dying"
[bot]
command = ["{sys.executable}", "bot.py"]
ready = "telegram"
[bot.env]
TOKEN = "{{token}}"
API = "{{url:telegram_double}}"
[modes.polling]
[[workload.cases]]
name = "start"
say = "/start"
[gate]
checks = ["boot", "door"]
"""


def test_the_question_that_ended_it_is_named_and_no_later_one_is_held_against_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "bot.py").write_text(BOT)
    (tmp_path / "botproof.toml").write_text(TOML)
    config = str(tmp_path / "botproof.toml")
    run = GateRun(tmp_path / "report", "--config", config, cwd=tmp_path)
    assert run.red == {"boot", "door"}, run.output
    found = [line for line in run.checks["door"]["evidence"] if "the bot ended with" in line]
    sent = "/start by 'Ann <b>& _*[`'"
    assert [line.partition(" → ")[0] for line in found] == [f"polling: {sent}"]
    assert "Ids have up to 52 bits" not in run.output
    told = f"polling: when it ended, it had just been sent this by `door`: {sent}"
    assert any(line == told for line in run.checks["boot"]["evidence"])
