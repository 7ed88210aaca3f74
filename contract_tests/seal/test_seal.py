"""The sealed verdict: what is accepted, what is refused and why, and who else reads it."""

import base64
import dataclasses
import datetime
import hashlib
import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.json_format import Parse
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as Peer
from in_toto_attestation.v1.statement import Statement as PeerStatement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementProto
from securesystemslib.dsse import Envelope as PeerEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]  # its documented place

from botproof.problems import UsageError
from botproof.seal import dsse, keys
from botproof.seal.digests import dir_hash, source_tree
from botproof.seal.statement import Judged, Resource, statement, write_statement
from botproof.seal.verify import Expected, verify
from botproof.verdict import CheckResult, Verdict

NOW = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
WEEK = datetime.timedelta(days=7)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))
BOT, SERVICE = {"sha256": "b" * 64}, {"sha256": "5" * 64}
POLICY = {"botproof.toml": {"sha256": "1" * 64}, "golden": {"dirHash": "2" * 64}}
HISTORY = {"sha256": "3" * 64}
JUDGED = Judged(
    subject=(Resource("bot", BOT), Resource("market_data", SERVICE)),
    policy=tuple(Resource(name, digest) for name, digest in POLICY.items()),
    history=Resource("history.jsonl", HISTORY),
    environment="production",
    commit="c" * 40,
    dirty=False,
    partial=False,
    botproof="1.0",
)
EXPECTED = Expected(
    trusted=(KEY.public_key(),),
    subject={"bot": BOT, "market_data": SERVICE},
    policy=POLICY,
    history=HISTORY,
    environment="production",
    now=NOW + datetime.timedelta(hours=1),
)


def body_of(*verdicts: Verdict, **changed: Any) -> bytes:
    bound = Judged(**{f: getattr(JUDGED, f) for f in JUDGED.__struct_fields__} | changed)
    results = [
        CheckResult(check=f"check{n}", verdict=v, budget="", measurement="", least_evidence="")
        for n, v in enumerate(verdicts)
    ]
    return write_statement(statement(bound, results, at=NOW, valid_for=WEEK))


def sealed(*verdicts: Verdict, key: Ed25519PrivateKey | None = KEY, **changed: Any) -> bytes:
    return dsse.seal(body_of(*(verdicts or (Verdict.PASS,)), **changed), key).write()


def replaced(body: bytes, old: str, new: str) -> bytes:
    assert old.encode() in body
    return body.replace(old.encode(), new.encode())


def forged(body: bytes) -> bytes:
    """Another body in the envelope of a good one, whose signature stays."""
    envelope = json.loads(sealed())
    envelope["payload"] = base64.b64encode(body).decode()
    return json.dumps(envelope).encode()


def refused(data: bytes, **expected: Any) -> dict[str, str]:
    """The reasons against it, by kind."""
    _, refusals = verify(data, dataclasses.replace(EXPECTED, **expected))
    return {refusal.kind: refusal.message for refusal in refusals}


def test_a_verdict_about_what_is_to_run_is_accepted() -> None:
    assert refused(sealed()) == {}


FAIL_AS_PASS = replaced(body_of(Verdict.FAIL), '"verdict":"FAIL"', '"verdict":"PASS"')
NO_ZONE = replaced(body_of(Verdict.PASS), "2026-11-27T12:00:00Z", "2026-11-27T12:00:00")

