"""A roll-out that is killed anywhere, any number of times, is done or undone by the next call."""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from botproof.rollout.engine import DEPLOYED, UNDONE, StepFailedError, go_on
from botproof.rollout.journal import Entry
from botproof.rollout.plan import Change, Kind, Manner, Plan, Step
from botproof.rollout.steps import Seen, Steps


class Killed(BaseException):
    """The program ends here, without a chance to do anything."""


@dataclass
class Kills:
    """Counts what is done; at the moment `at` the program is killed."""

    at: int = -1
    power_cut: bool = False
    passed: int = 0
    on_power_cut: Callable[[], None] = lambda: None
    by: type[BaseException] = Killed

    def moment(self) -> None:
        self.passed += 1
        if self.passed == self.at:
            if self.power_cut:
                self.on_power_cut()
            raise self.by


@dataclass
class Container:
    service: str
    image: str
    running: bool = False
    paused: bool = False


@dataclass
class ModelHost:
    """Containers of services. Of the bots that run and do not stand still the first one has the
    inbox."""

    kills: Kills
    changes: dict[str, Change]
    broken: dict[str, str] = field(default_factory=dict)
    """By image: "crash" (it ends when it is started) or "mute" (it is never ready)."""
    there: dict[str, Container] = field(default_factory=dict)
    order: dict[str, list[str]] = field(default_factory=dict)
    most_at_once: dict[str, int] = field(default_factory=dict)
    made: int = 0
    replaced: bool = False
    """Whether what a held bot keeps was replaced."""
    did: list[tuple[str, str]] = field(default_factory=list)
    """What was exposed and stopped, and which old container was waited for, in order."""

    def power_cut(self) -> None:
        for one in self.there.values():
            one.running = one.paused = False
        self.order.clear()

    def seen(self, service: str) -> list[Seen]:
        self.kills.moment()
        return [
            Seen(i, c.image, c.running, c.paused)
            for i, c in self.there.items()
            if c.service == service
        ]

    def create(self, service: str) -> None:
        self.kills.moment()
        self.made += 1
        self.there[f"new{self.made}"] = Container(service, self.changes[service].image)
        self.kills.moment()

    def remake(self, service: str, image: str) -> None:
        """Compose makes anew what is not as it is to be; who kills the program does not stop it."""
        self.kills.moment()
        there = [i for i, c in self.there.items() if c.service == service]
        if any(self.there[i].image != image for i in there):
            for one in there:
                self._end(one)
                del self.there[one]
            self.there["remade"] = Container(service, image, running=True)
            self.order[service] = ["remade"]
        self.kills.moment()

    def start(self, container: str) -> None:
        self.kills.moment()
        one = self.there[container]
        if self.broken.get(one.image) != "crash":
            one.running = True
            running = self.order.setdefault(one.service, [])
            if self.changes[one.service].held and one.image != OLD:
                assert self.replaced or running  # else it opens what is to be replaced
            if container not in running:
                running.append(container)
            most = self.most_at_once.get(one.service, 0)
            self.most_at_once[one.service] = max(most, len(running))
        self.kills.moment()

    def stop(self, container: str) -> None:
        self.kills.moment()
        self.did.append(("stop", container))
        self._end(container)
        self.kills.moment()

    def pause(self, container: str) -> None:
        self.kills.moment()
        assert self.there[container].running
        self.there[container].paused = True
        self.kills.moment()

    def unpause(self, container: str) -> None:
        self.kills.moment()
        assert self.there[container].paused
        self.there[container].paused = False
        self.kills.moment()

    def remove(self, container: str) -> None:
        self.kills.moment()
        self._end(container)
        del self.there[container]
        self.kills.moment()

    def expose(self, container: str) -> None:
        self.kills.moment()
        assert container in self.there
        self.did.append(("expose", container))

    def change_over(self, new: Sequence[str], old: Sequence[str]) -> None:
        """Whoever kills the program then does not stop this."""
        self.kills.moment()
        for container in new:
            assert container in self.there
            self.did.append(("expose", container))
        for container in old:
            self.did.append(("stop", container))
            self._end(container)
        self.kills.moment()

    def wait(self, container: str, *, standby: bool, seconds: float) -> None:
        del seconds
        self.kills.moment()
        one = self.there[container]
        if not one.running:
            raise StepFailedError(f"{container} has ended")
        assert not one.paused
        if self.broken.get(one.image) == "mute":
            raise StepFailedError(f"{container} is never ready")
        beside = self.changes[one.service].manner is Manner.BESIDE
        if beside and not standby and self.order[one.service][0] != container:
            raise StepFailedError(f"{container} waits for the inbox")
        if one.image == OLD:
            self.did.append(("wait", container))

    def working(self, service: str) -> str | None:
        running = self.order.get(service)
        return running[0] if running else None

    def _end(self, container: str) -> None:
        one = self.there[container]
        one.running = one.paused = False
        if container in self.order.get(one.service, []):
            self.order[one.service].remove(container)


