"""A double as a process: it announces itself, and runs until it is told to end."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeAlias, TypeVar

import msgspec

from botproof.doubles.server import Server

T = TypeVar("T")
Start: TypeAlias = Callable[[AsyncExitStack], Awaitable[Server]]
"""Starts to listen; what is to be closed at the end goes into the stack."""


def add_address(parser: argparse.ArgumentParser) -> None:
    """Add where to listen to the options of a double."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=_port, default=0, help="port to listen on; 0 is any free one"
    )


def whole(text: str) -> int:
    """Return the number in an option. Raises ArgumentTypeError for what is none."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"a whole number is wanted; this is {text!r}") from None


def _port(text: str) -> int:
    number = whole(text)
    if not 0 <= number <= 65_535:
        raise argparse.ArgumentTypeError(f"a port lies in 0 to 65535; this is {number}")
    return number


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run as `asyncio.run` does, on uvloop where it is installed."""
    try:
        import uvloop  # noqa: PLC0415 - optional: the server works without it, slower
    except ImportError:
        return asyncio.run(main)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def run_until_stopped(start: Start) -> int:
    """Start a double, announce it, and run it until SIGTERM or SIGINT; return the exit code (0).

    The announcement is one line of JSON on stdout, printed once the socket listens:
    `{"event": "listening", "url": ..., "control": ...}`. An address that cannot be bound is said
    on stderr; the exit code is then 1.
    """
    try:
        return run(_until_stopped(start))
    except OSError as error:
        print(f"cannot listen: {error}", file=sys.stderr)
        return 1


async def _until_stopped(start: Start) -> int:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with AsyncExitStack() as closing:
        server = await start(closing)
        line = {"event": "listening", "url": server.url, "control": f"{server.url}/_double"}
        print(msgspec.json.encode(line).decode(), flush=True)
        await stopped.wait()
    return 0
