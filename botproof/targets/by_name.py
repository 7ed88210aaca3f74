"""A bot that insists on https://api.telegram.org, pointed at the double by name alone.

Nothing in the bot changes. Around it two things do: `/etc/hosts`, in a mount namespace of its own,
names an address of the loopback range as api.telegram.org, and the double's authority is trusted
through the variables that runtimes read (Python, Go: `SSL_CERT_FILE`; requests:
`REQUESTS_CA_BUNDLE`; Node.js: `NODE_EXTRA_CA_CERTS`). The port is 443, so that stacks beside each
other need addresses of their own. It takes root, for the port as for the namespace.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from botproof.targets.reserved import Addresses

NAME = "api.telegram.org"
_BIND = 'mount --bind "$0" /etc/hosts && exec "$@"'
_addresses = Addresses()
"""Of this process: held until it ends, as what listens there may outlive its stack a little."""


@dataclass(frozen=True, slots=True)
class ByName:
    """Where the double of one stack is, and what the bot's surroundings have to be."""

    address: str
    ca: Path
    hosts: Path

    @classmethod
    def in_folder(cls, folder: Path) -> ByName:
        """Write the hosts file into `folder`; the double will put its authority beside it."""
        made = cls(_addresses.free(), folder / "ca.pem", folder / "hosts")
        known = Path("/etc/hosts").read_text(encoding="utf-8")
        made.hosts.write_text(f"{made.address} {NAME}\n{known}", encoding="utf-8")
        return made

    @property
    def double_options(self) -> tuple[str, ...]:
        """What `botproof double telegram` is given."""
        return ("--host", self.address, "--port", "443", "--tls", str(self.ca))

    @property
    def wrapper(self) -> tuple[str, ...]:
        """What stands in front of the bot's command."""
        return (
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            _BIND,
            str(self.hosts),
        )

    @property
    def env(self) -> Mapping[str, str]:
        """What makes the bot's runtime trust the double."""
        variables = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        return dict.fromkeys(variables, str(self.ca))

    def client(self) -> httpx.AsyncClient:
        """The harness's own client for the double's control interface, once the double listens."""
        trusting = ssl.create_default_context(cafile=self.ca)
        return httpx.AsyncClient(trust_env=False, timeout=30.0, verify=trusting)
