"""Whether a sealed verdict may be relied on: a pure function of it and of what is expected."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from botproof.seal.dsse import Envelope, EnvelopeError, signer
from botproof.seal.keys import key_id
from botproof.seal.statement import Details, Resource, Statement, StatementError, read_statement
from botproof.verdict import Verdict

CLOCK_SKEW = datetime.timedelta(minutes=5)
"""How far the clock of the machine that judged may be ahead of the one that verifies."""

Digests = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why the verdict may not be relied on: its kind, and a line for a person."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Expected:
    """What the verdict has to be about; None where nothing is asked.

    `subject` and `policy` are digests by name and by algorithm. `environment` "" asks for a verdict
    that names none. `trusted` empty accepts no signature; `accept_unsigned` asks for none.
    """

    trusted: Sequence[Ed25519PublicKey] = ()
    accept_unsigned: bool = False
    subject: Mapping[str, Digests] | None = None
    policy: Mapping[str, Digests] | None = None
    history: Digests | None = None
    environment: str | None = None
    accept_inconclusive: bool = False
    accept_dirty: bool = False
    accept_partial: bool = False
    now: datetime.datetime = field(default_factory=lambda: datetime.datetime.now(datetime.UTC))


def verify(data: bytes, expected: Expected) -> tuple[Statement | None, list[Refusal]]:
    """Read an envelope and compare it with what is expected.

    Returns the statement (None when there is none to be read) and every reason against it; the
    verdict may be relied on when there is no reason.
    """
    try:
        envelope = Envelope.read(data)
        document = read_statement(envelope.body())
        refusals = _signature(envelope, expected)
    except (EnvelopeError, StatementError) as error:
        return None, [Refusal("envelope", f"the file {error}")]
    details = document.predicate.details
    refusals += _verdict(document, expected)
    refusals += _time(details, expected.now)
    if expected.environment is not None and expected.environment != details.environment:
        was = details.environment or "no environment in particular"
        wanted = expected.environment or "none"
        refusals.append(Refusal("environment", f"judged for {was}, wanted for {wanted}"))
    if details.dirty and not expected.accept_dirty:
        commit = details.commit[:12]
        refusals.append(
            Refusal(
                "dirty", f"the source tree differed from its commit {commit} when it was judged"
            )
        )
    if details.partial and not expected.accept_partial:
        refusals.append(Refusal("partial", "only some checks or modes of botproof.toml were run"))
    if expected.subject is not None:
        refusals += _compare("subject", document.subject, expected.subject, "what was judged")
    if expected.policy is not None:
        configuration = document.predicate.configuration
        refusals += _compare("policy", configuration, expected.policy, "what it was judged by")
    if expected.history is not None:
        recorded = () if details.history is None else (details.history,)
        wanted_history = {"history": expected.history}
        renamed = tuple(Resource(name="history", digest=r.digest) for r in recorded)
        refusals += _compare("history", renamed, wanted_history, "the record of the run")
    return document, refusals


def _signature(envelope: Envelope, expected: Expected) -> list[Refusal]:
    key = signer(envelope, expected.trusted)
    if key is not None:
        return []
    if not envelope.signatures:
        if expected.accept_unsigned:
            return []
        return [Refusal("unsigned", "nobody signed it; anyone could have written it")]
    hints = ", ".join(s.key_id[:16] or "a key without a name" for s in envelope.signatures)
    known = ", ".join(key_id(key)[:16] for key in expected.trusted) or "none"
    return [
        Refusal(
            "signer",
            f"no trusted key signed this content (it names {hints}; trusted: {known}): the signer "
            "is unknown, or the content was changed",
        )
    ]


def _verdict(document: Statement, expected: Expected) -> list[Refusal]:
    said = document.predicate.details.verdict
    if said == Verdict.PASS.value and document.predicate.result == "PASSED":
        return []
    unclear = ", ".join(document.predicate.warned)
    if said == Verdict.INCONCLUSIVE.value:
        if expected.accept_inconclusive:
            return []
        return [Refusal("inconclusive", f"the verdict is INCONCLUSIVE ({unclear})")]
    failed = ", ".join(document.predicate.failed)
    return [Refusal("verdict", f"the verdict is {said}" + (f" ({failed})" if failed else ""))]


def _time(details: Details, now: datetime.datetime) -> list[Refusal]:
    expires = datetime.datetime.fromisoformat(details.expires_at)
    if now >= expires:
        return [Refusal("expired", f"it was valid until {details.expires_at}; run the gate again")]
    if datetime.datetime.fromisoformat(details.judged_at) > now + CLOCK_SKEW:
        return [
            Refusal(
                "future",
                f"it says that it was judged at {details.judged_at}, which is still to come: a "
                "clock is wrong, here or there",
            )
        ]
    return []


def _compare(
    kind: str, sealed: Sequence[Resource], wanted: Mapping[str, Digests], what: str
) -> list[Refusal]:
    by_name = {resource.name: resource.digest for resource in sealed}
    refusals = []
    for name in sorted(by_name.keys() | wanted.keys()):
        if name not in by_name:
            refusals.append(Refusal(kind, f"{name}: is no part of {what}"))
        elif name not in wanted:
            refusals.append(Refusal(kind, f"{name}: is a part of {what}, and is not here"))
        elif not _match(by_name[name], wanted[name]):
            was, here = _shown(by_name[name]), _shown(wanted[name])
            refusals.append(Refusal(kind, f"{name}: sealed with {was}, here is {here}"))
    return refusals


def _match(one: Digests, other: Digests) -> bool:
    """Tell whether every algorithm that both sides tell agrees: in-toto lets one do; we
    are stricter."""
    shared = one.keys() & other.keys()
    return bool(shared) and all(one[name] == other[name] for name in shared)


def _shown(digest: Digests) -> str:
    return " ".join(f"{name}:{value[:12]}" for name, value in sorted(digest.items())) or "no digest"
