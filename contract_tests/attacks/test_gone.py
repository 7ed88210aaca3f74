"""A topic, a question or a chat that is gone while its answer waits: it goes another way."""

from typing import Any

import pytest


def group_command(attack: Any, **more: Any) -> dict[str, Any]:
    chat = {"id": -500, "type": "supergroup", "title": "G", "is_forum": True}
    person = {"id": 9, "is_bot": False, "first_name": "A"}
    update: dict[str, Any] = attack.message("/help")
    update["message"] |= {"chat": chat, "from": person, **more}
    return update


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "more"),
    [
        (
            "Bad Request: message thread not found",
            {"message_thread_id": 77, "is_topic_message": True},
        ),
        ("Bad Request: message to be replied not found", {}),
        ("Bad Request: message to reply not found", {}),
    ],
)
def test_what_is_gone_is_left_out(
    start_bot: Any, attack: Any, said: str, more: dict[str, Any]
) -> None:
    telegram = attack.telegram
    bot = start_bot("webhook").until_ready()
    telegram.say("/help", chat=-500, user=9)
    attack.wait_for("the first", lambda: telegram.texts(-500))
    telegram.fault(
        method="sendMessage", chat_id=-500, kind="error", error_code=400, description=said, count=1
    )
    assert bot.post(group_command(attack, **more))[0] == 200
    attack.wait_for("the second", lambda: len(telegram.texts(-500)) == 2)
    bot.until_metric("bot_inbox_updates", 0)
    assert bot.end() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "said"),
    [
        (403, "Forbidden: bot was blocked by the user"),
        (403, "Forbidden: bot was kicked from the group chat"),
        (400, "Bad Request: not enough rights to send text messages to the chat"),
        (400, "Bad Request: chat not found"),
        (400, "Bad Request: TOPIC_CLOSED"),
    ],
)
def test_what_cannot_be_sent_is_given_up_and_holds_nobody(
    start_bot: Any, attack: Any, code: int, said: str
) -> None:
    telegram = attack.telegram
    bot = start_bot("polling").until_ready()
    attack.canary()
    telegram.fault(
        method="sendMessage", chat_id=1, kind="error", error_code=code, description=said, count=1
    )
    telegram.say("/help", chat=1)
    bot.until_metric('bot_updates_handled_total{outcome="refused"}', 1)
    attack.canary()
    bot.until_ready()
    assert bot.end() == 0


@pytest.mark.slow
def test_a_silent_answer_to_a_tap_delays_nothing(start_bot: Any, attack: Any) -> None:
    telegram = attack.telegram
    bot = start_bot("polling").until_ready()
    attack.canary()
    telegram.fault(method="answerCallbackQuery", kind="silent", count=5)
    tap = {
        "from": {"id": 1, "is_bot": False, "first_name": "A"},
        "id": "1",
        "chat_instance": "1",
        "data": "price BTC",
        "message": attack.message(chat=1)["message"],
    }
    telegram.inject({"callback_query": tap})
    telegram.until(lambda event: event.get("method") == "answerCallbackQuery")
    answered = telegram.until(
        lambda event: event.get("method") in {"editMessageText", "sendMessage"}
    )
    assert answered
    assert not [
        event
        for event in telegram("transcript?after=0&timeout=0")["events"]
        if event.get("method") == "answerCallbackQuery"
        and event.get("duration", 0) > 3
        and event["seq"] < answered[0]["seq"]
    ]
    assert bot.end() == 0
