"""What happens to the host while the bot runs: no disk to write to, few descriptors, no memory."""

import resource
from typing import Any

MANY = 60


def test_a_disk_that_takes_no_writes_for_a_while(start_bot: Any, telegram: Any) -> None:
    """The kernel makes a file system read-only after an error of its disk."""
    bot = start_bot("webhook").until_ready()
    _, hard = resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (0, hard))
    bot.until_not_ready("inbox")
    telegram.say("/price btc", chat=1)
    telegram.until(lambda event: event["type"] == "deliver" and event["status"] == 503)
    assert telegram.texts(1) == []
    resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
    bot.until_ready()
    telegram("clock", {"advance": 130})  # Telegram waits longer with every try
    assert telegram.answers(1)[0].startswith("📊 BTC/USDT")


def test_few_descriptors_are_enough_for_many_who_ask(
    start_bot: Any, telegram: Any, market: Any, mode: str
) -> None:
    market.delay = 0.1
    bot = start_bot(mode, descriptors=64).until_ready()
    for chat in range(1, MANY + 1):
        telegram.say(f"/price c{chat}", chat=chat)
    bot.until_metric('bot_updates_handled_total{outcome="answered"}', MANY)
    for chat in range(1, MANY + 1):
        [told] = telegram.texts(chat)
        assert told.startswith("📊 BTC/USDT")
    assert bot.ready()[0] == 200
