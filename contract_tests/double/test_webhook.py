"""Webhook delivery: order, parallel chats, the retry schedule, 410, answers that call a method."""

import asyncio
import json
from typing import Any

import pytest

from botproof.doubles.messages import Response, Transport, json_response
from botproof.doubles.telegram.context import Note, Post, Settings
from botproof.doubles.telegram.doors import Outcome
from botproof.doubles.telegram.machine import Machine
from botproof.doubles.telegram.replies import Reply

pytestmark = pytest.mark.anyio

TOKEN = "5:" + "W" * 35
OK = Outcome(status=200, reason="OK")


def update_of(request: Any) -> Any:
    return json.loads(request.body)


# -- over sockets ----------------------------------------------------------------------------------


async def test_an_update_is_posted_as_json_with_the_secret(api: Any, hook: Any) -> None:
    assert await api.call("setWebhook", url=hook.url, secret_token="Se_cr-et1") == {
        "ok": True,
        "result": True,
        "description": "Webhook was set",
    }
    made = await api.person(text="hello", chat_id=1)
    request = await hook.requests.get()
    assert request.method == "POST"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-telegram-bot-api-secret-token"] == "Se_cr-et1"
    assert update_of(request)["update_id"] == made["update_id"]
    (confirmed,) = await api.wait_for("confirm", 1)
    assert confirmed["update_ids"] == [made["update_id"]]
    assert confirmed["door"] == "webhook"


async def test_without_a_secret_there_is_no_header(api: Any, hook: Any) -> None:
    await api.ok("setWebhook", url=hook.url)
    await api.person(text="hello", chat_id=1)
    assert "x-telegram-bot-api-secret-token" not in (await hook.requests.get()).headers


async def test_what_waited_is_delivered_when_a_webhook_is_set(api: Any, hook: Any) -> None:
    made = await api.person(text="early", chat_id=1)
    await api.ok("setWebhook", url=hook.url)
    assert update_of(await hook.requests.get())["update_id"] == made["update_id"]


async def test_drop_pending_updates_drops_them(api: Any, hook: Any) -> None:
    await api.person(text="dropped", chat_id=1)
    await api.ok("setWebhook", url=hook.url, drop_pending_updates=True)
    await api.person(text="kept", chat_id=1)
    assert update_of(await hook.requests.get())["message"]["text"] == "kept"


async def test_one_chat_at_a_time_chats_beside_each_other(api: Any, hook: Any) -> None:
    hook.hold = asyncio.Event()
    await api.ok("setWebhook", url=hook.url)
    for chat_id in (1, 1, 2, 3):
        await api.person(text=f"chat {chat_id}", chat_id=chat_id)
    begun = [update_of(await hook.requests.get())["message"]["chat"]["id"] for _ in range(3)]
    assert sorted(begun) == [1, 2, 3]
    assert hook.requests.empty()
    hook.hold.set()
    assert update_of(await hook.requests.get())["message"]["chat"]["id"] == 1


async def test_max_connections_bounds_what_is_under_way(api: Any, hook: Any) -> None:
    hook.hold = asyncio.Event()
    await api.ok("setWebhook", url=hook.url, max_connections=2)
    for chat_id in (1, 2, 3):
        await api.person(text="hi", chat_id=chat_id)
    await hook.requests.get()
    await hook.requests.get()
    await api.ok("getMe")
    assert hook.requests.empty()
    hook.hold.set()
    await hook.requests.get()


@pytest.mark.parametrize("status", [199 + 101, 404, 500])
async def test_anything_but_2xx_is_tried_again(api: Any, hook: Any, status: int) -> None:
    answers = iter([Response(status=status), Response()])
    hook.answer = lambda _: next(answers)
    await api.ok("setWebhook", url=hook.url)
    made = await api.person(text="hi", chat_id=1)
    first, second = await hook.requests.get(), await hook.requests.get()
    assert update_of(first) == update_of(second)
    failed, delivered = await api.wait_for("deliver", 2)
    assert (failed["attempt"], failed["status"]) == (1, status)
    assert (delivered["attempt"], delivered["status"]) == (2, 200)
    assert delivered["update_id"] == made["update_id"]


async def test_retries_wait_on_the_clock_that_can_be_moved(api: Any, hook: Any) -> None:
    hook.answer = lambda _: Response(status=500)
    await api.ok("setWebhook", url=hook.url)
    await api.person(text="hi", chat_id=1)
    await api.wait_for("deliver", 2)
    for attempts, pause in ((3, 2), (4, 4), (5, 8)):
        await api.advance(pause)
        assert len(await api.wait_for("deliver", attempts)) == attempts


