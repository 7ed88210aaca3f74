"""Plant a defect: make the changed copy of the bot, and the run that has to see it.

Nothing of the bot's own tree is changed. What is patched is copied into a directory that comes
first on the target's Python path.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from botproof.doubles.telegram.wire import Wire, WireError, check_wires
from botproof.prove.planted import Patch, Plan, Planted

__all__ = ["DoesNotApplyError", "Job", "control", "planted"]

_NO_CODE = shutil.ignore_patterns("__pycache__", "*.pyc", ".git", ".nox", "node_modules")


class DoesNotApplyError(Exception):
    """A defect that cannot be planted into this bot as it is now."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run for `botproof.prove.worker`: of which botproof.toml, changed how, judged by what."""

    config: str
    report_dir: str
    plan: Plan
    modes: tuple[str, ...] = ()
    change: dict[str, Any] = {}
    remove: tuple[str, ...] = ()
    python_path: str = ""
    wire: str = ""
    golden_dir: str = ""


def control(config: Path, plan: Plan, folder: Path) -> Job:
    """The run without any defect: what it says of the plan's checks has to be PASS."""
    folder.mkdir(parents=True, exist_ok=True)
    return Job(config=str(config), report_dir=str(folder / "report"), plan=plan, modes=plan.modes)


def planted(config: Path, plan: Plan, defect: Planted, folder: Path) -> Job:
    """The run of a build with the defect; DoesNotApplyError where it cannot be planted."""
    folder.mkdir(parents=True, exist_ok=True)
    job = control(config, plan, folder)
    if defect.patch or defect.delete:
        _patch(config.resolve().parent, defect.patch, defect.delete, folder / "code")
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


def _patch(base: Path, patches: Iterable[Patch], deleted: Iterable[str], folder: Path) -> None:
    """Copy the packages that are changed, and change the copy."""
    files = [*(patch.file for patch in patches), *deleted]
    for top in dict.fromkeys(Path(file).parts[0] for file in files):
        if not (base / top).is_dir():
            raise DoesNotApplyError(f"{top}: is no directory beside botproof.toml")
        shutil.copytree(base / top, folder / top, ignore=_NO_CODE)
    for patch in patches:
        path = folder / patch.file
        if not path.is_file():
            raise DoesNotApplyError(f"{patch.file}: there is no such file")
        text = path.read_text(encoding="utf-8")
        if text.count(patch.old) != 1:
            raise DoesNotApplyError(
                f"{patch.file}: holds {text.count(patch.old)} times, not once: {patch.old!r}"
            )
        path.write_text(text.replace(patch.old, patch.new), encoding="utf-8")
    for file in deleted:
        path = folder / file
        if not path.exists():
            raise DoesNotApplyError(f"{file}: there is no such file")
        path.unlink()


def merged(raw: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A document with the tables of another laid over it; lists and values are replaced."""
    result = dict(raw)
    for key, value in change.items():
        old = result.get(key)
        both = isinstance(value, Mapping) and isinstance(old, Mapping)
        result[key] = merged(old, value) if both else value  # type: ignore[arg-type]  # both are
    return result


def without(raw: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A document without the key at a path such as "bot.env.NAME". KeyError when it has none."""
    key, _, rest = path.partition(".")
    if rest:
        return {**raw, key: without(raw[key], rest)}
    if key not in raw:
        raise KeyError(path)
    return {name: value for name, value in raw.items() if name != key}
