"""The decoding of what venues send: rows one by one where one of them cannot be used, envelopes
before what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

E = TypeVar("E")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

_EMPTY: Final = re.compile(rb'(?<=[:\[,])(\s*)"(?:null)?"(?=\s*[,}\]])')
"""An empty text as a value, or "null": how venues write a number that there is none of."""


class Decodes(Protocol[R_co]):
    """What turns a body into a value: a msgspec decoder, or something that stands on one."""

    def decode(self, body: bytes, /) -> R_co:
        """Return the value; raises MsgspecError or RefusalError."""


class One(Generic[T]):
    """Decodes one thing. Numbers come as text or as numbers; an empty text counts as null."""

    def __init__(self, kind: Any) -> None:
        self._decoder = msgspec.json.Decoder(kind, strict=False)

    def decode(self, body: bytes | msgspec.Raw, /) -> T:
        """Return the value, or raise ValidationError."""
        try:
            return self._read(body)
        except msgspec.ValidationError:
            filled = _EMPTY.sub(rb"\1null", bytes(body))
            if filled == bytes(body):
                raise
            return self._read(filled)

    def _read(self, body: bytes | msgspec.Raw) -> T:
        value: T = self._decoder.decode(body)
        return value


class UsableRows(list[T]):
    """The rows of a list that can be used; ``left_out`` counts the others, ``why`` says what is
    wrong with the first of them.
    """

    left_out: int = 0
    why: str = ""


class Rows(Generic[T]):
    """Decodes a list. A row that cannot be used is left out and counted: it hides no other.

    A list of nothing but such rows raises ValidationError about the first one. ``aligned``: None
    stands in such a row's place, for lists that belong together by position.
    """

    def __init__(self, kind: Any, *, aligned: bool = False) -> None:
        self._all = msgspec.json.Decoder(list[kind] | None, strict=False)
        self._each = msgspec.json.Decoder(list[msgspec.Raw])
        self._one = One[T](kind)
        self._aligned = aligned

    def decode(self, body: bytes | msgspec.Raw, /) -> UsableRows[T]:
        """Return the rows; a null in a list's place is a list of none, an object one of one row."""
        told = bytes(body)
        if told.startswith(b"{"):
            told = b"[%b]" % told
        try:
            return UsableRows(self._all.decode(told) or ())
        except msgspec.ValidationError as error:
            rows = self._each.decode(told)
            kept = self._one_by_one(rows)
            if kept.left_out == len(rows):
                raise
            kept.why = str(error)
            return kept

    def _one_by_one(self, rows: list[msgspec.Raw]) -> UsableRows[T]:
        kept: UsableRows[Any] = UsableRows()
        for row in rows:
            try:
                kept.append(self._one.decode(row))
            except msgspec.ValidationError:
                kept.left_out += 1
                if self._aligned:
                    kept.append(None)
        return kept


def rows_in(value: object) -> Iterator[UsableRows[Any]]:
    """Yield the lists of rows in what a decoder returned: itself, or one or two levels down."""
    if isinstance(value, UsableRows):
        yield value
    elif isinstance(value, tuple):
        for inner in value:
            yield from rows_in(inner)
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            inner = getattr(value, name)
            if isinstance(inner, UsableRows):
                yield inner


class Inside(Generic[T]):
    """Decodes the rows that stand in one member of an object."""

    def __init__(self, outer: Decodes[Any], member: str, rows: Rows[T]) -> None:
        self._outer = outer
        self._member = member
        self._rows = rows

    def decode(self, body: bytes, /) -> UsableRows[T]:
        """Return the rows."""
        return self._rows.decode(getattr(self._outer.decode(body), self._member))


class Enveloped(Generic[E, T]):
    """Decodes an envelope, lets the venue's own code be checked, then decodes what it holds.

    ``open_`` returns the raw content of an envelope, or raises `RefusalError` with what the venue
    says.
    """

    def __init__(
        self,
        envelope: msgspec.json.Decoder[E],
        open_: Callable[[E], msgspec.Raw],
        content: Decodes[T],
    ) -> None:
        self._envelope = envelope
        self._open = open_
        self._content = content

    def decode(self, body: bytes, /) -> tuple[E, T]:
        """Return the envelope and its content."""
        envelope = self._envelope.decode(body)
        return envelope, self._content.decode(self._open(envelope))
