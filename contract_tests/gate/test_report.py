"""Reports: the same results, for people and for machines."""

import io
import xml.etree.ElementTree as ET
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from botproof.history import Run
from botproof.report.files import as_json, as_junit, as_markdown
from botproof.report.terminal import Progress, print_results
from botproof.verdict import CheckResult, Verdict, combine

texts = st.text(max_size=60)
results = st.lists(
    st.builds(
        CheckResult,
        check=st.sampled_from(["boot", "golden", "parity"]),
        verdict=st.sampled_from(Verdict),
        budget=texts,
        measurement=texts,
        least_evidence=texts,
        evidence=st.lists(texts, max_size=4).map(tuple),
    ),
    max_size=5,
)


def printed(found: list[CheckResult]) -> str:
    out = io.StringIO()
    print_results(found, duration_s=1.0, console=Console(file=out, width=120, highlight=False))
    return out.getvalue()


@given(results)
def test_every_report_tells_the_same_verdict(found: list[CheckResult]) -> None:
    verdict = combine(result.verdict for result in found)
    assert as_json(found, None, 1.0)["verdict"] == verdict.value
    assert verdict.value in as_markdown(found, None, 1.0).splitlines()[0]
    assert f"verdict: {verdict.value}" in printed(found).splitlines()[-1]


def test_all_that_was_asked_of_doubles_in_vain_is_named_whatever_the_verdict() -> None:
    """Whoever records their answers needs each name; of other rows that pass a few lines do."""
    hosts = tuple(f"host-{number}" for number in range(6))
    for check, shown in (("doubles", 6), ("boot", 3)):
        row = CheckResult(
            check=check,
            verdict=Verdict.PASS,
            budget="",
            measurement="6 calls",
            least_evidence="",
            evidence=hosts,
        )
        assert sum(host in printed([row]) for host in hosts) == shown


@given(results)
def test_junit_is_xml_whatever_a_bot_says_and_counts_right(found: list[CheckResult]) -> None:
    suite = ET.fromstring(as_junit(found, None, 1.0))[0]  # noqa: S314 - made by us a moment ago
    counts = {verdict: sum(r.verdict is verdict for r in found) for verdict in Verdict}
    assert suite.get("tests") == str(len(found))
    assert (
        suite.get("failures") == str(counts[Verdict.FAIL]) == str(len(suite.findall(".//failure")))
    )
    assert suite.get("errors") == str(counts[Verdict.ERROR]) == str(len(suite.findall(".//error")))
    assert suite.get("skipped") == str(len(suite.findall(".//skipped")))


def test_junit_has_what_the_published_schemas_ask_for() -> None:
    """Jenkins' junit-10.xsd and the one of Ant's tasks (windyroad/JUnit-Schema, JUnit.xsd): parts
    in their order, attributes that must be there, and output of a whole suite alone."""
    found = [
        CheckResult(
            check=verdict.value.lower(),
            verdict=verdict,
            budget="-",
            measurement="\ud800 said",
            least_evidence="-",
            evidence=("seen",),
        )
        for verdict in Verdict
    ]
    written = as_junit(found, Run(t=0.0, started_at="2026-01-01T09:00:00+00:00"), 1.25)
    suite = ET.fromstring(written)[0]  # noqa: S314 - made by us a moment ago
    parts = [each.tag for each in suite]
    assert parts == ["properties", *["testcase"] * len(Verdict), "system-out", "system-err"]
    assert suite.get("timestamp") == "2026-01-01T09:00:00"
    assert {"id", "package", "hostname", "name", "tests", "failures", "errors", "time"} <= {
        *suite.attrib
    }
    for case in suite.iter("testcase"):
        assert {*case.attrib} == {"classname", "name", "time"}
        assert [each.tag for each in case] in ([], ["failure"], ["error"], ["skipped"])
        assert all(bool(each.get("type")) is (each.tag != "skipped") for each in case)
        assert all(each.get("message") == "� said" and each.text for each in case)
    assert "seen" in (suite.findtext("system-out") or "")


@given(st.lists(st.text("`\n<|x", max_size=12), min_size=1, max_size=4))
def test_a_bots_text_cannot_break_out_of_the_markdown(lines: list[str]) -> None:
    single = tuple(line.replace("\n", " ") for line in lines)
    result = CheckResult(
        check="golden",
        verdict=Verdict.FAIL,
        budget="a | b",
        measurement="<script>",
        least_evidence="",
        evidence=single,
    )
    written = as_markdown([result], None, 1.0).splitlines()
    fence = next(line.removesuffix("text") for line in written if line.startswith("````"))
    opened, closed = [n for n, line in enumerate(written) if line in (fence, f"{fence}text")]
    assert tuple(written[opened + 1 : closed]) == single
    row = next(line for line in written if line.startswith("| golden"))
    assert row == "| golden | ❌ FAIL | a \\| b | &lt;script> |"


def test_markup_of_a_bot_is_printed_as_it_is() -> None:
    result = CheckResult(
        check="golden",
        verdict=Verdict.FAIL,
        budget="[bold]b[/bold]",
        measurement="[red]",
        least_evidence="",
        evidence=("-[link=x]y[/link]",),
    )
    text = printed([result])
    assert "[bold]b[/bold]" in text
    assert "-[link=x]y[/link]" in text


def test_progress_is_a_line_with_the_seconds_since_the_start() -> None:
    out = io.StringIO()
    times = iter([10.0, 12.34, 70.0])
    progress = Progress(out, clock=lambda: next(times))
    progress("polling: bot ready")
    progress("ERROR: two\nlines")
    assert out.getvalue() == (
        "[   2.3 s] polling: bot ready\n[  60.0 s] ERROR: two\n           lines\n"
    )


def test_a_broken_harness_does_not_blame_the_bot() -> None:
    common: dict[str, Any] = {"budget": "b", "measurement": "m", "least_evidence": "l"}
    broken = CheckResult(check="harness", verdict=Verdict.ERROR, evidence=("it is gone",), **common)
    golden = CheckResult(check="golden", verdict=Verdict.FAIL, evidence=("-Welcome",), **common)
    text = printed([broken, golden])
    assert "it is gone" in text
    assert "says nothing about the bot" in text
    assert "-Welcome" not in text
    assert "-Welcome" in printed([golden])
