"""One person, or one chat that Telegram holds, silences nobody else."""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.slow
def test_groups_that_telegram_holds_hold_nobody_else(start_bot: Any, attack: Any) -> None:
    telegram = attack.telegram
    start_bot("polling").until_ready()
    attack.canary(5)
    groups = (-101, -102, -103, -104)
    for group in groups:
        telegram.fault(
            method="sendMessage",
            chat_id=group,
            kind="error",
            error_code=429,
            retry_after=60,
            count=50,
        )
    for group in groups:
        telegram.say("/help", chat=group, user=9)
    telegram.until(lambda event: event.get("status") == 429, len(groups))
    attack.canary(5, seconds=40.0)  # well before the minute is over


@pytest.mark.slow
def test_a_chat_held_for_hours_holds_nobody_else(
    start_bot: Any, attack: Any, store: dict[str, str]
) -> None:
    telegram = attack.telegram
    bot = start_bot("polling", **store).until_ready()
    attack.canary(5)
    telegram.fault(
        method="sendMessage",
        chat_id=1,
        kind="error",
        error_code=429,
        retry_after=5827,
        count=50,
    )
    telegram.say("/help", chat=1)
    telegram.until(lambda event: event.get("status") == 429)
    for _ in range(3):
        attack.canary(5)
    bot.until_ready()


@pytest.mark.slow
def test_a_backlog_of_one_chat_is_bounded_and_said(
    start_bot: Any, attack: Any, store: dict[str, str]
) -> None:
    telegram = attack.telegram
    telegram.say("hello", chat=1)
    bot = start_bot("webhook", TELEGRAM_API_BASE_URL="http://127.0.0.1:9", **store)
    bot.until_inbox_open()
    for _ in range(230):
        assert bot.post(attack.message(chat=1))[0] == 200
    bot.until_metric("bot_updates_dropped_total", 29)
    assert bot.end() == 0
    again = start_bot("webhook", **store).until_ready()
    attack.wait_for("the answers", lambda: len(telegram.texts(1)) >= 201, 60)
    again.until_metric("bot_inbox_updates", 0)
    texts = telegram.texts(1)
    assert Counter(text[:9] for text in texts if text[0] != "⏳") == {
        "What I ca": 200,
        "✋ Too man": 1,
    }
    assert [text for text in texts if text.startswith("✋")] == [texts[-1]]
    attack.canary(1)
    assert again.end() == 0


@pytest.mark.slow
def test_the_operators_balance_is_not_for_a_group_to_see(
    start_bot: Any, attack: Any, market: Any
) -> None:
    telegram = attack.telegram
    market.by_path["/balance"] = BALANCE
    start_bot("polling", TELEGRAM_ALLOWED_USERS="77,-500").until_ready()
    attack.canary(77)
    telegram.say("/balance", chat=-500, user=77)
    attack.wait_for("the answer", lambda: len(telegram.texts(77)) == 2)
    assert "1,234" in telegram.texts(77)[1].replace(".", ",")
    telegram.say("/help", chat=-500, user=77)
    attack.wait_for("the next", lambda: telegram.texts(-500))
    assert not any("1,234" in text for text in telegram.texts(-500))


@pytest.mark.slow
def test_who_cannot_be_written_to_in_private_is_told_so_in_the_group(
    start_bot: Any, attack: Any, market: Any
) -> None:
    telegram = attack.telegram
    market.by_path["/balance"] = BALANCE
    start_bot("polling", TELEGRAM_ALLOWED_USERS="77,-500").until_ready()
    telegram.fault(method="sendMessage", chat_id=77, kind="error", error_code=403, count=5)
    telegram.say("/balance", chat=-500, user=77)
    attack.wait_for("the answer", lambda: telegram.texts(-500))
    [said] = telegram.texts(-500)
    assert "open a chat with me" in said


BALANCE: dict[str, Any] = {
    "age": 0.0,
    "stale": [],
    "venue": "binance",
    "time": 1767258432000,
    "testnet": False,
    "spot": [{"asset": "USDT", "total": 1234.5, "available": 1234.5}],
}


def test_pruning_keeps_up_and_the_file_shrinks(tmp_path: Path) -> None:
    import asyncio  # noqa: PLC0415 - for this one test

    from reference_bot.telegram_bot.inbox import Rules, Update  # noqa: PLC0415 - as above
    from reference_bot.telegram_bot.inbox.sqlite import SqliteInbox  # noqa: PLC0415 - as above

    path = tmp_path / "i.db"

    async def run() -> tuple[int, int]:
        inbox = SqliteInbox(str(path), 1, Rules(most_known=500))
        await inbox.open()
        for start in range(0, 10_000, 1000):
            await inbox.put([Update(start + n, start + n, b"x" * 2000) for n in range(1000)])
        for _ in range(10_000):
            job = await inbox.claim()
            await inbox.finish(job, "answered")
            await inbox.release(job)
        await inbox.close()
        large = path.stat().st_size
        inbox = SqliteInbox(str(path), 1, Rules(most_known=500))
        await inbox.open()
        await inbox._prune()
        await inbox.close()
        return large, path.stat().st_size

    large, small = asyncio.run(run())
    with sqlite3.connect(path) as connection:
        [[rows]] = connection.execute("SELECT count(*) FROM updates").fetchall()
    connection.close()
    assert rows <= 501
    assert small < large / 5
