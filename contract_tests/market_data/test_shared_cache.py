"""Replicas that share one cache in a real Redis: which may die, hang, refuse, and hold garbage."""

import asyncio
import logging
import math
import signal
import socket
import struct
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from redis import Redis as BlockingRedis
from redis.asyncio import Redis

from reference_bot.api import Missing, TopSymbols
from reference_bot.market_data import analytics, redis_store, service, shared
from reference_bot.market_data.answers import LastAnswers, encode
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.keeping import Entry, Field
from reference_bot.market_data.metrics import Metrics
from reference_bot.market_data.parts import Part
from reference_bot.market_data.redis_store import RedisStore
from reference_bot.market_data.service import Answer
from reference_bot.market_data.venues import binance

pytestmark = pytest.mark.anyio

PRICE: Field[float] = Field("price", 60.0, shape=float)
SOFT: Field[float] = Field("soft", 30.0, stale=60.0, shape=float)
KEY = ("binance", "spot", "BTCUSDT")


class Replica(Cache):
    """A cache of its own, with a way into the shared one."""

    def __init__(
        self,
        url: str,
        realm: str = "here",
        clock: Callable[[], float] = time.monotonic,
        limit: float = 5.0,  # a busy machine is not what is tested
    ) -> None:
        self.metrics = Metrics()
        self.registry: CollectorRegistry = self.metrics.registry
        super().__init__(clock=clock)
        self.store: RedisStore = RedisStore(
            url, realm=[realm], metrics=self.metrics, clock=self.now, limit=limit, retry_after=0.05
        )

    def outcomes(self, name: str) -> float:
        return (
            self.registry.get_sample_value("market_data_shared_cache_total", {"outcome": name})
            or 0.0
        )

    async def written(self) -> None:
        """Until what was put is in Redis."""
        if self.store._writer is not None:
            await self.store._writer

    async def back(self) -> None:
        """Until Redis, which was away, has answered again."""
        assert self.store._probing is not None
        await self.store._probing


class Venue:
    """Prices, a new one each time; closed, it keeps its askers waiting."""

    def __init__(self) -> None:
        self.calls = 0
        self.open = asyncio.Event()
        self.open.set()
        self.asked = asyncio.Event()
        self.failure: Exception | None = None

    async def __call__(self) -> float:
        self.calls += 1
        price = 100.0 + self.calls
        self.asked.set()
        await self.open.wait()
        if self.failure is not None:
            raise self.failure
        return price


@pytest.fixture
async def replica(redis_url: str) -> AsyncIterator[Callable[..., Replica]]:
    """Open a replica, by default on the Redis of this test."""
    async with AsyncExitStack() as stack:

        def made(url: str = redis_url, **how: Any) -> Replica:
            opened = Replica(url, **how)
            stack.push_async_callback(opened.close)
            return opened

        yield made


@pytest.fixture
async def raw(redis_url: str) -> AsyncIterator[Any]:
    """Redis as anybody else would use it."""
    async with Redis.from_url(redis_url) as redis:
        yield redis


# -- sharing -----------------------------------------------------------------------------------


async def test_what_one_fetched_the_other_reads_and_knows_its_age(replica):
    ahead = [0.0]
    one, two = replica(), replica(clock=lambda: 5000.0 + ahead[0])
    venue = Venue()
    first = await one.get(PRICE, KEY, venue)
    await one.written()
    await asyncio.sleep(0.06)  # it grows older; Redis counts in milliseconds
    second = await two.get(PRICE, KEY, venue)
    assert (first.value, second.value, venue.calls) == (101.0, 101.0, 1)
    assert 0.05 <= two.now() - second.stored < 50
    assert 10 < second.expires - two.now() < 60
    assert two.outcomes("hit") == 1


async def test_every_type_of_entry_crosses_unharmed(replica, open_stack):
    async with open_stack(EXCHANGES="binance,okx") as stack:
        await stack.ask("/combined_price", symbol="SHIB")
        await stack.ask("/combined_price", symbol="BTC", exchange="okx")
        await stack.ask("/volume_scan")
        kept = dict(stack.api.cache._entries)
    modules = [service, analytics, binance]
    fields = {f.name: f for m in modules for f in vars(m).values() if isinstance(f, Field)}
    one, two = replica(), replica()
    seen = set()
    for (name, *key), entry in kept.items():
        field = fields.get(name)
        if field is None:
            continue
        seen.add(name)
        now = one.now()  # its own time may be over on a busy machine
        one.store.put(field, tuple(key), replace(entry, expires=now + 60, until=now + 60))
        await one.written()
        found = await two.store.take(field, tuple(key), least=0.0)
        assert found.entry is not None
        assert found.entry.value == entry.value
    assert seen == {name for name, field in fields.items() if field.shape is not None}


