"""Flood control: how fast a bot may send, and how long it must wait when it went faster.

Telegram publishes the sizes, not the algorithm (https://core.telegram.org/bots/faq, "My bot is
hitting limits"): about one message a second in one chat with short bursts, 20 a minute in a group,
30 a second over all chats. Single chats are a token bucket (bursts refill), the two others sliding
windows (never more than N in any window).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

from botproof.chat_ids import chat_kind

_SWEEP_AT = 10_000


@dataclass(frozen=True, slots=True)
class FloodLimits:
    """Limits for one bot. `chat_burst` messages may come at once in a chat, then one a second."""

    chat_interval: float = 1.0
    chat_burst: int = 5
    group_per_minute: int = 20
    total_per_second: int = 30


@dataclass(slots=True)
class Bucket:
    """What was sent to one chat lately: each message takes ``interval`` seconds to be forgotten."""

    limits: FloodLimits
    full_at: float = 0.0
    """When all of a burst may be sent again."""

    def count(self, messages: int, now: float) -> None:
        """Count messages that were sent."""
        self.full_at = max(self.full_at, now) + messages * self.limits.chat_interval

    def wait(self, now: float, messages: int = 1) -> float:
        """Return the seconds until so many may be sent at once (never more than a burst); not above
        0 where they may now.
        """
        left = self.limits.chat_burst - min(messages, self.limits.chat_burst)
        return max(self.full_at, now) - now - left * self.limits.chat_interval


@dataclass(slots=True)
class Flood:
    """What one bot has sent lately."""

    limits: FloodLimits
    _chats: dict[int, Bucket] = field(default_factory=dict)
    _groups: dict[int, deque[float]] = field(default_factory=dict)
    _total: deque[float] = field(default_factory=deque)

    def take(self, chat_id: int, count: int, now: float) -> int:
        """Send `count` messages to a chat: 0 when that is fine, else the seconds to wait.

        A refused call costs nothing.
        """
        wait = max(
            self._chats.get(chat_id, Bucket(self.limits)).wait(now),
            self._wait_group(chat_id, now),
            _wait_window(self._total, self.limits.total_per_second, 1.0, now),
        )
        if wait > 0:
            return max(1, math.ceil(wait))
        self._count(chat_id, count, now)
        return 0

    def _wait_group(self, chat_id: int, now: float) -> float:
        if chat_kind(chat_id) == "private":
            return 0.0
        return _wait_window(self._groups.get(chat_id), self.limits.group_per_minute, 60.0, now)

    def _count(self, chat_id: int, count: int, now: float) -> None:
        if len(self._chats) > _SWEEP_AT:
            self._chats = {chat: one for chat, one in self._chats.items() if one.full_at > now}
        self._chats.setdefault(chat_id, Bucket(self.limits)).count(count, now)
        self._total.extend([now] * count)
        if chat_kind(chat_id) != "private":
            self._groups.setdefault(chat_id, deque()).extend([now] * count)


def _wait_window(sent: deque[float] | None, limit: int, seconds: float, now: float) -> float:
    """Return seconds until fewer than `limit` lie in the last `seconds`; forgets what is older."""
    if not sent:
        return 0.0
    while sent and sent[0] <= now - seconds:
        sent.popleft()
    return 0.0 if len(sent) < limit else sent[len(sent) - limit] + seconds - now
