"""What an inbox promises, asked of both: SQLite in a file, Redis as a process."""

import asyncio
import resource
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from reference_bot.telegram_bot.inbox import (
    Inbox,
    InboxUnavailableError,
    Job,
    LeaseLostError,
    Progress,
    Put,
    Update,
)
from reference_bot.telegram_bot.inbox import redis as redis_inbox
from reference_bot.telegram_bot.inbox.redis import LEASE_SECONDS, RedisInbox
from reference_bot.telegram_bot.inbox.sqlite import SqliteInbox
from reference_bot.telegram_bot.update import read_body

pytestmark = pytest.mark.anyio

OpenInbox = Callable[[], Any]


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def update(update_id: int, lane: int = 1, payload: bytes = b"{}") -> Update:
    return Update(update_id, lane, payload)


@pytest.fixture(params=["sqlite", "redis"])
async def open_inbox(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenInbox]:
    """Opens the inbox of one bot: once more is what the next process does."""
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    async with AsyncExitStack() as stack:

        async def open_one() -> Inbox:
            inbox: Inbox = RedisInbox(url, 1) if url else SqliteInbox(str(tmp_path / "i.db"), 1)
            await inbox.open()
            stack.push_async_callback(inbox.close)
            return inbox

        yield open_one


@pytest.fixture
async def sqlite_inbox(tmp_path: Path) -> AsyncIterator[SqliteInbox]:
    inbox = SqliteInbox(str(tmp_path / "i.db"), 1)
    await inbox.open()
    yield inbox
    await inbox.close()


async def handle(inbox: Inbox) -> int:
    job = await asyncio.wait_for(inbox.claim(), 60)
    await inbox.finish(job, "answered")
    await inbox.release(job)
    return job.update_id


async def nothing_to_claim(inbox: Inbox) -> bool:
    try:
        await asyncio.wait_for(inbox.claim(), 0.3)
    except TimeoutError:
        return True
    return False


async def test_an_update_goes_in_once(open_inbox: OpenInbox) -> None:
    inbox = await open_inbox()
    assert await inbox.put([update(1), update(2)]) == Put(new=2, known=0)
    assert await inbox.put([update(2), update(3)]) == Put(new=1, known=1)
    assert [await handle(inbox) for _ in range(3)] == [1, 2, 3]
    assert await inbox.put([update(1)]) == Put(new=0, known=1)
    assert await nothing_to_claim(inbox)


async def test_what_was_parsed_on_its_way_in_is_not_parsed_again(sqlite_inbox: SqliteInbox) -> None:
    said = read_body(b'{"update_id": 7, "poll": {"id": "1"}}')
    await sqlite_inbox.put([said])
    job = await sqlite_inbox.claim()
    await sqlite_inbox.record(job, Progress(tries=1))
    await sqlite_inbox.release(job)
    again = await sqlite_inbox.claim()
    assert job.value is said.value
    assert again.value is said.value
    assert again.progress == Progress(tries=1)


async def test_a_lane_in_order_and_lanes_beside_each_other(open_inbox: OpenInbox) -> None:
    inbox = await open_inbox()
    await inbox.put([update(1, 7), update(2, 7), update(3, 8)])
    first, second = await inbox.claim(), await inbox.claim()
    assert sorted([first.update_id, second.update_id]) == [1, 3]
    assert await nothing_to_claim(inbox)  # 2 waits for 1
    one = first if first.update_id == 1 else second
    await inbox.finish(one, "answered")
    await inbox.release(one)
    assert (await asyncio.wait_for(inbox.claim(), 60)).update_id == 2


