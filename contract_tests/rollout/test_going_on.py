"""What a call of `botproof deploy` does with a roll-out that an earlier one left unfinished."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from botproof.fleet.host import Compose
from botproof.rollout import cli
from botproof.rollout.backup import digest_of
from botproof.rollout.deploy import Options, Rollout
from botproof.rollout.engine import EngineGoneError, StepFailedError
from botproof.rollout.journal import FileJournal
from botproof.rollout.ledger import Ledger
from botproof.rollout.plan import Change, Kind, Manner, Plan, Step
from botproof.rollout.steps import Seen


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
    plan = Plan(changes=(), images={"A": "1"}, files=digest_of([compose, env]))
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


BOT = Change(service="bot", image="new", old=("old",), manner=Manner.BESIDE, is_bot=True)


class Going:
    """A host whose old container was removed, and whose new one goes away after some looks."""

    def __init__(self, looks: int) -> None:
        self.left = looks

    def seen(self, _: str) -> list[Seen]:
        self.left -= 1
        return [Seen("new", "new", running=True)] if self.left >= 0 else []


@pytest.mark.parametrize(("watch_s", "seen_to_go"), [(360.0, True), (0.0, False)])
def test_after_a_watch_the_new_one_is_seen_to_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch_s: float, seen_to_go: bool
) -> None:
    """`docker compose up` by hand in the second in which the old one goes takes the new one."""
    monkeypatch.setattr(Rollout, "_settle", lambda _: None)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    plan = Plan(changes=(BOT,), images={}, watch_s=watch_s)
    host: Any = Going(looks=6)
    rollout = Rollout(plan, host, FileJournal(tmp_path / "journal.jsonl"), tmp_path)
    if seen_to_go:
        with pytest.raises(StepFailedError, match="bot: no new container"):
            rollout.do(Step(Kind.SETTLE))
    else:
        rollout.do(Step(Kind.SETTLE))


class Settles:
    """A roll-out whose `settle` fails, once, or for ever."""

    troubles: Sequence[str] = ()

    def __init__(self, directory: Path, *failures: BaseException) -> None:
        self.directory, self.failures = directory, list(failures)

    def do(self, step: Step) -> None:
        if step.kind is Kind.SETTLE and self.failures:
            raise self.failures.pop()

    def pids(self) -> list[int]:
        return []

    def ledger(self, _: object) -> Ledger:
        return Ledger()


def settled(folder: Path, *failures: BaseException) -> int:
    rollout: Any = Settles(folder, *failures)
    plan = Plan(changes=(BOT,), images={})
    return cli._run(plan, rollout, FileJournal(folder / "journal.jsonl"))


def test_a_new_one_that_is_gone_at_the_end_is_made_again_by_the_same_call(tmp_path: Path) -> None:
    gone = StepFailedError("bot: no new container")
    assert settled(tmp_path, gone) == 0
    (tmp_path / "journal.jsonl").unlink()
    with pytest.raises(StepFailedError, match="goes on"):  # not for ever
        settled(tmp_path, gone, gone)


@pytest.mark.parametrize("why", [EngineGoneError("gone"), OSError("full"), KeyboardInterrupt()])
def test_what_another_try_does_not_mend_is_left_to_the_next_call(
    tmp_path: Path, why: BaseException
) -> None:
    with pytest.raises(StepFailedError, match="goes on"):
        settled(tmp_path, why)
