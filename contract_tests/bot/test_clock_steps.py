"""The clock of the machine is set while the bot runs, by hours: a host without a clock of its own,
or one that was suspended."""

from pathlib import Path
from typing import Any

import pytest

HOURS = 5 * 3600
CLOCK = """
import pathlib, runpy, time
real, ahead = time.time, pathlib.Path("ahead")
time.time = lambda: real() + (float(ahead.read_text()) if ahead.exists() else 0.0)
runpy.run_module("reference_bot.telegram_bot", run_name="__main__", alter_sys=True)
"""


def set_clock(folder: Path, ahead: float) -> None:
    """Set the clock of the bot so many seconds ahead of the machine's, at once."""
    (folder / "new").write_text(str(ahead))
    (folder / "new").rename(folder / "ahead")


@pytest.mark.parametrize("step", [HOURS, -HOURS])
def test_an_answer_that_waited_over_a_step_is_made_again(
    step: int, start_bot: Any, telegram: Any, market: Any, tmp_path: Path
) -> None:
    """Nobody knows how old its prices are."""
    bot = start_bot(command=("-c", CLOCK)).until_ready()
    telegram.fault(
        method="sendMessage", chat_id=1, kind="error", error_code=429, retry_after=1, count=1
    )
    telegram.say("/price btc", chat=1)
    telegram.until(lambda event: event.get("status") == 429)
    set_clock(tmp_path, step)
    [answer] = telegram.answers(1)
    assert answer.startswith("📊 BTC/USDT")
    assert len(market.asked) == 2
    assert bot.ready()[0] == 200


def test_strangers_are_told_on_the_day_after_the_clock_was_set_back(
    start_bot: Any, telegram: Any, tmp_path: Path
) -> None:
    """They were told on a day that is years ahead."""
    set_clock(tmp_path, 9 * 365 * 24 * HOURS)
    bot = start_bot(command=("-c", CLOCK), TELEGRAM_ALLOWED_USERS="1").until_ready()
    telegram.say("/help", chat=2)
    telegram.answers(2)
    set_clock(tmp_path, 0)
    telegram.say("/help", chat=2)
    telegram.answers(2, count=2)
    telegram.say("/help", chat=2)
    bot.until_metric("bot_strangers_total", 3)
    assert len(telegram.texts(2)) == 2


@pytest.mark.parametrize("off", [HOURS, -HOURS])
def test_with_a_clock_that_is_wrong_everybody_is_answered(
    off: int, start_bot: Any, telegram: Any, tmp_path: Path
) -> None:
    set_clock(tmp_path, off)
    start_bot(command=("-c", CLOCK)).until_ready()
    telegram.say("/price btc", chat=1)
    set_clock(tmp_path, 0)
    telegram.say("/price btc", chat=1)
    telegram.answers(1, count=2)
