"""A day of simulated market, replayed at speed: how long scans take, what they ask, what is kept.

Five hundred made-up symbols beside the usual ones, on six venues, each call delayed by 150 ms. The
market's clock moves on a quarter of an hour at a time, to ten seconds before the next close, and
stands still between: at every step all candles are to be read anew, and what one answer of a scan
has found is kept for the next one. Each step asks /volume_scan and /top_symbols of the next venue
and market, after a price by which the service hears what time it is there. The double holds the
venues' documented rates against the service: an answer whose rest the venue takes later is asked
for again when it says so, as its user would, and its last answer counts. The double draws its
trades before it is asked; that it makes candles and tickers of them, a third of a second for a list
of five hundred, is in the measured times.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any, Final

from scipy.stats import theilslopes

from botproof.bench import Aim, CannotMeasureError, Row, compare, progress
from botproof.bench._market import CRYPTO_VENUES, Double, Service, service

_STEP: Final = 900
_STEPS: Final = 96
_SYMBOLS: Final = 500
_BEGIN: Final = 1_763_779_490_000
"""2025-11-22 02:44:50 UTC: ten seconds before a close, and so is every step. Scans over several
answers need some of them: what they find is kept until the close.
"""
_DELAY: Final = 0.15
_WITHIN: Final = 2.0
_MOST_CALLS: Final = 62
"""Sixty symbols' candles, the list of tickers, and the listing once an hour."""
_MOST_ANSWERS: Final = 3
"""Answers over which a scan may come."""
_PATIENCE: Final = 5.0
"""Seconds that are waited for a scan's rest: Hyperliquid's limit is one of a minute."""
_GROWTH: Final = 1.0
"""MB a day that count as flat: of the ten below the budget one would last for ten days."""
_ASKED: Final = tuple(itertools.product(CRYPTO_VENUES, ("perp", "spot")))
_SETTLED: Final = 2 * len(_ASKED)
"""Steps until every venue and market has been asked twice: growth counts from there."""


@dataclass(slots=True)
class _Day:
    """What was seen, a value a step."""

    scan: list[float] = field(default_factory=list)
    top: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    """Over how many answers each scan came."""
    refused: int = 0
    """Calls that were beyond a venue's documented rate."""
    gaps: int = 0
    queued: int = 0
    """Answers whose rest the venue takes later than is waited for, and nothing else."""
    late: int = 0
    """Answers with a gap of which each part had not come by the deadline, and nothing else."""

    def growth(self) -> tuple[float, float, float]:
        """MB a day that memory grew by, with the 95 % interval, once each had been asked.

        The median of the slopes between all pairs of steps: memory grows in jumps, and one of them
        must not decide.
        """
        found = theilslopes(self.rss[_SETTLED:], range(_SETTLED, len(self.rss)), alpha=0.95)
        slope, low, high = (float(value) * _STEPS for value in found[:1] + found[2:])
        return slope, low, high


def measure(python: str) -> list[Row]:
    """Replay the day once."""
    progress(f"a day: drawing the day before it, {_SYMBOLS} symbols")
    arguments = ("--seed", "7", "--symbols", str(_SYMBOLS), "--now", str(_BEGIN))
    with (
        Double.started(*arguments) as double,
        service(double.url, python=python, exchanges=CRYPTO_VENUES) as running,
    ):
        double.delay(_DELAY)
        double.hold_rates()
        return _rows(_replay(double, running))


