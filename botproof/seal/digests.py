"""Digests of files and trees, and what git says of them.

A tree's digest is in-toto's `dirHash`: SHA-256 over the lines that `sha256sum` prints for its files
in the order of their names. Source: in-toto/attestation, spec/v1/digest_set.md.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from botproof.problems import UsageError


def digest_of_bytes(data: bytes) -> str:
    """SHA-256 as lowercase hex."""
    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's content as lowercase hex. Raises UsageError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


def dir_hash(root: Path, files: Iterable[str] | None = None) -> str:
    """Return the `dirHash` of the files of ``root`` (all below it, or those named,
    relative to it)."""
    names = _files_below(root) if files is None else files
    lines = [f"{_content_digest(root / name)}  {name}\n" for name in sorted(names, key=os.fsencode)]
    return digest_of_bytes(os.fsencode("".join(lines)))


@dataclass(frozen=True, slots=True)
class SourceTree:
    """The tree that the judged processes were started from.

    `commit` is "" outside a git repository; `dirty` says that files differ from that commit.
    """

    digest: Mapping[str, str]
    commit: str = ""
    dirty: bool = False


def source_tree(root: Path) -> SourceTree:
    """Return the tree at ``root``: of a git repository its tracked and new files, else all not
    hidden.

    What git ignores (reports, environments, a .env) is not a part of it.
    """
    listed = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    if listed is None:
        names = [n for n in _files_below(root) if not any(p.startswith(".") for p in Path(n).parts)]
        return SourceTree(digest={"dirHash": dir_hash(root, names)})
    present = {name for name in listed.split("\0") if name and _is_there(root / name)}
    commit = (_git(root, "rev-parse", "--verify", "--quiet", "HEAD") or "").strip()
    changed = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", ".") or ""
    return SourceTree(
        digest={"dirHash": dir_hash(root, present)}, commit=commit, dirty=bool(changed.strip())
    )


def _files_below(root: Path) -> list[str]:
    found = []
    for folder, _, names in os.walk(root):
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]  # noqa: PTH118 - os.walk speaks strings
    return [name for name in found if _is_there(root / name)]


def _is_there(path: Path) -> bool:
    return path.is_symlink() or path.is_file()


def _content_digest(path: Path) -> str:
    """Of a link, where it points to: what lies there may be outside of the tree."""
    if path.is_symlink():
        return digest_of_bytes(os.fsencode(path.readlink()))
    return digest_of_file(path)


def _git(root: Path, *words: str) -> str | None:
    """Return what git prints; None where there is no git, or no repository."""
    command = ("git", "-C", str(root), *words)
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    except OSError:
        return None
    return os.fsdecode(done.stdout) if done.returncode == 0 else None
