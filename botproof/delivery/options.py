"""What a delivery run is to do."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botproof.checks.delivery import DeliveryPlan
from botproof.config import Config, Scalar

UNDER_WAY = 10
"""How many updates are sent at once before a SIGTERM that is to meet the bot at work."""
MEANWHILE = 4
"""How many follow one another while it stops; those that come too late find it stopped."""


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """What to run. `rate` is updates a second, `chats` 0 takes botproof.toml's number.

    What is not answered when all is sent has `drain_s` seconds from the last new answer on.
    `late` updates are sent while the bot is stopped and must be answered by its next start. So
    often as `stops` says it gets SIGTERM while it handles updates, and is started again. With
    `slow_ends` Telegram takes its time while the bot is killed at an aimed moment or stopped, and
    updates come while it stops.
    `chance` makes what must differ from run to run (the token: a shared Redis still knows the
    updates of the last run); everything else follows from `seed`.
    """

    config: Config
    config_path: Path
    report_dir: Path
    mode: str
    updates: int = 5000
    kills: int = 50
    seed: int = 1
    rate: float = 45.0
    chats: int = 0
    replicas: int = 1
    late: int = 10
    stops: int = 0
    slow_ends: bool = True
    drain_s: float = 60.0
    faults: tuple[Mapping[str, Any], ...] = ()
    """What the Telegram double gets wrong, programmed before the first update."""
    env: Mapping[str, Scalar] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()
    disk: Path | None = None
    restart_redis: Callable[[], Awaitable[None]] | None = None
    label: str = ""
    keep: bool = False
    say: Callable[[str], None] = print
    chance: random.Random = field(default_factory=random.SystemRandom)

    @property
    def name(self) -> str:
        """What the run is called in the report."""
        return self.label or self.mode

    @property
    def every(self) -> int:
        """How many updates are sent in all."""
        meanwhile = MEANWHILE if self.slow_ends else 0
        return self.updates + self.stops * (UNDER_WAY + meanwhile) + self.late


def plan_of(options: DeliveryOptions) -> DeliveryPlan:
    """Return what a run sets out to do, for the check."""
    return DeliveryPlan(
        updates=options.every,
        kills=options.kills,
        stops=options.stops if options.slow_ends else 0,
    )
