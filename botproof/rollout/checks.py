"""Whether this machine and this fleet are fit for a roll-out. Pure: `facts` are asked elsewhere."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from botproof.budgets import MB
from botproof.rollout.plan import Manner

ROOM_MB = 64
"""What has to be free beside the new containers, so that the machine does not thrash."""
DISK_SHARE = 0.95
DISK_MB = 300
SKEW_S = 60.0
RECENT_S = 300.0
"""Telegram tries again within two minutes: an older failure may be over."""
_OLDEST_COMPOSE = (2, 24)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. Bytes; `images` are ids by variable, "" for one that is not here.

    `memory_wanted` is what the new containers take, as the old ones do now. `clock` is how far this
    machine is ahead of Telegram, in seconds; None where Telegram told no time. `webhook` is the
    address that Telegram has, `own_webhook` the one that the bot is to have. `bot_id` is the number
    in the token of the files, `running_id` the one in the token of the bot that runs; "": none.
    `delivery_error` is what Telegram said last of a delivery that failed, `delivery_error_age` how
    long ago that was, in seconds. `alone`: what a service has in its files that two containers
    cannot have at a time.
    """

    disk_free: int
    disk_total: int
    memory_free: int
    memory_wanted: int
    compose: str
    images: Mapping[str, str]
    bot: str
    bot_trouble: str
    clock: float | None
    webhook: str
    own_webhook: str
    others: Mapping[str, str]
    env_modes: Mapping[str, int]
    verdict: Sequence[str]
    bot_id: str = ""
    running_id: str = ""
    delivery_error: str = ""
    delivery_error_age: float = float("inf")
    alone: Mapping[str, str] = {}


def for_one_alone(service: Mapping[str, Any], manner: Manner) -> str:
    """Return what a service of the files has that two containers of it cannot have at a time, and
    why; "" where there is nothing."""
    if name := service.get("container_name"):
        return f"`container_name: {name}`, and each container needs a name of its own"
    if manner is Manner.IN_TURN:
        return ""
    ports = [str(port.get("published") or "0") for port in service.get("ports") or ()]
    fixed = [port for port in ports if port.isdigit() and int(port)]
    if not fixed:
        return ""
    return f"port {fixed[0]} of this machine, which one container alone can have"


def refusals(facts: Facts) -> list[str]:
    """Return every reason against the roll-out, each with what would help; empty when
    there is none."""
    found = list(facts.verdict)
    found += _machine(facts)
    for variable, image in facts.images.items():
        if not image:
            found.append(
                f"image: what {variable} names is not on this machine; `docker pull` or "
                "`docker load` it first: nothing is built here"
            )
    for service, state in facts.others.items():
        found.append(f"fleet: {service} is {state}; `docker compose up --detach {service}` first")
    for service, what in facts.alone.items():
        found.append(
            f"files: {service} has {what}; the new one is made while the old one is there. Take "
            "that line out: a proxy finds the service by its name"
        )
    if facts.bot_trouble:
        found.append(f"token: {facts.bot_trouble}")
    elif facts.running_id and facts.running_id != facts.bot_id:
        found.append(
            f"token: the files name the bot {facts.bot_id} (@{facts.bot}), and {facts.running_id} "
            "runs here, whose users nobody would answer; put its token back, or end it first "
            "(`docker compose down`) where another bot is meant"
        )
    elif facts.webhook and facts.webhook != facts.own_webhook:
        wanted = facts.own_webhook or "none, because the bot polls"
        found.append(
            f"webhook: Telegram has {_shown(facts.webhook)} for @{facts.bot}, wanted {wanted}; "
            "somebody else uses this token"
        )
    if facts.clock is not None and abs(facts.clock) > SKEW_S:
        where = "ahead of" if facts.clock > 0 else "behind"
        found.append(
            f"clock: this machine is {abs(facts.clock):.0f} s {where} Telegram; `timedatectl` "
            "tells whether it is kept right"
        )
    return found


def warnings(facts: Facts) -> list[str]:
    """Return what is wrong and no reason against the roll-out: that may be what mends it."""
    if facts.delivery_error_age > RECENT_S:
        return []
    age, error = facts.delivery_error_age, facts.delivery_error
    told = f"Telegram could not deliver {age:.0f} s ago: {error}; users wait"
    return [f"{told}, also after this roll-out where the bot is not the cause"]


def _machine(facts: Facts) -> list[str]:
    found = []
    used = 1 - facts.disk_free / max(1, facts.disk_total)
    if used >= DISK_SHARE or facts.disk_free < DISK_MB * MB:
        found.append(
            f"disk: {used:.0%} is used and {facts.disk_free / MB:.0f} MB are free, wanted under "
            f"{DISK_SHARE:.0%} and {DISK_MB} MB; `docker image prune` gives back what is not used"
        )
    wanted = facts.memory_wanted + ROOM_MB * MB
    if facts.memory_free < wanted:
        found.append(
            f"memory: {facts.memory_free / MB:.0f} MB are free, the new containers beside the old "
            f"ones take {facts.memory_wanted / MB:.0f} MB and {ROOM_MB} have to stay"
        )
    version = re.match(r"v?(\d+)\.(\d+)", facts.compose)
    if version is None or (int(version[1]), int(version[2])) < _OLDEST_COMPOSE:
        found.append(
            f"engine: Docker Compose is {facts.compose or 'missing'}, wanted 2.24 or newer"
        )
    for path, mode in facts.env_modes.items():
        if mode & 0o077:
            found.append(
                f"settings: {path} holds the token and others may read it (mode {mode:o}); "
                f"chmod 600 {path}"
            )
    return found


def _shown(url: str) -> str:
    """Return the host alone: some put a secret into the path."""
    return "/".join(url.split("/")[:3])


def skew(here: datetime.datetime, there: datetime.datetime | None) -> float | None:
    """Return how far this machine is ahead, in seconds; the header has whole seconds."""
    return None if there is None else (here - there).total_seconds()
