"""Units of systemd: what is committed, what the machine's files say, what is loaded, what runs.

Everything here only reads: files, `/proc`, and `systemctl show`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from botproof.fleet.differences import Difference
from botproof.fleet.shape import Secrets
from botproof.problems import UsageError

_ASKED = ("LoadState", "ActiveState", "FragmentPath", "DropInPaths", "NeedDaemonReload", "MainPID")
_PLACES = ("etc/systemd/system.control", "run/systemd/system.control", "etc/systemd/system")
_OWN = re.compile(
    r"PATH|LANG|LC_\w+|USER|LOGNAME|HOME|SHELL|INVOCATION_ID|JOURNAL_STREAM|SYSTEMD_\w+|MAINPID"
    r"|NOTIFY_SOCKET|WATCHDOG_\w+|MEMORY_PRESSURE_\w+|MANAGERPID|LISTEN_\w+"
    r"|(STATE|RUNTIME|CACHE|LOGS|CONFIGURATION|CREDENTIALS)_DIRECTORY"
)
"""Variables that systemd gives a service by itself (systemd.exec(5))."""
_ENVIRONMENT = "Service.Environment"
_TIMEOUT_S = 10.0
Directives = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the files and processes of a machine are; another `root` for tests."""

    root: Path = Path("/")

    def show(self, unit: str) -> Mapping[str, str]:
        """Return what systemd itself says of a unit. Raises UsageError where it does not answer."""
        if shutil.which("systemctl") is None:
            raise UsageError("there is no `systemctl` command on PATH: units cannot be looked at")
        command = ("systemctl", "show", unit, *(f"--property={name}" for name in _ASKED))
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise UsageError(f"`systemctl show {unit}`: no answer in {_TIMEOUT_S:g} s") from None
        if done.returncode:
            raise UsageError(f"`systemctl show {unit}` failed: {done.stderr.strip()}")
        lines = (line.partition("=") for line in done.stdout.splitlines())
        return {name: value for name, _, value in lines}

    def path(self, text: str) -> Path:
        """Return the file of an absolute path."""
        return self.root / text.lstrip("/")

    def drop_ins(self, unit: str, known: Iterable[str]) -> list[Path]:
        """Return its additions: those that systemd has read, and those that it has not seen yet."""
        found = {self.path(text) for text in known}
        for place in (*_PLACES, "run/systemd/system", "usr/lib/systemd/system"):
            found |= set(self.root.glob(f"{place}/{unit}.d/*.conf"))
        return sorted(found, key=lambda path: path.name)

    def has_read(self, shown: Mapping[str, str], drop_ins: Iterable[Path]) -> bool:
        """Tell whether systemd knows of all additions. It says nothing of a directory
        that is new."""
        return {self.path(text) for text in shown["DropInPaths"].split()} == set(drop_ins)

    def shown(self, path: Path) -> str:
        """Return the path as it is on that machine."""
        return "/" + str(path.relative_to(self.root))

    def process(self, pid: str) -> tuple[str, Mapping[str, str]]:
        """Return command line and environment of a process; empty when it may not be read.

        Raises UsageError where only root may read it.
        """
        place = self.path(f"/proc/{pid}")
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")[:-1]
            pairs = (place / "environ").read_bytes().split(b"\0")[:-1]
        except OSError as error:
            raise UsageError(f"process {pid}: {error.strerror}; run this as root") from error
        lines = (os.fsdecode(pair).partition("=") for pair in pairs)
        return shlex.join(map(os.fsdecode, words)), {name: value for name, _, value in lines}


