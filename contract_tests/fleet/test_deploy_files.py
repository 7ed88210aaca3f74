"""What deploy/ sets is what the programs read: no engine and no account is needed to tell.

That the fleet starts from these files, and ends, is in contract_tests/containers.
"""

import importlib
import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import BaseModel

from reference_bot.market_data.settings import Settings as MarketDataSettings
from reference_bot.market_data.settings import load as load_market_data
from reference_bot.telegram_bot.settings import Settings as BotSettings
from reference_bot.telegram_bot.settings import load as load_bot

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICES: Mapping[str, type[BaseModel]] = {"bot": BotSettings, "market-data": MarketDataSettings}
MODULES = {"bot": "reference_bot.telegram_bot", "market-data": "reference_bot.market_data"}
PORTS = {"bot": "5000", "market-data": "8001"}
UNITS = {"bot": "telegram-bot", "market-data": "market-data"}
COMPOSE = ("compose", *(f"compose.{name}" for name in ("polling", "webhook", "redis", "scale")))
OF_PYTHON = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
TOKEN = "123456789:AAExampleExampleExampleExampleExamp"
EVERY_SERVICE = pytest.mark.parametrize("service", SERVICES)


def read(name: str) -> str:
    return (DEPLOY / name).read_text()


def block(text: str, name: str, indent: int) -> str:
    """What stands deeper below the key `name` at this indent; "" where it is not there."""
    pattern = rf"^ {{{indent}}}{re.escape(name)}:[^\n]*\n((?:(?: {{{indent + 1},}}[^\n]*)?\n)*)"
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""


def compose(service: str, *names: str) -> dict[str, str]:
    """The environment of a service by these files, the later ones over the earlier."""
    told: dict[str, str] = {}
    for name in names:
        own = block(block(read(f"{name}.yaml"), "services", 0), service, 2)
        given = re.findall(r"^ {6}([A-Z_]+): (.*)$", block(own, "environment", 4), re.MULTILINE)
        told |= {key: value.strip('"') for key, value in given}
    return told


def stage(service: str) -> str:
    """The last stage of a service's image."""
    return read("Dockerfile").partition(f"FROM run AS {service}\n")[2].partition("\nFROM ")[0]


def image(service: str) -> dict[str, str]:
    words = re.findall(r"^ENV (.*)$", stage(service), re.MULTILINE)
    return dict(pair.split("=", 1) for line in words for pair in line.split())


def unit(service: str) -> dict[str, str]:
    told = re.findall(
        r"^Environment=(.*)$", read(f"systemd/{UNITS[service]}.service"), re.MULTILINE
    )
    return dict(pair.split("=", 1) for line in told for pair in line.split())


def task(service: str) -> dict[str, object]:
    definitions = json.loads(read("aws/ecs-task.json"))["containerDefinitions"]
    return dict(next(each for each in definitions if each["name"] == service))


def ecs(service: str) -> dict[str, str]:
    named = task(service)
    rows = [*(named.get("environment") or []), *(named.get("secrets") or [])]  # type: ignore[misc]  # JSON
    return {row["name"]: row.get("value", "") for row in rows}


def function() -> dict[str, str]:
    """The environment of the function."""
    told = re.findall(r"^ {10}([A-Z_]+): !Ref", read("aws/lambda.yaml"), re.MULTILINE)
    return dict.fromkeys(told, "")


@EVERY_SERVICE
def test_every_variable_that_is_set_is_one_that_the_program_reads(service: str) -> None:
    read_by_it = {name.upper() for name in SERVICES[service].model_fields}
    others = {n.upper() for model in SERVICES.values() for n in model.model_fields} - read_by_it
    sources = [image(service), unit(service), ecs(service), *([function()] * (service == "bot"))]
    for told in sources:
        assert set(told) - read_by_it - OF_PYTHON == set()
    for name in COMPOSE:
        told = compose(service, name)
        empty = {variable for variable, value in told.items() if not value}
        assert set(told) - read_by_it - (others & empty) == set(), name
    assert compose(service, "compose")
    assert all(sources)


@pytest.mark.parametrize("mode", ["polling", "webhook"])
def test_the_bot_of_each_overlay_starts_in_its_mode(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "WEBHOOK_SECRET": "s",
        **compose("bot", "compose", f"compose.{mode}"),
    }
    for name, value in given.items():
        monkeypatch.setenv(name, re.sub(r"\$\{WEBHOOK_DOMAIN[^}]*\}", "bot.example.com", value))
    settings = load_bot()
    assert settings.bot_mode == mode
    assert settings.webhook_url == ("https://bot.example.com/webhook" if mode == "webhook" else "")
    assert (settings.webhook_host, str(settings.webhook_port)) == ("0.0.0.0", PORTS["bot"])  # noqa: S104 - in a container
    assert settings.market_data_url == "http://market-data:8001"


def test_market_data_listens_where_it_is_asked() -> None:
    settings = load_market_data(compose("market-data", "compose"))
    assert settings.market_data_host == "0.0.0.0"  # noqa: S104 - in a container
    assert str(settings.market_data_port) == PORTS["market-data"]
    for told, host in ((unit, "127.0.0.1"), (ecs, "127.0.0.1")):
        assert load_market_data(told("market-data")).market_data_host == host
        assert told("bot")["MARKET_DATA_URL"] == f"http://{host}:{PORTS['market-data']}"


