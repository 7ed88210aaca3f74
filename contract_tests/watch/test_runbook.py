"""The runbook: a chapter for each alert, and every command in it is run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from botproof.cli import _parser
from botproof.watch.rules import RULES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/runbook.md").read_text()
COMMANDS = sorted(set(re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)))
OURS = [command for command in COMMANDS if command.startswith("botproof ")]
DOCKER = [command for command in COMMANDS if command.startswith("docker ")]
HARMLESS = ("free", "cat", "df", "ps", "uptime")
"""Run as they stand, wherever the tests run."""
ELSEWHERE = ("systemctl", "journalctl", "dmesg")
"""Programs of a machine with systemd and of its root: only their options are looked at."""


def test_every_alert_has_its_chapter() -> None:
    chapters = set(re.findall(r"^### (\S+)$", PAGE, re.MULTILINE))
    assert {rule.name.replace("_", "-") for rule in RULES} | {"watch-gone"} == chapters


def test_every_link_leads_somewhere() -> None:
    titles = re.findall(r"^#+ (.*)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", " ".join(PAGE.split())):
        file, _, anchor = target.partition("#")
        assert (ROOT / "docs" / file).exists() if file else anchor in anchors, target


def test_every_command_is_of_a_kind_that_a_test_runs() -> None:
    known = ("botproof", "docker", "cd", "export", *HARMLESS, *ELSEWHERE)
    assert [command for command in COMMANDS if command.split()[0] not in known] == []


@pytest.mark.parametrize("command", OURS)
def test_botproof_understands_the_command_and_the_files_exist(command: str) -> None:
    words = shlex.split(command)[1:]
    parsed = vars(_parser(words).parse_args(words))
    made = {"watch.toml", "deploy/.env.prod"}  # by whoever sets the machine up
    named = {word for word in words if "/" in word or word.endswith((".toml", ".yaml"))} - made
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert callable(parsed["run"])


LOOKS = [c for c in OURS if c.split()[1] in {"watch", "checklist"}]
"""The others change a fleet or take minutes: roll-out, drift and gate have tests of their own."""


@pytest.mark.parametrize("command", LOOKS)
def test_what_looks_at_the_fleet_runs_as_it_is_typed(command: str, tmp_path: Path) -> None:
    """Where no fleet is: a look that finds nothing well says so, and is no mistake."""
    (tmp_path / "deploy").mkdir()
    token = "42:AAExampleExampleExampleExampleExample"
    (tmp_path / "deploy/.env.prod").write_text(f"TELEGRAM_BOT_TOKEN={token}\n")
    example = (ROOT / "botproof/watch/watch.example.toml").read_text()
    # Nobody is asked: where nothing listens is Telegram, and a socket that is not there Docker.
    nobody = 'telegram_api = "http://127.0.0.1:9"\ndocker_socket = "/nowhere/docker.sock"\n'
    (tmp_path / "watch.toml").write_text(nobody + example)
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(command)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )
    assert done.returncode in {0, 1, 2}, done.stderr  # by the machine's own memory and disk
    assert ("not answered" if "checklist" in command else "service bot  0") in done.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[0] in HARMLESS])
def test_what_looks_at_the_machine_runs(command: str) -> None:
    if shutil.which(command.split(maxsplit=1)[0]) is None:
        pytest.skip(f"not applicable: {command.split(maxsplit=1)[0]} is not installed")
    if command == "cat /proc/pressure/memory" and not Path("/proc/pressure/memory").exists():
        pytest.skip("not applicable: this kernel has no pressure figures")
    done = subprocess.run(
        shlex.split(command), capture_output=True, text=True, check=False, timeout=800
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.split()[0] in ELSEWHERE])
def test_programs_of_the_machine_know_the_options(command: str) -> None:
    program, *words = shlex.split(command)
    if shutil.which(program) is None:
        pytest.skip(f"not applicable: {program} is not installed")
    known = subprocess.run(
        [program, "--help"], capture_output=True, text=True, check=False, timeout=800
    ).stdout
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known


def test_the_fleet_is_the_one_that_compose_knows() -> None:
    [export] = [command for command in COMMANDS if command.startswith("export ")]
    files = export.partition("COMPOSE_FILE=")[2].split()[0]
    for file in files.split(":"):
        assert (ROOT / file).is_file()


FLEET = """
services:
  bot: &service
    image: {image}
    init: true
    command: [sleep, "600"]
    stop_grace_period: 1s
  market-data: *service
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Two containers by the names of the fleet's services; the environment of that shell."""
    folder = tmp_path_factory.mktemp("fleet")
    image = os.environ.get("BOTPROOF_PYTHON_IMAGE", "python:3.11-slim")
    (folder / "compose.yaml").write_text(FLEET.format(image=image))
    environment = {
        **os.environ,
        "COMPOSE_FILE": str(folder / "compose.yaml"),
        "COMPOSE_PROJECT_NAME": f"botproof-watch-{uuid.uuid4().hex[:12]}",
    }

    def compose(*words: str) -> None:
        command = ["docker", "compose", *words]
        subprocess.run(command, env=environment, check=True, capture_output=True)

    compose("up", "--detach", "--wait")
    yield environment
    compose("down", "--timeout", "1", "--volumes")


@pytest.mark.docker
def test_every_command_of_docker_runs_on_a_fleet(fleet: dict[str, str]) -> None:
    for command in DOCKER:
        words = shlex.split(command)
        if "reference_bot.telegram_bot" in words:  # run on the real image in test_images.py
            words[words.index("-m") :] = ["--version"]
            words = [word.replace("python", "python3") for word in words]
        done = subprocess.run(
            words, env=fleet, capture_output=True, text=True, check=False, timeout=800
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_the_bot_has_the_option_that_lists_dead_letters() -> None:
    command = [sys.executable, "-m", "reference_bot.telegram_bot", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=800)
    assert "--dead-letters" in done.stdout
