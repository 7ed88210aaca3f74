"""The proxy of a fleet in its gate: the double of Telegram brings updates through it, over TLS.

Production's own container of it runs, with its own configuration. Different are the name that it
answers to, because no authority gives a certificate for production's here, the authority that it
makes certificates with, which the double then trusts, and that the double's address is let in.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from botproof.config import BOT, Config, Process

TLS_PORT = 443
_HERE = "localhost"
_TELEGRAM = "149.154.160.0/20"
"""Telegram's first network: who lets it in by name has to let the double in, too."""
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Proxy:
    """The service that takes what comes for ``domain`` and passes it on to the bot's ``port``."""

    service: str
    domain: str
    port: int


def find_proxy(config: Config, bot: Document, others: Mapping[str, Document]) -> Proxy | None:
    """Return the service with port 443 before a bot that has a webhook; None where
    there is none."""
    environment: Mapping[str, Any] = bot.get("environment") or {}
    variables = {
        name for mode in config.modes.values() for name, v in mode.env.items() if _is_own(v)
    }
    domains = {urlsplit(str(environment.get(name) or "")).hostname for name in variables}
    ports = {environment.get(n) for n, v in config.bot.env.items() if v == f"{{port:{BOT}}}"}
    names = sorted(name for name, service in others.items() if _takes_tls(service))
    domain, port = next(filter(None, domains), ""), next(filter(None, ports), "")
    if not (names and domain and str(port).isdigit()):
        return None
    return Proxy(names[0], str(domain), int(str(port)))


@contextlib.contextmanager
def through(config: Config, proxy: Proxy | None) -> Iterator[Config]:
    """Give the same, with every webhook of a mode reached through the proxy."""
    if proxy is None:
        yield config
        return
    with tempfile.TemporaryDirectory(prefix="botproof-proxy-") as name:
        directory = Path(name)
        authority = _make_authority(directory)
        replace = msgspec.structs.replace
        telegram = config.doubles.telegram
        args = (*telegram.args, "--webhook-ca", str(authority))
        services = dict(config.services)
        services[proxy.service] = _here(services[proxy.service], proxy.domain, directory)
        modes = {
            each: replace(mode, env={n: _by_tls(v) for n, v in mode.env.items()})
            for each, mode in config.modes.items()
        }
        yield replace(
            config,
            bot=replace(config.bot, port=proxy.port),
            services=services,
            modes=modes,
            doubles=replace(config.doubles, telegram=replace(telegram, args=args)),
        )


def _takes_tls(service: Document) -> bool:
    ports = service.get("ports") or ()
    inside = (port.get("target") if isinstance(port, Mapping) else port for port in ports)
    return any(str(port).partition("/")[0] == str(TLS_PORT) for port in inside)


def _is_own(value: object) -> bool:
    return str(value).startswith(f"{{url:{BOT}}}")


def _by_tls(value: Any) -> Any:
    return str(value).replace(f"{{url:{BOT}}}", f"https://{_HERE}") if _is_own(value) else value


def _here(process: Process, domain: str, authorities: Path) -> Process:
    """Return the proxy as it runs in a gate: under another name, and with the authority
    that we made."""
    environment: dict[str, Any] = {}
    for name, value in process.env.items():
        text = str(value).replace(domain, _HERE)
        environment[name] = f"{text} 127.0.0.0/8" if _TELEGRAM in text else text
    kept = str(environment.get("XDG_DATA_HOME") or "/data")  # where Caddy has its certificates
    args = list(process.container_args)
    for at in reversed([at for at, word in enumerate(args) if word == kept]):
        del args[at - 1 : at + 1]
    args += ["--volume", f"{authorities}:{kept}"]
    return msgspec.structs.replace(process, env=environment, container_args=tuple(args))


def _make_authority(directory: Path) -> Path:
    """Return an authority where Caddy looks for its own; the file of its certificate."""
    import trustme  # noqa: PLC0415 - its cryptography takes a while to import

    made = trustme.CA(organization_name="botproof gate")
    place = directory / "caddy" / "pki" / "authorities" / "local"
    place.mkdir(parents=True)
    made.private_key_pem.write_to_path(place / "root.key")
    made.cert_pem.write_to_path(place / "root.crt")
    return place / "root.crt"
