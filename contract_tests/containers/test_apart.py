"""A container reaches no address beyond its run, and it is told which one it tried."""

import json
import socket
from pathlib import Path

import pytest

from contract_tests.gate_run import GateRun

pytestmark = pytest.mark.docker

BOT = """
import json, os, signal, socket, sys, urllib.request
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
api = os.environ["API"] + "/bot" + os.environ["TOKEN"]
def ask(method, **params):
    body = json.dumps(params).encode()
    made = urllib.request.Request(f"{api}/{method}", body, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(made, timeout=60))["result"]
def tcp(*where):
    try:
        socket.create_connection(where, timeout=60).close()
        return "reached"
    except OSError as error:
        return error.strerror
offset = 0
while True:
    for update in ask("getUpdates", offset=offset, timeout=20):
        offset = update["update_id"] + 1
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.sendmsg([b"?"], [], 0, ("192.0.2.92", 53))
        said = [tcp("192.0.2.91", 443), tcp("127.0.0.1", int(os.environ["BESIDE"]))]
        ask("sendMessage", chat_id=update["message"]["chat"]["id"], text=", ".join(said))
"""
DESCRIPTION = """
name = "asks by address"
[bot]
image = "{image}"
command = ["python3", "-u", "-c", {bot}]
ready = "telegram"
[bot.env]
TOKEN = "{{token}}"
API = "{{url:telegram_double}}"
BESIDE = "{beside}"
[modes.polling]
[doubles]
allow_hosts = {allowed}
[[workload.cases]]
name = "start"
say = "/start"
"""


def play(image: str, folder: Path, *allowed: str) -> tuple[str, list[str], str]:
    """Play one case beside something that listens on this machine: what the bot said, what the
    verdict says of the doubles, and what was printed."""
    with socket.create_server(("127.0.0.1", 0)) as beside:
        text = DESCRIPTION.format(
            image=image,
            bot=json.dumps(BOT.replace("{", "{{").replace("}", "}}")),
            beside=beside.getsockname()[1],
            allowed=json.dumps(allowed),
        )
        (folder / "botproof.toml").write_text(text)
        run = GateRun(folder / "report", "--only", "boot,golden", cwd=folder)
        lines = (folder / "report" / "history.jsonl").read_text().splitlines()
        events = [json.loads(line) for line in lines]
        said = [event["params"]["text"] for event in events if event.get("method") == "sendMessage"]
        told = run.checks["doubles"]["evidence"] if "doubles" in run.checks else []
        port = str(beside.getsockname()[1])
        return said[0], [line.replace(port, "PORT") for line in told], run.output


def test_what_a_container_sends_beyond_its_run_is_refused_and_told(
    python_image: str, tmp_path: Path
) -> None:
    said, told, printed = play(python_image, tmp_path)
    assert said == "Network is unreachable, Connection refused", printed
    tried = [line for line in told if "tried to reach" in line]
    for address in ("192.0.2.91:443", "192.0.2.92:53"):
        assert [line for line in tried if line.startswith(f"the bot tried to reach {address}:")]
    [beside] = [line for line in tried if "127.0.0.1:PORT" in line]
    assert 'allow_hosts = ["127.0.0.1"]' in beside
    assert "within reach" not in printed


def test_an_allowed_host_leaves_a_container_in_this_machines_network(
    python_image: str, tmp_path: Path
) -> None:
    said, _, printed = play(python_image, tmp_path, "127.0.0.1")
    assert said.endswith(", reached"), printed
    assert "addresses beyond this machine are within reach of bot" in printed
    assert "it runs in a container: doubles.allow_hosts names what it may reach" in printed