async def test_replicas_that_ask_at_once_make_one_fetch(replica, monkeypatch):
    monkeypatch.setattr(shared, "_PATIENCE", 100.0)
    monkeypatch.setattr(redis_store, "_TURN_SECONDS", 100.0)
    replicas = [replica() for _ in range(4)]
    venue = Venue()
    venue.open.clear()
    askers = [asyncio.create_task(one.get(PRICE, KEY, venue)) for one in replicas for _ in range(5)]
    async with asyncio.timeout(60):
        # until all have looked: nothing else tells
        while not all(one.outcomes("miss") for one in replicas):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    venue.open.set()
    assert {entry.value for entry in await asyncio.gather(*askers)} == {101.0}
    assert venue.calls == 1


async def test_a_failed_fetch_gives_the_turn_back(replica):
    one, two = replica(), replica()
    broken, venue = Venue(), Venue()
    broken.failure = ValueError("no")
    with pytest.raises(ValueError, match="no"):
        await one.get(PRICE, KEY, broken)
    await one.written()
    assert (await two.store.take(PRICE, KEY, least=0.0)).turn == "mine"
    two.store.give_back(PRICE, KEY)
    await two.written()
    assert (await two.get(PRICE, KEY, venue)).value == 101.0


async def test_a_replica_that_was_killed_in_its_turn_holds_nobody_up(replica, monkeypatch):
    monkeypatch.setattr(redis_store, "_TURN_SECONDS", 100.0)
    killed, alive = replica(), replica()
    assert (await killed.store.take(PRICE, KEY, least=0.0)).turn == "mine"
    assert (await asyncio.wait_for(alive.get(PRICE, KEY, Venue()), 60)).value == 101.0


async def test_the_impatient_take_what_comes_first(replica):
    slow, quick = replica(), replica()
    theirs, own = Venue(), Venue()
    theirs.open.clear()
    own.open.clear()
    leader = asyncio.create_task(slow.get(PRICE, KEY, theirs))
    await asyncio.wait_for(theirs.asked.wait(), 60)
    follower = asyncio.create_task(quick.get(PRICE, KEY, own))
    await asyncio.wait_for(own.asked.wait(), 60)  # its patience is at an end
    theirs.open.set()
    assert (await asyncio.wait_for(follower, 60)).value == 101.0
    assert (await leader).value == 101.0
    assert own.calls == 1


async def test_a_stale_entry_is_given_and_fetched_anew_by_one(replica):
    one, two, three = replica(), replica(), replica()
    venue = Venue()
    now = one.now()
    one.store.put(SOFT, KEY, Entry(await venue(), stored=now - 31, expires=now - 1, until=now + 59))
    await one.written()
    given = await asyncio.gather(*(each.get(SOFT, KEY, venue) for each in (two, three)))
    assert [(entry.value, entry.stale) for entry in given] == [(101.0, True)] * 2
    for each in (two, three):
        await asyncio.gather(*each._flights.values())
    assert venue.calls == 2
    fresh = [each._entries["soft", *KEY].value for each in (two, three)]
    assert fresh == [102.0, 102.0]


async def test_the_last_good_answer_outlives_the_process_that_made_it(replica):
    one, two = replica(), replica()
    nothing = TopSymbols("spot", "binance", 0, ())
    made = encode(Answer(nothing, 2.0, (), (Part("tickers", "binance", -7.0),)), 0.0, 0.0)
    LastAnswers(one).keep(("/top_symbols", "{}"), made)
    await one.written()
    found = await LastAnswers(two).find(("/top_symbols", "{}"))
    assert found is not None
    assert found[0] == made
    assert found[1] < 5
    assert await LastAnswers(two).find(("/price", "{}")) is None


async def test_an_answer_with_a_gap_hides_no_whole_one_of_another_replica(replica):
    one, two = replica(), replica()
    nothing = TopSymbols("spot", "binance", 0, ())
    gap = Missing("tickers", "binance", "timeout", "late")
    whole = encode(Answer(nothing, 2.0, (), ()), 0.0, 0.0)
    gappy = encode(Answer(nothing, 2.0, (gap,), ()), 0.0, 0.0)
    assert (whole.whole, gappy.whole) == (True, False)
    LastAnswers(one).keep(("k",), whole)
    await one.written()
    last = LastAnswers(two)
    last.keep(("k",), gappy)
    last.keep(("only here",), gappy)
    await two.written()
    for each in (last, LastAnswers(one)):
        found = await each.find(("k",))
        assert found is not None
        assert found[0] == whole
    found = await last.find(("only here",))
    assert found is not None
    assert found[0] == gappy
    assert await LastAnswers(one).find(("only here",)) is None


