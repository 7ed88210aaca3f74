"""A group on the allow-list becomes a supergroup, with another id: it stays let in, for good."""

import json
from typing import Any

import pytest

GROUP, MEMBER = -500, 9
TOLD = (
    "a listed group became a supergroup and is answered there as well: put its new id into "
    "TELEGRAM_ALLOWED_USERS in place of the old one"
)
LISTED = {"TELEGRAM_ALLOWED_USERS": f"{GROUP}"}


def upgrade(telegram: Any) -> int:
    new: int = telegram.act(upgrade=True, chat_id=GROUP, user_id=MEMBER)["migrate_to_chat_id"]
    return new


def told(bot: Any) -> list[tuple[int, int]]:
    """What the operator was told by a process that has ended."""
    events = [json.loads(line) for line in bot.lines if line.startswith("{")]
    return [(one["chat"], one["moved_to"]) for one in events if one["event"] == TOLD]


@pytest.mark.slow
def test_a_listed_group_is_answered_under_its_new_id_also_after_a_restart(
    start_bot: Any, attack: Any, store: dict[str, str]
) -> None:
    telegram = attack.telegram
    bot = start_bot("polling", **LISTED, **store).until_ready()
    telegram.say("/help", chat=GROUP, user=MEMBER)
    attack.wait_for("an answer in the group", lambda: telegram.texts(GROUP))
    new = upgrade(telegram)
    telegram.say("/help", chat=new, user=MEMBER)
    attack.wait_for("an answer in the supergroup", lambda: telegram.texts(new))
    assert "What I can do" in telegram.texts(new)[0]
    assert bot.end() == 0
    assert told(bot) == [(GROUP, new)]

    bot = start_bot("webhook", **LISTED, **store).until_ready()
    telegram.say("/help", chat=new, user=MEMBER)
    attack.wait_for("another answer", lambda: len(telegram.texts(new)) == 2)
    assert bot.end() == 0
    assert told(bot) == [(GROUP, new)], "a start reminds of what is out of date"

    amended = {"TELEGRAM_ALLOWED_USERS": f"{new}"}
    bot = start_bot("polling", **amended, **store).until_ready()
    telegram.say("/help", chat=new, user=MEMBER)
    attack.wait_for("a third answer", lambda: len(telegram.texts(new)) == 3)
    assert bot.end() == 0
    assert told(bot) == []


@pytest.mark.slow
def test_a_refusal_that_names_the_new_id_is_enough(start_bot: Any, attack: Any) -> None:
    """Telegram tells it in a message as well, but that may be lost or come later."""
    telegram = attack.telegram
    telegram.say("hello", chat=GROUP, user=MEMBER)
    new = upgrade(telegram)
    telegram.call("deleteWebhook", drop_pending_updates=True)
    bot = start_bot("webhook", **LISTED).until_ready()
    question = attack.message("/help", chat=GROUP)
    question["message"] |= {
        "chat": {"id": GROUP, "type": "group", "title": "G"},
        "from": {"id": MEMBER, "is_bot": False, "first_name": "A"},
    }
    assert bot.post(question)[0] == 200
    attack.wait_for("the answer that waited", lambda: telegram.texts(new))
    telegram.say("/help", chat=new, user=MEMBER)
    attack.wait_for("an answer to a question there", lambda: len(telegram.texts(new)) == 2)
    assert bot.end() == 0
    assert told(bot) == [(GROUP, new)]


@pytest.mark.slow
def test_other_groups_and_strangers_get_in_by_no_such_message(start_bot: Any, attack: Any) -> None:
    """A group that was never listed says that it became a supergroup: that lets nobody in."""
    telegram = attack.telegram
    bot = start_bot("polling", TELEGRAM_ALLOWED_USERS="1,-7").until_ready()
    telegram.say("hello", chat=GROUP, user=MEMBER)
    new = upgrade(telegram)
    telegram.say("/help", chat=new, user=MEMBER)
    attack.wait_for("a refusal", lambda: telegram.texts(new))
    assert telegram.texts(new)[0].startswith("🔒 This bot is private")
    attack.canary()
    assert bot.end() == 0
    assert told(bot) == []


@pytest.mark.slow
def test_another_replica_knows_it_too(start_bot: Any, attack: Any, redis_url: str) -> None:
    telegram = attack.telegram
    bot = start_bot("polling", **LISTED, REDIS_URL=redis_url).until_ready()
    telegram.say("hello", chat=GROUP, user=MEMBER)
    idle = start_bot("polling", **LISTED, REDIS_URL=redis_url)  # opened before it happens
    idle.until_inbox_open()
    new = upgrade(telegram)
    telegram.say("/help", chat=new, user=MEMBER)
    attack.wait_for("an answer", lambda: telegram.texts(new))
    assert bot.end() == 0
    telegram.say("/help", chat=new, user=MEMBER)
    attack.wait_for("the other one's answer", lambda: len(telegram.texts(new)) == 2)
    assert "What I can do" in telegram.texts(new)[1]
    assert idle.end() == 0
