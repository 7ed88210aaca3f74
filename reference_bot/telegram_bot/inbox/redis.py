"""The inbox in Redis: several replicas share it, and every update is handled by one of them.

Every step is one Lua script, so it happens whole or not at all, whichever replica asks:

* ``put`` knows an update by its key, and appends it to its lane (a list a chat).
* ``claim`` takes a lane that is ready and leases it: nobody else gets the chat meanwhile, so its
  order holds over all replicas. With the lease comes a fence, a number that only grows.
* ``record``, ``finish`` and ``release`` work only with the fence of the lease in force. A replica
  that was away too long is told `LeaseLostError`; it also looks at its own clock before it sends
  (`holds`).
* A lease that is not renewed runs out, and whoever claims next takes its lane over. Not right after
  a restart of Redis, though: leases ran out while nobody could renew them, and their owners, alive
  and well, must get the chance to record what they have sent. For one lease time nothing is taken.

Redis should have ``appendonly yes``: it writes its log before it answers, so its own SIGKILL loses
nothing. After a power loss, ``appendfsync always`` is what keeps the last second as well.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from reference_bot.telegram_bot.inbox.model import (
    KNOWN_FOR_SECONDS,
    InboxUnavailableError,
    Job,
    LeaseLostError,
    Progress,
    Put,
    Update,
)
from reference_bot.telegram_bot.slim import without

with without("cryptography"):  # for OCSP stapling, which we do not use: 6 MB
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError

LEASE_SECONDS: Final = 4.0
_RENEW_SECONDS: Final = 1.0
_MARGIN_SECONDS: Final = 0.5
_IDLE_SECONDS: Final = 1.0
_SOCKET_SECONDS: Final = 3.0

_NOW: Final = """
local p = KEYS[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
"""
_PUT: Final = (
    _NOW
    + """
local new = 0
for i = 1, #ARGV, 3 do
  local id, lane, key = ARGV[i], ARGV[i + 1], p .. 'update:' .. ARGV[i]
  if redis.call('EXISTS', key) == 0 then
    new = new + 1
    redis.call('HSET', key, 'payload', ARGV[i + 2], 'received', now)
    redis.call('ZADD', p .. 'open', now, id)
    local waiting = redis.call('RPUSH', p .. 'lane:' .. lane, id)
    if waiting == 1 and not redis.call('ZSCORE', p .. 'leases', lane) then
      redis.call('ZADD', p .. 'ready', now, lane)
      redis.call('RPUSH', p .. 'wake', 1)
    end
  end
end
redis.call('LTRIM', p .. 'wake', -256, -1)
return new
"""
)
# ARGV: lease in ms, 1 to take over expired leases. Returns nothing, or the wait in ms, or a job.
_CLAIM: Final = (
    _NOW
    + """
if ARGV[2] == '1' then
  local expired = redis.call('ZRANGEBYSCORE', p .. 'leases', '-inf', now, 'LIMIT', 0, 64)
  for _, lane in ipairs(expired) do
    redis.call('ZREM', p .. 'leases', lane)
    redis.call('HDEL', p .. 'fences', lane)
    if redis.call('EXISTS', p .. 'lane:' .. lane) == 1 then
      redis.call('ZADD', p .. 'ready', now, lane)
    end
  end
end
local first = redis.call('ZRANGE', p .. 'ready', 0, 0, 'WITHSCORES')
if #first == 0 then return {} end
local lane, at = first[1], tonumber(first[2])
if at > now then return {at - now} end
redis.call('ZREM', p .. 'ready', lane)
local id = redis.call('LINDEX', p .. 'lane:' .. lane, 0)
if not id then return {0} end
local fence = redis.call('INCR', p .. 'fence')
redis.call('HSET', p .. 'fences', lane, fence)
redis.call('ZADD', p .. 'leases', now + ARGV[1], lane)
local update = redis.call('HMGET', p .. 'update:' .. id, 'payload', 'received', 'progress')
return {lane, id, fence, update[1], update[2], update[3]}
"""
)
_FENCED: Final = (
    _NOW
    + """
local lane, fence = ARGV[1], ARGV[2]
if redis.call('HGET', p .. 'fences', lane) ~= fence then return 0 end
"""
)
_RECORD: Final = (
    _FENCED
    + """
redis.call('HSET', p .. 'update:' .. ARGV[3], 'progress', ARGV[4])
return 1
"""
)
_FINISH: Final = (
    _FENCED
    + """
local id, key = ARGV[3], p .. 'update:' .. ARGV[3]
if redis.call('LINDEX', p .. 'lane:' .. lane, 0) == id then
  redis.call('LPOP', p .. 'lane:' .. lane)
end
redis.call('HDEL', key, 'payload', 'progress')
redis.call('HSET', key, 'outcome', ARGV[4])
redis.call('EXPIRE', key, ARGV[5])
redis.call('ZREM', p .. 'open', id)
return 1
"""
)
_RELEASE: Final = (
    _FENCED
    + """
redis.call('ZREM', p .. 'leases', lane)
redis.call('HDEL', p .. 'fences', lane)
if redis.call('EXISTS', p .. 'lane:' .. lane) == 1 then
  redis.call('ZADD', p .. 'ready', now + ARGV[3], lane)
  redis.call('RPUSH', p .. 'wake', 1)
end
return 1
"""
)
# ARGV: lease in ms, then lane and fence of each lease. Returns the figures for `backlog` as well.
_RENEW: Final = (
    _NOW
    + """
for i = 2, #ARGV, 2 do
  if redis.call('HGET', p .. 'fences', ARGV[i]) == ARGV[i + 1] then
    redis.call('ZADD', p .. 'leases', 'XX', now + ARGV[1], ARGV[i])
  end
end
local oldest = redis.call('ZRANGE', p .. 'open', 0, 0, 'WITHSCORES')
local ready = redis.call('ZRANGE', p .. 'ready', 0, 0, 'WITHSCORES')
return {
  redis.call('ZCARD', p .. 'open'),
  oldest[2] and now - oldest[2] or 0,
  ready[2] and now - ready[2] or 0
}
"""
)

_encode_progress = msgspec.json.Encoder().encode
_decode_progress = msgspec.json.Decoder(Progress).decode
_log = logging.getLogger(__name__)


def connect(url: str) -> Redis:
    """A client of the Redis at ``url``; it connects when it is first used."""
    # One try on a fresh connection: after a restart of Redis the pooled ones are dead.
    client: Redis = Redis.from_url(
        url,
        socket_timeout=_SOCKET_SECONDS,
        socket_connect_timeout=_SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
    return client


class RedisInbox:
    """`Inbox` of one bot in the Redis at ``url``, for any number of processes."""

    def __init__(
        self, url: str, bot_id: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = connect(url)
        self._prefix = f"botproof:{{{bot_id}}}:"  # braces: one slot of a cluster
        self._clock = clock
        scripts = {
            "put": _PUT,
            "claim": _CLAIM,
            "record": _RECORD,
            "finish": _FINISH,
            "release": _RELEASE,
            "renew": _RENEW,
        }
        self._scripts = {name: self._redis.register_script(text) for name, text in scripts.items()}
        self._leases: dict[int, tuple[int, float]] = {}  # lane → fence, when last renewed
        self._redis_up_since: float | None = None
        self._figures = (0, 0.0, 0.0)
        self._figures_at = 0.0
        self._renewing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._learn_uptime()
        await self._warn_without_log()
        self._renewing = asyncio.create_task(self._renew_forever())

    async def _learn_uptime(self) -> None:
        about = await self._call(self._redis.info("server"))
        self._redis_up_since = self._clock() - int(about["uptime_in_seconds"])

    async def _warn_without_log(self) -> None:
        try:
            found = await self._redis.config_get("appendonly")
        except RedisError:
            return  # managed Redis often forbids CONFIG; then the operator has chosen elsewhere
        if not {"yes", b"yes"} & set(found.values()):
            _log.warning("Redis keeps no append-only file: its restart loses updates")

    async def close(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        await self._redis.aclose()

    # in

    async def put(self, updates: Sequence[Update]) -> Put:
        fields = [part for update in updates for part in _fields(update)]
        new = int(await self._run("put", *fields))
        return Put(new=new, known=len(updates) - new)

    # out

    async def claim(self) -> Job:
        while True:
            at = self._clock()
            found = await self._run("claim", _ms(LEASE_SECONDS), "1" if self._settled() else "0")
            if len(found) > 1:
                return self._job(found, at)
            wait = found[0] / 1000 if found else _IDLE_SECONDS
            await self._sleep(min(_IDLE_SECONDS, wait))

    def _job(self, found: list[Any], at: float) -> Job:
        lane, update_id, fence, payload, received, progress = found
        job = Job(
            update_id=int(update_id),
            lane=int(lane),
            payload=payload,
            received_ms=int(received),
            progress=_decode_progress(progress) if progress else Progress(),
            fence=int(fence),
        )
        self._leases[job.lane] = (job.fence, at)
        return job

    async def _sleep(self, seconds: float) -> None:
        """Until there may be something to claim, ``seconds`` at most."""
        if seconds > 0:
            await self._call(self._redis.blpop([f"{self._prefix}wake"], timeout=max(0.01, seconds)))

    def _settled(self) -> bool:
        since = self._redis_up_since
        return since is not None and self._clock() - since > LEASE_SECONDS

    async def record(self, job: Job, progress: Progress) -> None:
        await self._fenced("record", job, job.update_id, _encode_progress(progress))
        job.progress = progress

    async def finish(self, job: Job, outcome: str) -> None:
        await self._fenced("finish", job, job.update_id, outcome, KNOWN_FOR_SECONDS)

    async def release(self, job: Job, delay: float = 0.0) -> None:
        await self._fenced("release", job, _ms(delay))
        self._forget(job)

    async def _fenced(self, name: str, job: Job, *arguments: Any) -> None:
        if await self._run(name, job.lane, job.fence, *arguments) != 1:
            self._forget(job)
            raise LeaseLostError(f"update {job.update_id} was taken over")

    def _forget(self, job: Job) -> None:
        held = self._leases.get(job.lane)
        if held is not None and held[0] == job.fence:
            del self._leases[job.lane]

    async def is_done(self, update_id: int) -> bool:
        key = f"{self._prefix}update:{update_id}"
        return bool(await self._call(self._redis.hexists(key, "outcome")))

    def holds(self, job: Job) -> bool:
        fence, renewed_at = self._leases.get(job.lane, (0, 0.0))
        return fence == job.fence and self._clock() - renewed_at < LEASE_SECONDS - _MARGIN_SECONDS

    async def _renew_forever(self) -> None:
        while True:
            try:
                await self._renew()
            except InboxUnavailableError as error:
                _log.warning("leases could not be renewed: %s", error)
            await asyncio.sleep(_RENEW_SECONDS)

    async def _renew(self) -> None:
        if self._redis_up_since is None:
            await self._learn_uptime()
        at = self._clock()
        held = dict(self._leases)
        pairs = [part for lane, (fence, _) in held.items() for part in (lane, fence)]
        open_, oldest, ready = await self._run("renew", _ms(LEASE_SECONDS), *pairs)
        self._figures = (int(open_), max(0.0, oldest / 1000), max(0.0, ready / 1000))
        self._figures_at = at
        for lane, (fence, _) in held.items():
            if self._leases.get(lane, (0, 0.0))[0] == fence:
                self._leases[lane] = (fence, at)

    # beside the updates

    async def once(self, key: str, update_id: int, seconds: float) -> bool:
        name = f"{self._prefix}once:{key}"
        await self._call(self._redis.set(name, update_id, nx=True, px=_ms(seconds)))
        return int(await self._call(self._redis.get(name)) or update_id) == update_id

    async def probe(self) -> None:
        await self._call(self._redis.set(f"{self._prefix}probe", 1, ex=60))

    def backlog(self) -> tuple[int, float]:
        waiting, age, _ = self._figures
        return waiting, age

    def oldest_ready(self) -> float:
        return self._figures[2]

    # calls

    async def _run(self, script: str, *arguments: Any) -> Any:
        return await self._call(self._scripts[script](keys=[self._prefix], args=arguments))

    async def _call(self, command: Awaitable[Any]) -> Any:
        try:
            return await answer_of(command)
        except InboxUnavailableError:
            self._redis_up_since = None  # perhaps it restarts: ask again
            raise


async def answer_of(command: Awaitable[Any]) -> Any:
    """What Redis answers. Raises InboxUnavailableError."""
    try:
        result = await command
    except (RedisError, OSError, TimeoutError) as error:
        _stop_if_cancelled()
        raise InboxUnavailableError(f"Redis: {error}") from error
    _stop_if_cancelled()
    return result


def _stop_if_cancelled() -> None:
    """redis-py can swallow a cancellation that comes while it connects; loops here would go on."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _fields(update: Update) -> tuple[int, int, bytes]:
    return update.update_id, update.lane, update.payload


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