# -- what else may be in there -------------------------------------------------------------------


async def test_another_shape_is_another_key(replica, raw):
    old: Field[str] = Field("price", 60.0, shape=str)

    async def told() -> str:
        return "a hundred"

    one, two = replica(), replica()
    await one.get(old, KEY, told)
    await one.written()
    assert (await two.get(PRICE, KEY, Venue())).value == 101.0
    await two.written()
    assert len(await raw.keys("*price*")) == 2
    assert two.outcomes("unreadable") == 0


async def test_another_realm_is_another_key(replica):
    one, two = replica(realm="https://api.binance.com"), replica(realm="http://127.0.0.1:9")
    venue = Venue()
    await one.get(PRICE, KEY, venue)
    await one.written()
    assert (await two.get(PRICE, KEY, venue)).value == 102.0


async def _hash(raw: Any, key: bytes) -> None:
    await raw.delete(key)
    await raw.hset(key, "a", 1)


def packed(*record: Any) -> bytes:
    """A record as a replica would write it, whatever is in it."""
    return redis_store.sealed(msgspec.msgpack.encode(record))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw, key: raw.set(key, b"\xff\x00 not msgpack", px=60_000),
        lambda raw, key: raw.set(key, b"", px=60_000),
        lambda raw, key: raw.set(key, packed("x", 0, 1, 2, "text"), px=60_000),
        lambda raw, key: raw.set(key, packed(key.decode(), 0, 60, 60, "text"), px=60_000),
        lambda raw, key: raw.set(key, packed("another key", 0.0, 60.0, 60.0, 5.0), px=60_000),
        lambda raw, key: raw.set(key, packed(key.decode(), 0.0, 60.0, 60.0, 5.0)),
        lambda raw, key: raw.set(
            key, msgspec.msgpack.encode([key.decode(), 0.0, 60.0, 60.0, 5.0]), px=60_000
        ),
        _hash,
    ],
    ids=[
        "bytes",
        "empty",
        "other types",
        "other value",
        "other key",
        "no expiry",
        "no checksum",
        "other kind",
    ],
)
async def test_garbage_is_not_given_and_is_replaced(replica, raw, spoil):
    one, two, three = replica(), replica(), replica()
    await one.get(PRICE, KEY, Venue())
    await one.written()
    [key] = await raw.keys("*")
    await spoil(raw, key)
    venue = Venue()
    venue.calls = 50
    assert (await two.get(PRICE, KEY, venue)).value == 151.0
    await two.written()
    assert two.store.up
    assert (await three.get(PRICE, KEY, venue)).value == 151.0
    assert venue.calls == 51


async def test_garbage_under_one_key_costs_the_others_nothing(replica, raw):
    one, two = replica(), replica()
    for name in ("good", "bad"):
        await one.get(PRICE, (name,), Venue())
        await one.written()
    [bad] = await raw.keys("*bad")
    await _hash(raw, bad)
    venue = Venue()
    await asyncio.gather(*(two.get(PRICE, (name,), venue) for name in ("bad", "good")))
    assert venue.calls == 1
    assert two.outcomes("hit") == 1


@pytest.mark.parametrize("number", [math.nan, math.inf, -1.0, 0.0, 1e308])
async def test_damaged_figures_cost_no_answer_and_are_told_to_nobody(
    open_stack, redis_url, raw, number, monkeypatch
):
    """Bytes that were changed in Redis are mostly numbers that look like any other."""
    # On a busy machine a call may take longer than it may in production.
    monkeypatch.setattr(redis_store, "RedisStore", partial(RedisStore, limit=5.0))
    asked = {"/combined_price": {"symbol": "BTC"}, "/top_symbols": {"market": "spot"}}
    async with open_stack(REDIS_URL=redis_url, EXCHANGES="binance") as stack:
        right = {path: (await stack.ask(path, **body)).json() for path, body in asked.items()}
        await stack.api.cache.store._writer
        damaged = 0
        for key in await raw.keys("*"):
            kept = bytearray(await raw.get(key) or b"")
            at = kept.find(b"\xcb", len(key) + 30)  # a float, behind the record's times
            while at != -1:
                kept[at + 1 : at + 9] = struct.pack(">d", number)
                damaged += 1
                at = kept.find(b"\xcb", at + 9)
            await raw.set(key, bytes(kept), keepttl=True)
        assert damaged > 50
        stack.api.cache._entries.clear()
        for path, body in asked.items():
            answer = await stack.ask(path, **body)
            assert answer.status_code == 200, answer.text
            assert figures(answer.json()) == figures(right[path])


