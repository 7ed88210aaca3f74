"""A Redis that forgets, and a Redis in which somebody else has written."""

from typing import Any

import pytest
import redis


@pytest.fixture
def client(redis_url: str) -> Any:
    client: Any = redis.Redis.from_url(redis_url)
    client.url = redis_url
    yield client
    client.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("forgets", "keeps"),
    [
        ("maxmemory-policy allkeys-lru", "set it to noeviction"),
        ("maxmemory-policy volatile-ttl", "set it to noeviction"),
        ("appendonly no", "set appendonly to yes"),
    ],
)
def test_a_redis_that_would_forget_is_refused_until_it_is_set_right(
    start_bot: Any, attack: Any, client: Any, forgets: str, keeps: str
) -> None:
    setting, bad = forgets.split()
    redis_url = client.url
    bot = start_bot("webhook", REDIS_URL=redis_url).until_ready()
    attack.canary()
    client.config_set(setting, bad)
    bot.until_not_ready_for("inbox", keeps)
    assert bot.post(attack.message())[0] == 503
    started_so = start_bot("webhook", REDIS_URL=redis_url)
    started_so.until_not_ready_for("inbox", keeps)
    assert started_so.end() == 0
    client.config_set(setting, keeps.rsplit(" ", 1)[1])
    bot.until_ready()
    attack.canary()
    assert bot.end() == 0


def test_a_replica_is_refused(start_bot: Any, client: Any, redis_url: str) -> None:
    bot = start_bot("webhook", REDIS_URL=redis_url).until_ready()
    client.replicaof("127.0.0.1", "9")
    bot.until_not_ready_for("inbox", "master")
    client.replicaof("NO", "ONE")
    bot.until_ready()
    assert bot.end() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["ready", "leases", "fences", "open", "wake", "fence", "full", "done", "lane:1", "lane:2"],
)
def test_a_key_of_the_wrong_type_stops_nobody(
    start_bot: Any, attack: Any, client: Any, redis_url: str, name: str
) -> None:
    bot = start_bot("webhook", REDIS_URL=redis_url).until_ready()
    attack.canary(1)
    attack.canary(2)
    key = f"botproof:{{{attack.telegram.token.partition(':')[0]}}}:{name}"
    client.delete(key)
    if name in {"ready", "fence", "wake", "lane:1", "lane:2", "done"}:
        client.hset(key, "a", "b")
    else:
        client.set(key, "not a number")
    updates = [attack.message(chat=1 + number % 2) for number in range(20)]
    for update in updates:
        attack.wait_for("the 200", lambda: bot.post(update)[0] == 200)  # noqa: B023 - asked at once
    client.delete(key)  # what it was set to is gone, and so is what came into its place
    for chat in (1, 2):
        attack.wait_for("every answer", lambda: len(attack.telegram.texts(chat)) >= 11, 60)  # noqa: B023 - asked at once
        attack.canary(chat)
        # Whoever loses the proof that a chat is theirs may answer what was under way once more.
        assert len(attack.telegram.texts(chat)) in {12, 13}
    bot.until_metric("bot_inbox_updates", 0)
    bot.until_ready()
    assert bot.end() == 0


@pytest.mark.slow
def test_what_redis_has_lost_is_told(
    start_bot: Any, attack: Any, client: Any, redis_url: str
) -> None:
    bot = start_bot("webhook", REDIS_URL=redis_url, TELEGRAM_API_BASE_URL="http://127.0.0.1:9")
    bot.until_inbox_open()
    update = attack.message()
    assert bot.post(update)[0] == 200
    client.delete(
        f"botproof:{{{attack.telegram.token.partition(':')[0]}}}:update:{update['update_id']}"
    )
    bot.until_metric("bot_dead_letters", 1)
    [letter] = attack.dead_letters(REDIS_URL=redis_url)
    assert (letter["update_id"], letter["reason"]) == (update["update_id"], "Redis has lost it")
    assert bot.end() == 0
