"""What a process and its children really occupy, from the kernel's own ledgers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from botproof.targets.cgroup import Cgroup, CgroupError

_KB = 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """Memory in bytes, summed over a process and all its children.

    `pss` shares pages fairly between the processes that map them; `anonymous` is heap and stacks,
    which cannot be dropped; `peak` is the high-water mark of the resident set (VmHWM). For a
    container see `of_container`; `working_set` is None for anything else.
    """

    pss: int
    anonymous: int
    rss: int
    peak: int
    processes: int
    working_set: int | None = None


def of_container(pid: int, group: Cgroup) -> Reading | None:
    """Return the memory of the container whose first process is `pid`; None when it is gone.

    `working_set`, `anonymous` and `peak` are the ledger of its cgroup, which is what counts when
    its limit is near; PSS and RSS are those of its processes, 0 where we may not look at them.
    """
    try:
        ledger = group.read()
    except CgroupError:
        return None
    own = read_memory(pid) or Reading(pss=0, anonymous=0, rss=0, peak=0, processes=1)
    return Reading(
        pss=own.pss,
        anonymous=ledger.anonymous,
        rss=own.rss,
        peak=own.peak if ledger.peak is None else ledger.peak,
        processes=own.processes,
        working_set=ledger.working_set,
    )


def read_memory(pid: int) -> Reading | None:
    """Return the memory of process `pid` and its children now; None when it is gone."""
    parts = [part for part in map(_read_one, _family(pid)) if part is not None]
    if not parts:
        return None
    return Reading(
        pss=sum(part.pss for part in parts),
        anonymous=sum(part.anonymous for part in parts),
        rss=sum(part.rss for part in parts),
        peak=sum(part.peak for part in parts),
        processes=len(parts),
    )


def parse_kilobytes(lines: Iterable[str], keys: Iterable[str]) -> dict[str, int]:
    """Return values of `Key:   123 kB` lines, in bytes; a key that does not appear is 0."""
    found = dict.fromkeys(keys, 0)
    for line in lines:
        key, _, rest = line.partition(":")
        if key in found:
            found[key] = int(rest.split()[0]) * _KB
    return found


def _family(pid: int) -> list[int]:
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        children = []
    return [pid, *(child.pid for child in children)]


def _read_one(pid: int) -> Reading | None:
    proc = Path("/proc") / str(pid)
    try:
        rollup = (proc / "smaps_rollup").read_text(encoding="ascii")
        status = (proc / "status").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it ended between the listing and the reading
        return None
    sizes = parse_kilobytes(rollup.splitlines(), ("Pss", "Anonymous", "Rss"))
    # Since Linux 6.2 the high-water mark is of counters that lag behind by some pages a processor.
    peak = max(parse_kilobytes(status.splitlines(), ("VmHWM",))["VmHWM"], sizes["Rss"])
    return Reading(sizes["Pss"], sizes["Anonymous"], sizes["Rss"], peak, processes=1)
