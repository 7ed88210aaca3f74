"""What `botproof deploy` refuses by the sealed verdict, before it touches anything."""

import argparse
import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from botproof.fleet.host import Compose
from botproof.fleet.target import digest_of
from botproof.rollout.cli import reasons_against_images
from botproof.rollout.host import DockerHost
from botproof.seal import dsse
from botproof.seal.statement import Judged, Resource, statement, write_statement
from botproof.verdict import CheckResult, Verdict

IMAGE = "1" * 64
PROJECT: dict[str, Any] = {
    "name": "market-bot",
    "services": {"bot": {"image": f"sha256:{IMAGE}", "labels": {"botproof.role": "bot"}}},
}


class Host:
    """As much of a host as a verdict is compared with."""

    compose = Compose([Path("deploy/compose.yaml")])

    def project(self) -> dict[str, Any]:
        return PROJECT

    def docker(self, *_: str) -> str:
        return f"sha256:{IMAGE}\n"


def verdict(path: Path, *, image: str = IMAGE, compose: str = "") -> Path:
    policy = (Resource(name="compose", digest={"sha256": compose}),) if compose else ()
    judged = Judged(
        subject=(Resource(name="bot", digest={"sha256": image}),),
        policy=policy,
        history=Resource(name="history.jsonl", digest={"sha256": "0"}),
        environment="",
        commit="",
        dirty=False,
        partial=False,
        botproof="1",
    )
    result = CheckResult(
        check="boot", verdict=Verdict.PASS, budget="", measurement="", least_evidence=""
    )
    now, week = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=7)
    path.write_bytes(
        dsse.seal(
            write_statement(statement(judged, [result], at=now, valid_for=week)), None
        ).write()
    )
    return path


def refused(verdict: Path | None, **options: str) -> list[str]:
    arguments = argparse.Namespace(
        verdict=verdict,
        key=[],
        environment=None,
        rehearsal=None,
        unjudged=options.get("unjudged"),
        unrehearsed=options.get("unrehearsed"),
    )
    return reasons_against_images(arguments, cast("DockerHost", Host()))


def test_what_was_neither_judged_nor_rehearsed_is_refused_by_both_names() -> None:
    found = refused(None)
    assert [reason.partition(":")[0] for reason in found] == ["verdict", "rehearsal"]
    assert refused(None, unjudged="an incident", unrehearsed="an incident") == []


def test_a_verdict_about_these_images_is_enough(tmp_path: Path) -> None:
    assert refused(verdict(tmp_path / "verdict"), unrehearsed="a test") == []


def test_a_verdict_about_another_image_is_refused(tmp_path: Path) -> None:
    [reason] = refused(verdict(tmp_path / "verdict", image="2" * 64), unrehearsed="a test")
    assert reason.startswith("verdict: bot: sealed with")


@pytest.mark.parametrize("same", [True, False])
def test_a_verdict_about_compose_files_is_about_these_or_refused(
    tmp_path: Path, same: bool
) -> None:
    digest = digest_of(PROJECT, Path("deploy")) if same else "3" * 64
    found = refused(verdict(tmp_path / "verdict", compose=digest), unrehearsed="a test")
    assert [("Compose files" in reason) for reason in found] == ([] if same else [True])
