"""What a process piles up besides memory: open files, sockets, threads, zombies, and its log."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from botproof import history
from botproof.checks import memory
from botproof.checks.piles import piles
from botproof.config import Config, Process
from botproof.history import History
from botproof.targets.belongings import FilesBelow, files_below, read_belongings
from botproof.targets.family import PROC
from botproof.targets.launch import Launch
from botproof.targets.launching import Launcher
from botproof.targets.process import ManagedProcess
from botproof.targets.recorder import Recorder
from botproof.targets.watch import Watch
from botproof.verdict import Verdict
from contract_tests.gate.serving import phase_of_serving

Count = Callable[[float], int]


def serving(
    counts: Mapping[str, Count], role: str = "bot", served: int = 200, every_s: float = 0.5
) -> History:
    """40 s in which a process serves, and holds so much of each at a time from 0 to 1."""
    labels: dict[str, Any] = {"stack": "polling", "mode": "polling"}
    phase = "conversation" if role == "bot" else "load"
    times = [40 * number / served for number in range(served)]
    events = phase_of_serving(times, phase, role, labels)
    for number in range(round(40 / every_s)):
        at = number * every_s
        held: dict[str, Any] = {"files": 8, "sockets": 20, "threads": 4, "zombies": 0, "logged": 0}
        held |= {name: count(at / 40) for name, count in counts.items()}
        events.append(history.Holdings(t=at, process="it", role=role, **held, **labels))
    return History(events)


def each_update(share: float) -> int:
    """Ten, and one more of each of 200 updates."""
    return 10 + round(200 * share)


class TestPiles:
    @pytest.mark.parametrize(
        ("what", "words"),
        [
            ("files", "open files (file descriptors"),
            ("sockets", "open sockets (file descriptors"),
            ("threads", "threads"),
            ("zombies", "zombies (children that ended"),
            ("left", "files in the directory that it was started in"),
        ],
    )
    def test_one_of_each_update_turns_memory_red(self, judging, what: str, words: str) -> None:
        result = memory.check(serving({what: each_update}), judging)
        assert result.verdict is Verdict.FAIL
        said = f"it (polling) piles up {words}"
        assert any(line.startswith(said) and "150 updates" in line for line in result.evidence)

    @pytest.mark.parametrize("what", ["files", "sockets", "threads", "zombies", "left"])
    def test_what_is_filled_once_or_goes_away_is_no_pile(self, judging, what: str) -> None:
        def filled(share: float) -> int:
            return 100 if share > 0.5 else 10

        def burst(share: float) -> int:
            return 10 if share > 0.9 else each_update(share)

        for count in (filled, burst, lambda _: 90):
            assert not list(piles(serving({what: count}), judging.budgets))

    def test_few_more_are_none(self, judging) -> None:
        few = serving({"files": lambda share: round(12 * share)})
        assert not list(piles(few, judging.budgets))

    def test_of_a_service_that_cannot_keep_up_only_files_and_zombies_are_looked_at(
        self, judging
    ) -> None:
        """It has ever more requests under way, each with a connection and perhaps a thread."""
        busy = serving({"sockets": each_update, "threads": each_update}, "service")
        assert not list(piles(busy, judging.budgets))
        for what in ("files", "zombies", "left"):
            (found,) = piles(serving({what: each_update}, "service"), judging.budgets)
            assert "over 100 requests" in found

    @pytest.mark.parametrize(("served", "every_s"), [(70, 0.5), (200, 3.0)])
    def test_of_too_little_nothing_is_said(self, judging, served: int, every_s: float) -> None:
        record = serving({"files": each_update}, served=served, every_s=every_s)
        assert not list(piles(record, judging.budgets))

    @pytest.mark.parametrize(("kb_each", "told"), [(90, 0), (120, 1)])
    def test_a_log_that_floods_is_told_by_its_size(self, judging, kb_each: int, told: int) -> None:
        flood = serving({"logged": lambda share: round(share * 200 * 1000 * kb_each)})
        found = list(piles(flood, judging.budgets))
        assert len(found) == told
        assert all("kB an update" in line and "the log fills the disk" in line for line in found)

    @pytest.mark.parametrize(("kb_each", "told"), [(90, 0), (120, 1)])
    def test_files_that_grow_with_each_update_are_told_by_their_size(
        self, judging, kb_each: int, told: int
    ) -> None:
        grown = serving({"kept": lambda share: round(share * 200 * 1000 * kb_each)})
        found = list(piles(grown, judging.budgets))
        assert len(found) == told
        assert all("120.0 kB an update to files that it keeps" in line for line in found)

    def test_in_a_record_that_was_cut_off_before_the_phase_ended_nothing_piles_up(
        self, judging
    ) -> None:
        whole = serving({"kept": each_update})
        cut = History([event for event in whole if not isinstance(event, history.Phase)])
        assert not list(piles(cut, judging.budgets))

    def test_a_journal_that_is_filled_once_is_no_pile(self, judging) -> None:
        filled = serving({"kept": lambda share: 400_000_000 if share > 0.5 else 1_000})
        assert not list(piles(filled, judging.budgets))


class TestBelongings:
    def test_open_files_sockets_and_threads_are_counted(self, tmp_path: Path) -> None:
        before = read_belongings(os.getpid())
        assert before is not None
        done = threading.Event()
        thread = threading.Thread(target=done.wait)
        with (tmp_path / "a").open("w"), (tmp_path / "b").open("w"):
            thread.start()
            after = read_belongings(os.getpid())
        done.set()
        thread.join()
        assert after is not None
        assert after.files == before.files + 2
        assert after.threads == before.threads + 1

    def test_a_child_that_nobody_waits_for_is_a_zombie(self) -> None:
        before = read_belongings(os.getpid())
        child = os.posix_spawn("/bin/true", ["true"], {})
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # it has ended, and is left there
        after = read_belongings(os.getpid())
        os.waitpid(child, 0)
        assert before is not None
        assert after is not None
        assert after.zombies == before.zombies + 1

    def test_of_a_process_that_is_gone_there_is_nothing(self) -> None:
        assert read_belongings(int((PROC / "sys/kernel/pid_max").read_text()) + 1) is None


def test_files_below_a_directory_are_counted_and_a_tree_of_sources_is_not(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for number in range(5):
        (tmp_path / "below" / f"update-{number}.json").write_bytes(b"12345678")
    (tmp_path / "loop").symlink_to(tmp_path)
    link = len(str(tmp_path))
    assert files_below([tmp_path]) == FilesBelow(7, 40 + link)
    assert files_below([tmp_path, tmp_path / "below"]) == FilesBelow(12, 80 + link)
    assert files_below([tmp_path], most=3) == FilesBelow(3)
    assert files_below([tmp_path / "nowhere"]) == FilesBelow()


LEAVES = """
import pathlib, signal, tempfile
for number in range(3):
    tempfile.mkstemp()
