"""Somebody else uses the bot's token: it is noticed, told, put right, and not fought for ever."""

from typing import Any

import pytest

ELSEWHERE = "http://127.0.0.1:9/elsewhere"


def webhook(attack: Any) -> str:
    url: str = attack.telegram.call("getWebhookInfo")["url"]
    return url


@pytest.mark.slow
def test_a_webhook_that_leads_elsewhere_is_put_right_thrice_and_then_left(
    start_bot: Any, attack: Any
) -> None:
    bot = start_bot("webhook").until_ready()
    ours = webhook(attack)
    for _ in range(3):
        attack.telegram.call("setWebhook", url=ELSEWHERE)
        attack.wait_for("our address", lambda: webhook(attack) == ours)
        bot.until_ready()
    attack.canary()
    attack.telegram.call("setWebhook", url=ELSEWHERE)
    reason = bot.until_not_ready_for("webhook", "leaves it")
    assert "127.0.0.1" in reason
    assert webhook(attack) == ELSEWHERE
    whole = {"secret_token": attack.SECRET, "max_connections": 100}
    attack.telegram.call("setWebhook", url=ours, **whole)  # the other one yields
    bot.until_ready()
    attack.canary()
    assert bot.metric("bot_conflicts_total") >= 4
    assert bot.end() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        {"allowed_updates": ["message"], "secret_token": "a-secret-of-the-tests"},
        {"max_connections": 1, "secret_token": "a-secret-of-the-tests"},
        {"secret_token": "another-secret"},
        {
            "ip_address": "127.0.0.9",
            "max_connections": 100,
            "secret_token": "a-secret-of-the-tests",
        },
        {},
    ],
)
def test_a_webhook_set_again_with_the_same_address_is_put_right(
    start_bot: Any, attack: Any, change: dict[str, Any]
) -> None:
    bot = start_bot("webhook").until_ready()
    attack.canary()
    attack.telegram.call("setWebhook", url=webhook(attack), **change)
    attack.telegram.say("/help", chat=1)
    attack.wait_for("an answer", lambda: len(attack.telegram.texts(1)) == 2)
    attack.wait_for("it is noticed", lambda: bot.metric("bot_conflicts_total") >= 1)
    info = attack.telegram.call("getWebhookInfo")
    assert "callback_query" in info.get("allowed_updates", ["callback_query"])
    assert bot.end() == 0


@pytest.mark.slow
def test_polling_clears_a_strange_webhook_thrice_and_then_leaves_it(
    start_bot: Any, attack: Any
) -> None:
    bot = start_bot("polling").until_ready()
    for _ in range(3):
        attack.telegram.call("setWebhook", url=ELSEWHERE)
        attack.wait_for("no webhook", lambda: not webhook(attack))
        bot.until_ready()
    attack.telegram.call("setWebhook", url=ELSEWHERE)
    bot.until_not_ready_for("polling", "leaves it")
    attack.telegram.call("deleteWebhook")
    bot.until_ready()
    attack.canary()
    assert bot.end() == 0


@pytest.mark.slow
def test_a_second_poller_is_told_and_nobody_dies(start_bot: Any, attack: Any) -> None:
    one = start_bot("polling").until_ready()
    two = start_bot("polling", INBOX_PATH="other.sqlite3")
    attack.wait_for("a conflict", lambda: one.metric("bot_conflicts_total"))
    attack.wait_for(
        "the reason",
        lambda: any(
            "Another program polls" in bot.reasons().get("polling", "") for bot in (one, two)
        ),
    )
    # Each gets its turn at Telegram, again and again, though the other comes back each time.
    for bot in (two, one, two, one):
        bot.until_ready()
    attack.canary()
    assert two.end() == 0
    one.until_ready()
    attack.canary()
    assert one.end() == 0
