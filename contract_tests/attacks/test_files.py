"""The inbox's files are removed, replaced or renamed while it runs: nothing confirmed is lost."""

import shutil
import signal
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NOWHERE = "http://127.0.0.1:9"


def remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def remove_database(folder: Path) -> None:
    (folder / "inbox.sqlite3").unlink()


def remove_log(folder: Path) -> None:
    (folder / "inbox.sqlite3-wal").unlink()


def remove_lock(folder: Path) -> None:
    (folder / "inbox.sqlite3.lock").unlink()


def remove_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def restore_backup(folder: Path) -> None:
    """Another database in its place, as a backup tool does it."""
    other = folder / "backup"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    other.replace(folder / "inbox.sqlite3")


def put_back(folder: Path) -> None:
    """Away and back again, on another inode."""
    path = folder / "inbox.sqlite3"
    shutil.copy(path, folder / "copy")
    (folder / "copy").replace(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "hit",
    [
        remove,
        remove_database,
        remove_log,
        remove_lock,
        remove_folder,
        restore_backup,
        put_back,
    ],
)
def test_what_was_confirmed_is_answered(
    start_bot: Any, attack: Any, tmp_path: Path, hit: Callable[[Path], None]
) -> None:
    for chat in range(1, 7):
        attack.telegram.say("hello", chat=chat)
    bot = start_bot("webhook", TELEGRAM_API_BASE_URL=NOWHERE)
    bot.until_inbox_open()
    before = [attack.message(chat=chat) for chat in (1, 2, 3)]
    after = [attack.message(chat=chat) for chat in (4, 5, 6)]
    assert [bot.post(update)[0] for update in before] == [200] * 3
    hit(tmp_path / "data")
    for update in after:  # 503: Telegram brings it again
        status = attack.wait_for("a confirmation", lambda: bot.post(update)[0])  # noqa: B023 - asked at once
        assert status in {200, 503}
        attack.wait_for("the 200", lambda: bot.post(update)[0] == 200)  # noqa: B023 - as above
    assert bot.end(signal.SIGKILL) == -signal.SIGKILL
    again = start_bot("webhook").until_ready()
    for chat in range(1, 7):
        attack.wait_for(f"chat {chat}", lambda: attack.telegram.texts(chat))  # noqa: B023 - as above
        assert len(attack.telegram.texts(chat)) == 1
    assert again.end() == 0


@pytest.mark.slow
def test_it_is_noticed_while_nothing_comes_in(start_bot: Any, attack: Any, tmp_path: Path) -> None:
    bot = start_bot("webhook", TELEGRAM_API_BASE_URL=NOWHERE)
    bot.until_inbox_open()
    attack.telegram.say("hello", chat=1)
    assert bot.post(attack.message(chat=1))[0] == 200
    remove(tmp_path / "data")
    attack.wait_for("the file", (tmp_path / "data" / "inbox.sqlite3").exists)
    assert bot.end(signal.SIGKILL) == -signal.SIGKILL
    start_bot("webhook").until_ready()
    attack.wait_for("the answer", lambda: attack.telegram.texts(1))


@pytest.mark.slow
def test_what_others_put_there_is_set_aside_and_not_overwritten(
    start_bot: Any, attack: Any, tmp_path: Path
) -> None:
    start_bot("webhook", TELEGRAM_API_BASE_URL=NOWHERE).until_inbox_open()
    folder = tmp_path / "data"
    restore_backup(folder)
    attack.wait_for("the copy", lambda: list(folder.glob("inbox.sqlite3.replaced-*")))
    [theirs] = [
        one
        for one in folder.glob("inbox.sqlite3.replaced-*")
        if "-wal" not in one.name and "-shm" not in one.name
    ]
    with sqlite3.connect(theirs) as connection:
        assert connection.execute("SELECT count(*) FROM theirs").fetchall() == [(0,)]
    connection.close()
