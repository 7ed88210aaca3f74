"""What the placeholders of botproof.toml stand for in one stack."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import botproof
from botproof.config import BOT, LOG, STRETCH, USER, VENV, Config, Process, substitute, venvs
from botproof.targets.failures import Failure
from botproof.targets.launch import BrokenHarnessError
from botproof.targets.process import TCP
from botproof.targets.reserved import Ports, port_is_taken
from botproof.users import users_of

LISTED_GROUPS = tuple(range(-1_001_600_000_001, -1_001_600_000_061, -1))
"""What `{groups}` stands for: in each of them one question is asked."""
_PACKAGE = Path(botproof.__file__).parent
LOAD_SCRIPTS = next(
    each for each in (_PACKAGE / "load_scripts", _PACKAGE.parent / "load") if each.is_dir()
)
"""In the installed package; in a source tree, beside it."""


def placeholder_values(
    config: Config,
    *,
    mode: str,
    stretch: float,
    base: Path,
    scratch: Path,
    users: Iterable[int],
    ports: Ports,
) -> dict[str, str]:
    """Return all but the doubles' URLs, which are known once those listen. `base` is the directory
    of botproof.toml. Raises BrokenHarnessError for what is not to be had."""
    values = {
        "python": sys.executable,
        "mode": mode,
        STRETCH: str(stretch),
        "token": config.doubles.telegram.token,
        "users": ",".join(map(str, users)),
        "groups": ",".join(map(str, LISTED_GROUPS)),
        "scratch": str(scratch),
        "load": str(LOAD_SCRIPTS),
    }
    users_by_chat = users_of(config.workload.cases)
    values |= {f"{USER}{chat}": str(user) for chat, user in users_by_chat.items()}
    values |= {f"{VENV}{name}": str(_venv(base, name)) for name in venvs(config)}
    insisted = config.insisted_ports()
    for name in (BOT, *config.services):
        port = insisted.get(name) or ports.free()
        if name in insisted and port_is_taken(port, reuse=True):
            raise BrokenHarnessError(
                f"{name} insists on port {port} (botproof.toml), which something else on this "
                f"machine has: end that, or let the port be chosen with {{port:{name}}}",
                Failure.PORT_TAKEN,
            )
        values[f"port:{name}"] = str(port)
        values[f"url:{name}"] = f"http://127.0.0.1:{port}"
    return values


def _venv(base: Path, name: str) -> Path:
    home = Path(os.path.abspath(base / name))  # noqa: PTH100 - links are not to be followed
    if not (home / "bin" / "python").exists():
        raise BrokenHarnessError(
            f"{{{VENV}{name}}}: there is no virtual environment at {home}; "
            f"`python3 -m venv {name}` makes one",
            Failure.NOT_CONFIGURED,
        )
    return home


def venv_env(process: Process, values: Mapping[str, str]) -> Mapping[str, str]:
    """Return what activating the virtual environment that a command names would set."""
    for text in process.command:
        for name, home in values.items():
            if name.startswith(VENV) and f"{{{name}}}" in text:
                path = os.pathsep.join((f"{home}/bin", os.environ.get("PATH", os.defpath)))
                return {"VIRTUAL_ENV": home, "PATH": path}
    return {}


def ready_url(name: str, process: Process, values: Mapping[str, str]) -> str:
    """Return what is asked until the process is ready; "" for what Telegram or its log tells."""
    if process.ready == "telegram" or process.ready.startswith(LOG):
        return ""
    if process.ready == "port":
        return f"{TCP}127.0.0.1:{values[f'port:{name}']}"
    return substitute(process.ready, values)


def ready_log(process: Process, values: Mapping[str, str]) -> str:
    """Return the pattern of the line by which it says that it is ready; "" where it does not."""
    if not process.ready.startswith(LOG):
        return ""
    return substitute(process.ready.removeprefix(LOG), values)
