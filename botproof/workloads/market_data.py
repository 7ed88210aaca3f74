"""The users of a market-data service: what the load scripts that talk to it have in common.

Import this from a Locust script only, as `open_loop`.
"""

from __future__ import annotations

from typing import Any

from botproof.workloads.open_loop import Answered, OpenLoopUser
from botproof.workloads.probe import not_market_data


def add_symbols(parser: Any) -> None:
    """Add the option that `PriceAsker` reads."""
    parser.add_argument(
        "--symbols",
        default="BTC,ETH,SOL,XRP,DOGE,ADA,LINK,LTC,TRX,DOT,BNB,SUI",
        help="symbols to ask for",
    )


def probe(options: Any) -> str:
    """Say why the host cannot be a market-data service; empty when it may be one."""
    return not_market_data(options.host, options.symbols.partition(",")[0])


class PriceAsker(OpenLoopUser):
    """Asks what the bot's /price asks, for one symbol after the other."""

    def ask(self, number: int) -> Answered:
        symbols = self.environment.parsed_options.symbols.split(",")
        symbol = symbols[number % len(symbols)]
        # Four of five ask for the whole picture, as people do; the rest for the bare price.
        path = "/price" if number % 5 == 4 else "/combined_price"
        return self.post(path, {"symbol": symbol})
