"""What stops `botproof deploy` and `rollback` before anything is touched, and what they say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from botproof.fleet.host import Compose
from botproof.rollout.engine import EngineGoneError
from botproof.rollout.host import DockerHost
from botproof.rollout.journal import Lock

WORDS = {
    "deploy": ("--unjudged", "a test", "--unrehearsed", "a test"),
    "rollback": ("--level", "1"),
}


def run(folder: Path, command: str, *words: str) -> tuple[int, str]:
    """The exit code and what it says, with the `docker` of this folder."""
    files = ("--compose", str(folder / "compose.yaml"), "--env-file", str(folder / "env"))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "botproof",
            command,
            *files,
            "--state",
            str(folder / "state"),
            *words,
        ],
        env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files of a fleet, and a `docker` whose Compose finds a mistake in them."""
    for name in ("compose.yaml", "env"):
        (tmp_path / name).write_text("")
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 'yaml: line 113: a mistake' >&2\nexit 1\n")
    docker.chmod(0o755)
    return tmp_path


def test_a_mistake_in_the_files_is_told_and_nothing_is_to_be_gone_on_with(folder: Path) -> None:
    code, said = run(folder, "deploy", *WORDS["deploy"])
    wanted = (
        "stopped: `docker compose config` failed: yaml: line 113: a mistake; nothing was changed"
    )
    assert (code, said.strip()) == (1, wanted)


@pytest.mark.parametrize("command", sorted(WORDS))
def test_a_second_call_at_the_same_time_is_told_who_is_at_work(folder: Path, command: str) -> None:
    with Lock(folder / "state"):
        code, said = run(folder, command, *WORDS[command])
    assert code == 64
    assert f"process {os.getpid()} changes this fleet just now" in said


def test_an_engine_that_does_not_answer_is_told_with_what_starts_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botproof.rollout.host._ENGINE_S", 0.0)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    gone = "Cannot connect to the Docker daemon at unix:///nowhere."
    (folder / "docker").write_text(f"#!/bin/sh\necho '{gone}' >&2\nexit 1\n")
    host = DockerHost(Compose([folder / "compose.yaml"], project="a-test"), {})
    with pytest.raises(EngineGoneError, match="systemctl start docker"):
        host.containers()
