"""The sealed record of a rehearsal: for which images it was, how long everything took, signed.

It has the form of the gate's sealed verdict (docs/seal.md), so that `botproof verify` reads it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import botproof
from botproof.fleet.options import process_name
from botproof.problems import UsageError
from botproof.seal import dsse, keys
from botproof.seal.digests import digest_of_file
from botproof.seal.statement import Judged, Resource, statement, write_statement
from botproof.seal.verify import Expected, verify
from botproof.verdict import CheckResult, Verdict

if TYPE_CHECKING:  # `deploy` reads a record, and needs none of the doubles that made it
    from botproof.rollout.rehearse import Rehearsal

SEALED_REHEARSAL = "rehearsal.intoto.json"
_VALID = datetime.timedelta(days=7)


def seal_rehearsal(
    found: Rehearsal,
    *,
    images: Mapping[str, str],
    files: Sequence[Path],
    report: Path,
    key: Path | None,
    whole: bool,
) -> Path:
    """Write the sealed record beside the report; its path.

    ``images``: ids by service, those that came. ``whole``: nothing of it was left out.
    """
    judged = Judged(
        subject=tuple(
            Resource(name=process_name(service), digest={"sha256": image.removeprefix("sha256:")})
            for service, image in images.items()
        ),
        policy=tuple(
            Resource(name=path.name, digest={"sha256": digest_of_file(path)}) for path in files
        ),
        history=Resource(name=report.name, digest={"sha256": digest_of_file(report)}),
        environment="",
        commit="",
        dirty=False,
        partial=not whole,
        botproof=botproof.__version__,
    )
    now = datetime.datetime.now(datetime.UTC)
    body = write_statement(statement(judged, results(found), at=now, valid_for=_VALID))
    private = keys.read_private(key) if key is not None else None
    path = report.with_name(SEALED_REHEARSAL)
    path.write_bytes(dsse.seal(body, private).write())
    return path


def results(found: Rehearsal) -> list[CheckResult]:
    """Return what the sealed record names: each thing with the time that it took."""
    named = [
        (
            f"{each.what}: slowest {max(each.seconds):.1f} s of {each.limit:g}",
            max(each.seconds) <= each.limit,
        )
        for each in found.times
        if each.seconds
    ]
    named += [(f"{way.name}: {way.seconds:.1f} s", not way.as_wanted) for way in found.ways]
    named += [(f"rehearsal: {wrong}", False) for wrong in found.wrong]
    return [
        CheckResult(
            check=name,
            verdict=Verdict.PASS if passed else Verdict.FAIL,
            budget="",
            measurement=name,
            least_evidence="",
        )
        for name, passed in named
    ]


def reasons_against(
    path: Path, trusted: Sequence[Ed25519PublicKey], subject: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """Say why a sealed rehearsal does not count for these images; empty when it does.

    Raises UsageError for one that cannot be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    expected = Expected(trusted=trusted, accept_unsigned=not trusted, subject=subject)
    return [f"rehearsal: {refusal.message}" for refusal in verify(data, expected)[1]]
