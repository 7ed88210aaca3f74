"""The book of signals in a SQLite file: for one process, beside its inbox.

Few rows an hour, so every change is a transaction of its own, fsynced, in the one thread that owns
the connection.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from reference_bot.telegram_bot.inbox.files import Whereabouts, write_anew
from reference_bot.telegram_bot.signals.model import (
    KEPT_SECONDS,
    SignalsUnavailableError,
    Subscriber,
    Verdict,
    read_verdicts,
)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS verdicts (
    bot INTEGER NOT NULL,
    slot INTEGER NOT NULL,
    pair TEXT NOT NULL,
    kind TEXT NOT NULL,
    judged_ms INTEGER NOT NULL,
    handed_out_ms INTEGER,
    verdict TEXT NOT NULL,
    PRIMARY KEY (bot, slot, pair)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subscribers (
    bot INTEGER NOT NULL,
    chat INTEGER NOT NULL,
    user INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (bot, chat)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS books (bot INTEGER PRIMARY KEY, begun_ms INTEGER NOT NULL) STRICT;
"""

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class SqliteBook:
    """`SignalBook` of one bot in the file at ``path``."""

    def __init__(self, path: Path, bot_id: int, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._bot = bot_id
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "signals")
        self._connection: sqlite3.Connection | None = None
        self._where: Whereabouts | None = None

    async def open(self) -> None:
        def begin(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR IGNORE INTO books VALUES (?, ?)", (self._bot, self._now_ms())
            )

        await self._in_thread(self._connect)
        await self._do(begin)

    def _connect(self) -> None:
        if self._connection is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -128")  # KiB
            connection.executescript(_SCHEMA)
        except BaseException:  # whatever keeps it from opening, no file stays open
            connection.close()
            raise
        self._where = Whereabouts(self._path)
        self._connection = connection

    def _sound_connection(self) -> sqlite3.Connection:
        """Return a sound connection: its files may have been removed or replaced; then
        they are written anew."""
        if self._connection is not None and self._where is not None and self._where.trouble():
            _log.error("the signals' files are not where they were: %s", self._where.trouble())
            write_anew(self._connection, self._path, self._where)
            self._connection = self._where = None
            self._connect()
        if self._connection is None:
            raise sqlite3.OperationalError("it is not open")
        return self._connection

    async def close(self) -> None:
        await asyncio.to_thread(self._thread.shutdown)
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _do(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run ``work`` as one transaction."""

        def transaction() -> _T:
            connection = self._sound_connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                done = work(connection)
                connection.execute("COMMIT")
            except BaseException:  # whatever it is, nothing is half written
                if connection.in_transaction:  # SQLite rolls back by itself when the disk is full
                    connection.execute("ROLLBACK")
                raise
            return done

        return await self._in_thread(transaction)

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sqlite3.Error, OSError) as error:
            raise SignalsUnavailableError(f"{self._path}: {error}") from error

    async def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return await self._do(lambda connection: connection.execute(query, values).fetchall())

    # verdicts

    async def keep(self, verdict: Verdict) -> None:
        horizon = int(self._clock() - KEPT_SECONDS)

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT OR IGNORE INTO verdicts VALUES (?, ?, ?, ?, ?, NULL, ?)",
                (
                    self._bot,
                    verdict.slot,
                    verdict.pair,
                    verdict.kind,
                    verdict.judged_ms,
                    msgspec.json.encode(verdict).decode(),
                ),
            )
            connection.execute(
                "DELETE FROM verdicts WHERE bot = ? AND slot < ?", (self._bot, horizon)
            )

        await self._do(insert)

    async def judged(self, slot: int) -> frozenset[str]:
        query = "SELECT pair FROM verdicts WHERE bot = ? AND slot = ?"
        return frozenset(pair for (pair,) in await self._rows(query, self._bot, slot))

    async def unsent(self, slot: int) -> list[Verdict]:
        query = (
            "SELECT verdict FROM verdicts WHERE bot = ? AND slot = ? AND kind = 'signal'"
            " AND handed_out_ms IS NULL ORDER BY pair"
        )
        return read_verdicts(text for (text,) in await self._rows(query, self._bot, slot))

    async def handed_out(self, verdict: Verdict) -> None:
        query = "UPDATE verdicts SET handed_out_ms = ? WHERE bot = ? AND slot = ? AND pair = ?"
        await self._rows(query, self._now_ms(), self._bot, verdict.slot, verdict.pair)

    async def last_signal_ms(self) -> int:
        query = (
            "SELECT coalesce("
            "(SELECT max(judged_ms) FROM verdicts WHERE bot = ? AND kind = 'signal'),"
            "(SELECT begun_ms FROM books WHERE bot = ?))"
        )
        [(found,)] = await self._rows(query, self._bot, self._bot)
        return int(found)

    # subscribers

    async def subscribe(self, subscriber: Subscriber) -> None:
        await self._rows(
            "INSERT INTO subscribers VALUES (?, ?, ?, ?)"
            " ON CONFLICT (bot, chat) DO UPDATE SET user = excluded.user",
            self._bot,
            subscriber.chat,
            subscriber.user,
            self._now_ms(),
        )

    async def unsubscribe(self, chat: int) -> None:
        await self._rows("DELETE FROM subscribers WHERE bot = ? AND chat = ?", self._bot, chat)

    async def subscribers(self) -> list[Subscriber]:
        query = "SELECT chat, user FROM subscribers WHERE bot = ? ORDER BY since_ms, chat"
        return [Subscriber(*row) for row in await self._rows(query, self._bot)]

    async def subscriber(self, chat: int) -> Subscriber | None:
        query = "SELECT chat, user FROM subscribers WHERE bot = ? AND chat = ?"
        rows = await self._rows(query, self._bot, chat)
        return Subscriber(*rows[0]) if rows else None

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
