"""Ends the processes of a harness that was itself killed.

Runs as a process of its own, by path, with nothing but the standard library. It reads lines from
its standard input, `+PGID` when a process group was started and `-PGID` when one is gone, and the
same with `container:NAME` for a container. When the input ends, the harness is no more: every group
that is left gets SIGTERM, and SIGKILL after two seconds; every container that is left is removed.
"""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable

GRACE_S = 2.0
CONTAINER = "container:"


def left_over(lines: Iterable[str]) -> set[str]:
    """Return what was announced and never taken back."""
    left: set[str] = set()
    for line in lines:
        sign, what = line[:1], line[1:].strip()
        (left.add if sign == "+" else left.discard)(what)
    return left


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


def remove(containers: Iterable[str]) -> None:
    """Remove containers, running or not; one that was never made is no problem."""
    names = list(containers)
    if names:
        command = ("docker", "rm", "--force", "--volumes", *names)
        quiet = subprocess.DEVNULL
        # As everywhere, Docker is the one on the user's PATH.
        subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=False)


if __name__ == "__main__":
    # Ctrl-C goes to the whole foreground group; the guard must outlive the harness.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    LEFT = left_over(sys.stdin)
    end(int(each) for each in LEFT if each.isdigit())
    # Last: Docker may be gone, or hang.
    remove(each.removeprefix(CONTAINER) for each in LEFT if each.startswith(CONTAINER))
