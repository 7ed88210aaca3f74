"""What others report of bots like this one, on the real process.

`docs/reports.md` names the reports.
"""

import copy
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from contract_tests.bot.conftest import NOW, market_data

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


SCENARIOS = {
    "missing": {
        "/volume ETH": "⚠️ There is a gap in the candles of ETH: Binance has none from 01 Jan ",
        "/cvd ETH 15m": "⚠️ There is a gap in the candles of ETH: Binance has none from 01 Jan ",
        "/signal ETH": "⚠️ There is a gap in the candles of ETH: Binance has none from 01 Jan ",
        "/analysis ETH": "spot candles, perpetual candles (Binance has a gap in its figures)",
        "/price ETH": "not available (Binance has a gap in its figures)",
        "/volscan 100": "⚠️ Not in the scan: 1 symbol with a gap in the candles\n",
    },
    "new_listing": {
        "/volume ETH": "⚠️ ETH is too new for this: no exchange has traded it for long enough.",
        "/volume ETH 1d": "⚠️ ETH is too new for this: no exchange has traded it for long enough.",
        "/cvd ETH 4h": "⚠️ ETH is too new for this: no exchange has traded it for long enough.",
        "/signal ETH": "⚠️ ETH is too new for this: no exchange has traded it for long enough.",
        "/analysis ETH": "open interest change (Binance has not traded it for long enough)\n",
        "/price ETH": "not available (Binance has not traded it for long enough)",
        "/volscan 100": "33 symbols scanned (1 is too new), threshold +100% over average\n",
    },
}


CHOSEN = {"/volume ETH", "/cvd ETH 15m"}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_gap_and_a_new_coin_are_not_told_as_what_nobody_offers(
    scenario: str, start_bot: Any, telegram: Any, child: Any, tmp_path: Path
) -> None:
    three_hours_ago = int(NOW) - 3 * 3_600_000
    options = ("--scenario", f"ETH={scenario}@{three_hours_ago}")
    with market_data(child, tmp_path, *options) as url:
        start_bot("polling", MARKET_DATA_URL=url).until_ready()
        for chat, (typed, wanted) in enumerate(SCENARIOS[scenario].items(), start=1):
            telegram.say(typed, chat=chat)
            [told] = telegram.answers(chat)
            assert wanted in told
            assert "does not offer it" not in told
            # Who cannot choose a timeframe is not told to choose another one.
            assert ("A shorter timeframe" in told) is (scenario == "missing" and typed in CHOSEN)


def test_a_host_that_slept_goes_on(start_bot: Any, telegram: Any, mode: str) -> None:
    """Messages that came meanwhile are answered, once each."""
    bot = start_bot(mode).until_ready()
    os.kill(bot.process.pid, signal.SIGSTOP)
    telegram.say("/price btc", chat=1)
    telegram.say("/price eth", chat=2)
    os.kill(bot.process.pid, signal.SIGCONT)
    bot.until_metric('bot_updates_handled_total{outcome="answered"}', 2)
    assert [len(telegram.texts(chat)) for chat in (1, 2)] == [1, 1]


def test_update_ids_that_begin_anew_are_answered(start_bot: Any, telegram: Any) -> None:
    """Telegram draws the next one after a week without any; the double does so at a reset."""
    start_bot("polling").until_ready()
    number, before = telegram.say("/price btc", chat=1), 0
    while number > before:  # until one that is lower was answered
        telegram.answers(1)
        telegram("reset", {})
        number, before = telegram.say("/price btc", chat=1), number
    telegram.answers(1)


ALBUM = [{"file_id": "a", "file_unique_id": "b", "width": 1, "height": 1}]


def test_an_album_is_answered_for_its_caption(start_bot: Any, telegram: Any, market: Any) -> None:
    bot = start_bot("polling").until_ready()
    for number in range(3):
        update = message(1, "", photo=ALBUM, media_group_id="77", message_id=70 + number)
        del update["message"]["text"], update["message"]["entities"]
        if number == 1:
            update["message"] |= {"caption": "/price btc", "caption_entities": COMMAND}
        telegram.inject(update)
    bot.until_metric('bot_updates_handled_total{outcome="ignored"}', 2)
    assert len(telegram.answers(1)) == 1
    assert len(market.asked) == 1


