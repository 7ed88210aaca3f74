"""The ledger of a hand-over: what was asked and answered meanwhile, by whom, and what it took.

Where the messages come from decides how much it knows. Between doubles every message is in their
transcript. In production nobody but the bot sees them, so that its counters and the moments at
which one instance ended and the next was ready are what there is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from botproof.budgets import MB
from botproof.rollout.answers import Asked, matched
from botproof.targets.cgroup import Cgroup, CgroupError


class Ledger(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a hand-over did to the users.

    `answered` with figures; `failed` are those to which something else was said instead, `lost`
    those to which nothing was. `longest_wait_s` is the longest that a user waited for an answer;
    `unattended_s` the time in which no instance took updates in (they wait at Telegram meanwhile).
    """

    asked: int = 0
    answered: int = 0
    failed: int = 0
    lost: int = 0
    repeated: int = 0
    out_of_order: int = 0
    conflicts: int = 0
    by_instance: Mapping[str, int] = {}
    longest_wait_s: float | None = None
    unattended_s: float | None = None
    peak_mb: float | None = None
    memory_samples: int = 0
    source: str = "the bot's counters"
    rows: Sequence[Asked] = ()


def of_transcript(
    events: Sequence[Mapping[str, Any]], spans: Sequence[tuple[str, float]]
) -> Ledger:
    """Return the ledger of a double's transcript, whose users ask `/price COIN`.

    ``spans``: which instance worked from which moment on, in order.
    """
    conflicts = sum(event["type"] == "call" and event["status"] == 409 for event in events)
    return _of_rows(matched(events, spans), conflicts)


def _of_rows(rows: Sequence[Asked], conflicts: int) -> Ledger:
    by_instance: dict[str, int] = {}
    for row in rows:
        for _, who in row.answers[:1]:
            by_instance[who] = by_instance.get(who, 0) + 1
    waits = [row.answers[0][0] - row.sent for row in rows if row.answers]
    return Ledger(
        asked=len(rows),
        answered=len(waits),
        failed=sum(not row.answers and bool(row.words) for row in rows),
        lost=sum(not row.answers and not row.words for row in rows),
        repeated=sum(max(0, len(row.answers) - 1) for row in rows),
        out_of_order=_swapped(rows),
        conflicts=conflicts,
        by_instance=by_instance,
        longest_wait_s=round(max(waits), 3) if waits else None,
        source="the double's transcript",
        rows=rows,
    )


def _swapped(rows: Sequence[Asked]) -> int:
    """Return how many answers came before the answer to an earlier message of the same chat."""
    latest: dict[int, float] = {}
    swapped = 0
    for row in rows:
        if not row.answers:
            continue
        first = row.answers[0][0]
        swapped += first < latest.get(row.chat, first)
        latest[row.chat] = max(first, latest.get(row.chat, first))
    return swapped


def keep(ledger: Ledger, path: Path) -> list[str]:
    """Write it to a file. Return what a person has to know of that: on a full disk the roll-out has
    ended all the same, as its journal says."""
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(ledger)))
    except OSError as error:
        return [f"{path}: the ledger cannot be kept: {error.strerror}"]
    return []


def as_lines(ledger: Ledger) -> list[str]:
    """For a person."""
    by = ", ".join(f"{name} {count}" for name, count in ledger.by_instance.items())
    from_whom = f" ({by})" if by else ""
    wrong = (
        f"            {ledger.lost} lost, {ledger.failed} without figures, {ledger.repeated} "
        f"repeated, {ledger.out_of_order} out of order, {ledger.conflicts} answers 409"
    )
    lines = []
    if ledger.asked:
        lines += [f"messages    {ledger.asked} asked, {ledger.answered} answered{from_whom}", wrong]
    if ledger.longest_wait_s is not None:
        lines.append(f"longest     a user waited {ledger.longest_wait_s:.2f} s for an answer")
    if ledger.unattended_s is not None:
        lines.append(
            f"unattended  at most {ledger.unattended_s:.2f} s, in which Telegram kept what came"
        )
    if ledger.peak_mb is not None:
        lines.append(f"memory      {ledger.peak_mb:.0f} MB at the peak of the whole fleet")
    return lines


class MemoryMeter:
    """Adds up the working sets of a fleet's containers five times a second, in a thread.

    ``pids`` are the first processes of the containers now; they are asked for once a second.
    """

    def __init__(self, pids: Callable[[], Sequence[int]]) -> None:
        self._pids = pids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peak = 0
        self.samples = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        groups: list[Cgroup] = []
        asked = -1.0
        while not self._stop.wait(0.2):
            if time.monotonic() - asked > 1:
                groups, asked = list(_groups(self._pids())), time.monotonic()
            total = sum(_working_set(group) for group in groups)
            self.peak = max(self.peak, total)
            self.samples += bool(total)

    @property
    def peak_mb(self) -> float | None:
        """The most that was seen; None when nothing could be read."""
        return round(self.peak / MB, 1) if self.samples else None


def working_set_mb(pids: Sequence[int]) -> float | None:
    """Return the working sets of these processes' containers added up; None when none
    can be read."""
    total = sum(_working_set(group) for group in _groups(pids))
    return total / MB if total else None


def _groups(pids: Sequence[int]) -> Iterable[Cgroup]:
    for pid in pids:
        try:
            yield Cgroup.of(pid)
        except CgroupError:
            continue


def _working_set(group: Cgroup) -> int:
    try:
        return group.read().working_set
    except CgroupError:
        return 0
