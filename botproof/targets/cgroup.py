"""Memory cgroups: what a group of processes occupies, and a fence of a given size around one.

The kernel's ledger of a group is what decides on a small instance: when a group comes to its limit
and nothing can be reclaimed, the kernel kills one of its processes. Both layouts are read: version
1 (a tree for each controller) and version 2 (one tree). The working set is usage minus the inactive
file pages, which the kernel drops first; Kubernetes and `docker stats` mean the same by it.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROC = Path("/proc")
SYS = Path("/sys/fs/cgroup")
_PERIOD_US = 100_000
_NO_LIMIT = 1 << 60
"""Version 1 writes "no limit" as the largest number of pages that fits."""
_MADE_BY = re.compile(r"^botproof-(\d+)-")
"""The process that made a fence, in the fence's name."""
_LEFT_AFTER_S = 3_600
_EXITING = 0x4  # PF_EXITING of the kernel's include/linux/sched.h


class CgroupError(Exception):
    """A memory cgroup cannot be found, made or read here. Says what was tried and what failed."""


@dataclass(frozen=True, slots=True)
class CgroupReading:
    """A group's ledger in bytes. `limit` and `peak` are None where there is none.

    `oom_kills` counts processes of the group that the kernel killed because the group was full.
    """

    usage: int
    working_set: int
    anonymous: int
    peak: int | None
    limit: int | None
    oom_kills: int


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The memory cgroup in one directory, of layout `version` 1 or 2."""

    path: Path
    version: int

    @classmethod
    def of(cls, pid: int, *, proc: Path = PROC, sys: Path = SYS) -> Cgroup:
        """Return the memory cgroup that process `pid` is in. Raises CgroupError when it
        has none."""
        file = proc / str(pid) / "cgroup"
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise CgroupError(f"{file}: {error.strerror}") from error
        # Version 1 shows a process that has ended in the root: that would count the whole machine.
        if _has_ended(proc / str(pid) / "stat"):
            raise CgroupError(f"process {pid} has ended")
        places = {tuple(line.split(":", 2)[1].split(",")): line.split(":", 2)[2] for line in lines}
        for controllers, place in places.items():
            if "memory" in controllers:
                return cls(_mounted(sys / "memory", place), 1)
        place = places.get(("",), "")
        path = _mounted(sys, place)
        if not (path / "memory.current").exists():
            raise CgroupError(f"{path}: has no memory controller; process {pid} is not accounted")
        return cls(path, 2)

    def read(self) -> CgroupReading:
        """Return the ledger now. Raises CgroupError when the group is gone."""
        try:
            return _read_v1(self.path) if self.version == 1 else _read_v2(self.path)
        except OSError as error:
            raise CgroupError(f"{error.filename}: {error.strerror}") from error


def _has_ended(stat: Path) -> bool:
    """Tell whether a process is ending, or waits for its parent to ask how it ended."""
    try:
        words = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return False
    state, flags = words[0], int(words[6])
    return state in {"Z", "X"} or bool(flags & _EXITING)


def _mounted(root: Path, place: str) -> Path:
    """Return the directory of a group; inside a container the tree begins at the
    container's own group."""
    path = root / place.lstrip("/")
    return path if path.is_dir() else root


def _read_v1(path: Path) -> CgroupReading:
    stat = _pairs(path / "memory.stat")
    usage = _number(path / "memory.usage_in_bytes")
    inactive = stat.get("total_inactive_file", stat.get("inactive_file", 0))
    limit = _number(path / "memory.limit_in_bytes")
    return CgroupReading(
        usage=usage,
        working_set=max(0, usage - inactive),
        # Version 1 calls anonymous memory rss; what it counts is the same.
        anonymous=stat.get("total_rss", stat.get("rss", 0)),
        peak=_number(path / "memory.max_usage_in_bytes"),
        limit=None if limit >= _NO_LIMIT else limit,
        oom_kills=_pairs(path / "memory.oom_control").get("oom_kill", 0),
    )


def _read_v2(path: Path) -> CgroupReading:
    usage = _number(path / "memory.current")
    stat = _pairs(path / "memory.stat")
    inactive = stat.get("inactive_file", 0)
    peak, limit = path / "memory.peak", _text(path / "memory.max", "max")
    return CgroupReading(
        usage=usage,
        working_set=max(0, usage - inactive),
        anonymous=stat.get("anon", 0),
        peak=_number(peak) if peak.exists() else None,  # since Linux 5.19
        limit=None if limit == "max" else int(limit),
        oom_kills=_pairs(path / "memory.events").get("oom_kill", 0),
    )


