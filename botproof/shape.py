"""The shape of a document of tables: which keys each may have, and of which types their values are.

Told are all mistakes at once, each with the whole path of its key: msgspec alone stops at the first
one, and leaves the names out that a user gives to tables.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect

from botproof.problems import UsageError


@cache
def tables_of(document: type[msgspec.Struct]) -> Mapping[str, type[msgspec.Struct]]:
    """Return the struct of each table of a document, as `Shape` wants them."""
    return dict(_tables(inspect.type_info(document), ""))


def _tables(kind: inspect.Type, path: str) -> Iterator[tuple[str, type[msgspec.Struct]]]:
    match kind:
        case inspect.StructType():
            yield path, kind.cls
            for each in kind.fields:
                yield from _tables(each.type, f"{path}.{each.encode_name}".lstrip("."))
        case inspect.UnionType():
            found = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
            if len(found) == 1:  # a table, or something else: one value as msgspec reads it
                yield from _tables(found[0], path)
        case inspect.DictType():
            yield from _tables(kind.value_type, f"{path}.*")
        case inspect.VarTupleType():
            yield from _tables(kind.item_type, f"{path}[]")


@dataclass(slots=True)
class Shape:
    """What is wrong with a document, and what is left of it without that.

    `tables` names the struct of each table by its path: "services.*" for tables that a user names,
    "workload.cases[]" for those of a list. `wrong` are the paths of the keys that were left out,
    `whole` says that the rest can be judged. A text that is missing or wrong is empty in it.
    """

    tables: Mapping[str, type[msgspec.Struct]]
    problems: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    whole: bool = True

    def read(self, raw: Mapping[str, Any], table: str = "", shown: str = "") -> dict[str, Any]:
        """Return what is right in one table; the rest is noted."""
        struct = self.tables[table]
        types = get_type_hints(struct)
        kept: dict[str, Any] = {}
        for key, value in raw.items():
            path = f"{shown}.{key}" if shown else key
            if key not in types or key not in struct.__struct_fields__:
                self.note(path, unknown(path, key, struct.__struct_fields__))
                continue
            found = self._value(value, types[key], f"{table}.{key}" if table else key, path)
            if found is not _WRONG:
                kept[key] = found
        for each in msgspec.structs.fields(struct):
            if each.required and each.name not in raw:
                text = f"the key `{each.name}` is missing"
                path = f"{shown}.{each.name}" if shown else each.name
                self.note(path, f"{shown}: {text}" if shown else text)
            if each.required and each.name not in kept:
                if types[each.name] is str:  # so that the rest can be judged, too
                    kept[each.name] = ""
                else:
                    self.whole = False
        return kept

    def note(self, path: str, problem: str) -> None:
        """Something is wrong at this key."""
        self.problems.append(problem)
        self.wrong.append(path)

    def concerns(self, problem: str) -> bool:
        """Tell whether a problem follows from one that is noted: it begins with the path of that.

        A path may say in brackets which of several readings it is about: "bot (mode polling)".
        """
        problem = _READING.sub("", problem)
        return any(problem.startswith((f"{path}:", f"{path}.", f"{path}[")) for path in self.wrong)

    def _value(self, value: Any, kind: Any, table: str, shown: str) -> Any:
        if table in self.tables and isinstance(value, dict):
            return self.read(value, table, shown)
        if f"{table}[]" in self.tables and isinstance(value, list):
            return [self._table(v, f"{table}[]", f"{shown}[{n}]") for n, v in enumerate(value)]
        if f"{table}.*" in self.tables and isinstance(value, dict):
            return {n: self._table(v, f"{table}.*", f"{shown}.{n}") for n, v in value.items()}
        if get_origin(kind) is dict and isinstance(value, dict):
            inner = get_args(kind)[1]
            found = {n: self._converted(v, inner, f"{shown}.{n}") for n, v in value.items()}
            return {name: each for name, each in found.items() if each is not _WRONG}
        return self._converted(value, dict if table in self.tables else kind, shown)

    def _table(self, value: Any, table: str, shown: str) -> Any:
        """Return one of several tables. Where it is none, nothing can be said about the rest."""
        if isinstance(value, dict):
            return self.read(value, table, shown)
        self.whole = False
        return self._converted(value, dict, shown)

    def _converted(self, value: Any, kind: Any, shown: str) -> Any:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            text, _, where = str(error).partition(" - at `$")
            path = f"{shown}{where.rstrip('`')}"
            said = _none_of(kind, value) or f"{text[0].lower()}{text[1:]}{_right(text, path)}"
            self.note(path, f"{path}: {said}")
            return _WRONG
        return value


def _none_of(kind: Any, value: Any) -> str:
    """Return the words for a text that is none of those that there are; "" for anything else."""
    words = get_args(kind) if get_origin(kind) is Literal else ()
    if not words or not isinstance(value, str):
        return ""
    near = difflib.get_close_matches(value, words, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"is {value!r}, which is none of {', '.join(map(repr, words))}{hint}"


def _right(text: str, path: str) -> str:
    """Return what would be right in place of a value, where msgspec names types; ""
    where it is plain."""
    found = re.match(r"Expected `([^`]+)`, got `([^`]+)`", text)
    if found is None:
        return ""
    wanted, got = found[1].removesuffix(" | null"), found[2]
    table = f"; write a table, such as [{path}] with its keys in the lines below"
    number = "; write a number, without quotes or unit"
    hints = {
        ("array", "object"): f"; a list of tables begins with two brackets: [[{path}]]",
        ("int", "str"): number,
        ("float", "str"): number,
        **{("str", each): "; write it in quotes" for each in ("int", "float", "bool")},
    }
    of_any = {
        "array": '; write a list, such as ["one", "two"]',
        "object": table,
        "bool": "; write true or false, without quotes",
    }
    return hints.get((wanted, got), of_any.get(wanted, ""))


_WRONG = object()
_READING = re.compile(r" \([^)]*\)")


def unknown(path: str, key: str, known: Iterable[str], what: str = "key") -> str:
    """Return the words for a key, or another name (`what`), that is not known, with the
    nearest one."""
    near = difflib.get_close_matches(key, list(known), n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
    return f"{path}: is no {what} that botproof knows; {hint}"


def toml_of(text: str, name: str) -> dict[str, Any]:
    """Return a TOML document; `name` is what errors call it. Raises UsageError with the line that
    is wrong and what is often meant by such a line."""
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))  # some editors begin a file with it
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"at line (\d+)", str(error))
        line = text.splitlines()[int(found[1]) - 1].strip() if found else ""
        shown = f"; it reads: {line[:120]} ({_LINE_HINT})" if line else ""
        raise UsageError(f"{name}: is not TOML: {error}{shown}") from error


_LINE_HINT = "texts stand in quotes, lists and tables in brackets, and each key stands once"
