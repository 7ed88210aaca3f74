"""Where a process has no time for all who ask, some are answered, and the others told at once."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from reference_bot.market_data import crowd
from reference_bot.market_data.crowd import Crowd
from reference_bot.market_data.errors import AnswerError

pytestmark = pytest.mark.anyio


@pytest.fixture
def spare(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The share of the time that this process has to spare."""
    told, passed = {"share": 0.0}, [0.0]

    def now() -> float:
        passed[0] += 1.0
        return passed[0]

    monkeypatch.setattr(crowd, "_now", now)
    monkeypatch.setattr(crowd, "held_up", lambda: passed[0] * (1 - told["share"]))
    return told


async def fill(door: Crowd, count: int) -> list[AbstractAsyncContextManager[None, bool | None]]:
    inside: list[AbstractAsyncContextManager[None, bool | None]] = []
    for _ in range(count):
        inside.append(door.admitted())
        await inside[-1].__aenter__()
    return inside


@pytest.mark.usefixtures("spare", "time_flies")
async def test_no_more_are_let_in_than_can_end():
    door = Crowd()
    inside = await fill(door, crowd._MOST)
    with pytest.raises(AnswerError) as caught:
        await fill(door, 1)
    assert (caught.value.status, caught.value.code) == (503, "busy")
    await inside.pop().__aexit__(None, None, None)
    await fill(door, 1)


@pytest.mark.usefixtures("spare")
async def test_who_waits_gets_a_turn_when_another_answer_ends_the_first_first():
    door = Crowd()
    inside = await fill(door, crowd._MOST)
    came: list[int] = []

    async def ask(number: int) -> None:
        async with door.admitted():
            came.append(number)

    asked = [asyncio.ensure_future(ask(number)) for number in (1, 2)]
    await asyncio.sleep(0)  # both begin, and wait
    await inside.pop().__aexit__(None, None, None)
    await asyncio.gather(*asked)
    assert came == [1, 2]
    assert door._making == crowd._MOST - 1


@pytest.mark.usefixtures("spare")
async def test_the_turn_of_one_who_went_away_is_the_next_ones():
    door = Crowd()
    inside = await fill(door, crowd._MOST)
    gone, left = [asyncio.ensure_future(fill(door, 1)) for _ in range(2)]
    await asyncio.sleep(0)  # both begin, and wait
    gone.cancel()
    await asyncio.wait({gone})
    await inside.pop().__aexit__(None, None, None)
    await asyncio.sleep(0)
    assert not door._waiting
    assert len(await left) == 1


async def test_who_waits_for_venues_alone_lets_everybody_in(spare):
    spare["share"] = 0.5
    await fill(Crowd(), 100)


@pytest.mark.usefixtures("spare")
async def test_what_fails_makes_room_too():
    door = Crowd()
    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            async with door.admitted():
                raise ZeroDivisionError


async def test_who_is_turned_away_gets_the_last_good_answer_or_is_told_why(stack, monkeypatch):
    whole = (await stack.ask("/combined_price", symbol="BTC")).json()["data"]
    stack.api.cache._entries.clear()
    monkeypatch.setattr(crowd, "_MOST", 0)
    monkeypatch.setattr(crowd, "_PATIENCE", 0.0)
    monkeypatch.setattr(stack.api._crowd, "_look", lambda: True)
    called = len(stack.calls())
    kept = await stack.ask("/combined_price", symbol="BTC")
    assert kept.status_code == 200
    data = kept.json()["data"]
    assert data["spot"] == whole["spot"]
    assert {row["section"] for row in data["stale"]} >= {"spot", "perp"}
    assert [(row["venue"], row["reason"]) for row in data["missing"]] == [("market-data", "busy")]
    refused = await stack.ask("/combined_price", symbol="ETH")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
    assert len(stack.calls()) == called, "no venue is asked for what there is no time for"


async def test_once_the_deadline_is_over_no_other_venue_is_asked(open_stack, monkeypatch):
    """It could not answer in time, and its calls would take the time of those who ask next."""
    async with open_stack(EXCHANGES="binance,bybit") as stack:
        await stack.api.service.warm()
        stack.fault(venue="binance", kind="error", status=503)
        monkeypatch.setattr(stack.api.service, "past", lambda _: True)
        called = len(stack.calls())
        for path, body in (("/price", {"symbol": "BTC"}), ("/top_symbols", {})):
            failed = await stack.ask(path, **body)
            assert failed.status_code == 502
            assert failed.json()["error"]["missing"][0]["venue"] == "binance"
        assert "/v5/market/tickers" not in stack.calls()[called:]
