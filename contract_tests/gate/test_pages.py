"""What a process says of itself over HTTP: health that is green too early, pages that fail."""

import asyncio
from typing import Any

import httpx
import pytest

from botproof import history
from botproof.checks import boot
from botproof.verdict import Verdict
from botproof.workloads.exposure import error_pages_of_the_webhook

POLLING: dict[str, Any] = {"stack": "polling", "mode": "polling"}


def answered(story: Any) -> None:
    for mode in ("polling", "webhook"):
        story.lifetime(mode)
        story.case(mode, "price", "BTC 1")


def injected(story: Any) -> history.UpdateInjected:
    return next(each for each in story.events if isinstance(each, history.UpdateInjected))


def delivered(story: Any, after_s: float, **fields: Any) -> None:
    sent = injected(story)
    given = {"door": "polling", "update_id": sent.update_id, **POLLING, **fields}
    story.add(history.UpdateDelivered(t=sent.t + after_s, **given))


class TestReadyTooEarly:
    def test_a_bot_that_takes_updates_long_after_it_was_ready_is_named(
        self, story, judging
    ) -> None:
        answered(story)
        delivered(story, 4.1)
        result = boot.check(story.history(), judging)
        assert result.verdict is Verdict.FAIL
        assert (
            "bot said that it was ready, and took no update for 4.1 s after that"
            in result.measurement
        )

    @pytest.mark.parametrize("fields", [{}, {"door": "webhook", "duration_s": 9.0}])
    def test_one_that_takes_them_at_once_passes_however_long_it_handles_them(
        self, story, judging, fields: dict[str, Any]
    ) -> None:
        answered(story)
        delivered(story, 0.3 + fields.get("duration_s", 0.0), **fields)
        assert boot.check(story.history(), judging).verdict is Verdict.PASS

    def test_what_the_machine_withheld_is_not_counted(self, story, judging) -> None:
        answered(story)
        delivered(story, 4.1)
        sent = injected(story)
        starved = {"over_s": 3.0, "late_s": 3.0, "cpus": 2, **POLLING}
        story.add(history.Starved(t=sent.t + 3.5, **starved))
        assert boot.check(story.history(), judging).verdict is Verdict.PASS


def test_a_page_that_fails_is_named(story, judging) -> None:
    answered(story)
    story.add(history.PortsSeen(t=99.0, failing=("GET /metrics of bot",), **POLLING))
    result = boot.check(story.history(), judging)
    assert result.verdict is Verdict.FAIL
    assert "GET /metrics of bot answers HTTP 500" in result.measurement


def test_the_webhook_is_asked_for_its_error_pages() -> None:
    """With a wrong secret, with none, and with the right one and no update."""
    asked: list[tuple[str | None, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        secret = request.headers.get("X-Telegram-Bot-Api-Secret-Token")
        asked.append((secret, request.content))
        return httpx.Response(403, text=f"{secret} is not right-secret")

    calls = [
        history.BotApiCall(
            t=1.0,
            method="setWebhook",
            params={"url": "http://127.0.0.1:5000/hook", "secret_token": "right-secret"},
            status=200,
            result=True,
        )
    ]

    async def look(calls: list[history.BotApiCall]) -> list[tuple[str, str]]:
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            return [page async for page in error_pages_of_the_webhook(client, calls)]

    pages = asyncio.run(look(calls))
    assert not asyncio.run(look([]))
    assert [secret for secret, _ in asked] == [None, "wrong-secret-of-nobody", "right-secret"]
    assert all(body == b"{" for _, body in asked)
    assert [place for place, _ in pages] == [
        "what the webhook answers without a secret",
        "what the webhook answers to a wrong secret",
        "what the webhook answers to what is no update",
    ]
    assert all("is not right-secret" in text for _, text in pages)
