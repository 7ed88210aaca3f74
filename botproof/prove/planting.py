"""Plant a defect: make the changed copy of the bot, and the run that has to see it.

Nothing of the bot's own tree is changed. What is patched is copied into a directory that comes
first on the target's Python path.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from botproof.doubles.telegram.wire import Wire, WireError, check_wires
from botproof.prove.planted import Plan, Planted

_NO_CODE = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".nox", "node_modules")


class DoesNotApplyError(Exception):
    """A defect that cannot be planted into this bot as it is now."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run for `botproof.planted_run`: of which botproof.toml, changed how, judged by what."""

    config: str
    report_dir: str
    plan: Plan
    modes: tuple[str, ...] = ()
    change: dict[str, Any] = {}
    remove: tuple[str, ...] = ()
    python_path: str = ""
    wire: str = ""
    golden_dir: str = ""
    """Approved replies, where botproof.toml's own are not to be taken."""


def control(config: Path, plan: Plan, folder: Path) -> Job:
    """Return the run without any defect: what it says of the plan's checks has to be PASS."""
    folder.mkdir(parents=True, exist_ok=True)
    return Job(config=str(config), report_dir=str(folder / "report"), plan=plan, modes=plan.modes)


def planted(config: Path, plan: Plan, defect: Planted, folder: Path) -> Job:
    """Return the run of a build with the defect; DoesNotApplyError where it cannot be planted."""
    folder.mkdir(parents=True, exist_ok=True)
    job = control(config, plan, folder)
    if defect.patch or defect.delete:
        _plant(config.resolve().parent, defect, folder / "code")
        job = msgspec.structs.replace(job, python_path=str(folder / "code"))
    if defect.wire:
        path = folder / "wire.json"
        try:
            check_wires(msgspec.convert(defect.wire, tuple[Wire, ...]))
        except (msgspec.ValidationError, WireError) as error:
            raise DoesNotApplyError(f"wire: {error}") from error
        path.write_bytes(msgspec.json.encode(defect.wire))
        job = msgspec.structs.replace(job, wire=str(path))
    return msgspec.structs.replace(
        job, change=dict(defect.change), remove=defect.remove, modes=defect.modes or plan.modes
    )


def _plant(base: Path, defect: Planted, folder: Path) -> None:
    """Copy the packages that are changed, and change the copy."""
    files = patched(base, defect)
    for top in dict.fromkeys(Path(file).parts[0] for file in files):
        shutil.copytree(base / top, folder / top, ignore=_NO_CODE)
    for file, text in files.items():
        if text is None:
            (folder / file).unlink()
        else:
            (folder / file).write_text(text, encoding="utf-8")


def patched(base: Path, defect: Planted) -> dict[str, str | None]:
    """Return the files that a defect changes, and their new text: None for one that is deleted.

    DoesNotApplyError where a file is not there, or not what the patch expects.
    """
    files: dict[str, str | None] = {}
    for patch in defect.patch:
        text = files.get(patch.file) or _read(base, patch.file)
        if text.count(patch.old) != 1:
            found = text.count(patch.old)
            raise DoesNotApplyError(f"{patch.file}: holds {found} times, not once: {patch.old!r}")
        files[patch.file] = text.replace(patch.old, patch.new)
    for file in defect.delete:
        _read(base, file)
        files[file] = None
    return files


def _read(base: Path, file: str) -> str:
    try:
        return (base / file).read_text(encoding="utf-8")
    except OSError as error:
        raise DoesNotApplyError(f"{file}: there is no such file beside botproof.toml") from error


def merged(raw: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with the tables of another laid over it; lists and values are replaced."""
    result = dict(raw)
    for key, value in change.items():
        old = result.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]  # both are
    return result


def without(raw: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return a document without the key at a path such as "bot.env.NAME". KeyError when
    it has none."""
    key, _, rest = path.partition(".")
    if rest:
        return {**raw, key: without(raw[key], rest)}
    if key not in raw:
        raise KeyError(path)
    return {name: value for name, value in raw.items() if name != key}
