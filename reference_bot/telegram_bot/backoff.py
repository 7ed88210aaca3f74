"""How long to wait before trying again."""

from typing import Final

_FIRST: Final = 0.25
_LONGEST_ASKED: Final = 60.0


class Backoff:
    """0.25, 0.5, 1, 2 … seconds, up to ``longest``; `reset` after a success."""

    __slots__ = ("_longest", "_next")

    def __init__(self, longest: float = 5.0) -> None:
        self._longest = longest
        self._next = _FIRST

    def reset(self) -> None:
        """Let the next wait be the shortest again."""
        self._next = _FIRST

    def next(self, asked: float = 0.0) -> float:
        """Return seconds to wait now: ``asked`` (as Telegram did), for a minute at the
        most, if longer."""
        now = self._next
        self._next = min(self._longest, now * 2)
        return max(now, min(asked, _LONGEST_ASKED))
