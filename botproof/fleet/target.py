"""A fleet of Compose's files, or of containers that run, as the target of a gate.

What production uses is taken as it is: images, commands, environment, user, rights, limits. Of
botproof.toml remain the conversation, the budgets and the modes; and of each process's `env` what
puts the doubles in the place of the outside world: values with a placeholder, and secrets.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from botproof.config import BOT, Config, Process
from botproof.fleet.options import process_name
from botproof.fleet.proxy import TLS_PORT, Proxy, find_proxy
from botproof.fleet.shape import is_secret, seconds_of
from botproof.problems import UsageError

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FleetTarget:
    """The target, and what a person has to know of it."""

    config: Config
    images: Mapping[str, str]
    """By process of botproof.toml."""
    replaced: Mapping[str, tuple[str, ...]]
    """Variables by process whose values of production gave way to the doubles'."""
    not_judged: tuple[str, ...]
    """Services that botproof.toml knows nothing of."""
    beside: tuple[str, ...] = ()
    """Services that botproof.toml does not name and that a judged one needs: they are started."""
    hosts: tuple[str, ...] = ()
    """The names by which the services find each other, where some are started beside."""
    proxy: Proxy | None = None
    """What stands before the bot's webhook."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Where it was taken from, for the record: `files` or `host`, and the files' `digest`."""

    def lines(self) -> Iterator[str]:
        """Yield what was taken from where, a line each."""
        for name, image in self.images.items():
            line = f"{name}: as production runs it, image {image}"
            if self.replaced.get(name):
                line += f"; for the doubles: {', '.join(self.replaced[name])}"
            yield line
        named = [name for name in self.beside if self.proxy is None or name != self.proxy.service]
        if named:
            yield f"started beside, for a judged service names them: {', '.join(named)}"
        if self.proxy is not None:
            yield f"updates of webhook mode come through {self.proxy.service}, over TLS"
        if self.not_judged:
            left = ", ".join(self.not_judged)
            yield f"not judged, for botproof.toml names no such process: {left}"


def in_containers(config: Config, services: Mapping[str, Document]) -> FleetTarget:
    """Return the target of `config` with its processes as these services of Compose run them.

    A process and a service belong together by name; `_` and `-` are alike. Raises UsageError where
    a process has no service.
    """
    by_name = {_alike(name): name for name in services}
    processes = {BOT: config.bot, **config.services}
    found = {name: by_name.get(_alike(name)) for name in processes}
    missing = [name for name, service in found.items() if service is None]
    if missing:
        raise UsageError(
            f"the fleet has no service for {', '.join(missing)} of botproof.toml; its services are "
            f"{', '.join(sorted(services))}. Give both the same name"
        )
    wanted = {name: services[service] for name, service in found.items() if service is not None}
    judged = {name: as_process(process, wanted[name]) for name, process in processes.items()}
    replace = msgspec.structs.replace
    modes = {
        name: replace(mode, command=None, image=None, cwd=None)
        for name, mode in config.modes.items()
    }
    others = {n: s for n, s in services.items() if n not in found.values()}
    beside = _beside(judged.values(), others)
    proxy = find_proxy(config, wanted[BOT], others)
    if proxy is not None:
        process = Process(ready="port", port=TLS_PORT, ready_timeout_s=60.0)
        beside[proxy.service] = as_process(process, others[proxy.service])
    changed = replace(
        config,
        bot=judged[BOT],
        services={**beside, **{name: judged[name] for name in config.services}},
        modes=modes,
    )
    return FleetTarget(
        config=changed,
        images={name: process.image for name, process in {**judged, **beside}.items()},
        replaced={n: tuple(sorted(_outside(processes[n]).keys())) for n in processes},
        not_judged=tuple(sorted(set(services) - set(found.values()) - set(beside))),
        beside=tuple(sorted(beside)),
        proxy=proxy,
        hosts=tuple(sorted(_names(services))) if beside else (),
    )


