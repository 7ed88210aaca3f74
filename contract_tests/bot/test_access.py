"""Who may use the bot, on each path that an update can come by."""

from collections.abc import Callable
from typing import Any

ME, STRANGER, GROUP = 1, 2, -1005
ALLOWED = f"{ME},{GROUP}"


def person(user: int) -> dict[str, Any]:
    return {"id": user, "is_bot": False, "first_name": "A"}


def message(user: int, chat: int, text: str = "/price btc") -> dict[str, Any]:
    kind = {"type": "private", "first_name": "A"} if chat > 0 else {"type": "group", "title": "G"}
    command = {"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}
    return {
        "message_id": 9,
        "date": 1,
        "chat": {"id": chat, **kind},
        "from": person(user),
        "text": text,
        "entities": [command],
    }


def edited(user: int) -> dict[str, Any]:
    return {"edited_message": {**message(user, user), "edit_date": 2}}


def callback(user: int, chat: int, number: str = "77") -> dict[str, Any]:
    query = {"id": number, "from": person(user), "message": message(4242, chat)}
    return {"callback_query": {**query, "chat_instance": "1", "data": "price BTC"}}


def inline_callback(user: int) -> dict[str, Any]:
    query = {"id": "78", "from": person(user), "inline_message_id": "x"}
    return {"callback_query": {**query, "chat_instance": "1", "data": "price BTC"}}


def inline(user: int) -> dict[str, Any]:
    query = {"id": "79", "from": person(user), "query": "btc", "offset": ""}
    return {"inline_query": query}


def membership(user: int) -> dict[str, Any]:
    bot = {"id": 4242, "is_bot": True, "first_name": "B"}
    change = {"date": 1, "chat": message(user, user)["chat"], "from": person(user)}
    old, new = {"status": "member", "user": bot}, {"status": "kicked", "user": bot, "until_date": 0}
    return {"my_chat_member": {**change, "old_chat_member": old, "new_chat_member": new}}


PATHS: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "message": lambda who, _: {"message": message(who, who)},
    "message in a group that is not listed": lambda who, group: {"message": message(who, group)},
    "edited message": lambda who, _: edited(who),
    "callback": lambda who, _: callback(who, who),
    "callback in a group that is not listed": lambda who, group: callback(who, group, number="80"),
    "callback of an inline message": lambda who, _: inline_callback(who),
    "inline query": lambda who, _: inline(who),
    "membership": lambda who, _: membership(who),
}
"""What a stranger can cause, by path; in a group that is not listed."""


def calls(telegram: Any) -> list[str]:
    """The methods that the bot called about updates, so far."""
    of_itself = {"getMe", "getUpdates", "deleteWebhook", "getWebhookInfo"}
    quiet = {*of_itself, "setMyCommands", "deleteMyCommands"}
    events = telegram("transcript?after=0&timeout=0")["events"]
    mine = [e for e in events if e.get("token") == telegram.token and e["type"] == "call"]
    return [event["method"] for event in mine if event["method"] not in quiet]


