"""A roll-out whose terminal goes away: it is undone to its end all the same, or goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from botproof.rollout.engine import DEPLOYED, UNDONE
from botproof.rollout.journal import FileJournal, state_of

PROGRAM = """
import select
import sys
from pathlib import Path
from botproof.rollout.engine import go_on
from botproof.rollout.journal import FileJournal
from botproof.rollout.plan import Change, Manner, Plan
from botproof.rollout.terminal import lasting


class Worker:
    def do(self, step):
        if str(step) == "hand over bot":
            self.wait("hands over")

    def undo(self, step):
        if str(step) == "hand over bot":
            self.wait("hands back")

    def see_old_work(self):
        pass

    def wait(self, said):
        print(said, file=sys.stderr, flush=True)
        # A signal that comes just before a call blocks is handled when the call is over.
        while not select.select([sys.stdin], [], [], 0.05)[0]:
            pass
        sys.stdin.readline()


bot = Change(service="bot", image="", old=(), manner=Manner.BESIDE, is_bot=True)
plan = Plan(level=1, changes=(bot,), images={})
with lasting():
    end = go_on(plan, FileJournal(Path(sys.argv[1])), Worker())
sys.exit(0 if end == "deployed" else 1)
"""
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A roll-out that waits for a line of its input while it hands over, and hands back.

    ``hang_up``: what a lost terminal does to it at first. What a shell has its background jobs
    ignore is not to matter here.
    """
    started: list[subprocess.Popen[str]] = []

    def run(hang_up: str = "default") -> "subprocess.Popen[str]":
        pipe = subprocess.PIPE
        process = subprocess.Popen(
            [
                "/usr/bin/env",
                "--default-signal=INT",
                f"--{hang_up}-signal=HUP",
                sys.executable,
                "-c",
                PROGRAM,
                str(tmp_path / "journal.jsonl"),
            ],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            env={n: v for n, v in os.environ.items() if n != "PYTHONUNBUFFERED"},
        )
        started.append(process)
        assert process.stderr is not None
        assert process.stderr.readline() == "hands over\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def end(folder: Path) -> str:
    return state_of(FileJournal(folder / "journal.jsonl").entries).end


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_nobody_hears_any_more_is_undone_to_its_end(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    """Ctrl-C ends `tee` in `botproof deploy | tee log`, too."""
    process = start()
    assert process.stdout is not None
    process.stdout.close()
    process.send_signal(number)
    _, said = process.communicate("\n")
    assert said == "hands back\n"
    assert process.returncode == 1
    assert end(tmp_path) == UNDONE


def test_a_lost_terminal_that_is_told_twice_is_undone_once(start: Start, tmp_path: Path) -> None:
    """The kernel tells it, and the shell again."""
    process = start()
    process.send_signal(signal.SIGHUP)
    assert process.stderr is not None
    assert process.stderr.readline() == "hands back\n"
    process.send_signal(signal.SIGHUP)
    process.communicate("\n")
    assert process.returncode == 1
    assert end(tmp_path) == UNDONE


def test_under_nohup_a_lost_terminal_ends_nothing(start: Start, tmp_path: Path) -> None:
    process = start("ignore")
    process.send_signal(signal.SIGHUP)
    process.communicate("\n")
    assert process.returncode == 0
    assert end(tmp_path) == DEPLOYED


def test_each_step_is_heard_while_it_is_done(start: Start) -> None:
    """Through a pipe as well, which Python would fill before it passes it on."""
    process = start()
    assert process.stdout is not None
    heard = os.read(process.stdout.fileno(), 4096).decode()
    assert heard.splitlines()[-1] == "hand over bot …"
