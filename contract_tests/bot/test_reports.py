"""What others report of bots like this one, on the real process.

`docs/reports.md` names the reports.
"""

import copy
from typing import Any

import pytest

COMMAND = [{"type": "bot_command", "offset": 0, "length": 6}]
OTHER_BOT = {"id": 99, "is_bot": True, "first_name": "Other", "username": "other_bot"}


def message(chat: int, text: str, **more: Any) -> dict[str, Any]:
    """Return a command as Telegram brings it, from a person or whom ``more`` names."""
    kind = {"type": "private"} if chat > 0 else {"type": "supergroup", "title": "Traders"}
    person = {"id": abs(chat), "is_bot": False, "first_name": "Ada"}
    said = {"text": text, "entities": COMMAND}
    where = {"message_id": 77, "date": 1, "chat": {"id": chat, **kind}}
    return {"message": {**where, "from": person, **said, **more}}


def test_a_bot_is_not_answered(start_bot: Any, telegram: Any, market: Any) -> None:
    """Its list of commands would be read as commands, and each answer answered again."""
    bot = start_bot("polling").until_ready()
    telegram.inject(message(99, "/price btc", **{"from": OTHER_BOT}))
    telegram.inject(message(99, "I can do this:\n/price SYM – the price", **{"from": OTHER_BOT}))
    telegram.inject(message(-1005, "/price btc", **{"from": OTHER_BOT}))
    bot.until_metric('bot_updates_handled_total{outcome="ignored"}', 3)
    assert market.asked == []


def test_who_writes_as_the_group_is_no_bot(start_bot: Any, telegram: Any) -> None:
    """Telegram shows an anonymous administrator as a bot of its own."""
    start_bot("polling").until_ready()
    nameless = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
    group = {"id": -1006, "type": "supergroup", "title": "Traders"}
    asked = message(-1006, "/price btc", **{"from": nameless, "sender_chat": group})
    telegram.inject(asked)
    [answer] = telegram.replies()
    assert answer["result"]["text"].startswith("📊 BTC/USDT")


HOW_TO_USE = {
    "/help price": "/price SYM – price, market control",
    "/help /cvd": "/cvd SYM [1h] – cumulative volume delta, with divergence",
    "/price ?": "/price SYM – price, market control",
    "/volume --help": "/volume SYM [15m] – the last candle's volume",
    "/help something else": "What I can do",
}


def test_how_a_command_is_used_is_told(start_bot: Any, telegram: Any, market: Any) -> None:
    start_bot("polling").until_ready()
    telegram.say_each(HOW_TO_USE)
    told = [telegram.answers(chat) for chat in range(1, len(HOW_TO_USE) + 1)]
    assert [len(texts) for texts in told] == [1] * len(HOW_TO_USE)
    for [text], begins in zip(told, HOW_TO_USE.values(), strict=True):
        assert text.startswith(begins)
    assert "\nFor example /cvd BTC 1h\n1h: one of 5m, 15m, 1h, 4h, 1d\n" in told[1][0]
    assert market.asked == []


def reply(chat: int, to: str, command: str, **more: Any) -> dict[str, Any]:
    """Return a command as a reply to what somebody has said."""
    said = {"message_id": 70, "date": 1, "chat": {"id": chat, "type": "private"}, "text": to}
    return message(chat, command, reply_to_message=said, **more)


def test_a_command_alone_is_about_what_it_is_a_reply_to(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    start_bot("polling").until_ready()
    both = "what of $near and ATOM/USDT today"
    telegram.inject(reply(1, "long SOLUSDT.P now, then out", "/price"))
    telegram.inject(reply(2, both, "/price"))
    telegram.inject(reply(3, both, "/price", quote={"text": "ATOM/USDT", "position": 14}))
    telegram.inject(reply(4, "I like ETH more than ADA", "/price xrp"))
    telegram.inject(reply(5, "I like it, and you?", "/price"))
    for chat in range(1, 6):
        telegram.answers(chat)
    assert telegram.texts(5) == ["🤔 Which symbol? For example /price BTC"]
    asked = sorted(one["symbol"] for one in market.asked)
    assert asked == ["ATOM/USDT", "ATOM/USDT", "NEAR", "SOLUSDT.P", "XRP"]


@pytest.mark.slow
def test_figures_that_could_not_go_out_for_long_are_asked_for_again(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    """Telegram may want a chat to be left alone for minutes: old prices would come after that."""
    start_bot("polling").until_ready()
    telegram.fault(
        method="sendMessage", chat_id=1, kind="error", error_code=429, retry_after=11, count=1
    )
    telegram.say("/price btc", chat=1)
    telegram.until(lambda event: event.get("status") == 429)
    market.answer = copy.deepcopy(market.answer)
    market.answer["data"]["symbol"] = "BTC/FRESH"
    assert [text.partition(" · ")[0] for text in telegram.answers(1)] == ["📊 BTC/FRESH"]
    assert len(market.asked) == 2
