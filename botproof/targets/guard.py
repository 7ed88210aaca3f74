"""Ends the processes of a harness that was itself killed.

Runs as a process of its own, by path, with nothing but the standard library. It reads lines from
its standard input, `+PGID` when a process group was started and `-PGID` when one is gone. When
the input ends, the harness is no more: every group that is left gets SIGTERM, and SIGKILL after
two seconds.
"""

import os
import select
import signal
import sys
import time
from collections.abc import Iterable

GRACE_S = 2.0


def groups_left(lines: Iterable[str]) -> set[int]:
    """The process groups that were announced and never taken back."""
    groups: set[int] = set()
    for line in lines:
        sign, number = line[:1], line[1:].strip()
        if number.isdigit():
            (groups.add if sign == "+" else groups.discard)(int(number))
    return groups


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end(groups: Iterable[int]) -> None:
    """SIGTERM to each group, SIGKILL to what is left of it after the grace time."""
    left = {group for group in groups if _signal(group, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_S
    while left and time.monotonic() < deadline:
        select.select([], [], [], 0.05)
        left = {group for group in left if _signal(group, 0)}
    for group in left:
        _signal(group, signal.SIGKILL)


if __name__ == "__main__":
    # Ctrl-C goes to the whole foreground group; the guard must outlive the harness.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end(groups_left(sys.stdin))