def _number(file: Path) -> int:
    return int(file.read_text(encoding="ascii"))


def _text(file: Path, default: str) -> str:
    """Read a file; the root group of version 2 has no limit, and no file for it."""
    return file.read_text(encoding="ascii").strip() if file.exists() else default


def _pairs(file: Path) -> Mapping[str, int]:
    """Return lines such as `inactive_file 4096`; nothing for a file that this kernel
    does not have."""
    if not file.exists():
        return {}
    words = (line.split() for line in file.read_text(encoding="ascii").splitlines())
    return {pair[0]: int(pair[1]) for pair in words if len(pair) == 2}


class Fence:
    """A cgroup with a memory limit and a share of CPUs around everything that is started in it.

    What is started with `wrapper` in front of its command is inside from its first instruction on,
    and so is all that it starts. Use as a context manager; a fence that still holds processes
    cannot be taken down. Its name holds who made it and `label`: when its maker was killed, the
    next fence takes it down.
    """

    def __init__(self, label: str, memory: int, cpus: float, *, sys: Path = SYS) -> None:
        self.memory = memory
        self.cpus = cpus
        self._sys = sys
        v1 = (sys / "memory" / "cgroup.procs").exists()
        roots = [sys / "memory", sys / "cpu"] if v1 else [sys]
        self._directories = [root / f"botproof-{os.getpid()}-{label}" for root in roots]
        self.group = Cgroup(self._directories[0], 1 if v1 else 2)

    @property
    def parent(self) -> str:
        """The same place as Docker's `--cgroup-parent` names it."""
        return f"/{self._directories[0].name}"

    @property
    def wrapper(self) -> tuple[str, ...]:
        """What to put before a command: it moves itself into the fence and becomes the command."""
        enter = " && ".join(
            f'echo $$ > "${number}"' for number in range(1, len(self._directories) + 1)
        )
        script = f'{enter} && shift {len(self._directories)} && exec "$@"'
        places = (str(directory / "cgroup.procs") for directory in self._directories)
        return ("/bin/sh", "-c", script, "fence", *places)

    def __enter__(self) -> Self:
        self._remove_left()
        try:
            for directory in self._directories:
                directory.mkdir()
            self._set_limits()
        except OSError as error:
            self._remove()
            where = error.filename or self._directories[0]
            raise CgroupError(
                f"no memory cgroup can be made here: {where}: {error.strerror}"
            ) from error
        return self

    def _set_limits(self) -> None:
        memory, cpu = self._directories[0], self._directories[-1]
        quota = round(self.cpus * _PERIOD_US)
        if self.group.version == 1:
            (memory / "memory.limit_in_bytes").write_text(str(self.memory), encoding="ascii")
            (cpu / "cpu.cfs_period_us").write_text(str(_PERIOD_US), encoding="ascii")
            (cpu / "cpu.cfs_quota_us").write_text(str(quota), encoding="ascii")
            return
        (memory / "memory.max").write_text(str(self.memory), encoding="ascii")
        (memory / "cpu.max").write_text(f"{quota} {_PERIOD_US}", encoding="ascii")
        swap = memory / "memory.swap.max"
        if swap.exists():  # a t3.micro has no swap: the limit is the limit
            swap.write_text("0", encoding="ascii")

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _remove_left(self) -> None:
        """Take down fences of runs that were killed: they are empty, and nobody else will.

        One that was made within the last hour is left: its maker may be a process that is not seen
        from here, of another container, which has started nothing in it yet.
        """
        v1 = self.group.version == 1
        for directory in self._sys.glob("*/botproof-*" if v1 else "botproof-*"):
            maker = _MADE_BY.match(directory.name)
            if maker is None or (PROC / maker[1]).exists():
                continue
            with contextlib.suppress(OSError):
                if time.time() - directory.stat().st_mtime > _LEFT_AFTER_S:
                    directory.rmdir()

    def _remove(self) -> None:
        # A container in it was given a group below it under every controller of version 1.
        name = self._directories[0].name
        others = self._sys.glob(f"*/{name}") if self.group.version == 1 else ()
        for directory in (*self._directories, *others):
            with contextlib.suppress(OSError):
                directory.rmdir()


def fence_problem(*, sys: Path = SYS) -> str:
    """Say why no fence can be made here; empty when one can."""
    try:
        with Fence("probe", 64 << 20, 1.0, sys=sys):
            return ""
    except CgroupError as error:
        return str(error)
