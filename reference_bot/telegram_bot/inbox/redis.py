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

Redis has to keep what it is given: ``maxmemory-policy noeviction`` and ``appendonly yes`` (it
writes its log before it answers, so its own SIGKILL loses nothing, but for one case: while a slow
disk is busy with an fsync, ``appendfsync everysec`` puts the write off by up to two seconds;
after a power loss, ``appendfsync always`` is what keeps the last second as well), and not be a
replica. That is looked at again and again; while it does not hold, nothing is taken in.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from reference_bot.telegram_bot.inbox import redis_scripts as scripts
from reference_bot.telegram_bot.inbox.model import (
    DeadLetter,
    InboxUnavailableError,
    Job,
    LeaseLostError,
    Progress,
    Put,
    Rules,
    Update,
    dead_letter,
    read_progress,
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
_SWEEP_SECONDS: Final = 2.0
_SWEEP_UPDATES: Final = 512

_encode_progress = msgspec.json.Encoder().encode
_encode_letter = msgspec.json.Encoder().encode
_decode_letter = msgspec.json.Decoder(DeadLetter).decode
_log = logging.getLogger(__name__)


def connect(url: str) -> Redis:
    """Return a client of the Redis at ``url``; it connects when it is first used."""
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
        self,
        url: str,
        bot_id: int,
        rules: Rules | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = connect(url)
        self._prefix = f"botproof:{{{bot_id}}}:"  # braces: one slot of a cluster
        self._rules = rules or Rules()
        self._first = "," + "".join(f"{lane}," for lane in sorted(self._rules.first))
        self._clock = clock
        texts = {
            "put": scripts.PUT,
            "claim": scripts.CLAIM,
            "record": scripts.RECORD,
            "finish": scripts.FINISH,
            "bury": scripts.BURY,
            "release": scripts.RELEASE,
            "renew": scripts.RENEW,
            "sweep": scripts.SWEEP,
            "moves": scripts.MOVES,
        }
        self._scripts = {name: self._redis.register_script(text) for name, text in texts.items()}
        self._leases: dict[int, tuple[int, float]] = {}  # lane → fence, when last renewed
        self._redis_up_since: float | None = None
        self._forgets: str | None = "whether Redis keeps what it is given was not asked yet"
        self._figures = (0, 0.0, 0.0, 0)
        self._swept_at, self._sweep_from = 0.0, 0
        self._renewing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._learn_uptime()
        await self._check_policy()
        await self._renew()
        self._renewing = asyncio.create_task(self._renew_forever())

    async def _learn_uptime(self) -> None:
        about = await self._call(self._redis.info("server"))
        # One that does not tell may have been started just now.
        self._redis_up_since = self._clock() - int(about.get("uptime_in_seconds", 0))

    async def _check_policy(self) -> None:
        """Raise InboxUnavailableError while Redis would forget what it is given."""
        about: dict[str, Any] = {}
        for section in ("memory", "persistence", "replication"):
            about |= await self._call(self._redis.info(section))
        self._forgets = _why_it_forgets(about)
        if self._forgets is not None:
            raise InboxUnavailableError(self._forgets)

    async def close(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        await self._redis.aclose()

    # in

    async def put(self, updates: Sequence[Update]) -> Put:
        if self._forgets is not None:
            raise InboxUnavailableError(self._forgets)
        fields = [
            part for update in updates for part in (update.update_id, update.lane, update.payload)
        ]
        notice = _encode_progress(Progress(parts=(self._rules.notice,)))
        new, dropped = await self._run("put", self._rules.most_waiting, notice, *fields)
        return Put(int(new), len(updates) - int(new), int(dropped))

    # out

    async def claim(self, *, first: bool = False) -> Job:
        while True:
            asked = asyncio.create_task(self._ask(first=first))
            try:
                found = await asyncio.shield(asked)
            except asyncio.CancelledError:
                await self._give_back(asked)
                raise
            if isinstance(found, Job):
                return found
            await self._sleep(min(_IDLE_SECONDS, found), first=first)

    async def _ask(self, *, first: bool) -> Job | float:
        """Return what can be claimed, or in how many seconds something may be."""
        at = self._clock()
        settled = "1" if self._settled() else "0"
        found = await self._run("claim", _ms(LEASE_SECONDS), settled, "1" if first else "0")
        if len(found) > 1:
            return self._job(found, at)
        return found[0] / 1000 if found else _IDLE_SECONDS

    async def _give_back(self, asked: "asyncio.Task[Job | float]") -> None:
        """Free the lane that Redis may have leased to a claim which was cancelled meanwhile: else
        its chat would wait for the end of that lease."""
        try:
            found = await asked
            if isinstance(found, Job):
                await self.release(found)
        except (InboxUnavailableError, LeaseLostError) as error:
            _log.info("a claim that was cancelled could not be given back: %s", error)

    def _job(self, found: list[Any], at: float) -> Job:
        lane, update_id, fence, payload, received, progress, age = found
        kept, flaw = read_progress(progress)
        job = Job(
            update_id=int(update_id),
            lane=int(lane),
            payload=payload or b"",
            received_ms=int(received),
            progress=kept,
            fence=int(fence),
            since=time.monotonic() - max(0, age) / 1000,
            flaw=flaw if payload else "Redis has no payload of it any more",
        )
        self._leases[job.lane] = (job.fence, at)
        return job

    async def _sleep(self, seconds: float, *, first: bool) -> None:
        """Sleep until there may be something to claim, ``seconds`` at most."""
        if seconds > 0:
            name = f"{self._prefix}wake-first" if first else f"{self._prefix}wake"
            await self._call(self._redis.blpop([name], timeout=max(0.01, seconds)))

    def _settled(self) -> bool:
        since = self._redis_up_since
        return since is not None and self._clock() - since > LEASE_SECONDS

    async def record(self, job: Job, progress: Progress) -> None:
        await self._fenced("record", job, job.update_id, _encode_progress(progress))
        job.progress = progress

    async def finish(self, job: Job, outcome: str) -> None:
        rules = self._rules
        await self._fenced(
            "finish", job, job.update_id, outcome, rules.most_known, rules.most_waiting
        )

    async def bury(self, job: Job, reason: str) -> None:
        letter = _encode_letter(dead_letter(job, reason, int(time.time() * 1000)))
        await self._fenced("bury", job, job.update_id, letter)

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
        pipe = self._redis.pipeline(transaction=True)
        pipe.exists(key)
        pipe.hexists(key, "payload")
        there, open_ = await self._call(pipe.execute())
        return bool(there) and not open_

    def holds(self, job: Job) -> bool:
        fence, renewed_at = self._leases.get(job.lane, (0, 0.0))
        return fence == job.fence and self._clock() - renewed_at < LEASE_SECONDS - _MARGIN_SECONDS

    async def _renew_forever(self) -> None:
        while True:
            try:
                await self._renew()
                await self._sweep_sometimes()
            except InboxUnavailableError as error:
                _log.warning("leases could not be renewed: %s", error)
            except Exception:  # leases that nobody renews are lost: whatever it was, go on
                _log.exception("leases could not be renewed")
            await asyncio.sleep(_RENEW_SECONDS)

    async def _renew(self) -> None:
        if self._redis_up_since is None:
            await self._learn_uptime()
        at = self._clock()
        held = dict(self._leases)
        pairs = [part for lane, (fence, _) in held.items() for part in (lane, fence)]
        open_, oldest, ready, dead = await self._run("renew", _ms(LEASE_SECONDS), *pairs)
        self._figures = (int(open_), max(0.0, oldest / 1000), max(0.0, ready / 1000), int(dead))
        for lane, (fence, _) in held.items():
            if self._leases.get(lane, (0, 0.0))[0] == fence:
                self._leases[lane] = (fence, at)

    async def _sweep_sometimes(self) -> None:
        """Put right, some of it at a time, what somebody else broke in Redis."""
        if self._clock() - self._swept_at < _SWEEP_SECONDS:
            return
        self._swept_at = self._clock()
        seen, mended, *lost = await self._run("sweep", self._sweep_from, _SWEEP_UPDATES)
        self._sweep_from = self._sweep_from + _SWEEP_UPDATES if seen == _SWEEP_UPDATES else 0
        if mended:
            _log.warning("updates waited and could not be claimed: mended", extra={"count": mended})
        if lost:
            _log.error("Redis has lost updates that were confirmed", extra={"count": len(lost)})
            await self._bury_lost([int(one) for one in lost])

    async def _bury_lost(self, ids: list[int]) -> None:
        now = int(time.time() * 1000)
        pipe = self._redis.pipeline(transaction=True)
        for update_id in ids:
            job = Job(update_id, 0, b"", 0)
            letter = _encode_letter(dead_letter(job, "Redis has lost it", now))
            pipe.hset(f"{self._prefix}dead", str(update_id), letter)
            pipe.zadd(f"{self._prefix}dead_at", {str(update_id): now})
        await self._call(pipe.execute())

    # beside the updates

    async def once(self, key: str, update_id: int, seconds: float) -> bool:
        name = f"{self._prefix}once:{key}"
        await self._call(self._redis.set(name, update_id, nx=True, px=_ms(seconds)))
        return int(await self._call(self._redis.get(name)) or update_id) == update_id

    async def move(self, old: int, new: int) -> bool:
        fresh, _ = await self._run("moves", old, new)
        return bool(fresh)

    async def moves(self) -> dict[int, int]:
        _, found = await self._run("moves")
        return {int(old): int(new) for old, new in zip(found[::2], found[1::2], strict=True)}

    async def letters(self) -> list[DeadLetter]:
        found = await self._call(self._redis.hgetall(f"{self._prefix}dead"))
        return sorted(map(_decode_letter, found.values()), key=lambda one: one.failed_ms)

    def dead(self) -> int:
        return self._figures[3]

    async def probe(self) -> None:
        await self._check_policy()
        await self._call(self._redis.set(f"{self._prefix}probe", b"x" * 4096, ex=60))

    def backlog(self) -> tuple[int, float]:
        return self._figures[:2]

    def oldest_ready(self) -> float:
        return self._figures[2]

    def stuck(self) -> float:
        """Never for longer than two rounds of the sweep, which mends it."""
        return 0.0

    # calls

    async def _run(self, script: str, *arguments: Any) -> Any:
        given = (self._first, *arguments)
        return await self._call(self._scripts[script](keys=[self._prefix], args=given))

    async def _call(self, command: Awaitable[Any]) -> Any:
        try:
            return await answer_of(command)
        except InboxUnavailableError:
            self._redis_up_since = None  # perhaps it restarts: ask again
            raise


async def answer_of(command: Awaitable[Any]) -> Any:
    """Return what Redis answers. Raises InboxUnavailableError."""
    try:
        result = await command
    except (RedisError, OSError, TimeoutError) as error:
        _stop_if_cancelled()
        raise InboxUnavailableError(f"Redis: {error}") from error
    _stop_if_cancelled()
    return result


def _why_it_forgets(about: dict[str, Any]) -> str | None:
    """Return what to set in a Redis that says this of itself (INFO); None when it keeps what it is
    given.

    A fact that it does not tell is not held against it.
    """
    policy = str(about.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        return f"Redis would forget updates: its maxmemory-policy is {policy}, set it to noeviction"
    if int(about.get("aof_enabled", 1)) != 1:
        return "Redis would forget updates in a restart: set appendonly to yes"
    if str(about.get("role", "master")) != "master":
        return "this Redis is a replica: REDIS_URL has to lead to the master"
    return None


def _stop_if_cancelled() -> None:
    """redis-py can swallow a cancellation that comes while it connects; loops here would go on."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _ms(seconds: float) -> int:
    return int(seconds * 1000)
