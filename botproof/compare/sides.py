"""What is compared: a commit, the working tree, images or a URL, each made ready to be loaded."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import msgspec

from botproof.config import Config, ConfigError, Process, load_config, substitute, with_images
from botproof.problems import UsageError
from botproof.profiles.session import rewritten, running
from botproof.targets.images import parse_images, pinned
from botproof.targets.recorder import Recorder
from botproof.targets.stack import Stack

WORKING_TREE = "."
IMAGE = "image:"


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two. A `url` is only loaded; a tree in `base` is started anew for each run."""

    name: str
    url: str = ""
    base: Path | None = None
    config: Config | None = None

    @asynccontextmanager
    async def ready(
        self, recorder: Recorder, report_dir: Path, say: Callable[[str], None]
    ) -> AsyncIterator[tuple[str, Stack | None]]:
        """Give the host to load, and the stack that serves it when it is ours."""
        if self.config is None or self.base is None:
            yield self.url, None
            return
        mode = next(iter(self.config.modes))
        async with running(
            rewritten(self.config, mode, self._from_its_tree),
            mode,
            base=self.base,
            report_dir=report_dir,
            recorder=recorder,
            say=say,
        ) as stack:
            load = self.config.load
            host = "" if load is None else substitute(load.host, stack.values)
            yield host, stack

    def _from_its_tree(self, _: str, process: Process) -> Process:
        """Have Python take the packages of this tree, not those that are installed."""
        if process.image:
            return process
        return msgspec.structs.replace(process, env={"PYTHONPATH": str(self.base), **process.env})


def side(what: str, config_path: Path, scratch: Path) -> Side:
    """Return the side that `what` means: a URL, `image:…`, `.` for the working tree, or a commit.

    Raises UsageError when it is none of them or cannot be loaded.
    """
    if what.startswith(("http://", "https://")):
        return Side(what, url=what.rstrip("/"))
    root = config_path.resolve().parent
    if what.startswith(IMAGE):
        return _contained(what, root, config_path.name)
    if what == WORKING_TREE:
        return _tree("working tree", root, config_path.name)
    commit = _git(root, "rev-parse", "--verify", "--quiet", f"{what}^{{commit}}").decode().strip()
    if not commit:
        raise UsageError(f"{what}: is no commit of {root}, no URL, no `image:NAME` and not `.`")
    base = scratch / commit[:12]
    if not base.exists():
        prefix = _git(root, "rev-parse", "--show-prefix").decode().strip().rstrip("/")
        archive = _git(root, "archive", f"{commit}:{prefix}" if prefix else commit)
        with tarfile.open(fileobj=BytesIO(archive)) as files:
            _extract(files, base)
    return _tree(f"{what} ({commit[:9]})" if what != commit else what[:9], base, config_path.name)


def _extract(files: tarfile.TarFile, base: Path) -> None:
    if sys.version_info >= (3, 12):
        files.extractall(base, filter="data")
    else:
        files.extractall(base)  # noqa: S202 - made by git from a repository of our own


def _tree(name: str, base: Path, config_name: str) -> Side:
    try:
        config = load_config(base / config_name)
    except ConfigError as error:
        raise UsageError(f"{name}: {error}") from error
    if config.load is None:
        raise UsageError(f"{name}: {config_name} has no [load]: there is nothing to compare")
    return Side(name, base=base, config=config)


def _contained(what: str, root: Path, config_name: str) -> Side:
    """Return the target of this tree's botproof.toml with containers in the place of
    its processes."""
    tree = _tree(what, root, config_name)
    assert tree.config is not None  # noqa: S101 - a tree has one; a URL would not
    images = pinned(parse_images(IMAGE, [what.removeprefix(IMAGE)], tree.config))
    short = dict.fromkeys(each.removeprefix("sha256:")[:12] for each in images.values())
    return Side(
        f"{what.removeprefix(IMAGE)} ({', '.join(short)})",
        base=root,
        config=with_images(tree.config, images),
    )


def _git(root: Path, *words: str) -> bytes:
    """Return what git prints; empty when it says no."""
    command = ("git", "-C", str(root), *words)
    return subprocess.run(command, capture_output=True, check=False).stdout
