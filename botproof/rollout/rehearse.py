"""`botproof rehearse`: switches, kills, ways back and ways of failing, on a twin, with users."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from botproof.excerpts import one_line
from botproof.rollout.back import LIMITS_S
from botproof.rollout.engine import StepFailedError
from botproof.rollout.ledger import Ledger
from botproof.rollout.plan import Plan, steps
from botproof.rollout.twin import Twin
from botproof.rollout.ways import WAYS, Found

_RESUME_S = 120.0
_LONGEST_S = 2.0
_PEAK_MB = 800.0
Images = Mapping[str, str]


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took each time, in seconds, and how long it may."""

    what: str
    seconds: tuple[float, ...]
    limit: float


class Rehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """All that a rehearsal found. `wrong`: each thing that is not as it has to be."""

    switches: int
    kills: int
    ledgers: Sequence[Ledger]
    times: Sequence[Times]
    ways: Sequence[Found]
    peak_mb: float | None
    fenced: bool
    wrong: Sequence[str]


def rehearse(
    twin: Twin,
    old: Images,
    new: Images,
    *,
    switches: int,
    backs: int,
    kill: bool,
    ways: bool,
    tell: Callable[[str], None] = print,
) -> Rehearsal:
    """Do all of it on a twin on which ``old`` works.

    ``switches`` between the two, ``backs`` of each level; with ``kill`` a deployment is killed at
    each of its steps; with ``ways`` every way of failing is played.
    """

    def other() -> Images:
        """Return the version that does not run: after a way back that is not the one
        whose turn it is."""
        runs = {c.image for service in new for c in twin.host.seen(service)}
        return old if set(new.values()) <= runs else new

    ledgers: list[Ledger] = []
    times: list[Times] = []
    wrong: list[str] = []
    done, killed = 0, 0
    tell(f"{switches} switches with {twin.rate:g} updates a second …")
    with twin.users() as seen:
        took = tuple(_switch(twin, other(), tell) for _ in range(switches))
    done += switches
    ledgers += seen
    wrong += _judged(ledgers[-1], 0)
    times.append(Times(what="deploy", seconds=took, limit=600.0))
    if kill:
        tell("a deployment killed at each of its steps …")
        with twin.users() as seen:
            took = tuple(_killed(twin, other, tell))
        killed += len(took)
        ledgers += seen
        wrong += _judged(ledgers[-1], killed)
        times.append(Times(what="resume after a kill", seconds=took, limit=_RESUME_S))
    for level in LIMITS_S if backs else ():
        tell(f"{backs} ways back of level {level} …")
        with twin.users() as seen:
            took = tuple(_back(twin, other(), level, tell) for _ in range(backs))
        ledgers += seen
        # While level 3 puts the data back no bot runs; its users wait for the start of one.
        wrong += _judged(ledgers[-1], 0, longest=LIMITS_S[level] if level == 3 else _LONGEST_S)
        times.append(Times(what=f"way back {level}", seconds=took, limit=LIMITS_S[level]))
    found = [_played(twin, way, other(), tell) for way in WAYS] if ways else []
    wrong += [f"{each.name}: {each.as_wanted}" for each in found if each.as_wanted]
    for each in times:
        if over := [seconds for seconds in each.seconds if seconds > each.limit]:
            wrong.append(f"{each.what}: {max(over):.1f} s, wanted {each.limit:g}")
    peak = _peak(twin)
    if peak is not None and peak > _PEAK_MB:
        wrong.append(f"memory: {peak:.0f} MB at the peak, wanted {_PEAK_MB:g}")
    return Rehearsal(
        switches=done,
        kills=killed,
        ledgers=[msgspec.structs.replace(ledger, rows=()) for ledger in ledgers],
        times=times,
        ways=found,
        peak_mb=peak,
        fenced=twin.fence is not None,
        wrong=wrong,
    )


def _switch(twin: Twin, images: Images, tell: Callable[[str], None]) -> float:
    code, said, seconds = twin.run(twin.command("deploy", *twin.deploy(images, "--watch", "0")))
    if code:
        raise StepFailedError(f"a switch ended with {code}:\n{said}")
    tell(f"  {seconds:.1f} s")
    return seconds


