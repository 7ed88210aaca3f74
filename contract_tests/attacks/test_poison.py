"""Whatever goes wrong with one update ends it: its chat is answered, and it never comes back."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import redis

NOWHERE = "http://127.0.0.1:9"


def pills(attack: Any) -> list[dict[str, Any]]:
    """Updates of chat 1 that pass the door and that nothing can handle."""
    return [
        attack.tap(message=attack.message()["message"] | {"chat": None}),
        attack.tap(message=attack.message()["message"] | {"chat": []}),
        attack.message(entities="x"),
        attack.message(photo=5),
        attack.message(date=10**15),
        attack.message(reply_to_message=5),
    ]


@pytest.mark.slow
def test_a_poison_pill_is_a_dead_letter_and_its_chat_is_answered(
    start_bot: Any, attack: Any, store: dict[str, str]
) -> None:
    bot = start_bot("webhook", **store).until_ready()
    attack.canary()
    ids = []
    for pill in pills(attack):
        assert bot.post(pill)[0] == 200
        ids.append(pill["update_id"])
    attack.canary()
    bot.until_metric("bot_inbox_updates", 0)
    bot.until_metric("bot_dead_letters", len(ids))
    letters = attack.dead_letters(**store)
    assert [letter["update_id"] for letter in letters] == ids
    assert all(letter["reason"] and letter["payload"] for letter in letters)
    bot.until_ready()
    assert bot.end() == 0
    again = start_bot("webhook", **store).until_ready()
    attack.canary()
    again.until_metric("bot_dead_letters", len(ids))
    assert again.metric("bot_updates_failed_total") == 0
    assert again.end() == 0


def taken_in(start_bot: Any, attack: Any, store: dict[str, str]) -> list[int]:
    """Three updates of chats 1, 2, 3, confirmed and not handled: Telegram is not there yet."""
    bot = start_bot("webhook", TELEGRAM_API_BASE_URL=NOWHERE, **store)
    bot.until_inbox_open()
    updates = [attack.message(chat=chat) for chat in (1, 2, 3)]
    assert [bot.post(update)[0] for update in updates] == [200] * 3
    assert bot.end() == 0
    return [update["update_id"] for update in updates]


@pytest.mark.slow
@pytest.mark.parametrize(
    "damage",
    [
        "progress = x'ff00'",
        "progress = x'7b7d5b'",
        "payload = NULL",
        "payload = x'ff00ff'",
        "payload = x'6e756c6c'",  # null
    ],
)
def test_a_damaged_row_is_a_dead_letter(
    start_bot: Any, attack: Any, tmp_path: Path, damage: str
) -> None:
    for chat in (1, 2, 3):
        attack.telegram.say("hello", chat=chat)
    ids = taken_in(start_bot, attack, {})
    with sqlite3.connect(tmp_path / "data" / "inbox.sqlite3") as connection:
        connection.execute(f"UPDATE updates SET {damage} WHERE update_id = ?", (ids[1],))  # noqa: S608 - ours
    connection.close()
    bot = start_bot("webhook").until_ready()
    attack.wait_for("the others", lambda: all(attack.telegram.texts(chat) for chat in (1, 3)))
    attack.canary(2)
    bot.until_metric("bot_dead_letters", 1)
    assert [letter["update_id"] for letter in attack.dead_letters()] == [ids[1]]
    assert bot.end() == 0


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["progress", "payload", "gone", "garbage in its lane"])
def test_damage_in_redis_is_a_dead_letter(
    start_bot: Any, attack: Any, redis_url: str, damage: str
) -> None:
    store = {"REDIS_URL": redis_url}
    for chat in (1, 2, 3):
        attack.telegram.say("hello", chat=chat)
    ids = taken_in(start_bot, attack, store)
    client = redis.Redis.from_url(redis_url)
    prefix = f"botproof:{{{attack.telegram.token.partition(':')[0]}}}:"
    key = f"{prefix}update:{ids[1]}"
    if damage == "progress":
        client.hset(key, "progress", b"\xff\x00")
    elif damage == "payload":
        client.hset(key, "payload", b"\xff\x00garbage")
    elif damage == "gone":
        client.delete(key)
    else:
        client.lpush(f"{prefix}lane:2", "garbage")
    client.close()
    bot = start_bot("webhook", **store).until_ready()
    attack.wait_for("the others", lambda: all(attack.telegram.texts(chat) for chat in (1, 3)))
    attack.canary(2)
    if damage != "garbage in its lane":
        bot.until_metric("bot_dead_letters", 1)
        assert [letter["update_id"] for letter in attack.dead_letters(**store)] == [ids[1]]
    bot.until_metric("bot_inbox_updates", 0)
    assert bot.end() == 0


def test_dead_letters_can_be_listed_before_there_are_any(start_bot: Any, attack: Any) -> None:
    start_bot("webhook", TELEGRAM_API_BASE_URL=NOWHERE).until_inbox_open()
    assert attack.dead_letters() == []
