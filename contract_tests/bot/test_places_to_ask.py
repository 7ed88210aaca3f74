"""Where people ask: albums, topics of several kinds, the direct messages of a channel."""

from typing import Any

import pytest

from contract_tests.bot.conftest import is_sent
from contract_tests.bot.test_reports import ALBUM, COMMAND, message

DIRECT = {
    "id": -1_000_000_000_021,
    "type": "supergroup",
    "title": "News",
    "is_direct_messages": True,
}

SLOW = -1_000_000_000_022


def picture(caption: str, album: str, number: int) -> dict[str, Any]:
    """Return one picture of an album, with a command under it."""
    update = message(1, "", photo=ALBUM, media_group_id=album, message_id=number)
    del update["message"]["text"], update["message"]["entities"]
    update["message"] |= {"caption": caption, "caption_entities": COMMAND}
    return update


def test_the_same_under_each_picture_of_an_album_is_answered_once(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    bot = start_bot("polling").until_ready()
    for number in range(70, 73):
        telegram.inject(picture("/price btc", "77", number))
    telegram.inject(picture("/price eth", "77", 73))
    telegram.inject(picture("/price btc", "78", 74))
    bot.until_metric('bot_updates_handled_total{outcome="answered"}', 3)
    bot.until_metric('bot_updates_handled_total{outcome="ignored"}', 2)
    assert [one["symbol"] for one in market.asked] == ["BTC", "ETH", "BTC"]


def test_direct_messages_of_a_channel_are_answered_to_who_asked(
    start_bot: Any, telegram: Any
) -> None:
    start_bot("polling").until_ready()
    asked = message(7, "/price btc", direct_messages_topic={"topic_id": 7})
    asked["message"]["chat"] = DIRECT
    telegram.inject(asked)
    [answer] = telegram.replies()
    assert answer["params"]["direct_messages_topic_id"] == 7
    assert answer["result"]["text"].startswith("📊 BTC/USDT")


@pytest.mark.parametrize("chat", [-1_000_000_000_023, 8])
def test_a_topic_is_answered_in_it_also_in_a_private_chat(
    chat: int, start_bot: Any, telegram: Any
) -> None:
    """A group may become a forum, and a private chat may have topics, at any time."""
    start_bot("polling").until_ready()
    telegram.inject(message(chat, "/price btc"))
    [before] = telegram.replies()
    topic = {"message_thread_id": 900, "is_topic_message": True}
    telegram.inject(message(chat, "/price eth", message_id=901, **topic))
    [inside] = telegram.replies()
    assert "message_thread_id" not in before["params"]
    assert inside["params"]["message_thread_id"] == 900
    telegram.fault(
        method="sendMessage",
        kind="error",
        error_code=400,
        description="Bad Request: message thread not found",
        count=1,
    )
    telegram.inject(message(chat, "/price sol", message_id=903, **topic))
    [without] = telegram.replies()
    assert "message_thread_id" not in without["params"]


def test_a_tap_where_the_bot_was_removed_meanwhile(start_bot: Any, telegram: Any) -> None:
    bot = start_bot("polling").until_ready()
    telegram.inject(message(SLOW, "/price btc"))
    sent = telegram.replies()[0]["result"]
    telegram.fault(
        method="editMessageText",
        kind="error",
        error_code=403,
        description="Forbidden: bot was kicked from the supergroup chat",
    )
    person = {"from": {"id": 1, "is_bot": False, "first_name": "Ada"}, "chat_instance": "1"}
    tap = {"id": "5", **person, "message": sent, "data": "price BTC"}
    telegram.inject({"callback_query": tap})
    bot.until_metric('bot_updates_handled_total{outcome="refused"}', 1)
    telegram.say("/price btc", chat=1)
    telegram.answers(1)
    assert bot.metric("bot_updates_failed_total") == 0


def test_a_group_in_slow_mode_holds_up_nobody_else(start_bot: Any, telegram: Any) -> None:
    """Telegram holds a message to it for seconds, and answers after that."""
    start_bot("polling").until_ready()
    telegram.fault(method="sendMessage", chat_id=SLOW, kind="late", seconds=2.0, count=3)
    for symbol in ("btc", "eth", "sol"):
        telegram.inject(message(SLOW, f"/price {symbol}"))
    telegram.until(lambda event: accepted(event, SLOW))
    telegram.say("/help", chat=1)  # while the group's next message is held
    telegram.until(lambda event: accepted(event, 1))
    telegram.until(lambda event: accepted(event, SLOW), count=2)
    assert len(telegram.texts(SLOW)) == 3


def accepted(event: dict[str, Any], chat: int) -> bool:
    """Tell whether Telegram has taken a message to this chat."""
    return is_sent(event) and event["params"]["chat_id"] == chat
