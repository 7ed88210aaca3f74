"""A circuit breaker: what keeps failing is left alone for a while, then tried once.

Pure state: the clock is passed in (seconds, monotonic).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Breaker:
    """Closed while calls succeed; open after ``threshold`` failures in a row, or when told to wait.

    The pause doubles with every failed trial, from ``pause`` to ``longest`` seconds. While open one
    trial at a time is let through once the pause is over.
    """

    threshold: int = 5
    pause: float = 5.0
    longest: float = 60.0
    failures: int = 0
    open_until: float = 0.0
    trial: bool = False
    _next_pause: float = 0.0

    def allows(self, now: float) -> bool:
        """Tell whether a call may go out; a True in an open circuit is the one trial."""
        if not self.is_open:
            return True
        if now < self.open_until or self.trial:
            return False
        self.trial = True
        return True

    @property
    def is_open(self) -> bool:
        """Whether calls are held back (or one trial is under way)."""
        return self.open_until > 0

    def succeeded(self) -> None:
        """Count a success: the circuit closes, unless the call went out before it was opened."""
        if self.is_open and not self.trial:
            return
        self.failures, self.open_until, self.trial, self._next_pause = 0, 0.0, False, 0.0

    def failed(self, now: float, *, wait: float | None = None, at_once: bool = False) -> None:
        """Count a failure; ``wait`` is how long the other side asked to be left alone.

        ``at_once``: the circuit opens whatever came before, for it was asked too often. Of calls
        that went out before the circuit opened only a longer ``wait`` counts.
        """
        self.failures += 1
        named = 0.0 if wait is None else now + max(wait, self.pause)
        if self.is_open and not self.trial:
            self.open_until = max(self.open_until, named)
            return
        if wait is None and not at_once and not self.trial and self.failures < self.threshold:
            return
        pause = self._next_pause or self.pause
        self._next_pause = min(self.longest, 2 * pause)
        self.open_until = named or now + pause
        self.trial = False

    def gave_up(self) -> None:
        """Forget a trial that ended without a verdict (the asker was cancelled)."""
        self.trial = False
