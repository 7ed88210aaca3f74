"""A second program that polls with the bot's token is named; a bot that polls alone is not."""

from typing import Any

import pytest

from botproof import history
from botproof.checks import boot
from botproof.checks.judging import Judging
from botproof.verdict import Verdict

ENDED = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
"""Telegram's words: telegram-bot-api, Client.cpp, `fail_query_conflict`."""
BY_WEBHOOK = "Conflict: can't use getUpdates method while webhook is active"


def refused(story: Any, at: float, why: str = ENDED) -> history.BotApiCall:
    labels = story.labels("polling")
    return history.BotApiCall(
        t=at, method="getUpdates", status=409, error_code=409, description=why, **labels
    )


@pytest.fixture
def polled(story: Any, judging: Judging) -> Any:
    """What boot says of a good run in which these calls were refused."""
    story.healthy()
    asked = {"process": "bot", "role": "bot", "signal": "SIGTERM", **story.labels("polling")}
    story.add(history.StopRequested(t=500.0, **asked))

    def judge(*calls: history.BotApiCall) -> Any:
        story.add(*calls)
        return boot.check(story.history(), judging)

    return judge


def test_a_second_poller_is_red_and_named(story: Any, polled: Any) -> None:
    result = polled(*(refused(story, at) for at in (110.0, 113.0, 116.0)))
    assert result.verdict is Verdict.FAIL
    assert "polling: two programs poll with the bot's token" in result.measurement
    assert f'answered 3 getUpdates by 409 "{ENDED}"' in result.measurement


def test_a_bot_that_polls_alone_is_not_blamed(story: Any, polled: Any) -> None:
    """Not for what was before it was ready or after it was to end, nor for a webhook, nor for one
    wait that it began before Telegram had seen the end of the last one."""
    early, late = (refused(story, at) for at in (1.5, 501.0))
    webhook = [refused(story, at, BY_WEBHOOK) for at in (110.0, 113.0)]
    assert polled(early, refused(story, 110.0), late, *webhook).verdict is Verdict.PASS
