"""A key store of Java: the authorities that its clients trust, in a file of its own form.

Source: `sun.security.provider.JavaKeyStore` of OpenJDK (format version 2), which reads it whatever
`keystore.type` is. Java looks for it at `lib/security/cacerts` of its home (JSSE reference guide).
"""

from __future__ import annotations

import hashlib
import re
import ssl
import struct

KEY_STORE = "cacerts"
"""How Java calls its file."""
_PASSWORD = "changeit"  # noqa: S105 - as every Java has it; it keeps nothing secret
_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2
_WHITENER = b"Mighty Aphrodite"
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def key_store(bundle: str) -> bytes:
    """Return a key store that trusts the authorities of a bundle in PEM."""
    found = [ssl.PEM_cert_to_DER_cert(each) for each in _CERTIFICATE.findall(bundle)]
    body = struct.pack("!III", _MAGIC, _VERSION, len(found))
    for number, certificate in enumerate(found):
        body += struct.pack("!I", _TRUSTED) + _text(f"authority-{number}") + struct.pack("!Q", 0)
        body += _text("X.509") + struct.pack("!I", len(certificate)) + certificate
    # SHA-1 is what the form asks for: it tells a damaged file, and keeps nobody out.
    digest = hashlib.sha1(_PASSWORD.encode("utf-16-be") + _WHITENER + body, usedforsecurity=False)
    return body + digest.digest()


def _text(text: str) -> bytes:
    written = text.encode()
    return struct.pack("!H", len(written)) + written
