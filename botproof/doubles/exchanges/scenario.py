"""Extreme markets: what happens to one coin from a moment on. Times are epoch milliseconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from botproof.doubles.exchanges.periods import HOUR


class ScenarioKind(Enum):
    """The extreme markets to choose from."""

    CRASH = "crash"
    SPIKE = "spike"
    QUIET = "quiet"
    MISSING = "missing"
    NEW_LISTING = "new_listing"


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something out of the ordinary that happens to one coin from the moment ``at`` on."""

    kind: ScenarioKind
    at: int

    def price(self, time: int) -> float:
        """Return the addition to the logarithm of the price."""
        since = (time - self.at) / HOUR
        if since <= 0:
            return 0.0
        if (
            self.kind is ScenarioKind.CRASH
        ):  # a third is lost in an hour, half of that comes back in six
            fall = -0.43 * min(1.0, since)
            return fall + 0.2 * min(1.0, max(0.0, since - 1) / 6)
        if self.kind is ScenarioKind.SPIKE:  # up in one quarter of an hour, fading over a day
            return 0.17 * min(1.0, since * 4) * math.exp(-max(0.0, since - 0.25) / 12)
        return 0.0

    def volume(self, time: int) -> float:
        """Return the factor on what is traded."""
        since = (time - self.at) / HOUR
        if since < 0:
            return 1.0
        if self.kind is ScenarioKind.CRASH:
            return 1 + 9 * math.exp(-since / 1.5)
        if self.kind is ScenarioKind.SPIKE:
            return 1 + 11 * math.exp(-since / 0.5)
        return 0.02 if self.kind is ScenarioKind.QUIET else 1.0

    def tilt(self, time: int) -> float:
        """Return the addition to the share of takers who buy."""
        since = (time - self.at) / HOUR
        if since < 0:
            return 0.0
        if self.kind is ScenarioKind.CRASH:
            return -0.3 * math.exp(-since / 2)
        return 0.3 * math.exp(-since) if self.kind is ScenarioKind.SPIKE else 0.0
