"""How a stack's processes are started: on this machine, or in a container of their image."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from botproof import history
from botproof.budgets import MB
from botproof.config import Config, Process, substitute
from botproof.targets.address_block import AddressBlock
from botproof.targets.cgroup import CgroupError, Fence
from botproof.targets.container import bundles_in, cgroup_parent_problem
from botproof.targets.launch import ImageRun, Launch
from botproof.targets.network import current, why_not_apart
from botproof.targets.values import ready_log, ready_url, venv_env
from botproof.targets.watch import Watch
from botproof.targets.world import World, prefixes_of


class _Note(Protocol):
    def __call__(self, kind: str, **detail: str) -> None: ...


@dataclass(slots=True)
class Launcher:
    """Makes a `Launch` of what botproof.toml says of a process.

    `config` is all of it, `base` the directory of botproof.toml, `values` what its placeholders
    stand for, `log` where a process writes. `note` records what the harness cannot do for a
    process.
    """

    config: Config
    base: Path
    values: Mapping[str, str]
    scratch: Path
    watch: Watch
    log: Callable[[str], Path]
    note: _Note
    world: World | None = None
    block: AddressBlock | None = None

    async def launch(self, name: str, role: str, process: Process) -> Launch:
        """Return how a process is started here, or in a container of its image."""
        if process.image:
            return await self._contained(name, role, process)
        fence = self.watch.fence.wrapper if self.watch.fence is not None else ()
        launch = self._described(name, role, process)
        launch = dataclasses.replace(
            launch,
            env={
                **venv_env(process, self.values),
                **self._temporary(name, process),
                **launch.env,
            },
            cwd=(self.base / substitute(process.cwd, self.values)).resolve(),
            wrapper=fence,
        )
        if self.world is not None:
            path = launch.env.get("PATH", os.environ.get("PATH", ""))
            prefixes = prefixes_of(launch.command, launch.cwd, path)
            launch = dataclasses.replace(
                launch,
                env={**self.world.env, **launch.env},
                wrapper=(*fence, *self.world.wrapper(name, prefixes)),
            )
        if self.block is not None:
            launch = dataclasses.replace(
                launch, wrapper=(*launch.wrapper, *self.block.wrapper(name))
            )
        return launch

    def _temporary(self, name: str, process: Process) -> Mapping[str, str]:
        """Return the variable by which a process finds a temporary directory of its own, in which
        it shows what it leaves behind; nothing where botproof.toml decides that."""
        if "TMPDIR" in (*process.inherit_env, *process.env):
            return {}
        folder = self.scratch / f"tmp-{name}"
        folder.mkdir(exist_ok=True)
        return {"TMPDIR": str(folder)}

    def _not_held_back(self) -> str:
        """Say why a container can reach addresses beyond this machine; "" when it cannot."""
        if current() is not None:
            return ""
        return f"it runs in a container: {why_not_apart(self.config) or 'its image has no `sleep`'}"

    def _described(
        self, name: str, role: str, process: Process, inside: Mapping[str, str] | None = None
    ) -> Launch:
        """Return what is the same for processes and containers; `inside` replaces single values."""
        values = {**self.values, **(inside or {})}
        return Launch(
            name=name,
            role=role,
            command=tuple(substitute(part, values) for part in process.command),
            cwd=self.base,
            log=self.log(name),
            env={key: _env_value(value, values) for key, value in process.env.items()},
            inherit_env=process.inherit_env,
            ready_url=ready_url(name, process, values),
            ready_log=ready_log(process, values),
            ready_timeout_s=process.ready_timeout_s,
            stop_timeout_s=process.stop_timeout_s,
        )

    async def _contained(self, name: str, role: str, process: Process) -> Launch:
        launch = self._described(name, role, process, {"python": "python"})
        workdir = substitute(process.cwd, self.values)
        options = tuple(substitute(part, self.values) for part in process.container_args)
        said = (workdir, *launch.command, *launch.env.values(), *options)
        scratch = str(self.scratch)
        mounts = (self.scratch,) if any(scratch in text for text in said) else ()
        for directory in mounts:
            directory.chmod(0o777)  # the image's user is nobody that this machine knows
        world = self.world
        if world is not None:
            bundles = await bundles_in(process.image) if world.speaks_tls else ()
            options = (*world.container_options(bundles), *options)
            launch = dataclasses.replace(launch, env={**world.env, **launch.env})
        if self.block is not None:
            options = (*self.block.container_options(name), *options)
            if problem := self._not_held_back():
                self.note(history.NOT_HELD_BACK, process=name, reason=problem)
        run = ImageRun(
            image=process.image,
            options=options,
            mounts=mounts,
            workdir=workdir if workdir.startswith("/") else "",
            cgroup_parent=self.watch.fence.parent if self.watch.fence is not None else "",
        )
        return dataclasses.replace(launch, container=run)


def _env_value(value: object, values: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return substitute(str(value), values)


async def _fence_around(
    config: Config, mode: str, label: str, limit: int
) -> tuple[Fence | None, str]:
    """Return a cgroup of `limit` bytes for the bot and the services, or why none could be made."""
    processes = (config.bot_in(mode), *config.services.values())
    contained = [bool(process.image) for process in processes]
    if any(contained):
        problem = await cgroup_parent_problem(mixed=not all(contained))
        if problem:
            return None, problem
    try:
        return Fence(label, limit, config.memory.fence_cpus).__enter__(), ""
    except CgroupError as error:
        return None, str(error)


async def put_up_fence(
    config: Config, mode: str, watch: Watch, say: Callable[[str], None]
) -> list[history.MemoryFence]:
    """Give the bot and the services a machine of the size that they will have, if we can, and
    return what is to be recorded of it."""
    memory = config.memory
    if memory.fence_mb is None:
        return []
    limit = round(memory.fence_mb * MB)
    watch.fence, problem = await _fence_around(config, mode, watch.stack, limit)
    if problem:
        say(f"runs without a limit of {memory.fence_mb:g} MB: {problem}")
    return [
        history.MemoryFence(
            t=history.now(),
            limit=limit,
            cpus=memory.fence_cpus,
            problem=problem,
            stack=watch.stack,
            mode=mode,
        )
    ]