@dataclass
class ModelJournal:
    """A journal that a kill leaves with or without the last entry."""

    kills: Kills
    kept: list[Entry] = field(default_factory=list)

    @property
    def entries(self) -> list[Entry]:
        return list(self.kept)

    def write(self, event: str, step: str = "", reason: str = "", **data: Any) -> None:
        self.kills.moment()
        self.kept.append(Entry(event=event, step=step, reason=reason, data=data))
        self.kills.moment()


OLD, NEW = "old-image", "new-image"


def change(service: str, manner: Manner, *, held: bool = False, replicas: int = 1) -> Change:
    return Change(
        service=service,
        image=f"{service} {NEW}",
        old=tuple(f"{service}-{number + 1}" for number in range(replicas)),
        manner=manner,
        is_bot=service == "bot",
        held=held,
        replicas=replicas,
        before=OLD,
    )


BOT = change("bot", Manner.BESIDE)
BOT_IN_TURN = change("bot", Manner.IN_TURN)
BOT_HELD = change("bot", Manner.BESIDE, held=True)
MARKET_DATA = change("market-data", Manner.SHARED)
BOTS = (BOT, BOT_IN_TURN, BOT_HELD)
SCALED = (
    change("bot", Manner.IN_TURN, replicas=3),
    change("market-data", Manner.SHARED, replicas=2),
)
PLANS = [
    (MARKET_DATA,),
    *((bot,) for bot in BOTS),
    *((bot, MARKET_DATA) for bot in BOTS),
    SCALED,
]


class Fleet:
    """A fleet in memory that works, and one roll-out of it."""

    def __init__(self, *changes: Change, broken: str = "", verify: str = "") -> None:
        self.plan = Plan(changes=changes, images={})
        self.kills = Kills()
        self.host = ModelHost(self.kills, {c.service: c for c in changes})
        self.kills.on_power_cut = self.power_cut
        for one in changes:
            for old in one.old:
                self.host.there[old] = Container(one.service, OLD, running=True)
            self.host.order[one.service] = list(one.old)
            if broken:
                self.host.broken[one.image] = broken
        self.journal = ModelJournal(self.kills)
        self.journal.write("plan", **msgspec.to_builtins(self.plan))
        self._verify = verify
        self.said: list[str] = []

    def power_cut(self) -> None:
        if self.journal.kept[-1].event != "end":  # what comes after the end is not its business
            self.host.power_cut()

    def run(self) -> str:
        steps = Steps(self.plan, self.host, {Kind.VERIFY: self.verify}, self.replace)
        return go_on(self.plan, self.journal, steps, self.said.append)

    def replace(self) -> None:
        """What the bot keeps is replaced: nobody may have it open, or open it meanwhile."""
        self.kills.moment()
        for one in self.host.there.values():
            opens = one.running and not one.paused
            assert not (opens and self.host.changes[one.service].held)
        self.host.replaced = True
        self.kills.moment()

    def verify(self) -> None:
        if self._verify:
            raise StepFailedError(self._verify)

    def run_until_it_ends(self, moments: list[tuple[int, bool]]) -> str:
        """Killed after so many moments of each call (or with all of it), then not any more."""
        for at, power_cut in moments:
            self.kills.passed, self.kills.at, self.kills.power_cut = 0, at, power_cut
            try:
                return self.run()
            except Killed:
                continue
        self.kills.at = -1
        return self.run()

    def check(self, end: str) -> None:
        for one in self.plan.changes:
            there = {i for i, c in self.host.there.items() if c.service == one.service}
            images = {self.host.there[i].image for i in there}
            assert len(there) == one.replicas, there
            assert images == ({one.image} if end == DEPLOYED else {OLD})
            assert self.host.working(one.service) in there
            if one.manner is Manner.IN_TURN:
                assert self.host.most_at_once.get(one.service, 1) <= one.replicas


KILLS = st.lists(st.tuples(st.integers(1, 45), st.booleans()), max_size=4)


@given(changes=st.sampled_from(PLANS), moments=KILLS)
@settings(max_examples=300, deadline=None)
def test_what_is_killed_anywhere_is_done_in_the_end(
    changes: tuple[Change, ...], moments: list[tuple[int, bool]]
) -> None:
    fleet = Fleet(*changes)
    end = fleet.run_until_it_ends(moments)
    fleet.check(end)
    assert end == DEPLOYED


