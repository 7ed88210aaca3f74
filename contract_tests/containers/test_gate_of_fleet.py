"""`botproof gate --compose`: what is judged is what production's own files, or containers, run."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contract_tests.containers.test_fleet import DEPLOY, Fleet, images, start
from contract_tests.gate_run import GateRun

# The images are made when the first test asks for them.
pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]
__all__ = ["images", "start"]  # fixtures

ROOT = Path(__file__).parents[2]
FILES = [DEPLOY / "compose.yaml", DEPLOY / "compose.dev.yaml"]
BY_HAND = ROOT / "fixtures" / "fleet" / "by_hand.yaml"


class Person:
    """Who looks at a fleet with botproof."""

    def __init__(self, fleet: Fleet, reports: Path) -> None:
        self.fleet = fleet
        self.reports = reports
        self.files = [word for path in FILES for word in ("--compose", str(path))]
        self.project = ["--project-name", fleet.command[3]]

    def botproof(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "botproof", *words, *self.files, *self.project]
        return subprocess.run(
            command,
            cwd=ROOT,
            env=self.fleet.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def gate(self, *words: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
        only = ("--only", "boot,golden", "--mode", "polling", "--report-dir", str(self.reports))
        done = self.botproof("gate", *only, *words)
        document = json.loads((self.reports / "verdict.json").read_text())
        return done, {check["check"]: check for check in document["checks"]}

    def drift(self) -> set[str]:
        done = self.botproof("drift", "--json", "--no-telegram", "--no-git")
        return {f"{each['where']}: {each['what']}" for each in json.loads(done.stdout)}


def test_a_command_that_stands_only_on_the_server_is_named_judged_and_put_right(
    start: Callable[..., Fleet], images: dict[str, str], tmp_path: Path
) -> None:
    fleet = start("dev", **images)
    person = Person(fleet, tmp_path)
    fleet("up", "--detach", "--no-build", "--wait", "--wait-timeout", "90")
    fleet("--file", str(BY_HAND), "up", "--detach", "--no-build", "--no-deps", "bot")

    # What is committed would pass: nobody who judges the repository can see it.
    done, checks = person.gate()
    assert done.returncode == 0, done.stdout + done.stderr
    assert {check["verdict"] for check in checks.values()} == {"PASS"}
    assert f"bot: as production runs it, image {images['BOT_IMAGE']}" in done.stdout
    assert "not judged, for botproof.toml names no such process: exchange-double" in done.stdout

    # What runs differs by name, and its own gate says what that does to users.
    assert "bot: command" in person.drift()
    done, checks = person.gate("--from-host")
    assert done.returncode == 1, done.stdout + done.stderr
    assert checks["boot"]["verdict"] == "PASS"
    assert checks["golden"]["verdict"] == "FAIL"
    assert "price-perp-fails (polling" in checks["golden"]["evidence"][0]

    # As committed, it is what was judged again.
    fleet("up", "--detach", "--no-build", "--no-deps", "bot")
    assert person.drift() == set()


def test_the_sealed_verdict_is_bound_to_the_files(
    start: Callable[..., Fleet], images: dict[str, str], tmp_path: Path
) -> None:
    fleet = start("dev", **images)
    person = Person(fleet, tmp_path)
    person.project = []
    person.botproof("gate", "--only", "boot", "--mode", "polling", "--report-dir", str(tmp_path))
    ask = ["verify", str(tmp_path / "verdict.intoto.json"), "--allow-unsigned", "--allow-partial"]
    ask += ["--allow-dirty", "--accept-inconclusive", "a test", "--config", "botproof.toml"]
    same = person.botproof(*ask)
    assert "compose" not in same.stderr
    person.files += ["--compose", str(BY_HAND)]
    other = person.botproof(*ask)
    assert other.returncode == 1
    assert "policy: compose: sealed with sha256:" in other.stderr


def test_updates_come_through_the_proxy_of_the_files(
    images: dict[str, str], tmp_path: Path
) -> None:
    settings = {
        **images,
        "FLEET_ENV_FILE": str(tmp_path / "fleet.env"),
        "WEBHOOK_DOMAIN": "bot.example.com",
        "TELEGRAM_BOT_TOKEN": "42:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "TELEGRAM_ALLOWED_USERS": "1",
        "MARKET_DATA_TOKEN": "a-token-that-only-doubles-know",
    }
    settings_file = tmp_path / "fleet.env"
    settings_file.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
    words = [f"--compose={DEPLOY / f'compose{which}.yaml'}" for which in ("", ".webhook")]
    words += [f"--env-file={settings_file}"]
    run = GateRun(tmp_path, "--only=boot", "--mode=webhook", *words, cwd=ROOT)
    assert "updates of webhook mode come through proxy, over TLS" in run.output
    assert run.exit_code == 0, run.output
    # The double reaches the bot by no other way, and the proxy has nothing to complain of.
    assert '"https://localhost/webhook"' in (tmp_path / "history.jsonl").read_text()
    assert "log of proxy" not in run.output


def test_redis_is_started_beside_and_found_by_its_name(
    images: dict[str, str], tmp_path: Path
) -> None:
    own = "botproof-test/redis-of-the-fleet:local"
    bare = os.environ.get("BOTPROOF_REDIS_IMAGE", "redis:7-alpine")
    # The official image has a directory of data that belongs to its user; not every one for tests.
    lines = f"FROM {bare}\nUSER root\nRUN mkdir -p /data && chown 999:999 /data\nVOLUME /data\n"
    build = ["docker", "build", "--quiet", "--tag", own, "-"]
    subprocess.run(build, input=lines, text=True, check=True, capture_output=True)
    settings = {
        **images,
        "REDIS_IMAGE": own,
        "FLEET_ENV_FILE": str(tmp_path / "fleet.env"),
        "TELEGRAM_BOT_TOKEN": "42:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "TELEGRAM_ALLOWED_USERS": "1",
        "MARKET_DATA_TOKEN": "a-token-that-only-doubles-know",
    }
    settings_file = tmp_path / "fleet.env"
    settings_file.write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
    words = [f"--compose={DEPLOY / f'compose{which}.yaml'}" for which in ("", ".polling", ".redis")]
    words += [f"--env-file={settings_file}"]
    run = GateRun(tmp_path, "--only=boot", "--mode=polling", *words, cwd=ROOT)
    assert "started beside, for a judged service names them: redis" in run.output
    assert run.verdict_of("boot") == "PASS", run.output
    assert "redis ready after" in run.output
