"""One fetch for many askers, lifetimes, and what a cancelled asker leaves behind."""

import asyncio
from typing import Any

import pytest

from reference_bot.market_data.breaker import Breaker
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.keeping import Field
from reference_bot.market_data.waiting import Late, gather_until, together

pytestmark = pytest.mark.anyio


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_a_hundred_askers_make_the_calls_of_one(stack):
    before = len(stack.calls())
    await stack.ask("/combined_price", symbol="ETH")
    one = len(stack.calls()) - before
    before = len(stack.calls())
    answers = await asyncio.gather(
        *(stack.ask("/combined_price", symbol="SOL") for _ in range(100))
    )
    assert len(stack.calls()) - before == one
    assert len({answer.content for answer in answers}) == 1


async def test_spellings_share_what_is_fetched(stack):
    await stack.ask("/price", symbol="btc", market="spot")
    before = len(stack.calls())
    await stack.ask("/price", symbol="BTC/USDT", market="spot")
    assert len(stack.calls()) == before


async def test_a_value_lives_as_long_as_its_field_says():
    clock, made = Clock(), []
    cache = Cache(clock=clock)
    field: Field[Any] = Field("n", 2.0)

    async def make() -> int:
        made.append(1)
        return len(made)

    assert (await cache.get(field, ("k",), make)).value == 1
    clock.now += 1.9
    assert (await cache.get(field, ("k",), make)).value == 1
    clock.now += 0.2
    assert (await cache.get(field, ("k",), make)).value == 2
    assert (await cache.get(field, ("other",), make)).value == 3


async def test_what_may_not_be_given_again_is_forgotten():
    clock = Clock()
    cache = Cache(clock=clock)
    field: Field[Any] = Field("n", 2.0, stale=3.0)

    async def make() -> int:
        return 1

    await cache.get(field, ("old",), make)
    clock.now += 8.0
    await cache.get(field, ("new",), make)
    assert cache.kept() == 2  # not at every fetch
    clock.now += 3.0
    await cache.get(field, ("newest",), make)
    assert cache.kept() == 2  # "new" may still be given as stale
    assert (await cache.get(field, ("new",), make)).stale


async def test_failures_are_shared_but_not_kept():
    cache, calls = Cache(), list[Any]()
    field: Field[Any] = Field("n", 60.0)

    async def fail() -> int:
        calls.append(1)
        await asyncio.sleep(0)
        raise ValueError("no")

    outcomes = await asyncio.gather(
        *(cache.get(field, (), fail) for _ in range(3)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [ValueError] * 3
    assert len(calls) == 1
    with pytest.raises(ValueError, match="no"):
        await cache.get(field, (), fail)
    assert len(calls) == 2


async def test_an_asker_who_leaves_does_not_end_the_fetch():
    cache = Cache()
    field: Field[Any] = Field("n", 60.0)
    go = asyncio.Event()

    async def make() -> int:
        await go.wait()
        return 1

    impatient = asyncio.create_task(cache.get(field, (), make))
    patient = asyncio.create_task(cache.get(field, (), make))
    await asyncio.sleep(0)
    impatient.cancel()
    go.set()
    assert (await patient).value == 1
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_the_cache_is_bounded():
    cache = Cache(size=3)
    field: Field[Any] = Field("n", 60.0)

    async def make() -> int:
        return 1

    for n in range(10):
        await cache.get(field, (str(n),), make)
    cache.misses = 0
    await cache.get(field, ("9",), make)
    assert cache.misses == 0
    await cache.get(field, ("0",), make)
    assert cache.misses == 1


async def test_gather_until_separates_values_failures_and_the_late():
    async def value() -> int:
        return 5

    async def fail() -> int:
        raise KeyError("k")

    async def never() -> int:
        await asyncio.Event().wait()
        return 0

    end = asyncio.get_running_loop().time() + 0.05
    found = await gather_until(end, {"a": value(), "b": fail(), "c": never()})
    assert found["a"] == 5
    assert isinstance(found["b"], KeyError)
    assert isinstance(found["c"], Late)


async def test_together_ends_both_on_the_first_failure():
    ended = asyncio.Event()

    async def fail() -> int:
        raise KeyError("k")

    async def never() -> int:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return 0

    with pytest.raises(KeyError):
        await asyncio.wait_for(together(never(), fail()), 60)
    assert ended.is_set()


def test_breaker_opens_after_failures_in_a_row_and_tries_once():
    breaker = Breaker(threshold=3, pause=5, longest=15)
    for _ in range(2):
        breaker.failed(0)
    breaker.succeeded()
    for _ in range(3):
        assert breaker.allows(0)
        breaker.failed(0)
    assert not breaker.allows(4.9)
    assert breaker.allows(5)
    assert not breaker.allows(5), "one trial at a time"
    breaker.failed(5)
    assert not breaker.allows(14.9)
    assert breaker.allows(15)
    breaker.gave_up()
    assert breaker.allows(15)
    breaker.succeeded()
    assert breaker.allows(15)
    assert not breaker.is_open


def test_breaker_waits_as_long_as_it_was_asked():
    breaker = Breaker()
    breaker.failed(0, wait=120)
    assert not breaker.allows(119)
    assert breaker.allows(120)


def test_breaker_counts_what_fails_together_as_one_failed_trial():
    """Calls that were under way when the circuit opened say nothing new about the venue."""
    breaker = Breaker(threshold=3, pause=5, longest=60)
    for _ in range(9):
        breaker.failed(0)
    assert not breaker.allows(4.9)
    assert breaker.allows(5)
    breaker.failed(5)
    assert not breaker.allows(14.9)
    assert breaker.allows(15)


def test_breaker_waits_as_long_as_it_was_told_whatever_else_fails():
    breaker = Breaker(threshold=3, pause=5, longest=60)
    breaker.failed(0, wait=120)
    breaker.failed(1, wait=5)
    for _ in range(4):
        breaker.failed(1)
    assert not breaker.allows(119)
    breaker.failed(1, wait=200)
    assert not breaker.allows(200)
    assert breaker.allows(201)