async def test_webhook_info_tells_the_last_error(api: Any, hook: Any) -> None:
    hook.answer = lambda _: Response(status=503)
    await api.ok("setWebhook", url=hook.url, max_connections=7)
    await api.person(text="hi", chat_id=1)
    await api.wait_for("deliver", 2)
    info = await api.ok("getWebhookInfo")
    assert info.pop("last_error_date") > 1_700_000_000
    assert info == {
        "url": hook.url,
        "has_custom_certificate": False,
        "pending_update_count": 1,
        "last_error_message": "Wrong response from the webhook: 503 Service Unavailable",
        "max_connections": 7,
        "ip_address": "127.0.0.1",
    }


@pytest.mark.parametrize(
    ("transport", "says"),
    [
        (Transport.RESET, "Connection reset by peer"),
        (Transport.SILENT, "Read timeout expired"),
    ],
)
async def test_a_broken_connection_is_tried_again(
    api: Any, hook: Any, transport: Transport, says: str
) -> None:
    answers = iter([Response(transport=transport), Response(transport=transport)])
    hook.answer = lambda _: next(answers, Response())
    await api.ok("setWebhook", url=hook.url)
    await api.person(text="hi", chat_id=1)
    for _ in range(2):
        await hook.requests.get()
        if transport is Transport.SILENT:
            await api.advance(61)
    failed = await api.wait_for("deliver", 2)
    assert [(e["attempt"], e["status"], e["error"]) for e in failed] == [
        (1, None, says),
        (2, None, says),
    ]
    await api.advance(2)
    await api.wait_for("confirm", 1)
    assert (await api.ok("getWebhookInfo"))["last_error_message"] == says


async def test_nobody_listens(api: Any, hook: Any) -> None:
    url = hook.url
    await hook.server.close()
    await api.ok("setWebhook", url=url)
    await api.person(text="hi", chat_id=1)
    failed = await api.wait_for("deliver", 2)
    assert [event["error"] for event in failed] == ["Connection refused"] * 2


async def test_a_method_in_the_answer_is_called(api: Any, hook: Any) -> None:
    hook.answer = lambda _: json_response(
        {"method": "sendMessage", "chat_id": 1, "text": "from the answer"}
    )
    await api.ok("setWebhook", url=hook.url)
    await api.person(text="hi", chat_id=1)
    *_, call = await api.wait_for("call", 2)
    assert call["method"] == "sendMessage"
    assert call["via"] == "webhook answer"
    assert (await api.chat())["messages"][-1]["text"] == "from the answer"


@pytest.mark.parametrize("method", ["getMe", "setWebhook", "deleteWebhook", "close", "logOut"])
async def test_some_methods_are_not_called_from_an_answer(api: Any, hook: Any, method: str) -> None:
    hook.answer = lambda _: json_response({"method": method})
    await api.ok("setWebhook", url=hook.url)
    await api.person(text="hi", chat_id=1)
    await api.wait_for("confirm", 1)
    info = await api.ok("getWebhookInfo")
    assert info["url"] == hook.url
    assert [e["method"] for e in await api.events("call")] == ["setWebhook", "getWebhookInfo"]


async def test_delete_webhook_keeps_what_was_not_delivered(api: Any, hook: Any) -> None:
    hook.hold = asyncio.Event()
    await api.ok("setWebhook", url=hook.url)
    made = await api.person(text="hi", chat_id=1)
    await hook.requests.get()
    answer = await api.call("deleteWebhook")
    assert answer["description"] == "Webhook was deleted"
    (update,) = await api.ok("getUpdates")
    assert update["update_id"] == made["update_id"]
    assert (await api.call("deleteWebhook"))["description"] == "Webhook is already deleted"
    attempts = [(e["door"], e.get("error")) for e in await api.events("deliver")]
    assert attempts == [("webhook", "Webhook was closed"), ("polling", None)]


async def test_the_same_webhook_again_is_already_set(api: Any, hook: Any) -> None:
    await api.ok("setWebhook", url=hook.url)
    assert (await api.call("setWebhook", url=hook.url))["description"] == "Webhook is already set"


async def test_an_empty_url_deletes_the_webhook(api: Any, hook: Any) -> None:
    await api.ok("setWebhook", url=hook.url)
    assert (await api.call("setWebhook", url=""))["description"] == "Webhook was deleted"
    assert (await api.ok("getWebhookInfo"))["url"] == ""


