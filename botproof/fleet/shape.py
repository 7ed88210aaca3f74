"""A service as facts that can be compared: the same names from Compose's files and from Docker.

Both sides are resolved completely: what the files leave out comes from the image. Facts are strings
by name; a fact that a side does not have is missing there.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Document = Mapping[str, Any]

_SECRET = re.compile(r"TOKEN|SECRET|PASSW|(?<![A-Z])KEY|_KEY|CREDENTIAL|PRIVATE|DSN", re.IGNORECASE)
_IN_URL = re.compile(r"//[^/@\s]*:[^/@\s]+@")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one service: facts by kind and name, as `("environment", "BOT_MODE")`."""

    facts: Mapping[tuple[str, str], str]
    written: Sequence[str] = field(default=())
    """Files that were changed inside of a container; always empty for what is committed."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Shows secrets as keyed hashes: the same value looks the same within one run only."""

    key: bytes

    def shown(self, name: str, value: str) -> str:
        """Return the value of an environment variable as it may be printed."""
        if value and is_secret(name, value):
            digest = hmac.new(self.key, value.encode(), hashlib.sha256).hexdigest()
            return f"a secret (hash {digest[:8]})"
        return value or "(empty)"


def is_secret(name: str, value: str) -> bool:
    """Tell whether a variable must not be shown: by its name, or for a password in an address."""
    return bool(_SECRET.search(name) or _IN_URL.search(value))


def committed(service: Document, project: Document, image: Document | None) -> Facts:
    """Return the facts of a service of `docker compose config`.

    ``project`` is the whole document (names of volumes and networks), ``image`` what `docker image
    inspect` says of the service's image, None where it is not on this machine.
    """
    built = (image or {}).get("Config") or {}
    entrypoint, command = service.get("entrypoint"), service.get("command")
    if entrypoint is None:
        entrypoint = built.get("Entrypoint") or []
        command = built.get("Cmd") or [] if command is None else command
    facts = {
        ("image", ""): (image or {}).get("Id", "not on this machine"),
        ("entry point", ""): shlex.join(entrypoint),
        ("command", ""): shlex.join(command or []),
        ("user", ""): service.get("user") or built.get("User") or "",
        ("working directory", ""): service.get("working_dir") or built.get("WorkingDir") or "/",
        ("restart policy", ""): str(service.get("restart") or "no"),
        ("read-only root", ""): _yes(service.get("read_only")),
        ("privileged", ""): _yes(service.get("privileged")),
        ("capabilities", ""): _rights(service.get("cap_drop"), service.get("cap_add")),
        ("security options", ""): _listed(service.get("security_opt")),
        ("networks", ""): _networks(service, project),
        ("extra hosts", ""): _listed(_hosts(service.get("extra_hosts"))),
        ("logging", ""): _logging(service.get("logging")),
        ("stop timeout", ""): str(seconds_of(service.get("stop_grace_period", "10s"))),
        ("health check", ""): _health(service.get("healthcheck"), built),
        **{("limit", name): value for name, value in _limits(service).items()},
        **{("mount", where): what for where, what in _volumes(service, project).items()},
    }
    environment = {**_environment(built.get("Env")), **(service.get("environment") or {})}
    for name, value in environment.items():
        facts["environment", name] = "" if value is None else str(value)
    for port in service.get("ports") or ():
        facts["port", f"{port['target']}/{port.get('protocol', 'tcp')}"] = _published(port)
    return Facts(facts)


