"""Write ``botproof/doubles/telegram/spec.json``: the Bot API's methods and types, as data.

The source is aiogram's model of the Bot API, which its maintainers generate from the official
documentation. Only what the double needs is taken over: names, types, what is required, and
what a method returns. Run it again after raising aiogram, and read the diff::

    python scripts/generate_telegram_spec.py            # writes the file
    python scripts/generate_telegram_spec.py --check    # exit 1 when the file is out of date

Type references are strings, as the official documentation writes them: ``Integer``, ``Float``,
``String``, ``Boolean``, ``InputFile``, ``Array<PhotoSize>``, a type's name, or alternatives
joined by ``|``.
"""

from __future__ import annotations

import argparse
import datetime
import enum
import json
import sys
import types as python_types
import typing
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import aiogram
import aiogram.methods
import aiogram.types
from aiogram.client.default import Default
from aiogram.methods import TelegramMethod
from aiogram.types import InputFile
from aiogram.types.base import TelegramObject
from pydantic import BaseModel
from pydantic.fields import FieldInfo

TARGET = Path(__file__).parents[1] / "botproof" / "doubles" / "telegram" / "spec.json"

SCALARS: Mapping[object, str] = {
    int: "Integer",
    float: "Float",
    str: "String",
    bool: "Boolean",
    datetime.datetime: "Integer",  # Unix time; aiogram offers friendlier spellings of it
    datetime.timedelta: "Integer",
    InputFile: "InputFile",
}
NOT_ON_THE_WIRE = (type(None), Default)
# Bases of aiogram's own making, which the documentation does not know.
PLAIN_BASES = {"TelegramObject", "MutableTelegramObject"}
# Abstract in the documentation, though aiogram gives it the fields of all its kinds.
ABSTRACT = {"MenuButton"}


def main(argv: list[str] | None = None) -> int:
    """Write the file, or with ``--check`` compare it; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="only tell whether it is up to date")
    text = render(build())
    if not parser.parse_args(argv).check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{TARGET.name} is out of date: run {Path(__file__).name}\n")
    return 1


def build() -> dict[str, object]:
    """The whole specification as JSON values."""
    unions = dict(_union_types())
    methods = {_api_name(cls): _method(cls) for cls in _classes(aiogram.methods, TelegramMethod)}
    objects = {cls.__name__: _object(cls) for cls in _objects()}
    return {
        "source": f"aiogram {aiogram.__version__}",
        "api": aiogram.__api_version__,
        "methods": dict(sorted(methods.items())),
        "types": dict(sorted({**objects, **unions}.items())),
    }


def render(spec: Mapping[str, object]) -> str:
    """JSON with one line a method and a type, so that a diff is readable."""

    def table(rows: typing.Any) -> str:
        lines = (f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
        return "{\n" + ",\n".join(lines) + "\n}"

    return (
        f'{{\n"source": {json.dumps(spec["source"])},\n"api": {json.dumps(spec["api"])},\n'
        f'"methods": {table(spec["methods"])},\n"types": {table(spec["types"])}\n}}\n'
    )


def _classes(module: python_types.ModuleType, base: type) -> Iterator[type[typing.Any]]:
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, base) and value is not base:
            yield value


def _objects() -> Iterator[type[BaseModel]]:
    """Types that appear on the wire as objects: not InputFile, not aiogram's own helpers."""
    for cls in _classes(aiogram.types, TelegramObject):
        is_helper = cls.__name__ in PLAIN_BASES or cls.__name__.startswith("Error")
        if not is_helper and not issubclass(cls, InputFile) and not _subtypes(cls):
            yield cls


def _subtypes(cls: type[typing.Any]) -> list[str]:
    """Names of the alternatives of an abstract type such as ChatMember; else empty."""
    if getattr(cls, "model_fields", None) and cls.__name__ not in ABSTRACT:
        return []
    known = vars(aiogram.types)
    return sorted(sub.__name__ for sub in cls.__subclasses__() if sub.__name__ in known)


def _union_types() -> Iterator[tuple[str, dict[str, object]]]:
    for cls in _classes(aiogram.types, TelegramObject):
        subtypes = _subtypes(cls)
        if subtypes and cls.__name__ not in PLAIN_BASES:
            yield cls.__name__, {"subtypes": subtypes}
    # The one recursive alias: rich text is a string, a list of rich text, or a formatted piece.
    rich = [sub.__name__ for sub in aiogram.types.RichText.__subclasses__()]
    yield "RichText", {"subtypes": ["String", "Array<RichText>", *sorted(rich)]}


def _api_name(cls: type[typing.Any]) -> str:
    return str(cls.__api_method__)


def _method(cls: type[typing.Any]) -> dict[str, object]:
    fields: dict[str, FieldInfo] = cls.model_fields
    return {
        "returns": "|".join(references(cls.__returning__)),
        "params": {
            (field.alias or name): _field(field, required=field.is_required())
            for name, field in fields.items()
        },
    }


def _object(cls: type[BaseModel]) -> dict[str, object]:
    return {
        "fields": {
            (field.alias or name): _field(field, required=_always_there(field))
            for name, field in cls.model_fields.items()
        }
    }


def _always_there(field: FieldInfo) -> bool:
    """A field whose default is a constant of its type (``type``, ``status``) is always sent."""
    return field.is_required() or _constant(field) is not None


def _constant(field: FieldInfo) -> str | None:
    if typing.get_origin(field.annotation) is not typing.Literal:
        return None
    value = typing.get_args(field.annotation)[0]
    return str(value.value if isinstance(value, enum.Enum) else value)


def _field(field: FieldInfo, *, required: bool) -> dict[str, object]:
    described: dict[str, object] = {"type": "|".join(references(field.annotation))}
    if required:
        described["required"] = True
    constant = _constant(field)
    if constant is not None:
        described["is"] = constant
    return described


def references(annotation: object) -> list[str]:
    """Type references for a Python annotation, in its order, without repeats."""
    return _abstract(list(dict.fromkeys(_walk(annotation))))


def _walk(annotation: object) -> Iterator[str]:
    if annotation in NOT_ON_THE_WIRE:
        return
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from _walk(typing.get_args(annotation)[0])
    elif origin in (typing.Union, python_types.UnionType):
        for member in typing.get_args(annotation):
            yield from _walk(member)
    elif origin is list:
        yield f"Array<{'|'.join(references(typing.get_args(annotation)[0]))}>"
    elif origin is typing.Literal:
        yield "String"
    else:
        yield _named(annotation)


def _named(annotation: object) -> str:
    scalar = SCALARS.get(annotation)
    if scalar is not None:
        return scalar
    name = getattr(annotation, "__name__", str(annotation))
    return "RichText" if name == "RichTextUnion" else str(name)


def _abstract(names: list[str]) -> list[str]:
    """Replace a full set of alternatives by the abstract type's name, as the documentation does."""
    for cls in _classes(aiogram.types, TelegramObject):
        subtypes = _subtypes(cls)
        if len(subtypes) > 1 and cls.__name__ not in PLAIN_BASES and set(subtypes) <= set(names):
            names = [cls.__name__, *_without(names, subtypes)]
    return names


def _without(names: Iterable[str], gone: Iterable[str]) -> list[str]:
    left_out = set(gone)
    return [name for name in names if name not in left_out]


if __name__ == "__main__":
    sys.exit(main())
