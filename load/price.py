"""The load that decides a roll-out: the price question, asked of any market-data host.

    locust -f load/price.py --headless --host http://127.0.0.1:8001

150 requests a second on an open-loop schedule until the evidence is enough: half a minute on a good
build, seconds on a bad one. Exit code: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 3 ERROR. `--help` lists the
options, under "open loop and budgets". `--processes 2` sends from two processes, same verdict.
"""

from botproof.workloads.market_data import PriceAsker, add_symbols, probe
from botproof.workloads.open_loop import Plan, install

__all__ = ["PriceAsker"]  # Locust looks for the users in this module

install(Plan(options=add_symbols, probe=probe))
