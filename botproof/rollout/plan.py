"""Which steps a change of a fleet takes, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec


class Manner(StrEnum):
    """How a service changes hands.

    BESIDE: the new container is started while the old one works; it takes over when that one ends.
    IN_TURN: the new one is started only after the old one has ended: two must never run at once.
    SHARED: both work at a time, and then the old one ends (a service that answers requests).
    """

    BESIDE = "beside"
    IN_TURN = "in turn"
    SHARED = "shared"


class Kind(StrEnum):
    """What a step does; docs/rollout.md has the table."""

    CHECK = "check"
    BACK_UP = "back up"
    CREATE = "create"
    START = "start"
    HAND_OVER = "hand over"
    VERIFY = "verify"
    WATCH = "watch"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `service` is empty for those that concern the fleet."""

    kind: Kind
    service: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.service}".strip()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A service that changes: to which image (an id), and from which containers (ids).

    ``held``: the new container stands still, once it stands by, until what the bot keeps is
    replaced; else it would open what is there as soon as the old one ends. ``replicas``: so many
    containers of it there are to be. ``before``: the image that the old ones have, "" where there
    are none.
    """

    service: str
    image: str
    old: tuple[str, ...]
    manner: Manner
    is_bot: bool
    held: bool = False
    replicas: int = 1
    before: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done, as the journal keeps it.

    `images` are variables of the Compose files and the images that they name. `files` is the digest
    of the files that it was made of, `project` Compose's name of the fleet. `level` is that of a
    way back, 0 for a deployment; `deployment` is the name of the one that it takes back.
    """

    changes: tuple[Change, ...]
    images: Mapping[str, str]
    watch_s: float = 0.0
    files: str = ""
    project: str = ""
    level: int = 0
    deployment: str = ""

    @property
    def what(self) -> str:
        """Its words for a person: "deploy" or "rollback LEVEL of DEPLOYMENT"."""
        return f"rollback {self.level} of {self.deployment}" if self.level else "deploy"


def steps(plan: Plan) -> list[Step]:
    """Return the steps of a plan. What bots ask changes before the bots that ask it."""
    deploys = not plan.level  # the way back must not be kept up by anything
    found = [Step(Kind.CHECK), Step(Kind.BACK_UP)] if deploys else []
    for change in sorted(plan.changes, key=lambda change: change.is_bot):
        found.append(Step(Kind.CREATE, change.service))
        if change.manner is not Manner.IN_TURN:
            found.append(Step(Kind.START, change.service))
        found.append(Step(Kind.HAND_OVER, change.service))
    if plan.changes and deploys:
        found.append(Step(Kind.VERIFY))
        if plan.watch_s > 0:
            found.append(Step(Kind.WATCH))
    found.append(Step(Kind.SETTLE))
    return found


def changes(
    services: Mapping[str, Mapping[str, Any]],
    wanted: Mapping[str, str],
    running: Mapping[str, Sequence[tuple[str, str, bool]]],
    only: Sequence[str] = (),
    *,
    every: bool = False,
) -> tuple[Change, ...]:
    """Return the services that are not as they should be.

    ``services`` as Compose resolves them; ``wanted`` by service: the image's id; ``running``
    by service: (container id, image id, whether it is configured otherwise). ``only``: services.
    With ``every`` all of them change, and bots are held: what they keep is replaced in between.
    """
    found = []
    for name, service in services.items():
        labels: Mapping[str, str] = service.get("labels") or {}
        role = labels.get("botproof.role")
        if role is None or (only and name not in only):
            continue
        image = wanted[name]
        there = running.get(name, ())
        if not every and there and all(runs == image and not other for _, runs, other in there):
            continue
        is_bot = role == "bot"
        manner = Manner(labels.get("botproof.hand-over") or ("in turn" if is_bot else "shared"))
        found.append(
            Change(
                service=name,
                image=image,
                old=tuple(container for container, _, _ in there),
                manner=manner,
                is_bot=is_bot,
                held=every and is_bot and manner is Manner.BESIDE,
                replicas=int(
                    (service.get("deploy") or {}).get("replicas") or service.get("scale") or 1
                ),
                before=there[0][1] if there else "",
            )
        )
    return tuple(found)
