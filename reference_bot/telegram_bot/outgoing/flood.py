"""Who has to wait after Telegram said 429. Pure: time is passed in.

A 429 does not say whether the chat or the bot has been too quick. It holds the chat that it came
for; only when several chats are told to wait within one second is it the bot's own limit, and
everybody waits.
"""

from collections import deque
from typing import Final

_WINDOW_SECONDS: Final = 1.0
_CHATS_FOR_BOT: Final = 4


class FloodControl:
    """The holds that are in force."""

    __slots__ = ("_bot_until", "_recent", "_until")

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._bot_until = 0.0
        self._recent: deque[tuple[float, int, float]] = deque()

    def refused(self, chat: int, retry_after: float, now: float) -> None:
        """Telegram answered 429 for ``chat``: ``retry_after`` seconds from ``now``."""
        self._until[chat] = now + retry_after
        self._recent.append((now, chat, now + retry_after))
        while self._recent and self._recent[0][0] <= now - _WINDOW_SECONDS:
            self._recent.popleft()
        if len({chat for _, chat, _ in self._recent}) >= _CHATS_FOR_BOT:
            self._bot_until = min(until for _, _, until in self._recent)
            self._recent.clear()

    def wait(self, chat: int, now: float) -> float:
        """Seconds until ``chat`` may be sent to; 0 when it may now."""
        until = self._until.get(chat, 0.0)
        if until <= now:
            self._until.pop(chat, None)
        return max(0.0, until - now, self._bot_until - now)