@given(
    changes=st.sampled_from(PLANS),
    broken=st.sampled_from(["crash", "mute", ""]),
    moments=KILLS,
)
@settings(max_examples=300, deadline=None)
def test_what_cannot_work_is_undone_in_the_end(
    changes: tuple[Change, ...], broken: str, moments: list[tuple[int, bool]]
) -> None:
    fleet = Fleet(*changes, broken=broken, verify="wrong answer")
    end = fleet.run_until_it_ends(moments)
    fleet.check(end)
    assert end == UNDONE


@pytest.mark.parametrize("manner", [Manner.BESIDE, Manner.IN_TURN])
def test_ctrl_c_at_any_step_undoes_what_was_done(manner: Manner) -> None:
    interrupted = Fleet(change("bot", manner))

    class Interrupting(Steps):
        def do(self, step: Step) -> None:
            super().do(step)
            if step.kind is Kind.HAND_OVER:
                raise KeyboardInterrupt

    steps = Interrupting(interrupted.plan, interrupted.host)
    end = go_on(interrupted.plan, interrupted.journal, steps, interrupted.said.append)
    assert end == UNDONE
    interrupted.check(end)
    assert "hand over bot: interrupted" in interrupted.said


def test_of_several_that_share_the_work_as_many_are_there_after_it() -> None:
    """Three bots became one: one was made in the place of all that were removed."""
    fleet = Fleet(*SCALED)
    assert fleet.run() == DEPLOYED
    fleet.check(DEPLOYED)
    working = [len(fleet.host.order[one.service]) for one in SCALED]
    assert working == [3, 2]


def test_a_disk_that_is_full_at_a_step_undoes_what_was_done() -> None:
    fleet = Fleet(BOT)

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "ledger.json")

    steps = Steps(fleet.plan, fleet.host, {Kind.VERIFY: full})
    assert go_on(fleet.plan, fleet.journal, steps, fleet.said.append) == UNDONE
    fleet.check(UNDONE)
    assert any("No space left on device" in line for line in fleet.said)


@pytest.mark.parametrize("at", range(1, 40))
def test_ctrl_c_at_any_moment_undoes_what_was_done_by_itself(at: int) -> None:
    fleet = Fleet(BOT)
    fleet.kills.passed, fleet.kills.at, fleet.kills.by = 0, at, KeyboardInterrupt
    try:
        end = fleet.run()
    except (KeyboardInterrupt, StepFailedError):  # from `settle` on there is only forward
        assert fleet.said[-1] == "settle …"
        end = fleet.run()
        assert end == DEPLOYED
    fleet.check(end)
    assert end == UNDONE or fleet.said[-1] == "settle …"


def test_while_the_new_bot_cannot_stand_by_the_old_one_is_never_asked_to_end() -> None:
    fleet = Fleet(BOT, broken="mute")
    assert fleet.run() == UNDONE
    begun = [e.step for e in fleet.journal.entries if e.event == "begun"]
    assert "hand over bot" not in begun


def test_the_new_bot_can_be_found_before_the_old_one_is_asked_to_end() -> None:
    fleet = Fleet(BOT)
    assert fleet.run() == DEPLOYED
    assert fleet.host.did[:2] == [("expose", "new1"), ("stop", "bot-1")]


BY_HAND = (Kind.START, Kind.HAND_OVER, Kind.VERIFY, Kind.SETTLE)


class ByHand(Steps):
    """Somebody types `docker compose up` when a step begins."""

    def __init__(self, fleet: Fleet, at: Kind, act: Callable[[], None]) -> None:
        super().__init__(fleet.plan, fleet.host, {Kind.VERIFY: self.see_new_work})
        self.at, self.act = at, act

    def do(self, step: Step) -> None:
        if step.kind is self.at:
            self.at = Kind.CHECK  # once
            self.act()
        super().do(step)


@pytest.mark.parametrize("at", BY_HAND)
@pytest.mark.parametrize("one", [BOT, MARKET_DATA])
def test_where_somebody_removes_the_new_one_the_old_one_does_not_go(one: Change, at: Kind) -> None:
    """Compose takes the newer one of two for one too many. It was called deployed, and nothing
    worked."""
    fleet = Fleet(one)

    def up() -> None:
        fleet.host.remove("new1")
        if not fleet.host.there[one.old[0]].running:
            fleet.host.start(one.old[0])

    steps = ByHand(fleet, at, up)
    if at is Kind.SETTLE:  # the files may name the new image by now
        with pytest.raises(StepFailedError, match=f"{one.service}: no new container"):
            go_on(fleet.plan, fleet.journal, steps, fleet.said.append)
        assert fleet.host.working(one.service) == one.old[0]
        return
    assert go_on(fleet.plan, fleet.journal, steps, fleet.said.append) == UNDONE
    fleet.check(UNDONE)
    assert any("no new container of it is there" in line for line in fleet.said)


