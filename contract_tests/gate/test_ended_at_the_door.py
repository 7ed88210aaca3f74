"""A bot that a question of `door` ends is told by which, though nothing more is asked then."""

from pathlib import Path

import pytest

from contract_tests.gate.small_bot import gate_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

BOT = """
for update in updates():
    message = update["message"]
    if "<" in message["from"]["first_name"]:
        raise SystemExit("no such name")
    call("sendMessage", chat_id=message["chat"]["id"], text="hello")
"""
TOML = """
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
    run = gate_of(tmp_path, BOT, TOML)
    assert run.red == {"boot", "door"}, run.output
    found = [line for line in run.checks["door"]["evidence"] if "the bot ended with" in line]
    sent = "/start by 'Ann <b>& _*[`'"
    assert [line.partition(" → ")[0] for line in found] == [f"polling: {sent}"]
    assert "Ids have up to 52 bits" not in run.output
    told = f"polling: when it ended, it had just been sent this by `door`: {sent}"
    assert any(line == told for line in run.checks["boot"]["evidence"])