def joined(target: FleetTarget, network: str) -> FleetTarget:
    """Return the same target with every container in a network (`--network` of `docker create`)."""
    replace = msgspec.structs.replace

    def join(process: Process) -> Process:
        args = ("--network", network, *process.container_args)
        return replace(process, container_args=args)

    services = {name: join(each) for name, each in target.config.services.items()}
    config = replace(target.config, bot=join(target.config.bot), services=services)
    return dataclasses.replace(target, config=config)


def digest_of(project: Document, directory: Path) -> str:
    """Return the SHA-256 of resolved Compose files, the same on each machine that they are for.

    Without the images, which a verdict names by themselves, without secrets, and with paths
    relative to the files' `directory`.
    """
    services = {
        name: {**service, "image": "", "environment": dict(_without_secrets(service))}
        for name, service in (project.get("services") or {}).items()
    }
    text = json.dumps({**project, "services": services}, sort_keys=True)
    return hashlib.sha256(text.replace(str(directory.resolve()), ".").encode()).hexdigest()


def as_service(container: Document) -> Document:
    """Return what `docker inspect` says of a container, as Compose's files would write it."""
    config, host = container["Config"], container["HostConfig"]
    lines = (line.partition("=") for line in config.get("Env") or ())
    return {
        "image": container["Image"],
        "entrypoint": config.get("Entrypoint"),
        "command": config.get("Cmd"),
        # What is a dollar sign in Docker is two in Compose's files.
        "environment": {name: value.replace("$", "$$") for name, _, value in lines},
        "user": config.get("User"),
        "working_dir": config.get("WorkingDir"),
        "read_only": host.get("ReadonlyRootfs"),
        "cap_drop": host.get("CapDrop"),
        "cap_add": host.get("CapAdd"),
        "security_opt": host.get("SecurityOpt"),
        "mem_limit": host.get("Memory"),
        "memswap_limit": host.get("MemorySwap"),
        "pids_limit": host.get("PidsLimit"),
        "cpus": (host.get("NanoCpus") or 0) / 1e9,
        "tmpfs": [f"{where}:{how}" for where, how in (host.get("Tmpfs") or {}).items()],
        "volumes": [
            {"type": mount["Type"], "source": mount.get("Source", ""), "target": where}
            for mount in container.get("Mounts") or ()
            if (where := mount["Destination"]) and mount["Type"] != "tmpfs"
        ],
        "stop_grace_period": f"{config.get('StopTimeout') or 10}s",
        "healthcheck": _as_check(config.get("Healthcheck") or {}),
        "ports": [port for port, bound in (host.get("PortBindings") or {}).items() if bound],
        "networks": {
            name: {"aliases": settings.get("Aliases") or []}
            for name, settings in (
                container.get("NetworkSettings", {}).get("Networks") or {}
            ).items()
        },
    }


def _as_check(check: Document) -> Document:
    times = {"interval": "Interval", "timeout": "Timeout", "start_period": "StartPeriod"}
    return {
        "test": [word.replace("$", "$$") for word in check.get("Test") or ()],
        "retries": check.get("Retries"),
        **{key: f"{(check.get(name) or 0) // 1_000_000}ms" for key, name in times.items()},
    }


def _names(services: Mapping[str, Document]) -> set[str]:
    """Return the names by which services find each other: theirs, and those in their networks."""
    return {name for service in services.items() for name in _names_of(*service)}


def _names_of(name: str, service: Document) -> list[str]:
    networks = service.get("networks") or {}
    # A list of networks, or None for the settings of one, says of no other name.
    settings = networks.values() if isinstance(networks, Mapping) else ()
    return [name, *(alias for each in settings for alias in (each or {}).get("aliases") or ())]


def _alike(name: str) -> str:
    return process_name(name).lower()


def _without_secrets(service: Document) -> Iterator[tuple[str, str]]:
    for name, value in (service.get("environment") or {}).items():
        yield name, "a secret" if value and is_secret(name, str(value)) else str(value or "")


def _outside(process: Process) -> Mapping[str, Any]:
    """Return what botproof.toml sets for the doubles: values with a placeholder, and secrets."""
    return {
        name: value
        for name, value in process.env.items()
        if "{" in str(value) or is_secret(name, str(value))
    }


