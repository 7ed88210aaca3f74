"""What is needed to start one process of a run, as a process of this machine or in a container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from botproof.targets.failures import Failure

BASE_ENV = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
OWN_ENV = ("PYTHONPATH", "PYTHONSAFEPATH")
"""What the harness's own processes get besides: they have to run the same botproof as it does, the
built package and not the source tree. A target's own imports must not depend on that."""


class RunError(Exception):
    """A stack cannot go on. `kind` says whose fault that is."""

    def __init__(self, text: str, kind: Failure) -> None:
        super().__init__(text)
        self.kind = kind


class TargetError(RunError):
    """The target did not start, did not become ready, or ended on its own."""

    def __init__(self, text: str, kind: Failure = Failure.ENDED) -> None:
        super().__init__(text, kind)


class BrokenHarnessError(RunError):
    """The harness or one of its doubles failed; nothing can be said about the target."""

    def __init__(self, text: str, kind: Failure = Failure.HARNESS) -> None:
        super().__init__(text, kind)


def failed(text: str, kind: Failure) -> RunError:
    """Return the error for a failure of this kind, to be raised."""
    return TargetError(text, kind) if kind.whose == "target" else BrokenHarnessError(text, kind)


@dataclass(frozen=True, slots=True)
class ImageRun:
    """How a container is made of an image; `options` are more options of `docker create`.

    `mounts` are directories that it sees under the same path as the harness does, `workdir` is ""
    for the image's own, and `cgroup_parent` the cgroup that its own is made in ("" for Docker's).
    """

    image: str
    options: tuple[str, ...] = ()
    mounts: tuple[Path, ...] = ()
    workdir: str = ""
    cgroup_parent: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """Everything that is needed to start one process.

    `ready_url` answers 200 when it can work, `ready_log` is a pattern of the line that it writes
    then. `ends` says that it is a command: its end is no surprise.
    """

    name: str
    role: str
    command: tuple[str, ...]
    cwd: Path
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    inherit_env: tuple[str, ...] = ()
    ready_url: str = ""
    ready_log: str = ""
    ends: bool = False
    ready_timeout_s: float = 30.0
    stop_timeout_s: float = 10.0
    wrapper: tuple[str, ...] = ()
    """Comes before the command and becomes it, under the same process id (see `cgroup.Fence`)."""
    container: ImageRun | None = None
    """Runs `command` in a container instead; an empty one is the image's own."""


def environment(launch: Launch, outer: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the new process: little of the `outer` one, and what is
    declared."""
    passed = {name: outer[name] for name in (*BASE_ENV, *launch.inherit_env) if name in outer}
    return {**passed, **launch.env}
