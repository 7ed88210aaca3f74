"""Exposing the new bot and stopping the old one is one thing, of which a kill leaves no half."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from botproof.fleet.host import Compose
from botproof.rollout.engine import StepFailedError
from botproof.rollout.host import DockerHost

ROOT = Path(__file__).parents[2]
BOT = {
    "Id": "new",
    "Config": {"Labels": {"com.docker.compose.service": "bot", "botproof.role": "bot"}},
    "NetworkSettings": {"Networks": {"outside": {"Aliases": []}}},
}
DOCKER = """#!/bin/sh
case "$1" in
  inspect) cat "$FOLDER/inspected.json";;
  *) echo "$*" >> "$FOLDER/did";;
esac
"""
KILLS = """case "$2" in connect) kill -9 "$(cat "$FOLDER/pid")";; esac
"""
PROGRAM = """
import os, sys
from pathlib import Path
from contract_tests.rollout.test_changing_over import Host
Path(os.environ["FOLDER"], "pid").write_text(str(os.getpid()))
Host.make().change_over(["new"], ["old"])
"""
DONE = ["network connect --alias bot --alias bot-webhook inside new", "stop --time 20 old"]


class Host(DockerHost):
    """A host whose files give the bot two networks."""

    @classmethod
    def make(cls) -> "Host":
        return cls(Compose([], project="a-test"), {})

    def project(self) -> dict[str, Any]:
        networks = {"inside": {"aliases": ["bot-webhook"]}, "outside": None}
        return {
            "services": {"bot": {"networks": networks}},
            "networks": {name: {"name": name} for name in networks},
        }


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that notes what it is asked to do."""
    (tmp_path / "inspected.json").write_text(json.dumps([BOT]))
    docker = tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    monkeypatch.setenv("FOLDER", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def did(folder: Path) -> list[str]:
    return (folder / "did").read_text().splitlines()


def test_the_new_one_is_found_before_the_old_one_is_stopped(folder: Path) -> None:
    host, before = Host.make(), time.monotonic()
    host.change_over(["new"], ["old"])
    assert did(folder) == DONE
    assert before - 1 < host.asked_to_end < time.monotonic() + 1  # the kernel tells hundredths


def test_who_is_killed_when_the_new_one_is_found_has_the_old_one_stopped_all_the_same(
    folder: Path,
) -> None:
    os.mkfifo(folder / "did")
    (folder / "docker").write_text(DOCKER + KILLS)
    # Opened to read and write: the pipe has no end before the last writer wrote.
    with os.fdopen(os.open(folder / "did", os.O_RDWR)) as noted:
        env = {**os.environ, "PYTHONPATH": str(ROOT)}  # which a safe path leaves out
        done = subprocess.run([sys.executable, "-c", PROGRAM], check=False, env=env)
        assert done.returncode == -signal.SIGKILL
        assert [noted.readline().strip() for _ in DONE] == DONE


def test_the_old_one_works_on_when_the_new_one_cannot_be_found(folder: Path) -> None:
    (folder / "docker").write_text(
        DOCKER + 'case "$2" in connect) echo "no such network" >&2; exit 1;; esac\n'
    )
    wanted = "`docker network connect .*docker stop .*` failed: no such network"
    with pytest.raises(StepFailedError, match=wanted):
        Host.make().change_over(["new"], ["old"])
    assert did(folder) == DONE[:1]


def test_what_an_engine_did_before_it_went_is_not_done_again(folder: Path) -> None:
    exposed = json.loads(json.dumps([BOT]))
    exposed[0]["NetworkSettings"]["Networks"]["inside"] = {"Aliases": ["bot", "bot-webhook"]}
    (folder / "exposed.json").write_text(json.dumps(exposed))
    goes = """case "$1" in stop)
  cd "$FOLDER"; if [ -e exposed.json ]; then mv exposed.json inspected.json; exit 1; fi;;
esac
"""
    (folder / "docker").write_text(DOCKER + goes)
    Host.make().change_over(["new"], ["old"])
    assert did(folder) == [*DONE, DONE[1]]


def test_with_no_old_one_that_runs_the_new_one_is_found_and_nothing_is_stopped(
    folder: Path,
) -> None:
    host = Host.make()
    host.change_over(["new"], [])
    assert did(folder) == DONE[:1]
    assert host.asked_to_end == 0.0


@pytest.mark.parametrize(
    "why", ["No such container", "configured logging driver does not support reading"]
)
def test_a_container_whose_log_is_gone_is_told_as_one_that_ended(folder: Path, why: str) -> None:
    """Somebody removes it just now, or its log driver is `none`."""
    state = {"Status": "exited", "ExitCode": 137}
    ended = [{**BOT, "Name": "/bot-2", "State": state, "RestartCount": 0}]
    (folder / "inspected.json").write_text(json.dumps(ended))
    (folder / "docker").write_text(
        DOCKER + 'case "$1" in logs) echo "' + why + '" >&2; exit 1;; esac\n'
    )
    wanted = f"bot-2 ended with code 137; it said: nothing that can be read: .*{why}"
    with pytest.raises(StepFailedError, match=wanted):
        Host.make().wait("new", standby=False, seconds=60)
