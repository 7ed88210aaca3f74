"""What a process and its children really occupy, from the kernel's own ledgers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

_KB = 1024


@dataclass(frozen=True, slots=True)
class Reading:
    """Memory in bytes, summed over a process and all its children.

    `pss` shares pages fairly between the processes that map them; `anonymous` is heap and stacks,
    which cannot be dropped; `peak` is the high-water mark of the resident set (VmHWM).
    """

    pss: int
    anonymous: int
    rss: int
    peak: int
    processes: int


def read_memory(pid: int) -> Reading | None:
    """The memory of process `pid` and its children now; None when it is gone."""
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
    """Values of `Key:   123 kB` lines, in bytes; a key that does not appear is 0."""
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
    peak = parse_kilobytes(status.splitlines(), ("VmHWM",))["VmHWM"]
    return Reading(sizes["Pss"], sizes["Anonymous"], sizes["Rss"], peak, processes=1)
