"""The gate on a bot that knows one Telegram only: nothing in it can be pointed elsewhere."""

import json
import os
import re
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


def botproof(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of botproof there, which reports into `report`."""
    return subprocess.run(
        [sys.executable, "-m", "botproof", *arguments, "--report-dir", "report"],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )


def recorded(directory: Path) -> list[str]:
    """The lines of the record."""
    return (directory / "report" / "history.jsonl").read_text().splitlines()


@pytest.mark.slow
def test_an_unmodified_bot_is_judged_by_name_alone(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    (tmp_path / "botproof.toml").write_text(DESCRIPTION)
    done = botproof(tmp_path, "gate", "--only", "boot,parity,latency")
    told = map(json.loads, recorded(tmp_path))
    sent = [event for event in told if event.get("method") == "sendMessage"]
    assert [event["params"]["text"] for event in sent] == ["only the name is changed"] * 2
    verdicts = json.loads((tmp_path / "report" / "verdict.json").read_text())
    found = {check["check"]: check["verdict"] for check in verdicts["checks"]}
    assert (found["boot"], found["parity"]) == ("PASS", "PASS"), done.stdout


ASKED = """
[[workload.cases]]
name = "start"
say = "/start"
golden = false
[delivery]
say = ["{marker}"]
chats = 20
[parity]
examples = 30
seconds = 20
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "check"),
    [
        (["parity", "--examples", "30"], "conversations"),
        (
            ["delivery", "--updates", "20", "--kills", "0", "--rate", "10", "--mode", "polling"],
            "delivery",
        ),
    ],
)
def test_every_command_judges_a_bot_by_name(tmp_path: Path, command: list[str], check: str) -> None:
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    (tmp_path / "botproof.toml").write_text(DESCRIPTION + ASKED)
    done = botproof(tmp_path, *command)
    (path,) = (tmp_path / "report").rglob("verdict.json")
    verdicts = json.loads(path.read_text())
    found = {each["check"]: each["verdict"] for each in verdicts["checks"]}
    assert found == {check: "PASS"}, done.stdout


@pytest.mark.slow
def test_a_bot_by_name_that_is_killed_is_judged_and_no_error(tmp_path: Path) -> None:
    """After each kill the double's clock is moved, over a client that trusts the double."""
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    (tmp_path / "botproof.toml").write_text(DESCRIPTION + ASKED)
    size = ["--updates", "40", "--kills", "2", "--rate", "10", "--drain", "5"]
    done = botproof(tmp_path, "delivery", *size)
    (row,) = json.loads((tmp_path / "report" / "delivery.json").read_text())
    assert (row["kills"], row["updates"]) == (2, 50), done.stdout
    assert row["verdict"] != "ERROR", done.stdout


HOSTS = f"""
{(BOTS / "by_host.toml").read_text()}
[bot]
command = ["{{python}}", "{BOTS / "by_host.py"}"]
ready = "telegram"
[bot.env]
TOKEN = "{{token}}"
[[workload.cases]]
name = "address"
say = "/address"
"""
APPROVED = {
    "hosts": "fapi.binance.com dapi.binance.com api.bybit.com www.okx.com api.gateio.ws "
    "api.bitget.com query1.finance.yahoo.com",
    "elsewhere": "pong",
    "address": "95000",
}


@pytest.mark.slow
def test_every_client_finds_the_exchanges_by_name_and_nothing_else(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("port 443 and a mount namespace take root")
    (tmp_path / "botproof.toml").write_text(HOSTS)
    (tmp_path / "golden").mkdir()
    for name, text in APPROVED.items():
        approved = f"you: /{name}\n--- message\n{text}\n"
        (tmp_path / "golden" / f"{name}.txt").write_text(approved)
    done = botproof(tmp_path, "gate", "--only", "boot,golden")
    events = [json.loads(line) for line in recorded(tmp_path)]
    said = [event["params"]["text"] for event in events if event.get("method") == "sendMessage"]
    # One, by every client; a busy machine may have it played again.
    [price] = {text for text in said if text.replace(".", "").isdigit()}
    assert float(price) > 0
    assert "refused: True" in said
    assert "refused" in said  # an address in figures
    log = (tmp_path / "report" / "logs" / "polling" / "bot.log").read_text()
    assert "Error" not in log
    verdicts = json.loads((tmp_path / "report" / "verdict.json").read_text())
    [doubles] = [check for check in verdicts["checks"] if check["check"] == "doubles"]
    # A client asks again as often as it likes.
    host, address = sorted(doubles["evidence"])
    assert re.fullmatch(r"no double stands for the host api\.coingecko\.com \(\d+ x\)", host)
    assert address.startswith("the bot tried to reach 192.0.2.77:443: it was refused")
    [golden] = [check for check in verdicts["checks"] if check["check"] == "golden"]
    # "price" has no approved file: no gap's doing. On a busy machine nothing is said of replies.
    assert golden["verdict"] == "FAIL" or "withheld" in done.stdout, done.stdout
    assert re.search(r"price \(polling[^)]*\): has no approved file; see `botproof", done.stdout)
    assert "hosts (polling):" not in golden["evidence"]  # nor is it shown to differ