NO_SUCH_HOST = "bad webhook: Failed to resolve host: Name or service not known"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"url": "ftp://127.0.0.1/"}, "invalid webhook URL specified"),
        ({"url": "https://"}, "invalid webhook URL specified"),
        ({"url": "http://127.0.0.1:99999/"}, "invalid webhook URL specified"),
        (
            {"url": "http://example.com/"},
            "bad webhook: An HTTPS URL must be provided for webhook",
        ),
        (
            {"url": "https://example.com:8080/"},
            "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
        ),
        (
            {"url": "https://example.com/", "ip_address": "10.0.0.1"},
            "bad webhook: IP address 10.0.0.1 is reserved",
        ),
        (
            {"url": "https://example.com/", "ip_address": "224.0.0.1"},
            "bad webhook: IP address 224.0.0.1 is reserved",
        ),
        (
            {"url": "https://example.com/", "ip_address": "2606:4700::1"},
            "bad webhook: IPv6-only addresses are not allowed",
        ),
        (
            {"url": "https://example.com/", "ip_address": "the server"},
            "bad webhook: Invalid IP address specified",
        ),
        # What a setting that nobody gave reads as in JavaScript and Python.
        ({"url": "undefined/bot"}, NO_SUCH_HOST),
        ({"url": "https://undefined/bot"}, NO_SUCH_HOST),
        ({"url": "https://None:8443/bot"}, NO_SUCH_HOST),
        ({"url": "YOUR_URL/bot"}, NO_SUCH_HOST),
        ({"url": "/bot"}, "invalid webhook URL specified"),
        ({"url": "https:///bot"}, "invalid webhook URL specified"),
        ({"url": "https://<your-domain>/bot"}, "invalid webhook URL specified"),
        ({"url": "https://${DOMAIN}/bot"}, "invalid webhook URL specified"),
        ({"url": "https://[object Object]/bot"}, "invalid webhook URL specified"),
        ({"url": "https://example.com:port/"}, "invalid webhook URL specified"),
        ({"url": "https://example.com/", "secret_token": "s" * 257}, "secret token is too long"),
        (
            {"url": "https://example.com/", "secret_token": "not allowed!"},
            "secret token contains unallowed characters",
        ),
    ],
)
async def test_webhooks_that_are_refused(api: Any, params: dict[str, object], says: str) -> None:
    assert await api.refused("setWebhook", **params) == f"400 Bad Request: {says}"


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "example.com/bot?back=http://elsewhere",
        "https://user:word@example.com:0443/bot",
        "https://bücher.example/bot",
        "http://bot:8080/webhook",
        "localhost:8443/bot",
    ],
)
async def test_webhooks_that_are_taken(api: Any, url: str) -> None:
    await api.ok("setWebhook", url=url)
    assert (await api.ok("getWebhookInfo"))["url"] == url


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://127.0.0.1/", "An HTTPS URL must be provided for webhook"),
        ("https://10.0.0.1/", "IP address 10.0.0.1 is reserved"),
        ("https://localhost/", "IP address 127.0.0.1 is reserved"),
        ("https://[::1]/", "IPv6-only addresses are not allowed"),
        ("https://bot/", "Failed to resolve host: Name or service not known"),
    ],
)
def test_a_strict_double_refuses_its_own_networks_as_telegram_does(url: str, says: str) -> None:
    machine = Machine(Settings(strict_webhooks=True))
    answer = machine.call(TOKEN, "setWebhook", {"url": url}, 0.0)
    assert isinstance(answer, Reply)
    assert answer.description == f"Bad Request: bad webhook: {says}"


# -- the schedule, in the machine alone ------------------------------------------------------------


def hooked(**target: object) -> Machine:
    machine = Machine(Settings(seed=3, flood=None))
    machine.call(TOKEN, "setWebhook", {"url": "http://127.0.0.1:9/", **target}, 0.0)
    machine.take_effects()
    return machine


def say(machine: Machine, now: float, chat_id: int = 1, text: str = "hi") -> int:
    number: int = machine.person(TOKEN, {"text": text, "chat_id": chat_id}, now)["update_id"]
    return number


def posts(machine: Machine) -> list[Post]:
    return [effect for effect in machine.take_effects() if isinstance(effect, Post)]


def fail(machine: Machine, post: Post, now: float, **outcome: Any) -> list[Post]:
    machine.settle(TOKEN, post.number, Outcome(**{"status": 500, **outcome}), {}, now)
    return posts(machine)


def test_the_retry_schedule_is_at_once_then_doubling_to_a_random_minute_or_two() -> None:
    machine = hooked()
    say(machine, 0.0)
    (post,) = posts(machine)
    (post,) = fail(machine, post, 0.0)
    now, pauses = 0.0, []
    for _ in range(12):
        assert fail(machine, post, now) == []
        due = machine.next_wakeup()
        assert due is not None
        pauses.append(due - now)
        now = due
        machine.wake(now)
        (post,) = posts(machine)
    assert pauses[:5] == [2, 4, 8, 16, 32]
    assert all(60 <= pause <= 120 for pause in pauses[5:])
    assert len(set(pauses[5:])) > 1


