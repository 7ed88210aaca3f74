"""Files that each start finds as they were before the run (`keeps`)."""

import sqlite3
from pathlib import Path

import pytest

from botproof.targets.kept_files import KeptFiles
from botproof.targets.launch import BrokenHarnessError


def test_a_database_is_put_back_with_what_sqlite_keeps_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "bot.db"
    before = sqlite3.connect(file)
    before.executescript("CREATE TABLE seen (x); INSERT INTO seen VALUES (1);")
    before.close()
    kept = KeptFiles([file], tmp_path / "copies")
    killed = sqlite3.connect(file, isolation_level=None)
    killed.execute("PRAGMA journal_mode=WAL")
    killed.execute("INSERT INTO seen VALUES (2)")
    assert (tmp_path / "bot.db-wal").exists()
    kept.put_back()
    killed.close()
    after = sqlite3.connect(file)
    assert after.execute("SELECT x FROM seen").fetchall() == [(1,)]
    after.close()


def test_what_was_not_there_is_taken_away_and_directories_are_whole(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "1.json").write_text("[]")
    kept = KeptFiles([data, tmp_path / "new.db"], tmp_path / "copies")
    for _ in range(2):
        (data / "2.json").write_text("[]")
        (data / "1.json").write_text("[2]")
        (tmp_path / "new.db").write_text("new")
        kept.put_back()
        assert {each.name: each.read_text() for each in data.iterdir()} == {"1.json": "[]"}
        assert not (tmp_path / "new.db").exists()


def test_what_cannot_be_kept_is_the_harness_failure_by_name(tmp_path: Path) -> None:
    (tmp_path / "copies").write_text("in the way")
    with pytest.raises(BrokenHarnessError, match="copies: cannot be kept as it was"):
        KeptFiles([tmp_path / "bot.db"], tmp_path / "copies")
