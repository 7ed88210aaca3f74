"""The loops of the doors: whatever Telegram answers, they go on and say what is wrong."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from telegram.error import NetworkError, TelegramError

from reference_bot.telegram_bot.doors import webhook
from reference_bot.telegram_bot.doors.intake import Intake
from reference_bot.telegram_bot.doors.polling import PollingDoor
from reference_bot.telegram_bot.doors.registration import Registration
from reference_bot.telegram_bot.doors.webhook import WebhookDoor
from reference_bot.telegram_bot.health import Readiness
from reference_bot.telegram_bot.inbox import InboxUnavailableError, Put
from reference_bot.telegram_bot.metrics import Metrics

pytestmark = pytest.mark.anyio

URL = "https://bot.example.org/webhook"


class Info:
    url = URL
    allowed_updates = None
    max_connections = None
    last_error_date = None
    last_error_message = None
    last_synchronization_error_date = None
    has_custom_certificate = False
    pending_update_count = 0
    ip_address = None


class Telegram:
    """Gives the next of ``answers`` to every call; an exception is raised, None hangs."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.out = asyncio.Event()

    async def answer(self, method: str, params: dict[str, Any]) -> Any:
        self.calls.append((method, params))
        if not self.answers:
            self.out.set()
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def delete_webhook(self, **params: Any) -> Any:
        return await self.answer("deleteWebhook", params)

    async def set_webhook(self, url: str, **params: Any) -> Any:
        return await self.answer("setWebhook", {"url": url, **params})

    async def call(self, method: str, params: Any, *, seconds: float) -> Any:
        assert seconds > 0
        return await self.answer(method, dict(params))

    async def get_webhook_info(self) -> Any:
        return await self.answer("getWebhookInfo", {})


class Inbox:
    """Takes everything, or refuses as often as told."""

    def __init__(self, refusals: int = 0) -> None:
        self.refusals = refusals
        self.ids: list[int] = []

    async def put(self, updates: list[Any]) -> Put:
        if self.refusals:
            self.refusals -= 1
            raise InboxUnavailableError("disk full")
        self.ids += [update.update_id for update in updates]
        return Put(new=len(updates), known=0)


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def intake(readiness: Readiness) -> Callable[[Inbox], Intake]:
    def make(inbox: Inbox) -> Intake:
        stand_in: Any = inbox
        return Intake("test", stand_in, Metrics(), readiness)

    return make


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reference_bot.telegram_bot.backoff._FIRST", 0.0)
    monkeypatch.setattr(webhook, "_CHECK_SECONDS", 0.0)


async def run(door: PollingDoor | WebhookDoor, telegram: Telegram) -> None:
    task = asyncio.create_task(door.run())
    waiting = asyncio.create_task(telegram.out.wait())
    await asyncio.wait({task, waiting}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    assert not task.done(), "a door never ends by itself"
    task.cancel()
    waiting.cancel()
    await asyncio.gather(task, waiting, return_exceptions=True)
    assert telegram.out.is_set()


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (NetworkError("Bad Gateway"), "getUpdates failed: Bad Gateway"),
        (TypeError("odd"), "Telegram gave an answer that cannot be read"),
    ],
)
async def test_polling_goes_on_after_any_answer(
    readiness: Readiness,
    intake: Callable[[Inbox], Intake],
    trouble: Exception,
    reason: str,
) -> None:
    telegram: Any = Telegram(True, trouble)
    door = PollingDoor(telegram, intake(Inbox()), readiness, Metrics())
    await run(door, telegram)
    assert readiness.known("polling") == reason
    telegram.answers, telegram.out = [[]], asyncio.Event()
    await run(PollingDoor(telegram, intake(Inbox()), readiness, Metrics()), telegram)


async def test_polling_confirms_only_what_the_inbox_has(
    readiness: Readiness, intake: Callable[[Inbox], Intake]
) -> None:
    batch = [{"update_id": 7}, {"update_id": 8}]
    inbox = Inbox(refusals=2)
    telegram: Any = Telegram(True, batch, batch, batch)
    await run(PollingDoor(telegram, intake(inbox), readiness, Metrics()), telegram)
    offsets = [params["offset"] for method, params in telegram.calls if method == "getUpdates"]
    assert offsets == [None, None, None, 9]
    assert inbox.ids == [7, 8]


async def test_polling_drops_no_backlog_and_keeps_its_first_call_short(
    readiness: Readiness, intake: Callable[[Inbox], Intake]
) -> None:
    telegram: Any = Telegram(True, [])
    await run(PollingDoor(telegram, intake(Inbox()), readiness, Metrics()), telegram)
    assert telegram.calls[0] == ("deleteWebhook", {"drop_pending_updates": False})
    assert [params["timeout"] for _, params in telegram.calls[1:]] == [0, 4]
    assert readiness.reasons() == {}


@pytest.mark.parametrize("trouble", [TelegramError("Bad Gateway"), TypeError("odd")])
async def test_the_webhook_is_set_again_after_any_answer(
    readiness: Readiness, intake: Callable[[Inbox], Intake], trouble: Exception
) -> None:
    elsewhere = Info()
    elsewhere.url = ""
    telegram: Any = Telegram(trouble, True, Info(), elsewhere, True, Info(), trouble, Info())
    door = WebhookDoor(
        telegram, intake(Inbox()), readiness, Metrics(), url=URL, secret="s", max_connections=10
    )
    await run(door, telegram)
    made = [method for method, _ in telegram.calls]
    assert made == [
        "setWebhook",
        "setWebhook",
        "getWebhookInfo",
        "getWebhookInfo",
        "setWebhook",
        "getWebhookInfo",
        "getWebhookInfo",
        "getWebhookInfo",
        "getWebhookInfo",
    ]
    assert all(
        params["drop_pending_updates"] is False
        for method, params in telegram.calls
        if method == "setWebhook"
    )


