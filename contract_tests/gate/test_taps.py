"""Taps: when they are acknowledged, and what a second one on the same button may bring."""

import asyncio
from typing import Any

import pytest

from botproof import history
from botproof.chats import Chats, ReplyRules
from botproof.checks import golden, latency
from botproof.checks.judging import Judging
from botproof.verdict import Verdict
from botproof.workloads.scripted import Wanted
from botproof.workloads.scripted import acknowledged as waited_for

POLLING: dict[str, Any] = {"stack": "polling", "mode": "polling"}
CHAT, QUERY = 77, "9001"


def tapped(story: Any, *, expect: str = "reply") -> float:
    """Somebody taps a button; when."""
    story.clock += 10
    message = {"message_id": 5, "chat": {"id": CHAT, "type": "private"}, "text": "BTC 1"}
    query = {"id": QUERY, "from": {"id": CHAT}, "message": message, "data": "price BTC"}
    story.add(
        history.CasePlayed(
            t=story.clock,
            case="tap",
            update_id=1,
            chat_id=CHAT,
            expect=expect,
            sent={"callback_query": query},
            **POLLING,
        )
    )
    return float(story.clock)


def acknowledged(story: Any, at: float) -> None:
    given = {"callback_query_id": QUERY}
    story.add(story.call("polling", "answerCallbackQuery", given, at))


def refused(story: Any, at: float) -> None:
    story.add(
        history.BotApiCall(
            t=at,
            method="editMessageText",
            params={"chat_id": CHAT, "message_id": 5, "text": "BTC 1"},
            status=400,
            error_code=400,
            description="Bad Request: message is not modified",
            **POLLING,
        )
    )


@pytest.mark.parametrize(("after_s", "verdict"), [(0.4, Verdict.PASS), (4.0, Verdict.FAIL)])
def test_a_tap_is_acknowledged_as_soon_as_a_reply_has_to_come(
    story, judging, after_s: float, verdict: Verdict
) -> None:
    at = tapped(story)
    story.edited("polling", CHAT, "", "BTC 2", at + 0.3)
    acknowledged(story, at + after_s)
    story.case("webhook", "price", "BTC 1")
    story.load("polling", 3000)
    result = latency.check(story.history(), judging)
    assert result.verdict is verdict
    late = "answerCallbackQuery came after 4.00 s"
    assert any(late in line for line in result.evidence) == (verdict is Verdict.FAIL)


def test_a_tap_that_was_acknowledged_in_time_may_be_so_again(story, judging) -> None:
    at = tapped(story)
    story.edited("polling", CHAT, "", "BTC 2", at + 0.3)
    acknowledged(story, at + 0.4)
    acknowledged(story, at + 4.0)
    story.case("webhook", "price", "BTC 1")
    story.load("polling", 3000)
    assert latency.check(story.history(), judging).verdict is Verdict.PASS


@pytest.mark.parametrize("comes", [True, False])
def test_an_acknowledgement_after_the_answer_is_waited_for(story, comes: bool) -> None:
    """Else it would not be recorded how late it came: the conversation would be over."""
    at = tapped(story)
    story.edited("polling", CHAT, "", "BTC 2", at + 0.3)
    acknowledged(story, at + 4.0)
    (played,) = (each for each in story.events if isinstance(each, history.CasePlayed))
    *answer, toast = (each for each in story.events if isinstance(each, history.BotApiCall))

    async def wait() -> bool:
        wanted = Wanted(Chats(ReplyRules()), played, 0)
        for each in answer:
            wanted.feed(each)
        assert wanted.came
        events: asyncio.Queue[history.Event] = asyncio.Queue()
        if comes:
            events.put_nowait(toast)
        return await waited_for(wanted, events, 60.0 if comes else 0.0)

    assert asyncio.run(wait()) is comes


@pytest.fixture
def only_price(judging, approved) -> Judging:
    """As in a healthy story of which only the price is asked."""
    return Judging(judging.budgets, judging.rules, {"price": approved["price"]})


class TestTheSameAgain:
    def test_that_nothing_changes_is_no_answer_and_no_fault(self, story, only_price) -> None:
        at = tapped(story, expect="silence")
        acknowledged(story, at + 0.1)
        refused(story, at + 0.2)
        story.case("polling", "price", "<b>BTC</b> 1")
        assert golden.check(story.history(), only_price).verdict is Verdict.PASS

    def test_another_edit_after_that_is_named(self, story, only_price) -> None:
        at = tapped(story, expect="silence")
        refused(story, at + 0.2)
        given = {"chat_id": CHAT, "message_id": 5, "text": "BTC 1"}
        story.add(story.call("polling", "editMessageText", given, at + 0.4, {"message_id": 5}))
        story.case("polling", "price", "<b>BTC</b> 1")
        assert golden.check(story.history(), only_price).verdict is Verdict.FAIL

    def test_a_new_message_is_named_with_what_telegram_said(self, story, only_price) -> None:
        at = tapped(story, expect="silence")
        acknowledged(story, at + 0.1)
        refused(story, at + 0.2)
        story.sent("polling", CHAT, "Something went wrong", at + 0.4)
        story.case("polling", "price", "<b>BTC</b> 1")
        result = golden.check(story.history(), only_price)
        assert result.verdict is Verdict.FAIL
        text = "\n".join(result.evidence)
        assert "tap (polling): must stay unanswered, but the bot sent 1" in text
        assert "editMessageText: 400 Bad Request: message is not modified" in text
