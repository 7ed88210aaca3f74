"""Whether Telegram takes messages at all: what /ready has to know of sending. Pure."""

from typing import Final

_RED_AFTER: Final = 3.0
_EVIDENCE_SECONDS: Final = 30.0
_CHATS: Final = 3


class Sending:
    """Told of every call's end; `trouble` says since when none has succeeded."""

    __slots__ = ("_chats", "_failed_at", "_first", "_first_chat", "_why")

    def __init__(self) -> None:
        self._first: float | None = None
        self._first_chat = 0.0
        self._failed_at = 0.0
        self._why = ""
        self._chats: set[int] = set()

    def reached(self) -> None:
        """Note that Telegram took a message, or refused one for what is in it."""
        self._first = None
        self._chats.clear()

    def failed(self, why: str, now: float) -> None:
        """Note that a call did not reach Telegram, or Telegram failed."""
        if self._first is None:
            self._first = now
        self._failed_at, self._why = now, why

    def held(self, chat: int, why: str, now: float) -> None:
        """Note a 429, or no answer: for one chat that is its own matter, for several it is ours."""
        if not self._chats:
            self._first_chat = now
        self._chats.add(chat)
        if len(self._chats) >= _CHATS:
            if self._first is None:
                self._first = self._first_chat
            self.failed(why, now)

    def trouble(self, now: float) -> str | None:
        """Say why users get no answers, or None. After half a minute without a try nobody knows."""
        if self._first is None or now - self._failed_at > _EVIDENCE_SECONDS:
            return None
        since = now - self._first
        if since < _RED_AFTER:
            return None
        return f"Telegram has taken no message for {since:.0f} s ({self._why})"