OTHER_UPDATES: dict[str, dict[str, Any]] = {
    "timer": message(2, "", message_auto_delete_timer_changed={"message_auto_delete_time": 86400}),
    "topic": message(-1007, "", general_forum_topic_hidden={}),
    "stars": message(2, "", paid_message_price_changed={"paid_message_star_count": 5}),
    "checklist": message(2, "", checklist={"title": "/price btc", "tasks": []}),
    "business": {"business_message": message(2, "/price btc")["message"]},
    "guest": {"guest_message": message(2, "/price btc")["message"]},
    "reaction": {
        "message_reaction": {
            "chat": {"id": 2, "type": "private"},
            "message_id": 5,
            "date": 1,
            "user": {"id": 2, "is_bot": False, "first_name": "Ada"},
            "old_reaction": [],
            "new_reaction": [{"type": "emoji", "emoji": "👍"}],
        }
    },
}


def test_what_is_no_question_is_passed_over(start_bot: Any, telegram: Any, market: Any) -> None:
    """Some kinds are not asked for, and come where another program asks for them."""
    bot = start_bot("webhook").until_ready()
    for number, update in enumerate(OTHER_UPDATES.values(), start=900_001):
        assert bot.post({"update_id": number, **update})[0] == 200
    bot.until_metric('bot_updates_handled_total{outcome="ignored"}', len(OTHER_UPDATES))
    assert market.asked == []
    assert bot.metric("bot_updates_failed_total") == 0
    star = {"star_count": 5, "paid_media": [{"type": "preview", "width": 1, "height": 1}]}
    telegram.inject(message(2, "", paid_media=star, caption="/price btc", caption_entities=COMMAND))
    telegram.answers(2)


def test_a_reply_in_the_general_topic_is_answered_there(start_bot: Any, telegram: Any) -> None:
    """It has a ``message_thread_id`` that no message can be sent to."""
    start_bot("polling").until_ready()
    telegram.inject(message(-1008, "/price btc", message_thread_id=70))
    [answer] = telegram.replies()
    assert "message_thread_id" not in answer["params"]
    assert answer["params"]["reply_parameters"]["message_id"] == 77


def test_a_closed_topic_and_who_has_blocked_the_bot_hold_nobody(
    start_bot: Any, telegram: Any
) -> None:
    bot = start_bot("polling").until_ready()
    refusals = {
        -1011: (400, "Bad Request: TOPIC_CLOSED"),
        -1012: (400, "Bad Request: CHAT_RESTRICTED"),
        -1013: (400, "Bad Request: not enough rights to send text messages to the chat"),
        14: (403, "Forbidden: bot was blocked by the user"),
        15: (403, "Forbidden: user is deactivated"),
    }
    for chat, (code, words) in refusals.items():
        telegram.fault(
            method="sendMessage",
            chat_id=chat,
            kind="error",
            error_code=code,
            description=words,
            count=1,
        )
        telegram.inject(message(chat, "/price btc"))
    bot.until_metric('bot_updates_handled_total{outcome="refused"}', len(refusals))
    for chat in refusals:  # the topic is opened again, the bot is started again
        telegram.inject(message(chat, "/start"))
        assert telegram.answers(chat)[0].startswith("👋 Welcome.")


def test_a_tap_is_answered_while_telegram_limits_its_calls(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    start_bot("polling").until_ready()
    telegram.say("/price btc", chat=1)
    sent = telegram.replies()[0]["result"]
    market.answer = copy.deepcopy(market.answer)
    market.answer["data"]["symbol"] = "BTC/FRESH"
    for method in ("answerCallbackQuery", "editMessageText"):
        telegram.fault(method=method, kind="error", error_code=429, retry_after=1, count=1)
    taps = {"from": {"id": 1, "is_bot": False, "first_name": "Ada"}, "chat_instance": "1"}
    telegram.inject({"callback_query": {"id": "5", **taps, "message": sent, "data": "price BTC"}})
    [edit] = telegram.until(
        lambda event: event.get("method") == "editMessageText" and event.get("status") == 200
    )
    assert "BTC/FRESH" in edit["params"]["text"]
    assert len(telegram.texts(1)) == 1


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


def test_no_menu_of_an_earlier_program_is_left(start_bot: Any, telegram: Any) -> None:
    """Telegram shows the list of the narrowest kind of chat that has one."""
    old = [{"command": "old", "description": "of the program before"}]
    groups = {"type": "all_group_chats"}
    telegram.call("setMyCommands", commands=old, scope={"type": "all_private_chats"})
    telegram.call("setMyCommands", commands=old, scope=groups)
    start_bot("polling").until_ready()
    telegram.until(
        lambda event: (
            event.get("method") == "deleteMyCommands"
            and event["params"]["scope"]["type"] == "all_chat_administrators"
        )
    )
    assert telegram.call("getMyCommands", scope={"type": "all_private_chats"}) == []
    assert telegram.call("getMyCommands", scope=groups) == []
    assert telegram.call("getMyCommands")[0]["command"] == "start"