REFUSED: dict[str, tuple[bytes, dict[str, Any], str, str]] = {
    "another image": (sealed(), {"subject": {"bot": BOT, "market_data": BOT}}, "subject", "market"),
    "an image that was not judged": (
        sealed(),
        {"subject": {"bot": BOT, "market_data": SERVICE, "redis": BOT}},
        "subject",
        "redis: is no part of what was judged",
    ),
    "a judged image that is not here": (sealed(), {"subject": {"bot": BOT}}, "subject", "not here"),
    "a digest of another algorithm": (
        sealed(),
        {"subject": {"bot": {"md5": "b" * 32}, "market_data": SERVICE}},
        "subject",
        "bot: sealed with sha256:bbbbbbbbbbbb, here is md5:bbbbbbbbbbbb",
    ),
    "another policy": (
        sealed(),
        {"policy": {**POLICY, "golden": {"dirHash": "9" * 64}}},
        "policy",
        "golden: sealed with dirHash:222222222222, here is dirHash:999999999999",
    ),
    "a changed history": (sealed(), {"history": {"sha256": "4" * 64}}, "history", "444444444444"),
    "a FAIL": (sealed(Verdict.PASS, Verdict.FAIL), {}, "verdict", "FAIL (check1)"),
    "an ERROR": (sealed(Verdict.ERROR), {}, "verdict", "ERROR (check0)"),
    "no check at all": (dsse.seal(body_of(), KEY).write(), {}, "inconclusive", "INCONCLUSIVE"),
    "INCONCLUSIVE": (sealed(Verdict.PASS, Verdict.INCONCLUSIVE), {}, "inconclusive", "(check1)"),
    "a FAIL, though INCONCLUSIVE would do": (
        sealed(Verdict.FAIL),
        {"accept_inconclusive": True},
        "verdict",
        "FAIL",
    ),
    "expired": (sealed(), {"now": NOW + WEEK}, "expired", "2026-11-27T12:00:00Z"),
    "judged in the future": (sealed(), {"now": NOW - WEEK}, "future", "clock"),
    "an unknown signer": (
        sealed(key=STRANGER),
        {},
        "signer",
        keys.key_id(STRANGER.public_key())[:16],
    ),
    "nobody trusted": (sealed(), {"trusted": ()}, "signer", "trusted: none"),
    "unsigned": (sealed(key=None), {}, "unsigned", "nobody signed"),
    "signed by a stranger, though unsigned would do": (
        sealed(key=STRANGER),
        {"accept_unsigned": True},
        "signer",
        "unknown",
    ),
    "a body that was changed": (
        forged(body_of(Verdict.PASS, dirty=False)[:-1] + b" }"),
        {},
        "signer",
        "changed",
    ),
    "a verdict that contradicts its result": (
        dsse.seal(FAIL_AS_PASS, KEY).write(),
        {},
        "verdict",
        "check0",
    ),
    "a dirty tree": (sealed(dirty=True), {}, "dirty", "cccccccccccc"),
    "a part of the gate": (sealed(partial=True), {}, "partial", "some checks"),
    "another environment": (sealed(), {"environment": "staging"}, "environment", "production"),
    "no environment": (sealed(environment=""), {}, "environment", "no environment in particular"),
    "no JSON": (b"PASS", {}, "envelope", "no DSSE envelope"),
    "another payload": (
        sealed().replace(dsse.PAYLOAD_TYPE.encode(), b"text/plain"),
        {},
        "envelope",
        "'text/plain'",
    ),
    "a payload that is no base64": (
        json.dumps({"payload": "%", "payloadType": dsse.PAYLOAD_TYPE}).encode(),
        {},
        "envelope",
        "base64",
    ),
    "another statement": (
        dsse.seal(b'{"_type": "https://in-toto.io/Statement/v1"}', KEY).write(),
        {},
        "envelope",
        "no statement of a verdict",
    ),
    "a time without its zone": (dsse.seal(NO_ZONE, KEY).write(), {}, "envelope", "time zone"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_its_reason(name: str) -> None:
    data, expected, kind, words = REFUSED[name]
    reasons = refused(data, **expected)
    assert list(reasons) == [kind]
    assert words in reasons[kind]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (sealed(Verdict.INCONCLUSIVE), {"accept_inconclusive": True}),
        (sealed(key=None), {"accept_unsigned": True}),
        (sealed(dirty=True), {"accept_dirty": True}),
        (sealed(partial=True), {"accept_partial": True}),
        (sealed(), {"subject": None, "policy": None, "history": None, "environment": None}),
        (sealed(), {"trusted": (STRANGER.public_key(), KEY.public_key())}),
    ],
)
def test_what_is_explicitly_accepted_is_no_reason(data: bytes, expected: dict[str, Any]) -> None:
    assert refused(data, **expected) == {}


def test_every_reason_is_named_at_once() -> None:
    data = sealed(Verdict.FAIL, key=STRANGER, dirty=True, environment="")
    reasons = refused(data, now=NOW + 2 * WEEK)
    assert set(reasons) == {"signer", "verdict", "expired", "environment", "dirty"}


