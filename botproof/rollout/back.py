"""The way back to what was deployed before: its settings, its images, or all with its data."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from botproof.problems import UsageError
from botproof.rollout import backup
from botproof.rollout.deploy import Options, Rollout, make_plan
from botproof.rollout.engine import (
    DEPLOYED,
    UNDONE,
    RefusedError,
    StepFailedError,
    WayBackUndoneError,
    go_back,
    go_on,
)
from botproof.rollout.host import DockerHost
from botproof.rollout.journal import FileJournal, state_of
from botproof.rollout.plan import Plan
from botproof.rollout.store import Store

LIMITS_S: Mapping[int, float] = {1: 30.0, 2: 60.0, 3: 120.0}
"""How long each level may take."""


def roll_back(
    level: int, make_host: Callable[[Mapping[str, str]], DockerHost], store: Store
) -> tuple[str, float]:
    """Go back to before the last roll-out; how it ended, and the seconds that it took.

    One that has not ended is undone, whatever the level: that is the quickest way. Raises
    UsageError when there is nothing to go back to, and StepFailedError when its backup is not
    whole; nothing is touched then.
    """
    began = time.monotonic()
    unfinished = store.open()
    if unfinished is not None:
        journal = FileJournal(unfinished / "journal.jsonl")
        plan = state_of(journal.entries).plan
        if plan is not None and plan.level:
            end = run_back(unfinished, plan, make_host(plan.images), journal)
            return end, time.monotonic() - began
        if plan is not None and "settle" not in state_of(journal.entries).begun:
            host = make_host(plan.images)
            go_back(plan, journal, Rollout(plan, host, journal, unfinished))
            return UNDONE, time.monotonic() - began
    source = _last(store)
    before = _whole(source, level, make_host({}))
    end = _back(level, source, before, make_host, store)
    if end == UNDONE:
        raise WayBackUndoneError("the way back could not be done; what ran before it works on")
    return "rolled back", time.monotonic() - began


def _last(store: Store) -> Path:
    """Return the newest deployment that was not taken back yet."""
    taken_back: set[str] = set()
    for path in reversed(store.all()):
        state = state_of(FileJournal(path / "journal.jsonl").entries)
        if state.plan is None or state.end != DEPLOYED:
            continue
        if state.plan.level:
            taken_back.add(state.plan.deployment)
        elif path.name not in taken_back:
            return path
    raise UsageError(f"{store.root}: holds no deployment that could be taken back")


def _whole(source: Path, level: int, host: DockerHost) -> Mapping[str, Any]:
    """Return what was kept, after all of it was found to be there."""
    try:
        before: Mapping[str, Any] = msgspec.json.decode((source / "before.json").read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        raise RefusedError(
            f"{source}: its backup is gone or unreadable; nothing was changed"
        ) from error
    if not before["images"]:
        raise UsageError(f"{source.name} was the first: there is nothing before it")
    missing = []
    if level >= 2:
        for service, image in before["images"].items():
            try:
                host.docker("image", "inspect", "--format", "{{.Id}}", image)
            except StepFailedError:
                missing.append(f"the image of {service} ({image[:19]})")
    if level == 3:
        missing += [copy for copy in before["data"] if not backup.sound_file(Path(copy))]
    if missing:
        raise RefusedError(
            f"refused, and nothing was changed: the backup lacks {', '.join(missing)}"
        )
    return before


def _back(
    level: int,
    source: Path,
    before: Mapping[str, Any],
    make_host: Callable[[Mapping[str, str]], DockerHost],
    store: Store,
) -> str:
    now = make_host({})
    files = now.files()
    variables = now.image_variables()
    project = now.project()["services"]
    images = {
        variables[service]: before["images"].get(service) if level >= 2 else None
        for service in project
        if service in variables and (project[service].get("labels") or {}).get("botproof.role")
    }
    wanted = {
        variable: image or str(project[service]["image"])
        for service, variable in variables.items()
        if variable in images
        for image in (images[variable],)
    }
    directory = store.new()
    backup.keep_files(files, directory / "before")
    try:
        if level in {1, 3}:
            backup.restore_files(files, source / "before")
            for path in now.compose.env_files:
                backup.set_variables(path, wanted)
        host = make_host(wanted)
        plan = make_plan(host, Options(), level=level, deployment=source.name)
    except BaseException:  # Ctrl-C as well: no container was touched, so no file may stay changed
        backup.restore_files(files, directory / "before")
        raise
    journal = FileJournal(directory / "journal.jsonl")
    journal.write("plan", **msgspec.to_builtins(plan))
    return run_back(directory, plan, host, journal)


def run_back(directory: Path, plan: Plan, host: DockerHost, journal: FileJournal) -> str:
    """Do the steps of a way back, or go on with them; how it ended.

    When it cannot be done the files are as they were before it, and so is what runs.
    """
    restore = directory.parent / plan.deployment / "data" if plan.level == 3 else None
    rollout = Rollout(plan, host, journal, directory, Options(restore=restore))
    end = go_on(plan, journal, rollout)
    if end == UNDONE:
        backup.restore_files(host.files(), directory / "before")
    return end
