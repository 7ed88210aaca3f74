"""`botproof double telegram`: the double as a process of its own."""

from __future__ import annotations

import argparse
import ssl
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from botproof.bot_token import LIKE, is_token
from botproof.doubles.kit.process import add_address, run_until_stopped, whole
from botproof.doubles.kit.transcript import TRANSCRIPT_BYTES
from botproof.doubles.server import Server
from botproof.doubles.telegram.app import start
from botproof.doubles.telegram.context import Settings
from botproof.doubles.telegram.flood import FloodLimits
from botproof.doubles.telegram.wire import WireError, read_wires
from botproof.doubles.tls import NAMES, server_context
from botproof.open_files import as_many_as_allowed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the double."""
    add_address(parser)
    parser.add_argument(
        "--seed",
        type=whole,
        metavar="N",
        help="makes ids, dice and faults repeatable; by default they are others at each start, "
        "as a bot that keeps the ids of its updates takes the same ones for known",
    )
    parser.add_argument(
        "--token",
        type=_token,
        action="append",
        metavar="TOKEN",
        help="let only this bot in (repeatable); by default every well-formed token is a bot",
    )
    parser.add_argument(
        "--any-token",
        action="store_true",
        help="take whatever stands where the token does for the one of --token: for a bot that "
        "brings a token which is not known here",
    )
    parser.add_argument(
        "--transcript-bytes",
        type=_at_least_one,
        default=TRANSCRIPT_BYTES,
        metavar="N",
        help="how much of what happened is kept (%(default)s)",
    )
    parser.add_argument(
        "--wire",
        type=Path,
        metavar="FILE",
        help="let go wrong between the bot and the double what this JSON file says: calls and "
        "updates that are lost, late, repeated, misdirected or altered (docs/prove.md)",
    )
    _add_flood(parser.add_argument_group("flood control", "per bot, as Telegram publishes it"))
    _add_tls(parser.add_argument_group("webhooks and TLS"))


def _add_flood(group: argparse._ArgumentGroup) -> None:
    limits = FloodLimits()
    group.add_argument(
        "--flood",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="refuse with 429 what Telegram would refuse (on)",
    )
    for name, kind, metavar, what in (
        ("chat_interval", _seconds, "SECONDS", "one message in a chat each so many seconds"),
        ("chat_burst", _at_least_one, "N", "messages that may come at once in a chat"),
        ("group_per_minute", _at_least_one, "N", "messages a minute in a group"),
        ("total_per_second", _at_least_one, "N", "messages a second over all chats"),
    ):
        group.add_argument(
            f"--flood-{name.replace('_', '-')}",
            type=kind,
            default=getattr(limits, name),
            metavar=metavar,
            help=f"{what} (%(default)s)",
        )


def _add_tls(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--strict-webhooks",
        action="store_true",
        help="refuse http and other ports than 80, 88, 443, 8443 for local addresses too",
    )
    group.add_argument(
        "--strict-unknowns",
        action="store_true",
        help="answer 501 where the double would make an answer up",
    )
    group.add_argument(
        "--webhook-ca", type=Path, metavar="PEM", help="trust this CA when posting to webhooks"
    )
    group.add_argument(
        "--tls",
        type=Path,
        metavar="CA.pem",
        help="serve https as api.telegram.org, and write the CA to trust to this file",
    )
    group.add_argument("--tls-cert", type=Path, metavar="PEM", help="serve https with this chain")
    group.add_argument(
        "--tls-key", type=Path, metavar="PEM", help="the key to --tls-cert, if it is not in there"
    )


def _at_least_one(text: str) -> int:
    number = whole(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"it must be at least 1; this is {number}")
    return number


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of seconds is wanted; this is {text!r}")
    return number


def _token(text: str) -> str:
    if not is_token(text):
        raise argparse.ArgumentTypeError(f"a token is {LIKE}; this is {text!r}")
    return text


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or Ctrl-C; return the exit code (2 for a file that cannot be used)."""
    as_many_as_allowed()
    wrong = _wrong_with_files(args)
    if wrong:
        print(wrong, file=sys.stderr)
        return 2
    try:
        tls = _server_tls(args)
        webhook_tls = ssl.create_default_context(cafile=args.webhook_ca)
    except OSError as error:
        print(f"cannot use a certificate of --tls… or --webhook-ca: {error}", file=sys.stderr)
        return 2

    try:
        wires = () if args.wire is None else read_wires(args.wire)
    except WireError as error:
        print(f"--wire: {error}", file=sys.stderr)
        return 2

    async def begin(closing: AsyncExitStack) -> Server:
        running = await start(
            _settings(args),
            host=args.host,
            port=args.port,
            tls=tls,
            transcript_bytes=args.transcript_bytes,
            webhook_tls=webhook_tls,
            wires=wires,
        )
        closing.push_async_callback(running.close)
        return running.server

    return run_until_stopped(begin)


def _wrong_with_files(args: argparse.Namespace) -> str:
    """Say what is wrong with the options that name files; empty when nothing is."""
    if args.tls is not None and args.tls_cert is not None:
        return "--tls makes a certificate, --tls-cert brings one: give one of them"
    if args.tls_key is not None and args.tls_cert is None:
        return "--tls-key is the key to --tls-cert, which is missing"
    for name in ("tls_cert", "tls_key", "webhook_ca"):
        path: Path | None = getattr(args, name)
        if path is not None and not path.is_file():
            return f"--{name.replace('_', '-')}: there is no file {path}"
    return ""


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
        any_token=args.any_token,
        flood=flood if args.flood else None,
        strict_webhooks=args.strict_webhooks,
        strict_unknowns=args.strict_unknowns,
    )


def _server_tls(args: argparse.Namespace) -> ssl.SSLContext | None:
    if args.tls is not None:
        return server_context(args.tls, tuple(dict.fromkeys((*NAMES, args.host))))
    if args.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(args.tls_cert, args.tls_key)
    return context


def main(argv: list[str] | None = None) -> int:
    """Run the double without the `botproof` command: `python -m botproof.doubles.telegram.cli`."""
    parser = argparse.ArgumentParser(prog="botproof double telegram", description=__doc__)
    add_arguments(parser)
    return run(parser.parse_args(argv))


if __name__ == "__main__":
    raise SystemExit(main())
