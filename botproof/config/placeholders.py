"""Placeholders in the values of a botproof.toml, such as `{token}` and `{url:api}`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping

from botproof.config.tables import BOT, EXCHANGES, HTTP, TELEGRAM, USER, Config

PLAIN_PLACEHOLDERS = {
    "python": "the Python that runs botproof",
    "mode": "the mode that is started",
    "token": "the bot token that the Telegram double knows",
    "users": "ids of all users of the workload who are no strangers, with commas between",
    "groups": "ids of the groups that the check `security` takes as listed, with commas between",
    "scratch": "a directory of its own for this start, removed afterwards",
    "load": "the directory of botproof's own Locust scripts",
}
SECONDS = "seconds:"
"""`{seconds:1.5}` is a deadline of the target's own, on a clock that the harness may stretch."""
STRETCH = "stretch"
USERS = "users"
USERS_APART = f"{USERS}:"
"""Begins a placeholder for the same ids with something else between, such as `{users: }`."""
VENV = "venv:"
"""Begins a placeholder for a virtual environment of the target, such as `{venv:.venv}`."""
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]*)\}")


def placeholder_names(config: Config) -> set[str]:
    """Return every placeholder that a value of this configuration may hold."""
    urls = {TELEGRAM, BOT, *config.services}
    if config.doubles.exchanges is not None:
        urls.add(EXCHANGES)
    if config.doubles.http is not None:
        urls.add(HTTP)
    ports = {BOT, *config.services}
    return (
        set(PLAIN_PLACEHOLDERS)
        | {f"url:{name}" for name in urls}
        | {f"port:{name}" for name in ports}
        | {f"{USER}{case.chat}" for case in config.workload.cases if case.chat}
    )


def placeholder_problems(config: Config) -> Iterator[str]:
    """Yield placeholders that stand for nothing."""
    known = placeholder_names(config)
    for path, text in _substituted_texts(config):
        for match in _PLACEHOLDER.finditer(text):
            name = match.group(1)
            if name is not None and name.startswith(SECONDS):
                if not _is_duration(name.removeprefix(SECONDS)):
                    yield f"{path}: {{{name}}} must hold a number of seconds, as {{seconds:1.5}}"
            elif name is not None and _takes_anything(name):
                continue
            elif name is not None and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {{{near[0]}}}? " if near else ""
                listed = ", ".join(
                    f"{{{each}}}" for each in [*sorted(known), "users: ", "venv:PATH"]
                )
                yield (
                    f"{path}: {{{name}}} stands for nothing; {hint}Known are {listed}; "
                    "write {{ and }} for braces"
                )


def _takes_anything(name: str) -> bool:
    """Tell whether a placeholder holds something after its colon, whatever that is."""
    return any(name.startswith(begin) and name != begin for begin in (VENV, USERS_APART))


def names_users(config: Config) -> bool:
    """Tell whether any value of this configuration holds the list of users."""
    return bool(re.search(r"\{users(?:\}|:[^{}]+\})", str(config)))


def _is_duration(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def stretches(config: Config) -> bool:
    """Tell whether any value gives the target a deadline that the harness may stretch."""
    return longest_deadline(config) > 0


def longest_deadline(config: Config) -> float:
    """Return the longest deadline of the target's that the harness may stretch, in seconds; 0
    without any."""
    names = (
        match.group(1) or ""
        for _, text in _substituted_texts(config)
        for match in _PLACEHOLDER.finditer(text)
    )
    told = (float(name.removeprefix(SECONDS)) for name in names if name.startswith(SECONDS))
    return max(told, default=0.0)


def _substituted_texts(config: Config) -> Iterator[tuple[str, str]]:
    for path, process in config.every_process():
        for number, argument in enumerate(process.command):
            yield f"{path}.command[{number}]", argument
        for key in ("reset", "container_args"):
            for number, argument in enumerate(getattr(process, key)):
                yield f"{path}.{key}[{number}]", argument
        for key, value in process.env.items():
            yield f"{path}.env.{key}", str(value)
        yield f"{path}.ready", process.ready
        yield f"{path}.cwd", process.cwd
    for name, mode in config.modes.items():
        yield f"modes.{name}.webhook", mode.webhook
    envs = {f"security.guests.{name}": env for name, env in config.security.guests.items()}
    envs["door.nobody"] = config.door.nobody
    envs["signals.env"] = config.signals.env if config.signals is not None else {}
    for path, env in envs.items():
        for key, value in env.items():
            yield f"{path}.{key}", str(value)
    if config.load is not None:
        yield "load.host", config.load.host
        yield "load.script", config.load.script


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Fill the placeholders of one value. Raises KeyError for one without a value."""

    def fill(match: re.Match[str]) -> str:
        if match.group(1) is None:
            return match.group(0)[0]
        if match.group(1).startswith(SECONDS):
            seconds = float(match.group(1).removeprefix(SECONDS))
            return f"{seconds * float(values.get(STRETCH, 1)):g}"
        if match.group(1).startswith(USERS_APART):
            return values[USERS].replace(",", match.group(1).removeprefix(USERS_APART))
        return values[match.group(1)]

    return _PLACEHOLDER.sub(fill, text)


def venvs(config: Config) -> set[str]:
    """Return the virtual environments that placeholders name, as they name them."""
    found: set[str] = set()
    for _, text in _substituted_texts(config):
        names = (match.group(1) or "" for match in _PLACEHOLDER.finditer(text))
        found |= {name.removeprefix(VENV) for name in names if name.startswith(VENV)}
    return found
