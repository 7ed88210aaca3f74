"""The shared store in Redis: entries as msgpack, expiring by themselves.

A key names the shape of what it holds, by a fingerprint of its type: a build that writes another
shape reads and writes other keys. It names the venues' URLs as well, so that a service in front of
a double never shares with one in production. An entry's age follows from what is left of its time
in Redis: no replica trusts another one's clock. A checksum says that it is what was written: of
damaged bytes came figures that are nonsense, or that nothing can be reckoned from.

Redis may die at any moment. Every call to it has a tenth of a second; after one that failed it is
not asked at all until it has answered a ping, for which it is asked once a second. What it refuses
(no memory left, read-only) costs the sharing of that entry only.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import zlib
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

import msgspec
from msgspec import Meta, Struct

from reference_bot.market_data.keeping import Entry, Field, Key
from reference_bot.market_data.logs import event
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.shared import Found
from reference_bot.market_data.slim import without

with without("cryptography"):  # for OCSP stapling, which we do not use: 6 MB
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import ResponseError

T = TypeVar("T")
log = logging.getLogger(__name__)

_VERSION: Final = 2
"""Raised when a value means something else although its type is the same."""

_LIMIT: Final = 0.1
_RETRY_AFTER: Final = 1.0
_TURN_SECONDS: Final = 3.0
_BATCH: Final = 64
_MOST_WAITING: Final = 1024

# A key's value and how long it is good for, or else the turn: 1 for the asker, 0 for another one.
# KEYS: value, turn; value, turn; … ARGV: the same pairs' least ms, and ms of the turn (0: none).
# What somebody else may have put there (another type, no expiry) counts as nothing.
_TAKE: Final = """
local found = {}
for i = 1, #KEYS, 2 do
  local left = redis.call('PTTL', KEYS[i])
  local value = left > tonumber(ARGV[i]) and redis.pcall('GET', KEYS[i])
  if type(value) == 'string' then
    found[#found + 1] = {value, left}
  else
    local turn = tonumber(ARGV[i + 1])
    local mine = turn > 0 and redis.call('SET', KEYS[i + 1], 1, 'NX', 'PX', turn)
    found[#found + 1] = {mine and 1 or 0}
  end
end
return found
"""

_Seconds = Annotated[float, Meta(ge=0, le=1e6)]
_encode = msgspec.msgpack.Encoder().encode


class _Record(Struct, frozen=True, array_like=True):
    """A value, the key that it was written under, and its times in seconds as of then."""

    key: str
    age: _Seconds
    lifetime: Annotated[float, Meta(ge=-1e6, le=1e6)]
    good_for: _Seconds
    value: msgspec.Raw


_decode_record = msgspec.msgpack.Decoder(_Record).decode
_SUM_BYTES: Final = 4


def sealed(body: bytes) -> bytes:
    """Return ``body`` with a checksum behind it."""
    return body + zlib.crc32(body).to_bytes(_SUM_BYTES, "big")


def _unsealed(found: bytes) -> bytes:
    """Return what was sealed. Raises ValueError when these are other bytes."""
    body = found[:-_SUM_BYTES]
    if found != sealed(body):
        raise ValueError("the checksum is wrong")
    return body


@dataclass(slots=True)
class _Question:
    name: str
    least_ms: int
    turn_ms: int
    answer: asyncio.Future[list[Any] | None]


class RedisStore:
    """`shared.Store` in the Redis at ``url``. ``clock`` is the cache's.

    ``realm`` is hashed into the keys: stores of another realm are not seen. ``limit`` is what a
    call to Redis has, ``retry_after`` how often it is asked while it is away; in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        realm: Iterable[str],
        metrics: Metrics,
        clock: Callable[[], float],
        limit: float = _LIMIT,
        retry_after: float = _RETRY_AFTER,
    ) -> None:
        # One try on a fresh connection: after a restart of Redis the pooled ones are dead.
        self._redis: Redis = Redis.from_url(
            url, socket_timeout=limit, socket_connect_timeout=limit, retry=Retry(NoBackoff(), 1)
        )
        self._take = self._redis.register_script(_TAKE)
        self._secrets = _secrets(url)
        # braces: one slot of a cluster, as the script wants it
        self._prefix = f"market-data:{{{_VERSION}-{_digest('|'.join(realm))}}}:"
        self._metrics = metrics
        self._clock = clock
        self._limit = limit
        self._retry_after = retry_after
        self._codecs: dict[str, tuple[str, msgspec.msgpack.Decoder[Any]]] = {}
        self._questions: list[_Question] = []
        self._writes: list[tuple[str, bytes | None, int]] = []
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.Task[None] | None = None
        self._probing: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[Any]] = set()
        self._refused = False
        self.up = True

    # what the cache asks

    async def take(self, field: Field[T], key: Key, *, least: float, turn: bool = True) -> Found[T]:
        """Return an entry or whose turn it is; see `shared.Store`."""
        if not self.up:
            return Found()
        name, decoder = self._name(field, key)
        answer = asyncio.get_running_loop().create_future()
        turn_ms = int(_TURN_SECONDS * 1000) if turn else 0
        self._questions.append(_Question(name, int(least * 1000), turn_ms, answer))
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        found = await answer
        if found is None:
            return Found()
        if len(found) == 1:
            self._metrics.shared("miss")
            return Found(turn="mine" if found[0] else "taken")
        return self._entry(name, decoder, found[0], found[1] / 1000)

    def put(self, field: Field[T], key: Key, entry: Entry[T]) -> None:
        """Write an entry with the next batch."""
        now = self._clock()
        good_for = max(entry.expires, entry.until) - now
        if good_for < 0.001:
            self.give_back(field, key)
            return
        value = msgspec.Raw(_encode(entry.value))
        name, _ = self._name(field, key)
        age = max(0.0, now - entry.stored)
        record = _Record(name, age, entry.expires - now, good_for, value)
        self._write(name, sealed(_encode(record)), int(good_for * 1000))

    def give_back(self, field: Field[Any], key: Key) -> None:
        """Give the turn back with the next batch."""
        self._write(self._name(field, key)[0], None, 0)

    async def reachable(self) -> bool:
        """Ping, unless it is known to be away: then its return is being watched for."""
        await self._try(self._ping)
        return self.up

    async def close(self) -> None:
        """Write what waits to be written, and let go."""
        if self._writer is not None:
            await self._writer
        tasks = {task for task in (self._reader, self._probing) if task is not None} | self._calls
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for question in self._questions:
            question.answer.cancel()
        with suppress(Exception):  # it may be dead: there is nothing left to do about it
            await self._redis.aclose()

    # keys and values

    def _name(self, field: Field[Any], key: Key) -> tuple[str, msgspec.msgpack.Decoder[Any]]:
        known = self._codecs.get(field.name)
        if known is None:
            shape = repr(msgspec.inspect.type_info(field.shape))
            named = f"{self._prefix}{field.name}@{_digest(shape)}"
            known = self._codecs[field.name] = (named, msgspec.msgpack.Decoder(field.shape))
        return ":".join((known[0], *key)), known[1]

    def _entry(
        self, name: str, decoder: msgspec.msgpack.Decoder[T], body: bytes, left: float
    ) -> Found[T]:
        record = value = None
        with suppress(msgspec.MsgspecError, ValueError):
            record = _decode_record(_unsealed(body))
            value = decoder.decode(record.value)
        if record is None or value is None or record.key != name:
            self._metrics.shared("unreadable")
            return Found()
        self._metrics.shared("hit")
        now = self._clock()
        since = max(0.0, record.good_for - left)
        expires = now + record.lifetime - since
        return Found(
            Entry(value, now - record.age - since, expires, now + left, stale=expires <= now)
        )

    # batches: what is asked in one turn of the loop crosses the wire together

    async def _read(self) -> None:
        while self._questions:
            batch, self._questions = self._questions[:_BATCH], self._questions[_BATCH:]
            keys = [name for one in batch for name in (one.name, f"{one.name}:turn")]
            limits = [limit for one in batch for limit in (one.least_ms, one.turn_ms)]
            found = await self._try(functools.partial(self._take, keys=keys, args=limits))
            if found is None or len(found) != len(batch):
                found = [None] * len(batch)
            for question, answer in zip(batch, found, strict=True):
                if not question.answer.done():
                    question.answer.set_result(answer)

    def _write(self, name: str, body: bytes | None, expire_ms: int) -> None:
        if not self.up or len(self._writes) >= _MOST_WAITING:
            return
        self._writes.append((name, body, expire_ms))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        while self._writes:
            batch, self._writes = self._writes[:_BATCH], self._writes[_BATCH:]
            await self._try(functools.partial(self._pipeline, batch))

    async def _pipeline(self, batch: list[tuple[str, bytes | None, int]]) -> None:
        """Write, and give the turns back.

        A turn that ran out meanwhile may be another's by now: then a third one fetches as well,
        which is allowed at any time.
        """
        async with self._redis.pipeline(transaction=False) as pipe:
            for name, body, expire_ms in batch:
                if body is not None:
                    pipe.set(name, body, px=expire_ms)
                pipe.delete(f"{name}:turn")
            await pipe.execute()

    # a Redis that may be away

    async def _try(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """Return what Redis answers; None when it does not, in time."""
        if not self.up:
            return None
        try:
            return await self._limited(call())
        except ResponseError as error:
            self._metrics.shared("refused")
            if not self._refused:  # once: it may refuse everything for hours
                self._refused = True
                event(log, "the shared cache refuses", logging.WARNING, error=self._said(error))
        except Exception as error:  # whatever a broken store does, answers go on
            self._went_away(error)
        return None

    async def _limited(self, call: Awaitable[T]) -> T:
        loop = asyncio.get_running_loop()
        began = loop.time()
        # A task of its own: redis-py can swallow a cancellation that comes while it connects.
        task = asyncio.ensure_future(call)
        self._calls.add(task)
        task.add_done_callback(self._ended)
        await asyncio.wait({task}, timeout=self._limit)
        if not task.done() and loop.time() - began > 1.2 * self._limit:
            # this process was busy, not Redis: its answer may be there already
            await asyncio.wait({task}, timeout=self._limit / 2)
        if not task.done():
            task.cancel()
            raise TimeoutError(f"no answer in {self._limit:g} s")
        return task.result()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._calls.discard(task)
        if not task.cancelled():
            task.exception()  # nobody may be waiting any more: the failure counts as seen

    async def _ping(self) -> bool:
        return bool(await self._redis.ping())

    def _went_away(self, error: Exception) -> None:
        self._metrics.shared("failed")
        if not self.up:
            return
        self.up = False
        self._writes.clear()
        event(log, "the shared cache is unreachable", logging.WARNING, error=self._said(error))
        self._probing = asyncio.create_task(self._watch_for_return())

    async def _watch_for_return(self) -> None:
        while not self.up:
            await asyncio.sleep(self._retry_after)
            with suppress(Exception):  # still away; it was said once
                await self._limited(self._ping())
                self.up, self._refused = True, False
        event(log, "the shared cache is reachable again")

    def _said(self, error: Exception) -> str:
        text = str(error)
        for secret in self._secrets:
            text = text.replace(secret, "[redacted]")
        return f"{type(error).__name__}: {text}"


def _secrets(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    secrets = (url, parts.netloc.rpartition("@")[0], parts.password, parts.query)
    spelt = {form for text in secrets if text for form in (text, unquote(text))}
    return tuple(sorted(spelt, key=len, reverse=True))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
