"""The Bot API as data: its methods and types, read from ``spec.json``.

The file is written by ``scripts/generate_telegram_spec.py``. Type references are strings, as the
official documentation writes them: ``Integer``, ``Array<PhotoSize>``, ``InputFile|String``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import msgspec


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """One field of a type. ``constant`` is the value that tells the type (``type``, ``status``)."""

    name: str
    types: tuple[str, ...]
    required: bool
    constant: str | None


@dataclass(frozen=True, slots=True)
class TypeSpec:
    """A type of the Bot API: an object with ``fields``, or one of ``subtypes``."""

    name: str
    fields: Mapping[str, FieldSpec]
    subtypes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParamSpec:
    """A parameter: ``types`` are references as the official documentation writes them."""

    name: str
    types: tuple[str, ...]
    required: bool


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """A method: ``name`` in its documented spelling, ``returns`` a type reference."""

    name: str
    params: Mapping[str, ParamSpec]
    returns: str


class _Field(msgspec.Struct, frozen=True):
    type: str
    required: bool = False
    constant: str | None = msgspec.field(default=None, name="is")


class _Method(msgspec.Struct, frozen=True):
    returns: str
    params: dict[str, _Field]


class _Type(msgspec.Struct, frozen=True):
    fields: dict[str, _Field] = {}
    subtypes: tuple[str, ...] = ()


class _File(msgspec.Struct, frozen=True):
    methods: dict[str, _Method]
    types: dict[str, _Type]


@cache
def _file() -> _File:
    data = resources.files(__package__).joinpath("spec.json").read_bytes()
    return msgspec.json.decode(data, type=_File)


@cache
def methods() -> Mapping[str, MethodSpec]:
    """Return every method, by its name in lower case."""
    return {
        name.lower(): MethodSpec(
            name=name,
            params={
                key: ParamSpec(key, members(field.type), field.required)
                for key, field in method.params.items()
            },
            returns=method.returns,
        )
        for name, method in _file().methods.items()
    }


@cache
def types() -> Mapping[str, TypeSpec]:
    """Return every type, by its name."""
    return {
        name: TypeSpec(
            name=name,
            fields={
                key: FieldSpec(key, members(field.type), field.required, field.constant)
                for key, field in described.fields.items()
            },
            subtypes=described.subtypes,
        )
        for name, described in _file().types.items()
    }


def members(reference: str) -> tuple[str, ...]:
    """Return the alternatives of a type reference, split at the bars outside of ``Array<...>``."""
    if "|" not in reference:
        return (reference,)
    parts: list[str] = []
    depth = 0
    for piece in reference.split("|"):
        if depth:
            parts[-1] += "|" + piece
        else:
            parts.append(piece)
        depth += piece.count("<") - piece.count(">")
    return tuple(parts)
