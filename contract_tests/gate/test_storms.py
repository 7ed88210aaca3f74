"""The same call again and again: counted per message, per chat, and per call that fails."""

from typing import Any

import pytest

from botproof import history
from botproof.checks import boot
from botproof.checks.storms import storms
from botproof.verdict import Verdict

LABELS: dict[str, Any] = {"stack": "polling", "mode": "polling"}
CHAT = 77


def calls(
    method: str, times: int, every_s: float, code: int | None = None, **params: Any
) -> list[history.BotApiCall]:
    """So many calls, one every so many seconds."""
    given = {"chat_id": CHAT, **params}
    return [
        history.BotApiCall(
            t=100.0 + number * every_s, method=method, params=given, error_code=code, **LABELS
        )
        for number in range(times)
    ]


def updates(times: int, every_s: float) -> list[history.UpdateInjected]:
    """So many messages of one chat."""
    update = {"message": {"chat": {"id": CHAT}, "text": "/price BTC"}}
    return [
        history.UpdateInjected(t=100.0 + n * every_s, update_id=n, update=update, **LABELS)
        for n in range(times)
    ]


def test_a_message_that_is_edited_ten_times_a_second_is_told() -> None:
    spinner = calls("editMessageText", 10, 0.1, message_id=5)
    assert list(storms(spinner)) == [("editMessage of one message", 10, 100.0)]


@pytest.mark.parametrize(
    "healthy",
    [
        calls("editMessageText", 30, 0.25, message_id=5),  # an answer that grows as it is written
        [c for n in range(20) for c in calls("editMessageText", 1, 0.0, message_id=n)],
        calls("sendMessage", 20, 0.01),  # twenty answers: how many is for golden to say
        calls("getUpdates", 200, 0.01),  # as quick as the updates come
        calls("getUpdates", 10, 0.25, 502),  # a quarter of a second between two tries
    ],
)
def test_healthy_bots_are_left_alone(healthy: list[history.BotApiCall]) -> None:
    assert list(storms(healthy)) == []


def test_an_action_for_each_question_is_none() -> None:
    typing = calls("sendChatAction", 20, 0.05)
    assert list(storms(typing, updates(20, 0.05))) == []
    assert list(storms(typing, updates(1, 0.05))) == [("sendChatAction in one chat", 19, 100.0)]


def test_a_call_that_fails_and_is_made_again_at_once_is_told() -> None:
    refused = calls("getUpdates", 40, 0.02, 502)
    assert list(storms(refused)) == [("getUpdates, which failed (502)", 40, 100.0)]
    others = [c for n in range(40) for c in calls("sendMessage", 1, 0.0, 403, text=str(n))]
    assert list(storms(others)) == [], "forty people who have blocked the bot"


def test_boot_is_red_and_says_where(story, judging) -> None:
    story.healthy()
    assert boot.check(story.history(), judging).verdict is Verdict.PASS
    what = "getUpdates, which failed (502)"
    when = "while Telegram answered 502 for 1.5 s"
    story.add(history.CalledTooOften(t=500.0, what=what, calls=99, when=when, **LABELS))
    result = boot.check(story.history(), judging)
    assert result.verdict is Verdict.FAIL
    assert (
        f"polling: the bot called {what} 99 times within a second {when}: wait after a "
        "call that failed" in result.measurement
    )
