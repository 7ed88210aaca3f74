"""deploy/compose*.yaml: what they promise, and the fleet that they start."""

import json
import os
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from reference_bot.market_data.settings import Settings as MarketDataSettings
from reference_bot.telegram_bot.settings import Settings as BotSettings

# The images are made when the first test asks for them.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
USABLE_MB = 904
"""What a t3.micro has for everything, its own system included (docs/deploy.md)."""
SYSTEM_MB = 200
BOT = "_double/bots/42:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
SECRET = "a-secret-that-only-doubles-know"
"""As deploy/env.dev.example has it."""
DIGEST = "sha256:" + "0" * 64
PRODUCTION = {
    "BOT_IMAGE": DIGEST,
    "MARKET_DATA_IMAGE": DIGEST,
    "REDIS_IMAGE": DIGEST,
    "CADDY_IMAGE": DIGEST,
    "WEBHOOK_DOMAIN": "bot.example.com",
    "FLEET_ENV_FILE": "env.prod.example",
}
OVERLAYS = [
    ("polling",),
    ("webhook",),
    ("polling", "redis"),
    ("webhook", "redis"),
]


class Fleet:
    """One Compose project of these files, under a name of its own."""

    def __init__(self, name: str, *overlays: str, **variables: str) -> None:
        files = ("compose.yaml", *(f"compose.{overlay}.yaml" for overlay in overlays))
        paths = [str(DEPLOY / file) for file in files if (DEPLOY / file).exists()]
        paths += [str(ROOT / "fixtures" / "fleet" / f"{o}.yaml") for o in overlays if o == "proxy"]
        self.command = ["docker", "compose", "--project-name", name]
        for path in paths:
            self.command += ["--file", path]
        self.environment = {**os.environ, **variables}

    def __call__(self, *words: str, code: int | None = 0) -> str:
        done = subprocess.run(
            [*self.command, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done.stdout.strip() or done.stderr.strip()

    def services(self) -> dict[str, dict[str, Any]]:
        """The services of the files as Compose understands them."""
        document: dict[str, dict[str, dict[str, Any]]] = json.loads(
            self("config", "--format", "json")
        )
        return document["services"]

    def inspect(self, service: str) -> dict[str, Any]:
        command = ("docker", "inspect", self("ps", "--all", "--quiet", service))
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        inspected: dict[str, Any] = json.loads(done.stdout)[0]
        return inspected

    def url(self, service: str, port: int) -> str:
        return self("port", service, str(port))


@pytest.fixture
def start(request: pytest.FixtureRequest) -> Iterator[Callable[..., Fleet]]:
    """Makes fleets, and removes them with all that they kept."""
    made: list[Fleet] = []

    def make(*overlays: str, **variables: str) -> Fleet:
        name = f"botproof-test-{len(made)}-{os.getpid()}"
        made.append(Fleet(name, *overlays, **variables))
        return made[-1]

    yield make
    for fleet in made:
        if getattr(request.node, "failed", False):
            print(fleet("logs", "--tail", "40", code=None))
        fleet("down", "--volumes", "--timeout", "20", code=None)


@pytest.fixture(scope="session")
def images(service_images: dict[str, str], build_image: Callable[[str], str]) -> dict[str, str]:
    """Variables that name the images of this tree."""
    return {
        "BOT_IMAGE": service_images["bot"],
        "MARKET_DATA_IMAGE": service_images["market_data"],
        "CADDY_IMAGE": os.environ.get("BOTPROOF_CADDY_IMAGE", "caddy:2-alpine"),
        "DOUBLES_IMAGE": build_image("doubles"),
        "FLEET_ENV_FILE": "env.dev.example",
        "TELEGRAM_DOUBLE_PORT": "0",
    }


@pytest.mark.parametrize("overlays", OVERLAYS, ids="+".join)
class TestProduction:
    def services(self, overlays: tuple[str, ...]) -> dict[str, dict[str, Any]]:
        return Fleet("botproof-test", *overlays, **PRODUCTION).services()

    def test_every_service_has_no_more_rights_than_it_needs(
        self, overlays: tuple[str, ...]
    ) -> None:
        for name, service in self.services(overlays).items():
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert service["restart"] == "on-failure:5", name
            assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}, name
            assert service["pids_limit"] <= 64, name

    def test_their_limits_leave_room_for_the_machine(self, overlays: tuple[str, ...]) -> None:
        services = self.services(overlays)
        limits = {name: int(service["mem_limit"]) for name, service in services.items()}
        assert sum(limits.values()) <= (USABLE_MB - SYSTEM_MB) * 1_000_000, limits
        for name, service in services.items():
            assert service["memswap_limit"] == service["mem_limit"], name

    def test_nothing_but_the_webhook_faces_a_network(self, overlays: tuple[str, ...]) -> None:
        services = self.services(overlays)
        ports = {
            name: {int(port["published"]) for port in service["ports"]}
            for name, service in services.items()
            if service.get("ports")
        }
        assert ports == ({"proxy": {80, 443}} if "webhook" in overlays else {})
        assert all("network_mode" not in service for service in services.values())
        assert "outside" not in services.get("redis", {"networks": {}})["networks"]

    def test_no_service_is_given_a_secret_of_the_other(self, overlays: tuple[str, ...]) -> None:
        services = self.services(overlays)
        secrets = {"bot": secrets_of(BotSettings), "market-data": secrets_of(MarketDataSettings)}
        for name, other in (("bot", "market-data"), ("market-data", "bot")):
            for secret in secrets[other] - secrets[name]:
                assert services[name]["environment"][secret] == "", (name, secret)

    def test_every_service_has_the_time_to_end_that_it_takes(
        self, overlays: tuple[str, ...]
    ) -> None:
        for name, service in self.services(overlays).items():
            assert service["stop_grace_period"] == "20s", name


def secrets_of(model: type[BaseModel]) -> set[str]:
    return {
        name.upper()
        for name, field in model.model_fields.items()
        if field.annotation in {SecretStr, SecretStr | None}
    }


def test_the_scaled_fleet_shares_redis_and_keeps_nothing_for_itself() -> None:
    fleet = Fleet("botproof-test", "webhook", "redis", "scale", **PRODUCTION)
    services = fleet.services()
    assert {name: service.get("scale", 1) for name, service in services.items()} == {
        "bot": 3,
        "market-data": 2,
        "proxy": 1,
        "redis": 1,
    }
    assert not services["bot"].get("volumes")
    for name in ("bot", "market-data"):
        assert services[name]["environment"]["REDIS_URL"] == "redis://redis:6379/0"
        assert not services[name].get("ports")
    # Fits a machine of 2 GB beside its own system.
    limits = sum(int(s["mem_limit"]) * s.get("scale", 1) for s in services.values())
    assert limits <= 1_700_000_000


def test_an_image_that_is_not_named_is_asked_for() -> None:
    fleet = Fleet("botproof-test", "polling", **{**PRODUCTION, "BOT_IMAGE": ""})
    assert "name the image of the bot by its digest" in fleet("config", code=None)


def ask(url: str, text: str) -> str:
    """What the chat holds once the bot has answered; waits for it."""
    request = {"text": text, "chat_id": 1, "user_id": 1}
    posted = urllib.request.Request(f"http://{url}/{BOT}/updates", json.dumps(request).encode())
    urllib.request.urlopen(posted).close()  # noqa: S310 - as above
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        with urllib.request.urlopen(f"http://{url}/{BOT}/chats/1/messages") as answer:
            messages = json.load(answer)["result"]["messages"]
        if messages[-1]["from"]["is_bot"] and "…" not in messages[-1]["text"][:40]:
            return str(messages[-1]["text"])
        time.sleep(0.2)  # the chat tells nobody that it has grown
    raise AssertionError(f"no answer to {text} in a minute")


def test_the_fleet_between_doubles_answers_and_ends(
    start: Callable[..., Fleet], images: dict[str, str]
) -> None:
    fleet = start("dev", **images)
    fleet("up", "--detach", "--no-build", "--wait", "--wait-timeout", "90")
    answer = ask(fleet.url("telegram-double", 9000), "/price btc")
    assert "BTC/USDT" in answer
    assert "L/S" in answer
    for service in ("bot", "market-data"):
        status = fleet("exec", "-T", service, "cat", "/proc/1/status")
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        assert "Uid:\t10001" in status
        refused = fleet("exec", "-T", service, "touch", "/opt/venv/x", code=1)
        assert "Read-only file system" in refused
    fleet("stop", "bot", "market-data")
    for service in ("bot", "market-data"):
        state = fleet.inspect(service)["State"]
        assert (state["ExitCode"], state["OOMKilled"]) == (0, False), service


def test_a_crash_loop_ends_where_it_can_be_seen(
    start: Callable[..., Fleet], images: dict[str, str]
) -> None:
    """A token that is none: the bot says so and exits, five times, and then stays down."""
    fleet = start("dev", **images)
    broken = Fleet(fleet.command[3], "polling", **{**images, "FLEET_ENV_FILE": "env.prod.example"})
    broken("up", "--detach", "--no-deps", "bot")
    give_up = time.monotonic() + 60
    while time.monotonic() < give_up:
        found = broken.inspect("bot")
        if found["State"]["Status"] == "exited" and found["RestartCount"] == 5:
            break
        time.sleep(0.2)  # Docker's events would tell; a look is simpler
    assert (found["State"]["Status"], found["RestartCount"]) == ("exited", 5)
    assert "TELEGRAM_BOT_TOKEN" in broken("logs", "bot")


def answer(
    url: str, method: str, path: str, body: bytes = b"", **headers: str
) -> tuple[int, Message]:
    """What the proxy answers with; its certificate is one that Caddy made itself."""
    context = ssl._create_unverified_context()  # noqa: S323 - the certificate is not what is tested
    request = urllib.request.Request(
        f"https://localhost:{url.rpartition(':')[2]}{path}",
        body or None,
        {"Content-Type": "application/json", **headers},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, context=context) as found:  # noqa: S310 - as above
            return int(found.status), found.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def through(url: str, method: str, path: str, body: bytes = b"", **headers: str) -> int:
    """The status alone."""
    return answer(url, method, path, body, **headers)[0]


def test_the_proxy_lets_nothing_in_but_the_webhook(
    start: Callable[..., Fleet], images: dict[str, str]
) -> None:
    names = {"WEBHOOK_DOMAIN": "localhost", "TELEGRAM_NETWORKS": "0.0.0.0/0"}
    fleet = start("dev", "webhook", "proxy", **{**images, **names})
    fleet("up", "--detach", "--no-build", "--wait", "--wait-timeout", "90")
    url = fleet.url("proxy", 443)
    right = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
    message = {
        "message_id": 1,
        "date": 1,
        "chat": {"id": 1, "type": "private"},
        "from": {"id": 1, "is_bot": False, "first_name": "A"},
        "text": "/start",
    }
    update = json.dumps({"update_id": 1, "message": message}).encode()
    assert through(url, "POST", "/webhook", update, **right) == 200
    assert through(url, "POST", "/webhook", update) in {401, 403}
    for path in ("/ready", "/metrics", "/health", "/", "/webhook/more"):
        assert through(url, "GET", path) == 404, path
    assert through(url, "GET", "/webhook") == 404
    # Cut off by the proxy, which Caddy 2.6 calls 502; the bot would have read all of it.
    large = b"[" + b" " * 2_000_000 + b"]"
    assert through(url, "POST", "/webhook", large, **right) in {413, 502}
    # After 8 s without a bot Telegram is told when to come again, or it would wait ever longer.
    fleet("stop", "bot")
    status, headers = answer(url, "POST", "/webhook", update, **right)
    assert (status, headers["Retry-After"]) == (502, "1")


def test_with_telegrams_networks_everyone_else_is_kept_out(
    start: Callable[..., Fleet], images: dict[str, str]
) -> None:
    fleet = start("dev", "webhook", "proxy", **{**images, "WEBHOOK_DOMAIN": "localhost"})
    fleet("up", "--detach", "--no-build", "--wait", "--wait-timeout", "90")
    right = {"X-Telegram-Bot-Api-Secret-Token": SECRET}
    assert through(fleet.url("proxy", 443), "POST", "/webhook", b"{}", **right) == 404