def test_the_encoding_that_is_signed_is_that_of_the_protocol() -> None:
    """The test vector of secure-systems-lab/dsse, protocol.md."""
    assert (
        dsse.pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_url_safe_base64_is_accepted_as_the_protocol_demands() -> None:
    envelope = json.loads(sealed())
    for holder, name in ((envelope, "payload"), (envelope["signatures"][0], "sig")):
        raw = base64.b64decode(holder[name])
        holder[name] = base64.urlsafe_b64encode(raw).decode()
    assert refused(json.dumps(envelope).encode()) == {}


class TestOthersReadIt:
    """Readers that nobody here wrote: securesystemslib and in-toto-attestation."""

    def peer_key(self, key: Ed25519PrivateKey) -> SSlibKey:
        public = key.public_key()
        return SSlibKey.from_crypto(public, keyid=keys.key_id(public))

    def test_the_signature(self) -> None:
        envelope = PeerEnvelope.from_dict(json.loads(sealed()))
        accepted = envelope.verify([self.peer_key(KEY)], threshold=1)
        assert list(accepted) == [keys.key_id(KEY.public_key())]

    def test_a_stranger_is_refused(self) -> None:
        envelope = PeerEnvelope.from_dict(json.loads(sealed(key=STRANGER)))
        with pytest.raises(VerificationError):
            envelope.verify([self.peer_key(KEY)], threshold=1)

    def test_the_statement_and_its_predicate(self) -> None:
        body = dsse.Envelope.read(sealed(Verdict.PASS, Verdict.FAIL)).body()
        proto = Parse(body, StatementProto())
        PeerStatement.copy_from_pb(proto).validate()
        assert [subject.name for subject in proto.subject] == ["bot", "market_data"]
        # The extension stands under a type URI, which the generated classes do not know.
        predicate = Parse(
            json.dumps(json.loads(body)["predicate"]), Peer(), ignore_unknown_fields=True
        )
        assert predicate.result == "FAILED"
        assert list(predicate.passed_tests) == ["check0"]
        assert list(predicate.failed_tests) == ["check1"]
        assert {r.name: dict(r.digest) for r in predicate.configuration} == POLICY


class TestKeys:
    def test_the_private_key_is_the_owners_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "keys" / "signing.pem"
        public = keys.new_key(path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        again = keys.read_public(keys.public_path(path))
        assert keys.key_id(keys.read_private(path).public_key()) == keys.key_id(again)
        assert keys.key_id(public) == keys.key_id(again)

    def test_a_key_of_another_kind_is_told(self, tmp_path: Path) -> None:
        other = X25519PrivateKey.generate().public_key()
        pem = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / "other.pub").write_bytes(pem)
        with pytest.raises(UsageError, match="no Ed25519 key"):
            keys.read_public(tmp_path / "other.pub")

    def test_the_id_is_of_the_der_form(self) -> None:
        der = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert keys.key_id(KEY.public_key()) == hashlib.sha256(der).hexdigest()

    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        keys.new_key(tmp_path / "signing.pem")
        before = (tmp_path / "signing.pem").read_bytes()
        with pytest.raises(UsageError, match="exists already"):
            keys.new_key(tmp_path / "signing.pem")
        assert (tmp_path / "signing.pem").read_bytes() == before

    def test_a_repository_gets_no_private_key(self, tmp_path: Path) -> None:
        (tmp_path / ".git").mkdir()
        with pytest.raises(UsageError, match="git repository"):
            keys.new_key(tmp_path / "deep" / "signing.pem")

    def test_the_wrong_half_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "signing.pem"
        keys.new_key(path)
        with pytest.raises(UsageError, match=r"give the public one: .*\.pub"):
            keys.read_public(path)
        with pytest.raises(UsageError, match="no unencrypted private key"):
            keys.read_private(keys.public_path(path))


class TestTrees:
    def tree(self, root: Path) -> Path:
        (root / "a" / "b").mkdir(parents=True)
        (root / "a" / "b" / "two words.txt").write_text("x")
        (root / "a.txt").write_text("y")
        (root / "Z").write_text("")
        return root

    def test_the_digest_is_what_the_specification_computes(self, tmp_path: Path) -> None:
        """By the command of in-toto/attestation, spec/v1/digest_set.md (`-d` is for the space)."""
        root = self.tree(tmp_path)
        command = (
            r"find . -type f | cut -c3- | LC_ALL=C sort | xargs -r -d '\n' sha256sum "
            "| sha256sum | cut -f1 -d' '"
        )
        shell = ("sh", "-c", command)
        peer = subprocess.run(shell, cwd=root, capture_output=True, text=True, check=True)
        assert dir_hash(root) == peer.stdout.strip()

    def test_git_tells_the_commit_and_what_differs(self, tmp_path: Path) -> None:
        root = self.tree(tmp_path)
        (root / ".gitignore").write_text("reports/\n")

        def git(*words: str) -> str:
            command = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words)
            done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
            return done.stdout.strip()

        git("init", "--quiet")
        git("add", ".")
        git("commit", "--quiet", "--message", "one")
        clean = source_tree(root)
        assert (clean.commit, clean.dirty) == (git("rev-parse", "HEAD"), False)
        (root / "reports").mkdir()
        (root / "reports" / "new").write_text("ignored")
        assert source_tree(root) == clean
        (root / "untracked.py").write_text("")
        assert source_tree(root).dirty
        assert source_tree(root).digest != clean.digest

    def test_a_link_that_points_elsewhere_is_another_tree(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("one")
        before = dir_hash(tmp_path)
        (tmp_path / "link").unlink()
        (tmp_path / "link").symlink_to("two")
        assert dir_hash(tmp_path) != before
