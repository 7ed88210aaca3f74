"""What a process holds besides memory: files, sockets, threads, and children that have ended."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from botproof.targets.family import PROC, family

_THREADS = 17
"""Where the number of threads stands among the fields of /proc/PID/stat from the state on."""


@dataclass(frozen=True, slots=True)
class Belongings:
    """Counts, over a process and all its children.

    `files` are open descriptors that are no sockets. `zombies` are children that have ended, and
    of which nobody has asked how: each keeps its number for as long as its parent lives.
    """

    files: int
    sockets: int
    threads: int
    zombies: int


def read_belongings(pid: int, proc: Path = PROC) -> Belongings | None:
    """Return what process `pid` and its children hold now; None when it is gone, or
    hidden from us."""
    parts = [part for each in family(pid, proc) if (part := _of_one(proc / str(each)))]
    if not any(part.threads for part in parts):
        return None
    return Belongings(
        files=sum(part.files for part in parts),
        sockets=sum(part.sockets for part in parts),
        threads=sum(part.threads for part in parts),
        zombies=sum(part.zombies for part in parts),
    )


@dataclass(frozen=True, slots=True)
class FilesBelow:
    """What lies in some directories and below them: how many files, and their bytes."""

    files: int = 0
    size: int = 0


def files_below(folders: Iterable[Path], most: int = 2_000) -> FilesBelow:
    """Return what lies in directories and below them; `most` files of each where there are so many
    that counting them takes too long: a tree of sources, not what a process leaves behind."""
    found = [_below(folder, most) for folder in folders]
    return FilesBelow(sum(each.files for each in found), sum(each.size for each in found))


def _below(folder: Path, most: int) -> FilesBelow:
    found, size, waiting = 0, 0, [folder]
    while waiting and found < most:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    found += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    else:
                        size += entry.stat(follow_symlinks=False).st_size
        except OSError:  # removed meanwhile, or not ours to read
            continue
    return FilesBelow(min(found, most), size if found < most else 0)


def _of_one(folder: Path) -> Belongings | None:
    try:
        fields = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()
        if fields[0] == "Z":
            return Belongings(files=0, sockets=0, threads=0, zombies=1)
        links = [_leads_to(each) for each in (folder / "fd").iterdir()]
    except OSError:  # it ended meanwhile, or is somebody else's
        return None
    sockets = sum(link.startswith("socket:") for link in links)
    return Belongings(len(links) - sockets, sockets, int(fields[_THREADS]), zombies=0)


def _leads_to(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed since it was listed
        return ""