def running(
    container: Document, image: Document | None, process: str, changed: Iterable[str]
) -> Facts:
    """Return the facts of a container by `docker inspect`.

    ``process`` is the command line of its first process ("" when it does not run), ``changed`` the
    lines of `docker diff`.
    """
    config, host = container["Config"], container["HostConfig"]
    entrypoint, command = config.get("Entrypoint") or [], config.get("Cmd") or []
    mounts = _mounted(container, image)
    facts = {
        ("image", ""): container["Image"],
        ("entry point", ""): shlex.join(entrypoint),
        ("command", ""): shlex.join(command),
        ("user", ""): config.get("User") or "",
        ("working directory", ""): config.get("WorkingDir") or "/",
        ("restart policy", ""): _policy(host.get("RestartPolicy") or {}),
        ("read-only root", ""): _yes(host.get("ReadonlyRootfs")),
        ("privileged", ""): _yes(host.get("Privileged")),
        ("capabilities", ""): _rights(host.get("CapDrop"), host.get("CapAdd")),
        ("security options", ""): _listed(host.get("SecurityOpt")),
        ("networks", ""): _attached(container),
        ("extra hosts", ""): _listed(host.get("ExtraHosts")),
        ("logging", ""): _log_config(host.get("LogConfig") or {}),
        ("stop timeout", ""): str(config.get("StopTimeout") or 10),
        ("health check", ""): _check(config.get("Healthcheck")),
        **{("limit", name): value for name, value in _given(host).items()},
        **{("mount", where): what for where, what in mounts.items()},
    }
    if process and not _is_of(process.split(), [*entrypoint, *command]):
        facts["process", ""] = process
    for name, value in _environment(config.get("Env")).items():
        facts["environment", name] = value
    for port, bindings in (host.get("PortBindings") or {}).items():
        facts["port", port] = _listed(
            f"{_address(b.get('HostIp'))}:{b.get('HostPort') or 'any'}" for b in bindings or ()
        )
    return Facts(facts, tuple(_written(changed, mounts)))


# --- What both sides are brought to ---------------------------------------------------------------


def _yes(value: object) -> str:
    return "yes" if value else "no"


def _listed(values: Iterable[str] | None) -> str:
    return ", ".join(sorted(values or ()))


def _rights(dropped: Iterable[str] | None, added: Iterable[str] | None) -> str:
    def bare(names: Iterable[str] | None) -> str:
        return _listed(name.upper().removeprefix("CAP_") for name in names or ())

    return f"without {bare(dropped) or 'none'}, with {bare(added) or 'none'} besides"


def _environment(lines: Iterable[str] | None) -> dict[str, str]:
    return {name: value for name, _, value in (line.partition("=") for line in lines or ())}