@EVERY_SERVICE
def test_every_command_starts_a_program_that_is_there(service: str) -> None:
    command = re.findall(r"^CMD (.*)$", stage(service), re.MULTILINE)
    # A list: the process itself gets SIGTERM, not a shell before it.
    assert [json.loads(each) for each in command] == [["python", "-m", MODULES[service]]]
    started = read(f"systemd/{UNITS[service]}.service")
    assert re.findall(r"^ExecStart=\S+/python -m (\S+)$", started, re.MULTILINE) == [
        MODULES[service]
    ]
    assert importlib.util.find_spec(f"{MODULES[service]}.__main__")
    assert "command" not in block(block(read("compose.yaml"), "services", 0), service, 2)


def test_the_function_has_the_handler_that_it_names() -> None:
    [handler] = re.findall(r"^ +Handler: (\S+)$", read("aws/lambda.yaml"), re.MULTILINE)
    module, _, name = handler.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name))


@EVERY_SERVICE
def test_health_is_asked_of_ready_at_the_port_that_it_listens_on(service: str) -> None:
    port = PORTS[service]
    in_compose = block(block(read("compose.yaml"), "services", 0), service, 2)
    for asked in (block(in_compose, "healthcheck", 4), json.dumps(task(service)["healthCheck"])):
        assert re.findall(r"/dev/tcp/127\.0\.0\.1/(\d+)", asked) == [port]
        assert re.findall(r"GET (\S+)", asked) == ["/ready"]
    assert re.findall(r"botproof\.ready: (\S+)", in_compose) == [f"{port}/ready"]
    assert re.findall(r"^EXPOSE (\d+)$", stage(service), re.MULTILINE) == [port]


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("Caddyfile", r"reverse_proxy bot-webhook:(\d+) "),
        ("Caddyfile.scale", r"name bot\s+port (\d+)$"),
    ],
)
def test_the_proxy_passes_the_webhook_on_to_the_bot(name: str, to: str) -> None:
    text = read(name)
    assert re.findall(r"^\s*path (.*)$", text, re.MULTILINE) == ["/webhook"]
    assert re.findall(to, text, re.MULTILINE) == [PORTS["bot"]]


def test_what_the_bot_keeps_lies_where_it_outlives_a_container() -> None:
    kept = block(block(read("compose.yaml"), "services", 0), "bot", 2)
    assert re.findall(r'^    volumes: \["\w+:(\S+)"\]$', kept, re.MULTILINE) == ["/data"]
    assert re.findall(r"^VOLUME (.*)$", stage("bot"), re.MULTILINE) == ["/data"]
    assert {"sourceVolume": "data", "containerPath": "/data"} in task("bot")["mountPoints"]  # type: ignore[operator]  # JSON
    for told in (compose("bot", "compose"), image("bot"), ecs("bot")):
        assert Path(told["INBOX_PATH"]).parent == Path("/data")
    files = load_bot(telegram_bot_token=TOKEN, inbox_path=compose("bot", "compose")["INBOX_PATH"])
    [label] = re.findall(r"botproof\.data: (.*)$", kept, re.MULTILINE)
    assert label.split() == [files.inbox_path, str(files.signals_file)]
    directory = re.findall(
        r"^StateDirectory=(.*)$", read("systemd/telegram-bot.service"), re.MULTILINE
    )
    assert [str(Path("/var/lib") / each) for each in directory] == [
        str(Path(unit("bot")["INBOX_PATH"]).parent)
    ]


def test_replicas_keep_nothing_for_themselves_and_redis_keeps_all() -> None:
    scaled = block(block(read("compose.scale.yaml"), "services", 0), "bot", 2)
    assert "    volumes: !reset []\n" in scaled
    redis = block(block(read("compose.redis.yaml"), "services", 0), "redis", 2)
    command = re.findall(r'^      - "?([^"\n]+)"?$', redis, re.MULTILINE)
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--appendonly"], options["--maxmemory-policy"]) == ("yes", "noeviction")
    assert f'    volumes: ["redis:{options["--dir"]}"]\n' in redis


@EVERY_SERVICE
def test_an_image_runs_as_nobody_with_what_its_own_lock_names(service: str) -> None:
    text = read("Dockerfile")
    run = text.partition("AS run\n")[2].partition("\nFROM ")[0]
    assert re.findall(r"^USER (.*)$", run, re.MULTILINE) == ["10001:10001"]
    assert "USER" not in stage(service)
    build = text.partition(f"AS {service}-build\n")[2].partition("\nFROM ")[0]
    assert re.findall(r"^COPY lock/(\S+)", build, re.MULTILINE) == [f"{service}.txt"]
    assert "--require-hashes" in build
    assert f"COPY --from={service}-build /opt/venv /opt/venv" in stage(service)


@EVERY_SERVICE
def test_a_unit_has_the_time_to_end_that_the_container_has(service: str) -> None:
    [seconds] = re.findall(
        r"^TimeoutStopSec=(\d+)$", read(f"systemd/{UNITS[service]}.service"), re.MULTILINE
    )
    assert f"  stop_grace_period: {seconds}s\n" in block(read("compose.yaml"), "x-service", 0)
    assert task(service)["stopTimeout"] == int(seconds)
