"""SIGKILL at any moment: no update lost, at most one repeated reply a kill, every chat in order."""

import random
import signal
import threading
from collections import Counter
from typing import Any

import pytest

from contract_tests.bot.conftest import wait_for

pytestmark = pytest.mark.slow

UPDATES = 240
CHATS = 12
KILLS = 8


def numbers(texts: list[str]) -> list[int]:
    """The numbers of the unknown commands that the replies are about, in order."""
    return [int(text.split("/n")[1].split(".")[0]) for text in texts if "/n" in text]


def in_order_of_first(answered: list[int]) -> list[int]:
    return list(dict.fromkeys(answered))


@pytest.fixture(params=["sqlite", "redis"])
def inbox_settings(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "redis":
        return {"REDIS_URL": request.getfixturevalue("redis_url")}
    return {}


def test_kills_lose_nothing_and_repeat_at_most_one_reply_each(
    start_bot: Any, telegram: Any, mode: str, inbox_settings: dict[str, str]
) -> None:
    chance = random.Random(f"{mode}{inbox_settings.keys()}")  # noqa: S311 - moments, no secrets
    port = 0
    bot = start_bot(mode, **inbox_settings).until_ready()
    port = int(bot.url.rpartition(":")[2])
    asked: dict[int, list[int]] = {chat: [] for chat in range(1, CHATS + 1)}
    done = threading.Event()

    def ask() -> None:
        for number in range(UPDATES):
            chat = number % CHATS + 1
            telegram.say(f"/n{number}", chat=chat)
            asked[chat].append(number)
        done.set()

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(KILLS):
        telegram.replies(chance.randint(1, UPDATES // (KILLS + 2)))
        assert bot.end(signal.SIGKILL) == -signal.SIGKILL
        bot = start_bot(mode, port=port, **inbox_settings)
    asking.join()
    bot.until_idle(lambda: all(set(numbers(telegram.texts(c))) >= set(asked[c]) for c in asked))
    assert bot.end() == 0

    repeats = 0
    for chat, expected in asked.items():
        answered = numbers(telegram.texts(chat))
        assert in_order_of_first(answered) == expected
        repeats += sum(count - 1 for count in Counter(answered).values())
    assert repeats <= KILLS


def test_a_kill_after_the_confirmation_loses_nothing(
    start_bot: Any, telegram: Any, market: Any, mode: str
) -> None:
    """Where a bot that confirms first loses: taken in, confirmed, not yet answered."""
    market.delay = 30.0
    # All of them wait before the bot is there. Said one after the other they would take longer on a
    # busy machine than the bot waits for market-data: it would have answered before the kill.
    for chat in range(1, 11):
        telegram.say("/price btc", chat=chat)
    bot = start_bot(mode)
    confirmed: set[int] = set()
    while len(confirmed) < 10:
        [event] = telegram.until(lambda event: event["type"] == "confirm")
        confirmed.update(event.get("update_ids") or [event["update_id"]])
    bot.end(signal.SIGKILL)
    market.delay = 0.0
    bot = start_bot(mode, port=int(bot.url.rpartition(":")[2]))
    bot.until_idle(lambda: all("SPOT" in "".join(telegram.texts(chat)) for chat in range(1, 11)))
    for chat in range(1, 11):
        figures = [text for text in telegram.texts(chat) if "SPOT" in text]
        assert len(figures) == 1


def test_what_comes_while_the_next_process_starts_is_behind_what_waited(
    start_bot: Any, telegram: Any
) -> None:
    """Updates come in from the first moment of the listener on, a few milliseconds apart."""
    telegram.fault(method="sendMessage", kind="error", error_code=500)
    bot = start_bot("webhook").until_ready()
    for chat in range(1, CHATS + 1):
        telegram.say("/n0", chat=chat)
    bot.until_metric("bot_inbox_updates", CHATS)
    bot.end(signal.SIGKILL)
    telegram.clear_faults()
    asked = dict.fromkeys(range(1, CHATS + 1), 1)
    bot = start_bot("webhook", port=int(bot.url.rpartition(":")[2]))
    for number in range(1, 4):
        for chat in asked:
            update = _question(f"/n{number}", chat, 10**6 + 100 * number + chat)
            while bot.post(update)[0] != 200:  # until its inbox is open
                pass
            asked[chat] += 1
    bot.until_idle(lambda: all(len(telegram.texts(chat)) >= asked[chat] for chat in asked))
    for chat, count in asked.items():
        assert numbers(telegram.texts(chat)) == list(range(count))


def _question(text: str, chat: int, update_id: int) -> dict[str, Any]:
    who = {"id": chat, "first_name": "A"}
    message = {
        "message_id": update_id,
        "date": 1_767_258_432,
        "chat": {**who, "type": "private"},
        "from": {**who, "is_bot": False},
        "text": text,
        "entities": [{"type": "bot_command", "offset": 0, "length": len(text)}],
    }
    return {"update_id": update_id, "message": message}


def test_after_a_kill_the_acknowledgement_is_edited_not_sent_again(
    start_bot: Any, telegram: Any, market: Any
) -> None:
    market.delay = 30.0
    bot = start_bot("polling").until_ready()
    telegram.say("/price btc")
    telegram.announcement()
    telegram.say("/after", chat=2)  # answered after the acknowledgement was recorded
    telegram.replies(1)
    bot.end(signal.SIGKILL)
    market.delay = 0.7
    start_bot("polling")
    telegram.until(lambda event: event.get("method") == "editMessageText")
    [text] = telegram.texts(1)
    assert "SPOT" in text


def test_two_replicas_share_the_work_and_one_may_die(
    start_bot: Any, telegram: Any, market: Any, redis_url: str
) -> None:
    market.delay = 0.05
    first = start_bot("webhook", REDIS_URL=redis_url).until_ready()
    second = start_bot("webhook", REDIS_URL=redis_url)
    # Telegram knows one webhook; the second replica's own is the one that stays.
    second.until_ready()
    for number in range(120):
        telegram.say(f"/n{number}", chat=number % 10 + 1)
        if number == 60:
            assert first.end(signal.SIGKILL) == -signal.SIGKILL

    def all_there() -> bool:
        found = [n for chat in range(1, 11) for n in numbers(telegram.texts(chat))]
        return set(found) == set(range(120))

    second.until_idle(all_there)
    found = [n for chat in range(1, 11) for n in numbers(telegram.texts(chat))]
    assert len(found) <= 121
    for chat in range(1, 11):
        answered = in_order_of_first(numbers(telegram.texts(chat)))
        assert answered == sorted(answered)
    assert second.end() == 0


def test_replicas_share_one_chat_order_and_both_work(
    start_bot: Any, telegram: Any, redis_url: str
) -> None:
    bots = [start_bot("webhook", REDIS_URL=redis_url).until_ready() for _ in range(2)]
    for number in range(200):
        telegram.say(f"/n{number}", chat=number % 20 + 1)
    telegram.replies(200)
    for chat in range(1, 21):
        answered = numbers(telegram.texts(chat))
        assert answered == sorted(answered)

    def handled() -> list[float]:
        return [bot.metric('bot_updates_handled_total{outcome="answered"}') for bot in bots]

    wait_for("all to be counted", lambda: sum(handled()) == 200)  # that comes after the sending
    assert min(handled()) > 0


def test_redis_killed_and_restarted_loses_nothing(
    start_bot: Any, telegram: Any, redis_server: Any, mode: str
) -> None:
    bot = start_bot(mode, REDIS_URL=redis_server.url).until_ready()
    for number in range(30):
        telegram.say(f"/n{number}", chat=number % 5 + 1)
    telegram.replies(10)
    redis_server.kill()
    bot.until_not_ready("inbox")
    for number in range(30, 60):
        telegram.say(f"/n{number}", chat=number % 5 + 1)
    redis_server.start()
    bot.until_ready()

    def all_there() -> bool:
        found = [n for chat in range(1, 6) for n in numbers(telegram.texts(chat))]
        return set(found) == set(range(60))

    bot.until_idle(all_there)
    for chat in range(1, 6):
        answered = numbers(telegram.texts(chat))
        assert answered == sorted(set(answered))
    assert bot.end() == 0
