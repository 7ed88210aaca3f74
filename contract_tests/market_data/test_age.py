"""How old an answer is, what in it is beyond its lifetime, and the last good one in need."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_bot.api import Missing, TopSymbols
from reference_bot.market_data.answers import LAST_GOOD_FOR, LastAnswers, encode
from reference_bot.market_data.cache import Cache
from reference_bot.market_data.keeping import Field
from reference_bot.market_data.lifetimes import FUNDING
from reference_bot.market_data.parts import Part
from reference_bot.market_data.routes import ROUTES
from reference_bot.market_data.service import Answer
from reference_bot.market_data.venues.base import FundingNow

pytestmark = pytest.mark.anyio

NOTHING = TopSymbols("spot", "binance", 0, ())
GAP = Missing("perp.funding", "binance", "timeout", "late")


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Venue:
    """What a fetch gives: a number more each time, or the failure that it was told."""

    def __init__(self) -> None:
        self.calls = 0
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> int:
        self.calls += 1
        made = self.calls
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return made


async def landed(cache: Cache) -> None:
    """Until no fetch runs, and what follows from their ends has happened."""
    while cache._flights:
        await asyncio.wait(cache._flights.values())
        await asyncio.sleep(0)


# -- stale while revalidate --------------------------------------------------------------------

SOFT: Field[int] = Field("soft", 2.0, stale=3.0)


async def test_a_stale_value_is_given_while_one_fetch_brings_the_next():
    clock, venue = Clock(), Venue()
    cache = Cache(clock=clock)
    await cache.get(SOFT, (), venue)
    clock.now += 2.5
    venue.gate.clear()
    given = [await cache.get(SOFT, (), venue) for _ in range(5)]
    await asyncio.sleep(0)
    assert [(one.value, one.stale, one.stored) for one in given] == [(1, True, 1000.0)] * 5
    assert venue.calls == 2
    venue.gate.set()
    await landed(cache)
    fresh = await cache.get(SOFT, (), venue)
    assert (fresh.value, fresh.stale) == (2, False)


async def test_beyond_its_window_a_value_is_waited_for():
    clock, venue = Clock(), Venue()
    cache = Cache(clock=clock)
    await cache.get(SOFT, (), venue)
    clock.now += 5.0
    assert (await cache.get(SOFT, (), venue)).value == 2


async def test_once_the_fetch_has_failed_the_stale_value_is_held_back():
    clock, venue = Clock(), Venue()
    cache = Cache(clock=clock)
    await cache.get(SOFT, (), venue)
    clock.now += 2.5
    venue.failure = ValueError("no")
    assert (await cache.get(SOFT, (), venue)).stale
    await landed(cache)
    with pytest.raises(ValueError, match="no"):
        await cache.get(SOFT, (), venue)
    venue.failure = None
    assert not (await cache.get(SOFT, (), venue)).stale


async def test_what_is_stale_if_error_is_given_all_the_same_and_tried_again_later():
    clock, venue = Clock(), Venue()
    cache = Cache(clock=clock)
    field: Field[Any] = Field("listing", 10.0, stale=1000.0, stale_if_error=True)
    await cache.get(field, (), venue)
    venue.failure = ValueError("no")
    clock.now += 11
    for _ in range(3):
        assert (await cache.get(field, (), venue)).value == 1
        await landed(cache)
    assert venue.calls == 2, "not at every ask"
    clock.now += 6
    assert (await cache.get(field, (), venue)).value == 1
    await landed(cache)
    assert venue.calls == 3


async def test_refreshes_are_bounded_and_ended_by_close():
    clock, venue = Clock(), Venue()
    cache = Cache(clock=clock)
    for n in range(100):
        await cache.get(SOFT, (str(n),), venue)
    clock.now += 2.5
    venue.gate.clear()
    for n in range(100):
        assert (await cache.get(SOFT, (str(n),), venue)).stale
    assert len(cache._flights) == 64
    await asyncio.wait_for(cache.close(), 5)
    await asyncio.sleep(0)
    assert not cache._flights
    assert cache._refreshes == 0


async def test_what_is_made_of_a_kept_value_is_as_old_as_that():
    clock, venue = Clock(), Venue()
    cache = Cache(clock=clock)
    inner: Field[int] = Field("inner", 9.0)
    listing: Field[int] = Field("listing", 9000.0, dated=False)

    async def outer() -> int:
        await cache.get(listing, (), venue)
        return (await cache.get(inner, (), venue)).value

    await cache.get(listing, (), venue)
    clock.now += 100
    await cache.get(inner, (), venue)
    clock.now += 3
    entry = await cache.get(Field("outer", 1.0), (), outer)
    assert clock.now - entry.stored == 3


@given(
    steps=st.lists(st.tuples(st.floats(0, 4), st.booleans()), min_size=1, max_size=30),
)
def test_nothing_is_ever_given_beyond_its_window(steps):
    async def play() -> None:
        clock, venue = Clock(), Venue()
        cache = Cache(clock=clock)
        for wait, fails in steps:
            clock.now += wait
            venue.failure = ValueError("no") if fails else None
            try:
                entry = await cache.get(SOFT, (), venue)
            except ValueError:
                continue
            finally:
                await landed(cache)
            age = clock.now - entry.stored
            assert 0 <= age < 5
            assert entry.stale == (age >= 2)

    asyncio.run(play())


def test_funding_is_never_kept_past_its_reset():
    def of(left_ms: int) -> tuple[float, float]:
        funding = FundingNow(1_000_000, 0.0001, 8.0, 1_000_000 + left_ms, None)
        return FUNDING.lifetime_of(funding), FUNDING.stale_of(funding)

    assert of(3_600_000) == (5.0, 10.0)
    assert of(7_000) == (5.0, 2.0)
    assert of(3_000) == (3.0, 0.0)
    assert of(-500) == (0.0, 0.0)


# -- the age of an answer ----------------------------------------------------------------------


def sent(body: bytes) -> Any:
    return msgspec.json.decode(body)


def test_age_is_that_of_the_oldest_kept_part_when_it_is_sent():
    parts = (Part("spot", "binance", 99.0), Part("spot.candles", "binance", 71.5))
    made = encode(Answer(NOTHING, 2.0, (), parts), began=100.0, made=101.0)
    assert sent(made.sent_after(0.0))["data"]["age"] == 29.5
    assert sent(made.sent_after(1.3))["data"]["age"] == 30.8
    assert sent(made.sent_after(0.0))["data"]["stale"] == []


def test_what_was_fetched_for_the_answer_has_no_age_yet():
    parts = (Part("spot", "binance", 100.2), Part("spot.candles", "binance", 101.0))
    made = encode(Answer(NOTHING, 2.0, (), parts), began=100.0, made=101.0)
    assert sent(made.sent_after(0.0))["data"]["age"] == 0.0
    assert sent(made.sent_after(2.0))["data"]["age"] == 2.0


def test_a_stale_part_is_named_with_its_age_and_shortens_the_answers_life():
    parts = (Part("spot", "binance", 99.0), Part("perp.funding", "binance", 92.0, stale=True))
    made = encode(Answer(NOTHING, 2.0, (), parts), began=100.0, made=100.0)
    assert sent(made.sent_after(0.5))["data"]["stale"] == [
        {"section": "perp.funding", "venue": "binance", "age": 8.5}
    ]
    assert made.lifetime == 0.25


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
async def test_every_endpoint_tells_its_age(open_stack, route):
    keys = {"BINANCE_API_KEY": "double-key", "BINANCE_API_SECRET": "double-secret"}
    async with open_stack(**keys) as stack:
        body = {"symbol": "BTC"} if "symbol" in route.request.model_fields else {}
        answer = await stack.ask(route.path, **body)
        data = answer.json()["data"]
        assert data["stale"] == []
        assert 0.0 <= data["age"] <= 1.5, "no older than the service's deadline lets it become"
        assert abs(int(answer.headers["age"]) - data["age"]) <= 1.0


async def test_an_older_part_makes_the_answer_older(stack):
    clock = Clock()
    stack.api.cache._clock = clock
    await stack.ask("/price", symbol="BTC", market="spot")
    clock.now += 3.2  # the ticker has run out, the candles have not
    answer = await stack.ask("/price", symbol="BTC", market="spot")
    assert answer.json()["data"]["age"] == 3.2
    assert answer.headers["age"] == "3"
    clock.now += 1.1  # the same answer, sent later
    assert (await stack.ask("/price", symbol="BTC", market="spot")).json()["data"]["age"] == 4.3


async def test_open_interest_is_given_stale_while_it_is_fetched_anew(stack):
    clock = Clock()
    stack.api.cache._clock = clock
    await stack.ask("/combined_price", symbol="BTC")
    clock.now += 7
    data = (await stack.ask("/combined_price", symbol="BTC")).json()["data"]
    assert {row["section"]: row["age"] for row in data["stale"]} == {
        "perp.open_interest": 7.0,
        "perp.funding": 7.0,
    }
    assert data["age"] == 7.0
    await landed(stack.api.cache)
    clock.now += 0.3
    data = (await stack.ask("/combined_price", symbol="BTC")).json()["data"]
    assert data["stale"] == []


# -- the last good answer ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/combined_price", {"symbol": "BTC"}),
        ("/price", {"symbol": "BTC"}),
        ("/top_symbols", {}),
        ("/multi_oi", {"symbol": "BTC"}),
        ("/volume_scan", {"threshold_pct": 0}),
        ("/comprehensive_analysis", {"symbol": "BTC"}),
    ],
)
async def test_in_need_the_last_good_answer_is_given_and_says_so(stack, path, body):
    clock = Clock()
    stack.api.cache._clock = clock
    good = (await stack.ask(path, **body)).json()["data"]
    stack.fault(kind="error", status=503)
    clock.now += 120
    answer = await stack.ask(path, **body)
    assert answer.status_code == 200, answer.text
    whole = answer.json()
    data = whole["data"]
    assert data["age"] == 120.0
    assert data["stale"]
    assert {row["age"] for row in data["stale"]} == {120.0}
    gaps = data["missing"] if "missing" in data else whole["missing"]
    assert {row["reason"] for row in gaps} <= {"outage", "circuit_open"}
    assert gaps
    told = ("age", "stale", "missing")
    assert {k: v for k, v in data.items() if k not in told} == {
        k: v for k, v in good.items() if k not in told
    }
    clock.now += 200
    assert (await stack.ask(path, **body)).status_code == 502


async def test_another_venue_comes_before_what_was(open_stack):
    async with open_stack(EXCHANGES="binance,bybit") as stack:
        clock = Clock()
        stack.api.cache._clock = clock
        await stack.ask("/price", symbol="BTC")
        stack.fault(venue="binance", kind="error", status=503)
        clock.now += 100
        data = (await stack.ask("/price", symbol="BTC")).json()["data"]
        assert (data["venue"], data["stale"]) == ("bybit", [])


async def test_an_account_is_never_answered_from_before(open_stack):
    keys = {"BINANCE_API_KEY": "double-key", "BINANCE_API_SECRET": "double-secret"}
    async with open_stack(**keys) as stack:
        clock = Clock()
        stack.api.cache._clock = clock
        assert (await stack.ask("/positions")).status_code == 200
        stack.fault(kind="error", status=503)
        clock.now += 30
        assert (await stack.ask("/positions")).status_code == 502


def made_at(age: float, *missing: Missing):
    return encode(Answer(NOTHING, 2.0, missing, (Part("s", "v", -age),)), began=0.0, made=0.0)


def test_a_gap_does_not_take_the_place_of_a_whole_answer():
    clock = Clock()
    last = LastAnswers(Cache(clock=clock))
    whole = made_at(1.0)
    last.keep(("k",), whole)
    clock.now += 10
    last.keep(("k",), made_at(0.0, GAP))
    clock.now += 10
    assert last._own(("k",)) == (whole, 20.0)
    clock.now += LAST_GOOD_FOR - 20  # the whole one is too old now
    assert last._own(("k",)) is None
    last.keep(("k",), made_at(0.0, GAP))
    assert last._own(("k",)) == (made_at(0.0, GAP), 0.0)


def test_last_answers_are_bounded_in_bytes():
    made = made_at(0.0)
    last = LastAnswers(Cache(), most_bytes=3 * len(made.head))
    for n in range(10):
        last.keep((str(n),), made)
    assert [n for n in range(10) if last._own((str(n),))] == [7, 8, 9]
