"""Who has to wait after Telegram said 429. Pure: time is passed in.

A 429 does not say whether the chat or the bot has been too quick. It holds the chat that it came
for, and nobody else. Only where the chat cannot be to blame (hardly anything was sent to it of
late), for several chats within one second, and while the bot really sends as fast as Telegram takes
of a bot, is it the bot's own limit: then everybody waits, but not for long. So whoever floods chats
of their own holds those and no others.
"""

from collections import Counter, deque
from typing import Final

_WINDOW_SECONDS: Final = 1.0
_CHATS_FOR_BOT: Final = 4
_BOT_RATE: Final = 15
"""Messages in the last second; Telegram takes about 30."""
_LONGEST_FOR_BOT: Final = 2.0
_MEMORY_SECONDS: Final = 60.0
_MEMORY: Final = 4096
_QUIET: Final = 1
"""So many messages to a chat in the last minute cannot have been too many for it."""


class FloodControl:
    """The holds that are in force."""

    __slots__ = ("_bot_until", "_counts", "_recent", "_sent", "_until")

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._bot_until = 0.0
        self._recent: deque[tuple[float, int, float]] = deque()
        self._sent: deque[tuple[float, int]] = deque()
        self._counts: Counter[int] = Counter()

    def accepted(self, chat: int, now: float) -> None:
        """Note that Telegram took a message for ``chat``."""
        self._sent.append((now, chat))
        self._counts[chat] += 1
        while len(self._sent) > _MEMORY or self._sent[0][0] <= now - _MEMORY_SECONDS:
            _, old = self._sent.popleft()
            self._counts[old] -= 1
            if not self._counts[old]:
                del self._counts[old]

    def refused(self, chat: int, retry_after: float, now: float) -> None:
        """Note that Telegram answered 429 for ``chat``: ``retry_after`` seconds from ``now``."""
        if len(self._until) > _MEMORY:
            self._until = {one: until for one, until in self._until.items() if until > now}
        self._until[chat] = now + retry_after
        if self._counts[chat] > _QUIET:
            return  # its own doing
        self._recent.append((now, chat, now + retry_after))
        while self._recent and self._recent[0][0] <= now - _WINDOW_SECONDS:
            self._recent.popleft()
        if len({chat for _, chat, _ in self._recent}) >= _CHATS_FOR_BOT and self._fast(now):
            soonest = min(until for _, _, until in self._recent)
            self._bot_until = min(soonest, now + _LONGEST_FOR_BOT)
            self._recent.clear()

    def _fast(self, now: float) -> bool:
        if len(self._sent) < _BOT_RATE:
            return False
        return self._sent[-_BOT_RATE][0] > now - _WINDOW_SECONDS

    def wait(self, chat: int, now: float) -> float:
        """Return seconds until ``chat`` may be sent to; 0 when it may now."""
        until = self._until.get(chat, 0.0)
        if until <= now:
            self._until.pop(chat, None)
        return max(0.0, until - now, self._bot_until - now)
