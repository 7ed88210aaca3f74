"""`python -m botproof.bench NAME`: run one benchmark, print its table, write its report.

Exit code 0 when it was measured (also when an aim was missed), 2 when it could not be.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
from pathlib import Path

import botproof.bench
from botproof.bench import REPORTS, CannotMeasureError, show, write


def names() -> list[str]:
    """Return the benchmarks that there are."""
    found = (module.name for module in pkgutil.iter_modules(botproof.bench.__path__))
    return sorted(name.replace("_", "-") for name in found if not name.startswith("_"))


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark that the arguments name; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m botproof.bench", description=__doc__)
    parser.add_argument("name", choices=names())
    parser.add_argument("--runs", type=int, default=5, help="how often each side is measured")
    parser.add_argument("--reports", type=Path, default=REPORTS, help="where the report goes")
    parser.add_argument(
        "--service-python",
        default=sys.executable,
        metavar="PYTHON",
        help="market-data: the interpreter of the service, with what production installs",
    )
    parser.add_argument(
        "--ccxt-python",
        default=sys.executable,
        metavar="PYTHON",
        help="market-data: an interpreter that has ccxt; without ccxt its rows are not measured",
    )
    parser.add_argument(
        "--no-day", action="store_true", help="market-data: leave out the day's replay, two minutes"
    )
    arguments = parser.parse_args(argv)
    module = importlib.import_module(f"botproof.bench.{arguments.name.replace('-', '_')}")
    try:
        rows = module.run(arguments)
    except CannotMeasureError as error:
        print(f"cannot measure {arguments.name}: {error}", file=sys.stderr)
        return 2
    show(arguments.name, rows)
    print(f"written to {write(arguments.name, rows, arguments.reports)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
