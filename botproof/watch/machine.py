"""The machine that the watch runs on: processors, memory, pressure, disks, the kernel's kills."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from botproof.watch.judge import Sample

HOST = "host"


class Machine:
    """Figures of the whole machine; of the processors what they did since the last look."""

    def __init__(
        self, disks: Sequence[str], memory: dict[str, Any], proc: Path = Path("/proc")
    ) -> None:
        self._disks, self._memory, self._proc = disks, memory, proc

    def look(self) -> Iterator[Sample]:
        """Yield one sample a figure that this kernel has."""
        yield from self._processors()
        sizes = self._pairs("meminfo")
        if "MemAvailable" in sizes:
            used = 1 - sizes["MemAvailable"] / sizes["MemTotal"]
            yield Sample("memory_ratio", HOST, used)
        yield from self._pressure()
        kills = self._pairs("vmstat").get("oom_kill")
        if kills is not None:
            yield Sample("oom_kills", HOST, kills)
        for disk in self._disks:
            yield from _disk(disk)

    def _processors(self) -> Iterator[Sample]:
        words = self._text("stat").partition("\n")[0].split()[1:9]
        if len(words) < 8:
            return
        ticks = [float(word) for word in words]
        idle, total = ticks[3] + ticks[4], sum(ticks)
        before = self._memory.get("processors")
        self._memory["processors"] = [total - idle, total]
        if before is not None and total > before[1]:  # smaller: it was booted anew
            yield Sample("cpu_ratio", HOST, (total - idle - before[0]) / (total - before[1]))

    def _pressure(self) -> Iterator[Sample]:
        """Yield the share of the last minute in which nothing ran, for want of memory."""
        for line in self._text("pressure/memory").splitlines():
            words = dict(word.split("=") for word in line.split() if "=" in word)
            if line.startswith("full") and "avg60" in words:
                yield Sample("memory_pressure_ratio", HOST, float(words["avg60"]) / 100)

    def _text(self, name: str) -> str:
        try:
            return (self._proc / name).read_text(encoding="ascii", errors="replace")
        except OSError:  # this kernel does not have it
            return ""

    def _pairs(self, name: str) -> dict[str, float]:
        rows = (line.replace(":", " ").split() for line in self._text(name).splitlines())
        return {row[0]: float(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _disk(path: str) -> Iterator[Sample]:
    try:
        room = os.statvfs(path)
    except OSError as error:
        yield Sample("measured", f"disk {path}", 0, error.strerror or "")
        return
    yield Sample("measured", f"disk {path}", 1)
    # What root alone may still write is no room for the bot: as `df` reckons.
    used = room.f_blocks - room.f_bfree
    if used + room.f_bavail:
        yield Sample("disk_ratio", path, used / (used + room.f_bavail))
