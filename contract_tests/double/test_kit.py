"""What all doubles have in common: one contract of the control interface, whoever it belongs to."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from botproof.doubles.exchanges.market import Market
from botproof.doubles.exchanges.server import ExchangeDouble
from botproof.doubles.http.replay import Replay
from botproof.doubles.http.server import HttpDouble
from botproof.doubles.messages import Handler
from botproof.doubles.server import serve
from botproof.doubles.telegram.app import TelegramDouble

pytestmark = pytest.mark.anyio

NOW_MS = 1_763_780_000_000
MAKE: dict[str, Callable[[], Handler]] = {
    "telegram": lambda: TelegramDouble().handle,
    "exchanges": lambda: ExchangeDouble(Market(1), now=NOW_MS).handle,
    "http": lambda: HttpDouble(Replay([])).plain,
}
WITH_FAULTS = ("telegram", "exchanges")


@pytest.fixture(params=MAKE)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def control(name: str) -> AsyncIterator[httpx.AsyncClient]:
    async with await serve(MAKE[name]()) as server:
        url = f"{server.url}/_double"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
            yield client


def result(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.json()["ok"] is True
    return answer.json()["result"]


async def test_each_tells_that_it_lives_and_has_a_record_that_a_reset_empties(control) -> None:
    assert isinstance(result(await control.get("/health")), dict)
    page = result(await control.get("/transcript"))
    assert page == {"events": [], "next": 0, "dropped": 0}
    assert result(await control.post("/reset")) is True


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/nonsense", 404, "below /_double there are health, transcript, reset"),
        ("/reset", 404, "/_double/reset takes POST, not GET"),
        ("/transcript?after=x", 400, "\"after\" must be a number; it is 'x'"),
    ],
)
async def test_each_says_in_the_same_words_what_cannot_be_done(control, path, status, says) -> None:
    answer = await control.get(path)
    assert (answer.status_code, answer.json()["error_code"]) == (status, status)
    assert says in answer.json()["description"]
    assert answer.json()["ok"] is False


async def test_each_refuses_a_page_of_somebody_else(control) -> None:
    answer = await control.get("/health", headers={"Origin": "https://elsewhere.example"})
    assert (answer.status_code, answer.json()["error_code"]) == (403, 403)
    assert "may not ask" in answer.json()["description"]


@pytest.mark.parametrize("name", WITH_FAULTS)
async def test_faults_are_listed_with_what_is_left_and_taken_back_by_number(control) -> None:
    for count in (3, None):
        result(await control.post("/faults", json={"kind": "error", "count": count}))
    listed = result(await control.get("/faults"))
    assert [(fault["id"], fault["count"]) for fault in listed] == [(1, 3), (2, None)]
    result(await control.delete("/faults/1"))
    assert [fault["id"] for fault in result(await control.get("/faults"))] == [2]
    assert (await control.delete("/faults/7")).status_code == 404
    assert (await control.delete("/faults/one")).status_code == 400
    assert result(await control.delete("/faults"))
    assert result(await control.get("/faults")) == []
    kinds = [event["type"] for event in (result(await control.get("/transcript")))["events"]]
    assert kinds == ["fault", "fault"]


@pytest.mark.parametrize("name", WITH_FAULTS)
async def test_a_clock_tells_how_far_it_was_moved(control) -> None:
    before = result(await control.get("/clock"))
    result(await control.post("/clock", json={"advance": 60}))
    after = result(await control.get("/clock"))
    assert (before["moved"], after["moved"]) == (0, 60)
    assert after["now"] > before["now"]
    for wrong in ({"advance": "a minute"}, {"advance": True}, {"forward": 60}, {}):
        assert (await control.post("/clock", json=wrong)).status_code == 400


@pytest.mark.parametrize(("name", "status"), [("telegram", 400), ("exchanges", 200)])
async def test_only_the_market_can_be_set_back_or_stopped(control, status) -> None:
    assert (await control.post("/clock", json={"advance": -60})).status_code == status
    assert (await control.post("/clock", json={"set": NOW_MS - 1})).status_code == status
    if status == 200:
        assert (result(await control.get("/clock")))["now"] == NOW_MS - 1


async def test_the_record_of_the_http_double_is_bounded_too() -> None:
    double = HttpDouble(Replay([]))
    double.transcript.limit = 2_000
    async with await serve(double.plain) as server, httpx.AsyncClient(trust_env=False) as client:
        for number in range(30):
            answer = await client.get(f"{server.url}/api.example.org/v1/{number}")
            assert answer.status_code == 501
        page = (await client.get(f"{server.url}/_double/transcript")).json()["result"]
    assert page["next"] == 30
    assert page["dropped"] == 30 - len(page["events"]) > 0
