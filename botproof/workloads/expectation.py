"""What a good answer of a service has: fields that must be there with a value. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botproof.history import RequestFailure

_NO_VALUE = frozenset({"nan", "none", "null", "undefined", "inf", "-inf", "infinity", "n/a"})


def lacking(answer: Any, path: str, expect: str) -> str:
    """Return what an answer lacks of the fields that it is to have; "" when nothing. `expect` are
    fields with commas between, "data.price", each for one path only where it says so:
    "/price:data.price"."""
    for entry in filter(None, (each.strip() for each in expect.split(","))):
        only, colon, field = entry.rpartition(":")
        if colon and only != path:
            continue
        problem = missing_field(answer, field)
        if problem:
            return problem
    return ""


def shortcoming(answer: Mapping[str, Any], path: str, expect: str) -> tuple[str, RequestFailure]:
    """Return what is wrong with an answer that says success, and whether it is half an answer,
    which a service may give that had no processor. One without any data is none."""
    problem = lacking(answer, path, expect)
    if problem and not answer.get("data", True):
        return 'HTTP 200 and "success": true, but "data" is empty', ""
    return (f"half an answer: {problem}", "incomplete") if problem else ("", "")


def missing_field(answer: Any, field: str) -> str:
    """Say why a field, such as "data.spot.price" or "data.rows.0.price", is not there
    with a value; "" when it is."""
    value = answer
    for step in field.split("."):
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return f"no {field}"
    if value is None or value in ("", [], {}):
        return f"{field} is empty"
    if isinstance(value, str) and value.casefold() in _NO_VALUE:
        return f"{field} is {value!r}"
    return ""
