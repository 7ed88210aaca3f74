"""From Compose's files, or a container that runs, to the target of a gate."""

from pathlib import Path
from typing import Any

import pytest

from botproof.config import Config, Process, config_of, substitute
from botproof.fleet.target import as_service, digest_of, in_containers, joined
from botproof.problems import UsageError

BOT = {
    "image": "bot:1.4",
    "environment": {
        "TELEGRAM_BOT_TOKEN": "99:the-real-one",
        "TELEGRAM_API": "https://api.telegram.org",
        "API_KEY": "a real key",
        "INBOX": "/data/inbox",
        "PRICE": "5 $$ {and braces}",
        "UNSET": None,
    },
    "read_only": True,
    "mem_limit": "268435456",
    "pids_limit": 64,
    "cap_drop": ["ALL"],
    "tmpfs": ["/cache:size=8m"],
    "user": "10001",
    "volumes": [
        {"type": "volume", "source": "data", "target": "/data"},
        {"type": "bind", "source": "/srv/rules", "target": "/rules"},
    ],
    "stop_grace_period": "1m5s",
}
SERVICE = {"image": "market:1", "entrypoint": ["python", "-m"], "command": ["market", "$$x"]}


@pytest.fixture
def config() -> Config:
    env = {
        "TELEGRAM_BOT_TOKEN": "{token}",
        "TELEGRAM_API": "{url:telegram_double}",
        "API_KEY": "a double's key",
        "INBOX": "inbox.sqlite3",
    }
    return config_of(
        {
            "name": "a bot",
            "bot": {"command": ["{python}", "bot.py"], "env": env, "ready": "telegram"},
            "modes": {"polling": {}},
            "services": {"market_data": {"command": ["x"], "ready": "port"}},
        }
    )


def test_a_process_runs_as_production_has_it_but_for_the_outside_world(config: Config) -> None:
    target = in_containers(config, {"bot": BOT, "market-data": SERVICE, "proxy": {"image": "p"}})
    bot = target.config.bot
    assert (bot.image, bot.command, bot.stop_timeout_s) == ("bot:1.4", (), 65.0)
    assert bot.env == {
        # What the doubles stand for, and secrets, are those of botproof.toml …
        "TELEGRAM_BOT_TOKEN": "{token}",
        "TELEGRAM_API": "{url:telegram_double}",
        "API_KEY": "a double's key",
        # … and all else is production's, to the letter.
        "INBOX": "/data/inbox",
        "PRICE": "5 $ {{and braces}}",
    }
    assert substitute(str(bot.env["PRICE"]), {}) == "5 $ {and braces}"
    args = " ".join(bot.container_args)
    assert "--memory 268435456 --pids-limit 64 --read-only --tmpfs /cache:size=8m" in args
    assert args.startswith("--user 10001")
    assert "--cap-drop ALL" in args
    # Nothing that production keeps is written to.
    assert args.endswith("--volume /data --volume /srv/rules:/rules:ro")
    service = target.config.services["market_data"]
    assert service.container_args[:2] == ("--entrypoint", "python")
    assert service.command == ("-m", "market", "$x")
    doubles = "API_KEY, TELEGRAM_API, TELEGRAM_BOT_TOKEN"
    assert list(target.lines()) == [
        f"bot: as production runs it, image bot:1.4; for the doubles: {doubles}",
        "market_data: as production runs it, image market:1",
        "not judged, for botproof.toml names no such process: proxy",
    ]


def test_a_process_without_a_service_is_named_with_the_services_there_are(config: Config) -> None:
    with pytest.raises(UsageError, match=r"no service for market_data .* services are bot, market"):
        in_containers(config, {"bot": BOT, "market": SERVICE})


def test_a_service_without_an_image_is_refused(config: Config) -> None:
    with pytest.raises(UsageError, match="is built and has no image"):
        in_containers(config, {"bot": {"build": "."}, "market_data": SERVICE})


def test_a_running_container_says_the_same_as_its_service(config: Config) -> None:
    inspected: dict[str, Any] = {
        "Image": "sha256:ab",
        "Config": {
            "Entrypoint": None,
            "Cmd": ["python", "-c", "print('$HOME {}')"],
            "Env": ["INBOX=/data/inbox", "PRICE=5 $ {x}"],
            "User": "10001",
            "WorkingDir": "/app",
            "StopTimeout": 20,
        },
        "HostConfig": {"ReadonlyRootfs": True, "Memory": 268435456, "CapDrop": ["ALL"]},
        "Mounts": [{"Type": "volume", "Source": "/var/x", "Destination": "/data"}],
    }
    bot = in_containers(config, {"bot": as_service(inspected), "market_data": SERVICE}).config.bot
    assert [substitute(word, {}) for word in bot.command] == inspected["Config"]["Cmd"]
    assert substitute(str(bot.env["PRICE"]), {}) == "5 $ {x}"
    assert (bot.image, bot.cwd, bot.stop_timeout_s) == ("sha256:ab", "/app", 20.0)
    assert {"--read-only", "--cap-drop", "--volume"} < set(bot.container_args)


