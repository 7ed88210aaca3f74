"""The thread that owns the connection to a SQLite inbox.

What waits when it becomes free is one transaction (group commit), so a hundred doors that put at
once pay for one fsync. Two strengths of commit:

* updates that come in are confirmed to Telegram next, so their commit is fsynced: it survives power
  loss;
* progress and completion are written to the log file without waiting for the disk: that survives
  the end of this process, however it ends; after a power loss a few updates may be answered once
  more, none is lost.

Three things keep it going whatever comes: an operation that fails fails alone (the others of its
group are tried again one by one); whatever error comes out ends no thread; files that were removed
or replaced are noticed before anything in them is confirmed, and written anew from what is open.
"""

import asyncio
import contextlib
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from reference_bot.telegram_bot.inbox.files import FileLock, Whereabouts, write_anew
from reference_bot.telegram_bot.inbox.model import InboxUnavailableError, UpdateRefusedError

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS updates (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    bot INTEGER NOT NULL,
    update_id INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    payload BLOB,
    progress BLOB,
    done_ms INTEGER,
    outcome TEXT,
    UNIQUE (bot, update_id)
) STRICT;
CREATE INDEX IF NOT EXISTS updates_waiting ON updates (bot, seq) WHERE done_ms IS NULL;
CREATE INDEX IF NOT EXISTS updates_done ON updates (done_ms) WHERE done_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS once (
    key TEXT PRIMARY KEY,
    update_id INTEGER NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS moves (
    bot INTEGER NOT NULL,
    old_chat INTEGER NOT NULL,
    new_chat INTEGER NOT NULL,
    PRIMARY KEY (bot, old_chat)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    bot INTEGER NOT NULL,
    update_id INTEGER NOT NULL,
    letter TEXT NOT NULL,
    UNIQUE (bot, update_id)
) STRICT;
CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
"""
_INCREMENTAL: Final = 2
_log = logging.getLogger(__name__)

Operation = Callable[[sqlite3.Connection], Any]
_Entry = tuple[Operation, bool, "asyncio.Future[Any]"]
_Outcome = tuple["asyncio.Future[Any]", Any, Exception | None]


class Writer(threading.Thread):
    """Commits together what is waiting, and reports back."""

    def __init__(self, path: Path, lock: FileLock, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="inbox", daemon=True)
        self._path = path
        self._lock = lock
        self._loop = loop
        self._waiting: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._connection: sqlite3.Connection | None = None
        self._where: Whereabouts | None = None
        self._in_hand: list[_Entry] = []
        self._ended = False
        self._level = ""  # of the open connection
        self.opened: asyncio.Future[None] = loop.create_future()

    def submit(self, operation: Operation, *, fsync: bool) -> "asyncio.Future[Any]":
        """Run ``operation`` in the next transaction; the future holds what it returned.

        Or InboxUnavailableError; or UpdateRefusedError, which no later try can mend.
        """
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.put((operation, fsync, future))
        if self._ended:  # it has looked for the last time who waits, perhaps before this one came
            self._abandon()
        return future

    def stop(self) -> None:
        """End the thread after what is waiting now."""
        self._waiting.put(None)

    def run(self) -> None:
        try:
            self._work()
        except BaseException:  # the next operation starts another thread
            _log.critical("the inbox's thread ended", exc_info=True)
        finally:
            if self._connection is not None:
                self._connection.close()
            self._abandon()

    def _work(self) -> None:
        try:
            self._connect()
        except Exception as error:  # whatever it is, who waits for the opening has to hear of it
            self._report([(self.opened, None, self._unavailable(error))])
            return
        self._report([(self.opened, None, None)])
        while (entries := self._take()) is not None:
            self._in_hand = entries
            self._serve(entries)
            self._in_hand = []

    def _abandon(self) -> None:
        """Tell everybody who waits for an ended thread."""
        self._ended = True
        left = list(self._in_hand)
        with contextlib.suppress(queue.Empty):
            while True:
                if (entry := self._waiting.get_nowait()) is not None:
                    left.append(entry)
        ended = InboxUnavailableError(f"{self._path}: the thread that writes it ended")
        futures = [self.opened, *(future for _, _, future in left)]
        self._report([(future, None, ended) for future in futures])

    def _take(self) -> list[_Entry] | None:
        first = self._waiting.get()
        if first is None:
            return None
        entries = [first]
        while not self._waiting.empty():
            if (entry := self._waiting.get()) is None:
                self._waiting.put(None)  # finish these, then stop
                break
            entries.append(entry)
        return entries

    def _serve(self, entries: list[_Entry]) -> None:
        try:
            connection = self._sound_connection()
            outcomes = self._commit(connection, entries)
            if any(fsync for _, fsync, _ in entries) and (trouble := self._trouble()):
                # Committed to files that nobody will find again: nothing of it may be confirmed.
                lost = InboxUnavailableError(trouble)
                outcomes = [(future, None, lost) for _, _, future in entries]
        except BaseException as error:  # this thread goes on: everybody's updates hang on it
            if not isinstance(error, InboxUnavailableError | sqlite3.Error):
                _log.exception("the inbox's thread was in trouble and goes on")
            outcomes = [(future, None, self._unavailable(error)) for _, _, future in entries]
        self._report(outcomes)

    # transactions

    def _commit(self, connection: sqlite3.Connection, entries: list[_Entry]) -> list[_Outcome]:
        level = "FULL" if any(fsync for _, fsync, _ in entries) else "NORMAL"
        try:
            if level != self._level:
                connection.execute(f"PRAGMA synchronous = {level}")
                self._level = level
            connection.execute("BEGIN IMMEDIATE")
            results = [operation(connection) for operation, _, _ in entries]
            connection.execute("COMMIT")
        except Exception as error:  # whatever it is, nothing is half written
            _roll_back(connection)
            if len(entries) > 1:  # one of them may be to blame: each by itself
                return [out for entry in entries for out in self._commit(connection, [entry])]
            return [(entries[0][2], None, self._meaning(error))]
        return [(future, out, None) for (_, _, future), out in zip(entries, results, strict=True)]

    def _meaning(self, error: Exception) -> Exception:
        """Tell whether the file or what was asked is to blame."""
        ours = isinstance(error, sqlite3.OperationalError | OSError | MemoryError)
        if ours or type(error) is sqlite3.DatabaseError:
            return self._unavailable(error)
        return UpdateRefusedError(f"{type(error).__name__}: {error}")

    def _unavailable(self, error: BaseException) -> InboxUnavailableError:
        if isinstance(error, InboxUnavailableError):
            return error
        return InboxUnavailableError(f"{self._path}: {error}")

    def _report(self, outcomes: list[_Outcome]) -> None:
        def settle() -> None:
            for future, result, error in outcomes:
                if future.done():  # whoever asked has gone
                    continue
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)

        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(settle)

    # the files

    def _sound_connection(self) -> sqlite3.Connection:
        if self._connection is not None and (trouble := self._trouble()):
            self._heal(self._connection, trouble)
        if self._connection is None:
            self._connect()
        if self._connection is None:
            raise InboxUnavailableError(f"{self._path} is not open")
        return self._connection

    def _trouble(self) -> str | None:
        return None if self._where is None else self._where.trouble()

    def _heal(self, connection: sqlite3.Connection, trouble: str) -> None:
        """Write what the connection can still read to where the files belong."""
        self._lock.keep()
        if self._where is None or not self._where.trouble():
            return
        _log.error("the inbox's files are not where they were: %s; writing them anew", trouble)
        write_anew(connection, self._path, self._where)
        self._connection = self._where = None
        _log.warning("the inbox is whole again")

    def _connect(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            _let_it_shrink(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA cache_size = -512")  # KiB: written once, read rarely
            connection.execute("PRAGMA journal_size_limit = 4194304")
            connection.executescript(_SCHEMA)
            # A write, so that all files are there when they are looked at.
            connection.execute("INSERT OR REPLACE INTO probe VALUES (1, x'00')")
        except BaseException:  # whatever keeps it from opening, no file stays open
            connection.close()
            raise
        self._where = Whereabouts(self._path, self._lock)
        self._connection = connection
        self._level = ""


def _let_it_shrink(connection: sqlite3.Connection) -> None:
    """Let pages that become free be given back; a file of an earlier version is made so once."""
    [[mode]] = connection.execute("PRAGMA auto_vacuum").fetchall()
    if mode != _INCREMENTAL:
        connection.execute(f"PRAGMA auto_vacuum = {_INCREMENTAL}")
        connection.execute("VACUUM")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        with contextlib.suppress(sqlite3.Error):  # SQLite has rolled back by itself: a full disk
            connection.execute("ROLLBACK")
