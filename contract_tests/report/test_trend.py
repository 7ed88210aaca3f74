"""The runs before this one, and what a run cannot show."""

from pathlib import Path

from botproof.budgets import DEFAULTS
from botproof.checks.judging import JudgingSettings
from botproof.history import NOT_HELD_BACK, DoubleEvent, History, Run
from botproof.report.html import as_html
from botproof.report.limits import cannot_show
from botproof.report.trend import SHOWN, note_run, read_trend
from botproof.verdict import CheckResult, Verdict

RUN = Run(t=0.0, command="gate", started_at="2026-01-01T09:00:00+00:00", modes=("polling",))


def result(check: str, verdict: Verdict, **fields: object) -> CheckResult:
    given = {"budget": "b", "measurement": f"{check} m", "least_evidence": "more", **fields}
    return CheckResult(check=check, verdict=verdict, **given)  # type: ignore[arg-type]  # a filler


def test_each_run_leaves_a_line_beside_the_others_and_the_page_shows_the_last_fifty(
    tmp_path: Path,
) -> None:
    gate = tmp_path / "reports" / "gate"
    for number in range(60):
        verdict = Verdict.FAIL if number == 58 else Verdict.PASS
        note_run(gate, [result("memory", verdict, used=number / 100)], RUN, 1.0)
    with (tmp_path / "reports" / "history" / "gate.jsonl").open("a") as file:
        file.write("half a li")
    runs = read_trend(gate, RUN)
    assert len(runs) == SHOWN - 1  # the line that was cut off is none
    assert runs[-2].verdict == "FAIL"
    page = as_html([result("memory", Verdict.PASS)], History([RUN]), DEFAULTS, 1.0, runs=runs)
    assert f"The last {SHOWN - 1} runs" in page
    assert '<td class="FAIL" title="FAIL, 2026-01-01T09:00:00+00:00">✗ 58</td>' in page


def test_runs_elsewhere_leave_no_line_unless_there_is_a_place_for_it(tmp_path: Path) -> None:
    note_run(tmp_path / "look", [], RUN, 1.0)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "history").mkdir()
    note_run(tmp_path / "look", [], RUN, 1.0)
    assert len(read_trend(tmp_path / "look", RUN)) == 1


def test_a_run_says_what_it_cannot_show() -> None:
    settings = {"checks": ["boot", "memory"]}
    run = Run(t=0.0, command="gate", chosen_modes=("polling",), judging=settings)
    assert JudgingSettings.recorded_in(run).checks == ("boot", "memory")
    proved = result("prove", Verdict.PASS, data={"red": ["exit-code"], "not_shown": ["load-late"]})
    results = [result("memory", Verdict.INCONCLUSIVE), proved]
    detail = {"process": "bot", "reason": "a container"}
    reach = DoubleEvent(t=1.0, double="resolver", kind=NOT_HELD_BACK, detail=detail)
    said = "\n".join(cannot_show(results, History([run, reach, reach])))
    assert said.count("addresses beyond this machine are within reach of bot: a container") == 1
    assert "memory: memory m (it needs more)" in said
    assert "golden" in said
    assert "only polling was run" in said
    assert "two in a hundred requests wait for a lock" in said
    page = as_html(results, History([run]), DEFAULTS, 1.0)
    assert "the bot ends with a traceback when it is stopped" in page
