"""`botproof show` of a roll-out's directory: its steps with their times, its end, its ledger."""

from pathlib import Path

import msgspec
import pytest

from botproof.cli import main
from botproof.rollout.answers import Asked
from botproof.rollout.journal import Entry
from botproof.rollout.ledger import Ledger
from botproof.rollout.plan import Change, Manner, Plan

PLAN = Plan(
    changes=(
        Change(
            service="bot", image="sha256:" + "a" * 64, old=("x",), manner=Manner.BESIDE, is_bot=True
        ),
    ),
    images={"BOT_IMAGE": "bot:2"},
)


def write(directory: Path, *events: tuple[str, str, str, str]) -> None:
    plan = Entry(event="plan", data=msgspec.to_builtins(PLAN), at="2026-11-28T10:00:00.000+00:00")
    entries = [plan] + [
        Entry(event=event, at=f"2026-11-28T10:00:{second}+00:00", step=step, reason=reason)
        for second, event, step, reason in events
    ]
    lines = b"\n".join(map(msgspec.json.encode, entries)) + b"\n"
    (directory / "journal.jsonl").write_bytes(lines)


def test_each_step_is_told_with_its_time_and_the_ledger_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        tmp_path,
        ("01.000", "begun", "check", ""),
        ("02.500", "done", "check", ""),
        ("03.000", "begun", "verify", ""),
        ("13.000", "failed", "verify", "the canary's answer lacks L/S"),
        ("20.000", "end", "", "undone"),
    )
    ledger = Ledger(unattended_s=1.07, peak_mb=216.0)
    (tmp_path / "ledger.json").write_bytes(msgspec.json.encode(ledger))
    assert main(["show", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"deploy, {tmp_path.name}",
        "  bot to sha256:aaaaaaaaaaaa, beside",
        "  10:00:01  check: done after 1.5 s",
        "  10:00:03  verify: FAILED after 10.0 s: the canary's answer lacks L/S",
        "undone",
        "unattended  at most 1.07 s, in which Telegram kept what came",
        "memory      216 MB at the peak of the whole fleet",
    ]


def test_a_page_has_the_steps_the_reason_and_the_messages_and_runs_no_script(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reason = "the canary's answer lacks <b>L/S</b>"
    write(
        tmp_path,
        ("03.000", "begun", "verify", ""),
        ("13.000", "failed", "verify", reason),
        ("20.000", "end", "", "undone"),
    )
    rows = [
        Asked(text="/price BTC", chat=7, sent=1.0, answers=((1.5, "old"),)),
        Asked(text="/price ETH", chat=7, sent=2.0),
        Asked(text="/price SOL", chat=7, sent=2.0, words="not <b>reachable</b>"),
    ]
    ledger = Ledger(asked=3, answered=1, failed=1, lost=1, rows=rows)
    (tmp_path / "ledger.json").write_bytes(msgspec.json.encode(ledger))
    page = tmp_path / "page.html"
    assert main(["show", str(tmp_path), "--output", str(page)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{page}: the same as a page"
    text = page.read_text()
    assert "deploy: undone</h1>" in text
    assert "✗ FAILED</td><td>10.0 s</td>" in text
    assert "verify: the canary&#x27;s answer lacks &lt;b&gt;L/S&lt;/b&gt;" in text
    assert 0 < text.index("/price ETH") < text.index("/price BTC")  # what was lost comes first
    assert '<td class="FAIL">✗ never</td>' in text
    assert '<td class="FAIL">not &lt;b&gt;reachable&lt;/b&gt;</td>' in text
    assert "<script" not in text
    assert main(["show", str(tmp_path), "--output", str(tmp_path / "no" / "page.html")]) == 64


def test_one_that_is_under_way_is_told_and_left_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, ("01.000", "begun", "hand over bot", ""))
    journal = tmp_path / "journal.jsonl"
    with journal.open("ab") as file:
        file.write(b'{"event": "do')
    before = journal.read_bytes()
    assert main(["show", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "  10:00:01  hand over bot: begun, and no end of it is on record",
        "not at its end yet",
    ]
    assert journal.read_bytes() == before


def test_a_journal_that_is_none_is_refused_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "journal.jsonl").write_text("{}\n")
    assert main(["show", str(tmp_path)]) == 64
    assert "line 1 is no entry of a journal" in capsys.readouterr().err


def test_the_directory_of_all_roll_outs_names_the_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", str(tmp_path)]) == 64
    assert "neither a history.jsonl" in capsys.readouterr().err
    for name in ("20260101-1", "20260101-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "journal.jsonl").touch()
    assert main(["show", str(tmp_path)]) == 64
    assert f"botproof show {tmp_path / '20260101-2'}" in capsys.readouterr().err