def test_a_stranger_gets_in_nowhere_and_is_counted(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    """Each path is tried by a stranger of its own."""
    bot = start_bot(TELEGRAM_ALLOWED_USERS=ALLOWED).until_ready()
    for number, (path, update) in enumerate(PATHS.items(), 1):
        stranger, group = 200 + number, -700 - number
        telegram.say("hello", chat=stranger)
        telegram.say("hello", chat=group, user=stranger)
        telegram.inject(update(stranger, group))
        bot.until_metric("bot_strangers_total", 3 * number)
        bot.until_idle(lambda: True)
        assert market.asked == [], path
        assert "editMessageText" not in calls(telegram), path
        said = telegram.texts(stranger) + telegram.texts(group)
        assert all(text.startswith("🔒 This bot is private.") for text in said), path
        assert bot.metric("bot_refusals_total") == number, path


def test_a_refusal_that_cannot_be_told_lets_nobody_in(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    """A tap is too old to be answered after fifteen seconds; python-telegram-bot would go on."""
    bot = start_bot(TELEGRAM_ALLOWED_USERS=ALLOWED).until_ready()
    for method in ("answerCallbackQuery", "answerInlineQuery", "sendMessage"):
        telegram.fault(method=method, kind="error", error_code=400)
    for number, (path, update) in enumerate(PATHS.items(), 1):
        telegram.inject(update(200 + number, -700 - number))
        bot.until_metric("bot_strangers_total", number)
        bot.until_idle(lambda: True)
        assert market.asked == [], path
        assert "editMessageText" not in calls(telegram), path
    assert bot.end() == 0
    assert market.asked == []


def test_a_stranger_hears_it_once_a_day_whatever_they_try(
    start_bot: Any, telegram: Any, mode: str
) -> None:
    """And over a restart."""
    bot = start_bot(mode, TELEGRAM_ALLOWED_USERS=ALLOWED).until_ready()
    telegram.say("hello", chat=STRANGER)
    telegram.replies(1)
    for update in PATHS.values():
        telegram.inject(update(STRANGER, -7))
    bot.until_metric("bot_strangers_total", 1 + len(PATHS))
    bot.until_idle(lambda: True)
    assert bot.metric("bot_refusals_total") == 1
    assert bot.end() == 0
    bot = start_bot(mode, TELEGRAM_ALLOWED_USERS=ALLOWED).until_ready()
    telegram.say("/price btc", chat=STRANGER)
    bot.until_metric("bot_strangers_total", 1)
    bot.until_idle(lambda: True)
    assert len(telegram.texts(STRANGER)) == 1
    assert bot.metric("bot_refusals_total") == 0


def test_a_listed_group_lets_everybody_in_who_speaks_there_and_nowhere_else(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    bot = start_bot(TELEGRAM_ALLOWED_USERS=ALLOWED).until_ready()
    telegram.say("/price btc", chat=GROUP, user=STRANGER)
    sent = telegram.replies()[0]["result"]
    query = {"id": "80", "from": person(STRANGER), "message": sent}
    telegram.inject({"callback_query": {**query, "chat_instance": "1", "data": "price ETH"}})
    telegram.until(lambda e: e["type"] == "call" and e["method"] == "answerCallbackQuery")
    bot.until_metric('bot_updates_handled_total{outcome="answered"}', 2)
    assert [asked["symbol"] for asked in market.asked] == ["BTC", "ETH"]
    telegram.inject(inline(STRANGER))
    telegram.inject({"message": message(STRANGER, STRANGER)})
    bot.until_metric("bot_strangers_total", 2)
    assert len(market.asked) == 2


def test_an_edited_command_is_silent_for_those_who_are_in(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    bot = start_bot(TELEGRAM_ALLOWED_USERS=ALLOWED).until_ready()
    telegram.inject(edited(ME))
    bot.until_metric('bot_updates_handled_total{outcome="ignored"}', 1)
    assert calls(telegram) == []
    assert market.asked == []
    assert bot.metric("bot_strangers_total") == 0


def test_whoever_writes_as_the_group_is_told_once_which_id_to_list(
    start_bot: Any, telegram: Any
) -> None:
    """An anonymous admin is told; what the linked channel posts is left alone."""
    bot = start_bot("webhook", TELEGRAM_ALLOWED_USERS=str(ME)).until_ready()
    telegram.say("hello", chat=-7, user=STRANGER)
    telegram.say("/help", chat=ME)
    telegram.replies(1)
    nobody = {"id": 1087968824, "is_bot": True, "first_name": "Group"}
    channel = {"id": 777000, "is_bot": False, "first_name": "Telegram"}
    group = {"id": -7, "type": "group", "title": "G"}
    forwarded: dict[str, Any] = {
        "sender_chat": {"id": -9, "type": "channel", "title": "C"},
        "from": channel,
    }
    anonymous: dict[str, Any] = {"sender_chat": group, "from": nobody}
    automatic = {**forwarded, "is_automatic_forward": True}
    for number, more in enumerate((automatic, anonymous, anonymous)):
        update = {"update_id": 9000 + number, "message": {**message(STRANGER, -7), **more}}
        assert bot.post(update)[0] == 200
    bot.until_metric("bot_strangers_total", 4)
    bot.until_metric("bot_inbox_updates", 0)
    [said] = telegram.texts(-7)
    assert "its id is -7" in said
    telegram.say("/help", chat=ME)
    telegram.replies(1)
