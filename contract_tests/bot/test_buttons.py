"""Buttons: what they carry, and what a tap does to the message that holds them."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_bot.telegram_bot.commands.buttons import keyboard, markup, pressed
from reference_bot.telegram_bot.commands.model import BadArgumentError
from reference_bot.telegram_bot.commands.table import COMMANDS
from reference_bot.telegram_bot.handlers import OUT_OF_DATE

PRICE = next(command for command in COMMANDS if command.name == "price")


def is_edit(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "call" and event["method"] == "editMessageText")


def is_callback_answer(event: dict[str, Any]) -> bool:
    return bool(event["type"] == "call" and event["method"] == "answerCallbackQuery")


def tap(message: dict[str, Any], data: str, user: int = 1) -> dict[str, Any]:
    person = {"id": user, "is_bot": False, "first_name": "A"}
    return {
        "callback_query": {
            "id": f"{user}{abs(hash(data)) % 10**8}",
            "from": person,
            "message": message,
            "chat_instance": "1",
            "data": data,
        }
    }


@given(st.data())
def test_every_button_is_its_command_again(drawn: st.DataObject) -> None:
    """Each button of each answer leads to an answer of the same command."""
    command = drawn.draw(st.sampled_from(COMMANDS))
    words = [argument.example for argument in command.arguments if argument.default is None]
    words += [
        drawn.draw(st.sampled_from(argument.choices))
        for argument in command.arguments
        if argument.choices
    ]
    for row in keyboard(command, command.parse(words)):
        for _, data in row:
            assert len(data.encode()) <= 64
            found = pressed(data, COMMANDS)
            assert found is not None
            assert found[0] is command


@given(st.text() | st.none())
def test_whatever_a_callback_carries_it_is_a_command_or_nothing(data: str | None) -> None:
    found = pressed(data, COMMANDS)
    assert found is None or found[0] in COMMANDS


def test_data_that_would_be_too_long_has_no_buttons() -> None:
    symbol = f"{'A' * 20}/{'B' * 20}:{'B' * 20}"
    assert keyboard(PRICE, PRICE.parse([symbol])) == []
    assert markup([]) == ""


def test_a_button_of_a_command_that_is_gone_is_nothing() -> None:
    assert pressed("yesterday BTC", COMMANDS) is None
    assert pressed("price", COMMANDS) is None
    with pytest.raises(BadArgumentError):
        PRICE.parse([])


def test_a_tap_edits_the_message_and_answers_the_callback(
    telegram: Any, market: Any, start_bot: Callable[..., Any]
) -> None:
    start_bot().until_ready()
    telegram.say("/price btc", chat=1)
    sent = telegram.replies()[0]["result"]
    assert sent["reply_markup"]["inline_keyboard"][-1][0]["callback_data"] == "price BTC"
    market.answer["data"] = {**market.answer["data"], "symbol": "BTC/FRESH"}
    telegram.inject(tap(sent, "price BTC"))
    edited = telegram.until(is_edit)[0]
    assert edited["result"]["message_id"] == sent["message_id"]
    assert "BTC/FRESH" in edited["params"]["text"]
    assert edited["result"]["reply_markup"] == sent["reply_markup"]
    assert len(telegram.texts(1)) == 1


def test_a_refresh_without_news_is_no_error(
    telegram: Any, market: Any, start_bot: Callable[..., Any]
) -> None:
    bot = start_bot().until_ready()
    telegram.say("/price btc", chat=1)
    sent = telegram.replies()[0]["result"]
    telegram.inject(tap(sent, "price BTC"))
    bot.until_metric('bot_updates_handled_total{outcome="answered"}', 2)
    assert bot.metric("bot_updates_failed_total") == 0
    assert len(market.asked) == 2
    assert len(telegram.texts(1)) == 1


def test_a_button_out_of_date_is_told_and_nothing_else(
    telegram: Any, market: Any, start_bot: Callable[..., Any]
) -> None:
    start_bot().until_ready()
    telegram.say("/help", chat=1)
    sent = telegram.replies()[0]["result"]
    telegram.inject(tap(sent, "old:button"))
    assert telegram.until(is_callback_answer)[0]["params"]["text"] == OUT_OF_DATE
    assert market.asked == []


def test_a_strangers_tap_asks_nothing(
    telegram: Any, market: Any, start_bot: Callable[..., Any]
) -> None:
    start_bot(TELEGRAM_ALLOWED_USERS="1").until_ready()
    telegram.say("/price btc", chat=-5, user=1)  # somebody listed asks in a group of others
    sent = telegram.replies()[0]["result"]
    telegram.inject(tap(sent, "price BTC", user=2))
    answer = telegram.until(is_callback_answer)[0]["params"]["text"]
    assert "This bot is private" in answer
    assert len(market.asked) == 1


def test_a_tap_in_a_topic_is_answered_there_when_its_message_cannot_be_edited(
    telegram: Any, start_bot: Callable[..., Any]
) -> None:
    start_bot().until_ready()
    forum = {"chat": -1_000_000_000_005, "user": 1, "chat_type": "supergroup", "is_forum": True}
    made = telegram.act(chat_id=forum["chat"], user_id=1, is_forum=True, topic="Prices")
    telegram.say("/price btc", message_thread_id=made["message_thread_id"], **forum)
    sent = telegram.replies()[0]["result"]
    assert sent["message_thread_id"] == made["message_thread_id"]
    # what Telegram no longer lets the bot edit, and what it does not even show it any more
    locked = {**sent, "message_id": 9999, "from": {"id": 7, "is_bot": True, "first_name": "B"}}
    old = {"chat": sent["chat"], "message_id": sent["message_id"], "date": 0}
    for tapped in (locked, old):
        telegram.inject(tap(tapped, "price BTC"))
        answer = telegram.replies()[0]["result"]
        assert answer["message_thread_id"] == made["message_thread_id"]


def test_a_tap_on_a_message_too_old_to_be_edited_is_answered_anew(
    telegram: Any, start_bot: Callable[..., Any]
) -> None:
    start_bot().until_ready()
    telegram.say("/price btc", chat=1)
    sent = telegram.replies()[0]["result"]
    too_old = {"chat": sent["chat"], "message_id": sent["message_id"], "date": 0}
    telegram.inject(tap(too_old, "price BTC"))
    assert telegram.replies()[0]["result"]["message_id"] != sent["message_id"]


def test_an_edit_that_is_refused_becomes_a_new_message(
    start_bot: Callable[..., Any], telegram: Any
) -> None:
    """The message under a button that was tapped is deleted, too old, or somebody else's."""
    refusals = (
        "Bad Request: message to edit not found",
        "Bad Request: message can't be edited",
        "Bad Request: MESSAGE_ID_INVALID",
        "Bad Request: there is no text in the message to edit",
        "Bad Request: MESSAGE_EDIT_TIME_EXPIRED",
    )
    unchanged = "Bad Request: MESSAGE_NOT_MODIFIED"
    everybody = ",".join(str(chat) for chat in range(1, len(refusals) + 2))
    bot = start_bot("polling", TELEGRAM_ALLOWED_USERS=everybody).until_ready()
    for chat, description in enumerate((*refusals, unchanged), 1):
        telegram.say("/price btc", chat=chat)
        telegram.answers(chat)
        sent = telegram(f"bots/{telegram.token}/chats/{chat}/messages")["messages"][-1]
        telegram.fault(
            method="editMessageText",
            chat_id=chat,
            kind="error",
            error_code=400,
            description=description,
            count=1,
        )
        telegram.inject(tap(sent, "price BTC", user=chat))
    for chat in range(1, len(refusals) + 1):
        assert len(telegram.answers(chat, 2)) == 2, refusals[chat - 1]
    bot.until_metric("bot_inbox_updates", 0)
    assert len(telegram.texts(len(refusals) + 1)) == 1
