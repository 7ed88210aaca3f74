"""The document in the envelope: an in-toto statement with the test-result predicate.

Of the two predicates that fit, test-result names the checks that passed and failed and the
configuration that they were run with, which is what a gate has; SLSA's verification summary speaks
of build levels, which a gate knows nothing about. What neither has (time, expiry, environment,
commit, history) stands under `EXTENSION`: in-toto lets producers add properties named by a URI.

Sources: in-toto/attestation, spec/v1/statement.md and spec/predicates/test-result.md.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence

import msgspec

from botproof.verdict import CheckResult, Verdict, combine

SEALED = "verdict.intoto.json"
"""The file that a sealed verdict is written to."""
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://in-toto.io/attestation/test-result/v0.1"
EXTENSION = "urn:botproof:verdict:v1"


class StatementError(ValueError):
    """The body of an envelope is no statement of a verdict. Says what is wrong with it."""


class Resource(msgspec.Struct, frozen=True):
    """A named thing and its digests by algorithm (`sha256`, `dirHash`, `gitCommit`)."""

    name: str
    digest: Mapping[str, str]


class Details(msgspec.Struct, frozen=True, kw_only=True):
    """What in-toto's predicate has no place for. Times are RFC 3339 in UTC."""

    verdict: str
    judged_at: str
    expires_at: str
    environment: str = ""
    commit: str = ""
    dirty: bool = False
    partial: bool = False
    botproof: str = ""
    history: Resource | None = None


class Predicate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={
        "passed": "passedTests",
        "warned": "warnedTests",
        "failed": "failedTests",
        "details": EXTENSION,
    },
):
    """`result` is PASSED, WARNED (for INCONCLUSIVE) or FAILED (for FAIL and ERROR)."""

    result: str
    configuration: tuple[Resource, ...]
    passed: tuple[str, ...]
    warned: tuple[str, ...]
    failed: tuple[str, ...]
    details: Details


class Statement(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename={"kind": "_type", "predicate_type": "predicateType"},
):
    """`subject` is what was judged: each image, or the source tree of processes."""

    kind: str = STATEMENT_TYPE
    subject: tuple[Resource, ...]
    predicate_type: str = PREDICATE_TYPE
    predicate: Predicate


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What a verdict is bound to.

    `subject` is what was judged, `policy` what it was judged by (botproof.toml, golden files,
    budgets), `history` the record. `environment` names where it is to run, "" is anywhere.
    `partial` says that the command line left out checks or modes.
    """

    subject: tuple[Resource, ...]
    policy: tuple[Resource, ...]
    history: Resource
    environment: str
    commit: str
    dirty: bool
    partial: bool
    botproof: str


_RESULTS = {
    Verdict.PASS: "PASSED",
    Verdict.INCONCLUSIVE: "WARNED",
    Verdict.FAIL: "FAILED",
    Verdict.ERROR: "FAILED",
}


def statement(
    judged: Judged,
    results: Sequence[CheckResult],
    *,
    at: datetime.datetime,
    valid_for: datetime.timedelta,
) -> Statement:
    """Return the statement of a judged run; ``at`` is when it was judged, with a time zone."""
    verdict = combine(result.verdict for result in results)
    by_result: dict[str, list[str]] = {"PASSED": [], "WARNED": [], "FAILED": []}
    for result in results:
        by_result[_RESULTS[result.verdict]].append(result.check)
    return Statement(
        subject=judged.subject,
        predicate=Predicate(
            result=_RESULTS[verdict],
            configuration=judged.policy,
            passed=tuple(by_result["PASSED"]),
            warned=tuple(by_result["WARNED"]),
            failed=tuple(by_result["FAILED"]),
            details=Details(
                verdict=verdict.value,
                judged_at=_told(at),
                expires_at=_told(at + valid_for),
                environment=judged.environment,
                commit=judged.commit,
                dirty=judged.dirty,
                partial=judged.partial,
                botproof=judged.botproof,
                history=judged.history,
            ),
        ),
    )


def write_statement(document: Statement) -> bytes:
    """Return the statement as JSON."""
    return msgspec.json.encode(document)


def read_statement(body: bytes) -> Statement:
    """Read a statement's JSON. Raises StatementError; fields that are not known are passed over."""
    try:
        document = msgspec.json.decode(body, type=Statement)
    except msgspec.DecodeError as error:
        raise StatementError(f"holds no statement of a verdict: {error}") from error
    for what, found, wanted in (
        ("a statement of type", document.kind, STATEMENT_TYPE),
        ("a predicate of type", document.predicate_type, PREDICATE_TYPE),
    ):
        if found != wanted:
            raise StatementError(f"holds {what} {found!r} where {wanted!r} belongs")
    for time in (document.predicate.details.judged_at, document.predicate.details.expires_at):
        try:
            zoned = datetime.datetime.fromisoformat(time).tzinfo is not None
        except ValueError:
            zoned = False
        if not zoned:
            raise StatementError(f"holds {time!r} where a time with a time zone belongs")
    return document


def _told(time: datetime.datetime) -> str:
    return time.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
