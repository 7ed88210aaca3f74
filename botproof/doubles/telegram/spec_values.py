"""How the Bot API server reads single values: leniently at the top, strictly inside JSON.

A parameter is text to the server, whatever way it came: ``{"chat_id": 5}`` and ``chat_id=5`` are
the same. Numbers are read as far as they go and are zero otherwise; ``true``, ``yes`` and ``1`` are
true. Fields *inside* a JSON object are strict, and a wrong one is refused by name.

Source: ``to_integer`` and ``to_bool`` of tdutils, ``get_json_object_*_field`` in its JsonBuilder,
and ``parse_parameters_json`` of its HttpReader.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeVar

import msgspec

T = TypeVar("T")


class SpecError(ValueError):
    """A call that Telegram refuses: ``description`` is the full text, with ``Bad Request: ``."""

    def __init__(self, description: str) -> None:
        super().__init__(description)
        self.description = description


class FieldError(ValueError):
    """A wrong piece inside a structure; whoever knows the parameter turns it into SpecError."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came as a part of a multipart body; `field` is the part's name."""

    filename: str
    content_type: str
    data: bytes
    field: str = ""


class Form(dict[str, object]):
    """Parameters of a call that came with files: the two are lists of their own.

    A text argument does not hide the file of the same name: `photo=attach://photo` means the part
    `photo`, and `photo=` with such a part means it as well (`Query::arg` and `Query::file`).
    """

    __slots__ = ("files",)

    def __init__(self, texts: Mapping[str, object], files: Mapping[str, Upload]) -> None:
        super().__init__(texts)
        self.files = dict(files)


def files_of(raw: Mapping[str, object]) -> Mapping[str, Upload]:
    """Return the files of a call by the names of their parts; also those that stand
    among the texts."""
    if isinstance(raw, Form):
        return raw.files
    return {name: value for name, value in raw.items() if isinstance(value, Upload)}


def bad_request(message: str) -> NoReturn:
    """Raise ``message`` the way the server words it: prefixed, its first letter made small.

    A message that starts like a server constant (``BUTTON_DATA_INVALID``) keeps its letters.
    """
    if message.startswith("Bad Request"):
        raise SpecError(message)
    second = message[1:2]
    constant = second == "_" or "A" <= second <= "Z"
    raise SpecError("Bad Request: " + (message if constant else message[:1].lower() + message[1:]))


def text_of(value: object) -> str:
    """Return a parameter as the text that the server works on: JSON for everything but strings."""
    if isinstance(value, str):
        return value
    if isinstance(value, Upload):
        return value.data.decode("utf-8", "replace")
    return msgspec.json.encode(value).decode()


# As many digits as 64 bits can take: Python would go on, and stop with an error at 4,300.
_INTEGER = re.compile(r"-?[0-9]{1,19}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_TRUE = frozenset({"true", "yes", "1"})


def to_integer(value: object) -> int:
    """Return the number that ``value`` starts with, else 0."""
    if type(value) is int:
        return value
    found = _INTEGER.match(text_of(value))
    return int(found[0]) if found else 0


def to_float(value: object) -> float:
    """Do what ``to_integer`` does, for numbers with a fraction."""
    if type(value) is float:
        return value
    found = _FLOAT.match(text_of(value).strip())
    number = float(found[0]) if found else 0.0
    return number if math.isfinite(number) else 0.0


def to_boolean(value: object) -> bool:
    """Return true for ``true``, ``yes`` and ``1`` in any case, and for a JSON ``true``."""
    if type(value) is bool:
        return value
    return text_of(value).lower() in _TRUE


def to_chat_id(value: object) -> int | str:
    """Return a chat's number, or its ``@username``."""
    if type(value) is int:
        return value
    text = text_of(value).strip()
    return text if text.startswith("@") else to_integer(text)


def decode(value: object) -> object:
    """Return a structured parameter: as it is from a JSON body, or the JSON in its text.

    Raises msgspec.DecodeError when the text is not JSON, SpecError when its strings are not UTF-8.
    """
    if not isinstance(value, str):
        return value
    decoded: object = msgspec.json.decode(value)
    return in_utf8(decoded) if HALF.search(value.encode()) else decoded


HALF = re.compile(rb"\\u[dD][89a-fA-F]")
"""An escape in JSON that stands for half a character, such as an emoji."""


def in_utf8(value: T) -> T:
    """Return what was sent as it is. Raises SpecError for half an emoji (`"\\ud83d"`: one that was
    cut in two) and for bytes that are no UTF-8: td reads them, and refuses the string."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        bad_request("Strings must be encoded in UTF-8")
    return value


def checked_field(
    fields: Mapping[str, object], name: str, kind: str, *, required: bool = False
) -> object:
    """Field ``name`` of a JSON object, if it is of ``kind``; None when it is left out.

    ``kind`` is String, Integer, Float, Boolean, Array or Object. Strings take numbers and numbers
    take numeric strings, as td reads them; an explicit ``null`` is of no kind, and is refused.

    Raises FieldError for another kind, and for a required one that is left out.
    """
    if name not in fields:
        if required:
            raise FieldError(f'Can\'t find field "{name}"')
        return None
    value = fields[name]
    if kind == "String":
        return _string(value, name)
    if kind == "Integer":
        return _number(value, name)
    expected, shown = _KINDS[kind]
    if isinstance(value, bool) != (kind == "Boolean") or not isinstance(value, expected):
        raise FieldError(f'Field "{name}" must be of type {shown}')
    return value


_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "Float": ((int, float), "Number"),
    "Boolean": ((bool,), "Boolean"),
    "Array": ((list,), "Array"),
    "Object": ((dict,), "Object"),
}


def _string(value: object, name: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return text_of(value)
    raise FieldError(f'Field "{name}" must be of type String')


def _number(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise FieldError(f'Field "{name}" must be of type Number')
    if _INTEGER.fullmatch(text_of(value)) is None:
        raise FieldError(f'Field "{name}" must be a valid Number')
    return int(text_of(value))
