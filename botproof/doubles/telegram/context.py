"""What a method works with: its bot, the time, and where effects go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias

from botproof.doubles.telegram.faults import Faults
from botproof.doubles.telegram.flood import FloodLimits
from botproof.doubles.telegram.replies import Reply
from botproof.doubles.telegram.world import Bot, Limits

Params: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a double behaves. `tokens` None lets every well-formed token be a bot.

    `any_token`: whatever stands where the token does is taken for the one of `tokens`.

    `seed` makes ids, dice and faults repeatable; a `TelegramDouble` with None takes another one at
    each start and reset.

    `strict_webhooks` refuses what the real server refuses: plain http, other ports than 80, 88,
    443 and 8443. By default addresses of this machine and its networks are exempt, so that a bot
    under test can be reached.

    `strict_unknowns` answers 501 where the double would make something up (`methods.stand_ins`).
    """

    seed: int | None = 0
    tokens: frozenset[str] | None = None
    any_token: bool = False
    flood: FloodLimits | None = field(default_factory=FloodLimits)
    strict_webhooks: bool = False
    strict_unknowns: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class LateReply:
    """Effect: the answer to a call that waited."""

    ticket: int
    reply: Reply


@dataclass(frozen=True, slots=True)
class Post:
    """Effect: post an update to a webhook, and report what came of it under `number`."""

    number: int
    token: str
    update_id: int
    attempt: int
    url: str
    secret: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Abort:
    """Effect: a post that is under way does not matter any more."""

    number: int


@dataclass(frozen=True, slots=True)
class Note:
    """Effect: something for the transcript."""

    token: str
    kind: str
    fields: Mapping[str, object]


Effect: TypeAlias = LateReply | Post | Abort | Note


@dataclass(slots=True)
class Core:
    """What all bots share."""

    settings: Settings
    rng: Random
    faults: Faults
    effects: list[Effect] = field(default_factory=list)
    last_number: int = 0
    timers_moved: bool = False

    def number(self) -> int:
        """Return a number for a ticket or a delivery, never used before."""
        self.last_number += 1
        return self.last_number


@dataclass(slots=True)
class Turn:
    """One call: `now` is in seconds since the epoch, by the double's clock.

    `method` is its documented name; empty for what is no call.
    """

    core: Core
    bot: Bot
    now: float
    method: str = ""

    @property
    def date(self) -> int:
        """The time as messages carry it."""
        return int(self.now)


Method: TypeAlias = Callable[[Turn, Params], object]