def figures(answer: dict[str, Any]) -> Any:
    """What an answer says, but for how old it is."""
    return {name: part for name, part in answer["data"].items() if name not in {"age", "stale"}}


@pytest.mark.parametrize(
    "spoilt",
    [
        {"head": b'{"success":true,"data":{"a":1'[:-4]},
        {"head": b"\xff\x00"},
        {"head": b""},
        {"head": b'{"success":true,"data":[1'},
        {"head": b'{"success":true,"data":{"a":1}}'},
        {"head": b'{"success":true,"data":{"missing":5'},
        {"head": b'{"success":true,"data":{"missing":{}'},
        {"missing": 5},
        {"missing": [5]},
        {"age": float("nan")},
        {"age": float("inf")},
    ],
    ids=str,
)
async def test_a_last_answer_that_nobody_can_send_is_not_found(replica, spoilt):
    one, two = replica(), replica()
    nothing = TopSymbols("spot", "binance", 0, ())
    good = encode(Answer(nothing, 2.0, (), (Part("tickers", "binance", -7.0),)), 0.0, 0.0)
    key = ("/top_symbols", "{}")
    gap = Missing("tickers", "binance", "timeout", "late")
    assert msgspec.json.decode(good.last_good_after(1.0, [gap]))["data"]["stale"]
    LastAnswers(one).keep(key, msgspec.structs.replace(good, **spoilt))
    await one.written()
    found = await LastAnswers(two).find(key)
    assert found is None or msgspec.json.decode(found[0].last_good_after(found[1], [gap]))
    assert found is None
    LastAnswers(one).keep(key, good)
    await one.written()
    assert await LastAnswers(two).find(key) is not None


# -- a Redis that fails --------------------------------------------------------------------------


def said(caplog) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name.endswith("redis_store")]


@pytest.mark.parametrize("how", ["killed", "stopped"])
async def test_redis_dies_and_comes_back(redis_server, replica, caplog, how):
    caplog.set_level(logging.INFO)
    one, two = (replica(redis_server.url) for _ in range(2))
    await one.get(PRICE, ("before",), Venue())
    await one.written()
    usual, one.store._limit = one.store._limit, 0.3  # while no answer comes anyway
    if how == "killed":
        redis_server.kill()
    else:
        redis_server.process.send_signal(signal.SIGSTOP)
    for n in range(20):
        assert (await asyncio.wait_for(one.get(PRICE, (str(n),), Venue()), 60)).value == 101.0
    assert not one.store.up
    assert not await one.store.reachable()
    assert said(caplog) == ["the shared cache is unreachable"], "once, not at every request"
    assert one.outcomes("failed") <= 2, "a dead Redis is not asked at every request"
    one.store._limit = usual
    if how == "killed":
        redis_server.start()
    else:
        redis_server.process.send_signal(signal.SIGCONT)
    await asyncio.wait_for(one.back(), 60)
    assert said(caplog)[1:] == ["the shared cache is reachable again"]
    venue = Venue()
    await one.get(PRICE, ("after",), venue)
    await one.written()
    assert (await two.get(PRICE, ("after",), venue)).value == 101.0
    assert venue.calls == 1


