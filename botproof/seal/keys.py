"""Ed25519 keys as PEM files: the private one signs verdicts, the public one verifies them.

The form of a public key is read here and not by `cryptography`'s serialization module: that one
imports 40 ms of SSH and ciphers, more than the whole verifying of a verdict takes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from botproof.problems import UsageError

KEY_VARIABLE = "BOTPROOF_SIGNING_KEY"
"""Where the gate is told which key to sign with."""
_SPKI = bytes.fromhex("302a300506032b6570032100")
"""What precedes the 32 bytes of a key in its SubjectPublicKeyInfo (RFC 8410, section 4)."""
_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----\s(.*?)-----END PUBLIC KEY-----", re.DOTALL)


def new_key(path: Path) -> Ed25519PublicKey:
    """Make a key pair: the private key in ``path`` (mode 0600), the public one in ``path``.pub.

    Raises UsageError when a file is there already, or when ``path`` lies inside a git repository:
    a private key that can be committed will be.
    """
    repository = next((p for p in path.resolve().parents if (p / ".git").exists()), None)
    if repository is not None:
        raise UsageError(
            f"{path}: lies inside the git repository {repository}; keep private keys outside of it"
        )
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see the module

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = private.public_key()
    public_pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(pem)
        with public_path(path).open("xb") as file:
            file.write(public_pem)
    except FileExistsError as error:
        raise UsageError(f"{error.filename}: exists already and is left as it is") from error
    except OSError as error:
        raise UsageError(f"{error.filename}: cannot be written: {error.strerror}") from error
    return public


def public_path(path: Path) -> Path:
    """Return where the public half of the private key in ``path`` lies."""
    return path.with_name(path.name + ".pub")


def read_private(path: Path) -> Ed25519PrivateKey:
    """Return the private key of a PEM file. Raises UsageError that says what is wrong with it."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - see the module
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - see the module

    try:
        key = serialization.load_pem_private_key(_read(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path}: is no unencrypted private key in PEM form") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path}: is no Ed25519 key; `botproof key new` makes one")
    return key


def read_public(path: Path) -> Ed25519PublicKey:
    """Return the public key of a PEM file. Raises UsageError that says what is wrong with it."""
    text = _read(path)
    if b"PRIVATE KEY" in text:
        raise UsageError(f"{path}: is a private key; to verify, give the public one: {path}.pub")
    found = _PEM.search(text)
    try:
        der = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
    except binascii.Error:
        der = b""
    if not der:
        raise UsageError(f"{path}: is no public key in PEM form")
    if not der.startswith(_SPKI) or len(der) != len(_SPKI) + 32:
        raise UsageError(f"{path}: is no Ed25519 key; `botproof key new` makes one")
    return Ed25519PublicKey.from_public_bytes(der[len(_SPKI) :])


def key_id(key: Ed25519PublicKey) -> str:
    """Return the SHA-256 of the key's SubjectPublicKeyInfo in DER form, as lowercase hex."""
    return hashlib.sha256(_SPKI + key.public_bytes_raw()).hexdigest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
