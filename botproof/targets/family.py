"""The processes that a process has started, and what the kernel counts for each, from /proc.

Read ten times a second while a run goes on, so no more is read than is needed: the kernel's own
list of children, not a walk over all processes of the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
_TICK_S = 0.01  # USER_HZ is 100 on every architecture that Linux calls its ABI stable for
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Member:
    """One process: who it is, so that a reused number is told from the same process.

    `image` (where its environment ends) changes when it puts another program in its place (execve);
    0 where we may not look.
    """

    pid: int
    started: int
    image: int
    command: str


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of one process since its start, over all threads but `waited`.

    `ran`: it had a processor, its children that have ended included. `waited`: by thread, how long
    it could have run and had none. `blocked`: whether a thread waits for a disk now.
    """

    ran: float
    waited: dict[int, float]
    blocked: bool


def family(pid: int, proc: Path = PROC) -> list[int]:
    """Return the process and all that it has started, children before theirs; the
    living ones only."""
    found = [pid]
    for parent in found:  # grows while it is walked
        children = _children(parent, proc)
        if children is None:
            return _slow_family(pid)
        found += children
    return found


def _children(pid: int, proc: Path) -> list[int] | None:
    """Children by the kernel's list; None where it keeps none (CONFIG_PROC_CHILDREN)."""
    found: list[int] = []
    try:
        threads = sorted((proc / str(pid) / "task").iterdir())
    except OSError:  # it has just ended
        return found
    for thread in threads:
        try:
            found += map(int, (thread / "children").read_text(encoding="ascii").split())
        except FileNotFoundError:
            if thread.exists():
                return None
        except OSError:
            continue
    return found


def _slow_family(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return [pid]


def member(pid: int, proc: Path = PROC) -> Member | None:
    """Return who has this number now; None when nobody has, or a process that has ended."""
    try:
        fields = _stat(proc / str(pid) / "stat")
        command = (proc / str(pid) / "cmdline").read_bytes()
    except (OSError, IndexError):
        return None
    stack, image = int(fields[25]), int(fields[48])
    # Without a command, or where its environment ends: it is just putting a program there. The
    # kernel sets the end last, when the parent already goes on; the stack changes once more then.
    if fields[0] == "Z" or not command or (stack and not image):
        return None
    words = command.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    return Member(pid, int(fields[19]), image, words)


def lives(who: Member, proc: Path = PROC) -> bool:
    """Tell whether this very process has not ended, be it in the middle of an execve."""
    try:
        fields = _stat(proc / str(who.pid) / "stat")
    except OSError:
        return False
    return fields[0] not in {"Z", "X"} and int(fields[19]) == who.started


def spent(pid: int, proc: Path = PROC) -> Spent | None:
    """Return what a process has had of the processor and waited for it; None when it is gone."""
    ran, waited, blocked = 0.0, {}, False
    try:
        fields = _stat(proc / str(pid) / "stat")
        for thread in (proc / str(pid) / "task").iterdir():
            on, off = _schedstat(thread)
            ran += on
            waited[int(thread.name)] = off
            blocked = blocked or _stat(thread / "stat")[0] == "D"
    except (OSError, IndexError, ValueError):
        return None
    of_children = (int(fields[13]) + int(fields[14])) * _TICK_S
    return Spent(ran + of_children, waited, blocked)


def _schedstat(thread: Path) -> tuple[float, float]:
    words = (thread / "schedstat").read_text(encoding="ascii").split()
    return int(words[0]) / _NS, int(words[1]) / _NS


def _stat(file: Path) -> list[str]:
    """Return the fields from the state on: the name before them may hold spaces and brackets."""
    return file.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
