"""What each step does to the containers of a service, and how it is taken back.

Every step brings about a state and looks first at what is there, so that it can be done again
after a kill at any point in it. Two bots never work at a time: the new one works only after the
old one has ended, and on the way back the old one only after the new one has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from botproof.rollout.engine import StepFailedError
from botproof.rollout.plan import Change, Kind, Manner, Plan, Step

STANDBY_S = 45.0
READY_S = 30.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A container of a service as it is now."""

    id: str
    image: str
    running: bool
    paused: bool = False


class Containers(Protocol):
    """The containers of a fleet. Each call may raise StepFailedError, and may be made again."""

    def seen(self, service: str) -> Sequence[Seen]:
        """Return those that are there, running or not."""

    def create(self, service: str) -> None:
        """Create one more, of the wanted image and configuration, not started."""

    def remake(self, service: str, image: str) -> None:
        """Have Compose put containers of this image in the place of those that are there."""

    def start(self, container: str) -> None: ...

    def stop(self, container: str) -> None:
        """Ask it to end: it finishes what it has begun, and has ended on return."""

    def remove(self, container: str) -> None: ...

    def pause(self, container: str) -> None:
        """Its processes stand still; it keeps its memory, and takes nothing over."""

    def unpause(self, container: str) -> None: ...

    def expose(self, container: str) -> None:
        """Let other services find it by the service's name from now on."""

    def change_over(self, new: Sequence[str], old: Sequence[str]) -> None:
        """Expose the new ones, and then ask the old ones to end: they have ended on return.

        Both as one thing, which goes on to its end though this program is killed in the middle.
        """

    def wait(self, container: str, *, standby: bool, seconds: float) -> None:
        """Until it is ready (or, with ``standby``, only waits for the other one's end)."""