def seconds_of(text: object) -> int:
    """Return the seconds of a duration as Compose writes it (`1m30s`)."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 1e-6, "ns": 1e-9}
    parts = re.findall(r"([\d.]+)(h|ms|us|ns|m|s)", str(text))
    return round(sum(float(number) * units[unit] for number, unit in parts))


def _address(text: str | None) -> str:
    return text if text and text not in {"0.0.0.0", "::"} else "every address"  # noqa: S104 - compared, not bound


# --- Compose --------------------------------------------------------------------------------------


def _limits(service: Document) -> dict[str, str]:
    limits = ((service.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    memory = int(service.get("mem_limit") or limits.get("memory") or 0)
    swap = int(service.get("memswap_limit") or 0)
    return _limit_facts(
        memory=memory,
        # Docker lets a container swap as much as its memory again unless it is told.
        swap=swap or 2 * memory,
        pids=int(service.get("pids_limit") or limits.get("pids") or 0),
        cpus=float(service.get("cpus") or limits.get("cpus") or 0),
    )


def _limit_facts(*, memory: int, swap: int, pids: int, cpus: float) -> dict[str, str]:
    return {
        "memory": str(memory or "none"),
        "memory and swap": str(swap or "none"),
        "processes": str(pids or "none"),
        "cpus": f"{cpus:g}" if cpus else "none",
    }


def _volumes(service: Document, project: Document) -> dict[str, str]:
    named = project.get("volumes") or {}
    found = {}
    for volume in service.get("volumes") or ():
        source = volume.get("source", "")
        if volume["type"] == "volume" and source:
            source = (named.get(source) or {}).get("name") or source
        found[volume["target"]] = _mount(volume["type"], source, read_only=volume.get("read_only"))
    for text in service.get("tmpfs") or ():
        where, _, options = text.partition(":")
        found[where] = f"tmpfs {options}".strip()
    return found


def _mount(kind: str, source: str, *, read_only: object) -> str:
    return f"{kind} {source}{' read-only' if read_only else ''}"


def _networks(service: Document, project: Document) -> str:
    if mode := service.get("network_mode"):
        return str(mode)
    known = project.get("networks") or {}
    return _listed((known.get(n) or {}).get("name") or n for n in service.get("networks") or ())


def _hosts(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}:{address}" for name, address in value.items()]
    return [str(line).replace("=", ":", 1) for line in value] if isinstance(value, list) else []


def _logging(value: Document | None) -> str:
    if not value:
        return "as the engine does"
    options = value.get("options") or {}
    return " ".join(
        [value.get("driver") or "json-file", *(f"{k}={options[k]}" for k in sorted(options))]
    )


def _health(value: Document | None, built: Document) -> str:
    if not value:
        return _check(built.get("Healthcheck"))
    if value.get("disable") or value.get("test") == ["NONE"]:
        return "none"
    # In Compose's files, and in what it prints of them, a dollar sign is doubled.
    test = [str(word).replace("$$", "$") for word in value.get("test") or ()]
    every = seconds_of(value["interval"]) if "interval" in value else 30
    return f"every {every} s: {json.dumps(test)}"


def _published(port: Document) -> str:
    return f"{_address(port.get('host_ip'))}:{port.get('published') or 'any'}"


# --- Docker ---------------------------------------------------------------------------------------


def _policy(policy: Document) -> str:
    name = policy.get("Name") or "no"
    times = policy.get("MaximumRetryCount") or 0
    return f"{name}:{times}" if times else str(name)


def _given(host: Document) -> dict[str, str]:
    cpus = (host.get("NanoCpus") or 0) / 1e9
    if not cpus and host.get("CpuQuota"):
        cpus = host["CpuQuota"] / (host.get("CpuPeriod") or 100_000)
    pids = host.get("PidsLimit") or 0
    return _limit_facts(
        memory=host.get("Memory") or 0,
        swap=host.get("MemorySwap") or 0,
        pids=max(pids, 0),
        cpus=cpus,
    )


def _mounted(container: Document, image: Document | None) -> dict[str, str]:
    host = container["HostConfig"]
    anonymous = set(((image or {}).get("Config") or {}).get("Volumes") or {})
    found = {}
    for mount in container.get("Mounts") or ():
        source = mount.get("Name") if mount["Type"] == "volume" else mount.get("Source", "")
        nameless = mount["Type"] == "volume" and re.fullmatch(r"[0-9a-f]{64}", source or "")
        if mount["Type"] == "tmpfs" or (nameless and mount["Destination"] in anonymous):
            continue  # a volume that the image itself asks for
        found[mount["Destination"]] = _mount(mount["Type"], source, read_only=not mount["RW"])
    for where, options in (host.get("Tmpfs") or {}).items():
        found[where] = f"tmpfs {options}".strip()
    return found


def _attached(container: Document) -> str:
    mode = container["HostConfig"].get("NetworkMode") or ""
    if mode in {"host", "none"} or mode.startswith(("container:", "service:")):
        return str(mode)
    return _listed((container.get("NetworkSettings") or {}).get("Networks") or ())


def _log_config(config: Document) -> str:
    options = config.get("Config") or {}
    if config.get("Type") == "json-file" and not options:
        return "as the engine does"
    return " ".join([config.get("Type") or "", *(f"{k}={options[k]}" for k in sorted(options))])


def _check(value: Document | None) -> str:
    test = (value or {}).get("Test") or []
    if not test or test == ["NONE"]:
        return "none"
    every = round(((value or {}).get("Interval") or 30e9) / 1e9)
    return f"every {every} s: {json.dumps(test)}"


def _is_of(process: Sequence[str], wanted: Sequence[str]) -> bool:
    """Tell whether a command line is that of the command: as it is, behind an interpreter, or by a
    program of it that has replaced it (an entry point that ends in `exec "$@"`)."""
    if list(process[-len(wanted) :]) == list(wanted):
        return True
    programs = {word.rpartition("/")[2] for word in wanted}
    return bool(process) and process[0].rpartition("/")[2].rstrip(":") in programs


def _written(changed: Iterable[str], mounts: Mapping[str, str]) -> list[str]:
    """Return files that were added, changed or deleted; not directories on the way to them, mount
    points and what Python compiles for itself."""
    paths = [line[2:] for line in changed]
    parents = {path.rpartition("/")[0] for path in paths}
    return [
        path
        for path in paths
        if path not in parents
        and not any(
            path == m or path.startswith(m + "/") or m.startswith(path + "/") for m in mounts
        )
        and "/__pycache__" not in path
    ]
