"""``botproof double exchanges``: the exchange double as a process of its own."""

from __future__ import annotations

import argparse
import os
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from botproof.doubles.exchanges.coins import COINS, FOREX, OTHERS, synthetic_coins
from botproof.doubles.exchanges.hosts import HOSTS
from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.periods import HOUR
from botproof.doubles.exchanges.scenario import Scenario, ScenarioKind
from botproof.doubles.exchanges.server import ExchangeDouble
from botproof.doubles.kit.process import add_address, run_until_stopped
from botproof.doubles.server import Server
from botproof.doubles.tls import HERE, server_context
from botproof.open_files import as_many_as_allowed

_DRAWN = 26 * HOUR  # a day, the candle that is open, and what the 96 before it lean on


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the double's arguments to a parser of ``botproof double``."""
    add_address(parser)
    parser.add_argument(
        "--tls",
        type=Path,
        metavar="CA.pem",
        help="serve https under the venues' own names; the authority to trust is written to CA.pem",
    )
    parser.add_argument("--seed", type=int, default=1, help="the market's seed")
    parser.add_argument(
        "--now",
        type=int,
        metavar="EPOCH_MS",
        help="stop the market's clock at this moment; the day before it is drawn before listening, "
        "so that nobody who asks waits for it",
    )
    parser.add_argument(
        "--drawn",
        type=Path,
        metavar="FILE",
        help="with --now: keep what was drawn in this file, and read it where another double of "
        "the same market has written it; nobody else may be able to write there",
    )
    parser.add_argument(
        "--symbols", type=int, default=0, metavar="N", help="add N made-up coins (X001 ...)"
    )
    parser.add_argument(
        "--scenario",
        action="append",
        default=[],
        type=_scenario,
        metavar="COIN=KIND@EPOCH_MS",
        help=f"an extreme market for one coin: {', '.join(kind.value for kind in ScenarioKind)}",
    )


def _scenario(text: str) -> tuple[str, Scenario]:
    base, _, rest = text.partition("=")
    kind, _, at = rest.partition("@")
    kinds = [one.value for one in ScenarioKind]
    if not base or kind not in kinds or not at.isdigit():
        raise argparse.ArgumentTypeError(
            f"{text!r}: write COIN=KIND@EPOCH_MS, KIND one of {', '.join(kinds)}"
        )
    return base.upper(), Scenario(ScenarioKind(kind), int(at))


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT; return the exit code (2 for what cannot be used)."""
    as_many_as_allowed()
    try:
        market = Market(
            args.seed, COINS + FOREX + OTHERS + synthetic_coins(args.symbols), dict(args.scenario)
        )
    except ValueError as error:
        print(f"botproof double exchanges: {error}")
        return 2

    try:
        names = (*HOSTS, *HERE, args.host)
        tls = None if args.tls is None else server_context(args.tls, tuple(dict.fromkeys(names)))
    except OSError as error:
        print(f"botproof double exchanges: --tls: {error}")
        return 2
    if args.now is not None:
        _draw(market, args.now, args.drawn)

    async def start(closing: AsyncExitStack) -> Server:
        double = ExchangeDouble(market, now=args.now)
        server = await double.listen(host=args.host, port=args.port, tls=tls)
        await closing.enter_async_context(server)
        closing.push_async_callback(double.aclose)
        closing.callback(market.close)
        return server

    return run_until_stopped(start)


def _draw(market: Market, now: int, file: Path | None) -> None:
    """Draw the day before ``now``, or read from ``file`` what another double has drawn."""
    if file is not None:
        with suppress(OSError):
            if market.recall(file.read_bytes()):
                return
    market.draw(now - _DRAWN, now)
    if file is not None:
        part = file.with_name(f"{file.name}.{os.getpid()}")
        with suppress(OSError):
            part.write_bytes(market.remembered())
            part.replace(file)  # at once: nobody reads half of it


def main() -> int:
    """Run the double without the ``botproof`` command: ``python -m
    botproof.doubles.exchanges.cli``.
    """
    parser = argparse.ArgumentParser(prog="botproof double exchanges")
    add_arguments(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
