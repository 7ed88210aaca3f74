"""`botproof double http`: the double as a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path

import httpx

from botproof.doubles.http.har import RecordingError, read_har, write_har
from botproof.doubles.http.replay import Replay
from botproof.doubles.http.server import HttpDouble, Recording
from botproof.doubles.server import Server, run_until_stopped, serve
from botproof.doubles.tls import any_name_context

__all__ = ["SECRETS", "add_arguments", "run"]

SECRETS = "BOTPROOF_SECRETS"
"""The variable that holds a JSON list of values that no recording may have: not the command line,
which everybody on the machine can read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the double."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=0, help="port to listen on; 0 is any free one")
    add("--plain-port", type=int, metavar="PORT", help="listen here too, without TLS")
    add("--tls", type=Path, metavar="CA.pem", help="serve https under every name")
    add("--seed", type=int, default=0, help="taken as by the other doubles; nothing is drawn here")
    add(
        "--recording",
        type=Path,
        metavar="FILE.har",
        action="append",
        default=[],
        help="play the answers of this HAR 1.2 file; may be repeated",
    )
    add(
        "--record",
        type=Path,
        metavar="FILE.har",
        help="ask the real hosts instead, and write what they answer, without secrets, to this "
        "file at the end",
    )
    add(
        "--upstream",
        metavar="HOST=URL",
        action="append",
        default=[],
        help="while recording, ask this address for a host: a staging's, say",
    )
    add("--upstream-ca", type=Path, metavar="PEM", help="trust this authority while recording")


@dataclass(slots=True)
class _Running:
    double: HttpDouble
    server: Server
    plain: Server | None
    client: httpx.AsyncClient | None
    out: Path | None

    @property
    def url(self) -> str:
        return self.server.url

    async def close(self) -> None:
        await self.server.close()
        if self.plain is not None:
            await self.plain.close()
        if self.client is not None:
            await self.client.aclose()
        if self.out is not None:
            write_har(self.out, self.double.exchanges)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C; the exit code (2 for what cannot be used)."""
    try:
        exchanges = [each for path in args.recording for each in read_har(path)]
        upstream = dict(_pair(text) for text in args.upstream)
    except (RecordingError, ValueError) as error:
        print(f"botproof double http: {error}", file=sys.stderr)
        return 2

    async def start() -> _Running:
        client = None
        recording = None
        if args.record is not None:
            client = httpx.AsyncClient(
                verify=ssl.create_default_context(cafile=args.upstream_ca),
                timeout=60.0,
                trust_env=False,
            )
            secrets = frozenset(json.loads(os.environ.get(SECRETS, "[]")))
            recording = Recording(client, upstream, secrets)
        double = HttpDouble(Replay(exchanges), recording)
        tls = None if args.tls is None else any_name_context(args.tls, args.host)
        handler = double.plain if tls is None else double.secure
        server = await serve(
            handler,
            host=args.host,
            port=args.port,
            ssl=tls,
            on_failure=double.note_failure,
            on_distrust=double.note_distrust,
        )
        plain = None
        if args.plain_port is not None:
            plain = await serve(
                double.plain,
                host=args.host,
                port=args.plain_port,
                on_failure=double.note_failure,
            )
        return _Running(double, server, plain, client, args.record)

    return run_until_stopped(start)


def _pair(text: str) -> tuple[str, str]:
    host, equals, url = text.partition("=")
    if not equals or "://" not in url:
        raise ValueError(f"--upstream {text}: write HOST=URL, such as api.example.org=https://…")
    return host.lower(), url