async def test_what_comes_while_its_lane_is_busy_is_not_forgotten(open_inbox: OpenInbox) -> None:
    inbox = await open_inbox()
    await inbox.put([update(1)])
    job = await inbox.claim()
    await inbox.put([update(2)])
    await inbox.finish(job, "answered")
    await inbox.put([update(3)])
    await inbox.release(job)
    assert [await handle(inbox) for _ in range(2)] == [2, 3]


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_what_comes_while_it_opens_is_behind_what_waits(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The listener is there before the inbox: Telegram brings updates right after a kill."""
    url = request.getfixturevalue("redis_url") if kind == "redis" else None

    def one() -> Inbox:
        return RedisInbox(url, 1) if url else SqliteInbox(str(tmp_path / "i.db"), 1)

    before = one()
    await before.open()
    await before.put([update(1), update(2)])
    await before.close()
    inbox = one()
    with pytest.raises(InboxUnavailableError):
        await inbox.put([update(3)])
    opening = asyncio.create_task(inbox.open())
    coming = 3
    while not opening.done():
        await asyncio.sleep(0)  # every moment of the opening
        try:
            await inbox.put([update(coming)])
        except InboxUnavailableError:
            continue
        coming += 1
    await opening
    await inbox.put([update(coming)])
    assert [await handle(inbox) for _ in range(coming)] == list(range(1, coming + 1))
    assert await nothing_to_claim(inbox)
    await inbox.close()


async def test_an_update_given_back_comes_again_after_its_delay(open_inbox: OpenInbox) -> None:
    inbox = await open_inbox()
    await inbox.put([update(1), update(2)])
    job = await inbox.claim()
    await inbox.record(job, Progress(parts=("a", "b"), sent=1, tries=1))
    await inbox.release(job, 0.2)
    again = await asyncio.wait_for(inbox.claim(), 60)
    assert (again.update_id, again.progress) == (1, Progress(parts=("a", "b"), sent=1, tries=1))
    await inbox.release(again, 3600)
    assert await nothing_to_claim(inbox)


async def test_done_is_done(open_inbox: OpenInbox) -> None:
    inbox = await open_inbox()
    await inbox.put([update(1)])
    assert not await inbox.is_done(1)
    assert not await inbox.is_done(2)
    await handle(inbox)
    assert await inbox.is_done(1)


async def test_once_is_for_the_first_that_asks_and_for_it_again(open_inbox: OpenInbox) -> None:
    inbox = await open_inbox()
    assert await inbox.once("refused:5", 10, 3600)
    assert not await inbox.once("refused:5", 11, 3600)
    assert await inbox.once("refused:5", 10, 3600)  # handled again after a crash
    assert await inbox.once("refused:6", 11, 3600)


async def test_once_is_for_the_next_when_its_time_has_passed(open_inbox: OpenInbox) -> None:
    inbox = await open_inbox()
    assert await inbox.once("refused:5", 10, 0.1)
    async with asyncio.timeout(60):
        # nothing tells when the time has passed
        while not await inbox.once("refused:5", 12, 0.1):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_any_payload_comes_out_as_it_went_in(open_inbox: OpenInbox) -> None:
    inbox = await open_inbox()
    payload = '{"text":"₿ \\ud800 \u202e"}'.encode() + bytes(range(256))
    await inbox.put([update(1, -100123456789012, payload)])
    job = await inbox.claim()
    assert (job.payload, job.lane) == (payload, -100123456789012)


# SQLite


async def test_sqlite_starts_where_the_last_process_ended(tmp_path: Path) -> None:
    path = str(tmp_path / "i.db")
    first = SqliteInbox(path, 1)
    await first.open()
    await first.put([update(1, 7), update(2, 7), update(3, 8)])
    job = await first.claim()
    await first.record(job, Progress(ack=77))
    await first.close()
    second = SqliteInbox(path, 1)
    await second.open()
    again = await second.claim()
    assert (again.update_id, again.progress.ack) == (1, 77)
    await second.finish(again, "answered")
    await second.release(again)
    assert second.backlog()[0] == 2
    assert await second.put([update(1)]) == Put(new=0, known=1)
    await second.close()


@pytest.mark.parametrize("jump", [-7200.0, 7200.0, 3 * 86400.0])
async def test_sqlite_measures_waiting_past_a_jump_of_the_clock(
    tmp_path: Path, jump: float
) -> None:
    """What is told of answers' times does not go down, nor up by hours, when the clock is set."""
    clock = Clock()
    inbox = SqliteInbox(str(tmp_path / "i.db"), 1, clock=clock)
    await inbox.open()
    began = time.monotonic()
    await inbox.put([update(1)])
    clock.now += jump
    job = await inbox.claim()
    assert began <= job.since <= time.monotonic()
    assert 0 <= inbox.backlog()[1] <= time.monotonic() - began
    assert 0 <= inbox.oldest_ready() <= time.monotonic() - began
    await inbox.close()


async def test_sqlite_waits_for_the_process_that_has_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "i.db")
    first, second = SqliteInbox(path, 1), SqliteInbox(path, 1)
    await first.open()
    with pytest.raises(InboxUnavailableError, match="in use by another process"):
        await second.open()
    await first.close()
    await second.open()
    await second.close()


async def test_sqlite_keeps_bots_apart(tmp_path: Path) -> None:
    path = str(tmp_path / "i.db")
    first = SqliteInbox(path, 1)
    await first.open()
    await first.put([update(1)])
    await first.close()
    other = SqliteInbox(path, 2)
    await other.open()
    assert await other.put([update(1)]) == Put(new=1, known=0)
    assert other.backlog()[0] == 1
    await other.close()


