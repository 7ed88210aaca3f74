"""Two programs that poll with one token: each ends the other's wait, and both lose updates.

Source: https://core.telegram.org/bots/api#getupdates and telegram-bot-api's Client.cpp
(`abort_long_poll`): the newer call ends the older one with 409 "terminated by other getUpdates
request".
"""

from __future__ import annotations

from collections.abc import Iterator

from botproof.checks.found import Found
from botproof.config import BOT
from botproof.history import BotApiCall, History, ProcessReady, StopRequested

_ENDED = "terminated by other getUpdates"
_LEAST = 2
"""One may be a bot that begins to wait again before its closed connection was noticed."""


def second_poller(history: History, stack: str) -> Iterator[Found]:
    """Yield what tells that a second program polls with the bot's token; nothing for a single one.

    What happens before the bot is ready and after it was asked to end is left alone.
    """
    ready = [e.t for e in history.of(ProcessReady, stack=stack) if e.role == BOT]
    stops = [e.t for e in history.of(StopRequested, stack=stack) if e.process == BOT]
    begin, end = min(ready, default=0.0), min(stops, default=float("inf"))
    ended = [
        call
        for call in history.of(BotApiCall, stack=stack)
        if begin <= call.t <= end and _ENDED in (call.description or "")
    ]
    if len(ended) >= _LEAST:
        yield Found(
            ended[0],
            f"two programs poll with the bot's token: Telegram answered {len(ended)} getUpdates "
            f'by 409 "{ended[0].description}"',
        )