def as_process(process: Process, service: Document) -> Process:
    """Return a process as a service of Compose runs it. Raises UsageError where that
    has no image."""
    if not service.get("image"):
        raise UsageError("a service of the fleet is built and has no image; name one with `image:`")
    environment = {
        name: _plain(value)
        for name, value in (service.get("environment") or {}).items()
        if value is not None
    }
    entrypoint = [_plain(word) for word in service.get("entrypoint") or ()]
    command = [_plain(word) for word in service.get("command") or ()]
    return msgspec.structs.replace(
        process,
        image=str(service["image"]),
        # Docker's own option takes one word: the others come before the command.
        command=tuple(map(_escaped, entrypoint[1:] + command)),
        container_args=(
            *(("--entrypoint", entrypoint[0]) if entrypoint else ()),
            *_options(service),
            *process.container_args,
        ),
        env={**{n: _escaped(v) for n, v in environment.items()}, **_outside(process)},
        cwd=str(service.get("working_dir") or "."),
        stop_timeout_s=_stop_s(service, process.stop_timeout_s),
    )


def _beside(judged: Iterable[Process], others: Mapping[str, Document]) -> dict[str, Process]:
    """Return the services that an environment of a judged process names as host and port, such as
    Redis.

    Without one that publishes a port: in the place of what faces the outside are the doubles.
    """
    said = " ".join(str(value) for process in judged for value in process.env.values())
    found = {}
    for name, service in others.items():
        names = "|".join(map(re.escape, _names_of(name, service)))
        port = re.search(rf"(?://|@)(?:{names}):(\d+)", said)
        if port and not service.get("ports"):
            process = Process(ready="port", port=int(port[1]), ready_timeout_s=60.0)
            process = as_process(process, service)
            args = (*process.container_args, *_health(service.get("healthcheck")))
            found[name] = msgspec.structs.replace(process, container_args=args)
    return found


def _options(service: Document) -> Iterator[str]:
    """Yield options of `docker create` for user, rights, limits and places to write to."""
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    single = {
        "--user": service.get("user"),
        "--memory": service.get("mem_limit") or limits.get("memory"),
        "--memory-swap": service.get("memswap_limit"),
        "--pids-limit": service.get("pids_limit") or limits.get("pids"),
        "--cpus": service.get("cpus") or limits.get("cpus"),
    }
    for option, value in single.items():
        if value:
            yield from (option, str(value))
    if service.get("read_only"):
        yield "--read-only"
    if service.get("privileged"):
        yield "--privileged"
    for key in ("tmpfs", "cap_drop", "cap_add", "security_opt"):
        for value in service.get(key) or ():
            yield from (f"--{key.replace('_', '-')}", str(value))
    for volume in service.get("volumes") or ():
        yield from _volume(volume)


def _health(check: Document | None) -> Iterator[str]:
    if not check:
        return
    test = [_plain(word) for word in check.get("test") or ()]
    if check.get("disable") or test[:1] == ["NONE"]:
        yield "--no-healthcheck"
        return
    if test:
        # Docker's option takes a line for a shell and not words.
        line = test[1] if test[0] == "CMD-SHELL" else shlex.join(test[1:])
        yield from ("--health-cmd", _escaped(line))
    for key in ("interval", "timeout", "retries", "start_period"):
        if check.get(key) not in {None, "0ms"}:
            yield from (f"--health-{key.replace('_', '-')}", str(check[key]))


def _volume(volume: Document) -> Iterator[str]:
    """Yield a volume of its own for each container: what production keeps is not for a test."""
    if volume["type"] == "bind":
        yield from ("--volume", f"{volume['source']}:{volume['target']}:ro")
    elif volume["type"] == "volume":
        yield from ("--volume", str(volume["target"]))


def _stop_s(service: Document, otherwise: float) -> float:
    text = str(service.get("stop_grace_period") or "")
    return float(seconds_of(text)) if text else otherwise


def _plain(value: object) -> str:
    """Take back that Compose doubles a dollar sign in what it prints."""
    return str(value).replace("$$", "$")


def _escaped(value: str) -> str:
    """Escape braces: in botproof.toml they are placeholders, in production's values they are
    not."""
    return value.replace("{", "{{").replace("}", "}}")
