"""What a call of `botproof deploy` does with a roll-out that an earlier one left unfinished."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from botproof.fleet.host import Compose
from botproof.rollout import cli
from botproof.rollout.backup import digest_of
from botproof.rollout.deploy import Options
from botproof.rollout.journal import FileJournal
from botproof.rollout.plan import Plan


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would be done with it, in the place of doing it."""
    done: list[str] = []

    def run(*_: object) -> int:
        done.append("go on")
        return 0

    monkeypatch.setattr(cli, "_run", run)
    monkeypatch.setattr(cli, "go_back", lambda *_: done.append("go back"))
    return done


def finish(folder: Path, images: dict[str, str], begun: Sequence[str] = ("check",)) -> Any:
    """A roll-out of these files is begun, and they are edited; then the next call."""
    directory = folder / "0001"
    compose, env = folder / "compose.yaml", folder / "env"
    compose.write_text("services: {}\n")
    env.write_text("A=1\n")
    plan = Plan(what="deploy", changes=(), images={"A": "1"}, files=digest_of([compose, env]))
    journal = FileJournal(directory / "journal.jsonl")
    journal.write("plan", **msgspec.to_builtins(plan))
    for step in begun:
        journal.write("begun", step)
    env.write_text("A=2\n")
    return cli._finish(directory, Compose([compose], [env]), Options(), images)


def test_files_that_were_edited_since_are_no_roll_out_to_go_on_with(
    tmp_path: Path, calls: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert finish(tmp_path, {"A": "1"}) is None
    assert calls == ["go back"]
    assert "0001: its files were edited since it was begun" in capsys.readouterr().out


def test_from_settle_on_the_env_file_is_the_roll_outs_own(tmp_path: Path, calls: list[str]) -> None:
    assert finish(tmp_path, {}, ("check", "settle")) == 0
    assert calls == ["go on"]
