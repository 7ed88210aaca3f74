"""Fill a benchmark's table in docs/benchmarks.md from its report.

``python scripts/bench_table.py market-data [reports/bench/market-data.json]``: what stands between
``<!-- bench: NAME -->`` and ``<!-- end -->`` is replaced. Run it after `nox -s bench -- NAME` on a
quiet machine, and look at the difference before it is committed.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

PAGE = Path("docs/benchmarks.md")


def cell(value: float | None, spread: list[float] | None) -> str:
    """A median with the lowest and the highest run; one value stands alone."""
    if value is None or spread is None:
        return ""
    low, high = spread
    return f"{value:,g}" if low == high else f"{value:,g} ({low:,g} … {high:,g})"


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    met = {True: "met", False: "**missed**", None: ""}[row["met"]]
    ratio = "" if row["ratio"] is None else f"{row['ratio']:g}"
    cells = (
        f"{row['metric']}, {row['unit']}",
        cell(row["ours"], row["ours_spread"]),
        cell(row["other"], row["other_spread"]),
        row["other_is"],
        ratio,
        " ".join(filter(None, (row["aim"], met))),
    )
    return "| " + " | ".join(cells) + " |"


def main(name: str, report: str | None = None) -> None:
    """Write the table; SystemExit when the page has no place for it."""
    rows = json.loads(Path(report or f"reports/bench/{name}.json").read_text())
    head = ["| | ours | other | what other is | ours ÷ other | aim |", "|---|---|---|---|---|---|"]
    table = "\n".join([*head, *(line(row) for row in rows)])
    begin, end = f"<!-- bench: {name} -->", "<!-- end -->"
    place = re.compile(f"{re.escape(begin)}\n.*?{re.escape(end)}", re.DOTALL)
    page = PAGE.read_text()
    if not place.search(page):
        raise SystemExit(f"{PAGE} has no {begin} … {end}")
    PAGE.write_text(place.sub(lambda _: f"{begin}\n{table}\n{end}", page, count=1))


if __name__ == "__main__":
    main(*sys.argv[1:3])
