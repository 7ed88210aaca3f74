"""The loops of the doors: whatever Telegram answers, they go on and say what is wrong."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from telegram.error import NetworkError, TelegramError

from reference_bot.telegram_bot.doors import polling, webhook
from reference_bot.telegram_bot.doors.intake import Intake
from reference_bot.telegram_bot.doors.polling import PollingDoor
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
    async def at_once(_: Any, method: str, params: Any, *, seconds: float) -> Any:
        assert seconds > 0
        return await _.answer(method, dict(params))

    monkeypatch.setattr(polling, "call", at_once)
    monkeypatch.setattr("reference_bot.telegram_bot.doors.backoff._FIRST", 0.0)
    monkeypatch.setattr(webhook, "_CHECK_SECONDS", 0.0)


async def run(door: PollingDoor | WebhookDoor, telegram: Telegram) -> None:
    task = asyncio.create_task(door.run())
    waiting = asyncio.create_task(telegram.out.wait())
    await asyncio.wait({task, waiting}, timeout=10, return_when=asyncio.FIRST_COMPLETED)
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
