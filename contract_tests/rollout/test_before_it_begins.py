"""What stops `botproof deploy` and `rollback` before anything is touched, and what they say."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from botproof.fleet.host import Compose
from botproof.rollout.deploy import Options, make_plan
from botproof.rollout.engine import EngineGoneError, StepFailedError
from botproof.rollout.host import DockerHost
from botproof.rollout.lock import DirectoryLock, FleetLock

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
    """Whatever directory the first one keeps its record in; and one directory has one writer."""
    project = f"a-test-{os.getpid()}"
    (folder / "docker").write_text(
        f"""#!/bin/sh
case "$*" in *config*) echo '{{"name": "{project}"}}';; info*) echo ENGINE;; *) exit 1;; esac
"""
    )
    with FleetLock(project, "ENGINE"):
        code, said = run(folder, command, *WORDS[command])
    assert code == 64
    assert f"the fleet {project} is changed just now by process {os.getpid()}" in said
    assert not (folder / "state").exists()
    with DirectoryLock(folder / "state"):
        code, said = run(folder, command, *WORDS[command])
    assert code == 64
    assert f"process {os.getpid()} writes its record here just now" in said


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


class WithoutTheImage(DockerHost):
    """A fleet whose bot runs, and is to have an image that is not on this machine."""

    def project(self) -> dict[str, Any]:
        bot = {"image": "sha256:0", "labels": {"botproof.role": "bot"}}
        return {"name": "market-bot", "services": {"bot": bot}}

    def containers(self, service: str = "") -> list[Mapping[str, Any]]:
        return [{"Id": f"old {service}", "Image": "sha256:1"}]

    def docker(self, *words: str) -> str:
        raise StepFailedError(f"no such image: {words[-1]}")

    def would_recreate(self, service: str) -> bool:
        raise StepFailedError(f"Compose has no image for {service} either")


def test_an_image_that_is_not_here_is_left_to_the_check_which_says_what_to_do() -> None:
    host = WithoutTheImage(Compose([]), {"BOT_IMAGE": "sha256:0"})
    [change] = make_plan(host, Options()).changes
    assert (change.service, change.image) == ("bot", "")