def test_a_new_one_that_goes_while_the_old_one_is_removed_is_made_again() -> None:
    fleet = Fleet(BOT)
    removes = fleet.host.remove

    def remove(container: str) -> None:
        removes(container)
        fleet.host.remove = removes  # type: ignore[method-assign]
        removes("new1")

    fleet.host.remove = remove  # type: ignore[method-assign]
    with pytest.raises(StepFailedError, match=r"settle: bot: no new container.*goes on"):
        fleet.run()
    assert fleet.run() == DEPLOYED
    fleet.check(DEPLOYED)


@pytest.mark.parametrize("at", BY_HAND)
@pytest.mark.parametrize("one", [BOT, MARKET_DATA])
def test_what_somebody_put_in_the_place_of_the_old_one_stays(one: Change, at: Kind) -> None:
    """Compose makes the older one anew and takes the newer one away. All of it was undone, and
    nothing worked."""
    fleet = Fleet(one, verify="wrong answer")

    def up() -> None:
        for container in list(fleet.host.there):
            fleet.host.remove(container)
        fleet.host.there["hand"] = Container(one.service, OLD)
        fleet.host.start("hand")

    steps = ByHand(fleet, at, up)
    if at is Kind.SETTLE:
        with pytest.raises(StepFailedError, match=f"{one.service}: no new container"):
            go_on(fleet.plan, fleet.journal, steps, fleet.said.append)
    assert go_on(fleet.plan, fleet.journal, steps, fleet.said.append) == UNDONE
    assert fleet.host.working(one.service) == "hand"
    assert any("what is there now has the image of before" in told for told in steps.troubles)


@pytest.mark.parametrize("one", [BOT, BOT_IN_TURN, MARKET_DATA])
@given(moments=KILLS)
@settings(max_examples=50, deadline=None)
def test_where_the_old_one_was_tidied_away_another_of_its_image_takes_its_place(
    one: Change, moments: list[tuple[int, bool]]
) -> None:
    """`docker system prune` takes what has ended, and the new version answers wrongly."""
    fleet = Fleet(one)

    def pruned() -> None:
        fleet.host.there.pop(one.old[0], None)
        raise StepFailedError("wrong answer")

    fleet.verify = pruned  # type: ignore[method-assign]
    assert fleet.run_until_it_ends([(at, False) for at, _ in moments]) == UNDONE
    fleet.check(UNDONE)


@pytest.mark.parametrize("one", [BOT, MARKET_DATA])
def test_what_somebody_made_of_another_image_stays(one: Change) -> None:
    fleet = Fleet(one)

    def up() -> None:
        for container in list(fleet.host.there):
            fleet.host.remove(container)
        fleet.host.there["hand"] = Container(one.service, "another image", running=True)
        fleet.host.order[one.service] = ["hand"]

    steps = ByHand(fleet, Kind.VERIFY, up)
    assert go_on(fleet.plan, fleet.journal, steps, fleet.said.append) == UNDONE
    assert fleet.host.working(one.service) == "hand"
    assert any("what is there now was left as it is" in told for told in steps.troubles)


@pytest.mark.parametrize("one", [BOT, MARKET_DATA])
def test_the_new_one_works_until_the_old_one_can_again(one: Change) -> None:
    """Else its users wait for the old one's start, or get no figures meanwhile."""
    fleet = Fleet(one, verify="wrong answer")
    assert fleet.run() == UNDONE
    back = fleet.host.did[2 if one is BOT else 1 :]
    old = one.old[0]
    assert back.index(("wait", old)) < back.index(("stop", "new1")), back


def test_a_fleet_that_was_broken_before_is_told_and_does_not_block() -> None:
    fleet = Fleet(BOT, verify="wrong answer")
    fleet.host.broken[OLD] = "mute"
    steps = Steps(fleet.plan, fleet.host, {Kind.VERIFY: fleet.verify})
    assert go_on(fleet.plan, fleet.journal, steps, fleet.said.append) == UNDONE
    assert any("never ready" in trouble for trouble in steps.troubles)


def test_an_ended_roll_out_is_left_as_it_is() -> None:
    fleet = Fleet(BOT)
    assert fleet.run() == DEPLOYED
    before = fleet.journal.entries
    assert fleet.run() == DEPLOYED
    assert fleet.journal.entries == before
