"""verdict.json, junit.xml and summary.md, all from the same results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec

from botproof.counting import several
from botproof.history import Run
from botproof.verdict import CheckResult, Verdict, combine

_MARKS = {
    Verdict.PASS: "✅",
    Verdict.FAIL: "❌",
    Verdict.INCONCLUSIVE: "❔",
    Verdict.ERROR: "💥",
}


def write_reports(
    directory: Path, results: Sequence[CheckResult], run: Run | None, duration_s: float
) -> None:
    """Write all three files into `directory`, and beside them what is too long for a page."""
    directory.mkdir(parents=True, exist_ok=True)
    for result in results:
        for name, text in result.files.items():
            (directory / name).write_text(text, encoding="utf-8")
    document = msgspec.json.format(msgspec.json.encode(as_json(results, run, duration_s)), indent=2)
    (directory / "verdict.json").write_bytes(document + b"\n")
    (directory / "junit.xml").write_bytes(as_junit(results, run, duration_s))
    (directory / "summary.md").write_text(as_markdown(results, run, duration_s), encoding="utf-8")


def as_json(results: Sequence[CheckResult], run: Run | None, duration_s: float) -> dict[str, Any]:
    """Return the document of verdict.json: the verdict on top, then each check."""
    verdict = combine(result.verdict for result in results)
    return {
        "verdict": verdict.value,
        "exit_code": verdict.exit_code,
        "checks": [_as_json(result) for result in results],
        "duration_s": round(duration_s, 1),
        "run": {} if run is None else _about(run),
    }


def _as_json(result: CheckResult) -> dict[str, Any]:
    """Return a result with the names of its files only: they lie beside verdict.json."""
    document: dict[str, Any] = msgspec.to_builtins(result)
    del document["files"]
    return {**document, "evidence_files": list(result.files)}


def _about(run: Run) -> dict[str, Any]:
    return {
        "botproof": run.botproof,
        "started_at": run.started_at,
        "config": run.config,
        "modes": list(run.modes),
        "machine": dict(run.machine),
    }


def as_junit(results: Sequence[CheckResult], run: Run | None, duration_s: float) -> bytes:
    """Return JUnit XML: FAIL is a failure, ERROR an error, INCONCLUSIVE skipped with its reason.

    It is valid by the two schemas that are published: Jenkins' junit-10.xsd, and the one of Ant's
    tasks (windyroad/JUnit-Schema), which lets only a whole suite have output. A check reads a
    record, which takes next to no time: the time of the run is the suite's.
    """
    counts = {verdict: sum(r.verdict is verdict for r in results) for verdict in Verdict}
    about = {
        "name": "botproof",
        "package": "botproof",
        "id": "0",
        "hostname": "localhost",
        "tests": str(len(results)),
        "failures": str(counts[Verdict.FAIL]),
        "errors": str(counts[Verdict.ERROR]),
        "skipped": str(counts[Verdict.INCONCLUSIVE]),
        "time": f"{duration_s:.1f}",
    }
    if run is not None and run.started_at:
        about["timestamp"] = run.started_at[:19]
    suite = ET.Element("testsuite", about)
    ET.SubElement(suite, "properties")
    passed = []
    for result in results:
        named = {"classname": "botproof.gate", "name": result.check, "time": "0"}
        case = ET.SubElement(suite, "testcase", named)
        text = _clean(f"budget: {result.budget}\n" + "\n".join(result.evidence))
        tag = _JUNIT_TAGS.get(result.verdict)
        if tag is None:
            passed.append(f"{result.check}: {_clean(result.measurement)}\n{text}")
        else:
            said = {"message": _clean(result.measurement)}
            if tag != "skipped":  # which has no type
                said["type"] = result.verdict.value
            ET.SubElement(case, tag, said).text = text
    ET.SubElement(suite, "system-out").text = "\n\n".join(passed)
    ET.SubElement(suite, "system-err")
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


_JUNIT_TAGS = {
    Verdict.FAIL: "failure",
    Verdict.ERROR: "error",
    Verdict.INCONCLUSIVE: "skipped",
}
_NO_XML = re.compile(r"[^\t\n\x20-\uD7FF\uE000-\uFFFD\U00010000-\U0010FFFF]")


def _clean(text: str) -> str:
    """Return a text without the characters that XML 1.0 cannot hold."""
    return _NO_XML.sub("�", text)


def as_markdown(results: Sequence[CheckResult], run: Run | None, duration_s: float) -> str:
    """Return a summary for a CI step: the verdict, a table, and evidence folded away."""
    verdict = combine(result.verdict for result in results)
    modes = f" in {' and '.join(run.modes)}" if run is not None and run.modes else ""
    lines = [
        f"# botproof gate: {_MARKS[verdict]} {verdict.value}",
        "",
        f"{several(len(results), 'check')}{modes}, {duration_s:.0f} s",
        "",
        "| check | verdict | budget | measured |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {r.check} | {_MARKS[r.verdict]} {r.verdict.value} "
        f"| {_cell(r.budget)} | {_cell(r.measurement)} |"
        for r in results
    ]
    for result in results:
        lines += _markdown_evidence(result)
    return "\n".join(lines) + "\n"


def _markdown_evidence(result: CheckResult) -> list[str]:
    if not result.evidence:
        return []
    opened = "" if result.verdict is Verdict.PASS else " open"
    fence = "`" * (1 + max(3, _longest_fence(result.evidence)))
    return [
        "",
        f"<details{opened}><summary>{result.check}: evidence</summary>",
        "",
        f"{fence}text",
        *result.evidence,
        fence,
        "",
        "</details>",
    ]


def _longest_fence(lines: Sequence[str]) -> int:
    runs = [len(line) - len(line.lstrip("`")) for line in lines]
    return max(runs, default=0)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
