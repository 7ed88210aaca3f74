"""What the gate says to GitHub Actions, and the workflow files that users copy."""

import re
from pathlib import Path

import pytest

from botproof.report.github import MOST, Muted, Sources, annotate, write_summary
from botproof.report.moments import Moment
from botproof.verdict import CheckResult, Verdict

ROOT = Path(__file__).parents[2]
CONFIG = """\
[gate]
checks = ["golden"]

[budgets]
reply_time_s = 2

[[workload.cases]]
name = "price-btc"
"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    (tmp_path / "botproof.toml").write_text(CONFIG)
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden" / "price-btc.txt").write_text("you: /price btc\n")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    return Sources.of(tmp_path / "botproof.toml", tmp_path / "golden")


def result(check: str, verdict: Verdict = Verdict.FAIL) -> CheckResult:
    return CheckResult(
        check=check, verdict=verdict, budget="b", measurement=f"{check} is red", least_evidence="-"
    )


def moment(check: str, text: str = "seen", case: str = "") -> Moment:
    return Moment(check, Verdict.FAIL, 1.0, 0.5, text, stack="webhook", case=case)


def test_a_finding_stands_at_the_line_where_it_can_be_put_right(sources: Sources) -> None:
    results = [result("golden"), result("parity"), result("latency"), result("door")]
    moments = [moment("golden", case="price-btc"), moment("parity", case="price-btc")]
    said = list(annotate(results, moments, sources))
    places = [re.findall(r"::(\w+) file=([^,]+),line=(\d+)", line)[0] for line in said]
    assert places == [
        ("error", "golden/price-btc.txt", "1"),
        ("error", "botproof.toml", "8"),
        ("error", "botproof.toml", "5"),
        ("error", "botproof.toml", "1"),
    ]
    assert "title=botproof%3A golden is FAIL in webhook::golden is red%0Aseen" in said[0]


def test_what_passed_is_not_annotated_and_what_is_open_is_a_warning(sources: Sources) -> None:
    results = [result("boot", Verdict.PASS), result("errors", Verdict.INCONCLUSIVE)]
    (line,) = annotate(results, [], sources)
    assert line.startswith("::warning file=botproof.toml,line=1,")


def test_a_bot_cannot_give_github_commands(sources: Sources) -> None:
    evil = "a\n::error::mine\r::stop-commands::x 100%"
    lines = list(annotate([result("golden")], [moment("golden", evil)], sources))
    assert len(lines) == 1
    assert "\n" not in lines[0]
    assert "\r" not in lines[0]
    assert "100%25" in lines[0]
    first, second = Muted(), Muted()
    assert first.begin.removeprefix("::stop-commands::") == first.end.strip(":")
    assert first.end != second.end


def test_a_check_with_many_findings_does_not_hide_the_others(sources: Sources) -> None:
    results = [result("golden"), result("parity")]
    many = [moment("golden", f"{n}") for n in range(30)]
    said = list(annotate(results, many, sources))
    assert len(said) == MOST
    assert any("parity" in line for line in said)


def test_the_summary_is_added_to_the_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "summary.md").write_text("# FAIL\n")
    summary = tmp_path / "job.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert write_summary(tmp_path) == ""
    assert summary.read_text() == "before\n# FAIL\n"
    monkeypatch.delenv("GITHUB_STEP_SUMMARY")
    assert "GITHUB_STEP_SUMMARY is not set" in write_summary(tmp_path)


def test_a_summary_that_is_too_long_for_github_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "summary.md").write_text("x" * 1_500_000)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "job.md"))
    write_summary(tmp_path)
    assert (tmp_path / "job.md").stat().st_size < 1024 * 1024


def test_the_workflow_to_copy_uses_the_actions_that_the_project_uses_itself() -> None:
    own = re.findall(r"uses: (\S+)", (ROOT / ".github" / "workflows" / "ci.yml").read_text())
    copied = re.findall(r"uses: (\S+)", (ROOT / "deploy" / "ci" / "github.yml").read_text())
    assert copied
    assert set(copied) <= set(own)


@pytest.mark.parametrize("name", ["github.yml", "gitlab.yml"])
def test_the_files_to_copy_name_what_the_gate_writes(name: str) -> None:
    text = (ROOT / "deploy" / "ci" / name).read_text()
    assert "botproof gate" in text or "botproof/bin/botproof" in text
    assert "reports/gate" in text
    assert "CHANGE" in text
