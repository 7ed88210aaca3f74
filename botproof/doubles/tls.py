"""A certificate for the names that a double stands for, which a bot can be made to trust.

A bot that insists on `https://api.telegram.org` reaches the double when two things around it are
changed, and nothing in it: the name resolves to the double, and the double's authority is trusted
(`SSL_CERT_FILE` for Python and Go, `NODE_EXTRA_CA_CERTS` for Node.js, or the system's store).

The authority is made anew at each start and signs for these names only as long as the process
lives: its key is never written anywhere.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

HERE = ("localhost", "127.0.0.1", "::1")
NAMES = ("api.telegram.org", *HERE)


def server_context(ca_path: Path, names: Sequence[str] = NAMES) -> ssl.SSLContext:
    """Return a context to serve TLS with, under ``names``; the authority to trust goes to
    ``ca_path``.

    Raises OSError when the file cannot be written. It is complete when this returns, so a process
    that is told of the listening double can read it.
    """
    import trustme  # noqa: PLC0415 - its cryptography takes 8 MB, which no double without TLS needs

    authority = trustme.CA(organization_name="botproof double")
    certificate = authority.issue_cert(*names)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate.configure_cert(context)
    ca_path.parent.mkdir(parents=True, exist_ok=True)
    authority.cert_pem.write_to_path(ca_path)
    return context


def any_name_context(ca_path: Path, own: str) -> ssl.SSLContext:
    """Return what `server_context` does, for every name that a client asks for, and for
    the address `own`."""
    import trustme  # noqa: PLC0415 - as above

    authority = trustme.CA(organization_name="botproof double")
    made: dict[str, ssl.SSLContext] = {}

    def of(*names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        authority.issue_cert(*names).configure_cert(context)
        return context

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name:
            if name not in made:
                made[name] = of(name)
            connection.context = made[name]

    context = of(*dict.fromkeys((*HERE, own)))
    context.sni_callback = choose
    ca_path.parent.mkdir(parents=True, exist_ok=True)
    authority.cert_pem.write_to_path(ca_path)
    return context


_DISTRUST = {
    "TLSV1_ALERT_UNKNOWN_CA": "unknown authority",
    "SSLV3_ALERT_BAD_CERTIFICATE": "bad certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "unknown certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "unsupported certificate",
}
"""What OpenSSL calls the alerts (RFC 8446, 6.2) of a client that refuses our certificate."""


def tell_of_distrust(context: ssl.SSLContext, on_distrust: Callable[[str, str], None]) -> None:
    """Tell of each client that refuses the certificate: the name that it asked for, "" without one,
    and its alert in words. Otherwise asyncio drops such a connection without a word."""
    choose = context.sni_callback

    class Watched(ssl.SSLObject):
        asked_for = ""

        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except ssl.SSLError as error:
                if error.reason in _DISTRUST:
                    on_distrust(self.asked_for, _DISTRUST[error.reason])
                raise

    def remember(connection: ssl.SSLObject, name: str | None, its: ssl.SSLContext) -> int | None:
        if isinstance(connection, Watched):
            connection.asked_for = name or ""
        answer: int | None = choose(connection, name or "", its) if choose is not None else None
        return answer

    context.sslobject_class = Watched
    context.sni_callback = remember
