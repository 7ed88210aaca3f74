"""What a good answer of a service has: fields that must be there with a value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botproof.history import RequestFailure

_NO_VALUE = frozenset({"nan", "none", "null", "undefined", "inf", "-inf", "infinity", "n/a"})


def lacking(answer: Any, path: str, expect: str) -> str:
    """Return what an answer lacks of the fields that it is to have; "" when nothing. `expect` are
    fields with commas between, "data.price", each for one path only where it says so:
    "/price:data.price"; one that has to hold what was asked for is "data.base={symbol}"."""
    problems = (missing_field(answer, field) for field, _ in _fields(path, expect))
    return next(filter(None, problems), "")


def shortcoming(
    answer: Mapping[str, Any], path: str, expect: str, asked: Mapping[str, object]
) -> tuple[str, RequestFailure]:
    """Return what is wrong with an answer that says success, and whether it is half an answer,
    which a service may give that had no processor. One without any data is none, and neither is the
    answer to another question than the one `asked`."""
    problem = lacking(answer, path, expect)
    if problem and not answer.get("data", True):
        return 'HTTP 200 and "success": true, but "data" is empty', ""
    if problem:
        return f"half an answer: {problem}", "incomplete"
    for field, name in _fields(path, expect):
        given, wanted = str(_value(answer, field)), str(asked.get(name, ""))
        if name and given.casefold() != wanted.casefold():
            return f"the answer to another question: {field} is {given!r}, not {wanted!r}", ""
    return "", ""


def _fields(path: str, expect: str) -> Iterator[tuple[str, str]]:
    """Yield the fields that are expected of an answer of this path, each with the part of the
    question that it has to hold; "" where it may hold anything."""
    for entry in filter(None, (each.strip() for each in expect.split(","))):
        only, colon, field = entry.rpartition(":")
        if not colon or only == path:
            field, _, name = field.partition("=")
            yield field, name.strip("{}")


_ABSENT = object()


def _value(answer: Any, field: str) -> Any:
    value = answer
    for step in field.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return _ABSENT
    return value


def missing_field(answer: Any, field: str) -> str:
    """Say why a field, such as "data.spot.price" or "data.rows.0.price", is not there
    with a value; "" when it is."""
    value = _value(answer, field)
    if value is _ABSENT:
        return f"no {field}"
    if value is None or value in ("", [], {}):
        return f"{field} is empty"
    if isinstance(value, str) and value.casefold() in _NO_VALUE:
        return f"{field} is {value!r}"
    return ""
