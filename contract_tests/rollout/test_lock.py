"""Two operators never change one fleet at a time, wherever each keeps the record of it."""

import errno
import os
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from botproof.problems import UsageError
from botproof.rollout.journal import FileJournal
from botproof.rollout.lock import DirectoryLock, FleetLock
from botproof.rollout.store import Store

PROJECT = f"a-test-{os.getpid()}"
HOLDS = f"""
from botproof.rollout.lock import FleetLock
with FleetLock({PROJECT!r}, "ENGINE"):
    print("holds", flush=True)
    input()
"""
REFUSED = f"the fleet {PROJECT} is changed just now by process"


def test_who_holds_a_fleet_is_told_and_what_to_do() -> None:
    with FleetLock(PROJECT, "ENGINE"):
        with (
            pytest.raises(
                UsageError, match=f"{REFUSED} {os.getpid()} .* UTC.*kill -INT"
            ) as refused,
            FleetLock(PROJECT, "ENGINE"),
        ):
            pass
        assert "has changed nothing" in str(refused.value)
    with FleetLock(PROJECT, "ENGINE"):
        pass


def test_other_fleets_and_other_engines_are_free() -> None:
    with FleetLock(PROJECT, "ENGINE"), FleetLock(f"{PROJECT}-2", "ENGINE"), FleetLock(PROJECT, "2"):
        pass


def test_a_holder_that_is_killed_leaves_no_lock_behind() -> None:
    command = [sys.executable, "-c", HOLDS]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"holds\n"
        with (
            pytest.raises(UsageError, match=f"{REFUSED} {holder.pid} "),
            FleetLock(PROJECT, "ENGINE"),
        ):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with FleetLock(PROJECT, "ENGINE"):
            pass


def test_a_holder_that_many_have_asked_for_is_not_waited_for() -> None:
    """Nobody takes those who ask off the queue, and the kernel keeps only so many of them."""
    with FleetLock(PROJECT, "ENGINE") as lock, ExitStack() as stack:
        left = 0
        while left == 0:
            asking = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            asking.setblocking(False)
            left = asking.connect_ex(lock.name)
        assert left == errno.EAGAIN
        refused = pytest.raises(UsageError, match="a process that cannot be seen from here; wait")
        with refused, FleetLock(PROJECT, "ENGINE"):
            pass


def test_two_programs_never_write_into_one_directory(tmp_path: Path) -> None:
    said = pytest.raises(UsageError, match=f"process {os.getpid()} writes its record here")
    with DirectoryLock(tmp_path), said, DirectoryLock(tmp_path):
        pass
    with DirectoryLock(tmp_path):
        pass


def test_a_place_that_cannot_be_written_is_told_with_what_helps(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--state"), DirectoryLock(tmp_path / "file"):
        pass


def test_the_records_of_another_fleet_are_not_taken_for_this_ones(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.expect("one")  # there are none yet
    plan: dict[str, Any] = {"what": "deploy", "changes": [], "images": {}}
    FileJournal(store.new() / "journal.jsonl").write("plan", **plan)
    store.expect("one")  # made before the record named a fleet
    FileJournal(store.new() / "journal.jsonl").write("plan", **plan, project="one")
    store.expect("one")
    with pytest.raises(UsageError, match=r"records of the fleet one, and this is two.*--state"):
        store.expect("two")