def test_the_files_digest_is_of_what_they_mean_and_not_of_where_they_lie(tmp_path: Path) -> None:
    def digest(directory: Path, **changed: Any) -> str:
        service = {**BOT, "volumes": [{"source": f"{directory}/rules"}], **changed}
        return digest_of({"name": "x", "services": {"bot": service}}, directory)

    here, there = tmp_path / "here", tmp_path / "there"
    same = digest(here)
    assert digest(there) == same
    assert digest(here, image="another") == same  # a subject of its own
    other_secret = {**BOT["environment"], "API_KEY": "another"}  # type: ignore[dict-item]  # a dict
    assert digest(here, environment=other_secret) == same
    assert digest(here, command=["python", "main.py"]) != same
    assert digest(here, environment={**BOT["environment"], "INBOX": "/x"}) != same  # type: ignore[dict-item]  # a dict
    assert digest(here, mem_limit="1") != same


REDIS = {
    "image": "redis:7",
    "command": ["redis-server"],
    "healthcheck": {"test": ["CMD", "redis-cli", "ping"], "interval": "5s", "retries": 3},
}


def test_a_service_that_a_judged_one_names_is_started_beside_in_one_network(config: Config) -> None:
    bot = {**BOT, "environment": {"REDIS_URL": "redis://redis:6379/0"}}
    services: dict[str, Any] = {
        "bot": bot,
        "market-data": SERVICE,
        "redis": REDIS,
        "other": {"image": "o"},
    }
    target = in_containers(config, services)
    assert (target.beside, target.not_judged) == (("redis",), ("other",))
    assert list(target.config.services) == ["redis", "market_data"]  # what is needed comes first
    assert target.images["redis"] == "redis:7"
    assert target.config.insisted_ports() == {"redis": 6379}
    assert "started beside, for a judged service names them: redis" in list(target.lines())
    assert target.hosts == ("bot", "market-data", "other", "redis")
    together = joined(target, "container:x")
    for process in (together.config.bot, *together.config.services.values()):
        assert process.container_args[:2] == ("--network", "container:x")


def test_services_find_each_other_by_the_names_of_their_networks_too(config: Config) -> None:
    """In the files and of containers that run: a proxy may call the bot by such a name."""
    bot = {
        **BOT,
        "environment": {"REDIS_URL": "redis://cache:6379/0"},
        "networks": {"inside": {"aliases": ["bot-webhook"]}, "outside": None},
    }
    redis = {**REDIS, "networks": {"inside": {"aliases": ["cache"]}}}
    data = {**SERVICE, "networks": ["inside"]}
    services: dict[str, Any] = {"bot": bot, "market-data": data, "redis": redis}
    target = in_containers(config, services)
    assert target.beside == ("redis",)
    assert target.hosts == ("bot", "bot-webhook", "cache", "market-data", "redis")
    running: dict[str, Any] = {
        "NetworkSettings": {"Networks": {"inside": {"Aliases": ["bot-webhook", "bot"]}}}
    }
    told = as_service({"Config": {}, "HostConfig": {}, "Image": "i", **running})
    assert told["networks"] == {"inside": {"aliases": ["bot-webhook", "bot"]}}


def test_nothing_is_started_beside_that_faces_the_outside_or_that_nobody_names(
    config: Config,
) -> None:
    bot = {**BOT, "environment": {"TELEGRAM_API": "http://double:9000", "PAGE": "https://proxy/x"}}
    proxy = {"image": "p", "ports": [{"target": 443}]}
    services: dict[str, Any] = {
        "bot": bot,
        "market-data": SERVICE,
        "proxy": proxy,
        "double": {"image": "d"},
    }
    target = in_containers(config, services)
    assert (target.beside, target.hosts) == ((), ())


def redis_of(config: Config, redis: Any) -> Process:
    """The process that a service `redis`, which the bot needs, becomes."""
    bot = {**BOT, "environment": {"REDIS_URL": "redis://redis:6379/0"}}
    services = {"bot": bot, "market-data": SERVICE, "redis": redis}
    return in_containers(config, services).config.services["redis"]


@pytest.mark.parametrize(
    ("check", "options"),
    [
        (REDIS["healthcheck"], "--health-cmd redis-cli ping --health-interval 5s"),
        ({"test": ["CMD-SHELL", "a | b $$x"]}, "--health-cmd a | b $x"),
        ({"test": ["CMD", "bash", "-c", "x {y}"]}, "--health-cmd bash -c 'x {{y}}'"),
        ({"test": ["NONE"]}, "--no-healthcheck"),
        ({"disable": True}, "--no-healthcheck"),
    ],
)
def test_the_health_check_of_a_service_beside_goes_along(
    config: Config, check: Any, options: str
) -> None:
    args = redis_of(config, {**REDIS, "healthcheck": check}).container_args
    assert options in " ".join(args)


def test_the_health_check_of_a_container_beside_goes_along(config: Config) -> None:
    check = {"Test": ["CMD", "true"], "Interval": 5_000_000_000, "Retries": 3}
    container = {
        "Image": "sha256:1",
        "Config": {"Env": ["A=1"], "Healthcheck": check},
        "HostConfig": {},
    }
    args = " ".join(redis_of(config, as_service(container)).container_args)
    assert "--health-cmd true --health-interval 5000ms --health-retries 3" in args
    assert "--health-timeout" not in args
