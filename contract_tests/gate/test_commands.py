"""The command line over recorded histories: judge, golden, init, and what it says to mistakes."""

import json
from pathlib import Path

import msgspec
import pytest

from botproof import history
from botproof.checks.judging import JudgingSettings
from botproof.cli import main
from botproof.config import Replies
from botproof.history import HistoryWriter
from botproof.targets.recorder import Recorder

CONFIG = """
[bot]
command = ["x"]
ready = "telegram"
[modes.polling]
[modes.webhook]
[replies]
acknowledgement = "^⏳"
"""


@pytest.fixture
def project(tmp_path: Path, story, approved, monkeypatch):
    """A directory with a botproof.toml, approved replies and the record of a healthy gate."""
    (tmp_path / "botproof.toml").write_text(CONFIG)
    golden = tmp_path / "golden"
    golden.mkdir()
    for name, text in approved.items():
        (golden / f"{name}.txt").write_text(text)
    story.healthy()
    record(tmp_path, story)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def record(directory: Path, story, **settings) -> None:
    judged = JudgingSettings(
        replies=Replies(acknowledgement="^⏳"),
        golden_dir=str(directory / "golden"),
        **settings,
    )
    run = history.Run(t=0.0, modes=story.modes, judging=msgspec.to_builtins(judged))
    with HistoryWriter(directory / "reports" / "gate" / "history.jsonl") as writer:
        recorder = Recorder(writer)
        for event in (run, *story.events[1:]):
            recorder.record(event)
        recorder.end()


HISTORY = "reports/gate/history.jsonl"


def test_a_history_is_judged_by_what_it_holds(project, capsys) -> None:
    assert main(["judge", HISTORY, "--report-dir", "again"]) == 0
    assert "verdict: PASS" in capsys.readouterr().out
    assert json.loads((project / "again" / "verdict.json").read_text())["verdict"] == "PASS"


