"""Flood control: on by default, in Telegram's sizes, with retry_after that is true."""

from typing import Any

import pytest

from botproof.doubles.telegram.context import Settings
from botproof.doubles.telegram.flood import Flood, FloodLimits
from botproof.doubles.telegram.machine import Machine
from botproof.doubles.telegram.replies import Reply

pytestmark = pytest.mark.anyio

TOKEN = "5:" + "F" * 35


class TestOverASocket:
    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(seed=1)

    async def test_a_burst_passes_then_429_says_how_long_to_wait(self, api: Any) -> None:
        await api.person(text="hi", chat_id=1)
        for _ in range(5):
            await api.ok("sendMessage", chat_id=1, text="x")
        url = f"{api.url}/bot{api.token}/sendMessage"
        async with api.http.post(url, json={"chat_id": 1, "text": "x"}) as response:
            assert response.status == 429
            assert response.headers["Retry-After"] == "1"
            assert await response.json() == {
                "ok": False,
                "error_code": 429,
                "description": "Too Many Requests: retry after 1",
                "parameters": {"retry_after": 1},
            }
        await api.advance(1)
        await api.ok("sendMessage", chat_id=1, text="x")

    async def test_edits_and_actions_are_not_counted(self, api: Any) -> None:
        await api.person(text="hi", chat_id=1)
        sent = await api.ok("sendMessage", chat_id=1, text="0")
        for n in range(1, 10):
            call = {"chat_id": 1, "message_id": sent["message_id"], "text": f"{n}"}
            await api.ok("editMessageText", **call)
            await api.ok("sendChatAction", chat_id=1, action="typing")

    async def test_a_webhook_may_be_set_once_a_second(self, api: Any, hook: Any) -> None:
        await api.ok("setWebhook", url=hook.url)
        assert await api.refused("setWebhook", url=hook.url) == (
            "429 Too Many Requests: retry after 1"
        )
        await api.advance(1)
        await api.ok("setWebhook", url=hook.url)


def test_one_a_second_in_a_chat_for_ever() -> None:
    flood = Flood(FloodLimits())
    assert [flood.take(1, 1, now) for now in range(100)] == [0] * 100


def test_bursts_refill_by_one_a_second() -> None:
    flood = Flood(FloodLimits(chat_burst=3))
    assert [flood.take(1, 1, 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert [flood.take(1, 1, 2.0) for _ in range(3)] == [0, 0, 1]


def test_twenty_a_minute_in_a_group() -> None:
    flood = Flood(FloodLimits())
    answers = [flood.take(-1, 1, float(now)) for now in range(20)]
    assert answers == [0] * 20
    assert flood.take(-1, 1, 20.0) == 40
    assert flood.take(-1, 1, 59.9) == 1
    assert flood.take(-1, 1, 60.0) == 0


def test_thirty_a_second_over_all_chats() -> None:
    flood = Flood(FloodLimits())
    assert [flood.take(chat, 1, 0.0) for chat in range(1, 31)] == [0] * 30
    assert flood.take(31, 1, 0.5) == 1
    assert flood.take(31, 1, 1.0) == 0


def test_an_album_counts_as_its_pictures() -> None:
    flood = Flood(FloodLimits(chat_burst=5))
    assert flood.take(1, 5, 0.0) == 0
    assert flood.take(1, 1, 0.0) == 1


def test_a_refused_call_sends_nothing() -> None:
    machine = Machine(Settings(flood=FloodLimits(chat_burst=1)))
    machine.person(TOKEN, {"text": "hi", "chat_id": 1}, 0.0)
    call = {"chat_id": 1, "text": "x"}
    replies = [machine.call(TOKEN, "sendMessage", call, 0.0) for _ in range(3)]
    assert [r.status for r in replies if isinstance(r, Reply)] == [200, 429, 429]
    assert len(machine.bots[TOKEN].chats[1].messages) == 2


def test_old_chats_do_not_pile_up() -> None:
    flood = Flood(FloodLimits(total_per_second=10**9))
    for chat in range(1, 30_000):
        flood.take(chat, 1, float(chat))
    assert len(flood._chats) <= 10_002