def differences_of(unit: Path, machine: Machine, secrets: Secrets) -> list[Difference]:
    """Return how a service differs from its committed unit. Raises UsageError:
    something is unreadable."""
    name = unit.name
    committed = _read([unit])
    there = machine.show(name)
    repair = f"systemctl daemon-reload && systemctl restart {name}"
    install = f"cp {unit} /etc/systemd/system/ && {repair}"
    drop_ins = machine.drop_ins(name, there.get("DropInPaths", "").split())
    if drop_ins:
        repair = f"rm {shlex.join(machine.shown(path) for path in drop_ins)} && {repair}"
    if there.get("LoadState") != "loaded":
        state = there.get("LoadState") or "unknown"
        return [Difference(name, "unit", "loaded", state, "boot", install)]
    fragment = machine.path(there["FragmentPath"])
    copied = _spread(_read([fragment])) == _spread(committed)
    on_disk = _read([fragment, *drop_ins])
    found = list(_directives(name, committed, on_disk, secrets, repair if copied else install))
    found += [
        Difference(name, "drop-in", "none", machine.shown(path), "", repair) for path in drop_ins
    ]
    if there.get("NeedDaemonReload") == "yes" or not machine.has_read(there, drop_ins):
        found.append(
            Difference(name, "loaded unit", "as its files say", "an older one", "", repair)
        )
    if there.get("ActiveState") != "active":
        found.append(
            Difference(name, "state", "active", there.get("ActiveState", ""), "boot", repair)
        )
        return found
    return [*found, *_process(name, committed, there["MainPID"], machine, secrets)]


def _read(paths: Iterable[Path]) -> dict[str, str]:
    """Return the directives by section and name; what may be given many times has its
    values in lines."""
    found: dict[str, str] = {}
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        section = ""
        for line in text.replace("\\\n", " ").splitlines():
            words = line.strip()
            if words.startswith("["):
                section = words.strip("[]")
            elif words and words[0] not in "#;":
                key, _, value = (part.strip() for part in words.partition("="))
                name = f"{section}.{key}"
                # An empty value forgets those before; systemd then has none.
                before = found.get(name, "")
                found[name] = f"{before}\n{value}".strip("\n") if value else ""
    return found


def _directives(
    unit: str, committed: Directives, found: Directives, secrets: Secrets, repair: str
) -> Iterator[Difference]:
    committed, found = _spread(committed), _spread(found)
    for name in sorted(committed.keys() | found.keys()):
        was, now = committed.get(name), found.get(name)
        if was == now:
            continue
        label = name.rpartition(" ")[2]
        check = "boot, golden, parity" if "Exec" in label or " " in name else ""
        wanted, there = (
            "nothing" if value is None else secrets.shown(label, value) for value in (was, now)
        )
        yield Difference(unit, name, wanted, there, check, repair)


def _spread(directives: Directives) -> dict[str, str]:
    """Return the same with each variable by itself, because some are secret, and values
    in a line."""
    found = {name: value.replace("\n", "; ") for name, value in directives.items()}
    found.pop(_ENVIRONMENT, None)
    for name, value in _variables(directives).items():
        found[f"{_ENVIRONMENT} {name}"] = value
    return found


def _variables(directives: Directives) -> dict[str, str]:
    """Return what the unit itself sets."""
    words = shlex.split(directives.get(_ENVIRONMENT, ""))
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _process(
    unit: str, committed: Directives, pid: str, machine: Machine, secrets: Secrets
) -> Iterator[Difference]:
    """Yield what runs against the committed unit and the files that it names."""
    repair = f"systemctl restart {unit}"
    command, environment = machine.process(pid)
    wanted = shlex.join(shlex.split(committed.get("Service.ExecStart", "")))
    if wanted and wanted != command:
        yield Difference(unit, "process", wanted, command, "boot, golden, parity", repair)
    settings = _settings(committed, machine)
    for name in sorted(settings.keys() | environment.keys()):
        was, now = settings.get(name), environment.get(name)
        if was == now or (was is None and _OWN.fullmatch(name)):
            continue
        yield Difference(
            unit,
            f"environment {name}",
            "nothing" if was is None else secrets.shown(name, was),
            "nothing" if now is None else secrets.shown(name, now),
            "golden, parity",
            repair,
        )


def _settings(committed: Directives, machine: Machine) -> dict[str, str]:
    """Return the variables that the unit gives: those of files win (systemd.exec(5))."""
    found = _variables(committed)
    for text in committed.get("Service.EnvironmentFile", "").splitlines():
        path = machine.path(text.removeprefix("-"))
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            if text.startswith("-"):
                continue
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        for line in lines:
            name, equals, value = line.strip().partition("=")
            if equals and name[:1] not in "#;":
                found[name.strip()] = " ".join(shlex.split(value)) if value else ""
    return found
