"""Defects that are planted for real: into a copy of the bot, its traffic, or how it is started.

They are data: TOML files of a directory (`fixtures/defects/` beside botproof.toml), and the wires
that come with botproof (`wires.toml`), which need nothing of a bot's code.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from botproof.problems import UsageError
from botproof.prove.grounds import Ground


class Patch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text of a file of the bot, which has to be there exactly once, and what replaces it."""

    file: str
    old: str
    new: str


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is run to see a defect, and before it once without any: a gate, or a delivery run.

    `only` are the checks, `cases` the names of the cases that are played (all without them),
    `modes` the modes. `change` is merged into botproof.toml, for the unbroken build as well.
    Without `load` the services are not loaded, whatever the checks would like.
    """

    run: Literal["gate", "delivery"] = "gate"
    only: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    change: dict[str, Any] = {}
    load: bool = False
    updates: int = 200
    kills: int = 2


class Planted(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A defect: its story, how it is planted, and what has to be said of it.

    Planted by `patch` (and `delete`, files) in a copy of the bot, by `wire` (see
    `botproof.doubles.telegram.wire`) in its traffic, or by `change` and `remove` (keys, as in
    "bot.env.NAME") in botproof.toml. `check` has to turn red, with each of `words` in its
    measurement or evidence. `also` are other checks that may name it in that one's place, each with
    its words: on a machine that is slow. `modes` restricts the plan's. `ci` says that it is among
    the few that every run of CI plays. `escapes` says why the gate does not see it yet, `needs`
    what a bot has to have for it to show (`grounds`).
    """

    name: str
    subject: str
    story: str
    check: str
    words: tuple[str, ...]
    also: dict[str, tuple[str, ...]] = {}
    plan: str
    patch: tuple[Patch, ...] = ()
    delete: tuple[str, ...] = ()
    wire: tuple[dict[str, Any], ...] = ()
    change: dict[str, Any] = {}
    remove: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    ci: bool = False
    escapes: str = ""
    needs: Ground = ""

    @property
    def how(self) -> str:
        """How it is planted, in one word."""
        return "patch" if self.patch or self.delete else "wire" if self.wire else "change"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    plan: dict[str, Plan] = {}
    defect: tuple[Planted, ...] = ()


class Catalogue(msgspec.Struct, frozen=True):
    """Every plan and every defect of some files."""

    plans: dict[str, Plan]
    defects: tuple[Planted, ...]

    def chosen(self, names: tuple[str, ...], *, ci: bool = False) -> tuple[Planted, ...]:
        """Return the defects of these names or subjects (all without any); UsageError
        for no defect."""
        known = {d.name for d in self.defects} | {d.subject for d in self.defects}
        for name in names:
            if name not in known:
                subjects = ", ".join(sorted({d.subject for d in self.defects}))
                raise UsageError(f"--defect {name}: there is none; subjects are {subjects}")
        return tuple(
            each
            for each in self.defects
            if (not names or each.name in names or each.subject in names) and (each.ci or not ci)
        )


def read_catalogue(directory: Path) -> Catalogue:
    """Return all defects of a directory. UsageError says which file is wrong, and where."""
    files = sorted(directory.glob("*.toml"))
    if not files:
        raise UsageError(f"{directory}: holds no defects (*.toml); docs/prove.md tells their shape")
    return _catalogue([(str(path), path.read_text(encoding="utf-8")) for path in files])


def read_wires_of_any_bot() -> Catalogue:
    """Return the defects that any bot can be given: they are planted in its traffic."""
    text = resources.files("botproof.prove").joinpath("wires.toml").read_text(encoding="utf-8")
    return _catalogue([("wires.toml", text)])


def _catalogue(texts: list[tuple[str, str]]) -> Catalogue:
    plans: dict[str, Plan] = {}
    defects: list[Planted] = []
    for name, text in texts:
        try:
            file = msgspec.convert(tomllib.loads(text), _File)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise UsageError(f"{name}: {error}") from error
        plans |= file.plan
        defects += file.defect
    problems = list(_problems(plans, defects))
    if problems:
        raise UsageError("\n".join(problems))
    return Catalogue(plans, tuple(defects))


def _problems(plans: dict[str, Plan], defects: list[Planted]) -> list[str]:
    seen: set[str] = set()
    problems = []
    for each in defects:
        if each.name in seen:
            problems.append(f"{each.name}: is there twice; each defect needs a name of its own")
        seen.add(each.name)
        if each.plan not in plans:
            problems.append(f"{each.name}: plan {each.plan!r} is not there: {', '.join(plans)}")
        if not each.words:
            problems.append(f"{each.name}: words: is empty; what has the check to say?")
        if not (each.patch or each.delete or each.wire or each.change or each.remove):
            problems.append(f"{each.name}: nothing is planted; give patch, delete, wire or change")
    return problems
