"""`botproof restore --drill`: what is no backup is refused; a bot is started from what is one."""

import contextlib
import io
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from botproof.drill import _named, described, unpacked
from botproof.problems import UsageError

ROOT = Path(__file__).parents[2]


def database(path: Path, rows: int = 3) -> Path:
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE updates (seq INTEGER PRIMARY KEY)")
        made.executemany("INSERT INTO updates VALUES (?)", [(n,) for n in range(rows)])
        made.commit()
    return path


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_the_databases_of_an_archive_are_counted(tmp_path: Path, scratch: Path) -> None:
    with tarfile.open(tmp_path / "backup.tar.gz", "w:gz") as archive:
        archive.add(database(tmp_path / "inbox.sqlite3"), "./inbox.sqlite3")
        archive.add(tmp_path / "inbox.sqlite3", "../outside.sqlite3")
        archive.addfile(tarfile.TarInfo("notes.txt"), io.BytesIO())
    unpacked(tmp_path / "backup.tar.gz", scratch)
    assert list(described(scratch)) == ["inbox.sqlite3: sound; 3 updates"]
    assert [path.name for path in scratch.iterdir()] == ["inbox.sqlite3"]
    assert not (tmp_path / "outside.sqlite3").exists()


def test_what_holds_no_database_is_no_backup(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no \*\.sqlite3"):
        unpacked(scratch, scratch)
    (tmp_path / "torn.tar.gz").write_bytes(b"\x1f\x8b half an archive")
    with pytest.raises(UsageError, match="cannot be read"):
        unpacked(tmp_path / "torn.tar.gz", scratch)


def test_a_database_that_is_broken_is_named(scratch: Path) -> None:
    whole = database(scratch / "inbox.sqlite3", 5000).read_bytes()
    (scratch / "inbox.sqlite3").write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    with pytest.raises(UsageError, match=r"inbox\.sqlite3: is not sound"):
        list(described(scratch))


def test_a_variable_names_a_file_of_the_backup(tmp_path: Path) -> None:
    database(tmp_path / "other.sqlite3")
    with pytest.raises(UsageError, match=r"must be NAME=FILE, and the backup has other\.sqlite3"):
        _named(["INBOX_PATH=inbox.sqlite3"], tmp_path)
    assert _named(["A=other.sqlite3"], tmp_path) == {"A": str(tmp_path / "other.sqlite3")}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_bot_works_from_the_inbox_that_another_life_left(
    start_bot: Any, telegram: Any, tmp_path: Path
) -> None:
    bot = start_bot("polling", INBOX_PATH="inbox.sqlite3").until_ready()
    telegram.say("/help", chat=1)
    telegram.replies(1)
    assert bot.end() == 0
    command = [sys.executable, "-m", "botproof", "restore", "--drill", str(tmp_path)]
    done = subprocess.run(
        [*command, "--report-dir", str(tmp_path / "report")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "inbox.sqlite3: sound; 1 updates" in done.stdout
    assert "verdict: PASS" in done.stdout
