"""A rehearsal counts for the images that it was done with, when it was whole and went well."""

from pathlib import Path

import msgspec
import pytest

from botproof.rollout.rehearse import Rehearsal, Times
from botproof.rollout.sealed import reasons_against, seal_rehearsal
from botproof.rollout.ways import Found
from botproof.seal.dsse import Envelope
from botproof.seal.keys import new_key, read_public
from botproof.seal.statement import read_statement

IMAGES = {"bot": "sha256:" + "1" * 64, "market-data": "sha256:" + "2" * 64}
SUBJECT = {
    name.replace("-", "_"): {"sha256": i.removeprefix("sha256:")} for name, i in IMAGES.items()
}
GOOD = Rehearsal(
    switches=4,
    kills=9,
    ledgers=(),
    times=(Times(what="way back 2", seconds=(14.3, 12.0), limit=60.0),),
    ways=(Found(name="crash at boot", as_wanted="", seconds=9.0, said=""),),
    peak_mb=300.0,
    fenced=True,
    wrong=(),
)


def seal(tmp_path: Path, found: Rehearsal, *, whole: bool = True) -> Path:
    report = tmp_path / "rehearsal.json"
    report.write_bytes(msgspec.json.encode(found))
    key = tmp_path / "key.pem"
    if not key.exists():
        new_key(key)
    return seal_rehearsal(found, images=IMAGES, files=[], report=report, key=key, whole=whole)


def reasons(tmp_path: Path, path: Path, subject: dict[str, dict[str, str]]) -> list[str]:
    return reasons_against(path, [read_public(tmp_path / "key.pem.pub")], subject)


def test_it_counts_for_its_images_and_tells_the_times(tmp_path: Path) -> None:
    path = seal(tmp_path, GOOD)
    assert reasons(tmp_path, path, SUBJECT) == []
    document = read_statement(Envelope.read(path.read_bytes()).body())
    assert "way back 2: slowest 14.3 s of 60" in document.predicate.passed


def test_it_does_not_count_for_other_images(tmp_path: Path) -> None:
    other = {**SUBJECT, "bot": {"sha256": "3" * 64}}
    assert any(
        "bot: sealed with" in reason for reason in reasons(tmp_path, seal(tmp_path, GOOD), other)
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"wrong": ("3 of 100 messages lost",)}, "3 of 100 messages lost"),
        ({"times": (Times(what="way back 1", seconds=(31.0,), limit=30.0),)}, "slowest 31.0 s"),
        ({"ways": (Found(name="slow", as_wanted="stayed", seconds=1, said=""),)}, "slow"),
    ],
)
def test_one_that_went_wrong_does_not_count(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    path = seal(tmp_path, msgspec.structs.replace(GOOD, **changed))
    assert any(said in reason for reason in reasons(tmp_path, path, SUBJECT))


def test_one_that_left_something_out_does_not_count(tmp_path: Path) -> None:
    path = seal(tmp_path, GOOD, whole=False)
    assert any("only some" in reason for reason in reasons(tmp_path, path, SUBJECT))