def _replay(double: Double, running: Service) -> _Day:
    day = _Day()
    for step, (venue, market) in zip(range(_STEPS), itertools.cycle(_ASKED), strict=False):
        double.advance(_STEP)
        query = {"exchange": venue, "market": market}
        # A clock that jumps is the replay's doing: a service that nobody set back hears the time.
        _timed(running, "/combined_price", {"exchange": venue, "symbol": "BTC"})
        double.calls()
        scan_s, scan, answers = _scanned(running, {**query, "threshold_pct": 0})
        asked = double.calls()
        day.refused += sum(call["status"] == 429 for call in asked)
        calls = len(asked)
        day.answers.append(answers)
        top_s, top = _timed(running, "/top_symbols", {**query, "limit": 100})
        day.scan.append(scan_s)
        day.top.append(top_s)
        day.calls.append(calls)
        day.rss.append(running.memory().rss)
        missing = [one for one in (scan["missing"], top["missing"]) if one]
        late = [one for one in missing if {gap["reason"] for gap in one} == {"timeout"}]
        queued = [one for one in missing if {gap["reason"] for gap in one} == {"queued"}]
        day.late += len(late)
        day.queued += len(queued)
        day.gaps += len(missing) - len(late) - len(queued)
        scanned = scan.get("scanned", 0)
        progress(
            f"a day: step {step + 1} of {_STEPS}, {venue} {market}: scan of {scanned} in "
            f"{scan_s:.2f} s with {calls} calls, over {answers} answers, list in {top_s:.3f} s, "
            f"{day.rss[-1]:.1f} MB"
            + "".join(f"; {len(one)} missing, the first: {one[0]}" for one in missing)
        )
    return day


def _scanned(running: Service, query: dict[str, Any]) -> tuple[float, dict[str, Any], int]:
    """Ask for a scan until it is whole; returns the slowest answer, the last one, how many."""
    slowest, answer, count = 0.0, dict[str, Any](), 0
    while count < _MOST_ANSWERS and (not count or 0 < (answer.get("rest_in") or 0) <= _PATIENCE):
        time.sleep(answer.get("rest_in") or 0)
        seconds, answer = _timed(running, "/volume_scan", query)
        slowest, count = max(slowest, seconds), count + 1
    return slowest, answer, count


def _timed(running: Service, path: str, query: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    answer = running.client.post(path, json=query)
    seconds = time.perf_counter() - began
    reply = answer.json()
    if answer.status_code not in (200, 502, 504):
        raise CannotMeasureError(f"{path}: HTTP {answer.status_code}: {answer.text[:300]}")
    data: dict[str, Any] = reply["data"] if reply["success"] else reply["error"]
    return seconds, data


def _rows(day: _Day) -> list[Row]:
    within = Aim(_WITHIN, at_most=True)
    slope, low, high = day.growth()
    flat = Aim(_GROWTH, at_most=True)
    return [
        compare("a day: slowest /volume_scan", "s", [max(day.scan)], aim=within),
        compare("a day: /volume_scan", "s", day.scan),
        compare("a day: slowest /top_symbols", "s", [max(day.top)], aim=within),
        compare("a day: /top_symbols", "s", day.top),
        compare(
            "a day: most venue calls of a /volume_scan",
            "calls",
            [max(day.calls)],
            aim=Aim(_MOST_CALLS, at_most=True),
        ),
        compare(
            "a day: most answers over which a /volume_scan came",
            "answers",
            [max(day.answers)],
            aim=Aim(_MOST_ANSWERS, at_most=True),
        ),
        compare(
            "a day: calls beyond a venue's documented rate",
            "calls",
            [day.refused],
            aim=Aim(0, at_most=True),
        ),
        compare(
            f"a day: answers of {2 * _STEPS} with a gap that no deadline explains",
            "answers",
            [day.gaps],
            aim=Aim(0, at_most=True),
        ),
        compare(
            f"a day: answers of {2 * _STEPS} whose rest comes a minute later",
            "answers",
            [day.queued],
            aim=Aim(_STEPS // len(CRYPTO_VENUES), at_most=True),  # a venue's scans: Hyperliquid's
        ),
        compare(
            f"a day: answers of {2 * _STEPS} that ran into the deadline",
            "answers",
            [day.late],
            aim=Aim(0, at_most=True),  # or else the times above are of answers that gave up
        ),
        compare("a day: memory, highest", "MB RSS", [max(day.rss)], aim=Aim(70, at_most=True)),
        Row(
            metric="a day: growth of memory, with its 95 % interval",
            unit="MB a day",
            ours=round(slope, 2),
            ours_spread=(round(low, 2), round(high, 2)),
            other=None,
            other_spread=None,
            other_is="",
            ratio=None,
            aim=str(flat),
            met=flat.met(slope),
            runs=len(day.rss) - _SETTLED,
        ),
    ]
