"""Objects made true to the specification: what it requires and nobody set is false, zero or empty.

The Bot API grows; an object that the double keeps must not lack a field that a newer version of the
specification requires.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from botproof.doubles.telegram.spec import example, types

Json = dict[str, Any]
_ZERO: Mapping[str, object] = {"Boolean": False, "Integer": 0, "Float": 0.0, "String": ""}


def complete(type_name: str, value: Json) -> Json:
    """`value` with every field that its type requires."""
    return {**_required(type_name), **value}


@cache
def _required(type_name: str) -> Json:
    fields = types()[type_name].fields.values()
    return {f.name: _default(f.constant, f.types[0]) for f in fields if f.required}


def _default(constant: str | None, kind: str) -> object:
    if constant is not None:
        return constant
    return _ZERO[kind] if kind in _ZERO else example(kind)


_MEMBERS: Mapping[str, str] = {
    "creator": "ChatMemberOwner",
    "administrator": "ChatMemberAdministrator",
    "member": "ChatMemberMember",
    "restricted": "ChatMemberRestricted",
    "left": "ChatMemberLeft",
    "kicked": "ChatMemberBanned",
}


def complete_member(member: Json) -> Json:
    """Return a ChatMember with every field that one of its status has."""
    return complete(_MEMBERS[member["status"]], member)


@cache
def flags(type_name: str) -> tuple[str, ...]:
    """Return the names of a type's Boolean fields."""
    fields = types()[type_name].fields.values()
    return tuple(field.name for field in fields if field.types == ("Boolean",))