async def test_sqlite_fsyncs_puts_together(sqlite_inbox: SqliteInbox) -> None:
    """Many doors at once share transactions: all are in, each told the truth about its own."""
    puts = [sqlite_inbox.put([update(n // 2, n // 2)]) for n in range(400)]
    results = await asyncio.gather(*puts)
    assert sum(put.new for put in results) == 200
    assert sum(put.known for put in results) == 200


async def test_sqlite_refuses_when_the_disk_is_full_and_recovers(tmp_path: Path) -> None:
    path = tmp_path / "i.db"
    inbox = SqliteInbox(str(path), 1)
    await inbox.open()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
        large = [inbox.put([update(number, number, b"x" * 16384)]) for number in range(100)]
        results = await asyncio.gather(*large, return_exceptions=True)
        assert any(isinstance(result, InboxUnavailableError) for result in results)
        with pytest.raises(InboxUnavailableError):
            await inbox.put([update(500, 500, b"x" * 524288)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await inbox.probe()
    assert await inbox.put([update(500, 500)]) == Put(new=1, known=0)
    await inbox.close()
    with sqlite3.connect(path) as connection:
        [[rows]] = connection.execute("SELECT count(*) FROM updates").fetchall()
        [[check]] = connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    reopened = SqliteInbox(str(path), 1)
    await reopened.open()
    assert check == "ok"
    assert reopened.backlog()[0] == rows
    await reopened.close()


async def test_sqlite_forgets_what_is_done_after_a_day_and_nothing_else(tmp_path: Path) -> None:
    clock = Clock()
    inbox = SqliteInbox(str(tmp_path / "i.db"), 1, clock=clock)
    await inbox.open()
    await inbox.put([update(1, 1), update(2, 2)])
    await handle(inbox)
    clock.now += 24 * 3600 - 10
    assert await inbox.put([update(1)]) == Put(new=0, known=1)
    clock.now += 1200
    await inbox.probe()  # prunes, after what waits
    while (await inbox.put([update(1)])).known:  # noqa: ASYNC110 - only the inbox can be asked
        await asyncio.sleep(0)
    assert (await inbox.put([update(1), update(2)])) == Put(new=0, known=2)
    await inbox.close()


async def test_sqlite_a_put_whose_caller_has_gone_is_still_handled(
    sqlite_inbox: SqliteInbox,
) -> None:
    task = asyncio.create_task(sqlite_inbox.put([update(1)]))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await asyncio.wait_for(sqlite_inbox.claim(), 60)).update_id == 1


async def test_sqlite_tells_how_long_a_free_lane_has_waited(tmp_path: Path) -> None:
    clock = Clock()
    inbox = SqliteInbox(str(tmp_path / "i.db"), 1, monotonic=clock)
    await inbox.open()
    assert (inbox.backlog(), inbox.oldest_ready()) == ((0, 0.0), 0.0)
    await inbox.put([update(1)])
    clock.now += 12
    assert (inbox.backlog(), inbox.oldest_ready()) == ((1, 12.0), 12.0)
    await inbox.claim()
    assert inbox.oldest_ready() == 0.0
    await inbox.close()


# Redis


async def redis_pair(url: str) -> tuple[RedisInbox, RedisInbox, Clock, Clock]:
    clocks = Clock(), Clock()
    inboxes = RedisInbox(url, 1, clock=clocks[0]), RedisInbox(url, 1, clock=clocks[1])
    for inbox in inboxes:
        await inbox.open()
    return *inboxes, *clocks


async def test_redis_gives_each_update_to_one_replica(redis_url: str) -> None:
    one, two, *_ = await redis_pair(redis_url)
    await asyncio.gather(
        *(inbox.put([update(n, n % 9) for n in range(90)]) for inbox in (one, two))
    )
    seen: list[int] = []

    async def work(inbox: RedisInbox) -> None:
        while len(seen) < 90:
            seen.append(await handle(inbox))

    tasks = [asyncio.create_task(work(inbox)) for inbox in (one, one, two, two)]
    while len(seen) < 90:
        await asyncio.wait(tasks, timeout=0.05)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sorted(seen) == list(range(90))
    for lane in range(9):
        mine = [n for n in seen if n % 9 == lane]
        assert mine == sorted(mine)
    await one.close()
    await two.close()


async def test_redis_wakes_a_replica_that_waits(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # it does not look by itself while the test lasts
    monkeypatch.setattr(redis_inbox, "_IDLE_SECONDS", 100.0)
    monkeypatch.setattr(redis_inbox, "_SOCKET_SECONDS", 110.0)
    one, two, *_ = await redis_pair(redis_url)
    waiting = asyncio.create_task(two.claim())
    async with asyncio.timeout(60):
        # Redis does not tell when somebody begins to wait
        while not (await one._redis.info("clients"))["blocked_clients"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await one.put([update(1)])
    assert (await asyncio.wait_for(waiting, 60)).update_id == 1
    await one.close()
    await two.close()


async def test_redis_leases_no_lane_to_a_claim_that_was_cancelled(redis_url: str) -> None:
    one, two, *_ = await redis_pair(redis_url)
    await one.put([update(1)])
    await one.release(await one.claim())  # its scripts are known from here on
    for steps in range(6):
        claim = asyncio.create_task(one.claim())
        for _ in range(steps):
            await two._redis.ping()  # each answer of Redis is one more step of the claim
        claim.cancel()
        await asyncio.gather(claim, return_exceptions=True)
        if not claim.cancelled():
            await one.release(claim.result())
        assert await two._redis.zcard(f"{two._prefix}leases") == 0
    assert (await asyncio.wait_for(two.claim(), 60)).update_id == 1
    await one.close()
    await two.close()


async def silence(inbox: RedisInbox) -> None:
    """From now on ``inbox`` renews nothing, as if its process hung."""
    assert inbox._renewing is not None
    inbox._renewing.cancel()
    await asyncio.gather(inbox._renewing, return_exceptions=True)


async def take_over(one: RedisInbox, two: RedisInbox, clock: Clock) -> tuple[Job, Job]:
    """``one`` claims and goes silent; ``two`` gets the update when the lease has run out."""
    await one.put([update(1)])
    mine = await one.claim()
    await silence(one)
    assert await nothing_to_claim(two)
    clock.now += LEASE_SECONDS + 1  # two has been well for long enough
    return mine, await asyncio.wait_for(two.claim(), 60)


async def test_redis_takes_over_from_a_replica_that_went_silent(redis_url: str) -> None:
    one, two, mine_clock, clock = await redis_pair(redis_url)
    mine, theirs = await take_over(one, two, clock)
    assert theirs.update_id == mine.update_id
    assert theirs.fence > mine.fence
    mine_clock.now += LEASE_SECONDS
    assert not one.holds(mine)
    assert two.holds(theirs)
    for late in (
        one.record(mine, Progress(sent=1)),
        one.finish(mine, "answered"),
        one.release(mine),
    ):
        with pytest.raises(LeaseLostError):
            await late
    await two.finish(theirs, "answered")
    await two.release(theirs)
    assert await two.is_done(1)
    await one.close()
    await two.close()


async def test_redis_need_not_tell_how_long_it_has_been_up(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it may have been started just now: nothing is taken over for one lease time."""
    clock = Clock()
    inbox = RedisInbox(redis_url, 1, clock=clock)

    async def nothing(*_: Any) -> dict[str, Any]:
        return {}

    monkeypatch.setattr(inbox._redis, "info", nothing)
    await inbox.open()
    assert not inbox._settled()
    clock.now += LEASE_SECONDS + 1
    assert inbox._settled()
    assert await inbox.put([update(1)]) == Put(new=1, known=0)
    assert await handle(inbox) == 1
    await inbox.close()


async def test_redis_takes_nothing_over_right_after_its_own_restart(redis_server: Any) -> None:
    one, two, _, clock = await redis_pair(redis_server.url)
    await one.put([update(1)])
    job = await one.claim()
    await silence(one)
    redis_server.kill()
    await asyncio.sleep(LEASE_SECONDS)  # the lease runs out by Redis' own clock
    redis_server.start()
    assert await nothing_to_claim(two)
    await one.record(job, Progress(sent=1))  # its owner is well and still has it
    await two._learn_uptime()
    clock.now += LEASE_SECONDS + 1
    assert (await asyncio.wait_for(two.claim(), 60)).update_id == 1
    await one.close()
    await two.close()


@pytest.mark.slow
async def test_redis_keeps_a_lease_for_as_long_as_it_is_renewed(redis_url: str) -> None:
    one, two, _, clock = await redis_pair(redis_url)
    await one.put([update(1)])
    job = await one.claim()
    clock.now += LEASE_SECONDS + 1
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(two.claim(), LEASE_SECONDS + 1.5)
    assert one.holds(job)
    await one.close()
    await two.close()


async def test_redis_survives_its_own_kill_and_comes_back(redis_server: Any) -> None:
    inbox = RedisInbox(redis_server.url, 1, clock=Clock())  # no lease runs out during the restart
    await inbox.open()
    await inbox.put([update(1, 1), update(2, 2)])
    job = await inbox.claim()
    redis_server.kill()
    with pytest.raises(InboxUnavailableError):
        await inbox.put([update(3, 3)])
    with pytest.raises(InboxUnavailableError):
        await inbox.probe()
    redis_server.start()
    await inbox.probe()
    await inbox.finish(job, "answered")
    await inbox.release(job)
    assert await inbox.put([update(1), update(2), update(3, 3)]) == Put(new=1, known=2)
    assert sorted([await handle(inbox), await handle(inbox)]) == [2, 3]
    await inbox.close()
