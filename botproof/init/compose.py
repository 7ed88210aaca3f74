"""A bot that is described by an image, or by the files of Compose."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from botproof.config import Process
from botproof.fleet.host import Compose, resolved
from botproof.fleet.shape import is_secret
from botproof.fleet.target import as_process
from botproof.init.settings import Role, role_of
from botproof.init.source import Source, read_source
from botproof.problems import UsageError
from botproof.targets.docker import PROGRAM, image_id


def source_of_image(image: str, base: Path) -> Source:
    """Return what an image says of its settings, and what the source beside it does, if
    there is any."""
    image_id(image)
    command = (PROGRAM, "image", "inspect", "--format", "{{json .Config.Env}}", image)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = json.loads(done.stdout or "null") or []
    source = read_source(base)
    declared = [line.partition("=")[0] for line in lines]
    names = [name for name in declared if name not in {"PATH", "HOME", "LANG"}]
    return replace(source, env=tuple(dict.fromkeys((*source.env, *names))))


def describe(files: Sequence[Path], service: str | None) -> tuple[dict[str, Any], Source]:
    """`[bot]` as the files have it, and the source beside them.

    Raises UsageError when it cannot be told which service is the bot.
    """
    for path in files:
        if not path.is_file():
            raise UsageError(f"--compose {path}: is no file")
    services = resolved(Compose(list(files), [], None))["services"]
    name = service or _bot_among(services)
    if name not in services:
        raise UsageError(f"--service {name}: there is none; there are {', '.join(services)}")
    found = services[name]
    image = str(found.get("image") or "")
    if not image:
        raise UsageError(f"service {name}: is built and has no image; name one with `image:`")
    image_id(image)
    process = as_process(Process(ready="telegram"), found)
    given = {key: str(value) for key, value in process.env.items()}
    source = read_source(files[0].resolve().parent)
    env = {key: value for key, value in given.items() if not is_secret(key, value)}
    raw = {
        key: value
        for key, value in msgspec.to_builtins(process).items()
        if value and key in {"command", "image", "container_args", "ready", "cwd"} and value != "."
    }
    raw["env"] = {key: value for key, value in env.items() if role_of(key) is Role.OTHER}
    names = tuple(dict.fromkeys((*given, *source.env)))
    return raw, replace(source, env=names)


def _bot_among(services: Mapping[str, Mapping[str, Any]]) -> str:
    if len(services) == 1:
        return next(iter(services))
    likely = [
        name
        for name, each in services.items()
        if any(role_of(key) is Role.TOKEN for key in each.get("environment") or {})
    ]
    if "bot" in services:
        return "bot"
    if len(likely) == 1:
        return likely[0]
    raise UsageError(
        f"which service is the bot? --service NAME says so; there are {', '.join(services)}"
    )
