"""`nox -s noise`: the machine is really made busy and set right again; the table tells it."""

import json
from pathlib import Path

import psutil
import pytest

from botproof import history
from botproof.history import FreshStart, HistoryWriter, Starved
from botproof.noise.__main__ import last_words, main
from botproof.noise.table import Row, counts, row_of, summary, verdict
from botproof.noise.troubles import STATES, State, trouble
from botproof.verdict import Verdict

WITHHELD = "golden INCONCLUSIVE: only where the machine kept the run from going on: 1 differs"


def test_a_gate_without_a_verdict_tells_how_it_ended() -> None:
    assert last_words(-9, ["one", "two"]) == "it ended with signal SIGKILL; two"
    assert last_words(3, []) == "it ended with exit code 3; it said nothing"
    assert last_words(None, ["one"]) == "it did not end; one"


def row(
    verdict_: str,
    *reasons: str,
    build: str = "good",
    state: str = "idle",
    explained: bool = False,
) -> Row:
    return Row(
        build=build,
        state=state,
        verdict=verdict_,
        reasons=reasons,
        starvation=0.25,
        fresh_starts=1,
        played_again=2,
        duration_s=60.0,
        explained=explained or verdict_ == "PASS",
    )


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([], Verdict.INCONCLUSIVE),
        ([row("PASS"), row("INCONCLUSIVE", WITHHELD, explained=True)], Verdict.PASS),
        ([row("INCONCLUSIVE", "errors INCONCLUSIVE: too few")], Verdict.FAIL),  # unexplained
        ([row("PASS"), row("FAIL", "golden FAIL: 1 differs")], Verdict.FAIL),
        ([row("ERROR", "harness ERROR: a port")], Verdict.FAIL),
        ([row("FAIL", build="late"), row("INCONCLUSIVE", build="late")], Verdict.PASS),
        ([row("FAIL", build="late"), row("PASS", build="late")], Verdict.FAIL),
    ],
)
def test_a_verdict_that_is_wrong_about_a_build_is_found(rows: list[Row], found: Verdict) -> None:
    assert verdict(rows) is found


def test_the_table_has_a_line_for_each_build_and_state() -> None:
    text = summary([row("PASS"), row("FAIL", "golden FAIL: x"), row("PASS", state="disk")])
    assert "| good | idle | 2 | 1 PASS, 1 FAIL | 25 to 25 % | 2 | 4 | 60 |" in text
    assert "| good | disk | 1 | 1 PASS |" in text
    assert "- good, idle: golden FAIL: x" in text
    assert counts([row("PASS"), row("PASS")]) == "2 PASS"


def test_a_gate_is_read_from_its_papers(tmp_path: Path) -> None:
    checks = [{"check": "golden", "verdict": "FAIL", "measurement": "2 differ", "more": 1}]
    (tmp_path / "verdict.json").write_text(json.dumps({"verdict": "FAIL", "checks": checks}))
    labels = {"stack": "polling", "mode": "polling"}
    with HistoryWriter(tmp_path / "history.jsonl") as writer:
        writer.write(history.Run(t=0.0))
        writer.write(Starved(t=1.0, over_s=1.0, late_s=0.5, stack="polling"))
        writer.write(FreshStart(t=2.0, failure="port_taken", reason="x", **labels))
        writer.write(history.RunEnded(t=3.0, events=3))
    found = row_of("good", "idle", tmp_path, 61.04, "")
    assert (found.verdict, found.reasons) == ("FAIL", ("golden FAIL: 2 differ",))
    assert (found.starvation, found.fresh_starts, found.duration_s) == (0.5, 1, 61.0)
    assert not found.explained


@pytest.mark.parametrize(
    ("spoilt_by", "explained"), [("machine", True), ("double", True), ("", False)]
)
def test_an_open_verdict_is_explained_by_what_spoilt_it(
    tmp_path: Path, spoilt_by: str, explained: bool
) -> None:
    unsure = {"check": "errors", "verdict": "INCONCLUSIVE", "spoilt_by": spoilt_by}
    passed = {"check": "boot", "verdict": "PASS"}
    document = {"verdict": "INCONCLUSIVE", "checks": [passed, unsure]}
    (tmp_path / "verdict.json").write_text(json.dumps(document))
    assert row_of("good", "idle", tmp_path, 61.0, "").explained is explained


def test_a_gate_that_left_nothing_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    found = row_of("good", "idle", tmp_path, 1.0, "no such file")
    assert found.verdict == "ERROR"
    assert "no such file" in found.reasons[0]


@pytest.mark.parametrize("state", [state for state in STATES if not state.grouped])
def test_what_makes_the_machine_busy_ends_with_its_block(state: State, tmp_path: Path) -> None:
    before = set(psutil.Process().children(recursive=True))
    with trouble(state, tmp_path):
        running = set(psutil.Process().children(recursive=True)) - before
        assert len(running) == state.loops + state.disk + state.thief
    assert not any(process.is_running() for process in running)


def test_mistakes_are_told_before_anything_is_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--states", "idel"]) == 64
    assert "--states idel: there are idle, two-loops" in capsys.readouterr().err
    config, bad = tmp_path / "botproof.toml", tmp_path / "bad.toml"
    config.write_text("name = 'x'\n")
    bad.write_text("[[late]]\nold = 'not there'\nnew = ''\n")
    assert main(["--config", str(config), "--bad", str(bad)]) == 64
    assert "late: " in capsys.readouterr().err


def test_a_row_of_gates_is_run_and_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a file that no gate can use: each says so at once, and none is called PASS."""
    config = tmp_path / "botproof.toml"
    config.write_text("[nonsense]\n")
    report = tmp_path / "report"
    options = ["--config", str(config), "--report-dir", str(report), "--gates", "3"]
    assert main([*options, "--states", "idle,second-gate"]) == 1
    rows = json.loads((report / "noise.json").read_text())
    assert [(each["state"], each["verdict"]) for each in rows] == [
        ("idle", "ERROR"),
        ("second-gate", "ERROR"),
        ("second-gate", "ERROR"),
    ]
    assert "3 gates: 3 ERROR; FAIL" in capsys.readouterr().out
