"""`botproof key new` and `botproof verify`, as a user calls them."""

import datetime
import json
from pathlib import Path

import pytest

from botproof.cli import main
from botproof.seal import dsse, keys
from botproof.seal.statement import Judged, Resource, statement, write_statement
from botproof.verdict import CheckResult, Verdict

IMAGE = "b" * 64


class Issuer:
    """A directory with a key pair in it, and sealed verdicts of one image."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.key = root / "signing.pem"
        assert main(["key", "new", str(self.key)]) == 0

    def seal(self, verdict: Verdict) -> str:
        judged = Judged(
            subject=(Resource("bot", {"sha256": IMAGE}),),
            policy=(),
            history=Resource("history.jsonl", {"sha256": "3" * 64}),
            environment="",
            commit="",
            dirty=False,
            partial=False,
            botproof="1.0",
        )
        result = CheckResult(
            check="golden", verdict=verdict, budget="", measurement="", least_evidence=""
        )
        now = datetime.datetime.now(datetime.UTC)
        document = statement(judged, [result], at=now, valid_for=datetime.timedelta(days=1))
        path = self.root / "verdict.intoto.json"
        private = keys.read_private(self.key)
        path.write_bytes(dsse.seal(write_statement(document), private).write())
        return str(path)

    def verify(self, envelope: str, *words: str) -> int:
        key = ("--key", str(keys.public_path(self.key)))
        return main(["verify", envelope, *key, "--images", f"bot=sha256:{IMAGE}", *words])


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    return Issuer(tmp_path)


def test_what_was_judged_is_accepted(issuer: Issuer, capsys: pytest.CaptureFixture[str]) -> None:
    assert issuer.verify(issuer.seal(Verdict.PASS)) == 0
    assert "accepted: PASS for bot" in capsys.readouterr().out


def test_each_reason_stands_on_a_line(issuer: Issuer, capsys: pytest.CaptureFixture[str]) -> None:
    envelope = issuer.seal(Verdict.FAIL)
    other = ("--images", f"bot=sha256:{'c' * 64}", "--environment", "production")
    assert issuer.verify(envelope, *other) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0].strip() for line in lines] == [
        *("refused", "verdict", "environment", "subject")
    ]


def test_a_program_reads_the_reasons_as_json(
    issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    envelope = issuer.seal(Verdict.FAIL)
    capsys.readouterr()
    assert issuer.verify(envelope, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["accepted"] is False
    assert [reason["kind"] for reason in told["refusals"]] == ["verdict"]


def test_an_override_is_kept_with_its_reason(issuer: Issuer) -> None:
    envelope = issuer.seal(Verdict.INCONCLUSIVE)
    kept = Path(envelope + ".overrides.jsonl")
    assert issuer.verify(envelope) == 1
    assert not kept.exists()
    assert issuer.verify(envelope, "--accept-inconclusive", "the load could not be sent here") == 0
    (line,) = kept.read_text().splitlines()
    assert json.loads(line)["reason"] == "the load could not be sent here"
    assert json.loads(line)["unclear"] == ["golden"]


def test_an_override_that_cannot_be_kept_is_none(
    issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    envelope = issuer.seal(Verdict.INCONCLUSIVE)
    Path(envelope + ".overrides.jsonl").mkdir()
    assert issuer.verify(envelope, "--accept-inconclusive", "in a hurry") == 64
    assert "cannot be kept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--images", "bot"], "write NAME=IMAGE"),
        (["--key", "missing.pub"], "missing.pub: cannot be read"),
        (["--history", "missing.jsonl"], "missing.jsonl: cannot be read"),
    ],
)
def test_a_mistake_on_the_command_line_is_told(
    issuer: Issuer, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert issuer.verify(issuer.seal(Verdict.PASS), *words) == 64
    assert says in capsys.readouterr().err


def test_trusting_nobody_is_a_mistake(issuer: Issuer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", issuer.seal(Verdict.PASS)]) == 64
    assert "no key is trusted" in capsys.readouterr().err
