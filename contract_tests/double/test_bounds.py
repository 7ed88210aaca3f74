"""What a double keeps is bounded, in number and in bytes; what goes takes along what hangs on it.

The record of a double that runs for days must not grow, nor its answers break where something went.
"""

from typing import Any

import pytest

from botproof.doubles.kit.transcript import Transcript
from botproof.doubles.telegram.context import Settings
from botproof.doubles.telegram.machine import Machine
from botproof.doubles.telegram.replies import Reply
from botproof.doubles.telegram.world import Bot, Limits

TOKEN = "5:" + "A" * 35
NOW = 1_000_000.0


def machine(**limits: int) -> Machine:
    made = Machine(Settings(seed=1, flood=None, limits=Limits(**limits)))
    made.person(TOKEN, {"text": "hi", "chat_id": 1}, NOW)
    return made


def call(made: Machine, method: str, **params: object) -> Any:
    reply = made.call(TOKEN, method, {"chat_id": 1, **params}, NOW)
    assert isinstance(reply, Reply)
    assert reply.is_ok, reply
    return reply.result


def bot(made: Machine) -> Bot:
    return made.bot(TOKEN, NOW)


def test_the_oldest_messages_go_by_number() -> None:
    made = machine(messages=3)
    for n in range(5):
        call(made, "sendMessage", text=str(n))
    assert [m["text"] for m in bot(made).chats[1].messages.values()] == ["2", "3", "4"]


def test_and_by_bytes_for_texts_may_be_long() -> None:
    made = machine(message_bytes=20_000)
    for _ in range(100):
        call(made, "sendMessage", text="x" * 4096)
    assert len(bot(made).chats[1].messages) == 4
    assert bot(made).stored_bytes <= 20_000


def test_a_message_over_the_bound_is_kept_until_the_next_one() -> None:
    made = machine(message_bytes=10)
    sent = call(made, "sendMessage", text="x" * 100)
    assert list(bot(made).chats[1].messages) == [sent["message_id"]]


def test_a_pinned_message_that_goes_is_not_pinned_any_more() -> None:
    made = machine(messages=2)
    sent = call(made, "sendMessage", text="pinned")
    call(made, "pinChatMessage", message_id=sent["message_id"])
    assert call(made, "getChat")["pinned_message"]["text"] == "pinned"
    for _ in range(2):
        call(made, "sendMessage", text="later")
    assert "pinned_message" not in call(made, "getChat")


def test_a_pinned_message_that_its_author_deletes_is_not_pinned_any_more() -> None:
    made = machine()
    call(made, "pinChatMessage", message_id=1)
    made.person(TOKEN, {"delete": {"message_id": 1}, "chat_id": 1}, NOW)
    assert "pinned_message" not in call(made, "getChat")


def test_polls_and_votes_go_with_their_messages() -> None:
    made = machine(messages=2)
    for _ in range(5):
        poll = call(made, "sendPoll", question="?", options=["a"])["poll"]
        made.person(TOKEN, {"vote": {"poll_id": poll["id"], "options": [0]}, "user_id": 1}, NOW)
    assert (len(bot(made).polls), len(bot(made).chats[1].votes)) == (2, 2)


def test_queries_and_inline_messages_are_counted() -> None:
    made = machine(queries=3)
    result = {"type": "article", "id": "a", "title": "A"}
    result["input_message_content"] = {"message_text": "x"}  # type: ignore[assignment] # one of many shapes
    result["reply_markup"] = {"inline_keyboard": [[{"text": "b", "callback_data": "c"}]]}  # type: ignore[assignment] # one of many shapes
    for _ in range(5):
        asked = made.person(TOKEN, {"inline_query": "q", "user_id": 1}, NOW)
        query = asked["inline_query_id"]
        call(made, "answerInlineQuery", inline_query_id=query, results=[result])
        choice = {"inline_query_id": query, "result_id": "a"}
        made.person(TOKEN, {"choose": choice, "user_id": 1}, NOW)
    assert (len(bot(made).queries), len(bot(made).inline_messages)) == (3, 3)


@pytest.mark.parametrize("limits", [{"updates": 3}, {"update_bytes": 500}])
def test_a_full_queue_takes_no_more_and_has_room_again(limits: dict[str, int]) -> None:
    made = machine(**limits)
    for _ in range(9):
        made.person(TOKEN, {"text": "x", "chat_id": 1}, NOW)
    refused = made.person(TOKEN, {"text": "x", "chat_id": 1}, NOW)
    assert refused["update_id"] is None
    waiting = call(made, "getUpdates")
    assert len(waiting) == len(bot(made).queue) == 3
    made.call(TOKEN, "deleteWebhook", {"drop_pending_updates": True}, NOW)
    assert made.person(TOKEN, {"text": "x", "chat_id": 1}, NOW)["update_id"] is not None


def test_the_transcript_drops_the_oldest_and_says_how_many() -> None:
    record = Transcript(limit=1_000)
    for n in range(100):
        record.add("call", {"token": TOKEN, "n": n})
    page = record.after(0)
    assert page.dropped == 100 - len(page.events) > 0
    assert page.next == 100
