"""What this machine says: Compose's files, containers, images, git, and Telegram's webhook.

Everything here only reads. A question has a few seconds at most, and is asked once.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botproof.problems import UsageError

_TIMEOUT_S = 20.0
_PROJECT = "com.docker.compose.project"
_ALL_OF_COMPOSE = (
    *("docker", "ps", "--all", "--no-trunc", "--filter", f"label={_PROJECT}"),
    *("--format", f'{{{{.ID}}}} {{{{.Label "{_PROJECT}"}}}}'),
)
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Compose:
    """The files of a fleet, as given to `docker compose`."""

    files: Sequence[Path]
    env_files: Sequence[Path] = ()
    project: str | None = None

    def command(self, *words: str) -> tuple[str, ...]:
        """Return `docker compose …` with these files: what a person types to repair something."""
        options: list[str] = []
        if self.project:
            options += ["--project-name", self.project]
        for path in self.env_files:
            options += ["--env-file", str(path)]
        for path in self.files:
            options += ["--file", str(path)]
        return ("docker", "compose", *options, *words)


@dataclass(frozen=True, slots=True)
class Container:
    """A container: what `docker inspect` says, its first process, and what was changed inside."""

    inspected: Document
    process: str = ""
    changed: Sequence[str] = ()

    @property
    def service(self) -> str:
        """The service of Compose that it belongs to."""
        return str(self.inspected["Config"]["Labels"].get("com.docker.compose.service", ""))

    @property
    def state(self) -> str:
        """ "running and healthy", or what it is instead."""
        state = self.inspected["State"]
        status = str(state["Status"])
        if status != "running":
            out = ", out of memory" if state.get("OOMKilled") else ""
            return f"{status} with code {state['ExitCode']}{out}" if status == "exited" else status
        health = state.get("Health") or {}
        # While a container is started again the engine tells "unhealthy", because nothing asks it
        # (moby, container/health.go: "for compatibility reasons"); no question has failed then.
        sick = health.get("Status") == "unhealthy" and health.get("FailingStreak", 1) > 0
        return "running, unhealthy" if sick else "running and healthy"


@dataclass(frozen=True, slots=True)
class Fleet:
    """What the files want and what is there."""

    project: Document
    containers: Sequence[Container]
    images: Mapping[str, Document] = field(default_factory=dict)
    """By id and by each name that the files or the containers use."""


@dataclass(frozen=True, slots=True)
class Repository:
    """What git says of a directory; all empty outside a repository."""

    commit: str = ""
    committed_at: float = 0.0
    changed: Sequence[str] = ()
    unpushed: int = 0
    upstream: str = ""
    has_remote: bool = False


def look(compose: Compose) -> Fleet:
    """Ask Compose and Docker. Raises UsageError when one of them is missing or refuses."""
    with ThreadPoolExecutor(max_workers=8) as workers:
        # What takes longest is asked first, and the rest beside it.
        resolving = workers.submit(resolved, compose)
        listed = workers.submit(_asked, _ALL_OF_COMPOSE)
        project = resolving.result()
        lines = (line.split() for line in listed.result().splitlines())
        ids = [each[0] for each in lines if each[1:] == [project["name"]]]
        changes = {each: workers.submit(_changed, each) for each in ids}
        names = {s["image"] for s in project["services"].values() if s.get("image")}
        inspected = _json(("docker", "inspect", *ids)) if ids else []
        names |= {c["Image"] for c in inspected}
        images = dict(zip(names, workers.map(_image, names), strict=True))
        containers = [
            Container(c, _process(c), changes[c["Id"]].result())
            for c in inspected
            if not _one_off(c)
        ]
    return Fleet(project, containers, {n: i for n, i in images.items() if i is not None})


def resolved(compose: Compose) -> Document:
    """Return the files as Compose understands them. Raises UsageError with its words."""
    if shutil.which("docker") is None:
        raise UsageError("there is no `docker` command on PATH, so nothing of Compose can run here")
    project: Document = _json(compose.command("config", "--format", "json"))
    return project


def repository(directory: Path) -> Repository:
    """Ask git about the repository that holds ``directory``."""

    def git(*words: str) -> str:
        return _asked(("git", "-C", str(directory), *words), missing="").rstrip()

    with ThreadPoolExecutor(max_workers=3) as workers:
        status = workers.submit(git, "status", "--porcelain=v2", "--branch")
        remotes = workers.submit(git, "remote")
        head = git("log", "-1", "--format=%H %ct").split()
    if not head:
        return Repository()
    lines = status.result().splitlines()
    about = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    return Repository(
        commit=head[0],
        committed_at=float(head[1]),
        changed=tuple(_path(line) for line in lines if not line.startswith("# ")),
        unpushed=int(about.get("branch.ab", "+0 -0").split()[0]),
        # A branch that the remote has lost has a name and no count.
        upstream=about.get("branch.upstream", "") if "branch.ab" in about else "",
        has_remote=bool(remotes.result()),
    )


def _path(line: str) -> str:
    """Return the path in a line of `git status --porcelain=v2`."""
    fields = {"1": 8, "2": 9, "u": 10}.get(line[0], 1)
    return line.split(" ", fields)[fields].partition("\t")[0]


def _one_off(container: Document) -> bool:
    labels = container["Config"].get("Labels") or {}
    return str(labels.get("com.docker.compose.oneoff", "")).lower() == "true"


def _process(container: Document) -> str:
    """Return the command line of the first process, read on the host: nothing is started inside."""
    pid = container["State"].get("Pid") or 0
    if not pid:
        return ""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # another namespace (Docker Desktop), or it has just ended
        return ""
    return " ".join(os.fsdecode(raw).split("\0")).strip()


def _changed(container_id: str) -> list[str]:
    return _asked(("docker", "diff", container_id), missing="").splitlines()


def _image(name: str) -> Document | None:
    found = _asked(("docker", "image", "inspect", name), missing="")
    document: list[Document] = json.loads(found or "[]")
    return document[0] if document else None


def _json(command: Sequence[str]) -> Any:
    return json.loads(_asked(command))


def _asked(command: Iterable[str], *, missing: str | None = None) -> str:
    """Return what a command prints; ``missing`` when it fails, or UsageError when that is None."""
    words = tuple(command)
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except OSError as error:
        failure = error.strerror or str(error)
    except subprocess.TimeoutExpired:
        failure = f"no answer in {_TIMEOUT_S:g} s"
    else:
        if done.returncode == 0:
            return done.stdout
        failure = (done.stderr.strip() or "it said nothing").splitlines()[-1]
    if missing is not None:
        return missing
    raise UsageError(f"`{' '.join(words[:2])} {words[-1]}` failed: {failure}")
