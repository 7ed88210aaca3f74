"""The new fleet is asked as a user would ask it, and one late answer is not a wrong version."""

from pathlib import Path

import pytest

from botproof.fleet.host import Compose
from botproof.rollout.deploy import Options, Rollout
from botproof.rollout.engine import StepFailedError
from botproof.rollout.host import DockerHost, Document
from botproof.rollout.journal import FileJournal
from botproof.rollout.plan import Kind, Plan, Step


class NoContainers(DockerHost):
    """A fleet of which nothing runs here: only the canary is asked."""

    def containers(self, service: str = "") -> list[Document]:
        del service
        return []


def verify(folder: Path, right_after: int) -> tuple[int, FileJournal]:
    """How often a canary was asked that has no figures so many times before it has them."""
    asked = folder / "asked"
    figures = "[ $(wc -l < {0}) -gt {1} ] && echo 'L/S: 1.56x, HIGH (2.1x)' || echo sorry"
    canary = f"echo x >> {asked}; {figures.format(asked, right_after)}"
    journal = FileJournal(folder / "journal.jsonl")
    plan = Plan(changes=(), images={})
    rollout = Rollout(plan, NoContainers(Compose([]), {}), journal, folder, Options(canary=canary))
    try:
        rollout.do(Step(Kind.VERIFY))
    finally:
        times = len(asked.read_text().splitlines())
    return times, journal


@pytest.mark.parametrize("wrong", [0, 2])
def test_an_answer_that_comes_right_within_three_questions_is_right(
    tmp_path: Path, wrong: int
) -> None:
    times, journal = verify(tmp_path, wrong)
    assert times == wrong + 1
    assert [entry.event for entry in journal.entries] == ["note"] * wrong


def test_what_is_wrong_three_times_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(StepFailedError, match="it says: sorry"):
        verify(tmp_path, 3)
    assert len((tmp_path / "asked").read_text().splitlines()) == 3
