"""market-data's benchmark: what it says without ccxt, and what it makes of a day."""

import importlib.util
import sys

import pytest

from botproof.bench import market_data as bench
from botproof.bench._day import _STEPS, _Day, _rows
from botproof.bench._market import Memory, rival


def found(*, ccxt: bool) -> dict[str, list[float]]:
    sides = {name for _, _, mine, its in bench._RIVALRY for name in (mine, its)}
    alone = {"cold", "slowest call", "warm", "bare", "calls of one", "answered rss"}
    return {name: [2.0, 4.0, 3.0] for name in sides | alone if ccxt or not name.startswith("ccxt")}


def test_every_figure_stands_beside_that_of_ccxt() -> None:
    rows = [row for row in bench._rows(found(ccxt=True), "python") if row.metric.startswith("besi")]
    assert len(rows) == len(bench._RIVALRY)
    assert {(row.ours, row.other, row.ratio) for row in rows} == {(3.0, 3.0, 1.0)}


def test_without_ccxt_its_rows_say_so_and_the_others_stay() -> None:
    rows = bench._rows(found(ccxt=False), "/somewhere/bin/python3")
    beside = [row for row in rows if row.metric.startswith("beside ccxt")]
    assert len(beside) == len(bench._RIVALRY)
    assert all(row.other is None and row.ratio is None for row in beside)
    assert all(row.other_is.startswith("not measured: python3 has no ccxt") for row in beside)
    assert any(row.met for row in rows)


@pytest.mark.skipif(
    importlib.util.find_spec("ccxt") is not None, reason="not applicable: this has ccxt"
)
def test_no_rival_is_started_without_ccxt() -> None:
    with rival("http://127.0.0.1:9", python=sys.executable) as none:
        assert none is None


def day(rss: list[float]) -> _Day:
    seen = _Day(rss=rss)
    usual = ((seen.scan, 0.8), (seen.top, 0.01), (seen.calls, 61), (seen.answers, 1))
    for values, value in usual:
        values.extend([value] * len(rss))
    return seen


@pytest.mark.parametrize(("a_step", "flat"), [(0.0, True), (0.05, False)])
def test_memory_that_grows_with_the_day_is_not_flat(a_step: float, flat: bool) -> None:
    jitter = [0.2 * (step * 7 % 5) for step in range(_STEPS)]
    [grown] = [
        row
        for row in _rows(day([60 + step * a_step + jitter[step] for step in range(_STEPS)]))
        if "growth" in row.metric
    ]
    assert grown.met is flat
    assert grown.ours == pytest.approx(_STEPS * a_step, abs=0.5)


def test_the_slowest_scan_of_a_day_is_judged_and_not_the_usual_one() -> None:
    seen = day([60.0] * _STEPS)
    seen.scan[40], seen.calls[41], seen.gaps, seen.late = 2.4, 90, 3, 0
    seen.refused, seen.queued, seen.answers[42] = 1, 16, 4
    told = {row.metric.removeprefix("a day: "): row for row in _rows(seen)}
    assert told["slowest /volume_scan"].met is False
    assert told["/volume_scan"].ours == 0.8
    assert told["most venue calls of a /volume_scan"].met is False
    assert told[f"answers of {2 * _STEPS} with a gap that no deadline explains"].met is False
    assert told["calls beyond a venue's documented rate"].met is False
    assert told["most answers over which a /volume_scan came"].met is False
    assert told[f"answers of {2 * _STEPS} whose rest comes a minute later"].met is True
    assert told[f"answers of {2 * _STEPS} that ran into the deadline"].met is True


def test_memory_is_read_from_the_kernel() -> None:
    import psutil  # noqa: PLC0415 - only where used

    memory = Memory.of(psutil.Process())
    assert memory.rss >= memory.pss >= 1
    assert memory.rss > memory.anonymous > 1