class Steps:
    """Does and undoes the steps of a plan on some containers.

    ``others`` do the steps that are not about containers; what is not among them is nothing to do.
    ``between`` is done when the old bot has ended and the new one has not begun.
    """

    def __init__(
        self,
        plan: Plan,
        containers: Containers,
        others: Mapping[Kind, Callable[[], None]] | None = None,
        between: Callable[[], None] | None = None,
    ) -> None:
        self._changes = {change.service: change for change in plan.changes}
        self._plan = plan
        self._containers = containers
        self._others = others or {}
        self._between = between or _nothing
        self.troubles: list[str] = []
        """What is wrong with the old containers after the way back. It is told, and no more can
        be done about it: a fleet that was broken before must not keep its repair from being
        deployed."""

    def do(self, step: Step) -> None:
        """Bring about what the step is for."""
        match step.kind:
            case Kind.CREATE:
                self._create(self._changes[step.service])
            case Kind.START:
                self._start(self._changes[step.service])
            case Kind.HAND_OVER:
                self._hand_over(self._changes[step.service])
            case _:
                if step.kind is Kind.SETTLE:
                    self.see_new_work()
                    self._others.get(step.kind, _nothing)()
                    self._remove_old()
                    self.see_new_work()
                else:
                    self._others.get(step.kind, _nothing)()

    def undo(self, step: Step) -> None:
        """Bring about what was before the step."""
        match step.kind:
            case Kind.CREATE:
                self._uncreate(self._changes[step.service])
            case Kind.START:
                pass  # it does not work beside the old one; `create` undone removes it
            case Kind.HAND_OVER:
                self._hand_back(self._changes[step.service])
            case _:
                pass  # nothing that works was changed

    def _new(self, change: Change) -> list[Seen]:
        return [c for c in self._containers.seen(change.service) if c.id not in change.old]

    def _old(self, change: Change) -> list[Seen]:
        return [c for c in self._containers.seen(change.service) if c.id in change.old]

    def _create(self, change: Change) -> None:
        for _ in range(change.replicas - len(self._new(change))):
            self._containers.create(change.service)
        wrong = [c.image for c in self._new(change) if c.image != change.image]
        if wrong:
            raise StepFailedError(
                f"{change.service}: a container of image {wrong[0][:19]} came, "
                f"wanted {change.image[:19]}"
            )

    def _start(self, change: Change) -> None:
        if change.held and not self._works(change):
            return  # it would open what is to be replaced: it is started after that
        for container in self._new(change):
            if not container.running:
                self._containers.start(container.id)
            standby = change.manner is Manner.BESIDE and self._works(change)
            if not container.paused:
                self._containers.wait(container.id, standby=standby, seconds=STANDBY_S)
                if change.held and standby:
                    self._containers.pause(container.id)
            if change.manner is Manner.SHARED:
                self._containers.expose(container.id)
                self._containers.wait(container.id, standby=False, seconds=STANDBY_S)

    def _works(self, change: Change) -> bool:
        return any(container.running for container in self._old(change))

    def _hand_over(self, change: Change) -> None:
        if not self._new(change):
            raise _gone(change.service)
        self._see_new_stand_by(change)
        # The new one first: what a webhook brings from then on is held by it, and no command of the
        # engine's keeps users waiting. It holds for long only where the old one does not end.
        self._containers.change_over(
            [container.id for container in self._new(change)],
            [container.id for container in self._old(change) if container.running],
        )
        if change.is_bot:
            self._between()  # nobody has its data open
        for container in self._new(change):
            if container.paused:
                self._containers.unpause(container.id)
            elif not container.running:
                self._containers.start(container.id)
        for container in self._new(change):
            self._containers.wait(container.id, standby=False, seconds=READY_S)

    def _see_new_stand_by(self, change: Change) -> None:
        """Note that it may have ended since it was started; the old one works still."""
        if change.manner is not Manner.BESIDE:
            return
        works = self._works(change)
        for container in self._new(change):
            if works and not container.paused:
                self._containers.wait(container.id, standby=True, seconds=STANDBY_S)
            elif change.held and container.running and not container.paused:
                # The old one ended too early, so that it may have opened what is to be replaced.
                self._containers.stop(container.id)

    def see_new_work(self) -> None:
        """Do nothing where the new containers are there, of the wanted image, and one runs; else
        the old one must not go. Raises StepFailedError."""
        for change in self._plan.changes:
            there = [new for new in self._new(change) if new.image == change.image]
            if len(there) < change.replicas or not any(new.running for new in there):
                raise _gone(change.service)

    def _hand_back(self, change: Change) -> None:
        if self._gone_from_before(change):
            self._remake(change)
            return
        if change.manner is Manner.IN_TURN:
            self._stop_new(change)
        for container in self._old(change):
            if not container.running:
                self._containers.start(container.id)
            if any(new.running for new in self._new(change)):
                self._see_old_begin(change, container)
        self._stop_new(change)

    def _see_old_begin(self, change: Change, old: Seen) -> None:
        """Wait for it while the new one is still there, so that nobody waits for its start. What
        is wrong with it is told when all is undone: the new one has to go all the same."""
        standby = change.manner is Manner.BESIDE
        with contextlib.suppress(StepFailedError):
            self._containers.wait(old.id, standby=standby, seconds=READY_S)

    def see_old_work(self) -> None:
        """After all is undone; a power cut may have ended services that had no step yet."""
        for change in self._plan.changes:
            there = self._old(change)
            if self._gone_from_before(change):
                there = self._new(change)
                same = there and all(found.image == change.before for found in there)
                now = "has the image of before" if same else "was left as it is"
                self.troubles.append(
                    f"{change.service}: somebody removed its container of before meanwhile "
                    f"(`docker system prune`? `docker compose up`?); what is there now {now}"
                )
            self._see_work(there)

    def _see_work(self, there: Sequence[Seen]) -> None:
        for container in there:
            try:
                if not container.running:
                    self._containers.start(container.id)
                self._containers.wait(container.id, standby=False, seconds=READY_S)
            except StepFailedError as error:
                self.troubles.append(str(error))

    def _stop_new(self, change: Change) -> None:
        for container in self._new(change):
            if container.running:
                self._containers.stop(container.id)

    def _gone_from_before(self, change: Change) -> bool:
        """Tell whether the old containers are gone: what there is instead is all that its users
        have."""
        return bool(change.old) and not self._old(change)

    def _remake(self, change: Change) -> None:
        """Where the old containers were tidied away (`docker system prune` takes what has ended),
        others of their image take the new ones' place. What somebody else made stays."""
        there = self._new(change)
        if change.before and there and all(new.image == change.image for new in there):
            self._containers.remake(change.service, change.before)

    def _uncreate(self, change: Change) -> None:
        if self._gone_from_before(change):
            self._remake(change)
            return
        self._stop_new(change)
        for container in self._new(change):
            self._containers.remove(container.id)

    def _remove_old(self) -> None:
        for change in self._plan.changes:
            for container in self._old(change):
                self._containers.remove(container.id)


def _gone(service: str) -> StepFailedError:
    return StepFailedError(
        f"{service}: no new container of it is there that could work: somebody removed or stopped "
        "it (`docker compose up` by hand?); `docker compose ps --all` shows what is there"
    )


def _nothing() -> None:
    pass
