"""No task and no thread ends unseen: it is started again, and /ready tells the true reason."""

from typing import Any

import pytest

# Runs in the bot's process before anything of it: breaks one piece of it, once.
BREAK = """
import sys
sys.argv = ["bot"]
from reference_bot.telegram_bot import slim
from reference_bot.telegram_bot import dispatch, room
from reference_bot.telegram_bot.doors import polling
from reference_bot.telegram_bot.inbox import sqlite_writer

class Broken(BaseException if {base} else Exception):
    pass

def once(owner, name):
    whole = getattr(owner, name)
    left = [{times}]
    def broken(*args, **options):
        if not left[0]:
            return whole(*args, **options)
        left[0] -= 1
        raise Broken("broken for a test")
    setattr(owner, name, broken)

once({owner}, "{name}")
from reference_bot.telegram_bot.__main__ import main
sys.exit(main([]))
"""


@pytest.mark.parametrize(
    ("owner", "name", "base"),
    [
        ("dispatch.Dispatcher", "_claim", False),
        ("dispatch.Dispatcher", "_beat", False),
        ("room.Room", "_watch_inbox", False),
        ("polling.PollingDoor", "_trouble", False),
        ("polling.PollingDoor", "run", False),
        ("sqlite_writer.Writer", "_commit", False),
        ("sqlite_writer.Writer", "_commit", True),
        ("sqlite_writer.Writer", "_report", True),
    ],
)
@pytest.mark.slow
def test_a_piece_that_breaks_once_is_noticed_and_goes_on(
    start_bot: Any, attack: Any, owner: str, name: str, *, base: bool
) -> None:
    text = BREAK.format(owner=owner, name=name, base=base, times=1)
    if name == "_trouble":  # reached when a call fails
        attack.telegram.fault(method="getUpdates", kind="error", error_code=502, count=1)
    bot = start_bot("polling", command=["-c", text])
    bot.until_ready()
    attack.canary()
    assert bot.end() == 0
    assert any("broken for a test" in line for line in bot.lines)
    assert not any('"event": "uncaught' in line for line in bot.lines)


def test_while_a_task_is_down_ready_says_which(start_bot: Any) -> None:
    text = BREAK.format(owner="dispatch.Dispatcher", name="_claim", base=False, times=10**6)
    bot = start_bot("polling", command=["-c", text])
    reason = bot.until_not_ready_for("task dispatcher", "broken for a test")
    assert "is started again" in reason
    assert bot.end() == 0