async def test_a_redis_that_never_answers_is_left_alone(replica):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        one = replica(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", limit=0.1)
        for n in range(20):
            assert (await asyncio.wait_for(one.get(PRICE, (str(n),), Venue()), 60)).value == 101.0
        assert not one.store.up


async def test_a_redis_that_refuses_to_write_costs_the_sharing_only(replica, raw, caplog):
    one, two = replica(), replica()
    await raw.config_set("maxmemory", 1)
    venue = Venue()
    for n in range(5):
        await one.get(PRICE, (str(n),), venue)
        await one.written()
    assert (await two.get(PRICE, ("0",), venue)).value == 106.0
    assert one.store.up
    assert one.outcomes("refused") >= 5
    assert said(caplog).count("the shared cache refuses") == 2, "once a replica"


@pytest.mark.parametrize("password", ["sEcr3t-pass", "p%40ss%2Fw0rd"])
async def test_secrets_stay_out_of_the_log(replica, raw, redis_url, caplog, password):
    caplog.set_level(logging.DEBUG)
    await raw.config_set("requirepass", "another one")
    one = replica(redis_url.replace("://", f"://someone:{password}@"))
    assert (await one.get(PRICE, KEY, Venue())).value == 101.0
    assert not one.store.up
    [record] = [r for r in caplog.records if r.name.endswith("redis_store")]
    assert "Authentication" in record.fields["error"]
    everything = f"{caplog.text}{[vars(each) for each in caplog.records]}"
    for secret in (password, "p@ss/w0rd"):
        assert secret not in everything


async def test_secrets_in_an_error_are_blotted_out(replica):
    one = replica("redis://someone:p%40ss@nowhere/0?password=q-pass")
    error = OSError("redis://someone:p%40ss@nowhere/0?password=q-pass p@ss someone:p%40ss")
    assert "ss" not in one.store._said(error).removeprefix("OSError")
    assert "nowhere" not in one.store._said(ValueError("no")), "only what the error says"


async def test_closing_ends_what_runs_with_redis_dead_or_alive(redis_server):
    for kill in (False, True):
        one = Replica(redis_server.url)
        venue = Venue()
        venue.open.clear()
        asker = asyncio.create_task(one.get(PRICE, KEY, venue))
        await asyncio.wait_for(venue.asked.wait(), 60)
        if kill:
            redis_server.kill()
        await asyncio.wait_for(one.close(), 60)
        with pytest.raises(asyncio.CancelledError):
            await asker
        assert not one._flights
        assert not one.store._calls


# -- whole services ------------------------------------------------------------------------------


@pytest.fixture(params=["process", pytest.param("container", marks=pytest.mark.docker)])
def any_redis(request: pytest.FixtureRequest) -> Any:
    name = "redis_server" if request.param == "process" else "redis_container"
    return request.getfixturevalue(name)


def _calls(double_url: str) -> list[str]:
    answer = httpx.get(
        f"{double_url}/_double/transcript?after=0&timeout=0", trust_env=False, timeout=800
    )
    events = answer.json()["result"]["events"]
    return [event["path"] for event in events if event["type"] == "venue_call"]


def _until_ready(client: httpx.Client, status: int) -> dict[str, Any]:
    """Ask until it says so: nothing else tells what a service has noticed."""
    tick = threading.Event()
    for _ in range(3000):
        answer = client.get("/ready")
        if answer.status_code == status:
            found: dict[str, Any] = answer.json()
            return found
        tick.wait(0.02)
    raise AssertionError(f"/ready never said {status}: {answer.text}")


def _until_kept(url: str, symbol: str) -> None:
    """Wait until something about a symbol is in Redis, if it was not too busy for that."""
    tick = threading.Event()
    with BlockingRedis.from_url(url) as redis:
        for _ in range(100):
            if redis.keys(f"*{symbol}*"):
                return
            tick.wait(0.02)


def test_two_services_share_and_survive_their_redis(any_redis, service, listening, double_url):
    url = any_redis.url
    with (
        service(REDIS_URL=url) as first,
        service(REDIS_URL=url) as second,
        httpx.Client(base_url=listening(first), trust_env=False, timeout=100) as one,
        httpx.Client(base_url=listening(second), trust_env=False, timeout=100) as two,
    ):
        for client in (one, two):
            assert _until_ready(client, 200)["data"]["cache"] == "redis"
        symbols = ("BTC", "ETH", "SOL", "XRP", "BNB")
        for symbol in symbols:
            for client in (one, two):
                _until_ready(
                    client, 200
                )  # whoever had no answer in time leaves Redis alone a while
            told = one.post("/volume_spike", json={"symbol": symbol}).json()["data"]
            _until_kept(url, symbol)
            again = two.post("/volume_spike", json={"symbol": symbol}).json()["data"]
            assert again["bar"] == told["bar"]
        # on a busy machine a call to Redis may take too long; five of them do not
        assert _calls(double_url).count("/futures/fapi/v1/klines") < 2 * len(symbols)

        any_redis.kill()
        assert two.post("/price", json={"symbol": "ETH"}).status_code == 200
        answer = _until_ready(two, 503)
        assert answer["error"]["code"] == "not_ready"
        assert "REDIS_URL" in answer["error"]["message"]
        assert two.get("/health").status_code == 200
        assert 'market_data_shared_cache_up{kind="redis"} 0.0' in two.get("/metrics").text

        any_redis.start()
        assert _until_ready(two, 200)["data"]["cache"] == "redis"
        assert 'market_data_shared_cache_up{kind="redis"} 1.0' in two.get("/metrics").text
        one.post("/price", json={"symbol": "SOL"})
        for running in (first, second):
            running.terminate()
            assert running.wait(60) == 0
            assert "Traceback" not in running.stderr.read()
