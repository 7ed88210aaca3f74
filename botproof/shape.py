"""The shape of a document of tables: which keys each may have, and of which types their values are.

Told are all mistakes at once, each with the whole path of its key: msgspec alone stops at the first
one, and leaves the names out that a user gives to tables.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin, get_type_hints

import msgspec


@dataclass(slots=True)
class Shape:
    """What is wrong with a document, and what is left of it without that.

    `tables` names the struct of each table by its path: "services.*" for tables that a user names,
    "workload.cases[]" for those of a list. `wrong` are the paths of the keys that were left out,
    `whole` says that no required key is missing.
    """

    tables: Mapping[str, type[msgspec.Struct]]
    problems: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    whole: bool = True

    def read(self, raw: Mapping[str, Any], table: str = "", shown: str = "") -> dict[str, Any]:
        """What is right in one table; the rest is noted."""
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
                text = f"object missing required field `{each.name}`"
                path = f"{shown}.{each.name}" if shown else each.name
                self.note(path, f"{shown}: {text}" if shown else text)
            if each.required and each.name not in kept:
                self.whole = False
        return kept

    def note(self, path: str, problem: str) -> None:
        """Something is wrong at this key."""
        self.problems.append(problem)
        self.wrong.append(path)

    def concerns(self, problem: str) -> bool:
        """Whether a problem follows from one that is noted: it begins with the path of that.

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
        """One of several tables. Where it is none, nothing can be said about the rest."""
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
            hint = "; write it in quotes" if text.startswith("Expected `str`, got `int`") else ""
            self.note(path, f"{path}: {text[0].lower()}{text[1:]}{hint}")
            return _WRONG
        return value


_WRONG = object()
_READING = re.compile(r" \([^)]*\)")


def unknown(path: str, key: str, known: Iterable[str]) -> str:
    """The words for a key that is not known, with the nearest one that is."""
    near = difflib.get_close_matches(key, list(known), n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(sorted(known))}"
    return f"{path}: is no key that botproof knows; {hint}"
