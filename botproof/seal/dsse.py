"""The signed envelope (DSSE 1.0): what is signed are the exact bytes, not a canonical form of them.

Source: secure-systems-lab/dsse, protocol.md and envelope.md.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from botproof.seal.keys import key_id

PAYLOAD_TYPE = "application/vnd.in-toto+json"


class EnvelopeError(ValueError):
    """The bytes are no envelope of the kind that is wanted. Says what is wrong with them."""


class Signature(msgspec.Struct, frozen=True, rename={"key_id": "keyid"}):
    """One signature. `key_id` is a hint that nobody signed; never decide anything by it."""

    sig: str
    key_id: str = ""


class Envelope(msgspec.Struct, frozen=True, rename={"payload_type": "payloadType"}):
    """`payload` is base64 of the body; without `signatures` the envelope is unsigned."""

    payload: str
    payload_type: str
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def read(cls, data: bytes) -> Envelope:
        """Read an envelope's JSON. Raises EnvelopeError."""
        try:
            envelope = msgspec.json.decode(data, type=cls)
        except msgspec.DecodeError as error:
            raise EnvelopeError(f"is no DSSE envelope: {error}") from error
        if envelope.payload_type != PAYLOAD_TYPE:
            raise EnvelopeError(
                f"holds a payload of type {envelope.payload_type!r} where {PAYLOAD_TYPE!r} belongs"
            )
        return envelope

    def body(self) -> bytes:
        """Return the bytes that were signed. Raises EnvelopeError."""
        return _decoded(self.payload, "the payload")

    def write(self) -> bytes:
        """Return the envelope as JSON, on one line."""
        return msgspec.json.encode(self) + b"\n"


def pae(payload_type: str, body: bytes) -> bytes:
    """Return what is signed: DSSE's pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)


def seal(body: bytes, key: Ed25519PrivateKey | None) -> Envelope:
    """Return an envelope around ``body``; without a key it carries no signature."""
    signatures: tuple[Signature, ...] = ()
    if key is not None:
        raw = key.sign(pae(PAYLOAD_TYPE, body))
        sig = base64.b64encode(raw).decode()
        signatures = (Signature(sig=sig, key_id=key_id(key.public_key())),)
    payload = base64.b64encode(body).decode()
    return Envelope(payload=payload, payload_type=PAYLOAD_TYPE, signatures=signatures)


def signer(envelope: Envelope, trusted: Iterable[Ed25519PublicKey]) -> Ed25519PublicKey | None:
    """Return the first trusted key that signed the envelope; None when none did. Raises
    EnvelopeError."""
    signed = pae(envelope.payload_type, envelope.body())
    signatures = [_decoded(s.sig, "a signature") for s in envelope.signatures]
    for key in trusted:
        for raw in signatures:
            try:
                key.verify(raw, signed)
            except InvalidSignature:
                continue
            return key
    return None


def _decoded(text: str, what: str) -> bytes:
    """Return standard or URL-safe base64: verifiers must accept either."""
    try:
        return base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EnvelopeError(f"{what} is no base64: {error}") from error
