"""`botproof double telegram`: the double as a process of its own."""

from __future__ import annotations

import argparse
import ssl
import sys
from pathlib import Path

from botproof.doubles.server import Running, run_until_stopped
from botproof.doubles.telegram.app import start
from botproof.doubles.telegram.context import Settings
from botproof.doubles.telegram.flood import FloodLimits
from botproof.doubles.telegram.tls import server_context

__all__ = ["add_arguments", "main", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of the double."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 is any free one")
    parser.add_argument("--seed", type=int, default=0, help="makes ids, dice and faults repeatable")
    parser.add_argument(
        "--token",
        action="append",
        metavar="TOKEN",
        help="let only this bot in (repeatable); by default every well-formed token is a bot",
    )
    parser.add_argument(
        "--flood",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="refuse with 429 what Telegram would refuse",
    )
    limits = FloodLimits()
    parser.add_argument("--flood-chat-interval", type=float, default=limits.chat_interval)
    parser.add_argument("--flood-chat-burst", type=int, default=limits.chat_burst)
    parser.add_argument("--flood-group-per-minute", type=int, default=limits.group_per_minute)
    parser.add_argument("--flood-total-per-second", type=int, default=limits.total_per_second)
    parser.add_argument(
        "--strict-webhooks",
        action="store_true",
        help="refuse http and other ports than 80, 88, 443, 8443 for local addresses too",
    )
    parser.add_argument("--transcript-bytes", type=int, default=16 * 1024 * 1024)
    parser.add_argument(
        "--tls",
        type=Path,
        metavar="CA.pem",
        help="serve https as api.telegram.org, and write the CA to trust to this file",
    )
    parser.add_argument("--tls-cert", type=Path, metavar="PEM", help="serve https with this chain")
    parser.add_argument("--tls-key", type=Path, metavar="PEM", help="the key to --tls-cert")
    parser.add_argument(
        "--webhook-ca", type=Path, metavar="PEM", help="trust this CA when posting to webhooks"
    )


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C; the exit code (2 for a certificate that cannot be read)."""
    try:
        tls = _server_tls(args)
        webhook_tls = ssl.create_default_context(cafile=args.webhook_ca)
    except OSError as error:
        print(f"cannot use a certificate of --tls… or --webhook-ca: {error}", file=sys.stderr)
        return 2

    async def begin() -> Running:
        return await start(
            _settings(args),
            host=args.host,
            port=args.port,
            tls=tls,
            transcript_bytes=args.transcript_bytes,
            webhook_tls=webhook_tls,
        )

    return run_until_stopped(begin)


def _settings(args: argparse.Namespace) -> Settings:
    flood = FloodLimits(
        chat_interval=args.flood_chat_interval,
        chat_burst=args.flood_chat_burst,
        group_per_minute=args.flood_group_per_minute,
        total_per_second=args.flood_total_per_second,
    )
    return Settings(
        seed=args.seed,
        tokens=frozenset(args.token) if args.token else None,
        flood=flood if args.flood else None,
        strict_webhooks=args.strict_webhooks,
    )


def _server_tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if args.tls is not None:
        return server_context(args.tls)
    if args.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.tls_cert, args.tls_key)
    return context


def main(argv: list[str] | None = None) -> int:
    """`python -m botproof.doubles.telegram.cli`."""
    parser = argparse.ArgumentParser(prog="botproof double telegram", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
