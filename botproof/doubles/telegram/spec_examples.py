"""Results that are true to the schema, for methods whose behaviour the double does not keep."""

from __future__ import annotations

from collections.abc import Mapping

from botproof.doubles.telegram.spec_model import FieldSpec, TypeSpec, members, types

_SCALARS: Mapping[str, object] = {
    "Integer": 1,
    "Float": 1.0,
    "String": "example",
    "Boolean": True,
    "InputFile": "example",
}


def example(type_ref: str, **overrides: object) -> object:
    """Return a value of type ``type_ref``: its required fields only, always the same.

    ``overrides`` replace or add fields of the outermost object::

        >>> example("MessageId", message_id=7)
        {'message_id': 7}

    Of alternatives it is the first one; arrays hold one element. KeyError for an unknown type.
    """
    reference = members(type_ref)[0]
    if reference.startswith("Array<"):
        return [example(reference[6:-1], **overrides)]
    if reference in _SCALARS:
        return _SCALARS[reference]
    return {**_object(types()[reference]), **overrides}


def _object(spec: TypeSpec) -> dict[str, object]:
    if spec.subtypes:
        first = next(name for name in spec.subtypes if name in types())
        return _object(types()[first])
    return {field.name: _value(field) for field in spec.fields.values() if field.required}


def _value(field: FieldSpec) -> object:
    return field.constant if field.constant is not None else example("|".join(field.types))
