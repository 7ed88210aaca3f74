"""How a command ends when the machine does not let it: never with the exit code or the papers of a
verdict that it did not come to."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import IO, Any

import pytest

from botproof import commands, gate, history
from botproof.cli import main
from botproof.history import HistoryError, HistoryWriter, read_history
from botproof.outcome import record_and_judge
from botproof.problems import UsageError
from botproof.targets.recorder import Recorder
from botproof.verdict import CheckResult, Verdict

GOOD = CheckResult(
    check="boot", verdict=Verdict.PASS, budget="-", measurement="-", least_evidence="-"
)
OLD = ("verdict.json", "verdict.intoto.json", "junit.xml", "summary.md", "report.html")


async def nothing(_: Recorder) -> None:
    """A run in which nothing happens."""


def run_in(folder: Path, run: Callable[[Recorder], Coroutine[Any, Any, None]] = nothing) -> Verdict:
    return record_and_judge(
        folder, about=lambda t: history.Run(t=t), run=run, judge=lambda _: [GOOD]
    ).verdict


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("unexpected"), KeyboardInterrupt()])
def test_a_botproof_that_fails_itself_says_error_and_not_what_python_says(
    error: BaseException, monkeypatch, capsys
) -> None:
    """An exception that nobody catches ends a Python program with 1, which here is FAIL."""

    def fails(_: object) -> int:
        raise error

    monkeypatch.setattr(commands, "judge", fails)
    assert main(["judge", "history.jsonl"]) == Verdict.ERROR.exit_code
    assert "ERROR: botproof itself failed" in capsys.readouterr().err


def full() -> IO[str]:
    return Path("/dev/full").open("w")


def nobody_reads() -> IO[str]:
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "w")


@pytest.mark.parametrize("output", [full, nobody_reads])
def test_a_verdict_that_nobody_hears_is_the_same(tmp_path: Path, output) -> None:
    """As of `botproof judge … | true`, and of a log on a full disk."""
    record = tmp_path / "history.jsonl"
    with HistoryWriter(record) as writer:
        recorder = Recorder(writer)
        recorder.record(history.Run(t=0.0, judging={"checks": ["boot"]}))
        recorder.end()
    command = [sys.executable, "-m", "botproof", "judge", str(record)]
    with output() as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, check=False)
    assert done.returncode == Verdict.INCONCLUSIVE.exit_code, done.stderr.decode()
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", *command]
    done = subprocess.run(closed, capture_output=True, check=False)
    assert done.returncode == Verdict.INCONCLUSIVE.exit_code, done.stderr.decode()


def test_the_verdict_of_an_earlier_run_is_gone_before_the_next_one_can_be_killed(
    tmp_path: Path,
) -> None:
    for name in OLD:
        (tmp_path / name).write_text('{"verdict": "PASS"}')
    seen = []

    async def look(_: Recorder) -> None:
        seen.extend(os.listdir(tmp_path))  # noqa: PTH208 - no path of pathlib in a loop

    run_in(tmp_path, look)
    assert seen == ["history.jsonl"]


def test_a_second_run_in_the_same_directory_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "polling" / "bot.log"

    async def another_begins(recorder: Recorder) -> None:
        log.parent.mkdir(parents=True)
        log.write_text("of the first")
        with pytest.raises(UsageError, match="cannot be written: another run is writing it"):
            record_and_judge(
                tmp_path, about=lambda t: history.Run(t=t), run=nothing, judge=lambda _: [GOOD]
            )
        recorder.record(history.Phase(t=history.now(), name="boot", edge="begin"))

    assert run_in(tmp_path, another_begins) is Verdict.PASS
    assert log.read_text() == "of the first"
    kept = read_history(tmp_path / "history.jsonl")
    assert not kept.broken_off
    assert len(kept.of(history.Phase)) == 1
    assert run_in(tmp_path) is Verdict.PASS  # the first has ended: it is free again


def test_papers_that_were_written_in_part_say_no_verdict(tmp_path: Path, monkeypatch) -> None:
    """The disk was full after verdict.json: the exit code said ERROR, and the file PASS."""

    def disk_is_full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "report.html")

    def run(_: object) -> object:
        return record_and_judge(
            tmp_path, about=lambda t: history.Run(t=t), run=nothing, judge=lambda _: [GOOD]
        )

    monkeypatch.setattr(gate, "run_gate", run)
    monkeypatch.setattr(commands, "write_html", disk_is_full)
    (tmp_path / "botproof.toml").write_text(
        '[bot]\ncommand = ["x"]\nready = "telegram"\n[modes.polling]\n'
    )
    code = main(
        ["gate", "--config", str(tmp_path / "botproof.toml"), "--report-dir", str(tmp_path)]
    )
    assert code == Verdict.ERROR.exit_code
    assert not [name for name in OLD if (tmp_path / name).exists()]


PROGRAM = """
import asyncio, os, signal, sys
from botproof.history import HarnessError
from botproof.targets.recorder import Recorder
from botproof.targets.session import interruptible

ended = []

async def work():
    try:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if sys.argv[1] == "default":
            await asyncio.Event().wait()
    finally:
        for _ in range(10):
            await asyncio.sleep(0)
        ended.append("everything is ended")

recorder = Recorder()
asyncio.run(interruptible(work(), recorder))
print(*ended, *(error.message for error in recorder.history().of(HarnessError)), sep="; ")
"""


@pytest.mark.parametrize(
    ("hang_up", "said"),
    [
        ("default", "everything is ended; the run was ended by SIGHUP, SIGHUP"),
        ("ignore", "everything is ended"),  # under nohup
    ],
)
def test_a_lost_terminal_ends_a_run_as_ctrl_c_does(hang_up: str, said: str) -> None:
    command = ["/usr/bin/env", f"--{hang_up}-signal=HUP", sys.executable, "-c", PROGRAM, hang_up]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{said}\n", done.stderr
    assert done.returncode != -signal.SIGHUP


def test_a_record_that_is_being_written_can_be_read(tmp_path: Path) -> None:
    """As `botproof watch-run` does."""
    path = tmp_path / "history.jsonl"
    with HistoryWriter(path) as writer:
        writer.write(history.Run(t=0.0))
        assert read_history(path).run is not None
    with HistoryWriter(path), pytest.raises(HistoryError, match="is empty"):
        read_history(path)  # begun anew


def test_a_shell_that_allows_too_few_open_files_judges_no_bot(tmp_path: Path) -> None:
    """The market data of a good build closed connections at 128, and the gate said FAIL."""
    gate_of_it = (sys.executable, "-m", "botproof", "gate", "--report-dir", str(tmp_path))
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -n 200 && exec "$@"', "-", *gate_of_it],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 64
    assert "this shell allows 200 open files (ulimit -Hn), and a service has 1,024" in done.stderr
    assert not (tmp_path / "verdict.json").exists()
