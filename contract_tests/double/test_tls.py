"""TLS: a bot that insists on https://api.telegram.org meets the double, with nothing in it changed.

The bot runs in a network and a mount namespace of its own, where port 443 is free and the name
resolves to 127.0.0.1. Around it, one variable says whom to trust; in it, nothing says anything.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from botproof.doubles import tls
from botproof.doubles.telegram.client import launch

TOKEN = "123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"
BOTS = Path(__file__).parents[2] / "fixtures" / "bots" / "ten_lines"
# Anybody may have a user namespace on most machines; where nobody may, root needs none.
WORLDS = (
    ("unshare", "--user", "--map-root-user", "--mount", "--net"),
    ("unshare", "--mount", "--net"),
)
SETUP = 'mount --bind "$HOSTS" /etc/hosts && ip link set lo up && exec "$@"'


def test_the_double_serves_https_under_the_real_name(tmp_path: Path) -> None:
    ca = tmp_path / "new" / "ca.pem"
    options = ("--tls", str(ca))
    with launch(TOKEN, *options, verify=lambda: ssl.create_default_context(cafile=ca)) as double:
        assert double.url.startswith("https://")
        assert double.person(42).say("hi").update_id
        # Nobody else is trusted by accident, and the key of the authority is nowhere.
        with (
            httpx.Client(trust_env=False, timeout=60) as stranger,
            pytest.raises(httpx.ConnectError),
        ):
            stranger.get(double.url)
        told = [event for event in double.transcript()[0] if event["type"] == "distrusted"]
        assert [event["why"] for event in told] == ["unknown authority"]
        assert "PRIVATE" not in ca.read_text()
        assert list(tmp_path.rglob("*.pem")) == [ca]


def test_the_certificate_is_for_the_names_of_telegram_and_of_this_machine(tmp_path: Path) -> None:
    server = tls.server_context(tmp_path / "ca.pem")
    client = ssl.create_default_context(cafile=tmp_path / "ca.pem")
    for name in ("api.telegram.org", "localhost", "127.0.0.1"):
        handshake(client, server, name)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(client, server, "example.org")


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.version() is not None


def world_of_its_own(hosts: Path) -> tuple[tuple[str, ...], str]:
    """The command that gives namespaces of one's own here; empty, with the reason, if none does."""
    said = ""
    for command in WORLDS:
        tried = subprocess.run(
            [*command, "sh", "-c", SETUP, "sh", "true"],
            env={**os.environ, "HOSTS": str(hosts)},
            capture_output=True,
            text=True,
            check=False,
        )
        if not tried.returncode:
            return command, ""
        said = said or tried.stderr.strip()
    return (), f"this machine gives out no namespaces: {said}"


def test_an_unmodified_bot_is_pointed_at_the_double_by_name_alone(
    tmp_path: Path, need: Callable[..., None], missing: Callable[[str], NoReturn]
) -> None:
    need("unshare", "ip", "mount")
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost api.telegram.org\n")
    own_world, reason = world_of_its_own(hosts)
    if reason:
        missing(reason)
    inside = tmp_path / "inside.py"
    inside.write_text(INSIDE)
    done = subprocess.run(
        [
            *own_world,
            "sh",
            "-c",
            SETUP,
            "sh",
            sys.executable,
            str(inside),
            str(BOTS / "insists.py"),
        ],
        env={**os.environ, "HOSTS": str(hosts), "TOKEN": TOKEN, "CA": str(tmp_path / "ca.pem")},
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"url": "https://127.0.0.1:443", "reply": "no base URL"}


# What happens in that world: the double on port 443, the bot, and a person who writes to it.
INSIDE = """
import json, os, ssl, subprocess, sys
from botproof.doubles.telegram.client import launch

ca, token = os.environ["CA"], os.environ["TOKEN"]
trusting = lambda: ssl.create_default_context(cafile=ca)
with launch(token, "--tls", ca, "--port", "443", verify=trusting) as telegram:
    env = {"PATH": os.environ["PATH"], "TOKEN": token, "SSL_CERT_FILE": ca}
    with subprocess.Popen([sys.executable, sys.argv[1]], env=env) as bot:
        try:
            reply = telegram.person(42).ask("no base URL", timeout=60)
        finally:
            bot.terminate()
    print(json.dumps({"url": telegram.url, "reply": reply.text}))
"""