def _killed(
    twin: Twin, other: Callable[[], Images], tell: Callable[[str], None]
) -> Iterator[float]:
    """Kill a deployment when each of its steps has begun, and let the next call go on."""
    for step in _steps_of_the_last(twin):
        images = other()
        command = twin.command("deploy", *twin.deploy(images, "--watch", "0"))
        if not twin.kill_at(command, "begun", step):
            raise StepFailedError(f"no deployment came to the step {step}")
        code, said, seconds = twin.run(command)
        if code:
            raise StepFailedError(f"killed at {step}, the next call ended with {code}:\n{said}")
        tell(f"  killed at {step}: done by the next call in {seconds:.1f} s")
        yield seconds


def _steps_of_the_last(twin: Twin) -> list[str]:
    plan = next(
        msgspec.convert(e.data, Plan) for e in reversed(twin.entries()) if e.event == "plan"
    )
    return [str(step) for step in steps(plan)]


def _back(twin: Twin, images: Images, level: int, tell: Callable[[str], None]) -> float:
    """Return a roll-out of other images and other settings, and its way back; the
    seconds of that."""
    before = twin.setting
    twin.change_settings()
    _switch(twin, images, lambda _: None)
    wanted = twin.setting if level == 2 else before
    code, said, seconds = twin.run(twin.command("rollback", "--level", str(level)))
    if code:
        raise StepFailedError(f"a way back of level {level} ended with {code}:\n{said}")
    if twin.setting != wanted:
        raise StepFailedError(f"a way back of level {level} left {twin.setting}, wanted {wanted}")
    tell(f"  level {level}: {seconds:.1f} s")
    return seconds


def _played(twin: Twin, way: Any, images: Images, tell: Callable[[str], None]) -> Found:
    tell(f"{way.name} …")
    found: Found = way.play(twin, images)
    tell(f"  {found.as_wanted or 'as it has to be'} after {found.seconds:.1f} s: {found.said}")
    return found


def _judged(ledger: Ledger, kills: int, longest: float = _LONGEST_S) -> Iterator[str]:
    if ledger.lost:
        yield f"{ledger.lost} of {ledger.asked} messages lost"
    if ledger.failed:
        words = next((row.words for row in ledger.rows if row.words and not row.answers), "")
        shown = one_line(words, 160)
        yield f"{ledger.failed} of {ledger.asked} messages had an answer without figures: {shown}"
    if ledger.repeated > kills:
        yield f"{ledger.repeated} answers repeated, wanted at most {kills}"
    if ledger.out_of_order:
        yield f"{ledger.out_of_order} answers out of order in a chat"
    if ledger.conflicts:
        yield f"{ledger.conflicts} answers 409"
    if kills == 0 and (ledger.longest_wait_s or 0.0) > longest:
        yield f"a user waited {ledger.longest_wait_s:.2f} s, wanted {longest:g}"


def _peak(twin: Twin) -> float | None:
    """Return the most that the fleet occupied since the twin was started, of the
    fence's own ledger."""
    if twin.fence is None:
        return None
    peak = twin.fence.group.read().peak
    return None if peak is None else round(peak / 1_000_000, 1)


def as_lines(rehearsal: Rehearsal) -> list[str]:
    """For a person."""
    lines = [
        f"{ledger.asked} asked, {ledger.lost} lost, {ledger.failed} without figures, "
        f"{ledger.repeated} repeated, {ledger.out_of_order} out of order, {ledger.conflicts} "
        f"answers 409, the longest wait {ledger.longest_wait_s or 0.0:.2f} s"
        for ledger in rehearsal.ledgers
    ]
    lines += [
        f"{each.what}: {len(each.seconds)} times, median {statistics.median(each.seconds):.1f} s, "
        f"slowest {max(each.seconds):.1f} s, wanted {each.limit:g} s"
        for each in rehearsal.times
        if each.seconds
    ]
    lines += [
        f"{way.name}: {way.as_wanted or 'as it has to be'} ({way.seconds:.1f} s)"
        for way in rehearsal.ways
    ]
    if rehearsal.peak_mb is not None:
        lines.append(f"the fleet's peak, page cache included: {rehearsal.peak_mb:.0f} MB")
    if not rehearsal.fenced:
        lines.append("no fence could be made here: the memory was not limited")
    lines += [f"WRONG: {each}" for each in rehearsal.wrong]
    return lines