# --- what getWebhookInfo tells ------------------------------------------------------------------


def told(number: int = 0, said: str | None = None, **more: Any) -> Any:
    """An answer of getWebhookInfo; ``number`` dates its last error."""
    info: Any = Info()
    info.last_error_date = datetime.fromtimestamp(1000 + number, UTC) if said else None
    info.last_error_message = said
    for name, value in more.items():
        setattr(info, name, value)
    return info


class Hook:
    """A registration as the webhook's door uses it, at a time that the test says."""

    def __init__(self) -> None:
        self.now = 5000.0
        self.known = Registration(URL, 100, clock=lambda: self.now)
        self.look(told())

    def look(self, info: Any) -> tuple[list[str], str | None]:
        return self.known.news(info), self.known.strange_address(info)


CANNOT = "SSL error {certificate verify failed}"


def test_what_telegram_cannot_bring_is_told_while_it_is_so() -> None:
    hook = Hook()
    failing = told(1, CANNOT, pending_update_count=3)
    assert hook.look(failing) == ([f"Telegram could not bring an update: {CANNOT}"], None)
    assert hook.known.wrong(failing) is None
    said = f"Telegram cannot bring updates, 3 wait: {CANNOT}"
    assert hook.known.trouble(failing) == said
    assert hook.look(failing) == ([], None), "the same error is told once"
    assert hook.known.trouble(failing) == said
    hook.known.called(refused=False)
    assert hook.known.trouble(failing) is None, "an update came"
    assert hook.known.trouble(told(1, CANNOT)) is None, "none waits"


def test_an_error_of_before_or_of_an_hour_ago_is_no_trouble() -> None:
    hook = Hook()
    hook.known.was_set()
    old = told(9, CANNOT, pending_update_count=3)
    assert hook.look(old) == ([], None)
    assert hook.known.trouble(old) is None
    fresh = told(10, CANNOT, pending_update_count=3)
    hook.look(fresh)
    assert hook.known.trouble(told(10, CANNOT)) is None, "what waited has come"
    hook.now += 3600
    assert hook.known.trouble(fresh) is None


def test_updates_that_wait_while_nothing_comes_are_told_without_any_error() -> None:
    hook = Hook()
    waiting = [told(pending_update_count=count) for count in (3, 40, 41)]
    assert hook.known.trouble(waiting[0]) is None
    hook.now += 80
    said = "40 updates wait at Telegram, and none has come for 80 s"
    assert hook.known.trouble(waiting[1]) == said
    hook.known.called(refused=False)
    hook.now += 5
    assert hook.known.trouble(waiting[2]) is None, "it works through them"
    hook.now += 80
    assert hook.known.trouble(told()) is None, "none waits"
    assert hook.known.trouble(waiting[0]) is None, "these have only come"


def test_an_answer_of_ours_is_no_trouble_on_the_way() -> None:
    hook = Hook()
    hook.known.called(refused=False)
    hook.now += 5
    refused = told(1, "Wrong response from the webhook: 400 Bad Request", pending_update_count=1)
    hook.look(refused)
    assert hook.known.trouble(refused) is None


def test_another_secret_is_known_by_what_was_refused_here() -> None:
    hook = Hook()
    refused = told(1, "Wrong response from the webhook: 403 Forbidden", pending_update_count=1)
    hook.look(refused)
    assert hook.known.wrong(refused) is None, "a proxy may have said that"
    assert hook.known.trouble(refused) is not None
    hook.known.called(refused=True)
    assert hook.known.wrong(refused) == "the webhook has another secret"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"url": ""}, "the webhook was removed"),
        ({"url": "https://other.example/x"}, "the webhook leads to other.example"),
        ({"max_connections": 40}, "the webhook has 40 connections"),
        ({"has_custom_certificate": True}, "the webhook was set with a certificate of its own"),
        (
            {"allowed_updates": ["message", "edited_message", "callback_query"]},
            "the webhook does not bring inline_query, my_chat_member any more",
        ),
    ],
)
def test_what_somebody_else_has_set_is_named(change: dict[str, Any], wrong: str) -> None:
    assert Hook().known.wrong(told(**change)) == wrong


def test_an_address_that_somebody_bound_is_told_from_one_that_changed_in_the_dns() -> None:
    ours, theirs = told(ip_address="203.0.113.7"), told(ip_address="198.51.100.9")
    hook = Hook()
    assert not hook.known.moved(ours), "the first one is ours"
    hook.known.was_set()
    hook.look(ours)
    assert hook.known.moved(theirs)
    hook.known.was_set()  # binds it to none
    assert hook.look(ours) == ([], "198.51.100.9"), "it went back, so it had been bound"
    assert hook.known.moved(theirs)
    hook.known.was_set()
    assert hook.look(theirs) == ([], None), "it stays: the host has a new address"
    assert not hook.known.moved(theirs)
