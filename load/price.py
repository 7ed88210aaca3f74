"""The load that decides a roll-out: the price question, asked of any market-data host.

    locust -f load/price.py --headless --host http://127.0.0.1:8001

150 requests a second on an open-loop schedule until the evidence is enough: half a minute on a good
build, seconds on a bad one. Exit code: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 ERROR. `--help` lists the
options, under "open loop and budgets".
"""

import itertools

from locust import events

from botproof.workloads.open_loop import OpenLoopUser, install

install()


@events.init_command_line_parser.add_listener
def add_options(parser):  # type: ignore[no-untyped-def]  # locust ships no types
    parser.add_argument("--symbols", default="BTC,ETH,SOL,XRP,DOGE", help="symbols to ask for")


class PriceAsker(OpenLoopUser):
    """Asks what the bot's /price asks, for one symbol after the other."""

    numbers = itertools.count()

    def ask(self) -> tuple[str, int, str]:
        symbols = self.environment.parsed_options.symbols.split(",")
        number = next(self.numbers)
        symbol = symbols[number % len(symbols)]
        # Four of five ask for the whole picture, as people do; the rest for the bare price.
        path = "/price" if number % 5 == 4 else "/combined_price"
        return self.post(path, {"symbol": symbol})
