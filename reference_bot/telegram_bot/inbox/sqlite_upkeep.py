"""What a SQLite inbox keeps of updates that are done or have failed, and what it lets go."""

import sqlite3
from typing import Final

from reference_bot.telegram_bot.inbox.model import MOST_DEAD

_ROWS: Final = 2000
_PAGES: Final = 256


def prune(connection: sqlite3.Connection, horizon_ms: int, most_known: int) -> bool:
    """Forget a little of what is older than ``horizon_ms`` or beyond ``most_known``; return whether
    there is more of it."""
    old = connection.execute(
        "DELETE FROM updates WHERE seq IN"
        " (SELECT seq FROM updates WHERE done_ms < ? ORDER BY done_ms LIMIT ?)",
        (horizon_ms, _ROWS),
    ).rowcount
    many = connection.execute(
        "DELETE FROM updates WHERE seq IN (SELECT seq FROM updates"
        " WHERE seq <= (SELECT max(seq) FROM updates) - ? AND done_ms IS NOT NULL LIMIT ?)",
        (most_known, _ROWS),
    ).rowcount
    connection.execute("DELETE FROM once WHERE until_ms < ?", (horizon_ms,))
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
    [[free]] = connection.execute("PRAGMA freelist_count").fetchall()
    return _ROWS in {old, many} or free > 0


def keep_letter(connection: sqlite3.Connection, bot: int, update_id: int, letter: str) -> None:
    """Keep a dead letter, and no more than `MOST_DEAD` of them."""
    connection.execute(
        "INSERT OR REPLACE INTO dead_letters (bot, update_id, letter) VALUES (?, ?, ?)",
        (bot, update_id, letter),
    )
    connection.execute(
        "DELETE FROM dead_letters WHERE seq <= (SELECT max(seq) FROM dead_letters) - ?",
        (MOST_DEAD,),
    )


def count_letters(connection: sqlite3.Connection, bot: int) -> int:
    """Return how many dead letters of a bot are kept."""
    [[count]] = connection.execute(
        "SELECT count(*) FROM dead_letters WHERE bot = ?", (bot,)
    ).fetchall()
    return int(count)