pathlib.Path("dump").write_bytes(b"x" * 500)
print("ready", flush=True)
signal.pause()
"""


@pytest.mark.anyio
@pytest.mark.parametrize("below", [True, False])
async def test_what_a_process_leaves_is_counted_where_it_was_started_and_in_its_temporary_directory(
    tmp_path: Path, below: bool
) -> None:
    cwd = tmp_path / "cwd"
    temporary = (cwd if below else tmp_path) / "temporary"
    for folder in (cwd, temporary):
        folder.mkdir(exist_ok=True)
    launch = Launch(
        name="bot",
        role="bot",
        command=(sys.executable, "-c", LEAVES),
        cwd=cwd,
        log=tmp_path / "bot.log",
        env={"TMPDIR": str(temporary)},
    )
    recorder = Recorder()
    process = await ManagedProcess.start(launch, recorder, read_stdout=True)
    await process.first_line(60)
    process.record_holdings(1.0)
    await process.kill()
    (held,) = recorder.history().of(history.Holdings)
    assert (held.left, held.kept) == (5 if below else 4, 500)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({}, "tmp-bot"),
        ({"env": {"TMPDIR": "/elsewhere"}}, "/elsewhere"),
        ({"inherit_env": ("TMPDIR",)}, None),
    ],
)
async def test_a_process_has_a_temporary_directory_of_its_own(
    tmp_path: Path, own: dict[str, Any], said: str | None
) -> None:
    """Unless botproof.toml says otherwise: of a shared one nobody can tell who has left what."""
    launcher = Launcher(
        config=cast("Config", None),
        base=tmp_path,
        values={},
        scratch=tmp_path,
        watch=cast("Watch", SimpleNamespace(fence=None)),
        log=lambda name: tmp_path / name,
        note=cast("Any", None),
    )
    launch = await launcher.launch("bot", "bot", Process(command=("bot",), **own))
    wanted = str(tmp_path / said) if said == "tmp-bot" else said
    assert launch.env.get("TMPDIR") == wanted
    assert (tmp_path / "tmp-bot").is_dir() is (not own)
