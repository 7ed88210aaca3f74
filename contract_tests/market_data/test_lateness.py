"""A timeout that this process caused says nothing about a venue."""

import asyncio
import itertools
import time
from typing import Any

import httpx
import pytest

from reference_bot.market_data import http, lateness
from reference_bot.market_data.errors import VenueError
from reference_bot.market_data.http import VenueClient
from reference_bot.market_data.metrics import Metrics

pytestmark = pytest.mark.anyio

TIMEOUT = 30.0


class Anything:
    def decode(self, body: bytes, /) -> bytes:
        return body


async def silent(_: httpx.Request) -> httpx.Response:
    """Say nothing for longer than anybody waits."""
    await asyncio.sleep(10 * TIMEOUT)
    raise AssertionError("nobody waits so long")


def client(answer: Any) -> VenueClient:
    pool = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return VenueClient("binance", "https://v.test", pool, TIMEOUT, Metrics())


async def failures(venue: VenueClient, count: int = 5) -> list[VenueError]:
    found = []
    for _ in range(count):
        with pytest.raises(VenueError) as caught:
            await venue.get("/x", Anything())
        found.append(caught.value)
    return found


@pytest.mark.usefixtures("time_flies")
async def test_a_silent_venue_is_left_alone(monkeypatch):
    monkeypatch.setattr(http, "held_up", lambda: 0.0)
    venue = client(silent)
    found = await failures(venue)
    assert {error.reason for error in found} == {"timeout"}
    assert venue.breaker.is_open


@pytest.mark.usefixtures("time_flies")
@pytest.mark.parametrize(("share", "counts"), [(0.4, True), (0.6, False)])
async def test_a_venue_is_not_blamed_while_this_process_could_not_read(monkeypatch, share, counts):
    """By the seconds that the thread worked, or waited for a processor, meanwhile."""
    busy = itertools.count(0.0, share * TIMEOUT)
    monkeypatch.setattr(http, "held_up", lambda: next(busy))
    venue = client(silent)
    found = await failures(venue)
    assert venue.breaker.is_open is counts
    assert [error.ours for error in found] == [not counts] * 5
    assert ("kept it waiting for 18.00 s" in found[0].message) is not counts


async def test_a_loop_that_comes_late_is_not_the_venues_fault(monkeypatch):
    """What stops the whole process (a paused machine) costs no processor and waits for none."""
    monkeypatch.setattr(http, "held_up", lambda: 0.0)
    loop: Any = asyncio.get_running_loop()
    passed, time_of = [0.0], loop.time
    monkeypatch.setattr(loop, "time", lambda: time_of() + passed[0])

    async def paused(_: httpx.Request) -> httpx.Response:
        passed[0] += 2 * TIMEOUT
        await asyncio.Event().wait()
        raise AssertionError("nobody waits so long")

    venue = client(paused)
    assert [error.ours for error in await failures(venue)] == [True] * 5
    assert not venue.breaker.is_open


@pytest.mark.parametrize(("seconds", "counts"), [(0.0, True), (2 * TIMEOUT, False)])
async def test_a_connection_that_was_closed_while_this_process_stood_still_is_no_failure(
    monkeypatch, seconds, counts
):
    """A venue hangs up on who does not read; one that breaks connections at once fails."""
    monkeypatch.setattr(http, "held_up", lambda: 0.0)
    loop: Any = asyncio.get_running_loop()
    passed, time_of = [0.0], loop.time
    monkeypatch.setattr(loop, "time", lambda: time_of() + passed[0])

    async def hung_up(_: httpx.Request) -> httpx.Response:
        passed[0] += seconds
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")

    venue = client(hung_up)
    found = await failures(venue)
    assert {error.reason for error in found} == {"unreachable"}
    assert venue.breaker.is_open is counts


def test_work_of_this_thread_counts(monkeypatch, tmp_path):
    worked, before = time.thread_time(), lateness.held_up()
    while time.thread_time() < worked + 0.05:
        pass
    assert lateness.held_up() - before >= 0.05
    told = tmp_path / "schedstat"
    told.write_text("12000000000 3500000000 77\n")
    monkeypatch.setattr(lateness, "_SCHEDULED", told)
    assert lateness._waited() == 3.5
    monkeypatch.setattr(lateness, "_SCHEDULED", tmp_path / "none")
    assert lateness._waited() == 0.0
