"""getUpdates as the real server serves it: waiting, confirming, conflicts, what is allowed."""

import asyncio
import json
from typing import Any

import pytest

from botproof.doubles.telegram.context import LateReply, Settings
from botproof.doubles.telegram.machine import Machine
from botproof.doubles.telegram.replies import Later, Reply

TOKEN = "5:" + "P" * 35

pytestmark = pytest.mark.anyio

WEBHOOK_ACTIVE = (
    "409 Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)
OTHER_POLLER = (
    "409 Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)


async def waiting(api: Any, **params: object) -> "asyncio.Task[dict[str, Any]]":
    """A getUpdates call that the double is known to hold."""
    before = {bot["token"]: bot["is_polling"] for bot in await api.control("GET", "bots")}
    task: asyncio.Task[dict[str, Any]] = asyncio.ensure_future(
        api.call("getUpdates", **{"timeout": 50, **params})
    )
    while not any(bot["is_polling"] for bot in await api.control("GET", "bots")):
        assert not task.done(), (before, task.result())
    return task


async def test_a_waiting_poll_is_answered_by_the_next_update(api: Any) -> None:
    poll = await waiting(api)
    made = await api.person(text="/price btc", chat_id=7, username="ann")
    (update,) = (await poll)["result"]
    assert update["update_id"] == made["update_id"]
    assert update["message"]["message_id"] == made["message_id"]
    assert update["message"]["text"] == "/price btc"
    assert update["message"]["from"]["username"] == "ann"
    assert update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]


async def test_a_poll_ends_empty_after_its_timeout(api: Any) -> None:
    poll = await waiting(api, timeout=30)
    await api.advance(29)
    assert not poll.done()
    await api.advance(1.5)
    assert (await poll)["result"] == []


async def test_the_timeout_is_at_most_fifty_seconds(api: Any) -> None:
    poll = await waiting(api, timeout=1000)
    await api.advance(50.5)
    assert (await poll)["result"] == []


async def test_ids_grow_by_one_and_an_offset_confirms_everything_below(api: Any) -> None:
    ids = [(await api.person(text=f"n {n}", chat_id=1))["update_id"] for n in range(5)]
    assert ids == list(range(ids[0], ids[0] + 5))
    first = await api.ok("getUpdates", limit=2)
    assert [u["update_id"] for u in first] == ids[:2]
    rest = await api.ok("getUpdates", offset=ids[3])
    assert [u["update_id"] for u in rest] == ids[3:]
    confirmed = [e["update_ids"] for e in await api.events("confirm")]
    assert confirmed == [ids[:3]]


async def test_what_is_not_confirmed_comes_again(api: Any) -> None:
    made = await api.person(text="again", chat_id=1)
    for _ in range(2):
        (update,) = await api.ok("getUpdates")
        assert update["update_id"] == made["update_id"]
    attempts = [e["attempt"] for e in await api.events("deliver")]
    assert attempts == [1, 2]


async def test_a_negative_offset_keeps_the_last_ones_and_forgets_the_rest(api: Any) -> None:
    ids = [(await api.person(text=f"n {n}", chat_id=1))["update_id"] for n in range(5)]
    assert [u["update_id"] for u in await api.ok("getUpdates", offset=-2)] == ids[3:]
    assert [u["update_id"] for u in await api.ok("getUpdates", offset=0)] == ids[3:]


async def test_an_offset_from_the_future_confirms_nothing(api: Any) -> None:
    made = await api.person(text="still here", chat_id=1)
    (update,) = await api.ok("getUpdates", offset=made["update_id"] + 12)
    assert update["update_id"] == made["update_id"]


@pytest.mark.parametrize(("asked", "given"), [(0, 1), (1, 1), (2, 2), (500, 100)])
async def test_the_limit_lies_between_1_and_100(api: Any, asked: int, given: int) -> None:
    for n in range(101):
        await api.person(text=f"n {n}", chat_id=1)
    assert len(await api.ok("getUpdates", limit=asked)) == given


async def test_a_second_poller_ends_the_older_one(api: Any) -> None:
    older = await waiting(api)
    newer = asyncio.ensure_future(api.call("getUpdates", timeout=50))
    answer = await older
    assert f"{answer['error_code']} {answer['description']}" == OTHER_POLLER
    await api.person(text="for the newer one", chat_id=1)
    assert len((await newer)["result"]) == 1


async def test_a_second_conflict_within_three_seconds_is_held_back(api: Any) -> None:
    """So that two pollers do not hunt each other thousands of times a second."""
    polls = [await waiting(api)]
    polls.append(asyncio.ensure_future(api.call("getUpdates", timeout=50)))
    await polls[0]
    polls.append(asyncio.ensure_future(api.call("getUpdates", timeout=50)))
    await api.wait_for("call", 1)
    await api.ok("getMe")
    assert not polls[1].done()
    await api.advance(3)
    answer = await polls[1]
    assert f"{answer['error_code']} {answer['description']}" == OTHER_POLLER
    await api.person(text="end", chat_id=1)
    await polls[2]


async def test_no_polling_while_a_webhook_is_set(api: Any, hook: Any) -> None:
    await api.ok("setWebhook", url=hook.url)
    assert await api.refused("getUpdates") == WEBHOOK_ACTIVE
    await api.ok("deleteWebhook")
    assert await api.ok("getUpdates") == []


async def test_set_webhook_ends_a_waiting_poll(api: Any, hook: Any) -> None:
    poll = await waiting(api)
    await api.ok("setWebhook", url=hook.url)
    answer = await poll
    assert answer["error_code"] == 409
    assert answer["description"] == "Conflict: terminated by setWebhook request"


async def test_allowed_updates_are_remembered_and_filter_what_comes_later(api: Any) -> None:
    await api.person(text="before", chat_id=1)
    await api.call("getUpdates", allowed_updates=["callback_query"], offset=-1)
    made = await api.person(text="after", chat_id=1)
    assert made["update_id"] is None
    assert len(await api.ok("getUpdates", limit=100)) == 1
    info = await api.ok("getWebhookInfo")
    assert info["allowed_updates"] == ["callback_query"]
    await api.call("getUpdates", allowed_updates=[])
    assert (await api.person(text="open again", chat_id=1))["update_id"] is not None
    assert "allowed_updates" not in await api.ok("getWebhookInfo")


async def test_reactions_come_only_when_asked_for(api: Any) -> None:
    sent = await api.person(text="hm", chat_id=1)
    react = {"message_id": sent["message_id"], "reaction": ["👍"]}
    assert (await api.person(react=react, chat_id=1))["update_id"] is None
    await api.call("getUpdates", allowed_updates=["message_reaction"])
    assert (await api.person(react=react, chat_id=1))["update_id"] is not None


@pytest.mark.parametrize(
    ("action", "lives"),
    [
        ({"text": "a day", "chat_id": 1}, 86_400),
        ({"inline_query": "thirty seconds", "user_id": 1}, 30),
        (
            {"update": {"callback_query": {"from": {"id": 1, "is_bot": False, "first_name": "A"}}}},
            150,
        ),
    ],
)
async def test_updates_die(api: Any, action: dict[str, object], lives: int) -> None:
    await api.person(**action)
    await api.advance(lives - 5)
    assert len(await api.ok("getUpdates")) == 1
    await api.advance(10)
    assert await api.ok("getUpdates", offset=-100) == []
    assert (await api.ok("getWebhookInfo"))["pending_update_count"] == 0


async def test_a_poll_that_repeats_its_offset_is_slowed_down(api: Any) -> None:
    """With the same offset within three seconds, even timeout=0 waits for up to three."""
    assert await api.ok("getUpdates") == []
    poll = await waiting(api, timeout=0)
    await api.advance(3)
    assert (await poll)["result"] == []


async def test_a_client_that_leaves_frees_its_place(api: Any) -> None:
    poll = await waiting(api)
    poll.cancel()
    while (await api.control("GET", "bots"))[0]["is_polling"]:
        pass
    made = await api.person(text="not for the dead one", chat_id=1)
    await api.advance(5)
    (update,) = await api.ok("getUpdates")
    assert update["update_id"] == made["update_id"]


async def test_a_reset_ends_a_waiting_poll(api: Any) -> None:
    poll = await waiting(api)
    await api.control("POST", "reset")
    assert (await poll)["description"] == "Internal Server Error: restart"


async def test_bots_do_not_see_each_other(api: Any, double: Any) -> None:
    other = type(api)(double.url, api.http, "777:" + "B" * 35)
    await api.person(text="for the first", chat_id=1)
    assert await other.ok("getUpdates") == []
    assert len(await api.ok("getUpdates")) == 1
    assert await other.refused("sendMessage", chat_id=1, text="x") == (
        "400 Bad Request: chat not found"
    )


async def test_log_out_refuses_everything_for_ten_minutes(api: Any) -> None:
    assert await api.ok("logOut") is True
    assert await api.refused("getMe") == "400 Logged out"
    await api.advance(601)
    await api.ok("getMe")


async def test_close_is_refused_in_the_first_ten_minutes(api: Any) -> None:
    await api.ok("getMe")
    refusal = await api.call("close")
    assert refusal["error_code"] == 429
    assert 590 <= refusal["parameters"]["retry_after"] <= 600
    await api.advance(601)
    assert await api.ok("close") is True


async def test_the_transcript_tells_calls_and_deliveries_in_order(api: Any) -> None:
    await api.ok("getMe")
    made = await api.person(text="hi", chat_id=1)
    (update,) = await api.ok("getUpdates")
    page = await api.control("GET", "transcript?after=0")
    assert [e["type"] for e in page["events"]] == ["call", "inject", "deliver", "call"]
    assert [e["seq"] for e in page["events"]] == [1, 2, 3, 4]
    assert page["events"][1]["update"] == update
    assert page["events"][2]["update_id"] == made["update_id"]
    call = page["events"][3]
    assert (call["method"], call["status"], call["result"]) == ("getUpdates", 200, [update])
    assert json.dumps(page["dropped"]) == "0"
    again = await api.control("GET", f"transcript?after={page['next']}")
    assert again["events"] == []


# -- in the machine alone --------------------------------------------------------------------------


def conflicts(machine: Machine, now: float) -> list[int]:
    """Tickets of polls that were ended since this was asked last."""
    machine.wake(now)
    effects = machine.take_effects()
    return [e.ticket for e in effects if isinstance(e, LateReply) and e.reply.status == 409]


def test_of_several_conflicts_only_the_first_is_told_at_once() -> None:
    machine = Machine(Settings(flood=None))
    tickets = []
    for _ in range(4):
        waits = machine.call(TOKEN, "getUpdates", {"timeout": 50}, 100.0)
        assert isinstance(waits, Later)
        tickets.append(waits.ticket)
    assert conflicts(machine, 100.0) == tickets[:1]
    assert conflicts(machine, 102.9) == []
    assert machine.next_wakeup() == 103.0
    assert conflicts(machine, 103.0) == tickets[1:3]
    machine.call(TOKEN, "getUpdates", {"timeout": 50}, 104.0)
    assert conflicts(machine, 104.0) == tickets[3:]


def test_a_poll_under_a_webhook_is_refused_at_once_and_then_slowly() -> None:
    machine = Machine(Settings(flood=None))
    machine.call(TOKEN, "setWebhook", {"url": "http://127.0.0.1:9/"}, 0.0)
    first = machine.call(TOKEN, "getUpdates", {}, 1.0)
    assert isinstance(first, Reply)
    assert first.status == 409
    second = machine.call(TOKEN, "getUpdates", {}, 1.1)
    assert isinstance(second, Later)
    assert conflicts(machine, 4.2) == [second.ticket]