def test_a_history_is_judged_by_other_budgets(project, capsys) -> None:
    assert main(["judge", HISTORY, "--budget", "reply_time_s=0.05"]) == 1
    assert "verdict: FAIL (degradation, latency)" in capsys.readouterr().out
    stricter = CONFIG + "[budgets]\nbot_memory_mb = 50\n"
    (project / "botproof.toml").write_text(stricter)
    assert main(["judge", HISTORY, "--config", "botproof.toml"]) == 1
    assert "bot (polling) 60.0 MB of 50 MB (120 %)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["judge", "none.jsonl"], "none.jsonl: cannot be read: No such file"),
        (["judge", HISTORY, "--budget", "reply=1"], "budgets.reply: is no budget; did you mean"),
        (["judge", HISTORY, "--budget", "reply_time_s"], "write NAME=LIMIT"),
        (["gate", "--only", "boots"], "--only boots: is not known; did you mean boot?"),
        (["gate", "--mode", "weebhook"], "--mode weebhook: is not known; did you mean webhook?"),
        (["gate", "--config", "none.toml"], "none.toml: cannot be read"),
        (["golden", "diff", "--history", "none"], "none: cannot be read"),
        (["init"], "botproof.toml: exists already and is left as it is"),
        (["init", "no/such/place.toml"], "cannot be written: No such file"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_the_user_can_put_right_is_told_in_a_line(
    capsys, arguments: list[str], says: str
) -> None:
    assert main(arguments) == 64
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["gate", "--wat"], ["golden", "burn"], ["no-command"]])
def test_a_wrong_command_line_is_no_verdict(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 64
    assert "usage: botproof" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["gate", "judge", "golden", "init", "double", "parity", "delivery"]
)
def test_every_command_explains_itself(command: str, capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: botproof {command}" in capsys.readouterr().out


def test_init_writes_a_file_that_can_be_read(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    assert "[modes.webhook.env]" in (tmp_path / "botproof.toml").read_text()


class TestGolden:
    @pytest.mark.usefixtures("project")
    def test_nothing_differs(self, capsys) -> None:
        assert main(["golden", "diff"]) == 0
        assert capsys.readouterr().out == "every reply equals its approved file\n"

    def test_approve_makes_the_run_the_truth(self, project, make_story, capsys) -> None:
        story = make_story()
        for mode in story.modes:
            story.case(mode, "price", "new text")
            story.case(mode, "fresh", "first text", say="/fresh")
        record(project, story)
        assert main(["golden", "diff"]) == 1
        shown = capsys.readouterr().out.splitlines()
        assert "-<b>BTC</b> 1" in shown
        assert "+new text" in shown
        assert "start: approved, but the run has no such case" in shown

        assert main(["golden", "approve"]) == 0
        assert {path.name for path in (project / "golden").iterdir()} == {"price.txt", "fresh.txt"}
        assert "new text" in (project / "golden" / "price.txt").read_text()
        assert main(["golden", "diff"]) == 0

    def test_nothing_is_approved_while_the_modes_disagree(
        self, project, make_story, capsys
    ) -> None:
        story = make_story()
        story.case("polling", "price", "one")
        story.case("webhook", "price", "other")
        record(project, story)
        before = (project / "golden" / "price.txt").read_text()
        assert main(["golden", "approve"]) == 64
        assert "the modes disagree, so nothing was approved" in capsys.readouterr().err
        assert (project / "golden" / "price.txt").read_text() == before

    @pytest.mark.parametrize("how", ["killed", "interrupted"])
    def test_a_run_that_did_not_end_approves_and_removes_nothing(
        self, project, make_story, capsys, how: str
    ) -> None:
        story = make_story()
        for mode in story.modes:
            story.case(mode, "price", "new text")
        if how == "interrupted":
            story.add(history.HarnessError(t=0.0, where="interrupted", message="SIGINT"))
        record(project, story)
        if how == "killed":
            path = project / HISTORY
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
        before = {path: path.read_text() for path in (project / "golden").iterdir()}
        assert main(["golden", "approve"]) == 64
        assert "nothing was approved" in capsys.readouterr().err
        assert {path: path.read_text() for path in (project / "golden").iterdir()} == before

    @pytest.mark.parametrize(
        "case",
        [
            ((), 1, "refused  broken: was never answered in polling"),
            (("half",), 2, "refused  broken: only 1 of 2 messages of the answer came in polling"),
            (("one", "two"), 1, "refused  broken: 2 messages came where the answer has 1"),
        ],
    )
    def test_what_cannot_be_right_is_refused_by_name_and_the_rest_approved(
        self, project, make_story, capsys, case
    ) -> None:
        replies, wanted, says = case
        story = make_story()
        for mode in story.modes:
            story.case(mode, "price", "new text")
            story.case(mode, "broken", *replies, wanted=wanted)
        record(project, story)
        assert main(["golden", "approve", "--accept-errors"]) == 1
        assert says in capsys.readouterr().out
        assert not (project / "golden" / "broken.txt").exists()
        assert "new text" in (project / "golden" / "price.txt").read_text()

    def test_a_case_that_one_mode_alone_leaves_unanswered_is_refused_by_name(
        self, project, make_story, capsys
    ) -> None:
        story = make_story()
        for mode in story.modes:
            story.case(mode, "price", "new text")
            story.case(mode, "start", *(["Welcome"] if mode == "polling" else []))
        record(project, story)
        assert main(["golden", "approve"]) == 1
        assert "refused  start: was never answered in webhook" in capsys.readouterr().out
        assert "Welcome" in (project / "golden" / "start.txt").read_text()  # as it was

    @pytest.mark.parametrize(
        "text",
        [
            "An error occurred",
            "No module named 'ccxt'",
            'binance requires "apiKey" credential',
            "Sorry, something went wrong",
            "I could not reach the exchange",
            "Price: None",
            "BTC nan %",
            "❌ KeyError: 'BTC'",
            "Произошла ошибка",
        ],
    )
    def test_what_reads_like_an_error_is_not_approved_without_a_word(
        self, project, make_story, capsys, text
    ) -> None:
        story = make_story()
        for mode in story.modes:
            story.case(mode, "price", text)
        record(project, story)
        assert main(["golden", "approve"]) == 1
        said = capsys.readouterr().out
        assert f"left out price: it reads like an error: {text}" in said
        assert "--accept-errors" in said
        assert "<b>BTC</b> 1" in (project / "golden" / "price.txt").read_text()
        assert main(["golden", "approve", "--accept-errors"]) == 0
        assert text in (project / "golden" / "price.txt").read_text()
        assert main(["golden", "approve"]) == 0  # approved once, it is not asked about again

    @pytest.mark.parametrize("text", ["BTC 95,000", "none of your pairs moved", "<b>BTC</b> 🟢"])
    def test_ordinary_replies_are_approved_without_questions(
        self, project, make_story, text
    ) -> None:
        story = make_story()
        for mode in story.modes:
            story.case(mode, "price", text)
        record(project, story)
        assert main(["golden", "approve"]) == 0

    @pytest.mark.parametrize("agrees", [True, False])
    def test_at_a_terminal_somebody_is_asked(
        self, project, make_story, monkeypatch, agrees
    ) -> None:
        story = make_story()
        for mode in story.modes:
            story.case(mode, "price", "Sorry, no data")
        record(project, story)
        asked: list[str] = []

        def reply(question: str) -> bool:
            asked.append(question)
            return bool(agrees)

        monkeypatch.setattr("botproof.approving.terminal", lambda: reply)
        assert main(["golden", "approve"]) == (0 if agrees else 1)
        assert asked == ["Is this what users are to read? Approve it, too? [y/N] "]
        saved = (project / "golden" / "price.txt").read_text()
        assert ("Sorry, no data" in saved) is agrees

    def test_a_run_without_replies_approves_nothing(self, project, make_story, capsys) -> None:
        record(project, make_story())
        assert main(["golden", "approve"]) == 64
        assert "holds no reply" in capsys.readouterr().err


def test_show_makes_the_page_of_any_record(project, capsys) -> None:
    assert main(["show", HISTORY]) == 0
    said = capsys.readouterr().out
    assert "show.html: PASS" in said
    page = (project / "reports" / "gate" / "show.html").read_text()
    assert 'id="record"' in page
    assert main(["show", "reports/gate", "--output", "page.html"]) == 0
    assert (project / "page.html").read_text() == page


def test_show_shows_a_record_that_does_not_say_how_to_judge_it(tmp_path: Path, capsys) -> None:
    path = tmp_path / "stacks.jsonl"
    lines = [history.Run(t=0.0, command="parity"), history.RunEnded(t=1.0, events=1)]
    path.write_bytes(b"".join(history.encode(line) + b"\n" for line in lines))
    assert main(["show", str(path)]) == 0
    assert "not judged" in capsys.readouterr().out
    assert "shown as it is" in (tmp_path / "show.html").read_text()


def test_a_record_that_was_cut_off_is_no_pass_of_anything(project, capsys) -> None:
    path = project / HISTORY
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert main(["judge", HISTORY]) == 3
    said = capsys.readouterr().out
    assert f"the record breaks off after {len(lines) - 1:,} lines, without its end" in said
    assert "verdict: ERROR (harness)" in said
    assert main(["show", HISTORY]) == 0
    assert "show.html: ERROR" in capsys.readouterr().out
    bare = project / "stacks.jsonl"
    bare.write_bytes(history.encode(history.Run(t=0.0, command="parity")) + b"\n")
    assert main(["show", str(bare)]) == 0
    assert "show.html: ERROR" in capsys.readouterr().out


def test_show_says_what_is_wrong_with_a_file(tmp_path: Path, capsys) -> None:
    assert main(["show", str(tmp_path / "nothing.jsonl")]) == 64
    assert "cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("gat", "did you mean gate?"),
        ("gate --onyl boot", "botproof gate: there is no --onyl; did you mean --only?"),
        ("gate --verbose", "botproof gate: there is no --verbose; see --help"),
        ("gate bot.py", "botproof gate: 'bot.py' is more than it takes"),
        ("golden aprove", "did you mean approve?"),
        ("--config b.toml gate", "belongs behind the command: botproof gate --config b.toml"),
        ("--only boot", "the command comes first, such as botproof gate"),
    ],
)
def test_a_command_line_that_is_nearly_right_is_told_what_is_meant(
    capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line.split())
    assert ended.value.code == 64
    assert said in capsys.readouterr().err
