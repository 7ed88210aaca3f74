"""Troubles of the store in which a bot keeps its updates: a SQLite file or a Redis.

Which tables and keys those are is the bot's own business: what holds a word of the update is found
and damaged, whatever it is called.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from botproof.faults.troubles import Processes, open_files
from botproof.targets.doubles import DoubleControl
from botproof.targets.failures import Failure
from botproof.targets.launch import BrokenHarnessError

if TYPE_CHECKING:
    from redis.asyncio import Redis

_Key: TypeAlias = bytes | str
DAMAGE = b"\xff\x00"
DAMAGED_CHAT = 7_000_000
_FOUND_WITHIN_S = 90.0
_LOOK_EVERY_S = 0.1
_SQLITE = b"SQLite format 3\0"
_FORGETFUL = "allkeys-lru"
_KEYS_AT_ONCE = 1000
_READS = {b"string": ("MGET",), b"hash": ("HGETALL",), b"list": ("LRANGE", 0, -1)}
"""How the values of a kind of key are read, as several or none."""


class Store(Protocol):
    """Where the bot keeps what waits."""

    async def damage(self, word: bytes) -> int:
        """Write `DAMAGE` in the place of every value that holds `word`; how many there were."""


class SqliteFiles:
    """The SQLite files that the processes have open."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    async def damage(self, word: bytes) -> int:
        return await asyncio.to_thread(self._damage, word)

    def _damage(self, word: bytes) -> int:
        pids = [process.pid for process in self._processes() if process.running and process.pid]
        files = {path for pid in pids for path in open_files(pid, Path("/"))}
        return sum(_damage_file(path, word) for path in files if _is_sqlite(path))


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def _damage_file(path: Path, word: bytes) -> int:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return sum(_damage_table(connection, table, word) for (table,) in tables)


def _damage_table(connection: sqlite3.Connection, table: str, word: bytes) -> int:
    done = 0
    for _, column, *_ in connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall():
        name = _quoted(column)
        done += connection.execute(
            f"UPDATE OR IGNORE {_quoted(table)} SET {name} ="  # noqa: S608 - quoted names
            f" CASE typeof({name}) WHEN 'blob' THEN ? ELSE CAST(? AS TEXT) END"
            f" WHERE typeof({name}) IN ('blob', 'text') AND instr(CAST({name} AS BLOB), ?)",
            (DAMAGE, DAMAGE, word),
        ).rowcount
    return done


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextlib.asynccontextmanager
async def _redis(url: str) -> AsyncIterator[Redis]:
    try:
        from redis.asyncio import Redis  # noqa: PLC0415 - only runs with a Redis need it
    except ModuleNotFoundError as error:
        text = "this trouble speaks to the bot's Redis: pip install redis"
        raise BrokenHarnessError(text, Failure.NOT_CONFIGURED) from error
    client: Redis = Redis.from_url(url, socket_timeout=10.0)
    try:
        yield client
    finally:
        await client.aclose()


class RedisKeys:
    """All strings, hashes and lists in a Redis."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def damage(self, word: bytes) -> int:
        async with _redis(self._url) as client:
            found, rest = 0, -1
            while rest:
                rest, keys = await client.scan(max(rest, 0), count=_KEYS_AT_ONCE)
                for key in await _holding(client, keys, word):
                    found += await _damage_key(client, key, word)
            return found


async def _holding(client: Any, keys: Sequence[_Key], word: bytes) -> list[_Key]:
    """Return the keys whose values may hold `word`, by two round trips for all of them: a shared
    Redis has thousands, and the update that waits is to be damaged while it waits."""
    kinds = await _together(client, [("TYPE", key) for key in keys])
    known = [(key, _READS[kind]) for key, kind in zip(keys, kinds, strict=True) if kind in _READS]
    values = await _together(client, [(read, key, *more) for key, (read, *more) in known])
    return [key for (key, _), value in zip(known, values, strict=True) if _holds(value, word)]


async def _together(client: Any, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
    asking = client.pipeline(transaction=False)
    for command in commands:
        asking.execute_command(*command)
    replies: list[Any] = await asking.execute(raise_on_error=False)  # a key may be another's by now
    return replies


def _holds(value: object, word: bytes) -> bool:
    parts = value.values() if isinstance(value, dict) else value
    return word in (b"\0".join(parts) if isinstance(parts, Iterable) else b"")


async def _damage_key(client: Any, key: _Key, word: bytes) -> int:
    match await client.type(key):
        case b"string":
            hit = [word in (await client.get(key) or b"")]
            if hit[0]:
                await client.set(key, DAMAGE, keepttl=True)
        case b"hash":
            values = await client.hgetall(key)
            hit = [word in value for value in values.values()]
            for field, value in values.items():
                if word in value:
                    await client.hset(key, field, DAMAGE)
        case b"list":
            hit = [word in value for value in await client.lrange(key, 0, -1)]
            for index, found in enumerate(hit):
                if found:
                    await client.lset(key, index, DAMAGE)
        case _:
            return 0
    return sum(hit)


class DamagedRows:
    """An update waits, because Telegram takes no answer to it; what is stored of it is damaged.

    Then the bot is killed, so that it has to read its store again. The update comes from somebody
    who asks nothing else: it cannot be answered, and is not counted as asked.
    """

    def __init__(
        self,
        double: DoubleControl,
        token: str,
        say: str,
        store: Store,
        kill: Callable[[], Awaitable[None]],
    ) -> None:
        """`say` is what a user asks, with `{marker}` in it."""
        self._double = double
        self._token = token
        self._say = say
        self._store = store
        self._kill = kill
        self._times = 0

    async def begin(self) -> None:
        self._times += 1
        chat, word = DAMAGED_CHAT + self._times, f"damaged{self._times}z"
        await self._double.add_fault(
            {"method": "sendMessage", "kind": "error", "error_code": 500, "chat_id": chat}
        )
        text = self._say.replace("{marker}", word)
        said = {"text": text, "chat_id": chat, "user_id": chat}
        await self._double.inject(self._token, said)
        try:
            async with asyncio.timeout(_FOUND_WITHIN_S):
                # Nothing tells when a bot stores something.
                while not await self._store.damage(word.encode()):  # noqa: ASYNC110 - as said
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError as error:
            text = f"rows-damaged: nothing of an update was found in the bot's store ({word})"
            raise BrokenHarnessError(text, Failure.HARNESS) from error
        await self._kill()

    async def end(self) -> None:
        await self._double.clear_faults()


class ForgetfulRedis:
    """Redis may forget any key when its memory is full: somebody has set its policy so."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._before: str | None = None

    async def begin(self) -> None:
        async with _redis(self._url) as client:
            found: dict[Any, Any] = await client.config_get("maxmemory-policy")
            self._before = found["maxmemory-policy"]
            await client.config_set("maxmemory-policy", _FORGETFUL)

    async def end(self) -> None:
        if self._before is not None:
            async with _redis(self._url) as client:
                await client.config_set("maxmemory-policy", self._before)
            self._before = None
