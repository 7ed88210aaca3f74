"""The defects that a gate is proved by, read from data."""

from __future__ import annotations

import tomllib
from importlib import resources

import msgspec


class Defect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A planted fault of the target.

    `alter` names what it does to a record (`botproof.prove.alterations`), in the last mode or in
    `modes = "all"`. `check` is the check that has to turn red, and `words` what its measurement or
    evidence has to say.
    """

    name: str
    story: str
    alter: str
    check: str
    words: tuple[str, ...]
    modes: str = "one"


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    defect: tuple[Defect, ...]


def read_defects() -> tuple[Defect, ...]:
    """Return the defects that come with botproof, in the order of defects.toml."""
    text = resources.files("botproof.prove").joinpath("defects.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File).defect
