"""The inbox in a SQLite file: for one process, with nothing else to run.

`sqlite_writer` has the thread that writes. What is being handled is known in memory only: whoever
starts next has to handle it again anyway.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

from reference_bot.telegram_bot.inbox.files import FileLock
from reference_bot.telegram_bot.inbox.model import (
    KNOWN_FOR_SECONDS,
    DeadLetter,
    InboxUnavailableError,
    Job,
    Progress,
    Put,
    Rules,
    Update,
    dead_letter,
    read_progress,
)
from reference_bot.telegram_bot.inbox.sqlite_upkeep import count_letters, keep_letter, prune
from reference_bot.telegram_bot.inbox.sqlite_writer import Operation, Writer

_PRUNE_SECONDS: Final = 60.0
_KEPT_IN_MEMORY: Final = 1000
_LIMIT_SECONDS: Final = 10.0
"""How long a put or a probe may take; the disk may hang."""

_encode_progress = msgspec.json.Encoder().encode
_encode_letter = msgspec.json.Encoder().encode
_decode_letter = msgspec.json.Decoder(DeadLetter).decode


_State = Literal["new", "dropped", "open", "done"]
_T = TypeVar("_T")


class _Fate(NamedTuple):
    """How a new update is written: to be handled, or (``done_ms``) not at all."""

    payload: bytes | None
    progress: bytes | None = None
    done_ms: int | None = None
    outcome: str | None = None


class _Lane:
    """The updates of one chat that are not done, oldest first."""

    __slots__ = ("busy", "ids", "queued", "ready_since", "told_to_wait")

    def __init__(self) -> None:
        self.ids: deque[int] = deque()
        self.busy = False
        self.queued = False
        self.told_to_wait = False
        self.ready_since = 0.0


class _Queue:
    """Lanes that can be claimed, the longest waiting first."""

    __slots__ = ("lanes", "wake")

    def __init__(self) -> None:
        self.lanes: deque[int] = deque()
        self.wake = asyncio.Event()


class SqliteInbox:
    """`Inbox` in one SQLite file; a second process on it has to wait for the first to end.

    ``clock`` gives the time of day, for what is written; ``monotonic`` measures how long something
    took, and no setting of the clock moves it.
    """

    def __init__(
        self,
        path: str,
        bot_id: int,
        rules: Rules | None = None,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = Path(path)
        self._bot = bot_id
        self._rules = rules or Rules()
        self._clock = clock
        self._monotonic = monotonic
        self._lock = FileLock(self._path)
        self._writer: Writer | None = None
        self._starting = asyncio.Lock()
        self._open = False
        self._lanes: dict[int, _Lane] = {}
        self._queues = {False: _Queue(), True: _Queue()}
        self._received: dict[int, tuple[int, float]] = {}  # update_id → ms, monotonic; oldest first
        self._kept: dict[int, tuple[Update, Progress]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._pruned_at = -_PRUNE_SECONDS
        self._full: set[int] = set()  # lanes whose last update said that there are too many
        self._dead = 0

    # open and close

    async def open(self) -> None:
        self._lock.keep()
        await self._end_writer()  # of an opening that failed
        writer = await self._start_writer()
        rows, self._dead = await writer.submit(self._load, fsync=False)
        now_ms, now = self._now_ms(), self._monotonic()
        for update_id, lane, received_ms in rows:
            since = now - max(0.0, (now_ms - received_ms) / 1000)
            self._enqueue(update_id, lane, received_ms, since)
        most = self._rules.most_waiting
        self._full = {one for one, lane in self._lanes.items() if len(lane.ids) > most}
        # Not before: what comes in now is behind what waited already, in every chat.
        self._open = True

    async def _start_writer(self) -> Writer:
        writer = Writer(self._path, self._lock, asyncio.get_running_loop())
        self._writer = writer
        writer.start()
        await writer.opened
        return writer

    async def _end_writer(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            writer.stop()
            await asyncio.to_thread(writer.join)

    async def close(self) -> None:
        self._open = False
        for timer in self._timers:
            timer.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await self._end_writer()
        self._lock.release()

    async def _do(self, operation: Operation, *, fsync: bool) -> Any:
        if not self._open:
            raise InboxUnavailableError(f"{self._path} is not open")
        return await (await self._living_writer()).submit(operation, fsync=fsync)

    async def _living_writer(self) -> Writer:
        """Nothing may end the thread, but should it ever: one other takes its place."""
        if self._writer is not None and self._writer.is_alive():
            return self._writer
        async with self._starting:
            if self._writer is not None and self._writer.is_alive():
                return self._writer
            return await self._start_writer()

    async def _in_time(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Return the result of ``work``, or InboxUnavailableError when it takes too long.

        In a task of its own: whoever waits may be cancelled, it is done all the same.
        """
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        try:
            async with asyncio.timeout(_LIMIT_SECONDS):
                return await asyncio.shield(task)
        except TimeoutError:
            raise InboxUnavailableError(
                f"{self._path} was not written within {_LIMIT_SECONDS:g} s"
            ) from None

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waited has it; when nobody did, nobody is to be warned

    def _load(self, connection: sqlite3.Connection) -> tuple[list[tuple[int, int, int]], int]:
        rows = connection.execute(
            "SELECT update_id, lane, received_ms FROM updates"
            " WHERE bot = ? AND done_ms IS NULL ORDER BY seq",
            (self._bot,),
        ).fetchall()
        return rows, count_letters(connection, self._bot)

    # in

    async def put(self, updates: Sequence[Update]) -> Put:
        return await self._in_time(self._put(updates))

    async def _put(self, updates: Sequence[Update]) -> Put:
        now, since = self._now_ms(), self._monotonic()
        fates = self._fates(updates)

        def insert(connection: sqlite3.Connection) -> list[_State]:
            return [
                self._insert(connection, update, now, fate)
                for update, fate in zip(updates, fates, strict=True)
            ]

        states: list[_State] = await self._do(insert, fsync=True)
        new = dropped = 0
        for update, fate, state in zip(updates, fates, states, strict=True):
            if state in {"done", "dropped"}:
                dropped += state == "dropped"
                continue
            if state == "new" and fate.progress is None and len(self._kept) < _KEPT_IN_MEMORY:
                self._kept[update.update_id] = (update, Progress())
            # Open, and not in hand: an earlier try was written although it could not be confirmed.
            new += self._enqueue(update.update_id, update.lane, now, since)
        return Put(new + dropped, len(updates) - new - dropped, dropped)

    def _insert(
        self, connection: sqlite3.Connection, update: Update, now: int, fate: "_Fate"
    ) -> "_State":
        written = connection.execute(
            "INSERT OR IGNORE INTO updates"
            " (bot, update_id, lane, received_ms, payload, progress, done_ms, outcome)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (self._bot, update.update_id, update.lane, now, *fate),
        ).rowcount
        if written == 1:
            return "new" if fate.done_ms is None else "dropped"
        [[done]] = connection.execute(
            "SELECT done_ms FROM updates WHERE bot = ? AND update_id = ?",
            (self._bot, update.update_id),
        ).fetchall()
        return "open" if done is None else "done"

    def _fates(self, updates: Sequence[Update]) -> list["_Fate"]:
        """Return the fates: all but what is too many in its lane is to be done."""
        coming: dict[int, int] = {}
        fates = []
        for update in updates:
            lane = self._lanes.get(update.lane)
            before = coming.get(update.lane, 0)
            coming[update.lane] = before + 1
            few = before + (len(lane.ids) if lane else 0) < self._rules.most_waiting
            if few or not update.of_telegram or update.update_id in self._received:
                fates.append(_Fate(update.payload))
            elif update.lane in self._full:
                fates.append(_Fate(None, None, self._now_ms(), "dropped"))
            else:
                self._full.add(update.lane)
                notice = _encode_progress(Progress(parts=(self._rules.notice,)))
                fates.append(_Fate(update.payload, notice))
        return fates

    def _enqueue(self, update_id: int, lane_id: int, received_ms: int, since: float) -> bool:
        """Put it behind what waits in its lane; return False when it is there already."""
        if update_id in self._received:
            return False
        self._received[update_id] = (received_ms, since)
        lane = self._lanes.get(lane_id)
        if lane is None:
            lane = self._lanes[lane_id] = _Lane()
        lane.ids.append(update_id)
        if not lane.busy and len(lane.ids) == 1:
            self._make_ready(lane_id, lane)
        return True

    def _make_ready(self, lane_id: int, lane: _Lane) -> None:
        lane.ready_since = self._monotonic()
        lane.queued = True
        waiting = self._queues[lane_id in self._rules.first]
        waiting.lanes.append(lane_id)
        waiting.wake.set()

    # out

    async def claim(self, *, first: bool = False) -> Job:
        waiting = self._queues[first]
        while not waiting.lanes:
            waiting.wake.clear()
            await waiting.wake.wait()
        lane_id = waiting.lanes.popleft()
        lane = self._lanes[lane_id]
        lane.busy, lane.queued = True, False
        update_id = lane.ids[0]
        # What is not to be there any more comes out with a flaw, so that its lane goes on.
        unknown = self._now_ms(), self._monotonic()
        received_ms, since = self._received.get(update_id, unknown)
        try:
            job = await self._fetch(update_id, lane_id)
        except BaseException:  # a cancelled claim as well: the update stays for the next one
            lane.busy, lane.queued = False, True
            waiting.lanes.appendleft(lane_id)
            raise
        job.received_ms, job.since = received_ms, since
        return job

    async def _fetch(self, update_id: int, lane_id: int) -> Job:
        if update_id in self._kept:
            update, progress = self._kept[update_id]
            return Job(update_id, lane_id, update.payload, 0, progress, value=update.value)

        def select(connection: sqlite3.Connection) -> tuple[Any, Any] | None:
            row: tuple[Any, Any] | None = connection.execute(
                "SELECT payload, progress FROM updates WHERE bot = ? AND update_id = ?",
                (self._bot, update_id),
            ).fetchone()
            return row

        row = await self._do(select, fsync=False)
        if row is None or not isinstance(row[0], bytes):
            return Job(update_id, lane_id, b"", 0, flaw="its row or payload is gone")
        progress, flaw = read_progress(row[1])
        return Job(update_id, lane_id, row[0], 0, progress, flaw=flaw)

    async def record(self, job: Job, progress: Progress) -> None:
        def update(connection: sqlite3.Connection) -> None:
            connection.execute(
                "UPDATE updates SET progress = ? WHERE bot = ? AND update_id = ?",
                (_encode_progress(progress), self._bot, job.update_id),
            )

        await self._do(update, fsync=False)
        job.progress = progress
        if job.update_id in self._kept:
            self._kept[job.update_id] = (self._kept[job.update_id][0], progress)

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
        if 2 * len(lane.ids) < self._rules.most_waiting:
            self._full.discard(job.lane)
        self._received.pop(job.update_id, None)
        self._kept.pop(job.update_id, None)

    async def bury(self, job: Job, reason: str) -> None:
        letter = _encode_letter(dead_letter(job, reason, self._now_ms())).decode()

        def insert(connection: sqlite3.Connection) -> int:
            keep_letter(connection, self._bot, job.update_id, letter)
            return count_letters(connection, self._bot)

        self._dead = await self._do(insert, fsync=False)

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
        """Return True always: the file's lock keeps every other process away."""
        return job.lane in self._lanes

    def _later(self, delay: float, lane_id: int) -> None:
        def free() -> None:
            self._timers.discard(timer)
            self._free(lane_id)

        self._lanes[lane_id].told_to_wait = True
        timer = asyncio.get_running_loop().call_later(delay, free)
        self._timers.add(timer)

    def _free(self, lane_id: int) -> None:
        lane = self._lanes.get(lane_id)
        if lane is None:
            return
        lane.busy = lane.told_to_wait = False
        if lane.ids:
            self._make_ready(lane_id, lane)
        else:
            del self._lanes[lane_id]

    # beside the updates

    async def once(self, key: str, update_id: int, seconds: float) -> bool:
        now = self._now_ms()
        until = now + int(seconds * 1000)

        def ask(connection: sqlite3.Connection) -> bool:
            # What lasts longer than it can was written before the clock was set back.
            connection.execute(
                "INSERT INTO once VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " update_id = excluded.update_id, until_ms = excluded.until_ms"
                " WHERE until_ms <= ? OR until_ms > ?",
                (key, update_id, until, now, until),
            )
            row = connection.execute("SELECT update_id FROM once WHERE key = ?", (key,)).fetchone()
            return bool(row[0] == update_id)

        return bool(await self._do(ask, fsync=False))

    async def move(self, old: int, new: int) -> bool:
        def insert(connection: sqlite3.Connection) -> bool:
            query = "INSERT OR IGNORE INTO moves VALUES (?, ?, ?)"
            return connection.execute(query, (self._bot, old, new)).rowcount == 1

        return bool(await self._do(insert, fsync=True))

    async def moves(self) -> dict[int, int]:
        def select(connection: sqlite3.Connection) -> list[tuple[int, int]]:
            query = "SELECT old_chat, new_chat FROM moves WHERE bot = ?"
            return connection.execute(query, (self._bot,)).fetchall()

        return dict(await self._do(select, fsync=False))

    async def letters(self) -> list[DeadLetter]:
        def select(connection: sqlite3.Connection) -> list[tuple[str]]:
            return connection.execute(
                "SELECT letter FROM dead_letters WHERE bot = ? ORDER BY seq", (self._bot,)
            ).fetchall()

        return [_decode_letter(text) for (text,) in await self._do(select, fsync=False)]

    def dead(self) -> int:
        return self._dead

    async def probe(self) -> None:
        def write(connection: sqlite3.Connection) -> None:
            # As large as a few updates: a tiny row might still fit where no update does.
            connection.execute("INSERT OR REPLACE INTO probe VALUES (1, randomblob(16384))")

        await self._in_time(self._do(write, fsync=True))
        if self._monotonic() - self._pruned_at >= _PRUNE_SECONDS and self._open:
            self._pruned_at = self._monotonic()
            task = asyncio.create_task(self._prune())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _prune(self) -> None:
        """Forget what is too old or too much, a little at a time, until nothing is left of it."""
        horizon = int((self._clock() - KNOWN_FOR_SECONDS) * 1000)

        def some(connection: sqlite3.Connection) -> bool:
            return prune(connection, horizon, self._rules.most_known)

        try:
            left = True
            while left:
                left = await self._do(some, fsync=False)  # what waits meanwhile goes between
        except InboxUnavailableError:
            return  # the next probe says so; pruning can wait

    def backlog(self) -> tuple[int, float]:
        oldest = next(iter(self._received.values()), None)
        age = 0.0 if oldest is None else max(0.0, self._monotonic() - oldest[1])
        return len(self._received), age

    def oldest_ready(self) -> float:
        heads = [waiting.lanes[0] for waiting in self._queues.values() if waiting.lanes]
        now = self._monotonic()
        return max((now - self._lanes[head].ready_since for head in heads), default=0.0)

    def stuck(self) -> float:
        """Never, as far as we know; looked at all the same."""
        now = self._monotonic()
        idle = (
            now - lane.ready_since
            for lane in self._lanes.values()
            if lane.ids and not (lane.busy or lane.queued or lane.told_to_wait)
        )
        return max(idle, default=0.0)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
