"""Several gates in a row: what stands in a row, and the verdict over all."""

import json
from pathlib import Path

import pytest

from botproof import commands, history
from botproof.cli import main
from botproof.gate import GateOptions, judge
from botproof.history import History
from botproof.outcome import Outcome
from botproof.report.repeated import as_markdown, row, summary
from botproof.verdict import Verdict, combine


def outcome(record: History, golden: Path) -> Outcome:
    results = judge(record, golden_dir=golden)
    worst = combine(result.verdict for result in results)
    return Outcome(worst, results, record, 61.4, golden)


def test_a_row_holds_what_the_gate_measured(story, tmp_path: Path) -> None:
    found = row(3, outcome(story.healthy().history(), tmp_path))
    assert (found.number, found.duration_s, found.requests) == (3, 61.4, 3_600)
    assert (found.p50_ms, found.p999_ms) == (20.0, 20.0)
    assert found.error_bound_pct == pytest.approx(0.0832, abs=1e-4)
    assert found.memory_mb == {"bot": 60.0, "market_data": 50.0}
    assert found.verdict is Verdict.INCONCLUSIVE  # nothing is approved in this directory
    assert found.blamed == ("golden",)
    line = as_markdown([found]).splitlines()[4]
    assert (
        line
        == "| 3 | INCONCLUSIVE (golden) | 61 | 3,600 | 20.0 | 20.0 | 20.0 | 0.083 | 60.0 | 50.0 |"
    )


def test_memory_is_what_was_judged(story, tmp_path: Path) -> None:
    """What a process needed at its start, before the load, is in no verdict and in no row."""
    told = story.healthy()
    told.sample("polling", "bot", 900)
    done = outcome(told.history(), tmp_path)
    [memory] = [result for result in done.results if result.check == "memory"]
    assert memory.verdict is Verdict.PASS
    assert row(1, done).memory_mb == {"bot": 60.0, "market_data": 50.0}


def test_what_was_not_measured_is_no_number(tmp_path: Path) -> None:
    found = row(1, outcome(History([history.Run(t=0)]), tmp_path))
    assert (found.p99_ms, found.error_bound_pct, found.memory_mb) == (None, None, {})
    assert "| 0 | - | - | - | - |" in as_markdown([found])


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Verdict]:
    """The verdicts of the gates to come."""
    (tmp_path / "botproof.toml").write_text(
        '[bot]\ncommand = ["x"]\nready = "telegram"\n[modes.polling]\n'
    )
    monkeypatch.chdir(tmp_path)
    verdicts: list[Verdict] = []

    def one(options: GateOptions, _: object) -> Outcome:
        verdict = verdicts.pop(0)
        events: list[history.Event] = [history.Run(t=0)]
        if verdict is Verdict.ERROR:
            events.append(history.HarnessError(t=1, where="interrupted", message="SIGINT"))
        options.report_dir.mkdir(parents=True)
        return Outcome(verdict, [], History(events), 1.0, options.report_dir)

    monkeypatch.setattr(commands, "_one_gate", one)
    return verdicts


def test_the_worst_verdict_counts_and_each_run_keeps_its_papers(
    gates: list[Verdict], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates += [Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.PASS]
    assert main(["gate", "--repeat", "3"]) == 2
    report = tmp_path / "reports" / "gate"
    assert sorted(path.name for path in report.iterdir()) == [
        *("01", "02", "03", "repeated.json", "repeated.md")
    ]
    document = json.loads((report / "repeated.json").read_text())
    assert document["verdict"] == "INCONCLUSIVE"
    assert [gate["verdict"] for gate in document["gates"]] == ["PASS", "INCONCLUSIVE", "PASS"]
    assert "3 gates: 1 INCONCLUSIVE, 2 PASS" in capsys.readouterr().out


def test_ctrl_c_ends_the_row_not_only_the_gate(gates: list[Verdict]) -> None:
    gates += [Verdict.PASS, Verdict.ERROR, Verdict.PASS]
    assert main(["gate", "--repeat", "9"]) == 3
    assert gates == [Verdict.PASS]


def test_no_gate_at_all_is_a_mistake(gates: list[Verdict]) -> None:
    assert gates == []
    assert main(["gate", "--repeat", "0"]) == 64


def test_each_verdict_is_counted_the_worst_first(story, tmp_path: Path) -> None:
    found = row(1, outcome(story.healthy().history(), tmp_path))
    assert summary([found, found]) == "2 gates: 2 INCONCLUSIVE"
