"""Faults on demand, over sockets: what the bot sees, and what took effect."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from botproof.doubles.telegram.app import start
from botproof.doubles.telegram.context import Post, Settings
from botproof.doubles.telegram.doors import Outcome
from botproof.doubles.telegram.machine import Machine

pytestmark = pytest.mark.anyio

TOKEN = "5:" + "T" * 35


async def texts(api: Any) -> list[str]:
    return [message["text"] for message in (await api.chat())["messages"][1:]]


async def test_an_error_takes_no_effect(api: Any, chat: int) -> None:
    fault = {"method": "sendMessage", "kind": "error", "error_code": 502, "count": 1}
    await api.control("POST", "faults", fault)
    answer = await api.refused("sendMessage", chat_id=chat, text="lost")
    assert answer == "502 Bad Gateway"
    await api.ok("sendMessage", chat_id=chat, text="sent")
    assert await texts(api) == ["sent"]


async def test_a_429_with_retry_after(api: Any, chat: int) -> None:
    fault = {"method": "*", "kind": "error", "error_code": 429, "retry_after": 17, "count": 1}
    await api.control("POST", "faults", fault)
    answer = await api.call("sendMessage", chat_id=chat, text="x")
    assert answer["description"] == "Too Many Requests: retry after 17"
    assert answer["parameters"] == {"retry_after": 17}


async def test_faults_strike_by_method_and_chat(api: Any, chat: int) -> None:
    await api.person(text="hi", chat_id=2)
    fault = {"method": "sendMessage", "chat_id": 2, "kind": "error"}
    await api.control("POST", "faults", fault)
    await api.ok("sendMessage", chat_id=chat, text="x")
    await api.ok("sendChatAction", chat_id=2, action="typing")
    assert await api.refused("sendMessage", chat_id=2, text="x") == "500 Internal Server Error"
    async with api.http.post(
        f"{api.url}/bot{api.token}/sendMessage", data={"chat_id": "2", "text": "as a form"}
    ) as response:
        assert response.status == 500
    await api.control("DELETE", "faults")
    await api.ok("sendMessage", chat_id=2, text="x")


async def test_a_delay_waits_on_the_clock_after_the_effect(api: Any, chat: int) -> None:
    fault = {"method": "sendMessage", "kind": "delay", "seconds": 3600, "count": 1}
    await api.control("POST", "faults", fault)
    call = asyncio.ensure_future(api.ok("sendMessage", chat_id=chat, text="slow"))
    await api.wait_for("fault", 2)
    assert await texts(api) == ["slow"]
    assert not call.done()
    await api.advance(3600)
    assert (await call)["text"] == "slow"


async def test_a_late_call_takes_effect_when_its_time_has_come(api: Any, chat: int) -> None:
    fault = {"method": "sendMessage", "kind": "late", "seconds": 3600, "count": 1}
    await api.control("POST", "faults", fault)
    call = asyncio.ensure_future(api.ok("sendMessage", chat_id=chat, text="late"))
    await api.wait_for("fault", 2)
    assert await texts(api) == []
    await api.advance(3600)
    assert (await call)["text"] == "late"
    assert await texts(api) == ["late"]


async def test_a_late_call_whose_caller_has_gone_takes_no_effect(api: Any, chat: int) -> None:
    """As of a bot that was killed meanwhile: its connection is closed before Telegram has acted."""
    fault = {"method": "sendMessage", "kind": "late", "seconds": 3600, "count": 1}
    await api.control("POST", "faults", fault)
    call = asyncio.ensure_future(api.call("sendMessage", chat_id=chat, text="late"))
    await api.wait_for("fault", 2)
    call.cancel()
    await api.wait_for("call", 1)
    await api.advance(3600)
    assert await texts(api) == []


async def test_a_reset_takes_no_effect(api: Any, chat: int) -> None:
    await api.control("POST", "faults", {"method": "sendMessage", "kind": "reset", "count": 1})
    with pytest.raises(aiohttp.ClientOSError):
        await api.call("sendMessage", chat_id=chat, text="x")
    assert await texts(api) == []


async def test_silence(api: Any, chat: int) -> None:
    await api.control("POST", "faults", {"method": "sendMessage", "kind": "silent", "count": 1})
    call = asyncio.ensure_future(api.call("sendMessage", chat_id=chat, text="x"))
    await api.wait_for("fault", 2)
    await api.ok("getMe")
    assert not call.done()
    call.cancel()
    assert await texts(api) == []


async def test_half_a_body_after_the_effect(api: Any, chat: int) -> None:
    fault = {"method": "sendMessage", "kind": "half_body", "count": 1}
    await api.control("POST", "faults", fault)
    with pytest.raises(aiohttp.ClientPayloadError):
        await api.call("sendMessage", chat_id=chat, text="half")
    assert await texts(api) == ["half"]


async def test_an_answer_lost_after_the_effect(api: Any, chat: int) -> None:
    fault = {"method": "sendMessage", "kind": "lost_answer", "count": 1}
    await api.control("POST", "faults", fault)
    with pytest.raises(aiohttp.ClientOSError):
        await api.call("sendMessage", chat_id=chat, text="it did arrive")
    assert await texts(api) == ["it did arrive"]
    call = (await api.events("call"))[-1]
    assert (call["status"], call["result"]["text"]) == (200, "it did arrive")


async def test_a_lost_get_updates_answer_is_given_again(api: Any) -> None:
    await api.person(text="hi", chat_id=1)
    fault = {"method": "getUpdates", "kind": "lost_answer", "count": 1}
    await api.control("POST", "faults", fault)
    with pytest.raises(aiohttp.ClientOSError):
        await api.call("getUpdates")
    assert len(await api.ok("getUpdates")) == 1


async def test_a_duplicate_comes_though_it_was_confirmed_by_polling(api: Any) -> None:
    await api.control("POST", "faults", {"kind": "duplicate", "count": 1})
    made = await api.person(text="twice", chat_id=1)
    number = made["update_id"]
    assert [u["update_id"] for u in await api.ok("getUpdates")] == [number]
    assert [u["update_id"] for u in await api.ok("getUpdates", offset=number + 1)] == [number]
    await api.advance(5)
    assert await api.ok("getUpdates", offset=number + 1) == []


async def test_a_duplicate_comes_though_it_was_confirmed_by_webhook(api: Any, hook: Any) -> None:
    await api.control("POST", "faults", {"kind": "duplicate", "count": 1})
    await api.ok("setWebhook", url=hook.url)
    made = await api.person(text="twice", chat_id=1)
    both = [json.loads((await hook.requests.get()).body)["update_id"] for _ in range(2)]
    assert both == [made["update_id"]] * 2
    await api.wait_for("deliver", 2)
    assert len(await api.events("confirm")) == 1


async def test_a_duplicate_may_be_of_one_door_alone(api: Any, hook: Any) -> None:
    await api.control("POST", "faults", {"kind": "duplicate", "count": 1, "door": "webhook"})
    first = await api.person(text="once", chat_id=1)
    number = first["update_id"]
    assert [u["update_id"] for u in await api.ok("getUpdates")] == [number]
    assert await api.ok("getUpdates", offset=number + 1) == []
    await api.ok("setWebhook", url=hook.url)
    made = await api.person(text="twice", chat_id=1)
    both = [json.loads((await hook.requests.get()).body)["update_id"] for _ in range(2)]
    assert both == [made["update_id"]] * 2


def test_reorder_mixes_chats_and_keeps_each_in_order_when_polled() -> None:
    machine = Machine(Settings(seed=2, flood=None))
    machine.faults.add({"kind": "reorder"})
    sent: dict[int, list[int]] = {1: [], 2: [], 3: []}
    for n in range(30):
        chat_id = 1 + n % 3
        made = machine.person(TOKEN, {"text": f"{n}", "chat_id": chat_id}, 0.0)
        sent[chat_id].append(made["update_id"])
    reply = machine.call(TOKEN, "getUpdates", {}, 0.0)
    got = [json.loads(bytes(raw)) for raw in reply.result]
    numbers = [update["update_id"] for update in got]
    assert numbers != sorted(numbers)
    for chat_id, expected in sent.items():
        assert [u["update_id"] for u in got if u["message"]["chat"]["id"] == chat_id] == expected


def test_reorder_mixes_chats_when_posted() -> None:
    machine = Machine(Settings(seed=2, flood=None))
    machine.faults.add({"kind": "reorder"})
    for chat_id in range(1, 9):
        machine.person(TOKEN, {"text": "x", "chat_id": chat_id}, 0.0)
    machine.call(TOKEN, "setWebhook", {"url": "http://127.0.0.1:9/", "max_connections": 4}, 0.0)
    order: list[int] = []
    while posts := [e for e in machine.take_effects() if isinstance(e, Post)]:
        order += [post.update_id for post in posts]
        for post in posts:
            machine.settle(TOKEN, post.number, Outcome(status=200), {}, 0.0)
    assert len(order) == 8
    assert order != sorted(order)


def test_a_probability_is_repeatable_from_the_seed() -> None:
    def strikes(seed: int) -> list[bool]:
        machine = Machine(Settings(seed=seed))
        machine.faults.add({"kind": "error", "probability": 0.5})
        kinds = frozenset(fault.kind for fault in machine.faults)
        return [machine.faults.hit(kinds, "getme") is not None for _ in range(50)]

    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)
    assert 10 < sum(strikes(1)) < 40


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({}, '"kind" must be one of error, delay'),
        ({"kind": "flood"}, "it is 'flood'"),
        ({"kind": "error", "chance": 1}, 'unknown field "chance"'),
        ({"kind": "error", "count": "3"}, "\"count\" must be int; it is '3'"),
        ({"kind": "error", "count": 0}, '"count" must be at least 1'),
        ({"kind": "error", "probability": 2}, '"probability" must lie in 0 to 1'),
        ({"kind": "error", "error_code": 200}, '"error_code" must lie in 300 to 599'),
        ({"kind": "delay"}, '"seconds" must be above 0 for a delay'),
    ],
)
async def test_faults_that_make_no_sense(api: Any, fault: dict[str, object], says: str) -> None:
    async with api.http.post(f"{api.url}/_double/faults", json=fault) as response:
        assert response.status == 400
        assert says in (await response.json())["description"]


@pytest.mark.parametrize("seed", [7, None])
async def test_only_with_a_seed_do_update_ids_come_again(seed: int | None) -> None:
    """A bot that keeps the ids of its updates would take them for known after a restart."""
    first_ids = []
    for _ in range(2):
        running = await start(Settings(seed=seed))
        for _ in range(2):
            action = {"text": "hi", "chat_id": 1}
            made = running.double.machine.person(TOKEN, action, running.double.clock.now())
            first_ids.append(made["update_id"])
            await running.double.reset()
        await running.close()
    assert len(set(first_ids)) == (4 if seed is None else 1)


async def test_reset_forgets_everything(api: Any, chat: int) -> None:
    await api.control("POST", "faults", {"kind": "error"})
    await api.advance(100)
    await api.control("POST", "reset")
    assert await api.control("GET", "faults") == []
    assert (await api.control("GET", "clock"))["moved"] == 0
    assert await api.control("GET", "bots") == []
    assert (await api.control("GET", "transcript"))["events"] == []
    assert await api.refused("sendMessage", chat_id=chat, text="x") == (
        "400 Bad Request: chat not found"
    )
