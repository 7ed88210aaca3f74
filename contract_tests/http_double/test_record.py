"""`botproof record`, then the gate: a bot that asks a host that no double knows, over TLS.

The real host is a server of this test, on a loopback address.
"""

import http.server
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="port 443 and a mount namespace take root"),
]

KEY = "Th3RealKeyOfTheT3am"
BOT = """
import json, os, urllib.error, urllib.request
def call(method, **fields):
    url = f"https://api.telegram.org/bot{os.environ['TOKEN']}/{method}"
    body = json.dumps(fields).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    return json.load(urllib.request.urlopen(request))["result"]
def price(coin):
    url = f"https://api.prices.example/v1/price?coin={coin}&apikey={os.environ['PRICES_KEY']}"
    request = urllib.request.Request(url, headers={"Authorization": os.environ["PRICES_KEY"]})
    try:
        return json.load(urllib.request.urlopen(request))["price"]
    except urllib.error.HTTPError as error:
        return f"no price: {error.code}"
offset = 0
while True:
    for update in call("getUpdates", offset=offset, timeout=50):
        offset = update["update_id"] + 1
        message = update["message"]
        words = message["text"].split()
        call("sendMessage", chat_id=message["chat"]["id"], text=price(words[-1]))
"""
DESCRIPTION = f"""
name = "asks a host"
[bot]
command = ["{sys.executable}", "bot.py"]
ready = "telegram"
[bot.env]
TOKEN = "{{token}}"
PRICES_KEY = "made-up-key"
[modes.polling]
[doubles.telegram]
by_name = true
[[workload.cases]]
name = "price"
say = "/price BTC"
[gate]
checks = ["golden"]
"""
PLAYED = '\n[doubles.http]\nrecordings = ["recordings/http.har"]\n'
UNKNOWN = '\n[[workload.cases]]\nname = "other"\nsay = "/price ETH"\n'


class Prices(http.server.BaseHTTPRequestHandler):
    """Gives prices to whoever has the key, and says it back, as some do."""

    def do_GET(self) -> None:
        allowed = self.headers["Authorization"] == KEY
        said = {"price": "42.10", "for": self.headers["Authorization"], "path": self.path}
        body = json.dumps(said).encode()
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Set-Cookie", "session=abcdefgh")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The real host: its address, and the authority to trust."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Prices)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}", path
    server.shutdown()
    thread.join()
    server.server_close()


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "botproof", *words],
        cwd=folder,
        env={**os.environ, "PRICES_KEY": KEY},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout, done.stderr)
    return done


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, host: tuple[str, Path]) -> Path:
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "bot.py").write_text(BOT)
    (folder / "botproof.toml").write_text(DESCRIPTION)
    url, authority = host
    upstream = ("--upstream", f"api.prices.example={url}", "--upstream-ca", str(authority))
    done = run("record", "--pass", "PRICES_KEY", *upstream, folder=folder)
    assert done.returncode == 0
    assert "api.prices.example: 1 answers" in done.stdout
    assert PLAYED.strip() in done.stdout
    return folder


def test_a_recording_holds_the_answer_and_no_secret(recorded: Path) -> None:
    text = (recorded / "recordings" / "http.har").read_text()
    assert "42.10" in text
    assert KEY not in text
    assert "abcdefgh" not in text
    assert "https://api.prices.example/v1/price?coin=BTC&apikey=redacted" in text


@pytest.fixture(scope="module")
def gate(recorded: Path) -> Path:
    """The gate with the recording: of a question that it holds, and of one that it does not."""
    (recorded / "botproof.toml").write_text(DESCRIPTION + PLAYED + UNKNOWN)
    (recorded / "golden").mkdir()
    for name, coin in (("price", "BTC"), ("other", "ETH")):
        approved = f"you: /price {coin}\n--- message\n42.10\n"
        (recorded / "golden" / f"{name}.txt").write_text(approved)
    run("gate", folder=recorded)
    return recorded / "reports" / "gate"


def check(report: Path, name: str) -> dict[str, Any]:
    checks = json.loads((report / "verdict.json").read_text())["checks"]
    found: dict[str, Any] = next(each for each in checks if each["check"] == name)
    return found


def test_the_gate_plays_it_where_the_real_host_is_not_there(gate: Path) -> None:
    events = [json.loads(line) for line in (gate / "history.jsonl").read_text().splitlines()]
    said = [e["params"]["text"] for e in events if e.get("method") == "sendMessage"]
    assert set(said) == {"42.10", "no price: 501"}


def test_what_no_recording_has_is_the_doubles_and_no_fail_of_the_bot(gate: Path) -> None:
    assert check(gate, "golden")["verdict"] == "INCONCLUSIVE"
    [line] = check(gate, "doubles")["evidence"]
    asked = "GET https://api.prices.example/v1/price?coin=ETH&apikey=redacted"
    assert line.startswith(f"no recording has {asked} (")  # on a busy machine it is asked again
    assert KEY not in (gate / "history.jsonl").read_text()


def test_a_recording_that_is_none_is_named_and_nothing_is_judged(tmp_path: Path) -> None:
    (tmp_path / "bot.py").write_text(BOT)
    (tmp_path / "botproof.toml").write_text(DESCRIPTION + PLAYED)
    done = run("gate", folder=tmp_path)
    assert done.returncode == 3
    assert "recordings/http.har: cannot be read" in done.stdout
    assert "`botproof record` writes one" in done.stdout


def test_without_the_host_the_answers_are_filled_in_by_hand(tmp_path: Path) -> None:
    """The bot ends at the first empty answer, as a careless one does; so it is asked again."""
    (tmp_path / "bot.py").write_text(BOT)
    (tmp_path / "botproof.toml").write_text(DESCRIPTION)
    done = run("record", "--blank", folder=tmp_path)
    assert done.returncode == 0
    assert (
        "an empty answer was too little for it: bot ended on its own with exit code 1"
        in done.stdout
    )
    assert "with 1 empty answers" in done.stdout
    har = tmp_path / "recordings" / "http.har"
    [entry] = json.loads(har.read_text())["log"]["entries"]
    assert entry["request"]["url"] == "https://api.prices.example/v1/price?coin=BTC&apikey=redacted"
    har.write_text(har.read_text().replace('"{}"', json.dumps('{"price": "43.5"}')))
    (tmp_path / "botproof.toml").write_text(DESCRIPTION + PLAYED + UNKNOWN)
    assert "with 1 empty answers" in run("record", "--blank", folder=tmp_path).stdout
    texts = [
        each["response"]["content"]["text"]
        for each in json.loads(har.read_text())["log"]["entries"]
    ]
    assert texts == ['{"price": "43.5"}', "{}"]  # what is there stays, what is new comes after it
    har.write_text(har.read_text().replace('"{}"', json.dumps('{"price": "7"}')))
    assert "with 0 empty answers: it is whole" in run("record", "--blank", folder=tmp_path).stdout
