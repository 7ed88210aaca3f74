"""The inbox in a SQLite file: for one process, with nothing else to run.

One thread owns the connection. What waits when it becomes free is one transaction (group commit),
so a hundred doors that put at once pay for one fsync. Two strengths of commit:

* updates that come in are confirmed to Telegram next, so their commit is fsynced: it survives power
  loss;
* progress and completion are written to the log file without waiting for the disk: that survives
  the end of this process, however it ends; after a power loss a few updates may be answered once
  more, none is lost.

What is being handled is known in memory only: whoever starts next has to handle it again anyway.
"""

import asyncio
import fcntl
import queue
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec

from reference_bot.telegram_bot.inbox.model import (
    KNOWN_FOR_SECONDS,
    InboxUnavailableError,
    Job,
    Progress,
    Put,
    Update,
)

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
CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, filler BLOB NOT NULL) STRICT;
"""
_PRUNE_SECONDS: Final = 600.0
_PRUNE_ROWS: Final = 5000
_PAYLOADS_IN_MEMORY: Final = 1000

_encode_progress = msgspec.json.Encoder().encode
_decode_progress = msgspec.json.Decoder(Progress).decode

_Operation = Callable[[sqlite3.Connection], Any]
_Entry = tuple[_Operation, bool, "asyncio.Future[Any]"]


class _Writer(threading.Thread):
    """The thread that owns the connection: commits together what is waiting, reports back."""

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="inbox", daemon=True)
        self._path = path
        self._loop = loop
        self._waiting: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self.opened: asyncio.Future[None] = loop.create_future()

    def submit(self, operation: _Operation, *, fsync: bool) -> "asyncio.Future[Any]":
        """Runs ``operation`` in the next transaction; the future holds what it returned."""
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting.put((operation, fsync, future))
        return future

    def stop(self) -> None:
        """Ends the thread after what is waiting now."""
        self._waiting.put(None)

    def run(self) -> None:
        try:
            connection = _connect(self._path)
        except (sqlite3.Error, OSError) as error:
            self._report([(self.opened, None, InboxUnavailableError(f"{self._path}: {error}"))])
            return
        self._report([(self.opened, None, None)])
        try:
            while (entries := self._take()) is not None:
                self._commit(connection, entries)
        finally:
            connection.close()

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

    def _commit(self, connection: sqlite3.Connection, entries: list[_Entry]) -> None:
        level = "FULL" if any(fsync for _, fsync, _ in entries) else "NORMAL"
        error: InboxUnavailableError | None = None
        results: list[Any] = []
        try:
            connection.execute(f"PRAGMA synchronous = {level}")
            connection.execute("BEGIN IMMEDIATE")
            results = [operation(connection) for operation, _, _ in entries]
            connection.execute("COMMIT")
        except sqlite3.Error as caught:
            error = InboxUnavailableError(f"{self._path}: {caught}")
            _roll_back(connection)
        outcomes = results if error is None else [None] * len(entries)
        self._report(
            [(future, out, error) for (_, _, future), out in zip(entries, outcomes, strict=True)]
        )

    def _report(
        self, outcomes: list[tuple["asyncio.Future[Any]", Any, InboxUnavailableError | None]]
    ) -> None:
        def settle() -> None:
            for future, result, error in outcomes:
                if future.done():  # whoever asked has gone
                    continue
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)

        self._loop.call_soon_threadsafe(settle)


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA cache_size = -512")  # KiB: rows are written once and read rarely
        connection.execute("PRAGMA journal_size_limit = 4194304")
        connection.executescript(_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error:
            return  # SQLite has rolled back by itself, as it does when the disk is full


class _Lane:
    """The updates of one chat that are not done, oldest first."""

    __slots__ = ("busy", "ids", "ready_since")

    def __init__(self) -> None:
        self.ids: deque[int] = deque()
        self.busy = False
        self.ready_since = 0.0


class SqliteInbox:
    """`Inbox` in one SQLite file; a second process on it has to wait for the first to end."""

    def __init__(self, path: str, bot_id: int, *, clock: Callable[[], float] = time.time) -> None:
        self._path = Path(path)
        self._bot = bot_id
        self._clock = clock
        self._writer: _Writer | None = None
        self._lock: TextIO | None = None
        self._lanes: dict[int, _Lane] = {}
        self._ready: deque[int] = deque()
        self._received: dict[int, int] = {}  # update_id → received_ms, oldest first
        self._payloads: dict[int, tuple[bytes, Progress]] = {}
        self._wake = asyncio.Event()
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[Put]] = set()
        self._pruned_at = 0.0

    # open and close

    async def open(self) -> None:
        if self._lock is None:
            self._lock = self._take_lock()
        writer = _Writer(self._path, asyncio.get_running_loop())
        writer.start()
        await writer.opened
        self._writer = writer
        rows = await self._do(self._load, fsync=False)
        for update_id, lane, received_ms in rows:
            self._enqueue(update_id, lane, received_ms)

    def _take_lock(self) -> TextIO:
        """A lock that ends with the process, so that two never handle the same updates."""
        path = self._path.with_name(self._path.name + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.open("w")
        except OSError as error:
            raise InboxUnavailableError(f"{path}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise InboxUnavailableError(f"{self._path} is in use by another process") from error
        return lock

    async def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.stop()
            await asyncio.to_thread(writer.join)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _do(self, operation: _Operation, *, fsync: bool) -> Any:
        if self._writer is None:
            raise InboxUnavailableError(f"{self._path} is not open")
        return await self._writer.submit(operation, fsync=fsync)

    def _load(self, connection: sqlite3.Connection) -> list[tuple[int, int, int]]:
        return connection.execute(
            "SELECT update_id, lane, received_ms FROM updates"
            " WHERE bot = ? AND done_ms IS NULL ORDER BY seq",
            (self._bot,),
        ).fetchall()

    # in

    async def put(self, updates: Sequence[Update]) -> Put:
        # In a task of its own: whoever waits may be cancelled, the rows will be there all the same.
        task = asyncio.create_task(self._put(updates))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    async def _put(self, updates: Sequence[Update]) -> Put:
        now = self._now_ms()

        def insert(connection: sqlite3.Connection) -> list[bool]:
            return [
                connection.execute(
                    "INSERT OR IGNORE INTO updates (bot, update_id, lane, received_ms, payload)"
                    " VALUES (?, ?, ?, ?, ?)",
                    (self._bot, update.update_id, update.lane, now, update.payload),
                ).rowcount
                == 1
                for update in updates
            ]

        written: list[bool] = await self._do(insert, fsync=True)
        for update, new in zip(updates, written, strict=True):
            if new:
                if len(self._payloads) < _PAYLOADS_IN_MEMORY:
                    self._payloads[update.update_id] = (update.payload, Progress())
                self._enqueue(update.update_id, update.lane, now)
        self._prune_sometimes()
        return Put(new=sum(written), known=len(written) - sum(written))

    def _enqueue(self, update_id: int, lane_id: int, received_ms: int) -> None:
        self._received[update_id] = received_ms
        lane = self._lanes.get(lane_id)
        if lane is None:
            lane = self._lanes[lane_id] = _Lane()
        lane.ids.append(update_id)
        if not lane.busy and len(lane.ids) == 1:
            self._make_ready(lane_id, lane)

    def _make_ready(self, lane_id: int, lane: _Lane) -> None:
        lane.ready_since = self._clock()
        self._ready.append(lane_id)
        self._wake.set()

    # out

    async def claim(self) -> Job:
        while not self._ready:
            self._wake.clear()
            await self._wake.wait()
        lane_id = self._ready.popleft()
        lane = self._lanes[lane_id]
        lane.busy = True
        update_id = lane.ids[0]
        try:
            payload, progress = self._payloads.get(update_id) or await self._fetch(update_id)
        except BaseException:
            lane.busy = False
            self._ready.appendleft(lane_id)
            raise
        return Job(update_id, lane_id, payload, self._received[update_id], progress)

    async def _fetch(self, update_id: int) -> tuple[bytes, Progress]:
        def select(connection: sqlite3.Connection) -> tuple[bytes, bytes | None]:
            row: tuple[bytes, bytes | None] = connection.execute(
                "SELECT payload, progress FROM updates WHERE bot = ? AND update_id = ?",
                (self._bot, update_id),
            ).fetchone()
            return row

        payload, progress = await self._do(select, fsync=False)
        return payload, _decode_progress(progress) if progress else Progress()

    async def record(self, job: Job, progress: Progress) -> None:
        def update(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE updates SET progress = ? WHERE bot = ? AND update_id = ?",
                (_encode_progress(progress), self._bot, job.update_id),
            )

        await self._do(update, fsync=False)
        job.progress = progress
        if job.update_id in self._payloads:
            self._payloads[job.update_id] = (job.payload, progress)

    async def finish(self, job: Job, outcome: str) -> None:
        now = self._now_ms()

        def update(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE updates SET done_ms = ?, outcome = ?, payload = NULL, progress = NULL"
                " WHERE bot = ? AND update_id = ?",
                (now, outcome, self._bot, job.update_id),
            )

        await self._do(update, fsync=False)
        lane = self._lanes[job.lane]
        if lane.ids and lane.ids[0] == job.update_id:
            lane.ids.popleft()
        self._received.pop(job.update_id, None)
        self._payloads.pop(job.update_id, None)

    async def release(self, job: Job, delay: float = 0.0) -> None:
        if delay > 0:
            self._later(delay, job.lane)
        else:
            self._free(job.lane)

    async def is_done(self, update_id: int) -> bool:
        def look(connection: sqlite3.Connection) -> bool:
            row = connection.execute(
                "SELECT done_ms FROM updates WHERE bot = ? AND update_id = ?",
                (self._bot, update_id),
            ).fetchone()
            return row is not None and row[0] is not None

        # What is in memory is not done; only for the rest is the file asked.
        return update_id not in self._received and bool(await self._do(look, fsync=False))

    def holds(self, job: Job) -> bool:
        """Always: the file's lock keeps every other process away."""
        return job.lane in self._lanes

    def _later(self, delay: float, lane_id: int) -> None:
        def free() -> None:
            self._timers.discard(timer)
            self._free(lane_id)

        timer = asyncio.get_running_loop().call_later(delay, free)
        self._timers.add(timer)

    def _free(self, lane_id: int) -> None:
        lane = self._lanes[lane_id]
        lane.busy = False
        if lane.ids:
            self._make_ready(lane_id, lane)
        else:
            del self._lanes[lane_id]

    # beside the updates

    async def once(self, key: str, update_id: int, seconds: float) -> bool:
        now = self._now_ms()

        def ask(connection: sqlite3.Connection) -> bool:
            connection.execute(
                "INSERT INTO once VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE"
                " SET update_id = ?2, until_ms = ?3 WHERE until_ms <= ?4",
                (key, update_id, now + int(seconds * 1000), now),
            )
            row = connection.execute("SELECT update_id FROM once WHERE key = ?", (key,)).fetchone()
            return bool(row[0] == update_id)

        return bool(await self._do(ask, fsync=False))

    async def probe(self) -> None:
        def write(connection: sqlite3.Connection) -> None:
            # As large as a few updates: a tiny row might still fit where no update does.
            connection.execute("INSERT OR REPLACE INTO probe VALUES (1, randomblob(16384))")

        await self._do(write, fsync=True)

    def _prune_sometimes(self) -> None:
        now = self._clock()
        if self._writer is None or now - self._pruned_at < _PRUNE_SECONDS:
            return
        self._pruned_at = now
        horizon = int((now - KNOWN_FOR_SECONDS) * 1000)

        def prune(connection: sqlite3.Connection) -> None:
            connection.execute(
                "DELETE FROM updates WHERE seq IN"
                " (SELECT seq FROM updates WHERE done_ms < ? ORDER BY done_ms LIMIT ?)",
                (horizon, _PRUNE_ROWS),
            )
            connection.execute("DELETE FROM once WHERE until_ms < ?", (horizon,))

        pruned = self._writer.submit(prune, fsync=False)
        pruned.add_done_callback(lambda future: future.cancelled() or future.exception())

    def backlog(self) -> tuple[int, float]:
        oldest = next(iter(self._received.values()), None)
        age = 0.0 if oldest is None else max(0.0, self._clock() - oldest / 1000)
        return len(self._received), age

    def oldest_ready(self) -> float:
        if not self._ready:
            return 0.0
        return max(0.0, self._clock() - self._lanes[self._ready[0]].ready_since)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
