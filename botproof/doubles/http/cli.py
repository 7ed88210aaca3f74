"""`botproof double http`: the double as a process of its own."""

from __future__ import annotations

import argparse
import json
import os
import ssl
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from botproof.doubles.http.har import RecordingError, read_har, write_har
from botproof.doubles.http.replay import Replay
from botproof.doubles.http.server import HttpDouble, Recording
from botproof.doubles.kit.process import add_address, run_until_stopped
from botproof.doubles.server import Server
from botproof.doubles.tls import any_name_context
from botproof.open_files import as_many_as_allowed

SECRETS = "BOTPROOF_SECRETS"
"""The variable that holds a JSON list of values that no recording may have: not the command line,
which everybody on the machine can read."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the double."""
    add_address(parser)
    add = parser.add_argument
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
        "--blank",
        action="store_true",
        help="with --record: ask nobody; write each request down with an empty answer to fill in, "
        "after what the file has already",
    )
    add(
        "--upstream",
        metavar="HOST=URL",
        action="append",
        default=[],
        help="while recording, ask this address for a host: a staging's, say",
    )
    add("--upstream-ca", type=Path, metavar="PEM", help="trust this authority while recording")


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C; return the exit code (2 for what cannot be used)."""
    as_many_as_allowed()
    try:
        exchanges = [each for path in args.recording for each in read_har(path)]
        begun = read_har(args.record) if args.blank and args.record.exists() else []
        upstream = dict(_pair(text) for text in args.upstream)
    except (RecordingError, ValueError) as error:
        print(f"botproof double http: {error}", file=sys.stderr)
        return 2

    async def start(closing: AsyncExitStack) -> Server:
        recording = None
        if args.record is not None:
            client = httpx.AsyncClient(
                verify=ssl.create_default_context(cafile=args.upstream_ca),
                timeout=60.0,
                trust_env=False,
            )
            secrets = frozenset(json.loads(os.environ.get(SECRETS, "[]")))
            recording = Recording(client, upstream, secrets, args.blank)
        double = HttpDouble(Replay([*exchanges, *begun]), recording)
        if recording is not None:
            closing.callback(lambda: write_har(args.record, [*begun, *double.exchanges]))
            await closing.enter_async_context(recording.client)
        if args.plain_port is not None:
            plain = await double.listen(host=args.host, port=args.plain_port)
            await closing.enter_async_context(plain)
        tls = None if args.tls is None else any_name_context(args.tls, args.host)
        server = await double.listen(host=args.host, port=args.port, tls=tls)
        return await closing.enter_async_context(server)

    return run_until_stopped(start)


def _pair(text: str) -> tuple[str, str]:
    host, equals, url = text.partition("=")
    if not equals or "://" not in url:
        raise ValueError(f"--upstream {text}: write HOST=URL, such as api.example.org=https://…")
    return host.lower(), url