@pytest.mark.parametrize(("asked", "waits"), [(7, 7), (3600, 3600), (90_000, 3600)])
def test_retry_after_comes_before_the_schedule(asked: int, waits: int) -> None:
    machine = hooked()
    say(machine, 0.0)
    (post,) = posts(machine)
    assert fail(machine, post, 10.0, status=429, retry_after=asked) == []
    assert machine.next_wakeup() == 10.0 + waits


def test_a_later_update_of_the_chat_waits_for_the_one_that_fails() -> None:
    machine = hooked()
    first, second = say(machine, 0.0), say(machine, 0.0, text="second")
    (post,) = posts(machine)
    assert post.update_id == first
    (post,) = fail(machine, post, 0.0)
    assert fail(machine, post, 0.0) == []
    machine.wake(2.0)
    (post,) = posts(machine)
    assert post.update_id == first
    machine.settle(TOKEN, post.number, OK, {}, 2.0)
    (post,) = posts(machine)
    assert post.update_id == second


def test_callbacks_queue_by_user_and_not_behind_the_messages_of_the_chat() -> None:
    machine = hooked()
    say(machine, 0.0)
    tap = {"from": {"id": 1, "is_bot": False, "first_name": "A"}, "data": "x"}
    for _ in range(2):
        machine.person(TOKEN, {"update": {"callback_query": tap}}, 0.0)
    message, callback = posts(machine)
    assert b'"message"' in message.body
    assert b'"callback_query"' in callback.body
    machine.settle(TOKEN, message.number, OK, {}, 0.0)
    assert posts(machine) == []
    machine.settle(TOKEN, callback.number, OK, {}, 0.0)
    assert len(posts(machine)) == 1


def test_the_webhook_looks_ahead_twice_its_connections_only() -> None:
    """A chat that piles up holds the others back, as at the real server."""
    machine = hooked(max_connections=1)
    for n in range(2):
        say(machine, 0.0, text=f"n {n}")
    say(machine, 0.0, chat_id=2)
    (post,) = posts(machine)
    (post,) = fail(machine, post, 0.0)
    assert fail(machine, post, 0.0) == []
    machine.wake(1.9)
    assert posts(machine) == []


def test_410_for_23_hours_removes_the_webhook() -> None:
    machine = hooked()
    say(machine, 0.0)
    (post,) = posts(machine)
    now = 0.0
    while now <= 23 * 3600:
        found = fail(machine, post, now, status=410)
        while not found:
            due = machine.next_wakeup()
            assert due is not None
            now = due
            machine.wake(now)
            found = posts(machine)
        post = found[0]
    machine.settle(TOKEN, post.number, Outcome(status=410), {}, now)
    notes = [e for e in machine.take_effects() if isinstance(e, Note)]
    assert ("webhook_deleted", {"why": "410 for 23 hours"}) in [(n.kind, n.fields) for n in notes]
    assert machine.bots[TOKEN].webhook is None
    assert len(machine.bots[TOKEN].queue) == 1


def test_another_answer_in_between_starts_the_23_hours_anew() -> None:
    machine = hooked()
    say(machine, 0.0)
    (post,) = posts(machine)
    (post,) = fail(machine, post, 0.0, status=410)
    assert fail(machine, post, 22 * 3600.0, status=500) == []
    machine.wake(22 * 3600.0 + 2)
    (post,) = posts(machine)
    fail(machine, post, 23 * 3600.0 + 60, status=410)
    assert machine.bots[TOKEN].webhook is not None


def test_no_answer_in_sixty_seconds_counts_as_a_failure() -> None:
    machine = hooked()
    say(machine, 0.0)
    (first,) = posts(machine)
    machine.wake(59.9)
    assert posts(machine) == []
    machine.wake(60.0)
    (second,) = posts(machine)
    assert second.update_id == first.update_id
    assert second.attempt == 2
    machine.settle(TOKEN, first.number, OK, {}, 60.1)
    assert len(machine.bots[TOKEN].queue) == 1  # the late answer counts for nothing


def test_an_update_that_would_be_dead_before_its_next_attempt_is_dropped() -> None:
    machine = hooked()
    tap = {"from": {"id": 1, "is_bot": False, "first_name": "A"}, "data": "x"}
    machine.person(TOKEN, {"update": {"callback_query": tap}}, 0.0)
    (post,) = posts(machine)
    fail(machine, post, 100.0, status=503, retry_after=51)
    assert len(machine.bots[TOKEN].queue) == 0


def test_the_same_seed_gives_the_same_schedule() -> None:
    def schedule() -> list[float]:
        machine = hooked()
        say(machine, 0.0)
        (post,) = posts(machine)
        now, times = 0.0, []
        for _ in range(10):
            found = fail(machine, post, now)
            if not found:
                now = machine.next_wakeup() or 0.0
                machine.wake(now)
                found = posts(machine)
            (post,) = found
            times.append(now)
        return times

    assert schedule() == schedule()
