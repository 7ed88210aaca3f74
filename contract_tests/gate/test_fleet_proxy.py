"""The proxy of a fleet's files stands before the bot's webhook in the gate, too."""

from pathlib import Path
from typing import Any

import pytest

from botproof.config import Config, config_of
from botproof.fleet.proxy import through
from botproof.fleet.target import in_containers

BOT = {
    "image": "bot:1",
    "environment": {"HOOK": "https://bot.example.com/webhook", "PORT": "5000"},
}
PROXY: dict[str, Any] = {
    "image": "caddy:2",
    "environment": {
        "DOMAIN": "bot.example.com",
        "NETWORKS": "149.154.160.0/20 91.108.4.0/22",
        "XDG_DATA_HOME": "/certificates",
    },
    "ports": [{"target": 443, "published": "443"}, {"target": 80, "published": "80"}],
    "volumes": [
        {"type": "bind", "source": "/srv/Caddyfile", "target": "/etc/caddy/Caddyfile"},
        {"type": "volume", "source": "certificates", "target": "/certificates"},
    ],
}


@pytest.fixture
def config() -> Config:
    modes = {"polling": {}, "webhook": {"env": {"HOOK": "{url:bot}/webhook"}}}
    bot = {"command": ["x"], "env": {"PORT": "{port:bot}"}, "ready": "telegram"}
    return config_of({"name": "a bot", "bot": bot, "modes": modes})


def test_updates_come_through_it_by_its_own_configuration(config: Config) -> None:
    target = in_containers(config, {"bot": BOT, "edge": PROXY})
    assert "updates of webhook mode come through edge, over TLS" in list(target.lines())
    with through(target.config, target.proxy) as played:
        authority = Path(played.doubles.telegram.args[-1])
        assert played.doubles.telegram.args[:-1] == ("--webhook-ca",)
        assert "BEGIN CERTIFICATE" in authority.read_text()
        # Where the proxy looks for the bot, and where the double looks for the proxy.
        assert played.bot.port == 5000
        assert played.modes["webhook"].env == {"HOOK": "https://localhost/webhook"}
        edge = played.services["edge"]
        assert edge.env["DOMAIN"] == "localhost"
        assert edge.env["NETWORKS"] == "149.154.160.0/20 91.108.4.0/22 127.0.0.0/8"
        args = " ".join(edge.container_args)
        assert "--volume /srv/Caddyfile:/etc/caddy/Caddyfile:ro" in args
        # One place for its certificates, and the authority lies where Caddy looks for it.
        root = authority.parents[4]
        assert args.count("/certificates") == 1
        assert args.endswith(f"--volume {root}:/certificates")
        assert authority == root / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    assert not authority.exists()


@pytest.mark.parametrize(
    "services",
    [
        {"bot": {**BOT, "environment": {"HOOK": "", "PORT": "5000"}}, "edge": PROXY},
        {"bot": BOT, "edge": {**PROXY, "ports": [{"target": 80}]}},
        {"bot": BOT},
    ],
    ids=["polling", "no-tls", "none"],
)
def test_where_there_is_none_the_bot_is_reached_by_itself(
    config: Config, services: dict[str, Any]
) -> None:
    target = in_containers(config, services)
    with through(target.config, target.proxy) as played:
        assert played.modes["webhook"].env == {"HOOK": "{url:bot}/webhook"}
        assert "edge" not in played.services


def test_a_container_that_runs_is_known_as_one_by_its_ports(config: Config) -> None:
    target = in_containers(config, {"bot": BOT, "edge": {**PROXY, "ports": ["443/tcp"]}})
    assert target.proxy is not None
